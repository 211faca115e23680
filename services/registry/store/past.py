"""The register as it was: what was true on a day, as it was believed at a moment (ADR 0020).

Intervals and amounts are those that were held at the moment. Of an observation it is the last image known then of the
last day up to the day asked for; where all were seen later, the first of them tells who it is and where, and nothing
of circumstances.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from uuid import UUID

import asyncpg

from services.registry.domain import Household, Living, Membership, Person, StatusSpan
from services.registry.domain.refusals import HouseholdMissing
from services.registry.domain.times import AsOf, HouseholdUnknownThen
from services.registry.store.households import LIVING, NAMED, Record, gaps_of, income_of
from services.registry.store.matches import Recorded
from services.registry.store.people import NAMED as PERSON_NAMED
from services.registry.store.people import Met, person_from
from services.registry.tables.past import HELD, NEAREST, believed, images
from shared.crypto import KeyRing
from shared.db import Transaction
from shared.values import DivisionCode, HouseholdNumber

KEYED = "no = any($1)"
HOUSEHOLDS = f"""select distinct on (no) *, first_value(superseded_by) over (partition by no order by version desc)
  as superseded_then from ({believed("household", NAMED, KEYED)}) i order by {NEAREST}"""
PERSONS = f"select distinct on (no) * from ({images('person', PERSON_NAMED, KEYED)}) i order by {NEAREST}"
MEMBERSHIPS = f"""select no, household_no, person_no, relation, lower(during) as since, null::date as until
from membership where household_no = any($1) and {HELD} and during @> $2::date
order by relation <> 'head', person_no"""
STATUSES = f"""select no, household_no, kind, lower(during) as since,
  case when upper(during) <= $2 then upper(during) end as until, opened_by,
  case when upper(during) <= $2 then ended_by end as ended_by
from status where household_no = any($1) and {HELD} and lower(during) <= $2 order by lower(during), kind"""
INCOMES = """select no, household_no, year_from, year_to, component, item, source, reference, fen, paid_on, reverses,
  declared_on
from income where household_no = any($1) and known_from <= $3
  and (known_to = 'infinity' or (known_to < 'infinity' and known_to > $3))
  and year_from <= $2 and coalesce(paid_on, $2) <= $2
order by year_from, component, item, source, no"""
DECISIONS = """select household_no, id, refused_because from decision where household_no = any($1)
  and known_from <= $3 and (withdrawn_at is null or withdrawn_at > $3) and effective_on <= $2 order by known_from, id"""
MATCHES = """select p.reference as payout, d.year_from, d.year_to, d.component, d.item, m.fen,
  m.known_from as recorded_at, m.recorded_by, m.batch as intake
from income_match m join income d on d.no = m.declared_no join income p on p.no = m.payout_no
where m.household_no = $1 and m.known_from <= $3 and m.known_to > $3 and d.year_from <= $2 and p.paid_on <= $2
order by d.year_from, d.component, d.item, p.paid_on, p.reference"""


@dataclass(frozen=True, slots=True)
class Past:
    """当时的户: the household as it was, and how many of its members then live outside the caller's scope now."""

    record: Record
    hidden: int
    matches: list[Recorded]


