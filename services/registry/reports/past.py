"""Lists, counts and divisions as they were: true on a day, as the register believed it at a moment (ADR 0020)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from services.registry.domain.division import Division
from services.registry.domain.times import AsOf
from services.registry.reports.households import Listed
from services.registry.tables.past import HELD, NEAREST, believed, images
from shared.db import Transaction
from shared.values import DivisionCode, Level

BY_KEY = "set local enable_bitmapscan = off"
"""The planner takes the policy's bounds for narrow and would lay a county's bitmap over every look-up by key."""
PLACED = 'no, id, number, division, "group", version, observed_on, closed_on, gaps, main_cause, other_causes'
OF_CANDIDATES = "no = any(array(select no from candidates))"
HOLDS = f"{HELD} and during @> $2::date"
STANDING = f"""with candidates as (
  select no from household where division >= $4 and division < $5
  union select no from household_history where division >= $4 and division < $5),
best as (select distinct on (no) * from ({believed("household", PLACED, OF_CANDIDATES)}) i order by {NEAREST}),
standing as (
  select b.* from best b where b.division >= $4 and b.division < $5
    and coalesce(b.closed_then > $2, true) and not coalesce(b.gaps_then @> $2::date, false) and (b.observed_on <= $2
    or exists (select 1 from status where household_no = b.no and {HOLDS})
    or exists (select 1 from membership where household_no = b.no and {HOLDS})))"""
"""Households that lay there on the day, of whom something was held to be true on it; one that the caller may not see
now is not among them.
"""
HEAD_NAME = f"""select masked_name from (
  {images("person", "no, masked_name, observed_on, version", "no = m.person_no")}) i order by {NEAREST} limit 1"""
LIST = f"""{STANDING}
select h.id, h.number, h.division, h."group", h.version,
  coalesce((select ({HEAD_NAME}) from membership m where m.household_no = h.no and {HOLDS}
    and m.relation = 'head'), '') as masked_head,
  (select count(*) from membership where household_no = h.no and {HOLDS}) as headcount,
  array(select kind from status where household_no = h.no and {HOLDS} order by kind) as statuses
from standing h
where (h.division, h.number) > ($6, $7)
  and ($8::text is null or exists (select 1 from status where household_no = h.no and kind = $8 and {HOLDS}))
  and ($9::text is null or (h.observed_on <= $2 and (h.main_cause = $9 or $9 = any(h.other_causes))))
order by h.division, h.number limit $1"""


async def households_then(
    tx: Transaction,
    division: DivisionCode,
    asked: AsOf,
    *,
    status: str | None,
    after: Sequence[object] | None,
    limit: int,
    cause: str | None = None,
) -> list[Listed]:
    """The households that lay in a division on the day, by place and number; the head's name masked."""
    place, number = (-1, "") if after is None else after
    times = (asked.on, asked.known_at)
    await tx.driver.execute(BY_KEY)
    rows = await tx.driver.fetch(LIST, limit, *times, division.lo, division.hi, place, number, status, cause)
    return [Listed(**{**row, "statuses": tuple(row["statuses"])}) for row in rows]


@dataclass(frozen=True, slots=True)
class PastTotals:
    """当时户数人数: what stood in a division on the day; `moved_out` lay there too and lies outside the scope now."""

    households: int
    persons: int
    doubts: int
    by_status: dict[str, int]
    moved_out: int


COUNTED = f"""{STANDING},
there as (select array(select no from standing) as nos),
kinds as (
  select kind, count(distinct household_no) as households from status, there
  where household_no = any(nos) and {HOLDS} group by kind)
select cardinality(nos) as households,
  (select count(*) from membership where household_no = any(nos) and {HOLDS}) as persons,
  (select count(*) from doubt where household_no = any(nos) and opened_at <= $3
    and (closed_at is null or closed_at > $3)) as doubts,
  coalesce((select json_object_agg(kind, households order by kind) from kinds), '{{}}')::text as by_status,
  households_left($4, $5, $2, $3) as moved_out
from there where $1::int is null"""


async def totals_then(tx: Transaction, division: DivisionCode, asked: AsOf) -> PastTotals:
    """Households, members and doubts as they were; how many households had each status."""
    await tx.driver.execute(BY_KEY)
    row = await tx.driver.fetchrow(COUNTED, None, asked.on, asked.known_at, division.lo, division.hi)
    assert row is not None, "counts are always one row"
    return PastTotals(**{**row, "by_status": json.loads(row["by_status"])})


# Divisions: the rows that came with the software are known from the beginning

DIVISION_COLUMNS = "code, name, level, parent, valid_from, valid_to, superseded_by, version, known_from, recorded_by"
DIVISIONS = f"""select distinct on (code) * from (
  select {DIVISION_COLUMNS} from division union all select {DIVISION_COLUMNS} from division_history) images
where (known_from <= $1 or recorded_by = 'migration') and ($2::bigint is null or code = $2)
order by code, version desc"""
IN_FORCE = f"""select * from ({DIVISIONS}) d where valid_from <= $3 and (valid_to is null or valid_to >= $3)
  and ($4::bigint is null or parent = $4) and ($5::text is null or level = $5)
  and ($6::text is null or position($6 in name) > 0) and ($7::bigint is null or code > $7)
order by code limit $8"""


async def divisions_then(
    tx: Transaction,
    asked: AsOf,
    *,
    code: DivisionCode | None = None,
    parent: DivisionCode | None = None,
    level: Level | None = None,
    name: str | None = None,
    after: int | None = None,
    limit: int = 1,
) -> list[Division]:
    """Those in or above the scope that were in force on the day, under the names known at the moment."""
    above = None if parent is None else parent.value
    asked_for = (None if code is None else code.value, asked.on, above, level, name, after, limit)
    return [Division.of(row) for row in await tx.driver.fetch(IN_FORCE, asked.known_at, *asked_for)]
