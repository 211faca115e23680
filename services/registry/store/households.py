"""Households as remembered: the whole noun is loaded and locked, what differs is saved, images before it are kept.

The noun is locked before anything of it is read, so its facts are numbered in commit order. Intervals and amounts are
corrected by closing and inserting; what did not change is not written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.registry.domain import Decision, Household, IncomeRow, Living, Membership, StatusSpan
from services.registry.domain.refusals import HouseholdMissing, NotExactlyOneHead, PersonElsewhere, StatusOverlap
from services.registry.store.likeness import note_persons
from services.registry.store.matches import refresh_matches
from services.registry.store.people import Written, insert_person, person_from, release_person, update_person
from services.registry.tables import HOUSEHOLD_FACTS, household
from shared.crypto import KeyRing
from shared.db import Transaction
from shared.values import DivisionCode, HouseholdNumber, Period

LYING_THERE = ("membership", "status", "income", "income_match", "decision", "doubt", "deed")
"""Tables whose rows lie where their household lies."""
COLUMNS = tuple(column.name for column in household.columns)
NAMED = ", ".join(f'"{name}"' for name in COLUMNS)
LIVING = tuple(one.name for one in fields(Living))


@dataclass(frozen=True, slots=True)
class Record:
    """在册的户: the noun with the inside keys of its rows."""

    no: int
    household: Household
    observed_on: date
    known: datetime
    """The newest moment at which something of it became known: whatever is written next is not known before it."""
    persons: Mapping[UUID, int]
    memberships: Mapping[Hashable, int]
    statuses: Mapping[StatusSpan, int]
    incomes: Mapping[IncomeRow, int]
    seen: Mapping[UUID, date] = field(default_factory=dict)
    """When each of its people was last seen."""


async def load_household(tx: Transaction, household_id: UUID, keys: KeyRing | None = None) -> Record:
    """One household in scope; sealed attributes are opened only where keys are given."""
    found = await load_households(tx, [household_id], keys)
    if household_id not in found:
        raise HouseholdMissing
    return found[household_id]


async def lock_household(tx: Transaction, household_id: UUID, keys: KeyRing | None = None) -> Record:
    """The same, held until the commit."""
    found = await load_households(tx, [household_id], keys, lock=True)
    if household_id not in found:
        raise HouseholdMissing
    return found[household_id]


async def load_households(
    tx: Transaction, ids: Sequence[UUID], keys: KeyRing | None = None, *, lock: bool = False
) -> dict[UUID, Record]:
    """Many at once, in six queries; locked in the order of their inside keys, as every writer does."""
    held = " for no key update" if lock else ""
    rows = await tx.driver.fetch(
        f"select {NAMED} from household where id = any($1) and not withdrawn order by no{held}", list(ids)
    )
    numbers = [row["no"] for row in rows]
    memberships = await _of(tx, MEMBERSHIPS, numbers)
    persons = await _persons(tx, [one["person_no"] for ones in memberships.values() for one in ones])
    statuses, incomes = await _of(tx, STATUSES, numbers), await _of(tx, INCOMES, numbers)
    decisions = await _of(tx, DECISIONS, numbers)
    return {
        row["id"]: _record(
            row, memberships[row["no"]], persons, statuses[row["no"]], incomes[row["no"]], decisions[row["no"]], keys
        )
        for row in rows
    }


MEMBERSHIPS = """select no, household_no, person_no, relation, lower(during) as since, upper(during) as until,
  known_from
from membership where household_no = any($1) and known_to = 'infinity'
order by upper(during) nulls last, relation <> 'head', person_no"""
STATUSES = """select no, household_no, kind, lower(during) as since, upper(during) as until, opened_by, ended_by,
  known_from
from status where household_no = any($1) and known_to = 'infinity' order by lower(during), kind"""
INCOMES = """select no, household_no, year_from, year_to, component, item, source, reference, fen, paid_on, reverses,
  declared_on, known_from
