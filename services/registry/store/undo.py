"""A batch is taken back by another batch: what it wrote is closed, what it superseded holds again, as rows of today.

The household is the unit. One of which anything was changed since by somebody else is left alone, and so is every other
that the batch tied to it by a person who moved between them. History keeps what was believed in between; images that
were taken back are marked, so that no day of the past is told by them to whoever asks later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.registry.store.households import LYING_THERE
from services.registry.store.intake import FOLLOW, HOUSEHOLD_COLUMNS, PERSON_COLUMNS, hasten, named
from services.registry.store.likeness import note_persons
from services.registry.store.matches import refresh_matches
from services.registry.store.outgoing import announce_households
from shared.db import Transaction

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Undo:
    """撤销: which batch, by which one, by whom, when."""

    batch: UUID
    job: UUID
    by: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Since:
    """此后变更: a household that somebody else has changed since, the first time by whom and when."""

    number: str
    by: str
    at: datetime


TOUCHED = """select no from household where batch = $1 union select no from household_history where batch = $1
union select household_no from person where batch = $1 and household_no is not null
union select household_no from person_history where batch = $1 and household_no is not null
union select household_no from membership where batch = $1 or closed_batch = $1
union select household_no from status where batch = $1 or closed_batch = $1
union select household_no from income where batch = $1 or closed_batch = $1"""
DONE = """select p.household_no from undo_plan p join intake i on i.job = p.job where i.undoes = $1 and p.undone"""
LEFT = f"select no from ({TOUCHED}) t where no not in ({DONE}) order by no"
TIES = """select array_agg(distinct household_no) as homes from membership where batch = $1 or closed_batch = $1
group by person_no having count(distinct household_no) > 1"""


async def touched_by(tx: Transaction, batch: UUID) -> dict[int, int]:
    """Households that a batch wrote and that no undo has taken back; those tied to each other have one mark."""
    marks = {row["no"]: row["no"] for row in await tx.driver.fetch(LEFT, batch)}

    def root(no: int) -> int:
        while marks[no] != no:
            no = marks[no]
        return no

    for row in await tx.driver.fetch(TIES, batch):
        first, *others = [no for no in row["homes"] if no in marks] or [None]
        for other in others:
            marks[root(other)] = root(first)
    return {no: root(no) for no in marks}


async def save_plan(tx: Transaction, undo: Undo, marks: Mapping[int, int]) -> int:
    """In parts of whole groups; how many."""
    order = sorted(marks, key=lambda no: (marks[no], no))
    parts: list[int] = []
    part, size = 1, 0
    for at, no in enumerate(order):
        if size >= AT_ONCE and marks[no] != marks[order[at - 1]]:
            part, size = part + 1, 0
        size += 1
        parts.append(part)
    tied = [marks[no] for no in order]
    await tx.driver.execute(
        "insert into undo_plan (job, household_no, part, tied)"
        " select $1, * from unnest($2::bigint[], $3::int[], $4::bigint[])",
        undo.job,
        order,
        parts,
        tied,
    )
    return part if order else 0


async def planned(tx: Transaction, job: UUID, part: int) -> dict[int, int]:
    """The households of one part, locked as every writer locks them, with their marks."""
    query = "select household_no, tied from undo_plan where job = $1 and part = $2"
    marks = {row["household_no"]: row["tied"] for row in await tx.driver.fetch(query, job, part)}
    await tx.driver.execute("select no from household where no = any($1) order by no for no key update", sorted(marks))
    return marks


def _spans(table: str, also: str = "true") -> str:
    """Of intervals and amounts: opened by somebody else after the batch, or closed by somebody else since."""
    return f"""
  select t.household_no, t.recorded_by as by, t.known_from as at from {table} t join mine on mine.no = t.household_no
  where t.household_no = any($2) and t.batch is distinct from $1 and t.known_from > mine.at and {also}
  union all
  select t.household_no, t.closed_by, t.known_to from {table} t join mine on mine.no = t.household_no
  where t.household_no = any($2) and t.known_to < 'infinity' and t.closed_batch is distinct from $1
    and (t.batch = $1 or t.known_to > mine.at) and {also}"""


SINCE = f"""with people as materialized (
  select household_no, person_no, bool_or(batch = $1 or closed_batch = $1) is true as is_ours
  from membership where household_no = any($2) group by 1, 2),
written as (
  select p.household_no, p.person_no, max(i.known_from) as at from people p join (
    select no, known_from from person where no = any(array(select person_no from people)) and batch = $1
    union all
    select no, known_from from person_history where no = any(array(select person_no from people)) and batch = $1) i
    on i.no = p.person_no group by 1, 2),
