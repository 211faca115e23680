"""说明: why a pair was proposed, in words: a line a field, what it weighs, and the sum.

Made of levels and weights alone, so that it holds nothing that was compared: no name, no number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.registry.likeness.levels import FIELDS, Stratum
from services.registry.likeness.pack import Pack, pack

_START = {
    Stratum.HOUSEHOLD: ("同在一户的两条记录，多是两个人", "two entries of one household are mostly two people"),
    Stratum.VILLAGE: ("同村的两条记录，绝大多数是两个人", "two entries of one village are nearly always two people"),
    Stratum.ELSEWHERE: (
        "不在同村的两条记录，几乎都是两个人",
        "two entries of different villages are two people but for very few",
    ),
}


@dataclass(frozen=True, slots=True)
class Said:
    """比对说明: one line of an explanation; bits above 0 speak for one person, below for two."""

    field: str
    level: str
    field_zh: str
    field_en: str
    zh: str
    en: str
    bits: float


def explained(pair: Mapping[str, Any]) -> tuple[Said, ...]:
    """The lines of a pair as the statements answer it (`stratum`, `…_level`, `…_weight`): its bits sum to the score."""
    stratum = Stratum(pair["stratum"])
    lines = [Said("start", stratum.name.lower(), "起点", "start", *_START[stratum], float(pair["start_weight"]))]
    for field in FIELDS:
        level = field.levels[pair[f"{field.name}_level"]]
        zh, en = level.zh, level.en
        if level.rarity and level.weighs:
            zh, en = f"{zh}（越少见分量越重）", f"{en} (the rarer, the more it weighs)"
        lines.append(Said(field.name, level.name, field.zh, field.en, zh, en, float(pair[f"{field.name}_weight"])))
    return tuple(lines)


def told(score: float, held: Pack | None = None) -> tuple[str, str]:
    """What a score has meant in training, in zh and en; no probability for this pair."""
    share = (held or pack()).share_of(score)
    return (
        f"试算中得分相近的每100对里约有{share}对是同一人",
        f"of a hundred pairs that scored like this in training about {share} were one person",
    )