from income where household_no = any($1) and known_to = 'infinity'
order by year_from, component, item, source, no"""
DECISIONS = """select household_no, id, refused_because from decision where household_no = any($1)
  and withdrawn_at is null order by known_from, id"""

Rows = list[asyncpg.Record]


async def _of(tx: Transaction, query: str, numbers: Sequence[int]) -> dict[int, Rows]:
    found: dict[int, Rows] = defaultdict(list)
    for row in await tx.driver.fetch(query, numbers):
        found[row["household_no"]].append(row)
    return found


async def _persons(tx: Transaction, numbers: Sequence[int]) -> dict[int, asyncpg.Record]:
    return {row["no"]: row for row in await tx.driver.fetch("select * from person where no = any($1)", numbers)}


def _record(
    row: asyncpg.Record,
    memberships: Rows,
    persons: Mapping[int, asyncpg.Record],
    statuses: Rows,
    incomes: Rows,
    decisions: Rows,
    keys: KeyRing | None,
) -> Record:
    seen = [one for one in memberships if one["person_no"] in persons]
    held = [
        Membership(person_from(persons[one["person_no"]], keys), one["relation"], one["since"], one["until"])
        for one in seen
    ]
    spans = [StatusSpan(one["kind"], one["since"], one["until"], one["opened_by"], one["ended_by"]) for one in statuses]
    amounts = [income_of(one) for one in incomes]
    noun = Household(
        id=row["id"],
        number=HouseholdNumber(row["number"]),
        division=DivisionCode(row["division"]),
        version=row["version"],
        group=row["group"],
        registered_on=row["registered_on"],
        statuses=tuple(spans),
        living=Living(**{name: row[name] for name in LIVING} | {"other_causes": tuple(row["other_causes"])}),
        memberships=tuple(held),
        income=tuple(amounts),
        decisions=tuple(one["id"] for one in decisions if one["refused_because"] is None),
        refused=tuple((one["id"], one["refused_because"]) for one in decisions if one["refused_because"] is not None),
        superseded_by=row["superseded_by"],
        closed_on=row["closed_on"],
        gaps=gaps_of(row["gaps"]),
    )
    return Record(
        no=row["no"],
        household=noun,
        observed_on=row["observed_on"],
        known=max(
            one["known_from"]
            for one in (
                row,
                *memberships,
                *statuses,
                *incomes,
                *(persons[one["person_no"]] for one in seen),
            )
        ),
        persons={persons[one["person_no"]]["id"]: one["person_no"] for one in seen},
        memberships={_key(one): row_["no"] for one, row_ in zip(held, seen, strict=True)},
        statuses={one: row_["no"] for one, row_ in zip(spans, statuses, strict=True)},
        incomes={one: row_["no"] for one, row_ in zip(amounts, incomes, strict=True)},
        seen={persons[one["person_no"]]["id"]: persons[one["person_no"]]["observed_on"] for one in seen},
    )


def gaps_of(held: Sequence[Any] | None) -> tuple[tuple[date, date], ...]:
    """The column as the noun has it."""
    return tuple((one.lower, one.upper) for one in held or ())


def _key(one: Membership) -> Hashable:
    return one.person.id, one.relation, one.since, one.until


def income_of(row: Mapping[str, Any]) -> IncomeRow:
    """A row of the table as the noun has it."""
    return IncomeRow(
        year=Period(row["year_from"], row["year_to"]),
        component=row["component"],
        item=row["item"],
        source=row["source"],
        reference=row["reference"],
        fen=row["fen"],
        paid_on=row["paid_on"],
        reverses=row["reverses"],
        declared_on=row["declared_on"],
    )


# Saving


WRITTEN = (*HOUSEHOLD_FACTS, "superseded_by", "closed_on", "gaps")
QUOTED = ", ".join(f'"{name}"' for name in WRITTEN)
INSERT = f"""insert into household (id, number, {QUOTED}, version, observed_on, known_from, recorded_by)
values ({", ".join(f"${at}" for at in range(1, 7 + len(WRITTEN)))}) returning no"""
UPDATE = f"""with up as (
  update household set ({QUOTED})
    = ({", ".join(f"${at}" for at in range(6, 6 + len(WRITTEN)))}),
    version = $2, observed_on = $3, known_from = $4, recorded_by = $5, batch = null, batch_row = null
  where no = $1 returning old.*)
