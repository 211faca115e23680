"""Labour and work: L1, L10 of the rule catalogue (domain §8.3)."""

from __future__ import annotations

import polars as pl

from services.registry.checks.findings import found
from services.registry.domain.inspection import Check, Frames


def child_with_labour(frames: Frames) -> pl.DataFrame:
    """Younger than sixteen on the day of the visit, yet not 无劳动力."""
    sixteen = pl.col("birth_on").dt.offset_by("16y")
    young = frames.persons.filter((sixteen > frames.on) & (pl.col("labour") != "none"))
    return found(young, "labour", "未满16周岁，应为无劳动力", "younger than 16, so 'no labour' is expected")


def work_incoherent(frames: Frames) -> pl.DataFrame:
    """Months outside 0–12; a place but no month; months but no place."""
    months, place = pl.col("work_months"), pl.col("workplace")
    outside = frames.persons.filter((months < 0) | (months > 12))
    idle = frames.persons.filter(place.is_not_null() & (months == 0))
    placeless = frames.persons.filter(place.is_null() & months.is_between(1, 12))
    if "workplace" not in frames.fields:
        placeless = placeless.head(0)
    return pl.concat(
        [
            found(outside, "work_months", "务工时间应为0至12个月", "months of work must be 0 to 12"),
            found(idle, "work_months", "填了务工地，务工时间为0", "a place of work but no month of it"),
            found(placeless, "workplace", "有务工时间，未填务工地", "months of work but no place"),
        ]
    )


LABOUR: tuple[Check, ...] = (
    Check(
        "L1",
        "doubt",
        "未满16周岁是否填为无劳动力？",
        "Are those younger than 16 without labour?",
        ("labour", "birth_on"),
        child_with_labour,
    ),
    Check(
        "L10",
        "doubt",
        "务工时间与务工地是否相符？",
        "Do months and place of work agree?",
        ("work_months", "workplace"),
        work_incoherent,
        in_parts=True,
    ),
)
