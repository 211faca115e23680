"""Questions about households: a village's list, who has a number, counts by status, what is in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from shared.db import Transaction
from shared.values import DivisionCode, HouseholdNumber


@dataclass(frozen=True, slots=True)
class Listed:
    """A household as a list shows it: already masked."""

    id: UUID
    number: str
    division: int
    group: str | None
    version: int
    masked_head: str
    headcount: int
    statuses: tuple[str, ...]


LISTED = """select h.id, h.number, h.division, h."group", h.version,
  coalesce((select p.masked_name from membership m join person p on p.no = m.person_no where m.household_no = h.no
    and m.known_to = 'infinity' and upper_inf(m.during) and m.relation = 'head'), '') as masked_head,
  (select count(*) from membership m where m.household_no = h.no and m.known_to = 'infinity'
    and upper_inf(m.during)) as headcount,
  array(select s.kind from status s where s.household_no = h.no and s.known_to = 'infinity' and s.during @> {on}::date
    order by s.kind) as statuses
from household h
"""
LIST = f"""{LISTED.format(on="$5")}
where h.closed_on is null and h.division >= $1 and h.division < $2 and (h.division, h.number) > ($3, $4)
  and ($6::text is null or exists (select 1 from status s where s.household_no = h.no and s.kind = $6
    and s.known_to = 'infinity' and s.during @> $5::date))
order by h.division, h.number limit $7"""


async def households_of(
    tx: Transaction,
    division: DivisionCode,
    *,
    on: date,
    status: str | None,
    after: Sequence[object] | None,
    limit: int,
) -> list[Listed]:
    """The households of a division and all below it, by place and number."""
    place, number = (-1, "") if after is None else after
    rows = await tx.driver.fetch(LIST, division.lo, division.hi, place, number, on, status, limit)
    return [Listed(**{**row, "statuses": tuple(row["statuses"])}) for row in rows]


THESE = f"{LISTED.format(on='$2')} where h.id = any($1) order by h.division, h.number"


async def listed(tx: Transaction, ids: Sequence[UUID], on: date) -> list[Listed]:
    """These households as a list shows them, by place and number."""
    rows = await tx.driver.fetch(THESE, list(ids), on)
    return [Listed(**{**row, "statuses": tuple(row["statuses"])}) for row in rows]


async def household_with_number(tx: Transaction, number: HouseholdNumber) -> UUID | None:
    """The household of that number, if it lies in scope."""
    found = await tx.driver.fetchval("select id from household where number = $1", number.text)
    return None if found is None else UUID(str(found))


async def counties_with_number(tx: Transaction, indexes: Sequence[bytes]) -> dict[str, int]:
    """In how many records, by county, that number stands anywhere: a count and a county, nothing else."""
    found: dict[str, int] = await tx.driver.fetchval("select identity_by_county($1)", list(indexes))
    return found


COUNTS = """select kind, count(distinct household_no) as households from status
where known_to = 'infinity' and during @> $1::date and division >= $2 and division < $3 group by kind order by kind"""


async def households_by_status(tx: Transaction, division: DivisionCode, on: date) -> dict[str, int]:
    """How many households have each status on a day."""
    return {row["kind"]: row["households"] for row in await tx.driver.fetch(COUNTS, on, division.lo, division.hi)}


@dataclass(frozen=True, slots=True)
class Totals:
    """人数户数: what stands in a division now."""

    households: int
    persons: int
    doubts: int


async def totals(tx: Transaction, division: DivisionCode) -> Totals:
    """Households, members and open doubts of a division and all below."""
    place = (division.lo, division.hi)
    one = tx.driver.fetchval
    return Totals(
        households=await one(
            "select count(*) from household where closed_on is null and division >= $1 and division < $2", *place
        ),
        persons=await one(
            "select count(*) from person where household_no is not null and division >= $1 and division < $2", *place
        ),
        doubts=await one(
            "select count(*) from doubt where closed_at is null and division >= $1 and division < $2", *place
        ),
    )
