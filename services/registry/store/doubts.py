"""Doubts as remembered: what a look at households finds anew, finds no more, or finds again after it was settled.

One statement says what becomes of each, whichever road the look came by (an officer's form, a chunk of a file, a file's
claim about statuses, a run over the register), so the roads cannot differ. No statement here writes anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.registry.domain.doubts import Doubt, DoubtState, DoubtStep
from services.registry.domain.places import ROW_MASK
from services.registry.domain.refusals import DoubtMissing
from services.registry.store.arrivals import AskedChecks
from services.registry.tables.doubts import STANDING
from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class Look:
    """检查经过: who looked, when, on which day of practice, with which file."""

    by: str
    now: datetime
    today: date
    batch: UUID | None = None


def settling(found: str, looked: str) -> str:
    """The statement; `found` selects household_no, person_no, check_id, severity, field, zh, en, fingerprints, row, and
    `looked` is a condition on a standing doubt `d` that this look would have found again. $1 to $4 are the look's,
    $5 the households.

    A doubt that is not found is closed. A settled one stays settled while what was settled holds: 属实 as long as the
    facts are the same, 例外 until its last day whatever they are, 已更正 not at all. Other facts take back an answer
    that waits for its second person.
    """
    return f"""with found as materialized (
  select distinct on (household_no, person_no, check_id, field) *, string_to_array(fingerprints, ',') as marks
  from ({found}) f order by household_no, person_no, check_id, field, row),
standing as materialized (
  select d.*, ({looked}) as is_asked from doubt d where d.household_no = any($5::bigint[]) and ({STANDING})),
met as (
  select d.no, d.closed_at is null as is_open, d.finding, d.until, d.still_found, d.is_asked,
    f.check_id is not null as is_found, f.zh, f.en, f.marks, f.row,
    d.fingerprint is null or d.fingerprint = any(f.marks) as is_same,
    (d.fingerprint, d.detail_zh) is distinct from (f.marks[1], f.zh) as differs
  from standing d left join found f on f.household_no = d.household_no
    and f.person_no is not distinct from d.person_no and f.check_id = d.check_id and f.field = d.field),
turned as (
  select *, case
    when not is_found and not is_asked then null
    when not is_found and is_open then 'closed'
    when not is_found then case when still_found then 'lapsed' end
    when is_open and finding is not null and (finding = 'corrected' or not is_same) then 'reopened'
    when is_open then case when differs then case when is_same then 'refreshed' else 'changed' end end
    when finding = 'kept' and is_same then case when differs or not still_found then 'refreshed' end
    when finding = 'exception' and until >= $3::date then case when differs or not still_found then 'refreshed' end
    else 'reopened' end as turn
  from met),
settled as (
  update doubt d set version = d.version + 1,
    state = case t.turn when 'closed' then 'closed' when 'reopened' then
      case when d.assignee is null then 'open' else 'assigned' end else d.state end,
    closed_at = case t.turn when 'closed' then $1::timestamptz when 'reopened' then null else d.closed_at end,
    closed_by = case t.turn when 'closed' then $2::text when 'reopened' then null else d.closed_by end,
    finding = case t.turn when 'closed' then case d.finding when 'corrected' then d.finding else 'no_longer_found' end
      when 'reopened' then null else d.finding end,
    reason = case when t.turn = 'reopened' or (t.turn = 'closed' and d.finding <> 'corrected') then null
      else d.reason end,
    until = case when t.turn in ('reopened', 'closed') then null else d.until end,
    found_by = case when t.turn = 'reopened' or (t.turn = 'closed' and d.finding <> 'corrected') then null
      else d.found_by end,
    still_found = t.turn not in ('lapsed', 'closed'),
    fingerprint = case when t.is_found then t.marks[1] else d.fingerprint end,
    detail_zh = coalesce(t.zh, d.detail_zh), detail_en = coalesce(t.en, d.detail_en)
  from turned t where d.no = t.no and t.turn is not null returning d.no, t.turn, d.assignee, t.finding, t.until),
