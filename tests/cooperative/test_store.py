"""The ledger's guards, each broken on purpose: by the superuser's own hand, past the functions, past the policies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml

from services.cooperative import actions, domain, store
from services.cooperative.domain import Book, Draft, Entry, Kind, Leg, Side
from services.cooperative.domain import refusals as why
from services.cooperative.reports.faults import CHECKS
from shared.db import transaction
from shared.values import Scope, new_id
from tests.cooperative.make import (
    ACCOUNTANT,
    APPROVER,
    NEIGHBOUR,
    NOW,
    OPENED,
    PAID_ON,
    Office,
    approved_draft,
    distribution_terms,
    make_entry,
    opening_terms,
    payment_terms,
    reversal_terms,
)

HEADER = (
    "id, public_id, book_id, period, no, kind, eff, key, body_hash, legs, memo, source, draft_id, reverses, posted_by,"
    " posted_at"
)
ONE_STATEMENT = f"""
with h as (
  insert into entry ({HEADER})
  select * from unnest($1::bigint[], $2::uuid[], $3::int[], $4::int[], $5::int[], $6::smallint[], $7::date[],
    $8::text[], $9::bytea[], $10::smallint[], $11::text[], $12::text[], $13::uuid[], $14::bigint[], $15::text[],
    $16::timestamptz[]))
insert into leg select * from unnest($17::bigint[], $18::smallint[], $19::bigint[], $20::smallint[], $21::smallint[],
  $22::bigint[], $23::date[])
"""


class Hand:
    """A superuser's hand: whole entries in one statement, wrong wherever a test wants it."""

    def __init__(self, connection: asyncpg.Connection, book: Book, draft: Draft, entries: tuple[Entry, ...]) -> None:
        self.connection = connection
        self.headers: list[dict[str, Any]] = [
            {
                "id": 10**12 + place, "public_id": new_id(), "book_id": book.key, "period": entry.period, "no": place,
                "kind": entry.kind.number, "eff": entry.on, "key": entry.key, "body_hash": entry.body_hash(),
                "legs": len(entry.legs), "memo": entry.memo, "source": "test", "draft_id": draft.id, "reverses": None,
                "posted_by": APPROVER, "posted_at": NOW,
            }
            for place, entry in enumerate(entries, 1)
        ]  # fmt: skip
        self.legs: list[list[Any]] = [
            [10**12 + place, n, leg.account, leg.unit, leg.side.sign, leg.amount, entry.on]
            for place, entry in enumerate(entries, 1)
            for n, leg in enumerate(entry.legs, 1)
        ]

    async def post(self) -> None:
        names = [name.strip() for name in HEADER.split(",")]
        columns = [[header[name] for header in self.headers] for name in names]
        legs = [[leg[place] for leg in self.legs] for place in range(7)]
        await self.connection.execute(ONE_STATEMENT, *columns, *legs)


@asynccontextmanager
async def hand_of(office: Office, *entries: Entry, book: Book | None = None) -> AsyncIterator[Hand]:
    book = book or await office.open_book()
    chosen = entries or (await two_legs(office, book), await two_legs(office, book))
    draft = await office.do(draft_of, book, chosen)
    connection = await asyncpg.connect(office.database.admin, ssl=False)
    try:
        yield Hand(connection, book, draft, chosen)
    finally:
        await connection.close()


async def draft_of(tx: Any, scope: Scope, book: Book, entries: tuple[Entry, ...]) -> Draft:
    return await approved_draft(tx, book, entries)


async def accounts_of(office: Office, book: Book) -> dict[str, int]:
    rows = await office.rows("select code, id from account where book_id = $1 and member_id is null", book.key)
    return {row["code"]: row["id"] for row in rows}


async def two_legs(office: Office, book: Book, **changes: Any) -> Entry:
    accounts = await accounts_of(office, book)
    return make_entry(accounts["102"], accounts["332"], **changes)


async def post(office: Office, book: Book, *entries: Entry) -> tuple[domain.Posted, ...]:
    draft = await office.do(draft_of, book, entries)
    async with transaction(office.api, office.scope) as tx:
        return await store.post_many(tx, book, draft, entries, APPROVER, NOW)


# ── what the hand can do when it does it right, and what it cannot ────────────────────────────────────────────────────


async def test_entries_that_are_right_pass_the_guards_by_any_path(office: Office) -> None:
    async with hand_of(office) as hand:
        await hand.post()
    assert await office.value("select last_no from period_head") == 2
    assert await office.value("select sum(dr) from balance_month") == 200
    assert await office.faults() == ["chain.broken"], "by hand no block is made, which the verifier finds"


