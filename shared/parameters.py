"""Which number holds, here and today, and by which law: parameters resolved by nearest division and date.

No threshold is a constant (domain facts §0): every number is a dated row of a place with its legal basis. Each service
owns its rows; how they are resolved is the same everywhere. Pure: rows come in, one row goes out.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

from shared.errors import Conflict, Invalid, Missing
from shared.values import DivisionCode

Unit = Literal["fen", "date", "years", "days", "percent", "score", "count", "share", "code"]
UNITS: tuple[str, ...] = get_args(Unit)
EVERYWHERE_ZH = "全国"
EVERYWHERE_EN = "the whole country"


class ParameterWrong(Invalid):
    """参数有误: a row whose value does not fit its unit, or that ends before it begins."""

    code = "parameter.invalid"
    zh = "参数“{key}”的取值“{value}”有误：{why_zh}"
    en = "Parameter '{key}' with value '{value}' is not valid: {why_en}"
    hint_zh = "请核对参数的单位、取值和有效期"
    hint_en = "Check the unit, value and dates of the parameter"


class ParameterMissing(Missing):
    """参数缺失: no number is in force at that place on that date."""

    code = "parameter.missing"
    zh = "参数“{key}”在 {division} 于 {on} 没有有效取值"
    en = "No value of parameter '{key}' is in force in {division} on {on}"
    hint_zh = "请录入带法律依据的参数后重试"
    hint_en = "Enter the parameter with its legal basis, then try again"


class ParameterOverlap(Conflict):
    """参数重叠: two rows of one place claim the same day."""

    code = "parameter.overlap"
    zh = "参数“{key}”在 {division} 有两条记录同时有效：{first} 与 {second} 起"
    en = "Two rows of parameter '{key}' in {division} claim the same days: from {first} and from {second}"
    hint_zh = "请先结束前一条记录的有效期"
    hint_en = "End the earlier row first"


@dataclass(frozen=True, slots=True)
class Parameter:
    """参数: one number of one place, from its first to its last day (both included), with the law it stands on.

    `division` None means everywhere; `valid_to` None means until further notice.
    """

    key: str
    division: DivisionCode | None
    valid_from: date
    valid_to: date | None
    value: str
    unit: Unit
    basis_zh: str
    basis_en: str
    entered_by: str
    approved_by: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise self._wrong("单位不在目录中", "its unit is not known")
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise self._wrong("有效期结束早于开始", "it ends before it begins")
        if not self.basis_zh.strip() or not self.basis_en.strip():
            raise self._wrong("缺少法律依据", "it has no legal basis")
        if self.unit not in ("code", "share"):
            try:
                _ = self.number
            except ValueError:
                raise self._wrong("与单位不符", "it does not fit its unit") from None

    def _wrong(self, zh: str, en: str) -> ParameterWrong:
        return ParameterWrong(key=self.key, value=self.value, why_zh=zh, why_en=en)

    @property
    def number(self) -> int | date:
        """The value as its unit reads: a date, or a whole number."""
        return date.fromisoformat(self.value) if self.unit == "date" else int(self.value)

    def holds(self, on: date) -> bool:
        """Whether it is in force on that day."""
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)

    @property
    def place(self) -> str:
        """Its division as text, for messages."""
        return EVERYWHERE_ZH if self.division is None else self.division.text


class Parameters:
    """参数表: rows by key and place; `find` and `at` answer for the nearest division that has a row in force."""

    def __init__(self, rows: Iterable[Parameter]) -> None:
        self._rows: dict[str, dict[int, list[Parameter]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            self._rows[row.key][0 if row.division is None else row.division.value].append(row)
        for places in self._rows.values():
            for dated in places.values():
                dated.sort(key=lambda row: row.valid_from)
                _refuse_overlaps(dated)

    def __iter__(self) -> Iterator[Parameter]:
        return (row for places in self._rows.values() for dated in places.values() for row in dated)

    @property
    def keys(self) -> frozenset[str]:
        """All keys that have a row anywhere."""
        return frozenset(self._rows)

    def find(self, key: str, division: DivisionCode, on: date) -> Parameter | None:
        """The row of the nearest division at or above `division` that is in force on `on`; None when there is none."""
        places = self._rows.get(key)
        if places is None:
            return None
        for place in (*_upwards(division), 0):
            for row in places.get(place, ()):
                if row.holds(on):
                    return row
        return None

    def at(self, key: str, division: DivisionCode, on: date) -> Parameter:
        """As `find`, but a number must be in force."""
        row = self.find(key, division, on)
        if row is None:
            raise ParameterMissing(key=key, division=division.text, on=on)
        return row

    def places(self, keys: Iterable[str]) -> frozenset[int]:
        """Codes of the divisions with rows of their own: one outside all of them resolves like its parent."""
        return frozenset(place for key in keys for place in self._rows.get(key, ()) if place)


def _upwards(division: DivisionCode) -> Iterator[int]:
    here: DivisionCode | None = division
    while here is not None:
        yield here.value
        here = here.parent


def _refuse_overlaps(dated: list[Parameter]) -> None:
    for earlier, later in pairwise(dated):
        if earlier.valid_to is None or later.valid_from <= earlier.valid_to:
            raise ParameterOverlap(
                key=earlier.key, division=earlier.place, first=earlier.valid_from, second=later.valid_from
            )


def read_parameters(file: Path) -> list[Parameter]:
    """The reference rows that a service keeps as a data file; columns are the fields of `Parameter`, empty is none."""
    with file.open(encoding="utf-8", newline="") as lines:
        return [_row(line) for line in csv.DictReader(lines)]


def _row(line: dict[str, str]) -> Parameter:
    return Parameter(
        key=line["key"],
        division=DivisionCode.parse(line["division"]) if line["division"] else None,
        valid_from=date.fromisoformat(line["valid_from"]),
        valid_to=date.fromisoformat(line["valid_to"]) if line["valid_to"] else None,
        value=line["value"],
        unit=line["unit"],  # type: ignore[arg-type]  # checked by Parameter itself
        basis_zh=line["basis_zh"],
        basis_en=line["basis_en"],
        entered_by=line["entered_by"],
        approved_by=line["approved_by"],
    )
