"""A chunk of a file meets the register: what is known of its keys, what it changes, and the change itself, set-wise.

Numbers are drawn before rows are staged, so every statement joins on small keys. The chunk's households are locked
first; every verb does the same, so nothing of them moves until the commit. What is unchanged is never written (no
version, no history, no fact). Every statement here runs under the scope of the officer who submitted the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from io import BytesIO
from typing import Any
from uuid import UUID

import asyncpg

from services.registry.domain.modes import Blank
from services.registry.domain.places import ROW_MASK
from services.registry.domain.statuses import ENDED_BY_DECISION, OPENED_BY_DECISION, TYPES
from services.registry.store.arrivals import AskedChecks, Shapes
from services.registry.store.claims import Claimed, claim_from, save_claims
from services.registry.store.doubts import Look, save_staged_doubts
from services.registry.store.households import LYING_THERE
from services.registry.store.likeness import note_persons
from services.registry.store.matches import refresh_matches
from services.registry.store.outgoing import announce_households
from services.registry.tables import HOUSEHOLD_FACTS, PERSON_FACTS, STAGING, household, household_history, person
from services.registry.tables.people import PERSON_SEALED
from shared.db import Transaction
from shared.errors import Busy


@dataclass(frozen=True, slots=True)
class KnownHousehold:
    """A household on record under a number of the file."""

    no: int
    id: UUID
    division: int
    observed_on: date
    superseded: bool
    withdrawn: bool = False
    """Taken back with the file that brought it: it enters again as if it were new."""


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person on record under an identity of the file, and the household he belongs to now."""

    no: int
    id: UUID
    household_no: int | None
    died_on: date | None = None


@dataclass(frozen=True, slots=True)
class KnownMember:
    """A member of a household on record, as a correction meets him."""

    no: int
    id: UUID
    name: str
    person_number: str | None
    identity: bytes
    provisional: bool
    relation: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a staged chunk would change: keys of register rows and of households, nothing written yet."""

    households_new: list[int] = field(default_factory=list)
    households_changed: list[int] = field(default_factory=list)
    persons_new: list[int] = field(default_factory=list)
    persons_changed: list[int] = field(default_factory=list)
    memberships_closing: list[int] = field(default_factory=list)
    persons_entering: list[int] = field(default_factory=list)
    persons_leaving: list[int] = field(default_factory=list)
    households_moved: list[int] = field(default_factory=list)
    statuses_closing: list[int] = field(default_factory=list)
    statuses_opening: tuple[list[Any], ...] = ()
    statuses_asked: list[int] = field(default_factory=list)
    claims: list[Claimed] = field(default_factory=list)
    incomes_closing: list[int] = field(default_factory=list)
    incomes_opening: list[int] = field(default_factory=list)
    incomes_of: list[int] = field(default_factory=list)
    touched: list[int] = field(default_factory=list)
    rows_new: int = 0
    rows_changed: int = 0
    rows_unchanged: int = 0
    doubts: int = 0

    @property
    def persons_written(self) -> list[int]:
        """Of whom anything is written: who is new, changed, comes, is related otherwise or leaves."""
        return sorted({*self.persons_new, *self.persons_changed, *self.persons_entering, *self.persons_leaving})


def named(columns: Sequence[str], alias: str = "") -> str:
    """A list of columns, quoted (`group` is a word of SQL)."""
    dot = f"{alias}." if alias else ""
    return ", ".join(f'{dot}"{name}"' for name in columns)


async def hasten(tx: Transaction) -> None:
    """Under forced policies the planner expects one row and would loop over the whole chunk; from the sixth chunk on it
    would also plan for arrays of unknown length and read whole tables (measured: 20 s instead of 0.3 s a statement).
    """
    await tx.driver.execute(
        "set local enable_nestloop = off; set local plan_cache_mode = force_custom_plan; set local work_mem = '64MB'"
    )


async def known_households(tx: Transaction, numbers: Sequence[str]) -> dict[str, KnownHousehold]:
    """Those that the submitter may see."""
    rows = await tx.driver.fetch(
        "select number, no, id, division, observed_on,"
        " (superseded_by is not null or closed_on is not null) and not withdrawn as superseded, withdrawn"
        " from household where number = any($1)",
        numbers,
    )
    return {row["number"]: KnownHousehold(*list(row.values())[1:]) for row in rows}


async def hidden_numbers(tx: Transaction, numbers: Sequence[str], seen: dict[str, KnownHousehold]) -> set[str]:
    """Numbers that stand in the register outside the submitter's scope: yes or no, nothing else."""
    unseen = [number for number in numbers if number not in seen]
    return set(await tx.driver.fetchval("select numbers_on_record($1)", unseen)) if unseen else set()


