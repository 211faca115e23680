"""How a check says what it found: the rows, the field to mark, one sentence in both languages."""

from __future__ import annotations

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
