"""What the cooperative service can do: one function a verb, load → decide → save → announce."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.cooperative import domain, reports, store
from services.cooperative.domain import (
    Admission,
    Book,
    Chart,
    ChartException,
    Draft,
    Enrolment,
    Entry,
    MemberRow,
    Month,
    Posted,
)
from services.cooperative.domain.refusals import ChartMissing, MonthMissing
from services.cooperative.postings import POSTINGS, Terms, read_terms
from shared.db import Transaction
from shared.events.registry import DivisionRecorded, HouseholdRecorded
from shared.hearing import Withdrawal
from shared.outbox import Said, announce_many
from shared.parameters import Parameters
from shared.values import DivisionCode, Scope

CHART_IN_FORCE = "chart_of_accounts"


@dataclass(frozen=True, slots=True)
class BookWish:
    """建账申请: what an accountant states when a book is to be opened."""

    id: UUID
    division: DivisionCode
    name: str
    opened_on: date
    chart: str | None = None
    chart_exception: str | None = None
    admission: Admission | None = None


async def open_book(tx: Transaction, scope: Scope, wish: BookWish, by: str, now: datetime) -> Book:
    """Open a book with its chart's accounts and its first month."""
    parameters, charts = await store.load_parameters(tx), await store.load_charts(tx)
    chart = _chart(parameters, charts, wish)
    exception = ChartException(wish.chart_exception, by, now) if wish.chart_exception else None
    book = Book(wish.id, wish.division, wish.name, chart.code, wish.opened_on, by, now, wish.admission, exception)
    saved = await store.save_book(tx, book)
    months = await store.load_months(tx, saved)
    if not months:
        await store.save_month(tx, saved, domain.open_month(saved, months, saved.first_period, now))
    return saved


def _chart(parameters: Parameters, charts: Sequence[Chart], wish: BookWish) -> Chart:
    """The chart wished for, or the law's of that place and day; any other needs a recorded exception."""
    in_force = parameters.find(CHART_IN_FORCE, wish.division, wish.opened_on)
    code = wish.chart or (in_force or parameters.at(CHART_IN_FORCE, wish.division, wish.opened_on)).value
    chart = next((chart for chart in charts if chart.code == code), None)
    if chart is None:
        raise ChartMissing(chart=code)
    domain.check_chart(chart, in_force, wish.opened_on, wish.chart_exception)
    return chart


async def enter_members(
    tx: Transaction, scope: Scope, book_id: UUID, rows: list[MemberRow], by: str, now: datetime
) -> Enrolment:
    """Take in a list of members; rows in = entered + unchanged + refused."""
    book = await store.load_book(tx, scope, book_id)
    await store.lock_members(tx, book)
    households = await store.load_households(tx, [row.household_number for row in rows])
    enrolment = domain.enrol(book, rows, households, await store.load_members(tx, book))
    await store.save_members(tx, book, enrolment.entered, by, now)
    return enrolment


async def open_month(tx: Transaction, scope: Scope, book_id: UUID, period: int, now: datetime) -> Month:
    """Open the month that follows; one that is open already is answered as it stands."""
    book = await store.load_book(tx, scope, book_id)
    await store.lock_book(tx, book)
    months = await store.load_months(tx, book)
    known = next((month for month in months if month.period == period), None)
    if known is not None:
        return known
    month = domain.open_month(book, months, period, now)
    await store.save_month(tx, book, month)
    return month


async def close_month(tx: Transaction, scope: Scope, book_id: UUID, period: int, by: str, now: datetime) -> Month:
    """Close the oldest open month: from then on nothing is posted into it."""
    book = await store.load_book(tx, scope, book_id)
    months = await store.load_months(tx, book)
    if period not in {month.period for month in months}:
        raise MonthMissing(period=period)
    await store.lock_month(tx, book, period)
    closed = domain.close_month(await store.load_months(tx, book), period)
    waiting = await reports.waiting_drafts(tx, book, period)
    await store.close_month(tx, book, closed, waiting, by, now)
    return closed