insert into household_history ({NAMED}, known_to) select {NAMED}, $4 from up"""
VERSION = "update household set version = $2 where no = $1"


def _facts(noun: Household) -> list[Any]:
    values: dict[str, Any] = {name: getattr(noun.living, name) for name in LIVING}
    values |= {
        "division": noun.division.value,
        "group": noun.group,
        "registered_on": noun.registered_on,
        "other_causes": list(noun.living.other_causes),
        "source_values": None,
        "superseded_by": noun.superseded_by,
        "closed_on": noun.closed_on,
        "gaps": [asyncpg.Range(*one) for one in noun.gaps] or None,
    }
    return [values[name] for name in WRITTEN]


async def insert_household(
    tx: Transaction, keys: KeyRing, noun: Household, written: Written, known: Mapping[UUID, int]
) -> int:
    """A household that was not on record; `known` are persons on record who belong to none."""
    no = int(
        await tx.driver.fetchval(
            INSERT,
            noun.id,
            noun.number.text,
            *_facts(noun),
            noun.version,
            written.observed_on,
            written.now,
            written.by,
        )
    )
    empty = Record(no, noun, written.observed_on, written.now, known, {}, {}, {})
    await _save_parts(tx, keys, empty, Household(noun.id, noun.number, noun.division, 0), noun, written)
    return no


async def save_household(
    tx: Transaction, keys: KeyRing | None, before: Record, after: Household, written: Written, known: Mapping[UUID, int]
) -> None:
    """What differs between the locked noun and its new state; a later visit that saw the same is an image too."""
    was = before.household
    if _facts(was) != _facts(after) or written.observed_on > before.observed_on:
        await tx.driver.execute(
            UPDATE, before.no, after.version, written.observed_on, written.now, written.by, *_facts(after)
        )
    else:
        await tx.driver.execute(VERSION, before.no, after.version)
    if was.division != after.division:
        await _follow(tx, before.no, after.division)
    record = Record(
        before.no,
        after,
        before.observed_on,
        before.known,
        {**known, **before.persons},
        before.memberships,
        before.statuses,
        before.incomes,
    )
    await _save_parts(tx, keys, record, was, after, written)


async def _save_parts(
    tx: Transaction, keys: KeyRing | None, record: Record, was: Household, after: Household, written: Written
) -> None:
    try:
        async with tx.driver.transaction():
            await _save_members(tx, keys, record, was, after, written)
            await _save_statuses(tx, record, after, written)
            await _save_incomes(tx, record, after, written)
    except asyncpg.PostgresError as error:
        raise _refusal_of(error, after) from error


ELSEWHERE = frozenset(
    {"guard_one_household", "membership_current", "membership_start", "person_identity_index_key", "person_id_key"}
)


def _refusal_of(error: Exception, noun: Household) -> Exception:
    """A guard's or an index's refusal by the name of what it guards."""
    match getattr(error, "constraint_name", None):
        case "guard_one_head" | "membership_head":
            return NotExactlyOneHead(number=noun.number, heads=len(noun.heads))
        case (
            "guard_one_household"
            | "membership_current"
            | "membership_start"
            | "person_identity_index_key"
            | "person_id_key"
        ):
            return PersonElsewhere(number=noun.number)
        case "guard_status_once" | "guard_poor_or_lifted" | "status_start":
            return StatusOverlap(number=noun.number)
    return error


async def _save_members(
    tx: Transaction, keys: KeyRing | None, record: Record, was: Household, after: Household, written: Written
) -> None:
    """Persons first, then all memberships in one statement: the guard looks after each statement."""
    home = (record.no, after.division.value)
    before = {one.person.id: one.person for one in was.members}
    persons = dict(record.persons)
    touched: set[UUID] = set()
    for one in after.members:
        no = persons.get(one.person.id)
        if no is None:
            persons[one.person.id] = await insert_person(tx, keys, one.person, home, after.number, written)
        elif before.get(one.person.id) != one.person or was.division != after.division:
            await update_person(tx, keys, no, one.person, home, after.number, written)
        else:
            continue
        touched.add(one.person.id)
    staying = {one.person.id for one in after.members}
    for gone in before.keys() - staying:
        days = [one.person.died_on for one in after.memberships if one.person.id == gone]
        died = next((day for day in days if day is not None), None)
        await release_person(tx, persons[gone], record.no, written, died)
        touched.add(gone)
    kept = {_key(one) for one in after.memberships}
    closing = [no for key, no in record.memberships.items() if key not in kept]
    opening = [one for one in after.memberships if _key(one) not in record.memberships]
    if closing or opening:
        columns = _columns((persons[one.person.id], one.relation, one.since, one.until) for one in opening)
        await tx.driver.execute(CHANGE_MEMBERSHIPS, closing, written.now, written.by, *home, *(columns or [[]] * 4))
        touched |= {one.person.id for one in opening}
    await note_persons(tx, sorted(persons[one] for one in touched), written.now)


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


CLOSED_FIRST = "(select count(*) from gone) >= 0"
CHANGE_MEMBERSHIPS = f"""with gone as (
  update membership set known_to = $2, closed_by = $3 where no = any($1) and known_to = 'infinity' returning no)
