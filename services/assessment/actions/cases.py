"""What can be done with cases: open them, take their steps one by one or in bulk, mark them.

In bulk each case has a result of its own: one that is refused changes nothing of the others. A refusal is decided
before anything of that case is written, so no savepoint is needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.assessment.domain.cases import (
    SYSTEM_ACTOR,
    Actor,
    Case,
    CaseAlreadyOpen,
    CaseMissing,
    CitedJudgement,
    HouseholdElsewhere,
    HouseholdNotJudged,
    ShownHousehold,
    Standing,
    decided,
)
from services.assessment.domain.machine import Door, Procedure, Step, read_evidence, start, take
from services.assessment.procedures import PROCEDURES
from services.assessment.store import cases as store
from services.assessment.store import objections, publicity, standing
from shared.clock import today
from shared.db import Transaction, lock
from shared.errors import Problem, ScopeRefused, Stale
from shared.events import Fact
from shared.events.registry import HouseholdRecorded
from shared.hearing import Heard
from shared.outbox import Said, announce_many
from shared.parameters import Parameter
from shared.values import DivisionCode, new_id


@dataclass(frozen=True, slots=True)
class Outcome:
    """办理结果 of one of many: the case as it now stands, or why it was refused."""

    subject: UUID
    case: Case | None = None
    problem: Problem | None = None


Check = Callable[[int], None]


def any_version(version: int) -> None:
    """No version was named: whatever stands is acted upon."""


def exactly(seen: int) -> Check:
    """Only the version that the caller saw."""

    def check(version: int) -> None:
        if version != seen:
            raise Stale()

    return check


@dataclass(frozen=True, slots=True)
class Asked:
    """批量办理中的一件: which case, what is recorded of it beside what is common, and whether it is as it was seen."""

    case: UUID
    evidence: Mapping[str, object] = field(default_factory=dict)
    check: Check = any_version


async def open_cases(
    tx: Transaction, by: Actor, kind: str, village: DivisionCode, households: Sequence[UUID], at: datetime
) -> list[Outcome]:
    """立案 for households that people chose; each on its newest judgement, which must say met."""
    procedure = PROCEDURES[kind]
    if not by.scope.contains(village):
        raise ScopeRefused(division=village)
    await lock(tx, f"cases of {village}")
    already = await store.open_cases_of(tx, kind, households, procedure.open_states())
    newest = await standing.newest_judgements(tx, households, procedure.pack)
    shown = await standing.shown_households(tx, households, today(at))
    opener = _Opener(procedure, village, by, at, already, newest, shown)
    outcomes = [opener.open(household) for household in dict.fromkeys(households)]
    await store.create_cases(tx, [one.case for one in outcomes if one.case is not None])
    await announce_many(tx, opener.said, at=at)
    return outcomes


@dataclass
class _Opener:
    """Decides of each household whether a case is opened, and keeps what is to be said."""

    procedure: Procedure
    village: DivisionCode
    by: Actor
    at: datetime
    already: Mapping[UUID, UUID]
    newest: Mapping[UUID, CitedJudgement]
    shown: Mapping[UUID, ShownHousehold]
    said: list[Said] = field(default_factory=list)

    def open(self, household: UUID) -> Outcome:
        try:
            case, facts = self._opened(household)
        except Problem as problem:
            return Outcome(household, problem=problem)
        self.said += [Said(case.id, fact) for fact in facts]
        return Outcome(household, case)

    def _opened(self, household: UUID) -> tuple[Case, list[Fact]]:
        if household in self.already:
            raise CaseAlreadyOpen(case=self.already[household])
        shown, newest = self.shown.get(household), self.newest.get(household)
        if shown is None or newest is None:
            raise HouseholdNotJudged(household=household)
        refuse_strangers(self.procedure, shown, self.village)
        return start(self.procedure, new_id(), household, self.village, newest, self.by, self.at)


def refuse_strangers(procedure: Procedure, shown: ShownHousehold, village: DivisionCode) -> None:
    """A procedure is for households of its village that now have the status it ends."""
    if not is_for(procedure, shown, village):
        raise HouseholdElsewhere(village=shown.village, statuses="、".join(shown.statuses) or "—")


def is_for(procedure: Procedure, shown: ShownHousehold, village: DivisionCode) -> bool:
    """Whether the household lives in that village and has the status that the procedure ends."""
    return shown.village == village and procedure.subject_status in shown.statuses


async def take_step(
    tx: Transaction,
    by: Actor,
    case_id: UUID,
    step: str,
    evidence: Mapping[str, object],
    at: datetime,
    remark: str = "",
    check: Check = any_version,
) -> Case:
    """One step of one case; refused as a whole."""
    [outcome] = await take_steps(tx, by, step, [Asked(case_id, evidence, check)], {}, at, remark)
    if outcome.problem is not None:
        raise outcome.problem
    assert outcome.case is not None, "without a problem there is a case"
    return outcome.case


async def take_steps(
    tx: Transaction,
    by: Actor,
    step: str,
    asked: Sequence[Asked],
    common: Mapping[str, object],
    at: datetime,
    remark: str = "",
) -> list[Outcome]:
    """The same step of many cases, each with its own result, in the order asked."""
    cases = await store.lock_cases(tx, {one.case for one in asked})
    standings = await standings_of(tx, cases.values(), at)
    taker = Taker(by, at, cases, standings, remark)
    outcomes = [taker.take(one, Door.CASE, step, common) for one in asked]
    await taker.save(tx)
    return outcomes


async def standings_of(tx: Transaction, cases: Iterable[Case], at: datetime) -> dict[UUID, Standing]:
    """All that guards may look at, loaded set-wise after the cases were locked."""
    listed = list(cases)
    newest: dict[UUID, CitedJudgement] = {}
    for kind, procedure in PROCEDURES.items():
        wanted = [case.household for case in listed if case.kind == kind]
        newest |= await standing.newest_judgements(tx, wanted, procedure.pack)
    lists = await publicity.load_publicities(tx, {case.publicity for case in listed if case.publicity is not None})
    still_open = await objections.count_open(tx, [case.id for case in listed])
    numbers = await _numbers(tx, listed, at)
    shown = await standing.shown_households(tx, {case.household for case in listed}, today(at))
    return {
        case.id: Standing(
            latest=newest.get(case.household),
            publicity=lists.get(case.publicity) if case.publicity else None,
            objections_open=still_open.get(case.id, 0),
            numbers=numbers[case.village],
            strange=_strange(case, shown.get(case.household)),
        )
        for case in listed
    }


def _strange(case: Case, shown: ShownHousehold | None) -> ShownHousehold | None:
    """The household as it now is, if it could not be put into this procedure in this village any more."""
    if shown is None or is_for(PROCEDURES[case.kind], shown, case.village):
        return None
    return shown


async def _numbers(tx: Transaction, cases: Collection[Case], at: datetime) -> dict[DivisionCode, dict[str, Parameter]]:
    """The dated numbers of the procedures, as they hold in each village on that day."""
    keys = {key for case in cases for step in PROCEDURES[case.kind].steps for key in step.numbers}
    dated = await standing.parameters_of(tx, keys)
    found: dict[DivisionCode, dict[str, Parameter]] = {}
    for village in {case.village for case in cases}:
        held = {key: dated.find(key, village, today(at)) for key in keys}
        found[village] = {key: number for key, number in held.items() if number is not None}
    return found


@dataclass
class Taker:
    """Takes steps of locked cases in memory, and keeps what is to be saved and said."""

    by: Actor
    at: datetime
    before: Mapping[UUID, Case]
    standings: Mapping[UUID, Standing]
    remark: str = ""
    after: dict[UUID, Case] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)

    def take(self, asked: Asked, door: Door, step: str, common: Mapping[str, object]) -> Outcome:
        """One case; its refusal is its result."""
        try:
            return Outcome(asked.case, self.taken(asked, door, step, common))
        except Problem as problem:
            return Outcome(asked.case, problem=problem)

    def taken(self, asked: Asked, door: Door, step: str, common: Mapping[str, object], by: Actor | None = None) -> Case:
        """One case, or its refusal raised."""
        case = self.after.get(asked.case) or self.before.get(asked.case)
        if case is None:
            raise CaseMissing(case=asked.case)
        asked.check(case.version)
        procedure = PROCEDURES[case.kind]
        declared = procedure.step(step, door)
        return self._advanced(procedure, declared, case, {**common, **asked.evidence}, by or self.by)

    def _advanced(self, procedure: Procedure, step: Step, case: Case, given: Mapping[str, object], by: Actor) -> Case:
        evidence = read_evidence(step, given)
        moved, facts = take(
            procedure,
            step,
            case,
            evidence,
            by,
            self.at,
            self.standings[case.id],
            decision_id=new_id(),
            remark=self.remark,
        )
        self.after[moved.id] = moved
        self.said += [Said(moved.id, fact) for fact in facts]
        return moved

    async def save(self, tx: Transaction) -> None:
        """Keep and say what was taken."""
        await store.save_cases(tx, self.before, list(self.after.values()))
        await announce_many(tx, self.said, at=self.at)


async def mark_decided(tx: Transaction, heard: Sequence[Heard[HouseholdRecorded]]) -> None:
    """系统标注: the decision's id came back with the household: applied, or with the reason why it could not be."""
    answers = {decision: one for one in heard for decision in _answered(one.fact)}
    if not answers:
        return
    by_moment: dict[datetime, list[Case]] = defaultdict(list)
    for case in await store.lock_cases_decided(tx, answers, "approved"):
        by_moment[answers[_decision_of(case)].said_at].append(case)
    for at, answered in by_moment.items():
        taker = Taker(
            SYSTEM_ACTOR, at, {case.id: case for case in answered}, {case.id: Standing(None) for case in answered}
        )
        for case in answered:
            step, given = _step_of(_decision_of(case), answers[_decision_of(case)].fact)
            taker.taken(Asked(case.id, given), Door.REGISTER, step, {})
        await taker.save(tx)


def _answered(fact: HouseholdRecorded) -> list[UUID]:
    return [*fact.decisions, *(one.decision for one in fact.decisions_refused)]


def _step_of(decision: UUID, fact: HouseholdRecorded) -> tuple[str, dict[str, object]]:
    """What the register's answer means for the case, and what is written down of it."""
    refused = {one.decision: one.reason for one in fact.decisions_refused}
    if decision in refused:
        return "register_refused", {"decision": str(decision), "reason": refused[decision]}
    return "mark", {"household_version": str(fact.version)}


def _decision_of(case: Case) -> UUID:
    assert case.decision is not None, "an approved case has its decision"
    return case.decision.id


async def cases_again(tx: Transaction, epoch: int) -> AsyncIterator[list[Said]]:
    """Say every decision again under its own id; the steps between are not said again."""
    async for chunk in store.decided_cases(tx):
        yield [Said(case.id, decided(case)) for case in chunk]