async def known_people(tx: Transaction, identities: Sequence[bytes]) -> dict[bytes, KnownPerson]:
    """Those that the submitter may see."""
    rows = await tx.driver.fetch(
        "select identity_index, no, id, household_no, died_on from person where identity_index = any($1)", identities
    )
    return {identity: KnownPerson(*known) for identity, *known in rows}


MEMBERS_ON_RECORD = """select m.household_no, p.no, p.id, p.name, p.person_number, p.identity_index, p.id_provisional,
  m.relation
from (select household_no, person_no, relation from membership
      where household_no = any($1) and known_to = 'infinity' and upper_inf(during)) m
join (select * from person where household_no = any($1)) p on p.no = m.person_no order by p.no"""


async def known_members(tx: Transaction, households: Sequence[int]) -> dict[int, list[KnownMember]]:
    """Who lives in these households now."""
    found: dict[int, list[KnownMember]] = {no: [] for no in households}
    for row in await tx.driver.fetch(MEMBERS_ON_RECORD, list(households)):
        found[row["household_no"]].append(KnownMember(*list(row.values())[1:]))
    return found


async def hidden_identities(tx: Transaction, identities: Sequence[bytes], seen: Mapping[bytes, object]) -> set[bytes]:
    """Identities that stand in the register outside the submitter's scope: yes or no, nothing else."""
    unseen = [identity for identity in identities if identity not in seen]
    return set(await tx.driver.fetchval("select identities_on_record($1)", unseen)) if unseen else set()


async def draw_numbers(tx: Transaction, households: int, persons: int) -> tuple[list[int], list[int]]:
    """Inside keys for what is new; numbers of a chunk that is not kept are never used again."""
    drawn = []
    for sequence, count in (("household_no_seq", households), ("person_no_seq", persons)):
        query = f"select array(select nextval('{sequence}') from generate_series(1, $1))"
        drawn.append(await tx.driver.fetchval(query, count) if count else [])
    return drawn[0], drawn[1]


async def stage(tx: Transaction, job: UUID, files: Mapping[str, tuple[Sequence[str], bytes]]) -> None:
    """The chunk's rows as CSV into the staging tables, after anything that an earlier attempt may have left."""
    for table in STAGING:
        await tx.driver.execute(f"delete from {table.name} where job = $1", job)
    for table_name, (columns, rows) in files.items():
        if rows:
            await tx.driver.copy_to_table(table_name, source=BytesIO(rows), columns=list(columns), format="csv")


async def unstage(tx: Transaction, job: UUID) -> None:
    """Rows on their way in go when their chunk is done."""
    for table in STAGING:
        await tx.driver.execute(f"delete from {table.name} where job = $1", job)


LOCK = """select no from household where no = any(array(
  select household_no from staging_household where job = $1 and not is_new)) order by no for no key update"""
