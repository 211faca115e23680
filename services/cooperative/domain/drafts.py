"""凭证草稿: what one person makes (制单) and another decides (审核). What is approved is posted, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.cooperative.domain.books import Book
from services.cooperative.domain.entries import Entry, bundle_hash
from services.cooperative.domain.refusals import DraftDecided, DraftStale, EntryAhead, SamePerson
from shared.clock import today


class DraftState(StrEnum):
    """草稿状态: 待审, 已审记账, 已退回."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Draft:
    """凭证草稿: a posting's terms and the entries that follow from them, frozen and hashed."""

    id: UUID
    book: int
    posting: str
    period: int
    terms: dict[str, Any]
    entries: tuple[Entry, ...]
    hash: bytes
    drafted_by: str
    drafted_at: datetime
    state: DraftState = DraftState.WAITING
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None


def make_draft(
    draft_id: UUID, book: Book, posting: str, terms: dict[str, Any], entries: tuple[Entry, ...], by: str, now: datetime
) -> Draft:
    """Freeze what a posting proposes. Nothing is dated ahead of today, and one draft stays within one month."""
    on = max(entry.on for entry in entries)
    if on > today(now):
        raise EntryAhead(on=on, today=today(now))
    if len({entry.period for entry in entries}) != 1:
        raise ValueError(f"a posting of one month expected, {posting} spans several")
    return Draft(draft_id, book.key, posting, entries[0].period, terms, entries, bundle_hash(entries), by, now)


def check_decidable(draft: Draft, by: str) -> None:
    """An approver is another person than the drafter, and comes first."""
    if draft.state is not DraftState.WAITING:
        raise DraftDecided(draft=draft.id)
    if by == draft.drafted_by:
        raise SamePerson()


def approve(draft: Draft, proposed_again: tuple[Entry, ...], by: str, now: datetime) -> Draft:
    """A second person says yes, and the ground has not moved since the draft was made."""
    check_decidable(draft, by)
    if bundle_hash(proposed_again) != draft.hash:
        raise DraftStale(draft=draft.id)
    return _decide(draft, DraftState.APPROVED, by, now)


def reject(draft: Draft, reason: str, by: str, now: datetime) -> Draft:
    """Anybody with the right says no, who made it too (that is how a draft is withdrawn)."""
    return replace(_decide(draft, DraftState.REJECTED, by, now), reason=reason)


def _decide(draft: Draft, state: DraftState, by: str, now: datetime) -> Draft:
    if draft.state is not DraftState.WAITING:
        raise DraftDecided(draft=draft.id)
    return replace(draft, state=state, decided_by=by, decided_at=now)
