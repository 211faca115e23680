"""The way back of a listener: what a restored speaker no longer has is closed, never deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.registry.store.intake import hasten
from services.registry.store.matches import refresh_matches
from shared.db import Transaction


async def payout_ids(tx: Transaction) -> list[str]:
    """Payouts whose income is held to be true."""
    rows = await tx.driver.fetch("select reference from income where source = 'payout' and known_to = 'infinity'")
    return [row["reference"] for row in rows]


async def decision_ids(tx: Transaction) -> list[str]:
    """Decisions that are in effect; those that never were are not said again by their speaker."""
    query = "select id::text from decision where withdrawn_at is null and refused_because is null"
    rows = await tx.driver.fetch(query)
    return [row["id"] for row in rows]


NEWEST = " union all ".join(
    f"select max(known_from) as moment from {table}" for table in ("household", "membership", "status", "income")
)
MOMENT = f"select coalesce(max(moment), clock_timestamp()) from ({NEWEST}) newest"


async def moment(tx: Transaction) -> datetime:
    """When it is noticed: the newest moment the register knows, since no fact and no clock comes with a withdrawal."""
    found: datetime = await tx.driver.fetchval(MOMENT)
    return found


LOCK = "select no from household where no = any($1) order by no for no key update"
RAISE = "update household set version = version + 1 where no = any($1)"


async def _raise(tx: Transaction, households: set[int]) -> list[int]:
    await tx.driver.execute(RAISE, sorted(households))
    return sorted(households)


async def close_payouts(tx: Transaction, gone: Sequence[str]) -> list[int]:
    """Closes their income rows; answers the households, with raised versions."""
    of = "select household_no from income where source = 'payout' and known_to = 'infinity' and reference = any($1)"
    households = {row["household_no"] for row in await tx.driver.fetch(of, list(gone))}
    await tx.driver.execute(LOCK, sorted(households))
    now = await moment(tx)
    await hasten(tx)
    await tx.driver.execute(
        "update income set known_to = greatest(known_from, $2), closed_by = 'cooperative'"
        " where source = 'payout' and known_to = 'infinity' and reference = any($1)",
        list(gone),
        now,
    )
    await refresh_matches(tx, sorted(households), "cooperative", now)
    return await _raise(tx, households)


BACK = """with gone as (
  update status set known_to = greatest(known_from, $2), closed_by = 'assessment'
  where known_to = 'infinity' and (opened_by = any($1) or ended_by = any($1)) returning *)
insert into status (household_no, division, kind, during, opened_by, known_from, recorded_by)
select household_no, division, kind, daterange(lower(during), null), opened_by, $2, 'assessment' from gone
where (select count(*) from gone) >= 0 and not coalesce(opened_by = any($1), false)"""


async def close_decisions(tx: Transaction, gone: Sequence[str]) -> list[int]:
    """What they opened is closed, what they ended is open again; answers the households, with raised versions."""
    ids = [UUID(one) for one in gone]
    rows = await tx.driver.fetch("select household_no from decision where id = any($1) and withdrawn_at is null", ids)
    households = {row["household_no"] for row in rows}
    await tx.driver.execute(LOCK, sorted(households))
    now = await moment(tx)
    await tx.driver.execute(BACK, ids, now)
    await tx.driver.execute("update decision set withdrawn_at = $2 where id = any($1)", ids, now)
    return await _raise(tx, households)
