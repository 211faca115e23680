"""The ledger against a model of sixty lines: any order of deeds leaves the same balances, numbers and payouts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.cooperative import actions, reports, store
from services.cooperative.domain import Book, Draft, Entry, MemberRow, Posted, apportion
from services.cooperative.domain import refusals as why
from shared.db import transaction
from shared.errors import Problem
from stack.provision import Database
from tests.cooperative.make import (
    ACCOUNTANT,
    APPROVER,
    NOW,
    OPENED,
    Office,
    approved_draft,
    distribution_terms,
    make_entry,
    opening_terms,
    payment_terms,
    reversal_terms,
)

T = TypeVar("T")
MEMBERS = 3
CODES = ("102", "332", "322", "121")
DAYS = {201908: date(2019, 8, 25), 201909: date(2019, 9, 20)}


class Model:
    """What the ledger should say: plain counters, no cleverness."""

    def __init__(self) -> None:
        self.value: Counter[str] = Counter()  # debit less credit by account, a member's leaf as "222/1"
        self.numbers: Counter[int] = Counter()
        self.closed: set[int] = set()
        self.opened_by: str | None = None
        self.entries: dict[str, list[tuple[str, int]]] = {}  # entry id -> (account, value)
        self.reversed: set[str] = set()
        self.reversals: set[str] = set()
        self.owed: dict[str, Counter[int]] = {}  # distribution id -> member number -> fen
        self.paid: dict[str, tuple[str, int, int]] = {}  # payment id -> distribution, member number, fen
        self.payout_fen = 0

    def stands(self, moves: list[list[tuple[str, int]]]) -> bool:
        """Whether no guarded account falls below zero at the end of any of these entries."""
        value = self.value.copy()
        for entry in moves:
            for account, amount in entry:
                value[account] += amount
            if value["102"] < 0 or any(value[account] > 0 for account in value if account.startswith("222/")):
                return False
        return True

    def post(self, period: int, entry_id: str, moves: list[tuple[str, int]]) -> None:
        self.numbers[period] += 1
        self.entries[entry_id] = moves
        for account, amount in moves:
            self.value[account] += amount


class LedgerMachine(RuleBasedStateMachine):
    """Deeds in any order, in two months of one book."""

    database: Database
    run: Callable[[Coroutine[Any, Any, Any]], Any]

    def __init__(self) -> None:
        super().__init__()
        self.office = Office.of(self.database)
        self.model = Model()
        self.batches: list[tuple[Draft, tuple[Entry, ...], tuple[Posted, ...]]] = []

    def teardown(self) -> None:
        """At the end of each story the verifier and the trial balance have their say."""
        try:
            if hasattr(self, "book"):
                for period in DAYS:
                    assert self.run(self.office.ask(reports.trial_balance, self.book, period)).is_balanced
                assert self.run(self.office.faults()) == []
        finally:
            self.run(self.office.close())

    @initialize()
    def open_the_book(self) -> None:
        self.book: Book = self.run(self.office.open_book())
        self.run(self.office.enter(self.book, MEMBERS) if not self.households() else self.enter_known())
        self.run(self.office.open_months(self.book, 201909))
        rows = self.run(self.office.rows("select code, id from account where book_id = $1", self.book.key))
        self.accounts = {row["code"]: row["id"] for row in rows}

    def households(self) -> list[Any]:
        found: list[Any] = self.run(self.office.rows("select number from household order by number"))
        return found

    async def enter_known(self) -> None:
        known = await self.office.rows("select number from household order by number")
        rows = [MemberRow(n, n, row["number"], OPENED) for n, row in enumerate(known, 1)]
        await self.office.do(actions.enter_members, self.book.id, rows, ACCOUNTANT, NOW)

    def attempt(self, deed: Coroutine[Any, Any, T], fine: bool, *refusals: type[Exception]) -> T | None:
        """The deed succeeds exactly when the model says so."""
        if fine:
            done: T = self.run(deed)
            return done
        with pytest.raises(refusals):
            self.run(deed)
        return None

    async def booked(self, terms: dict[str, Any]) -> tuple[Posted, ...]:
        """Drafted and approved; what may not be posted is rejected, as people would before they close the month."""
        draft = await self.office.draft(self.book, terms)
        try:
            return await self.office.approve(draft)
        except Problem:
            await self.office.do(actions.reject_draft, draft.id, "不予入账", APPROVER, NOW)
            raise

    # ── deeds ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(
        period=st.sampled_from(sorted(DAYS)),
        moves=st.lists(
            st.tuples(st.sampled_from(CODES), st.sampled_from(CODES), st.integers(-500, 900).filter(bool)),
            min_size=1,
            max_size=4,
        ),
    )
    def post_a_batch(self, period: int, moves: list[tuple[str, str, int]]) -> None:
        entries = tuple(
            make_entry(self.accounts[debit], self.accounts[credit], fen, on=DAYS[period])
            for debit, credit, fen in moves
        )
        planned = [[(debit, fen), (credit, -fen)] for debit, credit, fen in moves]
        fine = period not in self.model.closed and self.model.stands(planned)
        done = self.attempt(self.post(entries), fine, why.MonthClosed, why.AccountOverdrawn)
        if done is not None:
            draft, posted = done
            self.batches.append((draft, entries, posted))
            for answer, move in zip(posted, planned, strict=True):
                self.model.post(period, str(answer.id), move)

    async def post(self, entries: tuple[Entry, ...]) -> tuple[Draft, tuple[Posted, ...]]:
        async with transaction(self.office.api, self.office.scope) as tx:
            draft = await approved_draft(tx, self.book, entries)
            return draft, await store.post_many(tx, self.book, draft, entries, APPROVER, NOW)

    @precondition(lambda self: self.batches)
    @rule(chosen=st.integers(0, 10**6))
    def post_it_again(self, chosen: int) -> None:
        draft, entries, posted = self.batches[chosen % len(self.batches)]

        async def again() -> tuple[Posted, ...]:
            async with transaction(self.office.api, self.office.scope) as tx:
                return await store.post_many(tx, self.book, draft, entries, APPROVER, NOW)

        answers = self.run(again())
        assert [(one.id, one.number, one.fresh) for one in answers] == [(one.id, one.number, False) for one in posted]

    @rule(fen=st.integers(1, 5_000))
    def open_it(self, fen: int) -> None:
        fine = self.model.opened_by is None and 201908 not in self.model.closed
        terms = opening_terms(fen, on=DAYS[201908])
        done = self.attempt(self.booked(terms), fine, why.OpeningTwice, why.MonthClosed)
        if done is not None:
            self.model.opened_by = str(done[0].id)
            self.model.post(201908, self.model.opened_by, [("102", fen), ("332", -fen)])

    @rule(fen=st.integers(1, 3_000), period=st.sampled_from(sorted(DAYS)))
    def distribute(self, fen: int, period: int) -> None:
        fine = MEMBERS <= fen <= -self.model.value["332"] and period not in self.model.closed
        terms = distribution_terms(fen, DAYS[period])
        done = self.attempt(self.booked(terms), fine, why.SurplusShort, why.SharesVanish, why.MonthClosed)
        if done is not None:
            parts = apportion(fen, dict.fromkeys(range(1, MEMBERS + 1), 1))
            entry_id = str(done[0].id)
            moves = [("332", fen), *((f"222/{number}", -part) for number, part in parts.items())]
            self.model.post(period, entry_id, moves)
            self.model.owed[entry_id] = Counter(parts)

    @precondition(lambda self: self.model.owed)
    @rule(chosen=st.integers(0, 10**6))
    def pay(self, chosen: int) -> None:
        distribution = sorted(self.model.owed)[chosen % len(self.model.owed)]
        owed = {number: fen for number, fen in self.model.owed[distribution].items() if fen}
        moves = [[(f"222/{number}", fen), ("102", -fen)] for number, fen in sorted(owed.items())]
        fine = (
            bool(owed)
            and 201909 not in self.model.closed
            and distribution not in self.model.reversed
            and self.model.stands(moves)
        )
        terms = payment_terms(UUID(distribution), DAYS[201909])
        done = self.attempt(
            self.booked(terms), fine, why.NothingOwed, why.MonthClosed, why.DistributionMissing,
            why.AccountOverdrawn,
        )  # fmt: skip
        if done is not None:
            for answer, move, (number, fen) in zip(done, moves, sorted(owed.items()), strict=True):
                self.model.post(201909, str(answer.id), move)
                self.model.paid[str(answer.id)] = (distribution, number, fen)
                self.model.owed[distribution][number] -= fen
                self.model.payout_fen += fen

    @precondition(lambda self: self.model.entries)
    @rule(chosen=st.integers(0, 10**6))
    def reverse(self, chosen: int) -> None:
        entry_id = sorted(self.model.entries)[chosen % len(self.model.entries)]
        red = [(account, -value) for account, value in self.model.entries[entry_id]]
        fine = (
            201909 not in self.model.closed
            and entry_id not in self.model.reversed
            and entry_id not in self.model.reversals
            and self.model.stands([red])
        )
        terms = reversal_terms(UUID(entry_id), DAYS[201909])
        done = self.attempt(
            self.booked(terms), fine, why.ReversedAlready, why.ReversalOfReversal, why.MonthClosed,
            why.AccountOverdrawn,
        )  # fmt: skip
        if done is not None:
            self.model.post(201909, str(done[0].id), red)
            self.model.reversed.add(entry_id)
            self.model.reversals.add(str(done[0].id))
            if entry_id == self.model.opened_by:
                self.model.opened_by = None
            if entry_id in self.model.paid:
                distribution, number, fen = self.model.paid[entry_id]
                self.model.owed[distribution][number] += fen
                self.model.payout_fen -= fen

    @rule()
    def close_the_oldest_month(self) -> None:
        left = [period for period in sorted(DAYS) if period not in self.model.closed]
        if left == [201908]:
            return
        period = left[0] if left else 201908
        deed = self.office.do(actions.close_month, self.book.id, period, ACCOUNTANT, NOW)
        if self.attempt(deed, bool(left), why.MonthClosed) is not None:
            self.model.closed.add(period)

    # ── what always holds ─────────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        if not hasattr(self, "book"):
            return
        rows = self.run(
            self.office.rows(
                "select a.code, m.number, b.dr - b.cr as value from balance b join account a on a.id = b.account_id"
                " left join member m on m.id = a.member_id where a.book_id = $1 and b.dr - b.cr <> 0",
                self.book.key,
            )
        )
        held = {
            row["code"] if row["number"] is None else f"{row['code']}/{row['number']}": row["value"] for row in rows
        }
        assert held == {account: value for account, value in self.model.value.items() if value}
        heads = self.run(self.office.rows("select period, last_no from period_head where book_id = $1", self.book.key))
        assert {row["period"]: row["last_no"] for row in heads} == {
            period: self.model.numbers[period] for period in DAYS
        }
        total = self.run(self.office.ask(reports.payout_total, self.book))
        assert total[2] == self.model.payout_fen


def test_the_ledger_agrees_with_its_model(
    database: Callable[[str], Database], wipe: Callable[[Database], None]
) -> None:
    own = database("cooperative")
    wipe(own)
    with asyncio.Runner() as runner:

        class Machine(LedgerMachine):
            database = own
            run = staticmethod(runner.run)

        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=15,
                stateful_step_count=16,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
            ),
        )
