"""What is done about doubts: found in a form by the same checks that a file goes through, given to somebody, answered,
confirmed by a second person, asked again when an exception ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from services.registry.domain import HouseholdEntry
from services.registry.domain.doubts import Answer, Doubt, DoubtFinding, DoubtState, Taken, assign, confirm, find
from services.registry.domain.inspection import facts_of_number
from services.registry.domain.refusals import DoubtMissing
from services.registry.store import doubts as store
from services.registry.store.arrivals import AskedChecks
from services.registry.store.doubts import Found, Look, Seen, save_doubts
from services.registry.store.fingerprints import fingerprints_of
from services.registry.store.parameters import parameters
from services.registry.store.people import Written
from shared.auth import Officer, Role
from shared.clock import SHANGHAI, today
from shared.crypto import KeyRing
from shared.db import Transaction
from shared.due import schedule
from shared.errors import Problem, Stale
from shared.parameters import Parameters

ANSWERS_FOR_OTHERS = frozenset({Role.REVIEWER, Role.APPROVER})
EXCEPTION_ENDS = "doubt.exception_ends"


async def doubt_household(
    tx: Transaction, keys: KeyRing, household_id: UUID, entry: HouseholdEntry, written: Written
) -> None:
    """Open what is newly in doubt, close what is no longer found, ask again what was settled about other facts."""
    numbers = await parameters(tx)
    (found,), asked = await asyncio.to_thread(findings_of, keys, [entry], written.observed_on, numbers)
    await save_doubts(tx, household_id, found, asked, Look(written.by, written.now, today(written.now)))


def findings_of(
    keys: KeyRing, entries: Sequence[HouseholdEntry], on: date, numbers: Parameters
) -> tuple[list[list[Found]], tuple[str, ...]]:
    """What is in doubt in each of these households, as of the day on which all of them were visited; and which checks
    were asked. Whether a number stands in another household too is asked of the register (`_repeated`), not of the
    households that happen to be looked at together.
    """
    # The frames' library costs an api process 50 MB: it is loaded by the first form that is entered, not at the start.
    from services.registry.checks import ABOUT_HOUSEHOLDS, doubts_of_many

    rows, asked = doubts_of_many(entries, on, numbers)
    found = [_repeated(keys, entry) for entry in entries]
    places = [(at, one.person.id) for at, entry in enumerate(entries) for one in entry.members]
    for row in rows.filter(rows["check"] != REPEATED).iter_rows(named=True):
        at, person = places[row["row"] - 1]
        marks = fingerprints_of(keys, row["check"], row["facts"])
        whom = None if row["check"] in ABOUT_HOUSEHOLDS else person
        found[at].append(Found(whom, row["check"], "doubt", row["field"], row["zh"], row["en"], marks))
    return found, asked


REPEATED = "I1"


def _repeated(keys: KeyRing, entry: HouseholdEntry) -> list[Found]:
    return [
        Found(
            one.person.id,
            REPEATED,
            "doubt",
            "id_number",
            *_TWO_HOMES,
            fingerprints_of(keys, REPEATED, facts_of_number(one.person.id_number)),
        )
        for one in entry.members
        if one.person.id_provisional and one.person.id_number is not None
    ]


# Corrections


@dataclass(frozen=True, slots=True)
class Corrected:
    """更正的户: as it stands now, its members' inside keys, and the rows of the file that correct it."""

    no: int
    entry: HouseholdEntry
    persons: Mapping[UUID, int]
    row: int
    rows: Mapping[int, int]
    """Person → row."""


def look_again(
    keys: KeyRing, corrected: Sequence[Corrected], on: date, numbers: Parameters, spoken: frozenset[str]
) -> tuple[list[Seen], AskedChecks]:
    """What is in doubt in these households about what a file has corrected; and which checks were asked."""
    from services.registry.checks import ABOUT_HOUSEHOLDS, doubts_of_part

    found, asked = doubts_of_part([one.entry for one in corrected], on, numbers, spoken)
    places = [(one, member.person) for one in corrected for member in one.entry.members]
    seen = [
        _seen_of(
            one, person.id, REPEATED, "id_number", _TWO_HOMES, fingerprints_of(keys, REPEATED, facts_of_number(number))
        )
        for one, person in places
        if "id_number" in spoken and person.id_provisional and (number := person.id_number) is not None
    ]
    for row in found.filter(found["check"] != REPEATED).iter_rows(named=True):
        one, person = places[row["row"] - 1]
        who = None if row["check"] in ABOUT_HOUSEHOLDS else person.id
        marks = fingerprints_of(keys, row["check"], row["facts"])
        seen.append(_seen_of(one, who, row["check"], row["field"], (row["zh"], row["en"]), marks))
    return seen, AskedChecks(*asked)


