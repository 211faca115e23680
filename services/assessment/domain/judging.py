"""Judging: what the packs find of households, one or a county, and whether that is news.

A finding keeps what is needed to explain it in ten years: which pack (by hash), which numbers (by hash), the masks, the
score and the figures; its judgement says from which version of the circumstances. It is news when any of these differ
from the finding before; the day judged alone is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from services.assessment.domain.catalogue import Batch
from services.assessment.domain.evaluator import Bound
from services.assessment.domain.numbers import Numbers, Table
from services.assessment.domain.packs import Outcome, Pack, evaluate_all
from services.assessment.domain.reasons import Kept
from shared.events.assessment import HouseholdJudged, PackVerdict
from shared.parameters import Parameters
from shared.values import DivisionCode


@dataclass(frozen=True, slots=True)
class Finding:
    """认定结果: what one pack found of one household."""

    pack: str
    pack_hash: str
    numbers_hash: str
    verdict: str
    fail: int
    unknown: int
    score: int | None
    figures: tuple[int | None, ...]

    @property
    def kept(self) -> Kept:
        """What the reasons are made from."""
        return Kept(self.fail, self.unknown, self.figures)

    def failed(self, pack: Pack) -> tuple[str, ...]:
        """Codes of the criteria that are not met."""
        return codes_of(pack, self.fail)

    def doubtful(self, pack: Pack) -> tuple[str, ...]:
        """Codes of the criteria that cannot be known."""
        return codes_of(pack, self.unknown)


def digest(household_version: int, findings: Sequence[Finding]) -> bytes:
    """Sixteen bytes that differ when judging again brought something new; the day judged alone is nothing new."""
    told: list[object] = [household_version]
    for one in findings:
        told += [one.pack_hash, one.numbers_hash, one.verdict, one.fail, one.unknown, one.score, one.figures]
    return hashlib.blake2b(repr(told).encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Judgement:
    """研判: what was found of a household, from which version of its circumstances, for which day."""

    id: UUID
    household: UUID
    version: int
    household_version: int
    division: DivisionCode
    judged_on: date
    findings: tuple[Finding, ...]
    run: UUID | None = None


def codes_of(pack: Pack, mask: int) -> tuple[str, ...]:
    """Criteria of a mask, in the order of the pack."""
    return tuple(one.code for one in pack.criteria if mask & one.bit)


@dataclass(frozen=True, slots=True)
class Judged:
    """一批研判: findings a household, in the order asked, and the numbers used, by hash."""

    findings: list[tuple[Finding, ...]]
    numbers: dict[str, Numbers]


def judge(
    packs: Sequence[Pack], parameters: Parameters, asof: date, divisions: Sequence[DivisionCode], batch: Batch
) -> Judged:
    """Judge a batch by all packs; each household by the numbers of its own division."""
    groups = [list(Table(pack, parameters, asof).groups(divisions).values()) for pack in packs]
    used = {numbers.hash: numbers for group in groups for numbers, _ in group}
    if all(len(group) == 1 for group in groups):  # the usual case: one set of numbers for all, packs share their sums
        asked = [(pack, group[0][0]) for pack, group in zip(packs, groups, strict=True)]
        outcomes = evaluate_all([(pack, numbers.bound) for pack, numbers in asked], batch)
        columns = [findings(pack, n.hash, one) for (pack, n), one in zip(asked, outcomes, strict=True)]
        return Judged(list(zip(*columns, strict=True)), used)
    found: list[list[Finding]] = [[] for _ in range(batch.size)]
    for pack, group in zip(packs, groups, strict=True):
        for numbers, places in group:
            outcome = pack.evaluate(batch.take(places), numbers.bound)
            for place, finding in zip(places, findings(pack, numbers.hash, outcome), strict=True):
                found[place].append(finding)
    return Judged([tuple(one) for one in found], used)


def findings(pack: Pack, numbers_hash: str, outcome: Outcome) -> Iterable[Finding]:
    """A batch's outcome → a finding a household."""
    stated = outcome.stated.T
    figures: list[list[Any]] = outcome.numbers.T.tolist()
    complete: Any = stated.all(axis=1).tolist()
    scores = [None] * len(figures) if outcome.score is None else outcome.score.tolist()
    masks = zip(outcome.verdict.tolist(), outcome.fail.tolist(), outcome.unknown.tolist(), scores, strict=True)
    for place, (verdict, fail, unknown, score) in enumerate(masks):
        told = figures[place]
        if not complete[place]:
            told = [number if known else None for number, known in zip(told, stated[place].tolist(), strict=True)]
        said = pack.verdicts[verdict]
        yield Finding(
            pack.id,
            pack.hash,
            numbers_hash,
            said,
            fail,
            unknown,
            None if said == "not_applicable" else score,
            tuple(told),
        )


def judge_one(pack: Pack, numbers: Numbers, batch: Batch) -> Finding:
    """One household by given numbers: for reading old versions again, and for asking which fact made the difference."""
    return next(iter(findings(pack, numbers.hash, pack.evaluate(batch, numbers.bound))))


def with_numbers(numbers: Numbers, asof: date) -> Numbers:
    """The same numbers for another day."""
    return Numbers(Bound(asof, numbers.bound.numbers, numbers.bound.payout_components), numbers.rows)


def judged(judgement: Judgement, packs: Sequence[Pack], previous: Mapping[str, str]) -> HouseholdJudged:
    """户研判: the fact of a judgement: codes alone, no circumstance in clear. `previous` are the verdicts before."""
    by_id = {pack.id: pack for pack in packs}
    return HouseholdJudged(
        household=judgement.household,
        version=judgement.version,
        household_version=judgement.household_version,
        division=judgement.division.text,
        judged_on=judgement.judged_on,
        judgement=judgement.id,
        packs=tuple(
            PackVerdict(
                pack=one.pack,
                pack_hash=one.pack_hash,
                verdict=one.verdict,
                previous=previous.get(one.pack),
                failed=one.failed(by_id[one.pack]),
                unknown=one.doubtful(by_id[one.pack]),
                score=one.score,
            )
            for one in judgement.findings
        ),
    )


def masks_differ(left: Finding, right: Finding) -> int:
    """Bits of the criteria whose state is another."""
    return (left.fail ^ right.fail) | (left.unknown ^ right.unknown)
