"""The data checks, a file a family. A new one: a function and its entry in the family's tuple, two cases beside it."""

from __future__ import annotations

from datetime import date

import polars as pl

from services.registry.checks.causes import CAUSES
from services.registry.checks.cover import COVER
from services.registry.checks.identity import IDENTITY
from services.registry.checks.income import INCOME
from services.registry.checks.labour import LABOUR
from services.registry.checks.structure import STRUCTURE
from services.registry.domain.decisions import HouseholdEntry
from services.registry.domain.inspection import Check, frames_of

CHECKS: tuple[Check, ...] = (*IDENTITY, *STRUCTURE, *LABOUR, *INCOME, *COVER, *CAUSES)

QUESTIONS = {check.id: check for check in CHECKS}
ABOUT_HOUSEHOLDS = frozenset(check.id for check in CHECKS if check.about == "household")
"""Checks whose doubts name no member."""


def doubts_of(entry: HouseholdEntry, on: date) -> pl.DataFrame:
    """What is in doubt in one household that an officer entered: check, row (member, from 1), field, zh, en, facts."""
    frames = frames_of(entry, on)
    return pl.concat(check.run(frames) for check in CHECKS if check.severity == "doubt")


__all__ = ["ABOUT_HOUSEHOLDS", "CHECKS", "QUESTIONS", "doubts_of"]