EXISTING_HOUSEHOLDS = "array(select household_no from staging_household where job = $1 and not is_new)"
EXISTING_PERSONS = "array(select person_no from staging_person where job = $1 and not is_new)"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns the file speaks of: all others stay as they are on record."""

    household: tuple[str, ...]
    person: tuple[str, ...]
    sealed: tuple[str, ...]
    items: tuple[str, ...] = ()
    """Income sub-items that the file has."""
    blank: Blank | None = None
    """What an empty cell means of a correction; nothing where the file says households whole."""

    @property
    def compared(self) -> tuple[str, ...]:
        """Of a person; sealed values differ at each sealing, their blind indexes tell."""
        return ("household_no", "division", "id_provisional", *self.person)

    @property
    def replaced(self) -> tuple[str, ...]:
        """Of a person, when something of it differs."""
        return ("identity_index", "id_provisional", *self.person, *self.sealed)


ALL_COLUMNS = Columns(HOUSEHOLD_FACTS, PERSON_FACTS, PERSON_SEALED)
SHAPES = Shapes(
    HOUSEHOLD_FACTS, PERSON_FACTS, {table.name: tuple(column.name for column in table.columns) for table in STAGING}
)


async def fill(tx: Transaction, job: UUID, columns: Columns) -> None:
    """What a correction does not say, from the register: so that it is compared and written as a whole form is. The
    chunk's households are locked; a member who has left meanwhile sends the chunk back to be numbered anew.
    """
    asked = (job, list(columns.household), list(columns.person)) if columns.blank is Blank.ERASE else (job,)
    run = tx.driver.execute
    await run(fill_households(columns), *asked[:2])
    filled = await run(fill_persons(columns), *(asked[0], *asked[2:]))
    staged = await tx.driver.fetchval("select count(*) from staging_person where job = $1", job)
    if int(filled.rsplit(" ", 1)[1]) != staged:
        raise ChunkCollided


def _wordings(columns: Columns, record: str) -> str:
    """The file's own wordings beside those of fields that it does not speak of; the same wordings are the same text."""
    spoken = "$2::text[]" if columns.blank is Blank.ERASE else (
        "array(select key from jsonb_each(jsonb_strip_nulls(to_jsonb(s))))"
    )  # fmt: skip
    was, now = (f"coalesce({alias}.source_values, '{{}}')::jsonb" for alias in (record, "s"))
    said = f"(({was} - {spoken}) || {now})"
    return f"case when {said} = {was} then {record}.source_values else nullif({said}::text, '{{}}') end"


NEVER_ERASED = frozenset({"division", "name", "masked_name", "id_number_index", "id_number_sealed"})
"""Without them it would be nobody's row."""


def _filled(columns: Columns, names: Sequence[str], record: str) -> str:
    said = []
    for name in names:
        if name == "source_values":
            said.append(_wordings(columns, record))
        elif columns.blank is Blank.KEEP or name in NEVER_ERASED:
            said.append(f'coalesce(s."{name}", {record}."{name}")')
        else:
            said.append("coalesce(s.other_causes, '{}')" if name == "other_causes" else f's."{name}"')
    return ", ".join(said)


def fill_households(columns: Columns) -> str:
    """Facts of the household."""
    said = _filled(columns, columns.household, "h")
    return f"""update staging_household s set ({named(columns.household)}) = row({said})
from (select * from household where no = any({EXISTING_HOUSEHOLDS})) h where s.job = $1 and h.no = s.household_no"""


def fill_persons(columns: Columns) -> str:
    """Facts of the members that are named, and what each is to the head."""
    names = (*columns.person, *columns.sealed)
    return f"""update staging_person s set relation = coalesce(s.relation, m.relation),
  ({named(names)}) = row({_filled(columns, names, "p")})
from (select * from person where no = any({EXISTING_PERSONS})) p
join ({CURRENT_MEMBERS}) m on m.person_no = p.no
where s.job = $1 and p.no = s.person_no and m.household_no = s.household_no"""


OTHER_WORDS = "s.source_values is not null and {0}.source_values is distinct from s.source_values"
"""A file that says the form's own words for the same codes says nothing new: the wording that came first is kept."""


def _compared(columns: Sequence[str], alias: str) -> str:
    return named([name for name in columns if name != "source_values"], alias)


def households_changed(columns: Columns) -> str:
    """Households on record whose facts differ, and of those the ones that moved."""
    return f"""select coalesce(array_agg(s.household_no), '{{}}') as changed,
  coalesce(array_agg(s.household_no) filter (where s.division <> h.division), '{{}}') as moved
from (select * from staging_household where job = $1 and not is_new) s
join (select * from household where no = any({EXISTING_HOUSEHOLDS})) h on h.no = s.household_no
where h.withdrawn or ({_compared(columns.household, "h")}) is distinct from ({_compared(columns.household, "s")})
  or {OTHER_WORDS.format("h")}"""


def persons_changed(columns: Columns) -> str:
    """Persons on record of whom something differs."""
    return f"""select coalesce(array_agg(s.person_no), '{{}}')
from (select * from staging_person where job = $1 and not is_new) s
join (select * from person where no = any({EXISTING_PERSONS})) p on p.no = s.person_no
where ({_compared(columns.compared, "p")}) is distinct from ({_compared(columns.compared, "s")})
  or {OTHER_WORDS.format("p")}"""


