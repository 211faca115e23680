"""What may become of a household: recorded, amended, decided upon, paid. Each answers the new noun and its facts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal
from uuid import UUID

from services.registry.domain.facts import facts_of
from services.registry.domain.household import Household, IncomeRow, Living, Membership, Person, StatusSpan
from services.registry.domain.matches import restated
from services.registry.domain.refusals import (
    DecisionBeforeStatus,
    NotExactlyOneHead,
    NothingToExit,
    PayoutUnknown,
    PersonRepeated,
    ReversalUnequal,
    StatusContradiction,
    StatusNeedsDecision,
)
from services.registry.domain.statuses import claim_of, merge_statuses
from services.registry.domain.surgery import refuse_closed
from shared.events import Fact
from shared.events.registry import Relation, StatusKind
from shared.values import DivisionCode, HouseholdNumber, Period

Outcome = Literal["exit_approved", "exit_refused"]


@dataclass(frozen=True, slots=True)
class MemberEntry:
    """登记的成员: a person as the form has him, and how he is related to the head."""

    person: Person
    relation: Relation


@dataclass(frozen=True, slots=True)
class HouseholdEntry:
    """登记的户: everything that one form says of a household. Persons carry ids already (client-made or looked up)."""

    number: HouseholdNumber
    division: DivisionCode
    members: tuple[MemberEntry, ...]
    group: str | None = None
    registered_on: date | None = None
    statuses: tuple[tuple[StatusKind, date], ...] = ()
    living: Living = field(default_factory=Living)
    income: tuple[IncomeRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """决定: what a person decided in assessment, as registry heard it."""

    id: UUID
    outcome: Outcome
    effective_on: date


@dataclass(frozen=True, slots=True)
class Payout:
    """兑付: what a cooperative paid; component, item and income year were found in the dated parameters."""

    id: UUID
    fen: int
    paid_on: date
    component: str
    item: str
    year: Period
    reverses: UUID | None = None


Changed = tuple[Household, list[Fact]]


def record(household_id: UUID, entry: HouseholdEntry, on: date) -> Changed:
    """A household enters the register: exactly one head, nobody twice; memberships begin on the day of recording."""
    _refuse_wrong_entry(entry)
    household = Household(
        id=household_id,
        number=entry.number,
        division=entry.division,
        version=1,
        group=entry.group,
        registered_on=entry.registered_on,
        statuses=tuple(StatusSpan(kind, since) for kind, since in entry.statuses),
        living=entry.living,
        memberships=tuple(Membership(one.person, one.relation, on) for one in entry.members),
        income=merge_income((), entry.income, on),
    )
    return household, facts_of(household)


def amend(household: Household, entry: HouseholdEntry, on: date) -> Changed:
    """A household's form again: what differs becomes a new version; nothing differs, nothing is said.

    Statuses that a decision touched and income that was paid stay as they are: a form cannot undo either. A form that
    claims another status than the register's is refused: the exit procedure is the way (ADR 0016).
    """
    refuse_closed(household)
    _refuse_wrong_entry(entry)
    claim = claim_of(household.statuses, entry.statuses, on)
    if claim is not None:
        raise StatusNeedsDecision(number=household.number, claim_zh=claim.zh, claim_en=claim.en)
    amended = replace(
        household,
        division=entry.division,
        group=entry.group,
        registered_on=entry.registered_on,
        statuses=merge_statuses(household.statuses, entry.statuses, on),
        living=entry.living,
        memberships=merge_memberships(household.memberships, entry.members, on),
        income=merge_income(household.income, entry.income, on),
    )
    if amended == household:
        return household, []
    amended = replace(amended, version=household.version + 1)
    return amended, facts_of(amended)


def _refuse_wrong_entry(entry: HouseholdEntry) -> None:
    heads = sum(one.relation == "head" for one in entry.members)
    if heads != 1:
        raise NotExactlyOneHead(number=entry.number, heads=heads)
    counts = Counter(one.person.id for one in entry.members)
    numbers = Counter(one.person.id_number for one in entry.members if one.person.id_number is not None)
    if any(count > 1 for count in (*counts.values(), *numbers.values())):
        raise PersonRepeated(number=entry.number)
    if {"poor", "lifted"} <= {kind for kind, _ in entry.statuses}:
        raise StatusContradiction(number=entry.number)


def merge_memberships(
    before: tuple[Membership, ...], entries: tuple[MemberEntry, ...], on: date
) -> tuple[Membership, ...]:
    """Who left ends today, who came begins today, a new relation ends and begins; attributes are observed anew."""
    wanted = {one.person.id: one for one in entries}
    after: list[Membership] = []
    for held in before:
        entry = wanted.get(held.person.id)
        if not held.open:
            after.append(held)
        elif entry is not None and entry.relation == held.relation:
            after.append(replace(held, person=entry.person))
            del wanted[held.person.id]
        elif held.since < on:
            after.append(replace(held, until=on))
    after.extend(Membership(one.person, one.relation, on) for one in wanted.values())
    return tuple(after)


def merge_income(before: tuple[IncomeRow, ...], entries: tuple[IncomeRow, ...], on: date) -> tuple[IncomeRow, ...]:
    """A declaration replaces the declaration of the same income year; payouts and other years are never touched."""
    declared = tuple(restated(before, row, on) for row in _declared(entries))
    years = {row.year for row in declared}
    kept = tuple(row for row in before if row.source == "payout" or row.year not in years)
    if set(kept + declared) == set(before):
        return before
    return kept + declared


def _declared(rows: tuple[IncomeRow, ...]) -> tuple[IncomeRow, ...]:
    return tuple(row for row in rows if row.source == "declared")


def apply_decision(household: Household, decision: Decision) -> Changed:
    """A decision takes effect once: 贫困户 ends and 脱贫户 begins on the effective date; heard again, nothing happens.

    A refused exit changes no status; its id is kept so that assessment hears it back. A decision about a household that
    is no longer as it takes it to be has no effect, and is heard back with the reason: people decide again.
    """
    if decision.id in household.decisions or decision.id in dict(household.refused):
        return household, []
    after = replace(household, version=household.version + 1)
    try:
        statuses = _exited(household, decision) if decision.outcome == "exit_approved" else household.statuses
    except (NothingToExit, DecisionBeforeStatus) as refusal:
        after = replace(after, refused=(*household.refused, (decision.id, refusal.code)))
    else:
        after = replace(after, statuses=statuses, decisions=(*household.decisions, decision.id))
    return after, facts_of(after)


def _exited(household: Household, decision: Decision) -> tuple[StatusSpan, ...]:
    poor = next((span for span in household.statuses if span.kind == "poor" and span.until is None), None)
    if poor is None or any(span.kind == "lifted" and span.until is None for span in household.statuses):
        raise NothingToExit(number=household.number)
    if decision.effective_on <= poor.since:
        raise DecisionBeforeStatus(
            number=household.number, effective_on=decision.effective_on.isoformat(), since=poor.since.isoformat()
        )
    ended = replace(poor, until=decision.effective_on, closed_by=decision.id)
    lifted = StatusSpan("lifted", decision.effective_on, opened_by=decision.id)
    return (*(ended if span is poor else span for span in household.statuses), lifted)


def apply_payout(household: Household, payout: Payout) -> Changed:
    """Money paid becomes one income row, once per payout id; a reversal is negative, in its original's year."""
    reference = str(payout.id)
    if any(row.source == "payout" and row.reference == reference for row in household.income):
        return household, []
    year = payout.year if payout.reverses is None else _reversed(household, payout).year
    row = IncomeRow(
        year=year,
        component=payout.component,
        item=payout.item,
        source="payout",
        reference=reference,
        fen=payout.fen,
        paid_on=payout.paid_on,
        reverses=None if payout.reverses is None else str(payout.reverses),
    )
    paid = replace(household, income=(*household.income, row), version=household.version + 1)
    return paid, facts_of(paid)


def _reversed(household: Household, payout: Payout) -> IncomeRow:
    original = str(payout.reverses)
    paid = next((row for row in household.income if row.source == "payout" and row.reference == original), None)
    if paid is None:
        raise PayoutUnknown(payout=original, number=household.number)
    if payout.fen != -paid.fen or any(row.reverses == original for row in household.income):
        raise ReversalUnequal(fen=payout.fen, paid=paid.fen)
    return paid
