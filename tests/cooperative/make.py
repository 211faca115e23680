"""Plain builders for cooperative's tests, and an office: one book with its people, over the real database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.cooperative import actions, domain, reports, store
from services.cooperative.actions import BookWish
from services.cooperative.domain import Admission, Book, Draft, Entry, Leg, MemberRow, Posted, Side
from services.cooperative.postings import read_terms
from shared.db import Transaction, create_engine, transaction
from shared.events.registry import DivisionRecorded, HouseholdRecorded, StatusSpan
from shared.values import DivisionCode, Scope, new_id
from stack.provision import Database

Answer = TypeVar("Answer")

COUNTY = DivisionCode.parse("623023")
NEIGHBOUR = DivisionCode.parse("623022")
VILLAGE = DivisionCode.parse("623023001001")
OPENED = date(2019, 8, 20)
PAID_ON = date(2019, 9, 20)
NOW = datetime(2019, 9, 20, 2, 0, tzinfo=UTC)
ACCOUNTANT = "accountant-1"
APPROVER = "approver-1"
REASON = "2019年的账簿沿用2021年科目表"


def make_household(number: int = 1, village: DivisionCode = VILLAGE, **changes: Any) -> HouseholdRecorded:
    """A household that was 贫困户 on the day the book opens."""
    said: dict[str, Any] = {
        "household": new_id(),
        "version": 1,
        "number": f"{village.text}{number:04d}",
        "division": village.text,
        "group": None,
        "statuses": (StatusSpan(kind="poor", since=date(2014, 1, 1)),),
        "masked_head": "王*明",
        "headcount": 4,
    }
    return HouseholdRecorded(**{**said, **changes})


def make_division(code: str = "623023000000", **changes: Any) -> DivisionRecorded:
    """A county."""
    said: dict[str, Any] = {
        "version": 1,
        "code": code,
        "name": "舟曲县",
        "level": "county",
        "parent": None,
        "valid_from": date(1955, 1, 1),
    }
    return DivisionRecorded(**{**said, **changes})


def make_wish(**changes: Any) -> BookWish:
    """A book of the county, on the 2021 chart with its recorded exception."""
    wish: dict[str, Any] = {
        "id": new_id(),
        "division": COUNTY,
        "name": "舟曲县从岭藏鸡养殖农民专业合作社",
        "opened_on": OPENED,
        "chart": "cooperative_2021",
        "chart_exception": REASON,
        "admission": Admission("poor", OPENED),
    }
    return BookWish(**{**wish, **changes})


def opening_terms(fen: int, on: date = OPENED) -> dict[str, Any]:
    """Bank and surplus."""
    yuan = f"{fen // 100}.{fen % 100:02d}"
    lines = [{"account": "102", "side": "debit", "amount": yuan}, {"account": "332", "side": "credit", "amount": yuan}]
    return {"posting": "opening", "on": on, "surplus_stands": "after_patronage_return", "lines": lines}


def distribution_terms(fen: int, on: date) -> dict[str, Any]:
    """Pool 2."""
    return {"posting": "distribution", "on": on, "pool": "remainder", "amount": f"{fen // 100}.{fen % 100:02d}"}


def payment_terms(distribution: UUID, on: date) -> dict[str, Any]:
    """All that is owed under it."""
    return {"posting": "payment", "on": on, "distribution": distribution}


def reversal_terms(entry: UUID, on: date) -> dict[str, Any]:
    """Taken back."""
    return {"posting": "reversal", "on": on, "entry": entry, "reason": "银行退票"}


@dataclass
class Office:
    """合作社办公室: verbs in transactions of their own, as the api login with the county's scope."""

    database: Database
    api: AsyncEngine
    worker: AsyncEngine
    scope: Scope = field(default_factory=lambda: Scope.of([COUNTY]))
    now: datetime = NOW

    @classmethod
    def of(cls, database: Database) -> Office:
        return cls(database, create_engine(database.api), create_engine(database.worker))

    async def close(self) -> None:
        await self.api.dispose()
        await self.worker.dispose()

    async def do(
        self, verb: Callable[..., Awaitable[Answer]], *arguments: Any, scope: Scope | None = None, **named: Any
    ) -> Answer:
        """One verb, one transaction."""
        scope = self.scope if scope is None else scope
        async with transaction(self.api, scope, caller=ACCOUNTANT) as tx:
            return await verb(tx, scope, *arguments, **named)

    async def ask(
        self, report: Callable[..., Awaitable[Answer]], *arguments: Any, scope: Scope | None = None
    ) -> Answer:
        """One report."""
        async with transaction(self.api, self.scope if scope is None else scope) as tx:
            return await report(tx, *arguments)

    async def hear(self, facts: list[HouseholdRecorded]) -> None:
        """As the worker does."""
        async with transaction(self.worker, Scope.everything()) as tx:
            await actions.keep_households(tx, facts)

    async def open_book(self, **changes: Any) -> Book:
        return await self.do(actions.open_book, make_wish(**changes), ACCOUNTANT, self.now)

    async def open_months(self, book: Book, *periods: int) -> None:
        for period in periods:
            await self.do(actions.open_month, book.id, period, self.now)

    async def enter(self, book: Book, count: int, village: DivisionCode = VILLAGE) -> list[HouseholdRecorded]:
        """As many members as asked, numbered from 1."""
        facts = [make_household(number, village) for number in range(1, count + 1)]
        await self.hear(facts)
        rows = [MemberRow(n, n, fact.number, OPENED) for n, fact in enumerate(facts, 1)]
        enrolment = await self.do(actions.enter_members, book.id, rows, ACCOUNTANT, self.now)
        assert len(enrolment.entered) == count, enrolment.refused
        return facts

    async def draft(self, book: Book, terms: dict[str, Any], by: str = ACCOUNTANT) -> Draft:
        return await self.do(actions.draft_posting, book.id, new_id(), read_terms(terms), by, self.now)

    async def approve(self, draft: Draft, by: str = APPROVER) -> tuple[Posted, ...]:
        _, posted = await self.do(actions.approve_draft, draft.id, by, self.now)
        return posted

    async def post(self, book: Book, terms: dict[str, Any]) -> tuple[Posted, ...]:
        """Drafted by one, approved by another."""
        return await self.approve(await self.draft(book, terms))

    async def rows(self, sql: str, *arguments: Any) -> list[Any]:
        """What the tables hold, read with the full scope."""
        async with transaction(self.worker, Scope.everything()) as tx:
            return list(await tx.driver.fetch(sql, *arguments))

    async def faults(self) -> list[str]:
        """What the verifier finds, asked as it asks: by the superuser."""
        superuser = create_engine(self.database.admin, pool_size=1)
        try:
            async with transaction(superuser, Scope.everything(), caller="verify") as tx:
                return [fault.check for fault in await reports.ledger_faults(tx)]
        finally:
            await superuser.dispose()

    async def value(self, sql: str, *arguments: Any) -> Any:
        return (await self.rows(sql, *arguments))[0][0]


async def approved_draft(tx: Transaction, book: Book, entries: tuple[Entry, ...], now: datetime = NOW) -> Draft:
    """An approved draft of any entries: what the ledger's own tests post."""
    draft = domain.make_draft(new_id(), book, "test", {}, entries, ACCOUNTANT, now)
    await store.save_draft(tx, draft)
    approved = domain.approve(draft, entries, APPROVER, now)
    await store.save_decision(tx, approved)
    return approved


def make_entry(debit: int, credit: int, fen: int = 100, **changes: Any) -> Entry:
    """Two legs between two accounts."""
    said: dict[str, Any] = {
        "key": str(new_id()),
        "kind": domain.Kind.NORMAL,
        "on": date(2019, 8, 25),
        "memo": "测试",
        "legs": (Leg(debit, Side.DEBIT, fen), Leg(credit, Side.CREDIT, fen)),
    }
    return Entry(**{**said, **changes})