def unbalanced(hand: Hand) -> None:
    hand.legs[0][5] = 101


def lost_leg(hand: Hand) -> None:
    del hand.legs[0]


def without_legs(hand: Hand) -> None:
    del hand.legs[:2]


def without_header(hand: Hand) -> None:
    del hand.headers[1]


def extra_pair(hand: Hand) -> None:
    first = hand.legs[0]
    hand.legs += [[first[0], 3, *first[2:]], [first[0], 4, *hand.legs[1][2:]]]


def number_gap(hand: Hand) -> None:
    hand.headers[1]["no"] = 3


def number_start(hand: Hand) -> None:
    for header in hand.headers:
        header["no"] += 1


def number_twice(hand: Hand) -> None:
    hand.headers[1]["no"] = 1


def unknown_account(hand: Hand) -> None:
    hand.legs[0][2] = 10**15


def other_day(hand: Hand) -> None:
    hand.legs[0][6] = date(2019, 8, 26)


def other_unit(hand: Hand) -> None:
    for leg in hand.legs[:2]:
        leg[3] = 2


def units_against_each_other(hand: Hand) -> None:
    hand.legs[0][3] = 2


def other_month(hand: Hand) -> None:
    hand.headers[0]["period"] = 201909


def same_key(hand: Hand) -> None:
    hand.headers[1]["key"] = hand.headers[0]["key"]


def other_approver(hand: Hand) -> None:
    for header in hand.headers:
        header["posted_by"] = "somebody-else"


def no_draft(hand: Hand) -> None:
    for header in hand.headers:
        header["draft_id"] = new_id()


def not_what_was_approved(hand: Hand) -> None:
    hand.headers[1]["body_hash"] = b"\0" * 32


def half_of_what_was_approved(hand: Hand) -> None:
    del hand.headers[1]
    del hand.legs[2:]


def zero_leg(hand: Hand) -> None:
    hand.legs[0][5] = hand.legs[1][5] = 0


BREAKS: list[tuple[Callable[[Hand], None], str]] = [
    (unbalanced, "ledger_balanced"),
    (units_against_each_other, "ledger_balanced"),
    (lost_leg, "ledger_balanced"),
    (without_legs, "ledger_whole"),
    (without_header, "ledger_whole"),
    (extra_pair, "ledger_whole"),
    (number_gap, "ledger_number"),
    (number_start, "ledger_number"),
    (number_twice, "entry_number"),
    (unknown_account, "ledger_account"),
    (other_day, "ledger_whole"),
    (other_unit, "ledger_account"),
    (other_month, "entry_period"),
    (same_key, "entry_key"),
    (other_approver, "ledger_approved"),
    (no_draft, "ledger_approved"),
    (not_what_was_approved, "ledger_approved"),
    (half_of_what_was_approved, "ledger_approved"),
    (zero_leg, "leg_amount"),
]


@pytest.mark.parametrize(("spoil", "guard"), BREAKS, ids=[spoil.__name__ for spoil, _ in BREAKS])
async def test_the_guard_refuses(office: Office, spoil: Callable[[Hand], None], guard: str) -> None:
    async with hand_of(office) as hand:
        spoil(hand)
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
            await hand.post()
    assert refused.value.constraint_name == guard
    assert await office.value("select (select count(*) from entry) + (select count(*) from leg)") == 0
    assert await office.value("select last_no from period_head") == 0
    assert await office.value("select sum(dr) + sum(cr) from balance") == 0


async def test_an_account_of_another_book_is_refused(office: Office) -> None:
    book, other = await office.open_book(), await office.open_book()
    theirs = await accounts_of(office, other)
    entry = await two_legs(office, book)
    stolen = replace(entry, legs=(Leg(theirs["102"], Side.DEBIT, 100), entry.legs[1]))
    with pytest.raises(why.PostingRefused, match="ledger_account"):
        await post(office, book, stolen)


async def test_two_books_in_one_statement_keep_to_themselves(office: Office) -> None:
    mine, theirs = await office.open_book(), await office.open_book()
    entries = (await two_legs(office, mine), await two_legs(office, theirs))
    drafts = [await office.do(draft_of, book, (entry,)) for book, entry in zip((mine, theirs), entries, strict=True)]
    connection = await asyncpg.connect(office.database.admin, ssl=False)
    for swapped in (True, False):
        hand = Hand(connection, mine, drafts[0], entries)
        hand.headers[1] |= {"book_id": theirs.key, "draft_id": drafts[1].id, "no": 1}
        if swapped:
            hand.legs[0][2], hand.legs[2][2] = hand.legs[2][2], hand.legs[0][2]
            with pytest.raises(asyncpg.CheckViolationError) as refused:
                await hand.post()
            assert refused.value.constraint_name == "ledger_account"
        else:
            await hand.post()
    await connection.close()
    assert [row[0] for row in await office.rows("select last_no from period_head")] == [1, 1]


