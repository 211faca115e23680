"""How many, by village and value: of the register as it stands, or of a day as it was believed at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.registry.domain.counts import FIELD_OF, UNKNOWN, By, Cell
from services.registry.domain.times import AsOf
from services.registry.reports.past import BY_KEY, HOLDS, STANDING
from services.registry.tables.past import NEAREST, images
from shared.db import Transaction
from shared.values import DivisionCode

Bands = Sequence[tuple[str, int, int]]


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted: of each value, and how many households or people there are at all."""

    cells: list[Cell]
    everybody: list[Cell]
    moved_out: int = 0


def _value(by: By, ages: Bands, on: str, *, alias: str) -> str:
    """What a row counts under; what is not known is a value of its own."""
    if by is not By.AGE:
        return f"coalesce({alias}.{FIELD_OF[by]}, '{UNKNOWN}')"
    if not ages:
        return f"'{UNKNOWN}'"
    years = f"date_part('year', age({on}, {alias}.birth_on))"
    whens = " ".join(f"when {years} <= {last} then '{name}'" for name, _, last in ages)
    return f"case when {alias}.birth_on > {on} then '{UNKNOWN}' {whens} else '{UNKNOWN}' end"


HOUSEHOLDS = "h.closed_on is null and h.division >= $1 and h.division < $2"
PEOPLE = "p.household_no is not null and p.division >= $1 and p.division < $2"
OF_STATUS = """select s.division as village, s.kind as value, count(distinct s.household_no) as count from status s
where s.known_to = 'infinity' and s.during @> $3::date and s.division >= $1 and s.division < $2 group by 1, 2"""
NAMED = "division as village, '' as value, count(*) as count"
ALL_HOUSEHOLDS = f"select {NAMED} from household h where {HOUSEHOLDS} group by 1"
ALL_PEOPLE = f"select {NAMED} from person p where {PEOPLE} group by 1"


async def counts_of(tx: Transaction, division: DivisionCode, by: By, on: date, ages: Bands) -> Counted:
    """As the register stands; a status holds, and an age is reached, on the day."""
    place = (division.lo, division.hi)
    everybody = await _cells(tx, ALL_HOUSEHOLDS if by.of_households else ALL_PEOPLE, *place)
    if by is By.DIVISION:
        return Counted([], everybody)
    if by is By.STATUS:
        return Counted(await _cells(tx, OF_STATUS, *place, on), everybody)
    alias, table, where = ("h", "household", HOUSEHOLDS) if by.of_households else ("p", "person", PEOPLE)
    value = _value(by, ages, "$3::date", alias=alias)
    query = f"""select {alias}.division as village, {value} as value, count(*) as count from {table} {alias}
      where {where} and $3::date is not null group by 1, 2"""
    return Counted(await _cells(tx, query, *place, on), everybody)


async def _cells(tx: Transaction, query: str, *given: object) -> list[Cell]:
    return [Cell(**row) for row in await tx.driver.fetch(query, *given)]


MEMBERS = f"""there as (select array(select no from standing) as nos),
members as (
  select m.household_no, m.person_no from membership m, there where m.household_no = any(there.nos) and {HOLDS})"""
PERSONS = "no, birth_on, ethnicity, education, labour, health, observed_on, version"
KEYED = "no = any(array(select person_no from members))"
BEST = f"""people as (select distinct on (no) * from ({images("person", PERSONS, KEYED)}) i order by {NEAREST})"""
SEEN = """select m.person_no, s.division, p.birth_on, p.ethnicity, {facts} from members m
  join standing s on s.no = m.household_no left join people p on p.no = m.person_no"""
LATER = ("education", "labour", "health")
"""What was seen later only is not known of the day; birth and ethnicity are of every day."""
FACTS = ", ".join(f"case when p.observed_on <= $2 then p.{name} end as {name}" for name in LATER)
LEFT = "select households_left($3, $4, $1, $2)"


async def counts_then(tx: Transaction, division: DivisionCode, by: By, asked: AsOf, ages: Bands) -> Counted:
    """As it was: who lay there on the day, with what was known of them."""
    await tx.driver.execute(BY_KEY)
    given = (None, asked.on, asked.known_at, division.lo, division.hi)
    moved = int(await tx.driver.fetchval(LEFT, asked.on, asked.known_at, division.lo, division.hi))
    everybody = await _cells(tx, _everybody_then(by), *given)
    if by is By.DIVISION:
        return Counted([], everybody, moved)
    return Counted(await _cells(tx, _cells_then(by, ages), *given), everybody, moved)


TYPED = "$1::int is null"


def _everybody_then(by: By) -> str:
    if by.of_households:
        return f"{STANDING} select {NAMED} from standing where {TYPED} group by 1"
    return f"""{STANDING}, {MEMBERS} select s.{NAMED}
      from members m join standing s on s.no = m.household_no where {TYPED} group by 1"""


def _cells_then(by: By, ages: Bands) -> str:
    if by is By.STATUS:
        return f"""{STANDING}, there as (select array(select no from standing) as nos)
          select s.division as village, t.kind as value, count(distinct t.household_no) as count
          from there, status t join standing s on s.no = t.household_no
          where t.household_no = any(there.nos) and {HOLDS} and {TYPED} group by 1, 2"""
    if by.of_households:
        value = f"case when h.observed_on <= $2 then {_value(by, ages, '$2::date', alias='h')} else '{UNKNOWN}' end"
        return f"""{STANDING} select h.division as village, {value} as value, count(*) as count
          from standing h where {TYPED} group by 1, 2"""
    return f"""{STANDING}, {MEMBERS}, {BEST} select p.division as village,
      {_value(by, ages, "$2::date", alias="p")} as value, count(*) as count
      from ({SEEN.format(facts=FACTS)}) p where {TYPED} group by 1, 2"""
