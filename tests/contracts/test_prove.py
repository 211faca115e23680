"""Each break that `make prove` plants still fits the code: its text stands exactly once, and its test exists."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.prove.__main__ import PROJECT, all_breaks, listed
from tests.prove.breaks import Break

BREAKS = all_breaks()


def faults_of(one: Break) -> list[str]:
    """Why this break would prove nothing."""
    found = []
    path = PROJECT / one.file
    count = path.read_text(encoding="utf-8").count(one.old) if path.is_file() else 0
    if count != 1:
        found.append(f"the text to break stands {count} times in {one.file}")
    if one.old == one.new:
        found.append("nothing is broken")
    file, _, function = one.test.partition("::")
    if function.partition("[")[0] not in functions_of(PROJECT / file):
        found.append(f"there is no test {one.test}")
    return found


def functions_of(path: Path) -> set[str]:
    """The names of a test file's functions, read without importing it."""
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("one", BREAKS, ids=lambda one: one.name)
def test_a_break_fits_the_code(one: Break) -> None:
    assert faults_of(one) == []


def test_a_stale_break_is_noticed() -> None:
    here = "tests/contracts/test_prove.py::"
    good = Break("x", "tests/prove/breaks.py", "class Break:", "class Broken:", here + "test_names_are_alone")
    stale = [
        replace(good, old="no such text"),
        replace(good, old="str"),
        replace(good, new=good.old),
        replace(good, test=here + "test_gone"),
        replace(good, file="gone.py", test="gone.py::test_gone"),
    ]
    assert faults_of(good) == []
    assert [len(faults_of(one)) for one in stale] == [1, 1, 1, 1, 2]


def test_names_are_alone() -> None:
    assert [name for name, count in Counter(one.name for one in BREAKS).items() if count > 1] == []


def test_the_list_shows_every_break() -> None:
    lines = listed(BREAKS).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {one.name}" for one in BREAKS]
