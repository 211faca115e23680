"""Every check trips where it should and nowhere else: the cases are the text that an officer can read and sign."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.registry.checks import CHECKS
from services.registry.domain.fields import BY_NAME
from shared.values import citizen_id_check
from tests.registry.sheets import Row, household, read_rows

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases/checks.yaml").read_text(encoding="utf-8"))
ASKED_FOR = {"I1", "I2", "I3", "I4", "I7", "I8", "I10", "I12", "I13", "I18", "L1", "L10", "F1", "C4", "M2"}


def given(case: dict[str, Any]) -> list[Row]:
    """The case's file."""
    rows = household()
    if case.get("another"):
        rows += household("6230231002000002", order=5)
    for row, cells in case["change"].items():
        rows[row - 2] |= cells
    for row in case.get("empty", ()):
        rows[row - 2] = {"户编号": rows[row - 2]["户编号"]}
    return rows


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['check']}-{case['name']}")
def test_a_check_finds_exactly_what_its_case_says(case: dict[str, Any], tmp_path: Path) -> None:
    reading = read_rows(tmp_path, given(case))
    check = next(one for one in CHECKS if one.id == case["check"])
    if check.severity == "doubt":
        found = reading.doubts.filter(reading.doubts["check"] == check.id)
        assert reading.rows_refused == 0
    else:
        found = reading.refusals.filter(reading.refusals["code"] == check.id)
        assert (reading.rows_refused > 0) == bool(case["expected"])
    assert [list(pair) for pair in found.select("row", "field").iter_rows()] == case["expected"]
    assert all(found["zh"].str.len_chars() > 3)
    assert all(found["en"].str.len_chars() > 3)


def test_a_sound_household_trips_nothing(tmp_path: Path) -> None:
    reading = read_rows(tmp_path, household())
    assert reading.doubts.is_empty()
    assert reading.refusals.is_empty()
    assert reading.persons.height == 3


def test_the_catalogue_has_the_checks_that_were_asked_for() -> None:
    assert {check.id for check in CHECKS} == ASKED_FOR
    assert {check.id for check in CHECKS if check.severity == "refusal"} == {"I7", "I8", "I12"}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_each_check_asks_in_both_languages_about_known_fields(check: Any) -> None:
    assert check.zh.endswith("？")
    assert check.en.endswith("?")
    assert set(check.fields) <= BY_NAME.keys()
    cases = [case for case in CASES if case["check"] == check.id]
    assert any(case["expected"] for case in cases), "no case that trips it"
    assert any(not case["expected"] for case in cases), "no case that passes"


def test_the_numbers_of_the_cases_were_never_issued() -> None:
    text = (Path(__file__).parent / "cases/checks.yaml").read_text(encoding="utf-8")
    assert "629999198003050021" in text
    assert citizen_id_check("62999919800305002") == "1"
