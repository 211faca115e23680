"""What the cooperative does, over the real database: the dividend of 2,800,000.00 yuan among 4,436 households, and all
that can go wrong on its way.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.cooperative import actions, reports
from services.cooperative.domain import Book, MemberRow, MonthStatus, Posted
from services.cooperative.domain import refusals as why
from services.cooperative.postings import read_terms
from shared.db import Transaction
from shared.errors import ScopeRefused
from shared.events.registry import StatusSpan
from shared.values import Scope, new_id
from tests.cooperative.make import (
    ACCOUNTANT,
    APPROVER,
    COUNTY,
    NEIGHBOUR,
    NOW,
    OPENED,
    PAID_ON,
    REASON,
    Office,
    distribution_terms,
    make_household,
    make_wish,
    opening_terms,
    payment_terms,
    reversal_terms,
)

TOTAL = 280_000_000


async def book_ready_to_pay(office: Office, members: int, fen: int) -> tuple[Book, Posted]:
    """A book with members whose dividend is distributed and not yet paid."""
    book = await office.open_book()
    await office.enter(book, members)
    await office.post(book, opening_terms(fen))
    await office.open_months(book, 201909)
    (distribution,) = await office.post(book, distribution_terms(fen, PAID_ON))
    return book, distribution


async def said_by(office: Office) -> list[dict[str, Any]]:
    """The facts in the outbox, in order."""
    rows = await office.rows("select key, payload from outbox order by id")
    return [{"key": row["key"], **json.loads(row["payload"])} for row in rows]


async def test_the_dividend_of_zhouqu_to_the_fen(office: Office) -> None:
    book, distribution = await book_ready_to_pay(office, 4_436, TOTAL)
    paid = await office.post(book, payment_terms(distribution.id, PAID_ON))

    assert len(paid) == 4_436
    fen = Counter(row["fen"] for row in await office.rows("select fen from payout"))
    assert fen == {63_120: 4_116, 63_119: 320}
    smallest = await office.rows(
        "select m.number from payout p join member m on m.id = p.member_id where p.fen = 63119 order by 1"
    )
    assert [row["number"] for row in smallest] == list(range(4_117, 4_437)), "ties go to the lowest numbers"
    facts = await said_by(office)
    assert len(facts) == 4_436
    assert sum(fact["fen"] for fact in facts) == TOTAL
    assert {fact["key"] == fact["household"] for fact in facts} == {True}
    assert {fact["paid_on"] for fact in facts} == {"2019-09-20"}
    trial = await office.ask(reports.trial_balance, book, 201909)
    assert trial.is_balanced
    assert {line.account: line.closing for line in trial.lines if line.is_used} == {"102": 0, "222": 0, "332": 0}
    assert trial.totals["month_debit"] == 2 * TOTAL
    assert await office.faults() == []


@pytest.mark.parametrize(
    ("period", "apart"), [(201908, {"opening", "closing"}), (201909, {"month", "closing"})], ids=["brought in", "moved"]
)
async def test_one_fen_too_much_and_the_trial_balance_does_not_balance(
    office: Office, period: int, apart: set[str]
) -> None:
    """Whoever changed a sum behind every guard: the columns of that part differ, by that fen, and it says so."""
    book, distribution = await book_ready_to_pay(office, 3, 1_000)
    await office.post(book, payment_terms(distribution.id, PAID_ON))
    assert (await office.ask(reports.trial_balance, book, 201909)).is_balanced
    connection = await asyncpg.connect(office.database.admin, ssl=False)
    try:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(
            "update balance_month set dr = dr + 1 where period = $1"
            " and account_id = (select id from account where code = '102')",
            period,
        )
    finally:
        await connection.close()
    trial = await office.ask(reports.trial_balance, book, 201909)
    assert not trial.is_balanced
    sums = trial.totals
    off = {part: sums[f"{part}_debit"] - sums[f"{part}_credit"] for part in ("opening", "month", "closing")}
    assert off == {part: int(part in apart) for part in off}


async def test_a_bounced_payment_is_taken_back_alone_and_paid_again(office: Office) -> None:
    book, distribution = await book_ready_to_pay(office, 3, 1_000)
    paid = await office.post(book, payment_terms(distribution.id, PAID_ON))
    (back,) = await office.post(book, reversal_terms(paid[1].id, PAID_ON))
    (again,) = await office.post(book, payment_terms(distribution.id, PAID_ON))

    facts = await said_by(office)
    assert [(fact["fen"], fact["payout"], fact["reverses"]) for fact in facts] == [
        (334, str(paid[0].id), None),
        (333, str(paid[1].id), None),
        (333, str(paid[2].id), None),
        (-333, str(back.id), str(paid[1].id)),
        (333, str(again.id), None),
    ]
    assert {fact["household"] for fact in facts[3:]} == {facts[1]["household"]}
    trial = await office.ask(reports.trial_balance, book, 201909)
    bank = next(line for line in trial.lines if line.account == "102")
    assert (bank.month_debit, bank.month_credit) == (0, 1_000), "red ink does not inflate what moved"
    assert await office.faults() == []


async def test_what_is_reversed_once_is_not_reversed_again_nor_its_reversal(office: Office) -> None:
    book, distribution = await book_ready_to_pay(office, 2, 1_000)
    paid = await office.post(book, payment_terms(distribution.id, PAID_ON))
    (back,) = await office.post(book, reversal_terms(paid[0].id, PAID_ON))
    with pytest.raises(why.ReversedAlready):
        await office.draft(book, reversal_terms(paid[0].id, PAID_ON))
    with pytest.raises(why.ReversalOfReversal):
        await office.draft(book, reversal_terms(back.id, PAID_ON))
    with pytest.raises(why.ReversalEarly):
        await office.draft(book, reversal_terms(paid[1].id, date(2019, 9, 19)))


async def test_two_drafts_to_reverse_one_payment_take_it_back_once(office: Office) -> None:
    book, distribution = await book_ready_to_pay(office, 2, 1_000)
    paid = await office.post(book, payment_terms(distribution.id, PAID_ON))
    drafts = [await office.draft(book, reversal_terms(paid[0].id, PAID_ON)) for _ in range(2)]
    outcomes = await asyncio.gather(*(office.approve(draft) for draft in drafts), return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["ReversedAlready", "tuple"]
    assert await office.value("select sum(fen) from payout") == 500


async def test_a_paid_distribution_cannot_be_taken_back(office: Office) -> None:
    book, distribution = await book_ready_to_pay(office, 2, 1_000)
    await office.post(book, payment_terms(distribution.id, PAID_ON))
    draft = await office.draft(book, reversal_terms(distribution.id, PAID_ON))
    with pytest.raises(why.AccountOverdrawn):
        await office.approve(draft)
    assert await office.value("select state from draft where id = $1", draft.id) == "waiting", "nothing was half done"


async def test_a_reversed_distribution_is_owed_to_nobody(office: Office) -> None:
    book, distribution = await book_ready_to_pay(office, 2, 1_000)
    await office.post(book, reversal_terms(distribution.id, PAID_ON))
    with pytest.raises(why.DistributionMissing):
        await office.draft(book, payment_terms(distribution.id, PAID_ON))


async def test_who_drafts_does_not_approve(office: Office) -> None:
    book = await office.open_book()
    draft = await office.draft(book, opening_terms(1_000))
    with pytest.raises(why.SamePerson):
        await office.approve(draft, by=ACCOUNTANT)
    assert await office.value("select count(*) from entry") == 0
    await office.approve(draft, by=APPROVER)
    assert await office.value("select count(*) from entry") == 1


async def test_a_draft_is_decided_once(office: Office) -> None:
    book = await office.open_book()
    draft = await office.draft(book, opening_terms(1_000))
    await office.do(actions.reject_draft, draft.id, "金额有误", ACCOUNTANT, NOW)
    with pytest.raises(why.DraftDecided):
        await office.approve(draft)
    with pytest.raises(why.DraftDecided):
        await office.do(actions.reject_draft, draft.id, "再退一次", APPROVER, NOW)


async def test_two_approvers_at_once_post_once(office: Office) -> None:
    book = await office.open_book()
    draft = await office.draft(book, opening_terms(1_000))
    outcomes = await asyncio.gather(
        *(office.approve(draft, by=f"approver-{number}") for number in range(4)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["DraftDecided"] * 3 + ["tuple"]
    assert await office.value("select count(*) from entry") == 1


async def test_a_draft_whose_ground_has_moved_is_not_posted(office: Office) -> None:
    book = await office.open_book()
    await office.enter(book, 2)
    await office.post(book, opening_terms(1_000))
    draft = await office.draft(book, distribution_terms(1_000, OPENED))
    late = make_household(9)
    await office.hear([late])
    await office.do(actions.enter_members, book.id, [MemberRow(1, 9, late.number, OPENED)], ACCOUNTANT, NOW)
    with pytest.raises(why.DraftStale):
        await office.approve(draft)
    assert await office.value("select count(*) from entry") == 1


async def test_two_payments_of_one_distribution_pay_once_also_in_two_months(office: Office) -> None:
    book, distribution = await book_ready_to_pay(office, 3, 1_000)
    office.now = datetime(2019, 10, 2, tzinfo=UTC)
    await office.open_months(book, 201910)
    september = await office.draft(book, payment_terms(distribution.id, date(2019, 9, 30)))
    october = await office.draft(book, payment_terms(distribution.id, date(2019, 10, 1)))
    outcomes = await asyncio.gather(office.approve(september), office.approve(october), return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["NothingOwed", "tuple"]
    assert await office.value("select sum(fen) from payout") == 1_000


async def test_no_more_is_distributed_than_there_is(office: Office) -> None:
    book = await office.open_book()
    await office.enter(book, 3)
    with pytest.raises(why.SurplusShort):
        await office.draft(book, distribution_terms(1_000, OPENED))
    await office.post(book, opening_terms(999))
    with pytest.raises(why.SurplusShort):
        await office.draft(book, distribution_terms(1_000, OPENED))
    with pytest.raises(why.SharesVanish):
        await office.draft(book, distribution_terms(2, OPENED))
    first = await office.draft(book, distribution_terms(600, OPENED))
    second = await office.draft(book, distribution_terms(600, OPENED))
    await office.approve(first)
    with pytest.raises(why.SurplusShort):
        await office.approve(second)


async def test_without_members_nothing_is_distributed(office: Office) -> None:
    book = await office.open_book()
    await office.post(book, opening_terms(1_000))
    with pytest.raises(why.MembersNone):
        await office.draft(book, distribution_terms(1_000, OPENED))


async def test_a_book_opens_once(office: Office) -> None:
    book = await office.open_book()
    (opening,) = await office.post(book, opening_terms(1_000))
    with pytest.raises(why.OpeningTwice):
        await office.draft(book, opening_terms(1_000))
    await office.post(book, reversal_terms(opening.id, OPENED))
    await office.post(book, opening_terms(2_000))
    assert await office.value("select sum(dr - cr) from balance b join account a on a.id = b.account_id"
                              " where a.code = '102'") == 2_000  # fmt: skip


async def test_the_opening_belongs_into_the_first_month(office: Office) -> None:
    book = await office.open_book()
    await office.open_months(book, 201909)
    with pytest.raises(why.OpeningLate):
        await office.draft(book, opening_terms(1_000, on=date(2019, 9, 1)))


async def test_nothing_is_dated_ahead(office: Office) -> None:
    book = await office.open_book()
    await office.open_months(book, 201909)
    await office.enter(book, 1)
    await office.post(book, opening_terms(1_000))
    with pytest.raises(why.EntryAhead):
        await office.draft(book, distribution_terms(1_000, date(2019, 9, 21)))
    await office.draft(book, distribution_terms(1_000, date(2019, 9, 20)))


async def test_the_opening_says_that_it_stands_after_patronage_return(office: Office) -> None:
    book, _ = await book_ready_to_pay(office, 2, 1_000)
    memos = [line.memo for line in await office.ask(reports.entries, book, None, None, None, 10)]
    assert memos == [
        "期初余额（332为盈余返还后的剩余盈余）",
        "剩余盈余分配（第二池，2名成员均等；盈余返还不在本次之内）",
    ]


# ── books and charts ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_book_of_2019_on_the_chart_of_2021_is_a_recorded_exception(office: Office) -> None:
    with pytest.raises(why.ChartNotInForce):
        await office.open_book(chart_exception=None)
    book = await office.open_book()
    assert book.chart_exception is not None
    assert (book.chart_exception.reason, book.chart_exception.by) == (REASON, ACCOUNTANT)
    assert await office.value("select count(*) from account where book_id = $1", book.key) == 48


async def test_a_book_of_2023_needs_no_exception_and_takes_none(office: Office) -> None:
    office.now = datetime(2023, 2, 1, tzinfo=UTC)
    opened = date(2023, 1, 15)
    with pytest.raises(why.ExceptionNeedless):
        await office.open_book(opened_on=opened)
    book = await office.open_book(opened_on=opened, chart=None, chart_exception=None)
    assert book.chart == "cooperative_2021"
    assert book.chart_exception is None


async def test_a_chart_that_is_not_at_hand_is_missing(office: Office) -> None:
    with pytest.raises(why.ChartMissing):
        await office.open_book(chart="cooperative_1899")


async def test_the_same_book_again_is_the_same_and_another_under_its_id_is_refused(office: Office) -> None:
    wish = make_wish()
    first = await office.do(actions.open_book, wish, ACCOUNTANT, NOW)
    again = await office.do(actions.open_book, wish, APPROVER, NOW)
    assert again == first
    with pytest.raises(why.BookTwice):
        await office.open_book(id=wish.id, name="另一家合作社")


async def test_a_book_belongs_to_its_division(office: Office) -> None:
    with pytest.raises(ScopeRefused):
        await office.open_book(division=NEIGHBOUR)
    book = await office.open_book()
    neighbour = Scope.of([NEIGHBOUR])
    with pytest.raises(why.BookMissing):
        await office.do(actions.open_month, book.id, 201909, NOW, scope=neighbour)
    draft = await office.draft(book, opening_terms(1_000))
    with pytest.raises(why.DraftMissing):
        await office.do(actions.approve_draft, draft.id, APPROVER, NOW, scope=neighbour)


# ── members ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_list_of_members_is_taken_in_row_by_row(office: Office) -> None:
    book = await office.open_book()
    poor, lifted_before, never = (make_household(number) for number in (1, 2, 3))
    lifted_before = lifted_before.model_copy(
        update={"statuses": (StatusSpan(kind="poor", since=date(2014, 1, 1), until=OPENED),)}
    )
    never = never.model_copy(update={"statuses": (StatusSpan(kind="ordinary", since=date(2014, 1, 1)),)})
    elsewhere = make_household(4, NEIGHBOUR)
    await office.hear([poor, lifted_before, never, elsewhere])
    numbers = [poor.number, lifted_before.number, never.number, "6230230010019999", elsewhere.number, poor.number]
    rows = [MemberRow(row, row, number, OPENED) for row, number in enumerate(numbers, 1)]
    enrolment = await office.do(actions.enter_members, book.id, rows, ACCOUNTANT, NOW)
    assert [member.household for member in enrolment.entered] == [poor.household]
    assert [(one.row, one.code) for one in enrolment.refused] == [
        (2, "member.not_eligible"),
        (3, "member.not_eligible"),
        (4, "household.missing"),
        (5, "household.missing"),
        (6, "member.taken"),
    ]


async def test_the_same_list_again_changes_nothing(office: Office) -> None:
    book = await office.open_book()
    facts = await office.enter(book, 3)
    before = await office.rows("select * from member order by id")
    rows = [MemberRow(n, n, fact.number, OPENED) for n, fact in enumerate(facts, 1)]
    enrolment = await office.do(actions.enter_members, book.id, rows, APPROVER, NOW)
    assert (enrolment.entered, enrolment.unchanged, enrolment.refused) == ((), 3, ())
    assert await office.rows("select * from member order by id") == before


async def test_leaving_poverty_ends_no_membership(office: Office) -> None:
    book, distribution = await book_ready_to_pay(office, 2, 1_000)
    rows = await office.rows("select id, number, division from household order by number")
    left = make_household(1, household=rows[0]["id"], version=2, statuses=(
        StatusSpan(kind="poor", since=date(2014, 1, 1), until=date(2019, 8, 31)),
        StatusSpan(kind="lifted", since=date(2019, 8, 31)),
    ))  # fmt: skip
    await office.hear([left])
    paid = await office.post(book, payment_terms(distribution.id, PAID_ON))
    assert len(paid) == 2
    assert str(left.household) in {fact["household"] for fact in await said_by(office)}


async def test_two_lists_at_once_give_each_household_one_membership(office: Office) -> None:
    book = await office.open_book()
    facts = [make_household(number) for number in range(1, 41)]
    await office.hear(facts)
    lists = [[MemberRow(n, n, fact.number, OPENED) for n, fact in enumerate(facts, 1)] for _ in range(4)]
    outcomes = await asyncio.gather(
        *(office.do(actions.enter_members, book.id, rows, ACCOUNTANT, NOW) for rows in lists)
    )
    assert sorted(len(one.entered) for one in outcomes) == [0, 0, 0, 40]
    assert await office.value("select count(*) from member") == 40


# ── months ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_months_open_and_close_one_after_the_other(office: Office) -> None:
    book = await office.open_book()
    with pytest.raises(why.MonthAhead):
        await office.open_months(book, 201910)
    office.now = datetime(2019, 10, 31, 16, 0, tzinfo=UTC)  # already November in Shanghai
    with pytest.raises(why.MonthOrder):
        await office.open_months(book, 201910)
    await office.open_months(book, 201909, 201910, 201911)
    with pytest.raises(why.MonthOrder):
        await office.do(actions.close_month, book.id, 201909, ACCOUNTANT, office.now)
    for period in (201908, 201909):
        month = await office.do(actions.close_month, book.id, period, ACCOUNTANT, office.now)
        assert month.status is MonthStatus.CLOSED
    with pytest.raises(why.MonthClosed):
        await office.do(actions.close_month, book.id, 201909, ACCOUNTANT, office.now)
    with pytest.raises(why.MonthMissing):
        await office.do(actions.close_month, book.id, 201912, ACCOUNTANT, office.now)


async def test_a_closed_month_takes_no_draft_and_no_approval(office: Office) -> None:
    book = await office.open_book()
    draft = await office.draft(book, opening_terms(1_000))
    with pytest.raises(why.DraftsWaiting):
        await office.do(actions.close_month, book.id, 201908, ACCOUNTANT, NOW)
    await office.approve(draft)
    await office.do(actions.close_month, book.id, 201908, ACCOUNTANT, NOW)
    with pytest.raises(why.MonthClosed):
        await office.draft(book, distribution_terms(1_000, OPENED))
    (closed,) = await office.rows("select * from month_close")
    assert (closed["entries"], closed["legs"], closed["debit_fen"], closed["credit_fen"]) == (1, 2, 1_000, 1_000)
    assert await office.faults() == []


async def test_closing_races_with_posting_and_one_of_them_wins_whole(office: Office) -> None:
    """Many times over: either the entry is in the month's digest, or it was refused."""
    for _ in range(15):
        book = await office.open_book()
        drafted, closed = await asyncio.gather(
            office.draft(book, opening_terms(1_000)),
            office.do(actions.close_month, book.id, 201908, ACCOUNTANT, NOW),
            return_exceptions=True,
        )
        if isinstance(closed, BaseException):
            assert not isinstance(drafted, BaseException)
            assert isinstance(closed, why.DraftsWaiting)
            approval, closed = await asyncio.gather(
                office.approve(drafted),
                office.do(actions.close_month, book.id, 201908, ACCOUNTANT, NOW),
                return_exceptions=True,
            )
            assert isinstance(approval, tuple) or isinstance(closed, why.DraftsWaiting)
        else:
            assert isinstance(drafted, why.MonthClosed)
    assert await office.faults() == []


