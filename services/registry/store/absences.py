"""Households that a village's full list does not name: listed for somebody to decide, never touched by the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.registry.domain.modes import Decided
from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class Absent:
    """未列户: a household on record in a village whose list leaves it out; the head's name masked."""

    household_no: int
    number: str
    division: int
    group: str | None
    masked_head: str
    headcount: int

    @property
    def line(self) -> tuple[str | int | None, ...]:
        """As the answer workbook lists it."""
        return self.number, str(self.division), self.group, self.masked_head, self.headcount


ABSENT = """with left_out as (
  select no, number, division, "group" from household
  where division = any($1) and closed_on is null and number not in (select unnest($2::text[]))),
living as (
  select m.household_no, count(*)::int as headcount,
    max(p.masked_name) filter (where m.relation = 'head') as masked_head
  from (select household_no, person_no, relation from membership
        where household_no = any(array(select no from left_out)) and known_to = 'infinity' and upper_inf(during)) m
  join (select no, masked_name from person where household_no = any(array(select no from left_out))) p
    on p.no = m.person_no
  group by m.household_no)
select l.no, l.number, l.division, l."group", coalesce(v.masked_head, ''), coalesce(v.headcount, 0)
from left_out l left join living v on v.household_no = l.no order by l.division, l.number"""


async def absent_from(tx: Transaction, villages: Sequence[int], numbers: Sequence[str]) -> list[Absent]:
    """Who is on record in these villages and not among the numbers."""
    return [Absent(*row) for row in await tx.driver.fetch(ABSENT, list(villages), list(numbers))]


async def save_absences(tx: Transaction, job: UUID, absent: Sequence[Absent]) -> None:
    """They wait for somebody's decision."""
    numbers = [one.household_no for one in absent]
    await tx.driver.execute("insert into absence (job, household_no) select $1, unnest($2::bigint[])", job, numbers)


HELD = """select h.id, a.decision from absence a join household h on h.no = a.household_no
where a.job = $1 and h.id = any($2) order by a.no for no key update of a"""


async def lock_absences(tx: Transaction, job: UUID, households: Sequence[UUID]) -> Mapping[UUID, Decided | None]:
    """Of these households those that the list of that file left out, with what was decided; held until the commit."""
    rows = await tx.driver.fetch(HELD, job, list(households))
    return {row["id"]: None if row["decision"] is None else Decided(row["decision"]) for row in rows}


DECIDE = """update absence a set decision = d.decision, reason = d.reason, decided_by = $2, decided_at = $3
from unnest($4::uuid[], $5::text[], $6::text[]) as d(household, decision, reason)
join household h on h.id = d.household where a.job = $1 and a.household_no = h.no"""


async def save_decided(
    tx: Transaction, job: UUID, decided: Sequence[tuple[UUID, Decided, str]], by: str, now: datetime
) -> None:
    """What somebody has found out about each."""
    columns: list[list[Any]] = [list(column) for column in zip(*decided, strict=True)]
    await tx.driver.execute(DECIDE, job, by, now, *columns)