CURRENT_MEMBERS = f"""select no, household_no, person_no, relation from membership
  where household_no = any({EXISTING_HOUSEHOLDS}) and known_to = 'infinity' and upper_inf(during)"""
NAMED_MEMBERS = f"{CURRENT_MEMBERS} and person_no = any({EXISTING_PERSONS})"
"""Corrections let everybody stay whom they do not name."""
MEMBERSHIPS = """select
  coalesce(array_agg(m.no) filter (where m.no is not null), '{{}}') as closing,
  coalesce(array_agg(s.person_no) filter (where s.person_no is not null), '{{}}') as entering,
  coalesce(array_agg(m.person_no) filter (where m.no is not null), '{{}}') as left_or_changed,
  coalesce(array_agg(distinct m.household_no) filter (where s.person_no is null), '{{}}') as losing
from ({members}) m
full join (select household_no, person_no, relation from staging_person where job = $1) s
  on s.household_no = m.household_no and s.person_no = m.person_no and s.relation = m.relation
where m.no is null or s.person_no is null"""

AXIS = "case when kind in ('poor', 'lifted') then 'poor' else kind end as axis"
STATUSES = f"""with visited as (select household_no, observed_on, row from staging_household where job = $1),
named as (select *, {AXIS} from staging_status where job = $1),
held as (
  select *, {AXIS}, lower(during) as since from status where known_to = 'infinity'
    and household_no = any({EXISTING_HOUSEHOLDS})
    and household_no = any(array(select household_no from staging_status where job = $1))),
kept as (
  select h.household_no, h.kind, h.since, n.kind is not null as repeated from held h
  join visited v on v.household_no = h.household_no
  left join named n on n.household_no = h.household_no and n.kind = h.kind
  where upper_inf(h.during) and h.kind = any($2)
    and (n.kind is null or n.since > greatest(h.since, case when h.opened_by is not null then v.observed_on end))),
unfounded as (
  select household_no from named where kind = $3 and household_no in (select household_no from held)
    and household_no not in (select household_no from held where kind = $3 and upper_inf(during))),
fixed as (
  select household_no, kind from held where opened_by is not null or ended_by is not null
  union select household_no, kind from kept
  union select household_no, kind from (
    select household_no from kept where kind in ('poor', 'lifted') union select household_no from unfounded
  ) disputed cross join unnest($4::text[]) as types(kind)),
ended as (
  select household_no, axis, max(upper(during)) as until from held where not upper_inf(during)
  group by household_no, axis),
wanted as (
  select n.household_no, n.kind, n.row, greatest(n.since, e.until) as since
  from named n
  left join ended e on e.household_no = n.household_no and e.axis = n.axis
  left join fixed f on f.household_no = n.household_no and f.kind = n.kind
  where f.kind is null),
open as (
  select held.* from held left join fixed f on f.household_no = held.household_no and f.kind = held.kind
  where upper_inf(during) and f.kind is null),
plan as (
  select o.no, coalesce(o.household_no, w.household_no) as household_no, coalesce(o.kind, w.kind) as kind,
    o.since as was_since, w.since, w.row
  from open o full join wanted w on w.household_no = o.household_no and w.kind = o.kind
  where o.no is null or w.kind is null or o.since <> w.since),
rows as (
  select p.household_no, kind, was_since as since, observed_on as until, v.row
  from plan p join visited v on v.household_no = p.household_no where p.since is null and was_since < observed_on
  union all
  select household_no, kind, since, null, row from plan where since is not null),
claimed as (
  select n.household_no, min(n.row) as row, string_agg(n.kind, ' ' order by n.kind) as said,
    coalesce((select string_agg(k.kind, ' ' order by array_position($2, k.kind)) from kept k
              where k.household_no = n.household_no), '') as kept,
    (select json_agg(json_build_array(k.kind, k.since) order by array_position($2, k.kind)) from kept k
      where k.household_no = n.household_no and k.repeated) as begun,
    n.household_no in (select household_no from unfounded) as is_unfounded
  from named n
  where n.household_no in (select household_no from kept union select household_no from unfounded)
  group by n.household_no)
select coalesce((select array_agg(no) from plan where no is not null), '{{}}') as closing,
  coalesce((select array_agg(distinct household_no) from plan), '{{}}') as households,
  array_agg(household_no) as household_no, array_agg(kind) as kind, array_agg(since) as since,
  array_agg(until) as until, array_agg(row) as row,
  coalesce((select array_agg(distinct household_no) from held), '{{}}') as on_record,
  coalesce((select json_agg(claimed) from claimed), '[]') as claims
from rows"""
DECIDED = (list(ENDED_BY_DECISION), OPENED_BY_DECISION, list(TYPES))
"""What a file changes of no household on record: `domain.statuses` says the same for a single form."""

