"""更合适者: a pair counts for less when one of the two has another with whom he fits far better.

Twins are why: each of them looks like the other, and each has his own second entry. Who stands in the register three
times is hardly touched, since his entries fit one another about as well. It is asked of stored pairs when a queue is
read, so it is never stale.
"""

from __future__ import annotations

import polars as pl

from services.registry.likeness.pack import Pack, pack


def with_rivals(pairs: pl.DataFrame, held: Pack) -> pl.DataFrame:
    """Scored pairs (lo, hi, score) with `rival_weight`, and `ranked`: the sum by which they are queued."""
    sides = [pairs.select(pl.col(side).alias("person"), "score") for side in ("lo", "hi")]
    best = pl.concat(sides).group_by("person").agg(pl.col("score").max().alias("best"))
    joined = pairs.join(best.rename({"person": "lo", "best": "best_lo"}), on="lo", maintain_order="left", how="left")
    joined = joined.join(best.rename({"person": "hi", "best": "best_hi"}), on="hi", maintain_order="left", how="left")
    rival = pl.max_horizontal("best_lo", "best_hi")
    beaten = (rival >= held.likely) & (rival - pl.col("score") >= held.rival_margin)
    joined = joined.with_columns(pl.when(beaten).then(held.rival_weight).otherwise(0.0).alias("rival_weight"))
    return joined.with_columns((pl.col("score") + pl.col("rival_weight")).alias("ranked")).drop("best_lo", "best_hi")


def sql_with_rivals(pairs: str, held: Pack | None = None) -> str:
    """The same over a table or statement of open pairs: all its columns, `rival_weight` and `ranked`."""
    held = held or pack()
    return f"""with open as (select * from {pairs}),
best as (
  select person, max(score) as best from (
    select lo as person, score from open union all select hi, score from open) sides group by person),
met as (
  select o.*, greatest(one.best, two.best) as rival
  from open o join best one on one.person = o.lo join best two on two.person = o.hi),
weighed as (
  select *, case when rival >= {held.likely!r}::float8 and rival - score >= {held.rival_margin!r}::float8
    then {held.rival_weight!r}::float8 else 0 end as rival_weight
  from met)
select *, score + rival_weight as ranked from weighed"""
