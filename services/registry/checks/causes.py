"""Causes: M1–M3 of the rule catalogue (domain §8.3)."""

from __future__ import annotations

import polars as pl

from services.registry.checks.findings import DISABLED, FIT, STUDENT, found, homes_where
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


def cause_unfounded(frames: Frames) -> pl.DataFrame:
    """因病 where all are healthy, 因学 without a pupil, 因残 without a disabled member, 缺劳力 where many are fit."""
    ill = pl.col("health") != "healthy"
    signs = (ill.alias("ill"), STUDENT.alias("pupils"), DISABLED.alias("disabled"), FIT.alias("fit"))
    homes = frames.households.join(homes_where(frames.persons, *signs), on="household")
    cause = pl.col("main_cause")
    many = pl.col("fit") * 100 > pl.col("people") * frames.number("check.m1.most_fit_percent")
    wrong = homes.filter(
        ((cause == "illness") & (pl.col("ill") == 0))
        | ((cause == "schooling") & (pl.col("pupils") == 0))
        | ((cause == "disability") & (pl.col("disabled") == 0))
        | ((cause == "labour") & many)
    )
    return found(wrong, "main_cause", "主要致贫原因与家庭成员情况不符", "the main cause does not fit the members")


def disaster_unnamed(frames: Frames) -> pl.DataFrame:
    """因灾 without saying which disaster."""
    named = (pl.col("main_cause") == "disaster") | pl.col("other_causes").str.split("|").list.contains("disaster")
    wrong = frames.households.filter(named & pl.col("disaster_kind").is_null())
    return found(wrong, "disaster_kind", "因灾致贫，未填灾害类型", "poor by disaster, and the disaster is not named")


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
    Check(
        "M1",
        "doubt",
        "主要致贫原因与成员情况是否相符？",
        "Does the main cause fit the members?",
        ("main_cause", "health", "schooling", "labour"),
        cause_unfounded,
        numbers=("check.m1.most_fit_percent",),
        about="household",
    ),
    Check(
        "M3",
        "doubt",
        "因灾致贫的是否填写灾害类型？",
        "Is the disaster named?",
        ("main_cause", "other_causes", "disaster_kind"),
        disaster_unnamed,
        about="household",
    ),
)
