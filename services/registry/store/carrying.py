"""并村改码: a village's households follow it under another code, so many a commit, each with its image and its deed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from services.registry.store.households import LYING_THERE
from services.registry.store.households import NAMED as HOUSEHOLD_NAMED
from services.registry.store.intake import hasten
from services.registry.store.likeness import note_persons
from services.registry.store.outgoing import announce_households
from services.registry.store.people import NAMED as PERSON_NAMED
from shared.db import Transaction
from shared.values import DivisionCode


@dataclass(frozen=True, slots=True)
class Carriage:
    """划转: from which code to which, since which day; by whom it was ordered."""

    old: DivisionCode
    new: DivisionCode
    on: date
    by: str


@dataclass(frozen=True, slots=True)
class Lying:
    """在册情况: what lies in a village now; whoever left or died keeps his last place."""

    households: int
    persons: int


LIES = """select (select count(*) from household where division = $1) as households,
  (select count(*) from person where division = $1) as persons"""
NEXT = "select no from household where division = $1 order by no limit $2 for no key update"
MOMENT = """select greatest($2::timestamptz, max(moment)) from (
  select max(known_from) as moment from household where no = any($1)
  union all select max(known_from) from membership where household_no = any($1)
  union all select max(known_from) from status where household_no = any($1)
  union all select max(known_from) from income where household_no = any($1)
  union all select max(known_from) from person where household_no = any($1)) newest"""
HOUSEHOLDS = f"""with up as (
  update household set division = $2, observed_on = greatest(observed_on, $3), version = version + 1, known_from = $4,
    recorded_by = $5, batch = null, batch_row = null
  where no = any($1) returning old.*)
insert into household_history ({HOUSEHOLD_NAMED}, known_to) select {HOUSEHOLD_NAMED}, $4 from up"""
PERSONS = f"""with up as (
  update person set division = $2, version = version + 1, known_from = greatest(known_from, $3), recorded_by = $4,
    batch = null, batch_row = null
  where no = any($1) returning old.*, new.known_from as moved_at)
insert into person_history ({PERSON_NAMED}, known_to) select {PERSON_NAMED}, moved_at from up"""
DEEDS = """insert into deed (household_no, division, verb, happened_on, other_number, known_from, recorded_by)
select no, $2, 'carried', $3, $4, $5, $6 from unnest($1::bigint[]) as moved(no)"""
OF_THEM = "select coalesce(array_agg(no order by no), '{}') from person where household_no = any($1)"
NEXT_PERSONS = (
    "select no from person where division = $1 and household_no is null order by no limit $2 for no key update"
)


async def lying_in(tx: Transaction, code: DivisionCode) -> Lying:
    """How many households and persons the code holds, closed and gone ones too."""
    row = await tx.driver.fetchrow(LIES, code.value)
    assert row is not None, "counts are always one row"
    return Lying(**row)


async def carry_households(tx: Transaction, carriage: Carriage, now: datetime, limit: int) -> int:
    """The next of them, with all that lies where they lie, both facts of each; answers how many."""
    nos = [row["no"] for row in await tx.driver.fetch(NEXT, carriage.old.value, limit)]
    if not nos:
        return 0
    await hasten(tx)
    run, place = tx.driver.execute, carriage.new.value
    at = await tx.driver.fetchval(MOMENT, nos, now)
    await run(HOUSEHOLDS, nos, place, carriage.on, at, carriage.by)
    persons = await tx.driver.fetchval(OF_THEM, nos)
    await run(PERSONS, persons, place, at, carriage.by)
    for table in LYING_THERE:
        await run(f"update {table} set division = $2 where household_no = any($1)", nos, place)
    await run(DEEDS, nos, place, carriage.on, carriage.old.text, at, carriage.by)
    await note_persons(tx, persons, at)
    await announce_households(tx, nos, at)
    return len(nos)


async def carry_persons(tx: Transaction, carriage: Carriage, now: datetime, limit: int) -> int:
    """The next of those who belong to nobody and lay there last."""
    nos: Sequence[int] = [row["no"] for row in await tx.driver.fetch(NEXT_PERSONS, carriage.old.value, limit)]
    if nos:
        await hasten(tx)
        await tx.driver.execute(PERSONS, nos, carriage.new.value, now, carriage.by)
        await note_persons(tx, nos, now)
    return len(nos)
