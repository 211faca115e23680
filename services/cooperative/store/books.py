"""Books and their months. A month's row is the one lock that every writer takes first."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.cooperative import tables
from services.cooperative.domain import Admission, Book, ChartException, Month, MonthStatus
from services.cooperative.domain.refusals import BookMissing, BookTwice, MonthMissing
from services.cooperative.store.guards import guarded
from shared.db import Transaction, is_out_of_scope, lock
from shared.errors import ScopeRefused
from shared.values import DivisionCode, Scope


def book_of(row: sa.RowMapping) -> Book:
    """A book from its row."""
    status, exception = row["admission_status"], row["chart_exception"]
    return Book(
        key=row["id"],
        id=row["public_id"],
        division=DivisionCode(row["division"]),
        name=row["name"],
        chart=row["chart"],
        opened_on=row["opened_on"],
        opened_by=row["opened_by"],
        opened_at=row["opened_at"],
        admission=Admission(status, row["admission_on"]) if status else None,
        chart_exception=(
            ChartException(exception, row["chart_exception_by"], row["chart_exception_at"]) if exception else None
        ),
    )


async def load_book(tx: Transaction, scope: Scope, book_id: UUID) -> Book:
    """The book, if it lies in scope; else it is missing."""
    found = await _find(tx, book_id)
    if found is None or not scope.contains(found.division):
        raise BookMissing(book=book_id)
    return found


async def _find(tx: Transaction, book_id: UUID) -> Book | None:
    chosen = sa.select(tables.book).where(tables.book.c.public_id == book_id)
    row = (await tx.core.execute(chosen)).mappings().one_or_none()
    return None if row is None else book_of(row)


async def save_book(tx: Transaction, book: Book) -> Book:
    """Keep a new book with all accounts of its chart. The same book again is answered as it stands."""
    known = await _find(tx, book.id)
    if known is not None:
        if not known.same_as(book):
            raise BookTwice(book=book.id)
        return known
    made = sa.insert(tables.book).values(**_columns(book)).returning(tables.book)
    try:
        row = (await tx.core.execute(made)).mappings().one()
    except sa.exc.DBAPIError as error:
        if is_out_of_scope(error):
            raise ScopeRefused(division=book.division) from error
        raise BookTwice(book=book.id) from error
    saved = book_of(row)
    await _open_chart(tx, saved)
    return saved


def _columns(book: Book) -> dict[str, Any]:
    admission, exception = book.admission, book.chart_exception
    return {
        "public_id": book.id,
        "division": book.division.value,
        "name": book.name,
        "chart": book.chart,
        "opened_on": book.opened_on,
        "opened_by": book.opened_by,
        "opened_at": book.opened_at,
        "admission_status": admission.status if admission else None,
        "admission_on": admission.on if admission else None,
        "chart_exception": exception.reason if exception else None,
        "chart_exception_by": exception.by if exception else None,
        "chart_exception_at": exception.at if exception else None,
    }


async def _open_chart(tx: Transaction, book: Book) -> None:
    line = tables.chart_account
    wanted = sa.select(line.c.code).where(line.c.chart == book.chart, ~line.c.optional).order_by(line.c.code)
    codes = list((await tx.core.execute(wanted)).scalars())
    await tx.driver.fetchval("select open_accounts($1, $2)", book.key, codes)


async def lock_book(tx: Transaction, book: Book) -> None:
    """One decision about a book at a time: what a posting looks at does not move until it is posted."""
    await lock(tx, f"book {book.key}")


async def load_months(tx: Transaction, book: Book) -> tuple[Month, ...]:
    """All months of a book, oldest first."""
    head = tables.period_head
    rows = await tx.core.execute(sa.select(head).where(head.c.book_id == book.key).order_by(head.c.period))
    return tuple(_month(book, row) for row in rows.mappings())


def _month(book: Book, row: sa.RowMapping) -> Month:
    status = MonthStatus.OPEN if row["status"] == "o" else MonthStatus.CLOSED
    return Month(book.key, row["period"], status, row["last_no"])


async def lock_month(tx: Transaction, book: Book, period: int) -> Month:
    """The month's row, held to the end of the transaction."""
    async with guarded(period=period):
        row = await tx.driver.fetchrow(
            "select $2::int as period, status, last_no from lock_month($1, $2)", book.key, period
        )
    if row is None:
        raise MonthMissing(period=period)
    return _month(book, row)


async def save_month(tx: Transaction, book: Book, month: Month) -> None:
    """Open a month."""
    async with guarded(book=book.id):
        await tx.driver.execute("select open_month($1, $2)", book.key, month.period)


async def close_month(tx: Transaction, book: Book, month: Month, drafts: int, by: str, at: datetime) -> None:
    """Close it with its digest; the database counts the drafts again under the month's lock."""
    async with guarded(period=month.period, drafts=drafts):
        await tx.driver.execute("select close_month($1, $2, $3, $4)", book.key, month.period, by, at)
