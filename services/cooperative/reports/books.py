"""Which books there are, and who is a member of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.cooperative import tables
from services.cooperative.domain import Book
from shared.db import Transaction
from shared.values import DivisionCode


@dataclass(frozen=True, slots=True)
class BookLine:
    """账簿行."""

    key: int
    id: UUID
    division: DivisionCode
    name: str
    chart: str
    opened_on: date
    chart_exception: str | None


@dataclass(frozen=True, slots=True)
class MemberLine:
    """成员行: a member with what was heard of its household."""

    number: int
    household: UUID
    joined_on: date
    left_on: date | None
    household_number: str | None
    masked_head: str | None


async def books(tx: Transaction, after: list[Any] | None, limit: int) -> list[BookLine]:
    """Books in scope, in the order in which they were opened."""
    book = tables.book
    chosen = sa.select(book).order_by(book.c.id).limit(limit + 1)
    if after is not None:
        chosen = chosen.where(book.c.id > int(after[0]))
    return [_book(row) for row in (await tx.core.execute(chosen)).mappings()]


def _book(row: sa.RowMapping) -> BookLine:
    plain = {name: row[name] for name in ("name", "chart", "opened_on", "chart_exception")}
    return BookLine(key=row["id"], id=row["public_id"], division=DivisionCode(row["division"]), **plain)


async def members(tx: Transaction, book: Book, after: list[Any] | None, limit: int) -> list[MemberLine]:
    """Members of a book by number. A household outside the caller's scope shows its id alone."""
    member, household = tables.member, tables.household
    chosen = (
        sa.select(
            member.c.number,
            member.c.household,
            member.c.joined_on,
            member.c.left_on,
            household.c.number.label("household_number"),
            household.c.masked_head,
        )
        .join_from(member, household, household.c.id == member.c.household, isouter=True)
        .where(member.c.book_id == book.key, member.c.number > (int(after[0]) if after else 0))
        .order_by(member.c.number)
        .limit(limit + 1)
    )
    return [MemberLine(**row) for row in (await tx.core.execute(chosen)).mappings()]
