"""Payouts: kept with their entry, and said again from these rows under their own ids."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from services.cooperative.domain import Payout, payout_posted
from services.cooperative.store.guards import guarded
from shared.db import Transaction
from shared.events.cooperative import PayoutPosted
from shared.values import DivisionCode

COLUMNS = "p.id, p.entry_id, p.household, p.member_id, p.kind, p.fen, p.paid_on, p.settles, p.reverses"
CHUNK = 1_000


async def save_payouts(tx: Transaction, payouts: Sequence[Payout]) -> None:
    """Keep what was paid; amount, day and household are read from the ledger, which must bear them out."""
    if not payouts:
        return
    async with guarded():
        await tx.driver.execute(
            "select record_payouts($1, $2, $3, $4, $5)",
            [payout.entry for payout in payouts],
            [payout.member for payout in payouts],
            [payout.kind for payout in payouts],
            [payout.settles for payout in payouts],
            [payout.reverses for payout in payouts],
        )


async def load_payout(tx: Transaction, entry: int) -> Payout | None:
    """What an entry paid, if it did."""
    row = await tx.driver.fetchrow(f"select {COLUMNS} from payout p where p.entry_id = $1", entry)
    return None if row is None else _payout(row)


def _payout(row: Mapping[str, Any]) -> Payout:
    plain = {name: row[name] for name in ("id", "household", "kind", "fen", "paid_on", "settles", "reverses")}
    return Payout(entry=row["entry_id"], member=row["member_id"], **plain)


async def payouts_to_say_again(tx: Transaction) -> AsyncIterator[list[PayoutPosted]]:
    """All payouts as the facts they were, from the ledger's rows."""
    last = 0
    while True:
        rows = await tx.driver.fetch(
            f"select {COLUMNS}, e.period, e.no, b.public_id as book, b.division from payout p"
            " join entry e on e.id = p.entry_id join book b on b.id = p.book_id"
            " where p.entry_id > $1 order by p.entry_id limit $2",
            last,
            CHUNK,
        )
        if not rows:
            return
        last = rows[-1]["entry_id"]
        yield [_fact(row) for row in rows]


def _fact(row: Mapping[str, Any]) -> PayoutPosted:
    return payout_posted(_payout(row), row["book"], DivisionCode(row["division"]), row["period"], row["no"])
