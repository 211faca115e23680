"""What was paid to whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from services.cooperative.domain import Book, entry_number
from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class PayoutLine:
    """兑付行."""

    key: int
    id: UUID
    kind: str
    household: UUID
    member: int
    fen: int
    paid_on: date
    entry: UUID
    entry_number: str
    reverses: UUID | None


async def payouts(tx: Transaction, book: Book, after: list[Any] | None, limit: int) -> list[PayoutLine]:
    """Payouts of a book in the order in which they were posted."""
    rows = await tx.driver.fetch(
        "select p.entry_id as key, p.id, p.kind, p.household, m.number as member, p.fen, p.paid_on,"
        " e.public_id as entry, e.period, e.no, p.reverses from payout p join entry e on e.id = p.entry_id"
        " join member m on m.id = p.member_id where p.book_id = $1 and p.entry_id > $2 order by p.entry_id limit $3",
        book.key,
        int(after[0]) if after else 0,
        limit + 1,
    )
    return [_line(row) for row in rows]


def _line(row: Any) -> PayoutLine:
    same = {
        name: row[name] for name in ("key", "id", "kind", "household", "member", "fen", "paid_on", "entry", "reverses")
    }
    return PayoutLine(**same, entry_number=entry_number(row["period"], row["no"]))


async def payout_total(tx: Transaction, book: Book) -> tuple[int, int, int]:
    """How many payouts, how many of them take one back, and the signed sum in fen."""
    row = await tx.driver.fetchrow(
        "select count(*) as payouts, count(reverses) as taken_back, coalesce(sum(fen), 0)::bigint as fen"
        " from payout where book_id = $1",
        book.key,
    )
    return row["payouts"], row["taken_back"], row["fen"]