async def test_legs_may_not_be_added_to_a_posted_entry(office: Office) -> None:
    async with hand_of(office) as hand:
        await hand.post()
        hand.headers = []
        hand.legs = [[leg[0], leg[1] + 2, *leg[2:]] for leg in hand.legs[:2]]
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await hand.post()
    assert refused.value.constraint_name == "ledger_whole"


async def test_copy_is_proven_like_everything_else(office: Office) -> None:
    async with hand_of(office) as hand:
        await hand.post()
        rows = [(10**12 + 1, 3, *hand.legs[0][2:])]
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await hand.connection.copy_records_to_table("leg", records=rows)
    assert refused.value.constraint_name == "ledger_balanced"


@pytest.mark.parametrize("table", ["entry", "leg", "block", "month_close", "payout", "draft"])
@pytest.mark.parametrize(
    "change", ["update {table} set {column} = {column}", "delete from {table}", "truncate {table} cascade"]
)
async def test_what_is_written_stays(office: Office, table: str, change: str) -> None:
    book = await office.open_book()
    await office.post(book, opening_terms(1_000))
    column = {"entry": "memo", "leg": "amount", "payout": "fen", "draft": "hash"}.get(table, "period")
    connection = await asyncpg.connect(office.database.admin, ssl=False)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await connection.execute(change.format(table=table, column=column))
    await connection.close()
    assert refused.value.constraint_name in ("ledger_immutable", "draft_decided")