async def test_a_fact_leaves_with_the_commit_alone(office: Office) -> None:
    book, distribution = await book_ready_to_pay(office, 2, 1_000)
    draft = await office.draft(book, payment_terms(distribution.id, PAID_ON))

    async def approve_and_lose(tx: Transaction, scope: Scope) -> None:
        await actions.approve_draft(tx, scope, draft.id, APPROVER, NOW)
        assert await tx.driver.fetchval("select count(*) from payout") == 2
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        await office.do(approve_and_lose)
    assert await said_by(office) == []
    assert await office.value("select count(*) from payout") == 0
    await office.approve(draft)
    assert len(await said_by(office)) == 2


async def test_a_draft_id_stands_for_one_draft(office: Office) -> None:
    book = await office.open_book()
    draft_id: UUID = new_id()
    await office.do(actions.draft_posting, book.id, draft_id, read_terms(opening_terms(1_000)), ACCOUNTANT, NOW)
    with pytest.raises(why.DraftTwice):
        await office.do(actions.draft_posting, book.id, draft_id, read_terms(opening_terms(2_000)), ACCOUNTANT, NOW)


async def test_the_county_above_sees_what_its_village_may_not(office: Office) -> None:
    book = await office.open_book()
    village = Scope.of([make_wish().division.parent or COUNTY])
    assert [line.id for line in await office.ask(reports.books, None, 10, scope=village)] == [book.id]
    assert await office.ask(reports.books, None, 10, scope=Scope.of([NEIGHBOUR])) == []