_TWO_HOMES = ("证件号码与另一户成员相同", "the id number also stands in another household")


def _seen_of(
    one: Corrected, person: UUID | None, check: str, name: str, said: tuple[str, str], fingerprints: str
) -> Seen:
    no = None if person is None else one.persons[person]
    row = one.row if no is None else one.rows.get(no, one.row)
    return Seen(one.no, no, check, "doubt", name, *said, fingerprints, row)


# People's steps


@dataclass(frozen=True, slots=True)
class Asked:
    """所办: one doubt of many, the version that was seen, and what shall become of it."""

    id: UUID
    version: int
    take: Callable[[Doubt], Taken]


@dataclass(frozen=True, slots=True)
class Outcome:
    """办理结果 of one of many: the doubt as it is now, or why it was refused."""

    subject: UUID
    problem: Problem | None = None


def assigning(to: str) -> Callable[[Doubt], Taken]:
    """It is given to somebody."""
    return lambda doubt: assign(doubt, to)


def answering(answer: Answer, officer: Officer, now: datetime) -> Callable[[Doubt], Taken]:
    """A written finding: by the assignee, or by who may answer for others."""
    wide = not officer.roles.isdisjoint(ANSWERS_FOR_OTHERS)
    return lambda doubt: find(doubt, answer, officer.sub, may_answer_for_others=wide, today=today(now))


def confirming(officer: Officer, remark: str | None, *, agreed: bool) -> Callable[[Doubt], Taken]:
    """The second person's word."""
    return lambda doubt: confirm(doubt, officer.sub, remark, agreed=agreed)


async def step_doubt(
    tx: Transaction,
    doubt_id: UUID,
    check: Callable[[int], None],
    take: Callable[[Doubt], Taken],
    by: str,
    now: datetime,
) -> None:
    """One step of one doubt."""
    before = await store.lock_doubt(tx, doubt_id)
    check(before.version)
    await _take(tx, before, take, by, now)


async def step_doubts(tx: Transaction, asked: Sequence[Asked], by: str, now: datetime) -> list[Outcome]:
    """The same step of many, each by itself: what is refused says why and hinders no other."""
    held = dict(await store.lock_doubts(tx, [one.id for one in asked]))
    outcomes = []
    for one in asked:
        try:
            held[one.id] = await _take(tx, _seen(held, one), one.take, by, now)
        except Problem as problem:
            outcomes.append(Outcome(one.id, problem))
        else:
            outcomes.append(Outcome(one.id))
    return outcomes


def _seen(held: Mapping[UUID, Doubt], one: Asked) -> Doubt:
    before = held.get(one.id)
    if before is None:
        raise DoubtMissing
    if before.version != one.version:
        raise Stale
    return before


async def _take(tx: Transaction, before: Doubt, take: Callable[[Doubt], Taken], by: str, now: datetime) -> Doubt:
    after, step = take(before)
    await store.save_step(tx, after, step, by, now)
    if after.state is DoubtState.CLOSED and after.finding == DoubtFinding.EXCEPTION and after.until is not None:
        await schedule(tx, EXCEPTION_ENDS, after.id, _day_after(after.until))
    return after


def _day_after(day: date) -> datetime:
    """The moment at which that day is over."""
    return datetime.combine(day + timedelta(days=1), time(), SHANGHAI)


async def resume_doubts(tx: Transaction, nouns: list[str], now: datetime) -> None:
    """Exceptions that are over: their questions are asked again."""
    await store.resume_doubts(tx, [UUID(noun) for noun in nouns], today(now), now)
