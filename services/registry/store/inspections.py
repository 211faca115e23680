"""A look at all households of a division: which come next, and which of them are still as they were when read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.db import Transaction
from shared.values import DivisionCode


@dataclass(frozen=True, slots=True)
class Standing:
    """A household that stands, and as of which visit and version it is looked at."""

    no: int
    id: UUID
    version: int
    observed_on: date


COLUMNS = "no, id, version, observed_on"
NEXT = f"""select {COLUMNS} from household
where closed_on is null and division >= $1 and division < $2 and (observed_on, no) > ($3, $4)
order by observed_on, no limit $5"""
COUNT = "select count(*) from household where closed_on is null and division >= $1 and division < $2"
HOLD = f"select {COLUMNS} from household where no = any($1) and closed_on is null order by no for no key update"
TURNS = """select e.what, count(*) as doubts from doubt_event e join doubt d on d.no = e.doubt_no
where e.at = $1 and d.household_no = any($2) and e.what in ('closed', 'reopened', 'changed') group by e.what"""


async def next_households(
    tx: Transaction, division: DivisionCode, after: tuple[date, int], limit: int
) -> list[Standing]:
    """In the order of their visits: ages and dated numbers are those of the day of the visit."""
    rows = await tx.driver.fetch(NEXT, division.lo, division.hi, *after, limit)
    return [Standing(**row) for row in rows]


async def count_households(tx: Transaction, division: DivisionCode) -> int:
    """How many stand there."""
    return int(await tx.driver.fetchval(COUNT, division.lo, division.hi))


async def hold_households(tx: Transaction, numbers: Sequence[int]) -> list[Standing]:
    """Those of them that still stand, held until the commit."""
    return [Standing(**row) for row in await tx.driver.fetch(HOLD, numbers)]


async def turns_of(tx: Transaction, at: datetime, numbers: Sequence[int]) -> dict[str, Any]:
    """What the look at that moment has made of doubts that were there before it."""
    return {row["what"]: row["doubts"] for row in await tx.driver.fetch(TURNS, at, numbers)}
