"""整册比对: pairs of a whole register and their scores, a column at a time; the county's re-check and the training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.registry.likeness.levels import (
    COMPARED,
    FIELDS,
    FREQUENCY_KINDS,
    NAME,
    PHONE,
    PHONE_CAP,
    RULES,
    STRATA,
    Field,
    Rule,
    Stratum,
)
from services.registry.likeness.pack import Pack
from services.registry.likeness.terms import Columns, Term

CHUNK = 400_000
"""So many pairs are weighed at once: memory stays the same however large the register."""
LEAST_PEOPLE, LEAST_TOTAL = 2, 10_000
"""Two entries share the value, so two people have it at least; a small register knows little of what is rare."""

Pairs = pl.DataFrame
"""lo, hi (rows of the keys frame), fit."""


def candidates(keys: pl.DataFrame, probes: pl.DataFrame, rules: tuple[Rule, ...] = RULES) -> Pairs:
    """Every pair that a rule brings together, once, with the repair by which their numbers fit.

    Rows are meant by their place in `keys`, so the frame must not be sorted anew between here and `scored`.
    """
    rows = keys.with_row_index("row")
    busy = _busy_phones(keys)
    found = [_met(_of_few(rows, busy) if rule.name == "telephone" else rows, rule) for rule in rules]
    met = pl.concat(found).unique()
    fits = _fits(rows, probes)
    return (
        met.join(fits.select("lo", "hi"), on=["lo", "hi"], how="anti")
        .with_columns(pl.lit(0, pl.Int8).alias("fit"))
        .vstack(fits)
        .sort("lo", "hi")
    )


def _busy_phones(keys: pl.DataFrame) -> list[int]:
    counts = keys.filter(pl.col("phone_key") != 0).group_by("phone_key").len()
    return counts.filter(pl.col("len") > PHONE_CAP)["phone_key"].to_list()


def _of_few(rows: pl.DataFrame, busy: list[int]) -> pl.DataFrame:
    return rows.filter(~pl.col("phone_key").is_in(busy))


def _met(rows: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Pairs of one rule, the lower row first."""
    known = rows.filter(pl.all_horizontal(pl.col(name) != 0 for name in rule.known))
    side = {f"a.{name}": known[name].to_numpy() for name in known.columns if known[name].dtype.is_integer()}
    on = [pl.Series(f"on{at}", np.asarray(left.run(side))).cast(pl.Int64) for at, (left, _) in enumerate(rule.on)]
    narrow = known.select("row").with_columns(on)
    groups = narrow.group_by([one.name for one in on]).agg("row").filter(pl.col("row").list.len() > 1)
    pairs = pairs_within(groups["row"])
    if rule.where is not None and pairs.height:
        kept = rule.where.run(_columns(rows, pairs, ("born",)))
        pairs = pairs.filter(pl.Series(np.asarray(kept)))
    return pairs


def pairs_within(groups: pl.Series) -> pl.DataFrame:
    """All pairs of each group; groups of one size are worked out together."""
    lows, highs = [], []
    for (size,), same in groups.to_frame("rows").group_by(pl.col("rows").list.len()):
        table = same["rows"].explode().to_numpy().reshape(-1, int(size))
        table = np.sort(table, axis=1)
        one, two = np.triu_indices(table.shape[1], 1)
        lows.append(table[:, one].ravel())
        highs.append(table[:, two].ravel())
    empty = np.empty(0, dtype=np.uint32)
    return pl.DataFrame({"lo": np.concatenate([*lows, empty]), "hi": np.concatenate([*highs, empty])})


def _fits(rows: pl.DataFrame, probes: pl.DataFrame) -> Pairs:
    """Pairs of which one number leads to the other, or both to one that is neither; a slip goes before a cut."""
    own = rows.filter(pl.col("id_key") != 0).select(pl.col("row").alias("other"), pl.col("id_key").alias("key"))
    straight = probes.join(own, on="key")
    across = probes.join(probes.select(pl.col("row").alias("other"), "key", pl.col("kind").alias("its")), on="key")
    across = across.with_columns(pl.max_horizontal("kind", "its").alias("kind")).drop("its")
    both = pl.concat([straight.select("row", "other", "kind"), across.select("row", "other", "kind")])
    return (
        both.filter(pl.col("row") != pl.col("other"))
        .group_by(pl.min_horizontal("row", "other").alias("lo"), pl.max_horizontal("row", "other").alias("hi"))
        .agg(pl.col("kind").min().cast(pl.Int8).alias("fit"))
    )


def _columns(rows: pl.DataFrame, pairs: Pairs, names: tuple[str, ...] = COMPARED) -> dict[str, NDArray[np.int64]]:
    lo, hi = pairs["lo"].to_numpy(), pairs["hi"].to_numpy()
    columns = {}
    for name in names:
        values = rows[name].to_numpy()
        columns[f"a.{name}"], columns[f"b.{name}"] = values[lo], values[hi]
    return columns


