"""导出: which columns an export has and what stands in them. The field catalogue makes both, so that what was exported
in clear can be handed in again as a file and changes nothing (ADR 0028).

A masked export, and one that names some members of a household only, must never be taken for a form: their column of
household numbers has a heading that no file is recognised by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.registry.domain.fields import FIELDS, SINCE_OF_STATUS, Field, Kind, Level
from services.registry.domain.household import Household, IncomeRow, Membership
from services.registry.domain.masking import MASKED, is_hidden
from shared.clock import SHANGHAI
from shared.values import mask_name

Value = str | int | None
Line = list[Value]
NO_FORM_NUMBER = "所在户编号"
HEAD, MEMBERS, VILLAGE = "户主", "在册人数", "行政村"
KIND_OF_STATUS: Mapping[str, str] = {since: kind for kind, since in SINCE_OF_STATUS.items()}


class Shape(StrEnum):
    """导出内容: a line a household, or a line a person (the form's own layout)."""

    HOUSEHOLDS = "households"
    PERSONS = "persons"


class FileFormat(StrEnum):
    """文件格式."""

    XLSX = "xlsx"
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Column:
    """导出列: its heading, and how its values are written. `field` is None for what is only counted or named."""

    name: str
    heading: str
    kind: Kind
    field: Field | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """导出要求: what is exported, and how much of it is shown."""

    shape: Shape
    in_clear: bool = False
    in_part: bool = False
    """Persons picked out of their households: no form of these."""


def columns_of(asked: Asked) -> tuple[Column, ...]:
    """In the catalogue's order: the household, how it lives, its people, its income."""
    return tuple(_columns(asked))


def _columns(asked: Asked) -> Iterator[Column]:
    is_form = asked.in_clear and asked.shape is Shape.PERSONS and not asked.in_part
    for field in FIELDS:
        if not _is_shown(field, asked):
            continue
        yield Column(field.name, _heading(field, is_form), field.kind, field)
        if field.name == "group":
            yield Column("village_name", VILLAGE, Kind.TEXT)
        if field.name == "headcount_on_form" and asked.shape is Shape.HOUSEHOLDS:
            yield Column("members", MEMBERS, Kind.WHOLE)
            yield Column("head", HEAD, Kind.NAME)


def _is_shown(field: Field, asked: Asked) -> bool:
    if field.table is None or (field.level is Level.PERSON and asked.shape is Shape.HOUSEHOLDS):
        return False
    return asked.in_clear or not is_hidden(field)


def _heading(field: Field, is_form: bool) -> str:
    if field.name == "number" and not is_form:
        return NO_FORM_NUMBER
    return f"{field.zh}（{field.unit}）" if field.unit else field.zh


@dataclass(frozen=True, slots=True)
class Drawn:
    """一户: what an export has of it: the noun, the name of its village, how many live elsewhere, whom to show."""

    household: Household
    village: str
    elsewhere: int = 0
    only: frozenset[UUID] | None = None


def lines_of(drawn: Drawn, columns: Sequence[Column], asked: Asked) -> Iterator[Line]:
    """The household's lines: what is seen of a household and earned by it stands on the first alone."""
    noun = drawn.household
    of_household = _told_of(noun) | {
        "village_name": drawn.village,
        "members": len(noun.members) + drawn.elsewhere,
        "head": _head_of(noun, asked),
    }
    if asked.shape is Shape.HOUSEHOLDS:
        yield [of_household.get(one.name) for one in columns]
        return
    shown = [one for one in noun.members if drawn.only is None or one.person.id in drawn.only]
    for at, member in enumerate(shown):
        of_person = _told_of_member(member, asked)
        yield [_cell(one, of_household, of_person, is_first=at == 0) for one in columns]


def _head_of(noun: Household, asked: Asked) -> str | None:
    name = noun.heads[0].person.name if noun.heads else None
    return name if name is None or asked.in_clear else mask_name(name)


def _cell(
    column: Column, of_household: Mapping[str, Value], of_person: Mapping[str, Value], *, is_first: bool
) -> Value:
    level = None if column.field is None else column.field.level
    if level is Level.PERSON:
        return of_person.get(column.name)
    return of_household.get(column.name) if is_first or level in (None, Level.HOUSEHOLD) else None


Read = Callable[[Any], Any]


def _told_of(noun: Household) -> dict[str, Value]:
    """Of the household, its circumstances and the last year that it declared; all of them, whoever may see it."""
    held = {span.kind: span.since for span in noun.statuses if span.until is None}
    poor = max((span.since for span in noun.statuses if span.kind == "poor"), default=None)
    since: dict[str, date | None] = {name: held.get(kind) for name, kind in KIND_OF_STATUS.items()}  # type: ignore[call-overload]
    own: dict[str, Any] = {
        "number": noun.number.text,
        "division": noun.division.text,
        "group": noun.group,
        "registered_on": noun.registered_on,
        "statuses": tuple(kind for kind in _order_of("statuses") if kind in held),
        **since,
        "poor_since": poor,
        **_declared(noun.income),
    }
    return {
        field.name: written(field, own[field.name] if field.name in own else getattr(noun.living, field.name, None))
        for field in FIELDS
        if field.level is not Level.PERSON and field.table is not None
    }


def _order_of(name: str) -> tuple[str, ...]:
    field = next(one for one in FIELDS if one.name == name)
    return () if field.codes is None else field.codes.names


def _declared(income: Sequence[IncomeRow]) -> dict[str, Any]:
    """The last year of which the household declared anything: what was paid out is no declaration."""
    declared = [row for row in income if row.source == "declared"]
    if not declared:
        return {}
    year = max((row.year for row in declared), key=lambda one: (one.first, one.last))
    amounts: dict[str, Any] = {row.item: row.fen for row in declared if row.year == year}
    return amounts | {"income_year_from": year.first, "income_year_to": year.last}


def _told_of_member(member: Membership, asked: Asked) -> dict[str, Value]:
    told: dict[str, Value] = {}
    for field in FIELDS:
        if field.level is Level.PERSON and field.table is not None:
            value = member.relation if field.name == "relation" else getattr(member.person, field.name)
            if not asked.in_clear and value is not None and field.name in MASKED:
                value = MASKED[field.name](value)
            told[field.name] = written(field, value)
    return told


def written(field: Field, value: Any) -> Value:
    """A value as it is kept until the file is bound: words for codes, fen for money, days as year-month-day."""
    if value is None or value == ():
        return None
    if field.codes is not None:
        if field.kind is Kind.PRESENCE:
            value = "present" if value else "away"
        several = value if isinstance(value, tuple) else (value,)
        return "、".join(field.codes.label(one) for one in several)
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


@dataclass(frozen=True, slots=True)
class Paper:
    """导出说明: who exported what and when; it stands in the file and in its properties."""

    number: UUID
    by: str
    sub: str
    at: datetime
    words: str
    in_clear: bool
    purpose: str | None
    lines: int
    as_of: date | None = None
    known_at: datetime | None = None
    is_practice: bool = False

    def said(self) -> list[str]:
        """Line by line; each begins as notes of a form do, so that nobody reads it for a person."""
        moment = self.at.astimezone(SHANGHAI).isoformat(sep=" ", timespec="seconds")
        lines = [
            f"注：导出人{self.by}（{self.sub}），导出时间{moment}，导出编号{self.number}",
            f"注：{self.words}；共{self.lines}行；{'含个人信息全文' if self.in_clear else '已脱敏'}",
        ]
        if self.purpose is not None:
            lines.append(f"注：事由{self.purpose}")
        if self.as_of is not None and self.known_at is not None:
            known = self.known_at.astimezone(SHANGHAI).isoformat(sep=" ", timespec="seconds")
            lines.append(f"注：按{self.as_of.isoformat()}的情况、登记簿在{known}的所知导出")
        if self.is_practice:
            lines.append("注：演练数据，人物均为虚构")
        return [*lines, "注：仅限本次事由使用，不得转发"]
