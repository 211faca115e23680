"""Explaining: a judgement with its reasons, its numbers and their law, and what changed against the one before.

Everything is taken from what was kept (circumstances by version, pack and numbers by hash), so a judgement reads in ten
years as it reads today. A version that was heard but overtaken before it was judged is judged when somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from uuid import UUID

from services.assessment.domain.catalogue import gather
from services.assessment.domain.changes import Cause, Change, Side, applicability, changes
from services.assessment.domain.judging import Finding, Judgement, judge
from services.assessment.domain.numbers import Numbers, numbers_of_json
from services.assessment.domain.packs import Pack, load
from services.assessment.domain.reasons import Kept, Measure, Reason, explain, measures
from services.assessment.rules import packs
from services.assessment.store import heard as heard_store
from services.assessment.store import judgements as store
from services.assessment.store import reference
from services.assessment.store.heard import Told
from shared.clock import today
from shared.db import Transaction
from shared.errors import Missing
from shared.events.registry import CircumstancesRecorded
from shared.values import DivisionCode


class JudgementMissing(Missing):
    """研判不存在: nothing was heard of this household, or not this version of it."""

    code = "judgement.missing"
    zh = "没有该户的研判，或从未收到所问的版本"
    en = "There is no judgement of this household, or that version was never heard"
    hint_zh = "请核对户标识与版本；也可能不在您的管辖范围内"
    hint_en = "Check the household id and the version; it may also lie outside your scope"


class KeptTextLost(RuntimeError):
    """A pack or numbers that a judgement names are not there: the database was altered by hand."""


@dataclass(frozen=True, slots=True)
class PackExplained:
    """一个规则包的说明: what it found, why, by which numbers, and what is another than before."""

    pack: Pack
    finding: Finding
    previous: str | None
    numbers: Numbers
    reasons: tuple[Reason, ...]
    changes: tuple[Change, ...]
    applicability: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """研判说明: a judgement of one household, explained; `id` None where it was made for this answer alone."""

    id: UUID | None
    household: UUID
    number: str | None
    division: DivisionCode
    version: int | None
    household_version: int
    judged_on: date
    packs: tuple[PackExplained, ...]


async def explain_judgement(tx: Transaction, household: UUID, household_version: int | None) -> Explained:
    """The standing judgement, or the last one of a version; made now if that version was never judged."""
    if household_version is None:
        found = await store.latest_judgement(tx, household)
    else:
        found = await store.judgement_of_version(tx, household, household_version)
    if found is not None:
        return await _explained(tx, found)
    told = None if household_version is None else await heard_store.load_circumstances(tx, household, household_version)
    if told is None:
        raise JudgementMissing
    return await _judged_now(tx, told)


async def explain_kept(tx: Transaction, judgement: UUID) -> Explained:
    """One judgement by its id: what a case was opened on, for those who check it later."""
    found = await store.load_judgement(tx, judgement)
    if found is None:
        raise JudgementMissing
    return await _explained(tx, found)


async def measured(tx: Transaction, pack_hash: str, kept: Kept) -> tuple[Measure, ...]:
    """What a standing judgement measured, by the pack that it was judged by."""
    return measures(await pack_of(tx, pack_hash), kept)


async def _explained(tx: Transaction, found: Judgement) -> Explained:
    facts = await _facts(tx, found.household, found.household_version)
    before = await store.judgement_before(tx, found.household, found.version)
    earlier = {} if before is None else await _sides(tx, before)
    sides = await _sides(tx, found, facts)
    return Explained(
        id=found.id,
        household=found.household,
        number=await heard_store.household_number(tx, found.household),
        division=found.division,
        version=found.version,
        household_version=found.household_version,
        judged_on=found.judged_on,
        packs=tuple([await _pack_explained(tx, side, earlier.get(name)) for name, side in sides.items()]),
    )


async def _facts(tx: Transaction, household: UUID, version: int) -> CircumstancesRecorded:
    told = await heard_store.load_circumstances(tx, household, version)
    if told is None:
        raise KeptTextLost(f"circumstances {household} version {version}")
    return told.facts


async def _sides(tx: Transaction, one: Judgement, facts: CircumstancesRecorded | None = None) -> dict[str, Side]:
    """What a judgement stood on, by pack."""
    known = facts or await _facts(tx, one.household, one.household_version)
    found = {}
    for finding in one.findings:
        content = await reference.load_numbers(tx, finding.numbers_hash)
        if content is None:
            raise KeptTextLost(f"numbers {finding.numbers_hash}")
        found[finding.pack] = Side(known, numbers_of_json(content, one.judged_on), finding)
    return found


async def _pack_explained(tx: Transaction, side: Side, before: Side | None) -> PackExplained:
    pack = await pack_of(tx, side.finding.pack_hash)
    applies = side.finding.verdict != "not_applicable"
    did_apply = before is not None and before.finding.verdict != "not_applicable"
    return PackExplained(
        pack=pack,
        finding=side.finding,
        previous=None if before is None else before.finding.verdict,
        numbers=side.numbers,
        reasons=explain(pack, side.facts, side.numbers, side.finding.kept) if applies else (),
        changes=changes(pack, before, side) if before is not None and applies and did_apply else (),
        applicability=() if before is None else applicability(pack, before, side),
    )


async def pack_of(tx: Transaction, pack_hash: str) -> Pack:
    """A pack by its hash: one in force, or one from the archive."""
    for pack in packs():
        if pack.hash == pack_hash:
            return pack
    content = await reference.load_pack_text(tx, pack_hash)
    if content is None:
        raise KeptTextLost(f"pack {pack_hash}")
    return _old_pack(content)


@lru_cache(maxsize=32)
def _old_pack(text: str) -> Pack:
    return load(reference.content_of(text))


async def _judged_now(tx: Transaction, told: Told) -> Explained:
    """A version that nobody judged: judged for the day on which it was said, by the numbers in force then; not kept."""
    asof = today(told.said_at)
    found = judge(packs(), await reference.all_parameters(tx), asof, [told.division], gather([told.facts]))
    sides = [Side(told.facts, found.numbers[one.numbers_hash], one) for one in found.findings()[0]]
    return Explained(
        id=None,
        household=told.facts.household,
        number=await heard_store.household_number(tx, told.facts.household),
        division=told.division,
        version=None,
        household_version=told.facts.version,
        judged_on=asof,
        packs=tuple([await _pack_explained(tx, side, None) for side in sides]),
    )