mine as (
  select no, max(at) as at from (
    select no, known_from as at from household where no = any($2) and batch = $1
    union all select no, known_from from household_history where no = any($2) and batch = $1
    union all select household_no, at from written
    union all select household_no, case when batch = $1 then known_from else known_to end from membership
      where household_no = any($2) and (batch = $1 or closed_batch = $1)
    union all select household_no, case when batch = $1 then known_from else known_to end from status
      where household_no = any($2) and (batch = $1 or closed_batch = $1)
    union all select household_no, case when batch = $1 then known_from else known_to end from income
      where household_no = any($2) and (batch = $1 or closed_batch = $1)) m group by no),
made as (
  select no from household h where no = any($2) and batch = $1
    and not exists (select from household_history i where i.no = h.no and i.batch is distinct from $1)),
since as (
  select no as household_no, recorded_by as by, known_from as at from household h where no = any($2)
    and batch is distinct from $1 and exists (select from household_history i where i.no = h.no and i.batch = $1)
  union all {_spans("membership")}
  union all {_spans("status")}
  union all {_spans("income", "(t.source = 'declared' or t.household_no in (select no from made))")}
  union all
  select d.household_no, d.recorded_by, d.known_from from deed d join mine on mine.no = d.household_no
  where d.household_no = any($2) and d.known_from > mine.at
  union all
  select d.household_no, 'assessment', d.known_from from decision d join made on made.no = d.household_no
  union all
  select a.household_no, coalesce(p.recorded_by, '?'), coalesce(p.known_from, mine.at)
  from people a join mine on mine.no = a.household_no left join written w using (household_no, person_no)
  left join person p on p.no = a.person_no
  where (a.is_ours or w.person_no is not null) and (p.no is null or (w.person_no is not null
    and p.batch is distinct from $1))
  union all
  select a.household_no, q.recorded_by, q.known_from from written a join person_history i on i.no = a.person_no
    and i.batch is distinct from $1 join person q on q.identity_index = i.identity_index and q.no <> i.no)
select distinct on (s.household_no) s.household_no, h.number, s.by, s.at from since s
join household h on h.no = s.household_no order by s.household_no, s.at"""


async def changed_since(tx: Transaction, batch: UUID, households: Sequence[int]) -> dict[int, Since]:
    """Of these the ones that somebody else has written since."""
    await hasten(tx)
    rows = await tx.driver.fetch(SINCE, batch, list(households))
    return {row["household_no"]: Since(row["number"], row["by"], row["at"]) for row in rows}


MADE = """select count(*) from household h where no = any($2) and batch = $1
  and not exists (select from household_history i where i.no = h.no and i.batch is distinct from $1)"""


async def made_by(tx: Transaction, batch: UUID, households: Sequence[int]) -> int:
    """How many of these entered the register with that batch."""
    return int(await tx.driver.fetchval(MADE, batch, list(households)))


WRITE = "version = t.version + 1, known_from = $3, recorded_by = $4, batch = $5, batch_row = null"


def _restore(table: str, columns: Sequence[str]) -> str:
    """The last image before the batch holds again; the batch's own goes into history, marked."""
    kept = ("no", "id", "number", "pseudonym", "version", "known_from", "recorded_by", "batch", "batch_row")
    back = [name for name in columns if name not in kept]
    return f"""with prior as (
  select distinct on (no) * from {table}_history where no = any($2) and batch is distinct from $1
  order by no, version desc),
up as (
  update {table} t set ({named(back)}) = ({named(back, "p")}), {WRITE}
  from prior p where p.no = t.no and t.no = any($2) and t.batch = $1 returning old.*)
insert into {table}_history ({named(columns)}, known_to, undone_by) select {named(columns)}, $3, $5 from up"""


def _withdraw(table: str, columns: Sequence[str], gone: str) -> str:
    """Who was nobody before the batch is withdrawn: kept, and met again when a file or a form names him again."""
    return f"""with up as (
  update {table} t set withdrawn = true, {gone}, {WRITE} where t.no = any($2) and t.batch = $1 returning old.*)
insert into {table}_history ({named(columns)}, known_to, undone_by) select {named(columns)}, $3, $5 from up"""


IMAGES = [
    ("household", _restore("household", HOUSEHOLD_COLUMNS)),
    ("household", _withdraw("household", HOUSEHOLD_COLUMNS, "closed_on = t.observed_on")),
    ("person", _restore("person", PERSON_COLUMNS)),
    ("person", _withdraw("person", PERSON_COLUMNS, "household_no = null")),
]
MARK = "update {table}_history set undone_by = $3 where no = any($2) and batch = $1 and undone_by is null"


def _reopen(table: str, columns: str) -> str:
    return f"""with gone as (
  update {table} set known_to = $3, closed_by = $4, closed_batch = $5
  where household_no = any($2) and batch = $1 and known_to = 'infinity' returning no)
insert into {table} (household_no, division, {columns}, known_from, recorded_by, batch)
select t.household_no, h.division, {columns}, $3, $4, $5
from (select * from {table} where household_no = any($2) and closed_batch = $1 and batch is distinct from $1) t
join (select no, division from household where no = any($2)) h on h.no = t.household_no
where (select count(*) from gone) >= 0"""