async def draft_posting(
    tx: Transaction, scope: Scope, book_id: UUID, draft_id: UUID, terms: Terms, by: str, now: datetime
) -> Draft:
    """Make a draft: the entries that follow from the terms today, frozen for a second person to decide on."""
    book = await store.load_book(tx, scope, book_id)
    month = await store.lock_month(tx, book, domain.period_of(terms.on))
    month.check_open()
    entries = await _entries(tx, book, draft_id, terms)
    draft = domain.make_draft(draft_id, book, terms.posting_name, terms.model_dump(mode="json"), entries, by, now)
    await store.save_draft(tx, draft)
    return draft


async def _entries(tx: Transaction, book: Book, draft_id: UUID, terms: Terms) -> tuple[Entry, ...]:
    posting = POSTINGS[terms.posting_name]
    if posting.member_leaves is not None:
        await store.open_leaves(tx, book, posting.member_leaves)
    ground = await store.load_ground(tx, book, posting.member_leaves, terms.refers_to)
    return posting.entries(ground, terms, draft_id)


async def approve_draft(
    tx: Transaction, scope: Scope, draft_id: UUID, by: str, now: datetime
) -> tuple[Draft, tuple[Posted, ...]]:
    """A second person approves: the entries are worked out again, must be the same, and are posted all or none."""
    book, draft = await store.lock_draft(tx, scope, draft_id)
    await store.lock_book(tx, book)
    month = await store.lock_month(tx, book, draft.period)
    month.check_open()
    domain.check_decidable(draft, by)
    again = await _entries(tx, book, draft.id, read_terms(draft.terms))
    approved = domain.approve(draft, again, by, now)
    await store.save_decision(tx, approved)
    posted = await store.post_many(tx, book, approved, approved.entries, by, now)
    await _announce_payouts(tx, book, approved.entries, posted, now)
    return approved, posted


async def _announce_payouts(
    tx: Transaction, book: Book, entries: tuple[Entry, ...], posted: tuple[Posted, ...], now: datetime
) -> None:
    """One payout and one outbox row a household, in the posting's own transaction."""
    paid = domain.payouts_of(book, entries, posted)
    await store.save_payouts(tx, [payout for payout, _ in paid])
    await announce_many(tx, [Said(payout.household, fact) for payout, fact in paid], at=now)


async def reject_draft(tx: Transaction, scope: Scope, draft_id: UUID, reason: str, by: str, now: datetime) -> Draft:
    """Send a draft back, or withdraw one's own."""
    _, draft = await store.lock_draft(tx, scope, draft_id)
    rejected = domain.reject(draft, reason, by, now)
    await store.save_decision(tx, rejected)
    return rejected


async def keep_divisions(tx: Transaction, facts: Sequence[DivisionRecorded]) -> None:
    """Keep the newest of each division."""
    await store.save_divisions(tx, facts)


async def keep_households(tx: Transaction, facts: Sequence[HouseholdRecorded]) -> None:
    """Keep the newest of each household; memberships stay as they are, whatever its status has become."""
    await store.save_households(tx, facts)


async def forget_divisions(tx: Transaction, withdrawal: Withdrawal) -> None:
    """Let go of divisions that registry, restored from an older backup, no longer has."""
    await store.forget_divisions(tx, await withdrawal.unnamed(tx, await store.load_division_codes(tx)))


async def forget_households(tx: Transaction, withdrawal: Withdrawal) -> None:
    """The same for households. Members and payouts are our own records and stay."""
    await store.forget_households(tx, await withdrawal.unnamed(tx, await store.load_household_ids(tx)))


async def payouts_again(tx: Transaction, epoch: int) -> AsyncIterator[Sequence[Said]]:
    """All payouts under their own ids, for listeners that lost them; a primary record has no version to raise."""
    async for facts in store.payouts_to_say_again(tx):
        yield [Said(fact.household, fact) for fact in facts]