@pytest.mark.parametrize(
    "table", ["entry", "leg", "balance", "balance_month", "block", "period_head", "month_close", "payout", "account"]
)
@pytest.mark.parametrize("login", ["api", "worker"])
async def test_services_write_the_ledger_through_its_functions_alone(office: Office, login: str, table: str) -> None:
    engine = office.api if login == "api" else office.worker
    for statement in (f"insert into {table} default values", f"update {table} set book_id = 1", f"delete from {table}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(engine, Scope.everything()) as tx:
                await tx.driver.execute(
                    statement.replace("book_id", "account_id") if "balance" in table or table == "leg" else statement
                )


# ── drafts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_database_itself_wants_two_persons(office: Office) -> None:
    """Past the verbs: the row alone refuses its own drafter."""
    book = await office.open_book()
    draft = await office.draft(book, opening_terms(1_000))
    approved = replace(draft, state=domain.DraftState.APPROVED, decided_by=draft.drafted_by, decided_at=NOW)
    with pytest.raises(why.SamePerson):
        async with transaction(office.api, office.scope) as tx:
            await store.save_decision(tx, approved)
    with pytest.raises(why.PostingRefused, match="ledger_approved"):
        async with transaction(office.api, office.scope) as tx:
            await store.post_many(tx, book, draft, draft.entries, ACCOUNTANT, NOW)


@pytest.mark.parametrize("column", ["state", "decided_by"])
async def test_a_draft_is_born_undecided(office: Office, column: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(office.api, office.scope) as tx:
            await tx.driver.execute(f"insert into draft (id, {column}) values ($1, 'approved')", new_id())


async def test_a_frozen_draft_does_not_change(office: Office) -> None:
    book = await office.open_book()
    draft = await office.draft(book, opening_terms(1_000))
    connection = await asyncpg.connect(office.database.admin, ssl=False)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await connection.execute("update draft set terms = '{}' where id = $1", draft.id)
    await connection.close()
    assert refused.value.constraint_name == "draft_frozen"


# ── balances ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_guarded_account_never_falls_below_zero_not_even_within_a_batch(office: Office) -> None:
    book = await office.open_book()
    inward = await two_legs(office, book)
    outward = replace(await two_legs(office, book), legs=tuple(leg.red() for leg in inward.legs))
    with pytest.raises(why.AccountOverdrawn):
        await post(office, book, outward, inward)
    assert await office.value("select count(*) from entry") == 0
    await post(office, book, inward, outward)
    assert await office.value("select count(*) from entry") == 2
    with pytest.raises(why.AccountOverdrawn):
        await post(office, book, replace(outward, key="again"))


async def test_what_is_held_is_not_paid(office: Office) -> None:
    book = await office.open_book()
    inward = await two_legs(office, book)
    await post(office, book, inward)
    connection = await asyncpg.connect(office.database.admin, ssl=False)
    await connection.execute("update balance set held = 60 where account_id = $1", inward.legs[0].account)
    await connection.close()
    accounts = await accounts_of(office, book)
    with pytest.raises(why.AccountOverdrawn):
        await post(office, book, make_entry(accounts["332"], accounts["102"], fen=41))
    await post(office, book, make_entry(accounts["332"], accounts["102"], fen=40))


async def test_each_unit_balances_by_itself(office: Office) -> None:
    book = await office.open_book()
    accounts = await accounts_of(office, book)
    connection = await asyncpg.connect(office.database.admin, ssl=False)
    shares = await connection.fetch(
        "with a as (insert into account (book_id, code, unit_id, normal, guard, opened_on)"
        " values ($1, '301', 2, 1, 0, $2), ($1, '102', 2, 1, 0, $2) returning id),"
        " b as (insert into balance (account_id, guard) select id, 0 from a) select id from a",
        book.key,
        OPENED,
    )
    await connection.close()
    one, two = (row["id"] for row in shares)
    cash = (Leg(accounts["102"], Side.DEBIT, 100), Leg(accounts["332"], Side.CREDIT, 100))
    units = (Leg(one, Side.DEBIT, 70_000, 2), Leg(two, Side.CREDIT, 70_000, 2))
    with pytest.raises(why.EntryUnbalanced):
        make_entry(0, 0, legs=(cash[0], units[1]))
    await post(office, book, make_entry(0, 0, legs=(*cash, *units)))
    assert await office.faults() == []


# ── idempotence and races ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_sixteen_racers_with_one_key_make_one_entry(office: Office) -> None:
    book = await office.open_book()
    entry = await two_legs(office, book)
    draft = await office.do(draft_of, book, (entry,))

    async def race() -> domain.Posted:
        async with transaction(office.api, office.scope) as tx:
            return (await store.post_many(tx, book, draft, (entry,), APPROVER, NOW))[0]

    answers = await asyncio.gather(*(race() for _ in range(16)))
    assert sum(answer.fresh for answer in answers) == 1
    assert len({answer.id for answer in answers}) == 1
    assert await office.value("select count(*) from entry") == 1
    assert await office.faults() == []


async def test_the_same_key_with_other_content_is_a_conflict(office: Office) -> None:
    book = await office.open_book()
    entry = await two_legs(office, book)
    await post(office, book, entry)
    changed = replace(entry, memo="另一笔")
    with pytest.raises(why.KeyConflict):
        await post(office, book, changed)


async def test_posted_before_is_answered_again_also_after_the_month_is_closed(office: Office) -> None:
    book = await office.open_book()
    old = await two_legs(office, book)
    draft = await office.do(draft_of, book, (old,))
    async with transaction(office.api, office.scope) as tx:
        (first,) = await store.post_many(tx, book, draft, (old,), APPROVER, NOW)
    await office.do(actions.close_month, book.id, 201908, ACCOUNTANT, NOW)
    async with transaction(office.api, office.scope) as tx:
        (again,) = await store.post_many(tx, book, draft, (old,), APPROVER, NOW)
    assert (again.id, again.number, again.fresh) == (first.id, first.number, False)
    with pytest.raises(why.MonthClosed):
        await post(office, book, await two_legs(office, book))


async def test_old_and_new_in_one_call_keep_their_places(office: Office) -> None:
    book = await office.open_book()
    old = [await two_legs(office, book) for _ in range(3)]
    draft = await office.do(draft_of, book, tuple(old))
    async with transaction(office.api, office.scope) as tx:
        posted = await store.post_many(tx, book, draft, old, APPROVER, NOW)
    accounts = await accounts_of(office, book)
    three = (
        Leg(accounts["102"], Side.DEBIT, 300),
        Leg(accounts["332"], Side.CREDIT, 100),
        Leg(accounts["322"], Side.CREDIT, 200),
    )
    fresh = [make_entry(0, 0, legs=three) for _ in range(2)]
    second = await office.do(draft_of, book, tuple(fresh))
    mixed = [old[2], fresh[0], old[0], fresh[1]]
    async with transaction(office.api, office.scope) as tx:
        answers = await store.post_many(tx, book, second, mixed, APPROVER, NOW)
    assert [answer.fresh for answer in answers] == [False, True, False, True]
    assert (answers[0].id, answers[2].id) == (posted[2].id, posted[0].id)
    assert [answer.number for answer in answers] == [3, 4, 1, 5]
    assert await office.value("select legs from entry where public_id = $1", answers[3].id) == 3
    assert await office.faults() == []


async def test_many_writers_on_one_book_neither_block_for_good_nor_leave_a_gap(office: Office) -> None:
    book = await office.open_book()
    before = await office.value("select deadlocks from pg_stat_database where datname = current_database()")
    batches = [[await two_legs(office, book) for _ in range(3)] for _ in range(12)]
    await asyncio.gather(*(post(office, book, *batch) for batch in batches))
    assert await office.value("select last_no from period_head") == 36
    assert await office.value("select deadlocks from pg_stat_database where datname = current_database()") == before
    assert await office.faults() == []


async def test_all_or_none(office: Office) -> None:
    book = await office.open_book()
    accounts = await accounts_of(office, book)
    good = await two_legs(office, book)
    bad = make_entry(accounts["332"], accounts["101"], fen=1)
    with pytest.raises(why.AccountOverdrawn):
        await post(office, book, good, bad)
    for table in ("entry", "leg", "block", "balance_month", "outbox"):
        assert await office.value(f"select count(*) from {table}") == 0, table
    assert await office.value("select last_no from period_head") == 0


async def test_a_month_that_was_never_opened_takes_nothing(office: Office) -> None:
    book = await office.open_book()
    accounts = await accounts_of(office, book)
    with pytest.raises(why.MonthMissing):
        await post(office, book, make_entry(accounts["102"], accounts["332"], on=date(2019, 9, 1)))


async def test_a_neighbour_cannot_post_into_the_book(office: Office) -> None:
    book = await office.open_book()
    entry = await two_legs(office, book)
    draft = await office.do(draft_of, book, (entry,))
    for scope in (Scope.of([NEIGHBOUR]), Scope.nothing()):
        with pytest.raises(why.MonthMissing):
            async with transaction(office.api, scope) as tx:
                await store.post_many(tx, book, draft, (entry,), APPROVER, NOW)


async def test_a_plan_made_for_few_serves_many(office: Office) -> None:
    """After five calls the database plans for any array; the eighth call must not be slower by more than noise."""
    book = await office.open_book()
    accounts = await accounts_of(office, book)
    seconds = []
    for _ in range(8):
        entries = tuple(make_entry(accounts["102"], accounts["332"]) for _ in range(500))
        draft = await office.do(draft_of, book, entries)
        began = time.perf_counter()
        async with transaction(office.api, office.scope) as tx:
            await store.post_many(tx, book, draft, entries, APPROVER, NOW)
        seconds.append(time.perf_counter() - began)
    assert min(seconds[6:]) < 3 * min(seconds[1:4]), seconds


# ── the chain, the verifier ───────────────────────────────────────────────────────────────────────────────────────────

TAMPERINGS = yaml.safe_load((Path(__file__).parent / "cases" / "tampering.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", TAMPERINGS, ids=[case["name"] for case in TAMPERINGS])
async def test_the_verifier_finds_what_a_superuser_changed(office: Office, case: dict[str, Any]) -> None:
    book = await office.open_book()
    await office.enter(book, 2)
    await office.post(book, opening_terms(1_000))
    await office.do(actions.close_month, book.id, 201908, ACCOUNTANT, NOW)
    await office.open_months(book, 201909)
    (distribution,) = await office.post(book, distribution_terms(1_000, PAID_ON))
    paid = await office.post(book, payment_terms(distribution.id, PAID_ON))
    await office.post(book, reversal_terms(paid[0].id, PAID_ON))
    assert await office.faults() == []

    connection = await asyncpg.connect(office.database.admin, ssl=False)
    two_persons = "constraint draft_two_persons"
    await connection.execute(f"set session_replication_role = replica; alter table draft drop {two_persons}")
    await connection.execute(case["sql"])
    try:
        assert set(case["found"]) <= set(await office.faults())
    finally:
        await connection.execute("delete from draft")
        await connection.execute(
            f"alter table draft add {two_persons} check (state <> 'approved' or decided_by <> drafted_by)"
        )
        await connection.close()


def test_every_question_of_the_verifier_is_answered_by_a_case() -> None:
    assert {check for case in TAMPERINGS for check in case["found"]} == set(CHECKS)


async def test_both_sides_compute_the_same_body_hash(office: Office) -> None:
    book = await office.open_book()
    accounts = await accounts_of(office, book)
    legs = (
        Leg(accounts["102"], Side.DEBIT, 2**53),
        Leg(accounts["332"], Side.CREDIT, 2**53 + 7),
        Leg(accounts["322"], Side.CREDIT, -7),
    )
    entry = make_entry(0, 0, legs=legs, memo="䶮·王“报”\n第二行", on=date(2019, 8, 31), kind=Kind.ADJUSTMENT)
    await post(office, book, entry)
    assert await office.value("select body_hash from entry") == entry.body_hash()
