"""What is done with divisions: loaded from the file, amended by an operator, said again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, datetime
from pathlib import Path

from services.registry.domain.division import Division, DivisionChange, amend_division, division_recorded
from services.registry.store import divisions as store
from shared.db import Transaction
from shared.errors import ScopeRefused
from shared.outbox import Said, announce, announce_many
from shared.values import DivisionCode

EDITION_BEGINS = date(2009, 1, 1)
"""The published codes carry no dates of their own: they are held to be in force since the twelve-digit code rules."""
CHUNK = 1000


async def load_divisions(tx: Transaction, file: Path, now: datetime) -> int:
    """Every code of the file that is not on record yet, announced once; running it again changes nothing."""
    new = await store.load_divisions(tx, store.read_divisions(file), EDITION_BEGINS, now)
    for place in range(0, len(new), CHUNK):
        found = await store.divisions_of(tx, new[place : place + CHUNK])
        await announce_many(tx, (Said(one.code.text, division_recorded(one)) for one in found), at=now)
    return len(new)


async def amend(
    tx: Transaction, code: DivisionCode, change: DivisionChange, check: Callable[[int], None], by: str, now: datetime
) -> Division:
    """A new name, a last day or a successor of a division inside the caller's scope."""
    division = await store.lock_division(tx, code)
    if not tx.scope.contains(code):
        raise ScopeRefused(division=code)
    check(division.version)
    amended, facts = amend_division(division, change)
    if facts:
        await store.save_division(tx, amended, by, now)
        await announce(tx, code.text, *facts, at=now)
    return amended


async def divisions_again(tx: Transaction, epoch: int) -> AsyncIterator[Sequence[Said]]:
    """All of them, with versions above everything said before."""
    after = 0
    while found := await store.raise_versions(tx, epoch, after, CHUNK):
        yield [Said(one.code.text, division_recorded(one)) for one in found]
        after = found[-1].code.value
