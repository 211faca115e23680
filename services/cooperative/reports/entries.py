"""Entries and their legs, as they were posted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.cooperative.domain import Book, Kind, Side, entry_number
from services.cooperative.domain.refusals import EntryMissing
from shared.db import Transaction

COLUMNS = """
select e.id as key, e.public_id as id, e.period, e.no, e.kind, e.eff, e.memo, e.source, e.draft_id, e.legs, e.posted_by,
       e.posted_at, o.public_id as reverses, r.public_id as reversed_by
  from entry e left join entry o on o.id = e.reverses left join entry r on r.reverses = e.id
"""


@dataclass(frozen=True, slots=True)
class EntryLine:
    """凭证行."""

    key: int
    id: UUID
    number: str
    period: int
    no: int
    kind: str
    on: date
    memo: str
    posting: str
    draft: UUID
    legs: int
    posted_by: str
    posted_at: datetime
    reverses: UUID | None
    reversed_by: UUID | None


@dataclass(frozen=True, slots=True)
class LegLine:
    """分录行: account code, member number where it is a member's own leaf, side, amount in fen."""

    account: str
    member: int | None
    side: str
    fen: int


async def entries(
    tx: Transaction, book: Book, period: int | None, draft: UUID | None, after: list[Any] | None, limit: int
) -> list[EntryLine]:
    """Entries of a book by month and number."""
    rows = await tx.driver.fetch(
        COLUMNS
        + " where e.book_id = $1 and ($2::int is null or e.period = $2) and ($3::uuid is null or e.draft_id = $3)"
        " and (e.period, e.no) > ($4::int, $5::int) order by e.period, e.no limit $6",
        book.key,
        period,
        draft,
        int(after[0]) if after else 0,
        int(after[1]) if after else 0,
        limit + 1,
    )
    return [_line(row) for row in rows]


async def entry(tx: Transaction, book: Book, entry_id: UUID) -> tuple[EntryLine, list[LegLine]]:
    """One entry with all its legs."""
    row = await tx.driver.fetchrow(COLUMNS + " where e.book_id = $1 and e.public_id = $2", book.key, entry_id)
    if row is None:
        raise EntryMissing(entry=entry_id)
    legs = await tx.driver.fetch(
        "select a.code, m.number, l.side, l.amount from leg l join account a on a.id = l.account_id"
        " left join member m on m.id = a.member_id where l.entry_id = $1 order by l.n",
        row["key"],
    )
    return _line(row), [LegLine(leg["code"], leg["number"], Side.of(leg["side"]).value, leg["amount"]) for leg in legs]


def _line(row: Any) -> EntryLine:
    same = {
        name: row[name]
        for name in ("key", "id", "period", "no", "memo", "legs", "posted_by", "posted_at", "reverses", "reversed_by")
    }
    number, kind = entry_number(row["period"], row["no"]), Kind.of(row["kind"]).value
    return EntryLine(**same, number=number, kind=kind, on=row["eff"], posting=row["source"], draft=row["draft_id"])
