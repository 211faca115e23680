"""How a check says what it found: the rows, the field to mark, one sentence in both languages."""

from __future__ import annotations

from datetime import date

import polars as pl

Said = pl.Expr | str


def found(rows: pl.DataFrame, field: str, zh: Said, en: Said) -> pl.DataFrame:
    """One finding for each of these rows."""
    return rows.select(
        "row",
        pl.lit(field).alias("field"),
        _sentence(zh).alias("zh"),
        _sentence(en).alias("en"),
    )


def _sentence(said: Said) -> pl.Expr:
    return pl.lit(said) if isinstance(said, str) else said


def yuan(fen: pl.Expr) -> pl.Expr:
    """Whole fen as yuan with two decimals."""
    sign = pl.when(fen < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    size = fen.abs()
    return pl.format("{}{}.{}", sign, size // 100, (size % 100).cast(pl.String).str.zfill(2))


def age(on: date) -> pl.Expr:
    """Full years on that day, by the birth date that the form gives."""
    born = pl.col("birth_on")
    before = (born.dt.month() > on.month) | ((born.dt.month() == on.month) & (born.dt.day() > on.day))
    return on.year - born.dt.year().cast(pl.Int64) - before.cast(pl.Int64)


def holds(status: str) -> pl.Expr:
    """Whether the form names this status for the household; null when it names none at all."""
    return pl.col("statuses").str.split("|").list.contains(status)


STUDENT = pl.col("schooling") != "not_student"
NO_LABOUR = pl.col("labour").is_in(["none", "lost"])
FIT = pl.col("labour").is_in(["ordinary", "skilled"])
WORKS = pl.col("work_months") > 0
DISABLED = pl.col("health").is_in(["disabled", "serious_disabled", "chronic_disabled"])
SICK = pl.col("health").is_in(["serious", "serious_disabled"])


def homes_where(members: pl.DataFrame, *signs: pl.Expr) -> pl.DataFrame:
    """One row a household: how many of its members show each (named) sign, and how many members there are."""
    counted = [sign.fill_null(False).sum().cast(pl.Int64) for sign in signs]
    return members.group_by("household").agg(pl.len().cast(pl.Int64).alias("people"), *counted)