async def load_past(tx: Transaction, household_id: UUID, asked: AsOf, keys: KeyRing | None = None) -> Past:
    """One household that lies in scope now, as of two times."""
    no = await tx.driver.fetchval("select no from household where id = $1", household_id)
    if no is None:
        raise HouseholdMissing
    parts = (await _parts(tx, [no], asked)).get(no)
    if parts is None or not parts.is_something(asked):
        raise HouseholdUnknownThen(on=asked.on.isoformat())
    matches = [Recorded(**row) for row in await tx.driver.fetch(MATCHES, no, asked.on, asked.known_at)]
    return Past(parts.record(asked, keys), parts.hidden, matches)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Rows of one household as of two times."""

    image: asyncpg.Record
    memberships: Sequence[asyncpg.Record]
    persons: Mapping[int, asyncpg.Record]
    statuses: Sequence[asyncpg.Record]
    incomes: Sequence[asyncpg.Record]
    decisions: Sequence[asyncpg.Record]

    @property
    def hidden(self) -> int:
        return sum(one["person_no"] not in self.persons for one in self.memberships)

    def is_something(self, asked: AsOf) -> bool:
        """Whether anything was held to be true of it on that day."""
        held = any(one["until"] is None for one in self.statuses)
        return self.image["observed_on"] <= asked.on or held or bool(self.memberships)

    def record(self, asked: AsOf, keys: KeyRing | None) -> Record:
        row = self.image
        closed_on = row["closed_then"] if row["closed_then"] is None or row["closed_then"] <= asked.on else None
        closed_on = next((one for one, until in gaps_of(row["gaps_then"]) if one <= asked.on < until), closed_on)
        seen = [one for one in self.memberships if one["person_no"] in self.persons]
        noun = Household(
            id=row["id"],
            number=HouseholdNumber(row["number"]),
            division=DivisionCode(row["division"]),
            version=row["version"],
            group=row["group"],
            registered_on=row["registered_on"],
            statuses=tuple(
                StatusSpan(one["kind"], one["since"], one["until"], one["opened_by"], one["ended_by"])
                for one in self.statuses
            ),
            living=_living(row) if row["observed_on"] <= asked.on else Living(),
            memberships=tuple(
                Membership(_person(self.persons[one["person_no"]], asked, keys), one["relation"], one["since"])
                for one in seen
            ),
            income=tuple(income_of(one) for one in self.incomes),
            decisions=tuple(one["id"] for one in self.decisions if one["refused_because"] is None),
            superseded_by=row["superseded_then"] if closed_on is not None else None,
            closed_on=closed_on,
        )
        return Record(row["no"], noun, row["observed_on"], row["known_from"], {}, {}, {}, {})


async def load_pasts(tx: Transaction, ids: Sequence[UUID], asked: AsOf, keys: KeyRing | None) -> dict[UUID, Past]:
    """Many at once, in seven queries; without the matches of their income. Of whom nothing was known is not there."""
    numbers = [row["no"] for row in await tx.driver.fetch("select no from household where id = any($1)", list(ids))]
    found = [one for one in (await _parts(tx, numbers, asked)).values() if one.is_something(asked)]
    return {one.image["id"]: Past(one.record(asked, keys), one.hidden, []) for one in found}


async def _parts(tx: Transaction, numbers: Sequence[int], asked: AsOf) -> dict[int, _Parts]:
    fetch, times = tx.driver.fetch, (asked.on, asked.known_at)
    images = await fetch(HOUSEHOLDS, numbers, *times)
    memberships = _grouped(await fetch(MEMBERSHIPS, numbers, *times))
    members = [one["person_no"] for ones in memberships.values() for one in ones]
    persons = {row["no"]: row for row in await fetch(PERSONS, members, *times)}
    statuses = _grouped(await fetch(STATUSES, numbers, *times))
    incomes = _grouped(await fetch(INCOMES, numbers, *times))
    decisions = _grouped(await fetch(DECISIONS, numbers, *times))
    return {
        image["no"]: _Parts(
            image,
            memberships[image["no"]],
            persons,
            statuses[image["no"]],
            incomes[image["no"]],
            decisions[image["no"]],
        )
        for image in images
    }


def _grouped(rows: Sequence[asyncpg.Record]) -> dict[int, list[asyncpg.Record]]:
    found: dict[int, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        found[row["household_no"]].append(row)
    return found


def _living(row: Mapping[str, Any]) -> Living:
    return Living(**{name: row[name] for name in LIVING} | {"other_causes": tuple(row["other_causes"])})


LASTING = (
    "id", "pseudonym", "name", "person_number", "sex", "birth_on", "id_kind", "id_number", "id_provisional",
    "ethnicity",
)  # fmt: skip
"""What somebody is on every day of his life, whenever it was seen."""


def _person(row: Mapping[str, Any], asked: AsOf, keys: KeyRing | None) -> Person:
    person = person_from(row, keys)
    if person.died_on is not None and person.died_on > asked.on:
        person = replace(person, died_on=None)
    if row["observed_on"] <= asked.on:
        return person
    later: dict[str, Any] = {one.name: one.default for one in fields(Person) if one.name not in LASTING}
    return replace(person, **later)


# People by number

CANDIDATES = """select no from person where identity_index = any($1) or (id_provisional and id_number_index = any($1))
union select no from person_history where id_number_index = any($1)"""
OF_CANDIDATES = "no = any(array(select no from candidates))"
IDENTIFIED = "identity_index = any($1) or (id_provisional and id_number_index = any($1))"
WITH_NUMBER = f"""with candidates as ({CANDIDATES}),
images as ({images("person", PERSON_NAMED, OF_CANDIDATES)}),
believed as (select distinct on (no) * from images order by no, version desc),
best as (
  select distinct on (no) * from images where no = any(array(select no from believed where {IDENTIFIED}))
  order by {NEAREST})
select b.*, h.id as household, m.relation
from best b left join membership m on m.person_no = b.no and m.known_from <= $3 and m.known_to > $3
  and m.during @> $2::date
left join household h on h.no = m.household_no order by b.no limit 50"""


async def past_people_with_number(tx: Transaction, indexes: Sequence[bytes], asked: AsOf, keys: KeyRing) -> list[Met]:
    """Persons in scope now who stood under that number at the moment, as they were on the day."""
    rows = await tx.driver.fetch(WITH_NUMBER, list(indexes), asked.on, asked.known_at)
    return [Met(_person(row, asked, keys), row["household"], row["relation"]) for row in rows]
