"""区划: a division of the country, as of its dates, and what may become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from shared.errors import Conflict, Missing
from shared.events.registry import DivisionRecorded
from shared.values import DivisionCode, Level


class DivisionMissing(Missing):
    """区划不存在."""

    code = "division.missing"
    zh = "未找到该区划"
    en = "No such division"


class DivisionEndsEarly(Conflict):
    """撤销早于启用: its last day lies before its first."""

    code = "division.order"
    zh = "区划{division}的撤销日期早于启用日期"
    en = "Division {division} would end before it begins"
    hint_zh = "请核对起止日期"
    hint_en = "Check the dates"


class DivisionIntoItself(Conflict):
    """并入自身: a division cannot be merged into itself."""

    code = "division.into_itself"
    zh = "区划{division}不能并入自身"
    en = "Division {division} cannot be merged into itself"
    hint_zh = "请核对并入的区划代码"
    hint_en = "Check the code of the division that it was merged into"


@dataclass(frozen=True, slots=True)
class Division:
    """区划: codes never change their meaning; a name or a merger is a new version of the same code."""

    code: DivisionCode
    name: str
    level: Level
    parent: DivisionCode | None
    valid_from: date
    valid_to: date | None
    superseded_by: DivisionCode | None
    version: int

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Division:
        """From the columns of its names."""
        return cls(
            code=DivisionCode(row["code"]),
            name=row["name"],
            level=Level(row["level"]),
            parent=_code(row["parent"]),
            valid_from=row["valid_from"],
            valid_to=row["valid_to"],
            superseded_by=_code(row["superseded_by"]),
            version=row["version"],
        )


def _code(value: int | None) -> DivisionCode | None:
    return None if value is None else DivisionCode(value)


@dataclass(frozen=True, slots=True)
class DivisionChange:
    """区划变更: what an operator says; None is "as it is"."""

    name: str | None = None
    valid_to: date | None = None
    superseded_by: DivisionCode | None = None


def amend_division(division: Division, change: DivisionChange) -> tuple[Division, list[DivisionRecorded]]:
    """A new name, a last day, a successor; nothing differs, nothing is said."""
    amended = replace(
        division,
        name=division.name if change.name is None else change.name,
        valid_to=division.valid_to if change.valid_to is None else change.valid_to,
        superseded_by=division.superseded_by if change.superseded_by is None else change.superseded_by,
    )
    if amended.valid_to is not None and amended.valid_to < amended.valid_from:
        raise DivisionEndsEarly(division=division.code)
    if amended.superseded_by == amended.code:
        raise DivisionIntoItself(division=division.code)
    if amended == division:
        return division, []
    amended = replace(amended, version=division.version + 1)
    return amended, [division_recorded(amended)]


def division_recorded(division: Division) -> DivisionRecorded:
    """区划: as it now stands."""
    return DivisionRecorded(
        version=division.version,
        code=division.code.text,
        name=division.name,
        level=division.level.value,
        parent=None if division.parent is None else division.parent.text,
        valid_from=division.valid_from,
        valid_to=division.valid_to,
        superseded_by=None if division.superseded_by is None else division.superseded_by.text,
    )
