"""What a data check is: a question asked of households and persons, answered by the rows where the answer is in doubt.

A doubt is a thing to be checked on the spot and closed by a written finding, never a verdict. A check of severity
`refusal` names what the register cannot hold truthfully; the whole household then comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any, Literal

import polars as pl

from services.registry.domain.decisions import HouseholdEntry
from services.registry.domain.fields import BY_NAME, FIELDS, SINCE_OF_STATUS, Field, Kind, Level
from services.registry.domain.household import Living
from shared.parameters import Parameters
from shared.values import DivisionCode

Severity = Literal["doubt", "refusal"]

FINDING_SCHEMA: dict[str, type[pl.DataType]] = {"row": pl.UInt32, "field": pl.String, "zh": pl.String, "en": pl.String}

_OTHER_TYPES: dict[Kind, pl.DataType] = {
    Kind.DIVISION: pl.Int64(),
    Kind.DATE: pl.Date(),
    Kind.WHOLE: pl.Int32(),
    Kind.AREA: pl.Decimal(12, 2),
    Kind.MONEY: pl.Int64(),
    Kind.PRESENCE: pl.Boolean(),
}


def type_of(field: Field) -> pl.DataType:
    """The type of a field's column in the frames; several codes of one cell are joined by `|`."""
    return _OTHER_TYPES.get(field.kind, pl.String())


@dataclass(frozen=True, slots=True)
class Frames:
    """受检数据: `persons` has a row a person, `households` a row a household; both carry `household` and file `row`.

    Columns are the catalogue's field names with typed values; id numbers are in clear.
    `on` is the day of the visit (ages are counted on it); `fields` are those that were asked at all: what a file has
    no column for is not missing.
    """

    persons: pl.DataFrame
    households: pl.DataFrame
    on: date
    fields: frozenset[str]
    parameters: Parameters | None = None

    def number(self, key: str) -> pl.Expr:
        """The dated number of each row's village on the day of the visit; null where none is in force."""
        if self.parameters is None:
            return pl.lit(None, pl.Int64)
        homes = self.households["division"].drop_nulls()
        places = homes.unique() if self.parameters.places([key]) else homes.head(1)
        found = {place: self.parameters.find(key, DivisionCode(place), self.on) for place in places}
        values = {place: None if one is None else int(one.value) for place, one in found.items()}
        if len(set(values.values())) <= 1:
            return pl.lit(next(iter(values.values()), None), pl.Int64)
        known = self.households.select("household", "division").drop_nulls()
        of_homes = known["division"].replace_strict(list(values), list(values.values()), return_dtype=pl.Int64)
        return pl.col("household").replace_strict(known["household"], of_homes, default=None, return_dtype=pl.Int64)

    def members(self, *of_household: str) -> pl.DataFrame:
        """A row a person, with these fields of his household."""
        homes = self.households.select("household", *of_household)
        return self.persons.drop(of_household, strict=False).join(
            homes, on="household", how="left", maintain_order="left"
        )


Find = Callable[[Frames], pl.DataFrame]
_BETWEEN, _MEMBERS, _NOTHING = "\x1f", "\x1e", "\x00"
PARTS_OF: Mapping[str, frozenset[str]] = {
    whole.name: frozenset(part.name for part in FIELDS if part.into == whole.name and part.table is None)
    for whole in FIELDS
}
"""Columns of a form that become part of a field: the field is asked when one of them is."""


@dataclass(frozen=True, slots=True)
class Check:
    """数据检查: id of the rule catalogue, how severe, the question, the fields it looks at, and how it finds.

    `about` a household: its doubts name no member, and what it looks at of members is looked at of all of them.
    `in_parts`: it asks about whichever of its fields a form has; any other check is asked of forms that have them all.
    """

    id: str
    severity: Severity
    zh: str
    en: str
    fields: tuple[str, ...]
    find: Find
    about: Literal["person", "household"] = "person"
    in_parts: bool = False
    numbers: tuple[str, ...] = ()
    """Keys of the dated parameters that it compares with."""
    parameters: Parameters | None = None
    """The rows that hold them: bound once for a file or a form (`bound`)."""

    def bound(self, parameters: Parameters) -> Check:
        """The same check with its numbers."""
        return replace(self, parameters=parameters)

    def is_asked(self, fields: frozenset[str], on: date) -> bool:
        """Whether a form with these columns answers it at all, and its numbers are in force somewhere on that day: what
        was not asked is in nobody's doubt.
        """
        there = [not fields.isdisjoint({name} | PARTS_OF[name]) for name in self.fields]
        held = {one.key for one in self.parameters or () if one.key in self.numbers and one.holds(on)}
        return (any(there) if self.in_parts else all(there)) and held == set(self.numbers)

    def run(self, frames: Frames) -> pl.DataFrame:
        """The rows in doubt, each with the field to mark, what was seen there, and the facts that were looked at."""
        if not self.is_asked(frames.fields, frames.on):
            return NO_FINDINGS
        found = self.find(replace(frames, parameters=self.parameters))
        if found.is_empty():
            return NO_FINDINGS
        found = (
            found.select(pl.lit(self.id).alias("check"), *FINDING_SCHEMA).cast({"row": pl.UInt32}).sort("row", "field")
        )
        return found.join(self.facts_of(frames, found["row"]), on="row", how="left", maintain_order="left")

    def facts_of(self, frames: Frames, rows: pl.Series) -> pl.DataFrame:
        """What these rows say in the fields that it looks at, as one text a row: equal exactly when nothing of it has
        changed. The text holds values in clear and never leaves the process; what is kept of it is a keyed hash.
        """
        own = [name for name in self.fields if BY_NAME[name].level is Level.PERSON]
        shared = [name for name in self.fields if BY_NAME[name].level is not Level.PERSON]
        looked = frames.persons if self.about == "person" else frames.households
        asked = looked.with_columns(pl.col("row").cast(pl.UInt32)).filter(pl.col("row").is_in(rows.implode()))
        asked = asked.unique("row")
        homes = frames.households.filter(pl.col("household").is_in(asked["household"].implode()))
        said = asked.select("row", "household", _said(own if self.about == "person" else []).alias("own"))
        said = said.join(homes.select("household", _said(shared).alias("shared")), on="household", how="left")
        if self.about == "household" and own:
            members = frames.persons.filter(pl.col("household").is_in(asked["household"].implode()))
            each = members.select("household", _said(own).alias("each")).group_by("household")
            said = said.join(each.agg(pl.col("each").sort().str.join(_MEMBERS)), on="household", how="left")
            said = said.with_columns(pl.col("each").alias("own"))
        return said.select("row", pl.concat_str("own", "shared", separator=_MEMBERS, ignore_nulls=True).alias("facts"))


