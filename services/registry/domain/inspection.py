"""What a data check is: a question asked of households and persons, answered by the rows where the answer is in doubt.

A doubt is a thing to be checked on the spot and closed by a written finding, never a verdict. A check of severity
`refusal` names what the register cannot hold truthfully; the whole household then comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

Severity = Literal["doubt", "refusal"]

FINDING_SCHEMA: dict[str, type[pl.DataType]] = {"row": pl.UInt32, "field": pl.String, "zh": pl.String, "en": pl.String}


@dataclass(frozen=True, slots=True)
class Frames:
    """受检数据: `persons` has a row a person, `households` a row a household; both carry `household` and file `row`.

    Columns are the catalogue's field names with typed values; id numbers are in clear.
    `on` is the day of the visit (ages are counted on it); `fields` are those that were asked at all: what the file has no
    column for is not missing.
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