DECLARED = f"""select * from income where household_no = any({EXISTING_HOUSEHOLDS}) and known_to = 'infinity'
  and source = 'declared'"""
PAID = f"""select household_no, year_from, item, paid_on from income
  where household_no = any({EXISTING_HOUSEHOLDS}) and known_to = 'infinity' and source = 'payout' and reverses is null
    and fen > 0"""
SAID_ALL = "select * from staging_income where job = $1"
SAID_PART = f"""select s.* from (select * from staging_income where job = $1) s
  left join ({DECLARED}) d on d.household_no = s.household_no and d.year_from = s.year_from and d.item = s.item
  where s.fen <> 0 or d.no is not null"""


def incomes_changed(columns: Columns) -> str:
    """A form says a year whole; a correction says its own sub-items, and nothing of one that was not declared."""
    if columns.blank is None:
        return INCOMES.format(declared=DECLARED, paid=PAID, said=SAID_ALL, spoken="true")
    if columns.blank is Blank.ERASE:
        spoken = f"d.item in ({', '.join(repr(name) for name in columns.items) or 'null'})"
    else:
        spoken = (
            "exists (select from staging_income t where t.job = $1 and t.household_no = d.household_no"
            " and t.year_from = d.year_from and t.item = d.item)"
        )
    return INCOMES.format(declared=DECLARED, paid=PAID, said=SAID_PART, spoken=spoken)


INCOMES = """with years as (select distinct household_no, year_from from staging_income where job = $1),
news as (
  select d.no from ({declared}) d
  join ({paid}) p on p.household_no = d.household_no and p.year_from = d.year_from and p.item = d.item
    and p.paid_on > d.declared_on
  join (select household_no, observed_on from staging_household where job = $1) h on h.household_no = d.household_no
    and p.paid_on <= h.observed_on
  where d.fen > 0),
plan as (
  select i.no, s.entry, coalesce(i.household_no, s.household_no) as household_no
  from (select d.* from ({declared}) d join years y on y.household_no = d.household_no and y.year_from = d.year_from
        where {spoken}) i
  full join ({said}) s
    on s.household_no = i.household_no and s.year_from = i.year_from and s.year_to = i.year_to and s.item = i.item
    and s.component = i.component and s.fen = i.fen and i.no not in (select no from news)
  where i.no is null or s.item is null)
select coalesce(array_agg(no) filter (where no is not null), '{{}}') as closing,
  coalesce(array_agg(entry) filter (where entry is not null), '{{}}') as opening,
  coalesce(array_agg(distinct household_no), '{{}}') as households from plan"""

ROWS = """select
  count(*) filter (where is_new) as new,
  count(*) filter (where not is_new and (person_no = any($2) or
    (relation = 'head' and household_no = any($3)))) as changed,
  count(*) as all
from staging_person where job = $1"""


ROWS_OF_CORRECTIONS = """with line as (
  select row, household_no, person_no from staging_person where job = $1
  union all
  select row, household_no, null from staging_household h where job = $1
    and not exists (select from staging_person p where p.job = $1 and p.household_no = h.household_no))
select 0 as new, count(*) as all, count(*) filter (where line.person_no = any($2)
  or (line.household_no = any($3) and line.row = h.row)) as changed
from line join (select * from staging_household where job = $1) h on h.household_no = line.household_no"""
"""A household that is named without its members is a row by itself; else its first row stands for it."""