def facts_of_number(number: str | None) -> str:
    """What check I1 looks at, for a number that the register itself holds elsewhere: the text that `facts_of` makes."""
    return f"{number or _NOTHING}{_MEMBERS}"


def _said(names: list[str]) -> pl.Expr:
    """These fields of a row as one text; an amount of nothing is what an empty cell says."""
    parts = [_text_of(BY_NAME[name]).fill_null(_NOTHING) for name in names]
    return pl.concat_str(parts, separator=_BETWEEN) if parts else pl.lit("")


def _text_of(field: Field) -> pl.Expr:
    value = pl.col(field.name)
    if field.kind is Kind.CODES:
        return value.str.split("|").list.sort().list.join("|")
    if field.level is Level.INCOME and field.kind is Kind.MONEY:
        value = pl.when(value != 0).then(value)
    return value.cast(pl.String)


NO_FINDINGS = pl.DataFrame(schema={"check": pl.String, **FINDING_SCHEMA, "facts": pl.String})
"""No finding."""


def frames_of(entry: HouseholdEntry, on: date) -> Frames:
    """One household as an officer entered it, in the shape that checks look at; member `i` is row `i + 1`."""
    return frames_of_many([entry], on)


def frames_of_many(entries: Sequence[HouseholdEntry], on: date) -> Frames:
    """Many households of one day's visits; their members are numbered through, a household's row is its first one's.
    One in which nobody lives any more has no rows at all.
    """
    persons: list[dict[str, Any]] = []
    households: list[dict[str, Any]] = []
    for entry in (one for one in entries if one.members):
        about = {"row": len(persons) + 1, "household": entry.number.text, "members": len(entry.members)}
        households.append(about | _about(entry))
        for member in entry.members:
            said = {name: getattr(member.person, name, None) for name in _PERSON_NAMES}
            own = {"row": len(persons) + 1, "household": entry.number.text, "relation": member.relation}
            persons.append(said | own)
    return Frames(_frame(persons, _OF_PERSON), _frame(households, _OF_HOUSEHOLD), on, frozenset(BY_NAME))


def _about(entry: HouseholdEntry) -> dict[str, Any]:
    of_living = {name: getattr(entry.living, name) for name in _LIVING_NAMES}
    latest = max((row.year.first for row in entry.income), default=None)
    of_income: dict[str, Any] = {
        row.item: row.fen for row in entry.income if row.item in BY_NAME and row.year.first == latest
    }
    return {
        **of_living,
        **of_income,
        "number": entry.number.text,
        "division": entry.division.value,
        **{SINCE_OF_STATUS[kind]: since for kind, since in entry.statuses},
        "group": entry.group,
        "registered_on": entry.registered_on,
        "statuses": "|".join(kind for kind, _ in entry.statuses) or None,
        "other_causes": "|".join(entry.living.other_causes) or None,
    }


_OF_PERSON = tuple(field for field in FIELDS if field.level is Level.PERSON)
_OF_HOUSEHOLD = tuple(field for field in FIELDS if field.level is not Level.PERSON)
_PERSON_NAMES = tuple(one.name for one in _OF_PERSON)
_LIVING_NAMES = tuple(one.name for one in FIELDS if one.name in {part.name for part in fields(Living)})


def _frame(rows: list[dict[str, Any]], fields: tuple[Field, ...]) -> pl.DataFrame:
    schema: dict[str, pl.DataType] = {"row": pl.UInt32(), "household": pl.String(), "members": pl.Int32()}
    schema |= {field.name: type_of(field) for field in fields}
    columns = {name: [row.get(name) for row in rows] for name in schema}
    return pl.DataFrame(columns, schema=schema)
