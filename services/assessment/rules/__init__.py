"""The gallery of rule packs, one explicit list. A pack is a YAML file beside this one; its numbers are parameters."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from services.assessment.domain.packs import Pack, load

PACKS: tuple[str, ...] = ("exit", "risk")


@cache
def pack(name: str) -> Pack:
    """A pack of the gallery, checked and compiled once a process."""
    file = Path(__file__).with_name(f"{name}.yaml")
    return load(yaml.safe_load(file.read_text(encoding="utf-8")))


def packs() -> tuple[Pack, ...]:
    """All packs in force, in their order."""
    return tuple(pack(name) for name in PACKS)
