"""Where a file claims another status than the register's (doubt T7): opened beside the row's storing, closed when the
next file agrees or a decision comes. The household itself is not touched by it: no version, no fact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.registry.domain.statuses import CHECK_FIELD, CHECK_ID, Claim
from shared.db import Transaction


class Claimed(NamedTuple):
    """A claim of one household of a file, and the row where it stands."""

    household_no: int
    claim: Claim
    row: int


@dataclass(frozen=True, slots=True)
class Heard:
    """Who handed it in, when, with which file."""

    by: str
    now: datetime
    batch: UUID


def claim_from(found: Mapping[str, Any]) -> Claimed:
    """From a row of the classification."""
    begun = tuple((kind, date.fromisoformat(since)) for kind, since in found["begun"] or ())
    claim = Claim(tuple(found["kept"].split()), tuple(found["said"].split()), found["is_unfounded"], begun)
    return Claimed(found["household_no"], claim, found["row"])


SAVE = f"""with claimed as (
  select * from unnest($5::bigint[], $6::text[], $7::text[], $8::int[]) as c(household_no, zh, en, row)),
gone as (
  update doubt d set closed_at = $2, closed_by = $3, finding = 'no_longer_found'
  where d.household_no = any($4) and d.check_id = '{CHECK_ID}' and d.closed_at is null
    and not exists (select 1 from claimed c where c.household_no = d.household_no and c.zh = d.detail_zh)
  returning d.no)
insert into doubt (household_no, division, check_id, severity, field, detail_zh, detail_en, opened_at, recorded_by,
  batch, batch_row)
select c.household_no, h.division, '{CHECK_ID}', 'doubt', '{CHECK_FIELD}', c.zh, c.en, $2, $3, $1, c.row
from claimed c join (select no, division from household where no = any($4)) h on h.no = c.household_no
where (select count(*) from gone) >= 0 and not exists (
  select 1 from doubt d where d.household_no = c.household_no and d.check_id = '{CHECK_ID}' and d.closed_at is null
    and d.detail_zh = c.zh)"""


async def save_claims(tx: Transaction, asked: Sequence[int], claims: Sequence[Claimed], heard: Heard) -> None:
    """What this file claims of the households whose statuses it speaks of; an open claim that it repeats stays as it
    is, one that it no longer makes is closed.
    """
    if not asked:
        return
    rows = [(one.household_no, one.claim.zh, one.claim.en, one.row) for one in claims]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 4
    await tx.driver.execute(SAVE, heard.batch, heard.now, heard.by, list(asked), *columns)


DECIDED = f"""update doubt set closed_at = $2, closed_by = $3, finding = 'decided'
where household_no = $1 and check_id = '{CHECK_ID}' and closed_at is null"""


async def close_claims(tx: Transaction, household_no: int, by: str, now: datetime) -> None:
    """A decision says what the household is: what files claimed before is answered."""
    await tx.driver.execute(DECIDED, household_no, now, by)
