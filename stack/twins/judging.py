"""What a pack finds in a register of which it is known who is who: recall and precision, whole and by kind."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from services.registry.likeness import keys_frame
from shared.crypto import KeyRing, new_key_ring
from stack.twins.register import AREAS, Register


def keyed(register: Register) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The register's keys as the database would hold them, in the order of its rows, and the probes."""
    rows = register.rows
    keys, probes = keys_frame(rows, KeyRing.of(new_key_ring()).blind_index, AREAS)
    keys = keys.with_columns(rows["household_no"], rows["division"], pl.int_range(rows.height).alias("person_no"))
    heads = keys.filter(rows["is_head"]).select("household_no", pl.col("bag_key").alias("head_key"))
    heads = heads.unique("household_no", keep="first")
    return keys.join(heads, on="household_no", how="left", maintain_order="left").with_columns(
        pl.col("head_key").fill_null(0)
    ), probes


def truth(register: Register) -> pl.DataFrame:
    """The pairs that are one person, with how the second entry came about; two of three entries may both be second."""
    rows = register.rows.with_row_index("row")
    kinds = ("id_fault", "name_fault", "move")
    first = rows.filter(pl.col("move") == "").select(pl.col("row").alias("lo"), "entity")
    second = rows.filter(pl.col("move") != "").select(pl.col("row").alias("hi"), "entity", *kinds)
    other = second.select(pl.col("hi").alias("lo"), "entity")
    among = second.join(other, on="entity").filter(pl.col("lo") < pl.col("hi"))
    among = among.with_columns(pl.lit("both anew").alias(name) for name in kinds)
    order = ["lo", "hi", *kinds]
    return pl.concat([second.join(first, on="entity").select(order), among.select(order)])


def judged(pairs: pl.DataFrame, true: pl.DataFrame) -> pl.DataFrame:
    """Scored pairs with `one`: whether they are one person."""
    marked = true.select("lo", "hi", pl.lit(True).alias("one"))
    return pairs.join(marked, on=["lo", "hi"], how="left").with_columns(pl.col("one").fill_null(False))


def precision_and_recall(pairs: pl.DataFrame, true: pl.DataFrame, least: float) -> tuple[float, float, int]:
    """Of judged pairs at or above a score."""
    chosen = pairs.filter(pl.col("score") >= least)
    right = int(chosen["one"].sum())
    return right / max(chosen.height, 1), right / max(true.height, 1), chosen.height


def recall_by(
    pairs: pl.DataFrame, true: pl.DataFrame, kinds: list[str], likely: float, possible: float
) -> pl.DataFrame:
    """How many of each kind there are, and which share reaches either threshold."""
    scores = pairs.filter(pl.col("one")).select("lo", "hi", "score")
    return (
        true.join(scores, on=["lo", "hi"], how="left")
        .with_columns(pl.col("score").fill_null(-99.0))
        .group_by(kinds)
        .agg(
            pl.len().alias("pairs"),
            (pl.col("score") >= likely).mean().round(3).alias("likely"),
            (pl.col("score") >= possible).mean().round(3).alias("possible"),
        )
        .sort("pairs", descending=True)
    )


def false_by(
    pairs: pl.DataFrame, register: Register, likely: float, possible: float
) -> Iterator[tuple[str, int, int, int]]:
    """Of each kind of people who only look alike: planted, taken for likely, for possible or more."""
    scores = {(lo, hi): score for lo, hi, score in pairs.filter(~pl.col("one")).select("lo", "hi", "score").iter_rows()}
    seen = set()
    for kind, planted in register.planted.items():
        found = [scores.get((min(pair), max(pair)), -99.0) for pair in planted]
        seen |= {(min(pair), max(pair)) for pair in planted}
        yield kind, len(planted), sum(one >= likely for one in found), sum(one >= possible for one in found)
    rest = np.array([score for pair, score in scores.items() if pair not in seen] or [-99.0])
    yield "not planted", 0, int((rest >= likely).sum()), int((rest >= possible).sum())
