"""What a data check is: a question asked of households and persons, answered by the rows where the answer is in doubt.

A doubt is a thing to be checked on the spot and closed by a written finding, never a verdict. A check of severity
`refusal` names what the register cannot hold truthfully; the whole household then comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import polars as pl

from services.registry.domain.decisions import HouseholdEntry
from services.registry.domain.fields import BY_NAME, FIELDS, Field, Kind, Level

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


Find = Callable[[Frames], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Check:
    """数据检查: id of the rule catalogue, how severe, the question, the fields it looks at, and how it finds."""

    id: str
    severity: Severity
    zh: str
    en: str
    fields: tuple[str, ...]
    find: Find

    def run(self, frames: Frames) -> pl.DataFrame:
        """The rows in doubt, each with the field to mark and what was seen there."""
        found = self.find(frames).select(pl.lit(self.id).alias("check"), *FINDING_SCHEMA)
        return found.with_columns(pl.col("row").cast(pl.UInt32)).sort("row", "field")


def frames_of(entry: HouseholdEntry, on: date) -> Frames:
    """One household as an officer entered it, in the shape that checks look at; member `i` is row `i + 1`."""
    household = entry.number.text
    of_living = {one.name: getattr(entry.living, one.name) for one in FIELDS if hasattr(entry.living, one.name)}
    of_income: dict[str, Any] = {row.item: row.fen for row in entry.income if row.item in BY_NAME}
    about = {
        **of_living,
        **of_income,
        "number": household,
        "division": entry.division.value,
        "statuses": "|".join(kind for kind, _ in entry.statuses) or None,
        "other_causes": "|".join(entry.living.other_causes) or None,
    }
    persons = [
        {one.name: getattr(member.person, one.name, None) for one in _OF_PERSON} | {"relation": member.relation}
        for member in entry.members
    ]
    rows = [{"row": at, "household": household, **person} for at, person in enumerate(persons, start=1)]
    return Frames(
        _frame(rows, _OF_PERSON),
        _frame([{"row": 1, "household": household, "members": len(rows), **about}], _OF_HOUSEHOLD),
        on,
        frozenset(BY_NAME),
    )


_OF_PERSON = tuple(field for field in FIELDS if field.level is Level.PERSON)
_OF_HOUSEHOLD = tuple(field for field in FIELDS if field.level is not Level.PERSON)


def _frame(rows: list[dict[str, Any]], fields: tuple[Field, ...]) -> pl.DataFrame:
    schema: dict[str, pl.DataType] = {"row": pl.UInt32(), "household": pl.String(), "members": pl.Int32()}
    schema |= {field.name: type_of(field) for field in fields}
    filled = [{name: row.get(name) for name in schema} for row in rows]
    return pl.DataFrame(filled, schema=schema)
