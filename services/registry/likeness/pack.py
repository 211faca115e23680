"""权重包: what each level weighs, in bits, as frozen data with the report of its training beside it.

A weight is the binary logarithm of how much more often one person's two entries show a level than two persons' do. The
sum says which pairs to ask about first; it is no probability, so what is shown beside it is looked up in `shares`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.registry.likeness.levels import FIELDS, ID, Field, Stratum

PACK = Path(__file__).parent / "weights.json"


class Queue(StrEnum):
    """疑似队列: who shall look at a pair, and for what."""

    LIKELY = "likely"
    POSSIBLE = "possible"
    ID_CONFLICT = "id_conflict"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Share:
    """核实比例: of the training pairs whose score lay from `low` up to the next band, so many were one person."""

    low: float
    of_hundred: int


@dataclass(frozen=True)
class Pack:
    """权重包: version, weights by field, level and stratum, how names cluster, thresholds, looked-up shares, and by
    how much another must fit better to weigh against a pair.
    """

    version: str
    start: tuple[float, ...]
    weights: dict[str, dict[str, tuple[float, ...]]]
    clusters: dict[str, tuple[float, ...]]
    likely: float
    possible: float
    shares: tuple[Share, ...]
    rival_margin: float
    rival_weight: float

    def table(self, field: Field) -> NDArray[np.float64]:
        """Its weights by stratum and level."""
        zero = (0.0,) * len(Stratum)
        return np.array([self.weights[field.name].get(level.name, zero) for level in field.levels]).T

    def cluster(self, key: str) -> tuple[float, ...]:
        """By how much likelier two who live so share a value than two of the whole register; 0: rarity counts not."""
        return self.clusters["phone" if key == "phone_key" else "name"]

    def share_of(self, score: float) -> int:
        """Of a hundred pairs that scored like this in training, so many were one person."""
        return next((one.of_hundred for one in reversed(self.shares) if score >= one.low), 0)


@cache
def pack() -> Pack:
    """The pack that is in force."""
    return pack_of(json.loads(PACK.read_text(encoding="utf-8")))


def pack_of(written: dict[str, Any]) -> Pack:
    """From the form of its file; every level that weighs must stand there for each stratum."""
    weights = {
        name: {level: tuple(map(float, three)) for level, three in levels.items()}
        for name, levels in written["weights"].items()
    }
    for field in FIELDS:
        wanted = {level.name for level in field.levels if level.weighs}
        if set(weights[field.name]) != wanted or any(len(one) != len(Stratum) for one in weights[field.name].values()):
            raise ValueError(f"weights of {field.name}: wanted {sorted(wanted)}")
    return Pack(
        version=written["version"],
        start=tuple(map(float, written["start"])),
        weights=weights,
        clusters={name: tuple(map(float, three)) for name, three in written["clusters"].items()},
        likely=float(written["thresholds"]["likely"]),
        possible=float(written["thresholds"]["possible"]),
        shares=tuple(Share(float(low), int(of_hundred)) for low, of_hundred in written["shares"]),
        rival_margin=float(written["rival"]["margin"]),
        rival_weight=float(written["rival"]["weight"]),
    )


def queue_of(score: float, id_level: int, held: Pack | None = None) -> Queue:
    """Where a pair is asked about. One number under unlike entries asks whose it is, never whether they are one."""
    held = held or pack()
    if score >= held.likely:
        return Queue.LIKELY
    if score >= held.possible:
        return Queue.POSSIBLE
    return Queue.ID_CONFLICT if id_level == ID.number_of("equal") else Queue.NONE
