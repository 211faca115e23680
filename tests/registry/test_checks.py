"""Every check trips where it should and nowhere else: the cases are the text that an officer can read and sign."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.registry.checks import checks_with
from services.registry.domain.fields import BY_NAME
from services.registry.forms import read_file
from shared.parameters import Parameters
from shared.values import DivisionCode, Scope, citizen_id_check
from tests.registry.sheets import CHECKS, NUMBERS, VILLAGE, Row, household, read_rows, write_csv

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases/checks.yaml").read_text(encoding="utf-8"))
ASKED_FOR = {
    "I": {1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 17, 18},
    "A": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12},
    "L": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 17, 18},
    "F": {1, 2, 3, 4, 5, 6, 7, 8},
    "C": {1, 2, 3, 4, 6, 7, 8},
    "M": {1, 2, 3},
    "T": {5},
}
NOT_YET_IN_FORCE = {"C3"}
"""Its line was first drawn in 2021: asked of no form of 2019."""


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
    assert {check.id for check in CHECKS} == {f"{family}{at}" for family, those in ASKED_FOR.items() for at in those}
    assert {check.id for check in CHECKS if check.severity == "refusal"} == {"I7", "I8", "I12"}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_each_check_asks_in_both_languages_about_known_fields(check: Any) -> None:
    assert check.zh.endswith("？")
    assert check.en.endswith("?")
    assert set(check.fields) <= BY_NAME.keys()
    cases = [case for case in CASES if case["check"] == check.id]
    if check.id in NOT_YET_IN_FORCE:
        return
    assert any(case["expected"] for case in cases), "no case that trips it"
    assert any(not case["expected"] for case in cases), "no case that passes"


def test_the_numbers_of_the_cases_were_never_issued() -> None:
    text = (Path(__file__).parent / "cases/checks.yaml").read_text(encoding="utf-8")
    assert "629999198003050021" in text
    assert citizen_id_check("62999919800305002") == "1"


@pytest.mark.parametrize(
    ("visited", "village", "found"),
    [("2020-12-31", VILLAGE, 0), ("2021-01-01", VILLAGE, 2), ("2021-01-01", "623023100201", 1)],
)
def test_a_number_holds_from_its_day_and_in_its_place(visited: str, village: str, found: int, tmp_path: Path) -> None:
    """C3: 5 999.99 yuan a head is below the line of the country from 2021 on, not below the next village's own."""
    rows = household(village + "0001") + household(VILLAGE + "0002", order=5) + household(VILLAGE + "0003", order=8)
    for at, yuan in ((0, "5999.99"), (3, "5999.99"), (6, "6000")):
        rows[at]["人均纯收入"] = yuan
    own = replace(next(one for one in NUMBERS if one.key == "check.c3.monitoring_line_fen"), value="500000")
    checks = checks_with(Parameters([*NUMBERS, replace(own, division=DivisionCode.parse("623023100201"))]))
    on = date.fromisoformat(visited)
    reading = read_file(write_csv(tmp_path / "t.csv", rows), checks=checks, scope=Scope.everything(), on=on)
    assert reading.doubts.filter(reading.doubts["check"] == "C3").height == found


def test_every_number_that_a_check_names_is_delivered_with_its_law() -> None:
    delivered = {one.key for one in NUMBERS if one.key.startswith("check.")}
    assert {key for check in CHECKS for key in check.numbers} == delivered


def test_the_page_of_doubts_names_every_check() -> None:
    page = (Path(__file__).parents[2] / "docs/doubts.md").read_text(encoding="utf-8")
    table = page.split("| family | asked |")[1].split("\n\n")[0]
    named = set()
    for family, first, last in re.findall(r"([A-Z])(\d+)(?:–[A-Z](\d+))?", table):
        named |= {f"{family}{at}" for at in range(int(first), int(last or first) + 1)}
    assert named == {check.id for check in CHECKS} | {"T7"}
