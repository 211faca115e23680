"""Drafts: which wait, which were decided, and what each would post."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.cooperative import tables
from services.cooperative.domain import Book, Draft, DraftState, Entry, Leg
from services.cooperative.reports.entries import LegLine
from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class DraftLine:
    """草稿行."""

    id: UUID
    posting: str
    period: int
    state: str
    entries: int
    drafted_by: str
    drafted_at: datetime
    decided_by: str | None
    decided_at: datetime | None


async def waiting_drafts(tx: Transaction, book: Book, period: int) -> int:
    """How many of a month still wait for a decision."""
    draft = tables.draft
    waiting = sa.and_(
        draft.c.book_id == book.key, draft.c.period == period, draft.c.state == sa.literal(DraftState.WAITING.value)
    )
    return int((await tx.core.execute(sa.select(sa.func.count()).where(waiting))).scalar_one())


async def drafts(
    tx: Transaction, book: Book, state: DraftState | None, after: list[Any] | None, limit: int
) -> list[DraftLine]:
    """Drafts of a book, oldest first."""
    rows = await tx.driver.fetch(
        "select id, posting, period, state, jsonb_array_length(entries) as entries, drafted_by, drafted_at, decided_by,"
        " decided_at from draft where book_id = $1 and ($2::text is null or state = $2)"
        " and ($3::timestamptz is null or (drafted_at, id) > ($3, $4::uuid)) order by drafted_at, id limit $5",
        book.key,
        None if state is None else state.value,
        None if after is None else datetime.fromisoformat(after[0]),
        None if after is None else UUID(after[1]),
        limit + 1,
    )
    return [DraftLine(**row) for row in rows]


async def draft_entries(tx: Transaction, draft: Draft, shown: Sequence[Entry]) -> list[list[LegLine]]:
    """The legs of some of a draft's entries as people read them: account codes and member numbers."""
    ids = {leg.account for entry in shown for leg in entry.legs}
    rows = await tx.driver.fetch(
        "select a.id, a.code, m.number from account a left join member m on m.id = a.member_id"
        " where a.book_id = $1 and a.id = any($2::bigint[])",
        draft.book,
        list(ids),
    )
    names = {row["id"]: (row["code"], row["number"]) for row in rows}
    return [[_line(leg, names) for leg in entry.legs] for entry in shown]


def _line(leg: Leg, names: dict[int, tuple[str, int | None]]) -> LegLine:
    code, member = names[leg.account]
    return LegLine(code, member, leg.side.value, leg.amount)
