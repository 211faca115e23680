"""What follows from what, without any database: apportionment to the fen, months, drafts, members."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cooperative.domain import (
    Admission,
    Book,
    Chart,
    Draft,
    Entry,
    Household,
    Kind,
    Leg,
    Member,
    MemberRow,
    Month,
    MonthStatus,
    Posted,
    Side,
    Span,
    apportion,
    approve,
    bundle_hash,
    check_chart,
    close_month,
    credit,
    debit,
    enrol,
    is_period,
    make_draft,
    open_month,
    payouts_of,
    period_after,
    period_before,
    period_of,
    reject,
)
from services.cooperative.domain import refusals as why
from services.cooperative.domain.entries import Payee
from shared.errors import all_problems
from shared.parameters import Parameter
from shared.values import new_id
from tests.cooperative.make import ACCOUNTANT, APPROVER, COUNTY, NOW, OPENED, make_entry

BOOK = Book(new_id(), COUNTY, "合作社", "cooperative_2021", OPENED, ACCOUNTANT, NOW, Admission("poor", OPENED), key=7)
weights = st.dictionaries(st.integers(1, 10_000), st.integers(0, 10**6), min_size=1, max_size=60).filter(
    lambda found: sum(found.values()) > 0
)
totals = st.integers(0, 10**13)


@given(totals, weights)
def test_the_parts_add_up_and_none_is_off_by_a_fen(total: int, shares: dict[int, int]) -> None:
    parts = apportion(total, shares)
    whole = sum(shares.values())
    assert sum(parts.values()) == total
    assert parts.keys() == shares.keys()
    for number, part in parts.items():
        exact = Fraction(total * shares[number], whole)
        assert abs(part - exact) < 1
        assert part >= 0
        assert shares[number] or part == 0, "no weight, no part"


@given(totals, weights, st.randoms(use_true_random=False))
def test_the_order_of_the_list_decides_nothing(total: int, shares: dict[int, int], chance: Any) -> None:
    shuffled = list(shares.items())
    chance.shuffle(shuffled)
    assert apportion(total, dict(shuffled)) == apportion(total, shares)


@given(totals, st.integers(1, 500))
def test_equal_shares_differ_by_one_fen_at_most_and_the_lowest_numbers_have_it(total: int, members: int) -> None:
    parts = apportion(total, dict.fromkeys(range(1, members + 1), 1))
    few, more = divmod(total, members)
    assert list(parts.values()) == [few + 1] * more + [few] * (members - more)


def test_zhouqu() -> None:
    parts = apportion(280_000_000, dict.fromkeys(range(1, 4437), 1))
    assert Counter(parts.values()) == {63_120: 4_116, 63_119: 320}


def test_the_largest_remainders_come_first() -> None:
    assert apportion(100, {1: 1, 2: 1, 3: 4}) == {1: 17, 2: 17, 3: 66}, "a tie goes to the lowest number"
    assert apportion(10, {1: 3, 2: 3, 3: 1}) == {1: 4, 2: 4, 3: 2}


@pytest.mark.parametrize(("total", "shares"), [(1, {}), (1, {1: 0}), (-1, {1: 1}), (1, {1: 2, 2: -1})])
def test_what_cannot_be_shared_is_refused(total: int, shares: dict[int, int]) -> None:
    with pytest.raises(ValueError, match="total and weights"):
        apportion(total, shares)


# ── entries ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"legs": (debit(1, 5), credit(2, 4))}, why.EntryUnbalanced),
        ({"legs": (debit(1, 5),)}, why.EntryMisshapen),
        ({"legs": (debit(1, 0), credit(2, 0))}, why.EntryMisshapen),
        ({"legs": (Leg(1, Side.DEBIT, 5, 1), Leg(2, Side.CREDIT, 5, 2))}, why.EntryUnbalanced),
        ({"legs": (*(debit(n, 1) for n in range(20_000)), credit(1, 20_000))}, why.EntryMisshapen),
        ({"memo": ""}, why.EntryMisshapen),
        ({"memo": "x" * 201}, why.EntryMisshapen),
    ],
)
def test_an_entry_that_cannot_stand_is_not_made(changes: dict[str, Any], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        make_entry(1, 2, **changes)


def test_red_ink_balances_and_nets_to_zero() -> None:
    entry = make_entry(1, 2, fen=5)
    red = replace(entry, legs=tuple(leg.red() for leg in entry.legs))
    assert [leg.side for leg in red.legs] == [leg.side for leg in entry.legs]
    assert sum(leg.value for leg in (*entry.legs, *red.legs) if leg.account == 1) == 0


CHANGES: dict[str, Any] = {
    "kind": Kind.ADJUSTMENT,
    "on": date(2019, 8, 26),
    "memo": "测",
    "legs": (debit(1, 101), credit(2, 101)),
    "reverses": 3,
}


@pytest.mark.parametrize("field", CHANGES)
def test_every_word_of_an_entry_is_in_its_hash(field: str) -> None:
    entry = make_entry(1, 2)
    assert replace(entry, **{field: CHANGES[field]}).body_hash() != entry.body_hash()
    assert replace(entry, key="another").body_hash() == entry.body_hash(), (
        "the key names it, the hash says what it says"
    )


# ── months ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.dates(min_value=date(1950, 1, 1)))
def test_months_follow_one_another(day: date) -> None:
    period = period_of(day)
    assert is_period(period)
    assert period_before(period_after(period)) == period == period_after(period_before(period))


@pytest.mark.parametrize("period", [0, 201900, 201913, 201999, 99_999_999, -1])
def test_what_names_no_month(period: int) -> None:
    assert not is_period(period)


def months(**stand: str) -> tuple[Month, ...]:
    return tuple(Month(7, int(period[1:]), MonthStatus(status)) for period, status in stand.items())


def test_the_first_month_is_that_of_the_opening() -> None:
    assert open_month(BOOK, (), 201908, NOW).period == 201908
    with pytest.raises(why.MonthOrder):
        open_month(BOOK, (), 201909, NOW)
    with pytest.raises(why.MonthAhead):
        open_month(BOOK, months(p201908="open", p201909="open"), 201910, NOW)


def test_a_year_turns() -> None:
    later = datetime(2020, 1, 31, tzinfo=UTC)
    assert open_month(BOOK, months(p201912="closed"), 202001, later).period == 202001


def test_an_earlier_month_is_closed_first() -> None:
    assert close_month(months(p201908="closed", p201909="open"), 201909).status is MonthStatus.CLOSED
    with pytest.raises(why.MonthOrder):
        close_month(months(p201908="open", p201909="open"), 201909)
    with pytest.raises(why.MonthClosed):
        close_month(months(p201908="closed"), 201908)


# ── drafts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def draft_of(*entries: Entry) -> Draft:
    return make_draft(new_id(), BOOK, "opening", {}, entries, ACCOUNTANT, NOW)


def test_another_person_approves_what_has_not_changed() -> None:
    entry = make_entry(1, 2)
    draft = draft_of(entry)
    approved = approve(draft, (entry,), APPROVER, NOW)
    assert (approved.state, approved.decided_by) == ("approved", APPROVER)
    with pytest.raises(why.SamePerson):
        approve(draft, (entry,), ACCOUNTANT, NOW)
    with pytest.raises(why.DraftStale):
        approve(draft, (replace(entry, memo="变了"),), APPROVER, NOW)
    with pytest.raises(why.DraftDecided):
        approve(approved, (entry,), APPROVER, NOW)
    with pytest.raises(why.DraftDecided):
        reject(approved, "晚了", APPROVER, NOW)


def test_the_same_draft_has_the_same_hash_and_order_counts() -> None:
    one, two = make_entry(1, 2), make_entry(1, 2, fen=7)
    assert bundle_hash((one, two)) == bundle_hash((one, two)) != bundle_hash((two, one))


def test_a_draft_stays_within_one_month() -> None:
    with pytest.raises(ValueError, match="one month"):
        draft_of(make_entry(1, 2), make_entry(1, 2, on=date(2019, 9, 1)))


def test_shanghai_decides_what_is_ahead() -> None:
    night = datetime(2019, 9, 19, 16, 30, tzinfo=UTC)  # 00:30 of the 20th in Shanghai
    entry = make_entry(1, 2, on=date(2019, 9, 20))
    make_draft(new_id(), BOOK, "payment", {}, (entry,), ACCOUNTANT, night)
    with pytest.raises(why.EntryAhead):
        make_draft(new_id(), BOOK, "payment", {}, (entry,), ACCOUNTANT, datetime(2019, 9, 19, 15, 30, tzinfo=UTC))


# ── charts, members, payouts ──────────────────────────────────────────────────────────────────────────────────────────

CHART = Chart("cooperative_2021", "制度", "system", "财会〔2021〕37号")
IN_FORCE = Parameter("chart_of_accounts", None, date(2023, 1, 1), None, CHART.code, "code", "依据", "basis", "a", "b")


@pytest.mark.parametrize(
    ("in_force", "exception", "refusal"),
    [
        (IN_FORCE, None, None),
        (IN_FORCE, "理由充分", why.ExceptionNeedless),
        (None, None, why.ChartNotInForce),
        (None, "理由充分", None),
        (replace(IN_FORCE, value="another"), None, why.ChartNotInForce),
        (replace(IN_FORCE, value="another"), "理由充分", None),
    ],
)
def test_a_chart_is_lawful_or_excepted(in_force: Parameter | None, exception: str | None, refusal: Any) -> None:
    if refusal is None:
        check_chart(CHART, in_force, OPENED, exception)
    else:
        with pytest.raises(refusal):
            check_chart(CHART, in_force, OPENED, exception)


@pytest.mark.parametrize(
    ("spans", "had"),
    [
        ([("poor", "2014-01-01", None)], True),
        ([("poor", "2019-08-20", None)], True),
        ([("poor", "2019-08-21", None)], False),
        ([("poor", "2014-01-01", "2019-08-20")], False),
        ([("poor", "2014-01-01", "2019-08-21"), ("lifted", "2019-08-21", None)], True),
        ([("ordinary", "2014-01-01", None)], False),
        ([], False),
    ],
)
def test_the_status_on_the_day_counts(spans: list[tuple[str, str, str | None]], had: bool) -> None:
    read = date.fromisoformat
    held = tuple(Span(kind, read(since), read(until) if until else None) for kind, since, until in spans)
    assert Household(new_id(), "6230230010010001", held).had(Admission("poor", OPENED)) is had


def test_each_row_is_entered_unchanged_or_refused() -> None:
    poor = (Span("poor", date(2014, 1, 1), None),)
    known = {number: Household(new_id(), number, poor) for number in ("1", "2", "3")}
    present = (Member(1, known["1"].id, OPENED),)
    rows = [
        MemberRow(1, 1, "1", OPENED),
        MemberRow(2, 2, "2", OPENED),
        MemberRow(3, 2, "3", OPENED),
        MemberRow(4, 9, "1", OPENED),
        MemberRow(5, 1, "1", date(2019, 8, 21)),
        MemberRow(6, 2, "2", OPENED),
    ]
    enrolment = enrol(BOOK, rows, known, present)
    assert [member.number for member in enrolment.entered] == [2]
    assert enrolment.unchanged == 2
    assert [(error.row, error.code) for error in enrolment.refused] == [(row, "member.taken") for row in (3, 4, 5)]


def test_a_payout_says_what_its_entry_says_and_an_entry_found_again_pays_nothing() -> None:
    payee = Payee(new_id(), 5, "surplus_dividend", settles=1)
    entries = (
        replace(make_entry(1, 2, fen=63_120), payee=payee),
        make_entry(1, 2),
        replace(make_entry(1, 2), payee=payee),
    )
    posted = tuple(Posted(key, new_id(), 201909, key, fresh=key != 3) for key in (1, 2, 3))
    ((payout, fact),) = payouts_of(BOOK, entries, posted)
    assert (payout.id, payout.fen, fact.fen, fact.entry_number) == (posted[0].id, 63_120, 63_120, "201909-00001")
    assert (fact.household, fact.book, fact.division) == (payee.household, BOOK.id, COUNTY.text)


def test_every_refusal_speaks_both_languages_and_says_what_to_do() -> None:
    ours = [kind for kind in all_problems() if kind.__module__ == why.__name__]
    assert len(ours) > 30
    for kind in ours:
        assert kind.code not in ("conflict", "missing", "request.invalid", "refused", "busy"), kind
        for text in (kind.zh, kind.hint_zh):
            assert any("\u4e00" <= char <= "\u9fff" for char in text), kind
        assert kind.en.isascii(), kind
    assert len({kind.code for kind in ours}) == len(ours)
