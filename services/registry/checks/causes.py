"""Causes: M2 of the rule catalogue (domain §8.3)."""

from __future__ import annotations

import polars as pl

from services.registry.checks.findings import found
from services.registry.domain.inspection import Check, Frames


def cause_repeated(frames: Frames) -> pl.DataFrame:
    """A further cause that is the main one again."""
    again = pl.col("other_causes").str.split("|").list.contains(pl.col("main_cause"))
    return found(
        frames.households.filter(again),
        "other_causes",
        "其他致贫原因与主要致贫原因重复",
        "a further cause repeats the main one",
    )


CAUSES: tuple[Check, ...] = (
    Check(
        "M2",
        "doubt",
        "其他致贫原因是否与主要致贫原因重复？",
        "Does a further cause repeat the main one?",
        ("main_cause", "other_causes"),
        cause_repeated,
        about="household",
    ),
)