NEW = """select
  coalesce((select array_agg(household_no) from staging_household where job = $1 and is_new), '{}') as households,
  coalesce((select array_agg(person_no) from staging_person where job = $1 and is_new), '{}') as persons,
  (select count(*) from staging_doubt where job = $1) as doubts"""
OF_PERSONS = """select coalesce(array_agg(distinct household_no), '{}') from staging_person
where job = $1 and person_no = any($2)"""
OPENED = ("household_no", "kind", "since", "until", "row")


async def classify(tx: Transaction, job: UUID, columns: Columns = ALL_COLUMNS) -> Change:
    """What the staged chunk would change. A row is changed if its person is, or if its person heads a household whose
    own facts, statuses or incomes are.
    """
    await tx.driver.execute(LOCK, job)
    if columns.blank is not None:
        await fill(tx, job, columns)
    row = tx.driver.fetchrow
    new = await row(NEW, job)
    households = await row(households_changed(columns), job)
    persons = await tx.driver.fetchval(persons_changed(columns), job)
    members = await row(MEMBERSHIPS.format(members=CURRENT_MEMBERS if columns.blank is None else NAMED_MEMBERS), job)
    statuses = await row(STATUSES, job, *DECIDED)
    claims = [claim_from(one) for one in statuses["claims"]]
    incomes = await row(incomes_changed(columns), job)
    of_heads = {*households["changed"], *statuses["households"], *incomes["households"], *members["losing"]}
    of_persons = await tx.driver.fetchval(OF_PERSONS, job, [*persons, *members["entering"]])
    rows = ROWS if columns.blank is None else ROWS_OF_CORRECTIONS
    counts = await row(rows, job, [*persons, *members["entering"]], list(of_heads))
    return Change(
        households_new=new["households"],
        households_changed=households["changed"],
        households_moved=households["moved"],
        persons_new=new["persons"],
        persons_changed=persons,
        memberships_closing=members["closing"],
        persons_entering=members["entering"],
        persons_leaving=sorted(set(members["left_or_changed"]) - set(members["entering"])),
        statuses_closing=statuses["closing"],
        statuses_opening=tuple(statuses[name] or [] for name in OPENED),
        statuses_asked=statuses["on_record"],
        claims=claims,
        incomes_closing=incomes["closing"],
        incomes_opening=incomes["opening"],
        incomes_of=incomes["households"],
        touched=sorted({*new["households"], *of_heads, *of_persons}),
        rows_new=counts["new"],
        rows_changed=counts["changed"],
        rows_unchanged=counts["all"] - counts["new"] - counts["changed"],
        doubts=new["doubts"] + len(claims),
    )


KEPT = "version, known_from, recorded_by, batch, batch_row"
HOUSEHOLD_COLUMNS = tuple(column.name for column in household.columns)
PERSON_COLUMNS = tuple(column.name for column in person.columns)
assert [column.name for column in household_history.columns][:-2] == list(HOUSEHOLD_COLUMNS)

INSERT_HOUSEHOLDS = f"""insert into household (no, id, number, {named(HOUSEHOLD_FACTS)}, observed_on, {KEPT})
select household_no, id, number, {named(HOUSEHOLD_FACTS)}, observed_on, 1, $2, $3, job, row
from staging_household where job = $1 and is_new"""


def update_households(columns: Columns) -> str:
    """The facts that the file speaks of, the image before them into history."""
    return f"""with up as (
  update household h set ({named(columns.household)}) = ({named(columns.household, "s")}), observed_on = s.observed_on,
    closed_on = case when h.withdrawn then null else h.closed_on end, withdrawn = false,
    version = h.version + 1, known_from = $2, recorded_by = $3, batch = s.job, batch_row = s.row
  from staging_household s where s.job = $1 and h.no = s.household_no and h.no = any($4)
  returning old.*)
insert into household_history ({named(HOUSEHOLD_COLUMNS)}, known_to) select {named(HOUSEHOLD_COLUMNS)}, $2 from up"""


RAISE_VERSIONS = "update household set version = version + 1 where no = any($1)"