SPANS = [
    _reopen("membership", "person_no, relation, during"),
    _reopen("status", "kind, during, opened_by, ended_by"),
    _reopen(
        "income",
        "year_from, year_to, component, item, source, reference, fen, paid_on, reverses, declared_on",
    ),
]
DOUBTS = """with gone as (
  update doubt set closed_at = $3, closed_by = $4, finding = 'no_longer_found', state = 'closed', version = version + 1,
    still_found = false
  where household_no = any($2) and batch = $1 and closed_at is null and finding is null returning no, assignee),
back as (
  update doubt d set closed_at = null, closed_by = null, finding = null, version = version + 1, still_found = true,
    state = case when assignee is null then 'open' else 'assigned' end
  where household_no = any($2) and batch is distinct from $1 and finding = 'no_longer_found'
    and closed_at = any(array(select recorded_at from intake_chunk where job = $1))
    and not exists (select from doubt o where o.household_no = d.household_no and o.check_id = d.check_id
      and o.field = d.field and o.person_no is not distinct from d.person_no and o.closed_at is null)
  returning no, assignee)
insert into doubt_event (doubt_no, what, at, by, assignee)
select no, 'closed', $3::timestamptz, $4::text, assignee from gone
union all select no, 'reopened', $3::timestamptz, $4::text, assignee from back"""
DOUBTED = """select distinct household_no from doubt where (batch = $1 and closed_at is null)
  or (finding = 'no_longer_found' and closed_at = any(array(select recorded_at from intake_chunk where job = $1)))"""


async def take_back_doubts(tx: Transaction, undo: Undo, planned: Mapping[int, int]) -> None:
    """What the batch doubted of households that it looked at and left as they were."""
    found = [row["household_no"] for row in await tx.driver.fetch(DOUBTED, undo.batch)]
    others = sorted(set(found) - planned.keys())
    await tx.driver.execute("select no from household where no = any($1) order by no for no key update", others)
    await tx.driver.execute(DOUBTS, undo.batch, others, undo.now, undo.by)


RAISE = "update household set version = version + 1 where no = any($1) and batch is distinct from $2"
PEOPLE = """select person_no from membership where household_no = any($2)
intersect (select no from person where batch = $1)"""
NEWEST = """select greatest($2::timestamptz, max(at)) from (
  select max(known_from) as at from household where no = any($1)
  union all select max(p.known_from) from person p where p.no = any(array(
    select person_no from membership where household_no = any($1)))
  union all select max(known_from) from membership where household_no = any($1)
  union all select max(known_from) from status where household_no = any($1)
  union all select max(known_from) from income where household_no = any($1)) newest"""


async def take_back(tx: Transaction, undo: Undo, households: Sequence[int]) -> None:
    """What the batch made of these households, in new versions of theirs; nobody else has written them since."""
    if not households:
        return
    await hasten(tx)
    run, homes = tx.driver.execute, sorted(households)
    now = await tx.driver.fetchval(NEWEST, homes, undo.now)
    people = [row["person_no"] for row in await tx.driver.fetch(PEOPLE, undo.batch, homes)]
    of = {"household": homes, "person": people}
    for table, statement in IMAGES:
        await run(statement, undo.batch, of[table], now, undo.by, undo.job)
    for table, numbers in of.items():
        await run(MARK.format(table=table), undo.batch, numbers, undo.job)
    for table in LYING_THERE:
        await run(FOLLOW.format(table=table), homes)
    for statement in SPANS:
        await run(statement, undo.batch, homes, now, undo.by, undo.job)
    await refresh_matches(tx, homes, undo.by, now, undo.job)
    await run(DOUBTS, undo.batch, homes, now, undo.by)
    await run(RAISE, homes, undo.job)
    await note_persons(tx, people, now)
    await announce_households(tx, homes, now)


async def save_outcome(tx: Transaction, job: UUID, undone: Sequence[int], left: Sequence[int]) -> None:
    """Which of the planned households were taken back, and which were left alone."""
    query = "update undo_plan set undone = household_no = any($2) where job = $1 and household_no = any($3)"
    await tx.driver.execute(query, job, list(undone), [*undone, *left])


async def undoing_of(tx: Transaction, batch: UUID) -> UUID | None:
    """The job that undoes this batch or has undone it, whoever submitted it; none where it failed."""
    found: UUID | None = await tx.driver.fetchval("select undoing_of($1)", batch)
    return found


async def numbers_of(tx: Transaction, households: Sequence[int]) -> dict[int, str]:
    """Their numbers."""
    rows = await tx.driver.fetch("select no, number from household where no = any($1)", list(households))
    return {row["no"]: row["number"] for row in rows}
