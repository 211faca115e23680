"""What was done to households, remembered beside its effects, so that the timeline can name it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.registry.domain.surgery import Verb
from services.registry.store.people import Written
from shared.db import Transaction
from shared.values import HouseholdNumber


@dataclass(frozen=True, slots=True)
class Deed:
    """办理记录: which verb, on which day it happened, with which other household."""

    verb: Verb
    on: date
    other: HouseholdNumber | None = None
    reason: str | None = None


INSERT = """insert into deed (household_no, division, verb, happened_on, other_number, reason, known_from, recorded_by)
select no, division, $2, $3, $4, $5, $6, $7 from household where id = $1"""


async def note_deed(tx: Transaction, household_id: UUID, deed: Deed, written: Written) -> None:
    """Under the very moment of what it changes."""
    other = None if deed.other is None else deed.other.text
    await tx.driver.execute(INSERT, household_id, deed.verb, deed.on, other, deed.reason, written.now, written.by)
