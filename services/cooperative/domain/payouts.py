"""兑付: money that left the cooperative for a household. One payment entry, one payout; its id is the entry's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import cast
from uuid import UUID

from services.cooperative.domain.books import Book
from services.cooperative.domain.entries import Entry, Posted, entry_number
from shared.events.cooperative import PayoutKind, PayoutPosted
from shared.values import DivisionCode


@dataclass(frozen=True, slots=True)
class Payout:
    """兑付: negative when it takes an earlier one back. A primary record: it is told again under the same id."""

    id: UUID
    entry: int
    household: UUID
    member: int
    kind: str
    fen: int
    paid_on: date
    settles: int
    reverses: UUID | None


def payout_of(entry: Entry, posted: Posted) -> Payout | None:
    """What a posted entry pays; none for entries without a payee."""
    payee = entry.payee
    if payee is None:
        return None
    return Payout(
        posted.id,
        posted.key,
        payee.household,
        payee.member,
        payee.kind,
        entry.debit_total,
        entry.on,
        payee.settles,
        payee.takes_back,
    )


def payout_posted(payout: Payout, book: UUID, division: DivisionCode, period: int, number: int) -> PayoutPosted:
    """The fact that travels."""
    return PayoutPosted(
        payout=payout.id,
        kind=cast(PayoutKind, payout.kind),
        household=payout.household,
        division=division.text,
        fen=payout.fen,
        paid_on=payout.paid_on,
        book=book,
        entry_number=entry_number(period, number),
        reverses=payout.reverses,
    )


def payouts_of(book: Book, entries: tuple[Entry, ...], posted: tuple[Posted, ...]) -> list[tuple[Payout, PayoutPosted]]:
    """Payouts and facts of a batch that was just posted; an entry found posted before pays nothing again."""
    found = []
    for entry, answer in zip(entries, posted, strict=True):
        payout = payout_of(entry, answer) if answer.fresh else None
        if payout is not None:
            found.append((payout, payout_posted(payout, book.id, book.division, answer.period, answer.number)))
    return found