class People:
    """人数: how many people have a name or a number, by which rarity is weighed."""

    def __init__(self, keys: pl.DataFrame) -> None:
        self.total = max(keys.height, LEAST_TOTAL)
        self._of = {name: _counted(keys[name]) for name in FREQUENCY_KINDS}

    def share(self, name: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The share of people who have what these rows have."""
        shares: NDArray[np.float64] = np.maximum(self._of[name][rows], LEAST_PEOPLE) / self.total
        return shares


def _counted(values: pl.Series) -> NDArray[np.int64]:
    """To each row, how many have its value."""
    counts: NDArray[np.int64] = (
        values.to_frame("key").select(pl.len().over("key")).to_series().cast(pl.Int64).to_numpy()
    )
    return counts


def scored(keys: pl.DataFrame, pairs: Pairs, held: Pack, *, least: float | None = None) -> pl.DataFrame:
    """Levels, weights and the sum of each pair; with `least`, only pairs that reach it, and those of one number."""
    people, members = People(keys), members_of(keys)
    return pl.concat(
        _kept(weighed(leveled(keys, members, part), held, people), least) for part in pairs.iter_slices(CHUNK)
    )


def _kept(part: pl.DataFrame, least: float | None) -> pl.DataFrame:
    return part if least is None else part.filter((pl.col("score") >= least) | (pl.col("id_level") == 1))


def leveled(keys: pl.DataFrame, members: pl.DataFrame, pairs: Pairs) -> pl.DataFrame:
    """Stratum and levels of each pair."""
    columns: dict[str, NDArray[np.int64]] = _columns(keys, pairs)
    columns["fit"] = pairs["fit"].to_numpy()
    columns["shared"] = _shared(columns, members, pairs)
    stratum = _first(STRATA, columns, pairs.height)
    levels = {f"{field.name}_level": _level(field, columns, pairs.height) for field in FIELDS}
    return pairs.with_columns(
        pl.Series("stratum", stratum, dtype=pl.Int8),
        *(pl.Series(name, values, dtype=pl.Int8) for name, values in levels.items()),
    )


def levels_of(keys: pl.DataFrame, pairs: Pairs, field: Field) -> NDArray[np.int8]:
    """The levels of one field alone, which may be another than the definition's."""
    return _level(field, {**_columns(keys, pairs), "fit": pairs["fit"].to_numpy()}, pairs.height)


def weighed(pairs: pl.DataFrame, held: Pack, people: People) -> pl.DataFrame:
    """What each level weighs where the pair lives, and the sum."""
    stratum, lo = pairs["stratum"].to_numpy(), pairs["lo"].to_numpy()
    weights = {"start_weight": np.array(held.start)[stratum]}
    for field in FIELDS:
        level = pairs[f"{field.name}_level"].to_numpy()
        weights[f"{field.name}_weight"] = held.table(field)[stratum, level] + _rarity(
            field, level, stratum, lo, held, people
        )
    total = np.add.reduce(list(weights.values()))
    return pairs.with_columns(*(pl.Series(name, values) for name, values in weights.items()), pl.Series("score", total))


def _rarity(
    field: Field,
    level: NDArray[np.int8],
    stratum: NDArray[np.int8],
    lo: NDArray[np.int64],
    held: Pack,
    people: People,
) -> NDArray[np.float64]:
    """What a rare value adds to its level."""
    added = np.zeros(len(level))
    if field not in (NAME, PHONE):
        return added
    for at, one in enumerate(field.levels):
        if one.rarity is None:
            continue
        cluster = np.array(held.cluster(one.rarity))[stratum]
        chosen = np.flatnonzero((level == at) & (cluster > 0))
        added[chosen] = -np.log2(people.share(one.rarity, lo[chosen]) * cluster[chosen])
    return added


def _first(conditions: tuple[Term, ...], columns: Columns, height: int) -> NDArray[np.int8]:
    """The number of the first condition that holds, else how many there are; each is asked of what is left alone."""
    result = np.full(height, len(conditions), dtype=np.int8)
    left = np.arange(height)
    for at, condition in enumerate(conditions):
        holds = np.broadcast_to(condition.run(_of(columns, left)), len(left))
        result[left[holds]] = at
        left = left[~holds]
    return result


class _of(Mapping[str, NDArray[np.int64]]):  # noqa: N801  (reads as `_of(columns, rows)`)
    """Some rows of the columns, each taken out when it is asked for."""

    def __init__(self, columns: Columns, rows: NDArray[np.int64]) -> None:
        self._columns, self._rows, self._taken = columns, rows, dict[str, NDArray[np.int64]]()

    def __getitem__(self, name: str) -> NDArray[np.int64]:
        if name not in self._taken:
            self._taken[name] = self._columns[name][self._rows]
        return self._taken[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def _level(field: Field, columns: Columns, height: int) -> NDArray[np.int8]:
    return _first(tuple(level.when for level in field.levels if level.when is not None), columns, height)


def members_of(keys: pl.DataFrame) -> pl.DataFrame:
    """Who lives in a household, by the syllables of his name."""
    known = keys.with_row_index("row").filter((pl.col("household_no") != 0) & (pl.col("bag_key") != 0))
    return known.select("row", "household_no", "bag_key")


def _shared(columns: Columns, members: pl.DataFrame, pairs: Pairs) -> NDArray[np.int64]:
    """How many names the other members of both households share; only few pairs of households share any."""
    one, two = columns["a.household_no"], columns["b.household_no"]
    homes = pairs.select("lo", "hi").with_columns(
        pl.Series("one", one), pl.Series("two", two), pl.int_range(pl.len(), dtype=pl.UInt32).alias("at")
    )
    homes = homes.filter((pl.col("one") != pl.col("two")) & (pl.col("one") != 0) & (pl.col("two") != 0))
    alike = (
        homes.join(members, left_on="one", right_on="household_no")
        .filter(pl.col("row") != pl.col("lo"))
        .drop("row")
        .join(members, left_on=["two", "bag_key"], right_on=["household_no", "bag_key"])
        .filter(pl.col("row") != pl.col("hi"))
        .group_by("at")
        .agg(pl.col("bag_key").n_unique().alias("shared"))
    )
    shared = np.zeros(pairs.height, dtype=np.int64)
    shared[alike["at"].to_numpy()] = alike["shared"].to_numpy()
    return shared


__all__ = ["CHUNK", "People", "Stratum", "candidates", "leveled", "scored", "weighed"]