INSERTED = named(ALL_COLUMNS.replaced)
INSERT_PERSONS = f"""insert into person (no, id, household_no, division, {INSERTED}, observed_on, {KEPT})
select person_no, id, household_no, division, {INSERTED}, observed_on, 1, $2, $3, job, row
from staging_person where job = $1 and is_new"""
PERSON_HISTORY = (
    f"insert into person_history ({named(PERSON_COLUMNS)}, known_to) select {named(PERSON_COLUMNS)}, $2 from up"
)


def update_persons(columns: Columns) -> str:
    """What the file speaks of, sealed values too, the image before it into history."""
    return f"""with up as (
  update person p set household_no = s.household_no, division = s.division, withdrawn = false,
    ({named(columns.replaced)}) = ({named(columns.replaced, "s")}), observed_on = s.observed_on,
    version = p.version + 1, known_from = $2, recorded_by = $3, batch = s.job, batch_row = s.row
  from staging_person s where s.job = $1 and p.no = s.person_no and p.no = any($4)
  returning old.*)
{PERSON_HISTORY}"""


RELEASE_PERSONS = f"""with up as (
  update person p set household_no = null, version = p.version + 1, known_from = $2, recorded_by = $3, batch = $1,
    batch_row = null
  where p.no = any($4) returning old.*)
{PERSON_HISTORY}"""

CLOSED_FIRST = "(select count(*) from gone) >= 0"
"""Reading the count makes the update finish before the first row is inserted; as a join it was counted for each row."""

INTERVAL = "known_from, recorded_by, batch, batch_row"
CHANGE_MEMBERSHIPS = f"""with gone as (
  update membership set known_to = $2, closed_batch = $1, closed_by = $3
  where no = any($4) and known_to = 'infinity' returning person_no, household_no, division, relation, during),
rows as (
  select g.person_no, g.household_no, g.division, g.relation, daterange(lower(g.during), h.observed_on) as during, h.row
  from gone g join (select * from staging_household where job = $1) h on h.household_no = g.household_no
  where lower(g.during) < h.observed_on
  union all
  select person_no, household_no, division, relation, daterange(observed_on, null), row
  from staging_person where job = $1 and person_no = any($5))
insert into membership (person_no, household_no, division, relation, during, {INTERVAL})
select rows.person_no, rows.household_no, rows.division, rows.relation, rows.during, $2, $3, $1, rows.row
from rows where {CLOSED_FIRST}"""

CHANGE_STATUSES = f"""with gone as (
  update status set known_to = $2, closed_batch = $1, closed_by = $3
  where no = any($4) and known_to = 'infinity' returning no),
rows as (select * from unnest($5::bigint[], $6::text[], $7::date[], $8::date[], $9::int[])
  as rows(household_no, kind, since, until, row))
insert into status (household_no, division, kind, during, {INTERVAL})
select r.household_no, h.division, r.kind, daterange(r.since, r.until), $2, $3, $1, r.row & {ROW_MASK}
from rows r join (select * from staging_household where job = $1) h on h.household_no = r.household_no
where {CLOSED_FIRST}"""

CHANGE_INCOMES = f"""with gone as (
  update income set known_to = $2, closed_batch = $1, closed_by = $3
  where no = any($4) and known_to = 'infinity' returning no)
insert into income (household_no, division, year_from, year_to, component, item, source, reference, fen, declared_on,
  {INTERVAL})
select s.household_no, h.division, s.year_from, s.year_to, s.component, s.item, 'declared', s.item, s.fen,
  h.observed_on, $2, $3, $1, s.row
from (select * from staging_income where job = $1 and entry = any($5)) s
join (select * from staging_household where job = $1) h on h.household_no = s.household_no
where {CLOSED_FIRST}"""

FOLLOW = """update {table} c set division = h.division from (select no, division from household where no = any($1)) h
where c.household_no = h.no and c.division <> h.division"""


NEWEST = " union all ".join(
    f"select max(known_from) as moment from {table} where {key} = any({EXISTING_HOUSEHOLDS})"
    for table, key in (
        ("household", "no"),
        ("membership", "household_no"),
        ("status", "household_no"),
        ("income", "household_no"),
        ("person", "household_no"),
    )
)
MOMENT = f"select greatest($2::timestamptz, max(moment)) from ({NEWEST}) newest"
"""What is written now is not known before what it follows: whoever held a household while the chunk waited for it may
have asked the clock later.
"""


