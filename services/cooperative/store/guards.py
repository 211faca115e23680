"""Guards of the ledger and the errors they stand for: the database refuses by constraint name, never by text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from services.cooperative.domain.refusals import (
    AccountOverdrawn,
    BookMissing,
    DraftDecided,
    DraftsWaiting,
    DraftTwice,
    KeyConflict,
    LedgerBusy,
    MonthClosed,
    MonthMissing,
    PostingRefused,
    ReversedAlready,
    SamePerson,
)
from shared.db import driver_error
from shared.errors import Problem

NAMED: dict[str, type[Problem]] = {
    "balance_guard": AccountOverdrawn,
    "draft_decided": DraftDecided,
    "draft_pkey": DraftTwice,
    "draft_two_persons": SamePerson,
    "entry_reverses_key": ReversedAlready,
    "ledger_book": BookMissing,
    "ledger_drafts": DraftsWaiting,
    "ledger_key": KeyConflict,
    "ledger_month": MonthMissing,
    "ledger_open": MonthClosed,
}


@asynccontextmanager
async def guarded(**facts: Any) -> AsyncIterator[None]:
    """Turn a guard's refusal into its named error. The transaction is lost either way: the error rolls it back."""
    try:
        yield
    except asyncpg.LockNotAvailableError as error:
        raise LedgerBusy() from error
    except Exception as error:
        inner = driver_error(error)
        if not isinstance(inner, asyncpg.IntegrityConstraintViolationError):
            raise
        raise _refusal(inner, facts) from error


def _refusal(error: asyncpg.IntegrityConstraintViolationError, facts: dict[str, Any]) -> Problem:
    name = str(error.constraint_name)
    kind = NAMED.get(name)
    if kind is None:
        return PostingRefused(guard=name)
    known = {"account": error.detail or "", "key": error.detail or "", "number": error.detail or "", **facts}
    return kind(**{placeholder: known.get(placeholder, "") for placeholder in kind.placeholders()})
