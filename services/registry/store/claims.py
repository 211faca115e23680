"""Where a file claims another status than the register's (doubt T7): opened beside the row's storing, closed when the
next file agrees or a decision comes. The household itself is not touched by it: no version, no fact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from services.registry.domain.statuses import CHECK_FIELD, CHECK_ID, Claim
from services.registry.store.doubts import Look, settling
from shared.db import Transaction


class Claimed(NamedTuple):
    """A claim of one household of a file, and the row where it stands."""

    household_no: int
    claim: Claim
    row: int


def claim_from(found: Mapping[str, Any]) -> Claimed:
    """From a row of the classification."""
    begun = tuple((kind, date.fromisoformat(since)) for kind, since in found["begun"] or ())
    claim = Claim(tuple(found["kept"].split()), tuple(found["said"].split()), found["is_unfounded"], begun)
    return Claimed(found["household_no"], claim, found["row"])


CLAIMS = settling(
    f"""select household_no, null::bigint as person_no, '{CHECK_ID}' as check_id, 'doubt' as severity,
      '{CHECK_FIELD}' as field, zh, en, md5(zh) as fingerprints, row
    from unnest($6::bigint[], $7::text[], $8::text[], $9::int[]) as c(household_no, zh, en, row)""",
    f"d.check_id = '{CHECK_ID}'",
)
"""What a claim is about stands in its own words, which hold no more than codes: its mark needs no key."""


async def save_claims(tx: Transaction, asked: Sequence[int], claims: Sequence[Claimed], look: Look) -> None:
    """What this file claims of the households whose statuses it speaks of; an open claim that it repeats stays as it
    is, one that it no longer makes is closed, one that was settled stays settled as long as it says the same.
    """
    if not asked:
        return
    rows = [(one.household_no, one.claim.zh, one.claim.en, one.row) for one in claims]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 4
    await tx.driver.execute(CLAIMS, look.now, look.by, look.today, look.batch, list(asked), *columns)


DECIDED = f"""with decided as (
  update doubt set closed_at = $2, closed_by = $3, finding = 'decided', state = 'closed', version = version + 1,
    reason = null, until = null, found_by = null
  where household_no = $1 and check_id = '{CHECK_ID}' and closed_at is null returning no, assignee)
insert into doubt_event (doubt_no, what, at, by, assignee, finding)
select no, 'closed', $2::timestamptz, $3::text, assignee, 'decided' from decided"""


async def close_claims(tx: Transaction, household_no: int, by: str, now: datetime) -> None:
    """A decision says what the household is: what files claimed before is answered."""
    await tx.driver.execute(DECIDED, household_no, now, by)
