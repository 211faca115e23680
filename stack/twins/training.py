"""Training: what each level weighs, from a register's own evidence, without being told who is who.

How often one person's entries show a level is counted among pairs whose numbers are equal or one slip apart; how often
two persons' do, among pairs drawn at random where they live. What a fitting number itself weighs, and how many pairs
are one person to begin with, four rounds of expectation and maximisation tell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.registry.likeness import scoring
from services.registry.likeness.levels import BIRTH, ID, KIN, NAME, PHONE, SEX, Field, Stratum
from services.registry.likeness.pack import Pack
from services.registry.likeness.scoring import People, leveled, weighed

ROUNDS, SAMPLE, SMOOTHING = 4, 3_000_000, 0.5
DIFFER_AT_MOST = 0.005
"""That one person has two valid numbers is rare: set by hand, since left to itself the training learns it from people
who look alike. Chosen on the second register: most neighbours of one name and birth date are two people.
"""
STRONG = [ID.number_of("equal"), ID.number_of("slip")]
Shares = NDArray[np.float64]


@dataclass(slots=True)
class Training:
    """What a training knows while it runs."""

    keys: pl.DataFrame
    pairs: pl.DataFrame
    """Candidates with their levels."""
    births: pl.DataFrame
    """Levels of the birth date of pairs whose numbers fit, as if they did not contain it."""
    random: tuple[pl.DataFrame, ...]
    """Pairs drawn at random, by stratum, with their levels."""
    totals: Shares
    """How many pairs there are, by stratum."""


def train(
    keys: pl.DataFrame, probes: pl.DataFrame, first: Pack, version: str, seed: int = 1, sample: int = SAMPLE
) -> Pack:
    """A pack from a register; `first` gives the weights of the first round."""
    known = prepare(keys, probes, seed, sample)
    held = replace(first, version=version, clusters=_clusters(known), weights=_weights_of_rest(known, None, first))
    for _ in range(ROUNDS):
        score = weighed(known.pairs, held, People(keys))["score"].to_numpy()
        likely = 1 / (1 + np.exp2(-np.clip(score, -60, 60)))
        weights = _weights_of_rest(known, likely, held) | {"id": _weights_of_id(known, likely)}
        held = replace(held, start=_start(known, likely), weights=weights)
    return held


def prepare(keys: pl.DataFrame, probes: pl.DataFrame, seed: int, sample: int) -> Training:
    """Everything that stays the same from round to round."""
    members = scoring.members_of(keys)
    pairs = scoring.candidates(keys, probes)
    levels = pl.concat(leveled(keys, members, part) for part in pairs.iter_slices(scoring.CHUNK))
    fitting = levels.filter(pl.col("id_level").is_in(STRONG))
    births = scoring.levels_of(keys, fitting, RAW_BIRTH)
    random = tuple(leveled(keys, members, part) for part in _random_pairs(keys, seed, sample))
    return Training(keys, levels, pl.DataFrame({"level": births}), random, _totals(keys))


RAW_BIRTH = replace(BIRTH, levels=tuple(one for one in BIRTH.levels if one.name != "contained"))


def _totals(keys: pl.DataFrame) -> Shares:
    def pairs(*names: str) -> float:
        sizes = keys.filter(pl.col(names[0]) != 0).group_by(*names).len()["len"].cast(pl.Float64)
        return float((sizes * (sizes - 1) / 2).sum())

    homes, villages = pairs("household_no"), pairs("division")
    return np.array([homes, villages - homes, keys.height * (keys.height - 1) / 2 - villages])


def _random_pairs(keys: pl.DataFrame, seed: int, sample: int) -> tuple[pl.DataFrame, ...]:
    """All pairs of one household; of one village and of the whole register as many as are drawn."""
    rows = keys.with_row_index("row").select("row", "household_no", "division")
    homes = scoring.pairs_within(rows.group_by("household_no").agg("row").filter(pl.col("row").list.len() > 1)["row"])
    chance = np.random.default_rng(seed)
    order = rows.sort("division")["row"].to_numpy()
    near = chance.integers(0, len(order) - 1, sample)
    neighbour = np.clip(near + chance.integers(1, 1_000, sample), 0, len(order) - 1)
    any_two = chance.integers(0, len(order), (2, sample))
    drawn = [homes, _as_pairs(order[near], order[neighbour]), _as_pairs(*any_two)]
    places = keys.select("household_no", "division").to_numpy()
    kept = []
    for stratum, pairs in zip(Stratum, drawn, strict=True):
        lo, hi = places[pairs["lo"].to_numpy()], places[pairs["hi"].to_numpy()]
        same_home, same_place = lo[:, 0] == hi[:, 0], lo[:, 1] == hi[:, 1]
        own = (same_home, same_place & ~same_home, ~same_place)[stratum]
        kept.append(pairs.filter(pl.Series(own)).with_columns(pl.lit(0, pl.Int8).alias("fit")))
    return tuple(kept)


def _as_pairs(one: NDArray[Any], two: NDArray[Any]) -> pl.DataFrame:
    apart = one != two
    lo, hi = np.minimum(one, two)[apart], np.maximum(one, two)[apart]
    return pl.DataFrame({"lo": lo.astype(np.uint32), "hi": hi.astype(np.uint32)})


def _clusters(known: Training) -> dict[str, tuple[float, ...]]:
    """How much likelier two who live so have one name than any two; telephones of a household are shared anyway."""
    shares = known.keys.group_by("name_key").len()["len"].cast(pl.Float64) / known.keys.height
    any_two = float((shares * shares).sum())
    same = NAME.number_of("characters")
    found = []
    for pairs in known.random:
        strangers = pairs.filter(~pl.col("id_level").is_in(STRONG))
        found.append(float((strangers["name_level"] == same).mean()) / any_two)  # type: ignore[arg-type]
    return {"name": (round(found[0], 1), round(found[1], 1), 1.0), "phone": (0.0, 3.0, 1.0)}


def _counted(levels: pl.Series, field: Field, weights: Shares | None = None) -> Shares:
    """The share of each level among those that weigh, smoothed so that none is impossible."""
    counts = np.bincount(levels.to_numpy(), weights=weights, minlength=len(field.levels)) + SMOOTHING
    counts[[at for at, one in enumerate(field.levels) if not one.weighs]] = 0
    shares: Shares = counts / counts.sum()
    return shares


def _weights_of_rest(known: Training, likely: Shares | None, held: Pack) -> dict[str, dict[str, tuple[float, ...]]]:
    """Every field but the number. Pairs whose numbers fit say how one person's entries look, wherever he lives."""
    strong = known.pairs["id_level"].is_in(STRONG)
    fitting = known.pairs.filter(strong)
    weight = np.ones(fitting.height) if likely is None else likely[strong.to_numpy()]
    found = {"id": held.weights["id"]}
    for field in (NAME, RAW_BIRTH, SEX, PHONE, KIN):
        levels = known.births["level"] if field is RAW_BIRTH else fitting[f"{field.name}_level"]
        own = [_counted(levels, field, weight)] * len(Stratum)
        if field in (KIN, PHONE):
            parts = [(fitting["stratum"] == stratum).to_numpy() for stratum in Stratum]
            own = [_counted(levels.filter(pl.Series(part)), field, weight[part]) for part in parts]
        found[field.name] = _bits(field, own, known)
    return found