insert into membership (person_no, household_no, division, relation, during, known_from, recorded_by)
select person_no, $4, $5, relation, daterange(since, until), $2, $3
from unnest($6::bigint[], $7::text[], $8::date[], $9::date[]) as rows(person_no, relation, since, until)
where {CLOSED_FIRST}"""
CHANGE_STATUSES = f"""with gone as (
  update status set known_to = $2, closed_by = $3 where no = any($1) and known_to = 'infinity' returning no)
insert into status (household_no, division, kind, during, opened_by, ended_by, known_from, recorded_by)
select $4, $5, kind, daterange(since, until), opened_by, ended_by, $2, $3
from unnest($6::text[], $7::date[], $8::date[], $9::uuid[], $10::uuid[])
  as rows(kind, since, until, opened_by, ended_by)
where {CLOSED_FIRST}"""
CHANGE_INCOMES = f"""with gone as (
  update income set known_to = $2, closed_by = $3
  where no = any($1) and known_to = 'infinity' and source = 'declared' returning no)
insert into income (household_no, division, year_from, year_to, component, item, source, reference, fen, paid_on,
  reverses, declared_on, known_from, recorded_by)
select $4, $5, year_from, year_to, component, item, source, reference, fen, paid_on, reverses, declared_on, $2, $3
from unnest($6::date[], $7::date[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::date[],
  $14::text[], $15::date[])
  as rows(year_from, year_to, component, item, source, reference, fen, paid_on, reverses, declared_on)
where {CLOSED_FIRST}"""


async def _save_statuses(tx: Transaction, record: Record, after: Household, written: Written) -> None:
    closing = [no for span, no in record.statuses.items() if span not in after.statuses]
    opening = [span for span in after.statuses if span not in record.statuses]
    if closing or opening:
        columns = _columns((one.kind, one.since, one.until, one.opened_by, one.closed_by) for one in opening)
        home = (record.no, after.division.value)
        await tx.driver.execute(CHANGE_STATUSES, closing, written.now, written.by, *home, *(columns or [[]] * 5))


async def _save_incomes(tx: Transaction, record: Record, after: Household, written: Written) -> None:
    closing = [no for row, no in record.incomes.items() if row not in after.income]
    opening = [row for row in after.income if row not in record.incomes]
    if closing or opening:
        columns = _columns(
            (
                one.year.first,
                one.year.last,
                one.component,
                one.item,
                one.source,
                one.reference,
                one.fen,
                one.paid_on,
                one.reverses,
                one.declared_on,
            )
            for one in opening
        )
        home = (record.no, after.division.value)
        await tx.driver.execute(CHANGE_INCOMES, closing, written.now, written.by, *home, *(columns or [[]] * 10))
        await refresh_matches(tx, [record.no], written.by, written.now)


async def _follow(tx: Transaction, no: int, division: DivisionCode) -> None:
    """Rows of a household lie where it lies: scope is asked of each row by itself."""
    for table in LYING_THERE:
        await tx.driver.execute(f"update {table} set division = $2 where household_no = $1", no, division.value)


INSERT_DECISION = """insert into decision (id, household_no, division, case_id, outcome, effective_on, document_number,
  version_judged, known_from, refused_because)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (id) do update set withdrawn_at = null, refused_because = excluded.refused_because
  where decision.withdrawn_at is not null"""


@dataclass(frozen=True, slots=True)
class DecisionPaper:
    """What is kept of a decision beside its effect."""

    decision: Decision
    case_id: UUID
    document_number: str
    version_judged: int
    refused_because: str | None = None


async def insert_decision(tx: Transaction, record: Record, paper: DecisionPaper, now: datetime) -> None:
    """The decision's own row: its id is the key that makes its effect happen once."""
    await tx.driver.execute(
        INSERT_DECISION,
        paper.decision.id,
        record.no,
        record.household.division.value,
        paper.case_id,
        paper.decision.outcome,
        paper.decision.effective_on,
        paper.document_number,
        paper.version_judged,
        now,
        paper.refused_because,
    )


RAISE = """update household set version = greatest(version + 1, $1) where no = any(array(
  select no from household where no > $2 order by no limit $3)) returning no"""


async def raise_versions(tx: Transaction, epoch: int, after: int, limit: int) -> list[int]:
    """The next households, each with a version above all that was ever said."""
    return sorted(row["no"] for row in await tx.driver.fetch(RAISE, epoch, after, limit))