class ChunkCollided(Busy):
    """分段冲突: somebody recorded one of these households or persons at the same moment; the chunk is done again."""

    code = "intake.collided"
    zh = "与他人同时登记的户或人冲突，本段将重做"
    en = "Somebody recorded the same household or person at this moment; the chunk is done again"


async def apply(
    tx: Transaction, job: UUID, change: Change, by: str, now: datetime, columns: Columns = ALL_COLUMNS
) -> None:
    """Make it so, and announce every touched household with its new version; untouched ones are not written at all."""
    if not change.touched:
        return
    if len(change.households_new) < len(change.touched):
        now = await tx.driver.fetchval(MOMENT, job, now)
    try:
        await _apply_households(tx, job, change, by, now, columns)
        await _apply_persons(tx, job, change, by, now, columns)
    except asyncpg.UniqueViolationError as error:
        raise ChunkCollided from error
    run = tx.driver.execute
    await run(CHANGE_STATUSES, job, now, by, change.statuses_closing, *change.statuses_opening)
    await run(CHANGE_INCOMES, job, now, by, change.incomes_closing, change.incomes_opening)
    await refresh_matches(tx, sorted({*change.incomes_of} - {*change.households_new}), by, now, job)
    if change.households_moved:
        for table in LYING_THERE:
            await run(FOLLOW.format(table=table), change.households_moved)
    await note_persons(tx, change.persons_written, now)
    await announce_households(tx, change.touched, now)


async def staged_rows(tx: Transaction, job: UUID) -> tuple[list[tuple[UUID, int, int]], dict[int, int]]:
    """The staged households (id, inside number, first row), and of each staged person the row."""
    homes = await tx.driver.fetch(
        "select id, household_no, row from staging_household where job = $1 order by household_no", job
    )
    people = await tx.driver.fetch("select person_no, row from staging_person where job = $1", job)
    return [tuple(one) for one in homes], {one["person_no"]: one["row"] for one in people}


async def settle_doubts(tx: Transaction, change: Change, look: Look, asked: AskedChecks) -> None:
    """What the chunk leaves in doubt, of households that it leaves unchanged too: they were looked at again."""
    await save_claims(tx, change.statuses_asked, change.claims, look)
    await save_staged_doubts(tx, look, asked)


async def _apply_households(
    tx: Transaction, job: UUID, change: Change, by: str, now: datetime, columns: Columns
) -> None:
    run = tx.driver.execute
    if change.households_new:
        await run(INSERT_HOUSEHOLDS, job, now, by)
    if change.households_changed:
        await run(update_households(columns), job, now, by, change.households_changed)
    raised = set(change.touched) - {*change.households_new, *change.households_changed}
    if raised:
        await run(RAISE_VERSIONS, sorted(raised))


async def _apply_persons(tx: Transaction, job: UUID, change: Change, by: str, now: datetime, columns: Columns) -> None:
    run = tx.driver.execute
    if change.persons_new:
        await run(INSERT_PERSONS, job, now, by)
    if change.persons_changed:
        await run(update_persons(columns), job, now, by, change.persons_changed)
    if change.persons_leaving:
        await run(RELEASE_PERSONS, job, now, by, change.persons_leaving)
    if change.memberships_closing or change.persons_entering:
        await run(CHANGE_MEMBERSHIPS, job, now, by, change.memberships_closing, change.persons_entering)


GROWN = ("household", "person", "membership", "status", "income")


async def refresh_statistics(driver: asyncpg.Connection) -> None:
    """After the first and the fourth chunk of a first load the planner still believes that the tables are empty."""
    for table in GROWN:
        await driver.execute(f"analyze {table}")


async def sweep(driver: asyncpg.Connection) -> None:
    """Rows that have gone leave their room in the staging tables; outside of any transaction."""
    for table in STAGING:
        await driver.execute(f"vacuum {table.name}")


async def villages_in_force(tx: Transaction, codes: Sequence[int], on: date) -> set[int]:
    """Which of these are villages of the register on that day."""
    rows = await tx.driver.fetch(
        "select code from division where code = any($1) and level = 'village' and valid_from <= $2"
        " and (valid_to is null or valid_to >= $2)",
        codes,
        on,
    )
    return {row["code"] for row in rows}
