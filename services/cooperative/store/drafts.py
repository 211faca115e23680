"""Drafts: terms and entries frozen as they were made, and the decision."""

from __future__ import annotations

import json
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.cooperative import tables
from services.cooperative.domain import Book, Draft, DraftState, Entry, Kind, Leg, Payee, Side
from services.cooperative.domain.refusals import BookMissing, DraftMissing
from services.cooperative.store.books import book_of
from services.cooperative.store.guards import guarded
from shared.db import Transaction
from shared.values import Scope

INSERT = (
    "insert into draft (id, book_id, posting, period, terms, entries, hash, drafted_by, drafted_at)"
    " values ($1, $2, $3, $4, $5::text::jsonb, $6::text::jsonb, $7, $8, $9)"
)


async def save_draft(tx: Transaction, draft: Draft) -> None:
    """Keep a new draft."""
    async with guarded(draft=draft.id):
        await tx.driver.execute(
            INSERT,
            draft.id,
            draft.book,
            draft.posting,
            draft.period,
            json.dumps(draft.terms, ensure_ascii=False),
            json.dumps([kept_entry(entry) for entry in draft.entries], ensure_ascii=False),
            draft.hash,
            draft.drafted_by,
            draft.drafted_at,
        )


async def save_decision(tx: Transaction, draft: Draft) -> None:
    """Approve or reject; the database lets it happen once, and an approval by a second person alone."""
    async with guarded(draft=draft.id):
        await tx.driver.execute(
            "update draft set state = $2, decided_by = $3, decided_at = $4, reason = $5 where id = $1",
            draft.id,
            draft.state.value,
            draft.decided_by,
            draft.decided_at,
            draft.reason,
        )


async def load_draft(tx: Transaction, scope: Scope, draft_id: UUID) -> tuple[Book, Draft]:
    """A draft with its book."""
    return await _one(tx, scope, draft_id, held=False)


async def lock_draft(tx: Transaction, scope: Scope, draft_id: UUID) -> tuple[Book, Draft]:
    """The same, held to the end of the transaction: two deciders come one after the other."""
    return await _one(tx, scope, draft_id, held=True)


async def _one(tx: Transaction, scope: Scope, draft_id: UUID, *, held: bool) -> tuple[Book, Draft]:
    chosen = sa.select(tables.draft).where(tables.draft.c.id == draft_id)
    row = (await tx.core.execute(chosen.with_for_update() if held else chosen)).mappings().one_or_none()
    if row is None:
        raise DraftMissing(draft=draft_id)
    owner = sa.select(tables.book).where(tables.book.c.id == row["book_id"])
    book = book_of((await tx.core.execute(owner)).mappings().one())
    if not scope.contains(book.division):
        raise BookMissing(book=book.id)
    return book, draft_of(row)


def draft_of(row: sa.RowMapping) -> Draft:
    """A draft from its row."""
    entries = tuple(read_entry(kept) for kept in row["entries"])
    decided = {name: row[name] for name in ("decided_by", "decided_at", "reason")}
    made = {name: row[name] for name in ("id", "posting", "period", "terms", "hash", "drafted_by", "drafted_at")}
    return Draft(**made, **decided, book=row["book_id"], entries=entries, state=DraftState(row["state"]))


def kept_entry(entry: Entry) -> dict[str, Any]:
    """An entry as JSON: what people decide on stays readable for good."""
    payee = entry.payee
    return {
        "key": entry.key,
        "kind": entry.kind.value,
        "on": entry.on.isoformat(),
        "memo": entry.memo,
        "legs": [[leg.account, leg.side.value, leg.amount, leg.unit] for leg in entry.legs],
        "reverses": entry.reverses,
        "payee": None if payee is None else _kept_payee(payee),
    }


def _kept_payee(payee: Payee) -> dict[str, Any]:
    return {
        "household": str(payee.household),
        "member": payee.member,
        "kind": payee.kind,
        "settles": payee.settles,
        "takes_back": None if payee.takes_back is None else str(payee.takes_back),
    }


def read_entry(kept: dict[str, Any]) -> Entry:
    """The entry again."""
    payee = kept["payee"]
    return Entry(
        key=kept["key"],
        kind=Kind(kept["kind"]),
        on=date.fromisoformat(kept["on"]),
        memo=kept["memo"],
        legs=tuple(Leg(account, Side(side), amount, unit) for account, side, amount, unit in kept["legs"]),
        reverses=kept["reverses"],
        payee=None if payee is None else _read_payee(payee),
    )


def _read_payee(kept: dict[str, Any]) -> Payee:
    back = kept["takes_back"]
    return Payee(
        UUID(kept["household"]), kept["member"], kept["kind"], kept["settles"], None if back is None else UUID(back)
    )
