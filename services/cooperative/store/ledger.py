"""The ledger's hot path: one call posts any number of entries, all or none; and what a posting looks at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.cooperative.domain import (
    Account,
    Book,
    Draft,
    Earlier,
    Entry,
    Ground,
    Guard,
    Kind,
    Leg,
    MemberLeaf,
    Posted,
    Side,
    entry_number,
)
from services.cooperative.domain.refusals import EntryMissing
from services.cooperative.store.guards import guarded
from services.cooperative.store.payouts import load_payout
from shared.db import Transaction
from shared.values import new_id

POST_MANY = (
    "select place, id, public_id, number, fresh from post_many($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
    " $14, $15, $16, $17, $18) order by place"
)


async def post_many(
    tx: Transaction, book: Book, draft: Draft, entries: Sequence[Entry], by: str, at: datetime
) -> tuple[Posted, ...]:
    """Post an approved draft's entries, all or none, into months that are open. Posted before is answered again."""
    periods = [entry.period for entry in entries]
    headers = _headers(book, draft, entries, periods)
    async with guarded(period=draft.period, book=book.id):
        rows = await tx.driver.fetch(POST_MANY, *headers, *_legs(entries), by, at)
    return tuple(
        Posted(row["id"], row["public_id"], periods[row["place"] - 1], row["number"], row["fresh"]) for row in rows
    )


def _headers(book: Book, draft: Draft, entries: Sequence[Entry], periods: list[int]) -> tuple[list[Any], ...]:
    many = len(entries)
    return (
        [book.key] * many,
        periods,
        [entry.key for entry in entries],
        [entry.on for entry in entries],
        [entry.kind.number for entry in entries],
        [entry.memo for entry in entries],
        [new_id() for _ in entries],
        [draft.posting] * many,
        [draft.id] * many,
        [entry.reverses for entry in entries],
    )


def _legs(entries: Sequence[Entry]) -> tuple[list[int], ...]:
    numbered = [(place, n, leg) for place, entry in enumerate(entries, 1) for n, leg in enumerate(entry.legs, 1)]
    return (
        [place for place, _, _ in numbered],
        [n for _, n, _ in numbered],
        [leg.account for _, _, leg in numbered],
        [leg.unit for _, _, leg in numbered],
        [1 if leg.side is Side.DEBIT else -1 for _, _, leg in numbered],
        [leg.amount for _, _, leg in numbered],
    )


async def load_ground(tx: Transaction, book: Book, leaf_code: str | None, refers_to: UUID | None) -> Ground:
    """All that a posting may look at: accounts, balances, members with their leaves, the entry it builds on."""
    rows = await tx.driver.fetch(
        "select a.id, a.code, a.unit_id, a.normal, a.guard, b.dr - b.cr as value from account a"
        " join balance b on b.account_id = a.id where a.book_id = $1 and a.member_id is null",
        book.key,
    )
    return Ground(
        book=book,
        accounts={row["code"]: _account(row) for row in rows},
        balances={row["code"]: row["value"] for row in rows},
        members=() if leaf_code is None else await _leaves(tx, book, leaf_code),
        earlier=None if refers_to is None else await _earlier(tx, book, refers_to, leaf_code),
        opening=await _opening(tx, book),
    )


def _account(row: Mapping[str, Any]) -> Account:
    return Account(row["id"], row["code"], row["unit_id"], Side.of(row["normal"]), Guard.of(row["guard"]))


async def _leaves(tx: Transaction, book: Book, code: str) -> tuple[MemberLeaf, ...]:
    rows = await tx.driver.fetch(
        "select m.id as member, m.number, m.household, a.id as account, m.joined_on, m.left_on"
        " from member m join account a on a.member_id = m.id and a.code = $2 and a.book_id = $1"
        " where m.book_id = $1 order by m.number",
        book.key,
        code,
    )
    return tuple(MemberLeaf(**row) for row in rows)


async def _opening(tx: Transaction, book: Book) -> str | None:
    row = await tx.driver.fetchrow(
        "select e.period, e.no from entry e where e.book_id = $1 and e.period = $2 and e.kind = $3"
        " and not exists (select from entry r where r.reverses = e.id)",
        book.key,
        book.first_period,
        Kind.OPENING.number,
    )
    return None if row is None else entry_number(row["period"], row["no"])


async def _earlier(tx: Transaction, book: Book, entry_id: UUID, leaf_code: str | None) -> Earlier:
    row = await tx.driver.fetchrow(
        "select e.id as key, e.public_id as id, e.period, e.no as number, e.kind, e.source as posting, e.eff as on,"
        " r.period as back_period, r.no as back_no from entry e left join entry r on r.reverses = e.id"
        " where e.public_id = $1 and e.book_id = $2",
        entry_id,
        book.key,
    )
    if row is None:
        raise EntryMissing(entry=entry_id)
    head = {name: row[name] for name in ("key", "id", "period", "number", "posting", "on")}
    return Earlier(
        **head,
        kind=Kind.of(row["kind"]),
        legs=await _legs_of(tx, row["key"]),
        reversed_by=None if row["back_no"] is None else entry_number(row["back_period"], row["back_no"]),
        payout=await load_payout(tx, row["key"]),
        paid=await _paid(tx, row["key"], leaf_code) if leaf_code else {},
    )


async def _legs_of(tx: Transaction, entry: int) -> tuple[Leg, ...]:
    rows = await tx.driver.fetch(
        "select account_id, side, amount, unit_id from leg where entry_id = $1 order by n", entry
    )
    return tuple(Leg(row["account_id"], Side.of(row["side"]), row["amount"], row["unit_id"]) for row in rows)


async def _paid(tx: Transaction, distribution: int, leaf_code: str) -> dict[int, int]:
    """What was paid under a distribution, by the member's leaf; a payment that was taken back counts as nothing."""
    rows = await tx.driver.fetch(
        "select a.id, sum(p.fen)::bigint as fen from payout p"
        " join account a on a.member_id = p.member_id and a.code = $2 where p.settles = $1 group by a.id",
        distribution,
        leaf_code,
    )
    return {row["id"]: row["fen"] for row in rows}
