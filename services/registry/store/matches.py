"""Matches of payouts with declared amounts, recorded: what no longer holds is closed, what is new is inserted.

`domain.matches` says the same of one household; a test compares the two on random orders of forms and payments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.db import Transaction

HELD = "household_no = any($1) and known_to = 'infinity'"
REFRESH = f"""with held as (select * from income where {HELD}),
paid as (
  select * from held p where source = 'payout' and reverses is null and fen > 0
    and not exists (select from held r where r.reverses = p.reference)),
filled as (
  select d.no as declared_no, p.no as payout_no, d.household_no, d.division, p.fen,
    d.fen - coalesce(sum(p.fen) over (partition by d.no order by p.paid_on, p.reference
      rows between unbounded preceding and 1 preceding), 0) as remaining
  from held d join paid p on p.household_no = d.household_no and p.year_from = d.year_from and p.item = d.item
    and p.paid_on <= d.declared_on
  where d.source = 'declared'),
wanted as (
  select declared_no, payout_no, household_no, division, least(fen, remaining)::bigint as fen
  from filled where remaining > 0),
current as (select * from income_match where {HELD}),
gone as (
  update income_match m set known_to = $2, closed_by = $3, closed_batch = $4
  from current c left join wanted w using (declared_no, payout_no, fen)
  where m.no = c.no and w.declared_no is null returning m.no)
insert into income_match (declared_no, payout_no, household_no, division, fen, known_from, recorded_by, batch)
select w.declared_no, w.payout_no, w.household_no, w.division, w.fen, $2, $3, $4
from wanted w left join current c using (declared_no, payout_no, fen)
where c.no is null and (select count(*) from gone) >= 0"""


OF_HOUSEHOLD = """select p.reference as payout, d.year_from, d.year_to, d.component, d.item, m.fen,
  m.known_from as recorded_at, m.recorded_by, m.batch as intake
from income_match m join income d on d.no = m.declared_no join income p on p.no = m.payout_no
where m.household_no = $1 and m.known_to = 'infinity'
order by d.year_from, d.component, d.item, p.paid_on, p.reference"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A match on record: which payout documents how much of which declared amount, since when, and by what."""

    payout: str
    year_from: date
    year_to: date
    component: str
    item: str
    fen: int
    recorded_at: datetime
    recorded_by: str
    intake: UUID | None


async def load_matches(tx: Transaction, household_no: int) -> list[Recorded]:
    """All matches of one household that are held to be true."""
    return [Recorded(**row) for row in await tx.driver.fetch(OF_HOUSEHOLD, household_no)]


async def refresh_matches(
    tx: Transaction, households: Sequence[int], by: str, now: datetime, batch: UUID | None = None
) -> None:
    """After any change of these households' income rows; the caller has locked them."""
    if households:
        await tx.driver.execute(REFRESH, sorted(households), now, by, batch)
