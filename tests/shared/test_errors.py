"""Every refusal speaks both languages, says what to do next, and crosses process borders."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import re
from typing import Any

import pytest

import shared
from shared.errors import Busy, FieldError, Problem, ScopeRefused, TooLarge, all_problems


def _import_everything() -> None:
    for package in ("shared", "services"):
        try:
            root = importlib.import_module(package)
        except ModuleNotFoundError:
            continue
        for module in pkgutil.walk_packages(root.__path__, f"{package}."):
            if ".migrations" not in module.name:
                importlib.import_module(module.name)


_import_everything()
ALL = sorted(set(all_problems()), key=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__qualname__)
def test_it_speaks_chinese_and_english_and_says_what_to_do(kind: type[Problem]) -> None:
    facts: dict[str, Any] = dict.fromkeys(kind.placeholders(), "6230")
    problem = kind(**facts)
    assert CHINESE.search(problem.detail_zh)
    assert CHINESE.search(problem.hint_zh)
    assert not CHINESE.search(kind.en)
    assert not CHINESE.search(kind.hint_en)
    assert problem.detail_en.strip()
    assert kind.hint_en.strip()
    assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", kind.code)
    assert 400 <= kind.status <= 599
    assert CHINESE.match((kind.__doc__ or "").strip())


def test_codes_are_unique_unless_inherited() -> None:
    own = [kind for kind in ALL if "code" in kind.__dict__]
    codes = [kind.code for kind in own]
    assert sorted(codes) == sorted(set(codes))


def test_a_problem_survives_the_way_out_of_a_child_process() -> None:
    sent = TooLarge(limit="32 MB", errors=[FieldError("x", "坏", "bad", row=3, column="姓名")], retry_after_seconds=7)
    got = pickle.loads(pickle.dumps(sent))
    assert (type(got), got.detail_zh, got.errors, got.retry_after_seconds) == (
        TooLarge,
        sent.detail_zh,
        sent.errors,
        7,
    )


def test_field_errors_leave_out_empty_places() -> None:
    assert FieldError("x", "坏", "bad", pointer="/name").as_json() == {
        "code": "x",
        "detail": "坏",
        "detail_en": "bad",
        "pointer": "/name",
    }


def test_a_missing_fact_is_a_programming_error_not_a_silent_text() -> None:
    with pytest.raises(KeyError):
        ScopeRefused()


def test_busy_says_when_to_come_back() -> None:
    assert Busy().retry_after_seconds == 2
    assert shared.__doc__
