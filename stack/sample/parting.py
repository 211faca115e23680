"""分户: a grown son leaves with wife and children. Actors are told which household, not what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stack.sample.nouns import Home

LEAVING = {"son": "head", "daughter_in_law": "spouse", "grandson": "son", "granddaughter": "daughter"}
"""Relation in the old household → in the new one."""
_SERIAL = "9001"


@dataclass(frozen=True, slots=True)
class Parting:
    """分户: which household parts, under which number the leaving ones live then."""

    number: str
    members: int
    leaving: int

    @property
    def new_number(self) -> str:
        """Of the same village, far behind those that the sample gives."""
        return self.number[:12] + _SERIAL

    @property
    def told(self) -> Mapping[str, Any]:
        """What the actors know: who leaves, by the relation, and what he is then."""
        return {"number": self.number, "new_number": self.new_number, "relations": LEAVING}

    @property
    def becomes(self) -> Mapping[str, Any]:
        """How many live together before and after."""
        stay = self.members - self.leaving
        return {
            "number": self.number,
            "new_number": self.new_number,
            "before": self.members,
            "stay": stay,
            "leave": self.leaving,
        }


def parting_of(home: Home) -> Parting | None:
    """If three generations live there, and one grown son with his wife."""
    relations = [one.relation for one in home.members]
    if relations.count("son") != 1 or "daughter_in_law" not in relations:
        return None
    return Parting(home.number, len(relations), sum(one in LEAVING for one in relations))
