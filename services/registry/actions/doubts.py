"""What is in doubt in a household that an officer entered: the same checks that a file goes through."""

from __future__ import annotations

import asyncio
from datetime import date
from uuid import UUID

from services.registry.domain import HouseholdEntry
from services.registry.store.doubts import Found, save_doubts
from services.registry.store.people import Written
from shared.db import Transaction


async def doubt_household(tx: Transaction, household_id: UUID, entry: HouseholdEntry, written: Written) -> None:
    """Open what is newly in doubt, close what is no longer found."""
    found = await asyncio.to_thread(_found, entry, written.observed_on)
    repeated = [
        Found(
            one.person.id,
            "I1",
            "doubt",
            "id_number",
            "证件号码与另一户成员相同",
            "the id number also stands in another household",
        )
        for one in entry.members
        if one.person.id_provisional and one.person.id_number is not None
    ]
    await save_doubts(tx, household_id, [*repeated, *found], written)


def _found(entry: HouseholdEntry, on: date) -> list[Found]:
    # The frames' library costs an api process 50 MB: it is loaded by the first form that is entered, not at the start.
    from services.registry.checks import doubts_of

    rows = doubts_of(entry, on).iter_rows(named=True)
    return [
        Found(entry.members[row["row"] - 1].person.id, row["check"], "doubt", row["field"], row["zh"], row["en"])
        for row in rows
    ]
