"""账簿 and 会计期间: one cooperative's ledger, and the months in which it takes entries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from services.cooperative.domain.refusals import MonthAhead, MonthClosed, MonthOrder
from shared.clock import today
from shared.values import DivisionCode


def period_of(day: date) -> int:
    """The month a day belongs to, as 201909."""
    return day.year * 100 + day.month


def period_after(period: int) -> int:
    """The month that follows."""
    return period + 1 if period % 100 < 12 else period + 89


def period_before(period: int) -> int:
    """The month before."""
    return period - 1 if period % 100 > 1 else period - 89


def is_period(period: int) -> bool:
    """Whether a number names a month."""
    return 190001 <= period <= 999912 and 1 <= period % 100 <= 12


@dataclass(frozen=True, slots=True)
class Admission:
    """入社条件: households that had a status on a day may join. Losing the status later ends no membership."""

    status: str
    on: date


@dataclass(frozen=True, slots=True)
class ChartException:
    """科目表例外: why a book uses a chart that was not the law on its opening day, and who said so."""

    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Book:
    """账簿: one cooperative, one chart, one division. Everything in it is scoped by this division."""

    id: UUID
    division: DivisionCode
    name: str
    chart: str
    opened_on: date
    opened_by: str
    opened_at: datetime
    admission: Admission | None = None
    chart_exception: ChartException | None = None
    key: int = 0

    @property
    def first_period(self) -> int:
        """The month in which it opens."""
        return period_of(self.opened_on)

    def same_as(self, other: Book) -> bool:
        """Whether both say the same, whoever typed them and whenever."""
        return _spoken(self) == _spoken(other)


def _spoken(book: Book) -> tuple[object, ...]:
    exception = book.chart_exception.reason if book.chart_exception else None
    return book.id, book.division, book.name, book.chart, book.opened_on, book.admission, exception


class MonthStatus(StrEnum):
    """期间状态: 开放 or 已结账."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Month:
    """会计期间: one month of one book; its row is the one lock that every writer takes first."""

    book: int
    period: int
    status: MonthStatus
    last_number: int = 0

    def check_open(self) -> None:
        """Refuse if nothing may be posted into it any more."""
        if self.status is MonthStatus.CLOSED:
            raise MonthClosed(period=self.period)


def open_month(book: Book, months: tuple[Month, ...], period: int, now: datetime) -> Month:
    """Months open one after the other, never before they begin."""
    if period > period_of(today(now)):
        raise MonthAhead(period=period)
    newest = max((month.period for month in months), default=period_before(book.first_period))
    if period != period_after(newest):
        raise MonthOrder(period=period, earlier=period_after(newest))
    return Month(book.key, period, MonthStatus.OPEN)


def close_month(months: tuple[Month, ...], period: int) -> Month:
    """Months close one after the other; the drafts that wait are counted under the month's lock by the store."""
    earlier = [month.period for month in months if month.period < period and month.status is MonthStatus.OPEN]
    if earlier:
        raise MonthOrder(period=period, earlier=min(earlier))
    month = next(month for month in months if month.period == period)
    month.check_open()
    return replace(month, status=MonthStatus.CLOSED)
