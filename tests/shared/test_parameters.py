"""The nearest division's number that is in force on a day, and by which law."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from shared.parameters import (
    Parameter,
    ParameterMissing,
    ParameterOverlap,
    Parameters,
    ParameterWrong,
    Unit,
    read_parameters,
)
from shared.values import DivisionCode

VILLAGE = DivisionCode.parse("623023101201")
NEIGHBOUR = DivisionCode.parse("623023102201")
OTHER_PROVINCE = DivisionCode.parse("522630100201")


def row(value: str, place: str = "", since: str = "2019-01-01", until: str = "", unit: Unit = "fen") -> Parameter:
    return Parameter(
        key="poverty_line",
        division=DivisionCode.parse(place) if place else None,
        valid_from=date.fromisoformat(since),
        valid_to=date.fromisoformat(until) if until else None,
        value=value,
        unit=unit,
        basis_zh="依据",
        basis_en="basis",
        entered_by="a",
        approved_by="b",
    )


def test_the_nearest_division_wins_and_others_fall_back_upwards() -> None:
    table = Parameters([row("1"), row("2", "62"), row("3", "623023"), row("4", "623023101")])
    found = [table.at("poverty_line", place, date(2019, 8, 20)).value for place in (VILLAGE, NEIGHBOUR, OTHER_PROVINCE)]
    assert found == ["4", "3", "1"]
    assert table.places(["poverty_line"]) == {620000000000, 623023000000, 623023101000}


def test_first_and_last_day_are_included_and_the_days_around_are_not() -> None:
    table = Parameters(
        [row("1", since="2018-01-01", until="2018-12-31"), row("2", since="2019-01-01", until="2019-12-31")]
    )
    days = (date(2017, 12, 31), date(2018, 1, 1), date(2018, 12, 31), date(2019, 1, 1), date(2019, 12, 31))
    found = [table.find("poverty_line", VILLAGE, day) for day in (*days, date(2020, 1, 1))]
    assert [one and one.value for one in found] == [None, "1", "1", "2", "2", None]


def test_a_near_row_that_has_ended_does_not_hide_the_one_above_it() -> None:
    table = Parameters([row("1"), row("2", "623023", until="2019-06-30")])
    assert table.at("poverty_line", VILLAGE, date(2019, 6, 30)).value == "2"
    assert table.at("poverty_line", VILLAGE, date(2019, 7, 1)).value == "1"


def test_a_missing_number_is_named() -> None:
    with pytest.raises(ParameterMissing) as refused:
        Parameters([]).at("poverty_line", VILLAGE, date(2019, 8, 20))
    assert "poverty_line" in refused.value.detail_zh
    assert VILLAGE.text in refused.value.detail_en


@pytest.mark.parametrize("until", ["", "2019-06-01"])
def test_two_rows_for_one_day_are_refused(until: str) -> None:
    with pytest.raises(ParameterOverlap):
        Parameters([row("1", until=until), row("2", since="2019-06-01")])


@pytest.mark.parametrize(
    ("value", "unit", "until"),
    [("1.5", "fen", ""), ("2019-02-29", "date", ""), ("1", "yuan", ""), ("1", "fen", "2018-12-31")],
)
def test_a_row_that_cannot_be_true_is_refused(value: str, unit: Unit, until: str) -> None:
    with pytest.raises(ParameterWrong):
        row(value, unit=unit, until=until)


def test_a_number_without_law_is_refused() -> None:
    with pytest.raises(ParameterWrong, match="legal basis"):
        Parameter("k", None, date(2019, 1, 1), None, "1", "fen", " ", "basis", "a", "b")


def test_rows_are_read_from_a_data_file(tmp_path: Path) -> None:
    file = tmp_path / "parameters.csv"
    file.write_text(
        "key,division,valid_from,valid_to,value,unit,basis_zh,basis_en,entered_by,approved_by\n"
        "first_day,,2019-01-01,2019-12-31,2018-10-01,date,依据,basis,a,b\n"
        "poverty_line,62,2019-01-01,,321800,fen,依据,basis,a,b\n",
        encoding="utf-8",
    )
    first, line = read_parameters(file)
    assert (first.number, first.division) == (date(2018, 10, 1), None)
    assert (line.number, line.division, line.valid_to) == (321800, DivisionCode.parse("62"), None)