told as (
  insert into doubt_event (doubt_no, what, at, by, assignee, finding, until)
  select no, turn, $1::timestamptz, $2::text, assignee, finding, until from settled
  where turn in ('closed', 'reopened', 'changed'))
insert into doubt (household_no, person_no, division, check_id, severity, field, detail_zh, detail_en, fingerprint,
  opened_at, recorded_by, batch, batch_row)
select f.household_no, f.person_no, h.division, f.check_id, f.severity, f.field, f.zh, f.en, f.marks[1],
  $1::timestamptz, $2::text, $4::uuid, f.row & {ROW_MASK}
from found f join (select no, division from household where no = any($5::bigint[])) h on h.no = f.household_no
where not exists (select 1 from standing d where d.household_no = f.household_no
  and d.person_no is not distinct from f.person_no and d.check_id = f.check_id and d.field = f.field)"""


# An officer's form


@dataclass(frozen=True, slots=True)
class Found:
    """发现的疑点: by which check, of which member (none: of the household), at which field, about which facts."""

    person: UUID | None
    check_id: str
    severity: str
    field: str
    detail_zh: str
    detail_en: str
    fingerprints: str


OF_HOUSEHOLDS = settling(
    """select h.no as household_no, p.no as person_no, f.check_id, f.severity, f.field, f.zh, f.en, f.fingerprints,
      null::int as row
    from unnest($6::uuid[], $7::uuid[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[])
      as f(household, person, check_id, severity, field, zh, en, fingerprints)
    join household h on h.id = f.household
    left join person p on p.id = f.person where f.person is null or p.no is not null""",
    "d.check_id = any($14::text[])",
)
NAMES = ("person", "check_id", "severity", "field", "detail_zh", "detail_en", "fingerprints")
NUMBERS = "select array_agg(no) from household where id = any($1)"


async def save_doubts(
    tx: Transaction, household_id: UUID, found: Sequence[Found], asked: Sequence[str], look: Look
) -> None:
    """What is in doubt now of one household, by the checks that were asked."""
    await save_doubts_of_many(tx, {household_id: found}, asked, look)


async def save_doubts_of_many(
    tx: Transaction, found: Mapping[UUID, Sequence[Found]], asked: Sequence[str], look: Look
) -> int:
    """The same of many households that were asked the same; answers how many doubts are new."""
    homes = await tx.driver.fetchval(NUMBERS, list(found))
    each = [(home, one) for home, ones in found.items() for one in ones]
    columns = [[home for home, _ in each], *([getattr(one, name) for _, one in each] for name in NAMES)]
    done = await tx.driver.execute(
        OF_HOUSEHOLDS, look.now, look.by, look.today, look.batch, homes, *columns, list(asked)
    )
    return int(done.split()[-1])


# Corrections: households looked at whole, of whom the file says a part


@dataclass(frozen=True, slots=True)
class Seen:
    """复查所见: a doubt about a household on record, and the row of the file that gave cause to look."""

    household_no: int
    person_no: int | None
    check_id: str
    severity: str
    field: str
    detail_zh: str
    detail_en: str
    fingerprints: str
    row: int


OF_A_LOOK = settling(
    """select household_no, person_no, check_id, severity, field, zh, en, fingerprints, row
    from unnest($6::bigint[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
      $14::int[]) as f(household_no, person_no, check_id, severity, field, zh, en, fingerprints, row)""",
    "d.check_id = any($15::text[]) or (d.check_id = any($16::text[]) and d.field = any($17::text[]))",
)


async def save_seen_doubts(
    tx: Transaction, households: Sequence[int], seen: Sequence[Seen], asked: AskedChecks, look: Look
) -> None:
    """What is in doubt now of these households, by the checks that were asked."""
    columns = [[getattr(one, name.name) for one in seen] for name in fields(Seen)]
    given = (list(asked.whole), list(asked.in_parts), list(asked.fields))
    await tx.driver.execute(OF_A_LOOK, look.now, look.by, look.today, look.batch, list(households), *columns, *given)


# Files


OF_A_CHUNK = settling(
    """select household_no, person_no, check_id, severity, field, detail_zh as zh, detail_en as en, fingerprints, row
    from staging_doubt where job = $4::uuid""",
    "d.check_id = any($6::text[]) or (d.check_id = any($7::text[]) and d.field = any($8::text[]))",
)
OF_A_CHUNKS_HOUSEHOLDS = "select coalesce(array_agg(household_no), '{}') from staging_household where job = $1"


async def save_staged_doubts(tx: Transaction, look: Look, asked: AskedChecks) -> None:
    """What a chunk leaves in doubt of all its households, those that it leaves unchanged too."""
    households = await tx.driver.fetchval(OF_A_CHUNKS_HOUSEHOLDS, look.batch)
    given = (list(asked.whole), list(asked.in_parts), list(asked.fields))
    await tx.driver.execute(OF_A_CHUNK, look.now, look.by, look.today, look.batch, households, *given)


# People's steps

LOADED = "no, id, household_no, check_id, state, version, assignee, finding, reason, until, found_by"
LOCK_HOUSEHOLDS = """select no from household where no = any(array(
  select household_no from doubt where id = any($1))) order by no for no key update"""
LOCK = f"select {LOADED} from doubt where id = any($1) order by no for no key update"


async def lock_doubts(tx: Transaction, ids: Iterable[UUID]) -> Mapping[UUID, Doubt]:
    """These doubts in scope, held until the commit; their households first, as every verb does."""
    wanted = list(ids)
    await tx.driver.execute(LOCK_HOUSEHOLDS, wanted)
    return {row["id"]: doubt_from(row) for row in await tx.driver.fetch(LOCK, wanted)}


async def lock_doubt(tx: Transaction, doubt_id: UUID) -> Doubt:
    """One of them."""
    found = await lock_doubts(tx, [doubt_id])
    if doubt_id not in found:
        raise DoubtMissing
    return found[doubt_id]


def doubt_from(row: Mapping[str, Any]) -> Doubt:
    """From its row."""
    return Doubt(**{**row, "state": DoubtState(row["state"])})


SAVE_STEP = """with stepped as (
  update doubt set version = $2, state = $3, assignee = $4, finding = $5, reason = $6, until = $7, found_by = $8,
    closed_at = case when $3 = 'closed' then $9::timestamptz end, closed_by = case when $3 = 'closed' then $10 end
  where no = $1)
insert into doubt_event (doubt_no, what, at, by, assignee, finding, reason, until)
values ($1, $11, $9, $10, $12, $13, $14, $15)"""


async def save_step(tx: Transaction, doubt: Doubt, step: DoubtStep, by: str, now: datetime) -> None:
    """The doubt as it is now, and the step in its history."""
    after = (doubt.version, doubt.state, doubt.assignee, doubt.finding, doubt.reason, doubt.until, doubt.found_by)
    told = (step.what, step.assignee, step.finding, step.reason, step.until)
    await tx.driver.execute(SAVE_STEP, doubt.no, *after, now, by, *told)


RESUME = """with resumed as (
  update doubt set version = version + 1, state = case when assignee is null then 'open' else 'assigned' end,
    closed_at = null, closed_by = null, finding = null, reason = null, until = null, found_by = null
  where id = any($1) and finding = 'exception' and closed_at is not null and until < $2 and still_found
  returning no, assignee)
insert into doubt_event (doubt_no, what, at, by, assignee, finding)
select no, 'exception_ended', $3, 'registry', assignee, 'exception' from resumed"""


async def resume_doubts(tx: Transaction, ids: Sequence[UUID], today: date, now: datetime) -> None:
    """Exceptions whose last day is over are asked again, unless the data has meanwhile answered them."""
    await tx.driver.execute(LOCK_HOUSEHOLDS, list(ids))
    await tx.driver.execute(RESUME, list(ids), today, now)
