"""The data checks, a file a family. A new one: a function and its entry in the family's tuple, two cases beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import polars as pl

from services.registry.checks.causes import CAUSES
from services.registry.checks.cover import COVER
from services.registry.checks.identity import IDENTITY
from services.registry.checks.income import INCOME
from services.registry.checks.labour import LABOUR
from services.registry.checks.living import LIVING
from services.registry.checks.schooling import SCHOOLING
from services.registry.checks.structure import STRUCTURE
from services.registry.domain.decisions import HouseholdEntry
from services.registry.domain.inspection import NO_FINDINGS, PARTS_OF, Check, frames_of_many
from shared.parameters import Parameters

CHECKS: tuple[Check, ...] = (
    *IDENTITY, *STRUCTURE, *SCHOOLING, *LABOUR, *INCOME, *COVER, *LIVING, *CAUSES,
)  # fmt: skip

QUESTIONS = {check.id: check for check in CHECKS}
ABOUT_HOUSEHOLDS = frozenset(check.id for check in CHECKS if check.about == "household")
"""Checks whose doubts name no member."""


def checks_with(parameters: Parameters) -> tuple[Check, ...]:
    """All checks with their dated numbers, once for a file or a form."""
    return tuple(check.bound(parameters) for check in CHECKS)


def doubts_of(entry: HouseholdEntry, on: date, parameters: Parameters) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """What is in doubt in one household that an officer entered: check, row (member, from 1), field, zh, en, facts; and
    which checks were asked.
    """
    return doubts_of_many([entry], on, parameters)


def doubts_of_many(
    entries: Sequence[HouseholdEntry], on: date, parameters: Parameters
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The same of many households that were visited on one day, their members numbered through from 1."""
    frames = frames_of_many(entries, on)
    asked = [one for one in checks_with(parameters) if one.severity == "doubt" and one.is_asked(frames.fields, on)]
    return pl.concat(check.run(frames) for check in asked), tuple(check.id for check in asked)


Asked = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def doubts_of_part(
    entries: Sequence[HouseholdEntry], on: date, parameters: Parameters, spoken: frozenset[str]
) -> tuple[pl.DataFrame, Asked]:
    """The same of households on record that were corrected in these fields alone: asked are the checks that look at one
    of them, with all else as it stands on record. Which were asked whole, which in parts, and of those the fields.
    """
    told = {name for name, parts in PARTS_OF.items() if name in spoken or not parts.isdisjoint(spoken)}
    whole = frames_of_many(entries, on)
    in_parts = replace(whole, fields=spoken)
    checks = [one for one in checks_with(parameters) if one.severity == "doubt" and not told.isdisjoint(one.fields)]
    asked = [one for one in checks if one.is_asked((in_parts if one.in_parts else whole).fields, on)]
    found = [check.run(in_parts if check.in_parts else whole) for check in asked]
    names = [tuple(one.id for one in asked if one.in_parts is is_part) for is_part in (False, True)]
    return pl.concat(found) if found else NO_FINDINGS, (names[0], names[1], tuple(sorted(told)))


__all__ = ["ABOUT_HOUSEHOLDS", "CHECKS", "QUESTIONS", "checks_with", "doubts_of", "doubts_of_many", "doubts_of_part"]
