"""Members, and the households they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import sqlalchemy as sa

from services.cooperative import tables
from services.cooperative.domain import Book, Household, Member, Span
from shared.db import Transaction, lock


async def lock_members(tx: Transaction, book: Book) -> None:
    """One list of members at a time."""
    await lock(tx, f"members {book.key}")


async def load_members(tx: Transaction, book: Book) -> tuple[Member, ...]:
    """All members of a book by number."""
    member = tables.member
    columns = sa.select(member.c.number, member.c.household, member.c.joined_on)
    rows = await tx.core.execute(columns.where(member.c.book_id == book.key).order_by(member.c.number))
    return tuple(Member(row.number, row.household, row.joined_on) for row in rows)


async def load_households(tx: Transaction, numbers: Sequence[str]) -> dict[str, Household]:
    """Households in scope by their number; one that was merged into another no longer answers to it."""
    rows = await tx.driver.fetch(
        "select id, number, statuses from household where number = any($1::text[]) and superseded_by is null", numbers
    )
    return {row["number"]: Household(row["id"], row["number"], _spans(row["statuses"])) for row in rows}


def _spans(kept: list[dict[str, str | None]]) -> tuple[Span, ...]:
    return tuple(
        Span(str(one["kind"]), _day(one["since"]) or date.min, _day(one["until"])) for one in kept if one["since"]
    )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


async def save_members(tx: Transaction, book: Book, members: Sequence[Member], by: str, at: datetime) -> None:
    """Enter them set-wise."""
    await tx.driver.execute(
        "insert into member (book_id, number, household, joined_on, entered_by, entered_at)"
        " select $1, n, h, j, $5, $6 from unnest($2::int[], $3::uuid[], $4::date[]) as m (n, h, j) order by n",
        book.key,
        [member.number for member in members],
        [member.household for member in members],
        [member.joined_on for member in members],
        by,
        at,
    )


async def open_leaves(tx: Transaction, book: Book, code: str) -> None:
    """See that every member has a leaf of that account; they are opened when a posting first needs them."""
    await tx.driver.fetchval("select open_leaves($1, $2)", book.key, code)
