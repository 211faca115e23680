"""区划: a division of the country, as of its dates, and what may become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from shared.errors import Conflict, Invalid, Missing
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


class DivisionNotVillage(Invalid):
    """须为村: only a village is carried over into a village."""

    code = "division.not_village"
    zh = "区划{division}不是村级区划"
    en = "Division {division} is no village"
    hint_zh = "乡镇、县的调整请逐村办理"
    hint_en = "Let each village of a township follow by itself"


class DivisionEnded(Conflict):
    """区划已撤销: it is no more, or was taken over by another one."""

    code = "division.ended"
    zh = "区划{division}在该日不在用，或已并入其他区划"
    en = "Division {division} is not in force on that day, or was taken over by another one"
    hint_zh = "请核对区划代码与日期"
    hint_en = "Check the code and the day"


class DivisionNameless(Invalid):
    """新区划无名称: a code that is not on record needs a name, and a township that is."""

    code = "division.nameless"
    zh = "区划{division}不在册，须填写名称，且其上级乡镇须在册"
    en = "Division {division} is not on record: give its name; its township must be on record"
    hint_zh = "请填写 name，或核对代码"
    hint_en = "Give `name`, or check the code"


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


def new_division(old: Division, code: DivisionCode, name: str | None, on: date) -> Division:
    """A village of a code that was not on record, from that day on; it lies in the township that its code names."""
    if name is None:
        raise DivisionNameless(division=code)
    township = DivisionCode(code.value // 1000 * 1000)
    return Division(code, name, old.level, township, on, None, None, 1)


def supersede_division(old: Division, new: Division, on: date) -> Division:
    """A village whose last day is the one before; said again about the same successor it is as it was."""
    for one in (old, new):
        if one.level is not Level.VILLAGE or not one.code.value % 1000:
            raise DivisionNotVillage(division=one.code)
    if new.code == old.code:
        raise DivisionIntoItself(division=old.code)
    if old.superseded_by == new.code and old.valid_to == on - timedelta(days=1):
        return old
    if old.superseded_by is not None or new.superseded_by is not None:
        raise DivisionEnded(division=old.code if old.superseded_by is not None else new.code)
    if new.valid_from > on or new.valid_to is not None:
        raise DivisionEnded(division=new.code)
    change = DivisionChange(valid_to=on - timedelta(days=1), superseded_by=new.code)
    return amend_division(old, change)[0]


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
