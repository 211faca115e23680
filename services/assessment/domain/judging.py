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
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np

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


@lru_cache(maxsize=100_000)
def codes_of(pack: Pack, mask: int) -> tuple[str, ...]:
    """Criteria of a mask, in the order of the pack."""
    return tuple(one.code for one in pack.criteria if mask & one.bit)


@dataclass(frozen=True, slots=True)
class Part:
    """一组认定: what one pack found of those households of a batch for which one set of numbers holds."""

    pack: Pack
    numbers: Numbers
    places: Sequence[int]
    outcome: Outcome

    def marks(self) -> list[bytes]:
        """For each household everything that would be news, as bytes."""
        one = self.outcome
        score = np.zeros_like(one.fail) if one.score is None else one.score
        rows = np.vstack([one.verdict, one.fail, one.unknown, score, one.numbers, one.stated]).astype("<i8").T
        raw, width = rows.tobytes(), rows.shape[1] * 8
        start = (self.pack.hash + self.numbers.hash).encode()
        return [start + raw[first : first + width] for first in range(0, len(raw), width)]


class Judged:
    """一批研判: what all packs found of a batch; findings are made only for those households that ask for them."""

    def __init__(self, size: int, parts: Sequence[Sequence[Part]]) -> None:
        self._size = size
        self._parts = parts

    @property
    def numbers(self) -> dict[str, Numbers]:
        """The numbers used, by hash."""
        return {part.numbers.hash: part.numbers for parts in self._parts for part in parts}

    def digests(self, household_versions: Sequence[int]) -> list[bytes]:
        """Sixteen bytes a household that differ when judging again brought news; the day judged alone is none."""
        marks = [[b""] * self._size for _ in self._parts]
        for column, parts in zip(marks, self._parts, strict=True):
            for part in parts:
                for place, mark in zip(part.places, part.marks(), strict=True):
                    column[place] = mark
        told = zip(household_versions, *marks, strict=True)
        return [
            hashlib.blake2b(version.to_bytes(8, "little") + b"".join(found), digest_size=16).digest()
            for version, *found in told
        ]

    def findings(self, places: Sequence[int] | None = None) -> list[tuple[Finding, ...]]:
        """Findings of the households at these places (all, without), in this order, a finding a pack."""
        wanted = range(self._size) if places is None else places
        order = {place: order for order, place in enumerate(wanted)}
        found: list[list[Finding]] = [[] for _ in wanted]
        for parts in self._parts:
            for part in parts:
                chosen = [index for index, place in enumerate(part.places) if place in order]
                made = findings(part.pack, part.numbers.hash, part.outcome.take(chosen))
                for index, one in zip(chosen, made, strict=True):
                    found[order[part.places[index]]].append(one)
        return [tuple(one) for one in found]


def judge(
    packs: Sequence[Pack], parameters: Parameters, asof: date, divisions: Sequence[DivisionCode], batch: Batch
) -> Judged:
    """Judge a batch by all packs; each household by the numbers of its own division."""
    groups = [list(Table(pack, parameters, asof).groups(divisions).values()) for pack in packs]
    if all(len(group) == 1 for group in groups):  # the usual case: one set of numbers for all, packs share their sums
        asked = [(pack, *group[0]) for pack, group in zip(packs, groups, strict=True)]
        outcomes = evaluate_all([(pack, numbers.bound) for pack, numbers, _ in asked], batch)
        parts = [[Part(*one, outcome)] for one, outcome in zip(asked, outcomes, strict=True)]
        return Judged(batch.size, parts)
    return Judged(
        batch.size,
        [
            [Part(pack, numbers, places, pack.evaluate(batch.take(places), numbers.bound)) for numbers, places in group]
            for pack, group in zip(packs, groups, strict=True)
        ],
    )


def findings(pack: Pack, numbers_hash: str, outcome: Outcome) -> Iterable[Finding]:
    """A batch's outcome → a finding a household."""
    stated: Any = outcome.stated.T.tolist()
    figures: list[list[Any]] = outcome.numbers.T.tolist()
    complete: Any = outcome.stated.all(axis=0).tolist()
    scores = [None] * len(figures) if outcome.score is None else outcome.score.tolist()
    masks = zip(outcome.verdict.tolist(), outcome.fail.tolist(), outcome.unknown.tolist(), scores, strict=True)
    for place, (verdict, fail, unknown, score) in enumerate(masks):
        told = figures[place]
        if not complete[place]:
            told = [number if known else None for number, known in zip(told, stated[place], strict=True)]
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


def judged(judgement: Judgement, packs: Mapping[str, Pack], previous: Mapping[str, str]) -> HouseholdJudged:
    """户研判: the fact of a judgement: codes alone, no circumstance in clear.

    `packs` are those by which it was judged, by hash; `previous` are the verdicts before.
    """
    return HouseholdJudged(
        household=judgement.household,
        version=judgement.version,
        household_version=judgement.household_version,
        division=judgement.division.text,
        judged_on=judgement.judged_on,
        judgement=judgement.id,
        packs=tuple(
            _told(packs[one.pack_hash], one.verdict, previous.get(one.pack), one.fail, one.unknown, one.score)
            for one in judgement.findings
        ),
    )


@lru_cache(maxsize=20_000)
def _told(pack: Pack, verdict: str, previous: str | None, fail: int, unknown: int, score: int | None) -> PackVerdict:
    """What a pack says, made once for all households of which it says the same: a county knows a few hundred."""
    return PackVerdict(
        pack=pack.id,
        pack_hash=pack.hash,
        verdict=verdict,
        previous=previous,
        failed=codes_of(pack, fail),
        unknown=codes_of(pack, unknown),
        score=score,
    )


def masks_differ(left: Finding, right: Finding) -> int:
    """Bits of the criteria whose state is another."""
    return (left.fail ^ right.fail) | (left.unknown ^ right.unknown)