def _bits(field: Field, own: list[Shares], known: Training) -> dict[str, tuple[float, ...]]:
    """Binary logarithms of how much more often one person's entries show a level; a rare value's own rarity apart."""
    others = [_strangers(pairs, field) for pairs in known.random]
    bits = {}
    for at, level in enumerate(field.levels):
        if not level.weighs:
            continue
        rare = [bool(level.rarity) and not (field is PHONE and stratum == Stratum.HOUSEHOLD) for stratum in Stratum]
        told = [float(np.log2(own[stratum][at] / (1 if rare[stratum] else others[stratum][at]))) for stratum in Stratum]
        if field is KIN:
            told[Stratum.HOUSEHOLD] = 0.0
        bits[level.name] = tuple(round(one, 2) for one in told)
    return bits


def _strangers(pairs: pl.DataFrame, field: Field) -> Shares:
    strangers = pairs.filter(~pl.col("id_level").is_in(STRONG))
    levels = strangers[f"{field.name}_level"]
    if field is RAW_BIRTH:
        contained = BIRTH.number_of("contained")
        levels = levels.filter(levels != contained)
        levels = levels - (levels > contained).cast(pl.Int8)
    return _counted(levels, field)


def _weights_of_id(known: Training, likely: Shares) -> dict[str, tuple[float, ...]]:
    """What a fitting number weighs. Every pair that fits is a candidate, so it is known how rare that is otherwise."""
    levels, stratum = known.pairs["id_level"].to_numpy(), known.pairs["stratum"].to_numpy()
    found: dict[str, list[float]] = {level.name: [] for level in ID.levels if level.weighs}
    for at in Stratum:
        here = stratum == at
        own = _counted(pl.Series(levels[here]), ID, likely[here])
        missing = float(np.mean(known.random[at]["id_level"].to_numpy() == 0))
        rest = np.bincount(levels[here], weights=1 - likely[here], minlength=len(ID.levels)) + SMOOTHING
        others = rest / (known.totals[at] * (1 - missing))
        damaged, differ = ID.number_of("damaged"), ID.number_of("differ")
        others[[damaged, differ]] = _counted(known.random[at]["id_level"], ID)[[damaged, differ]]
        own[differ] = min(own[differ], DIFFER_AT_MOST)
        for number, level in enumerate(ID.levels):
            if level.weighs:
                found[level.name].append(round(float(np.log2(own[number] / others[number])), 2))
    return {name: tuple(three) for name, three in found.items()}


def _start(known: Training, likely: Shares) -> tuple[float, ...]:
    stratum = known.pairs["stratum"].to_numpy()
    expected = np.array([likely[stratum == at].sum() + SMOOTHING for at in Stratum])
    return tuple(round(float(one), 2) for one in np.log2(expected / (known.totals - expected)))
