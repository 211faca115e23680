"""Which foreign facts assessment hears, and which verb each wakes."""

from __future__ import annotations

from uuid import UUID

from services.assessment.actions import cases, judging, publicity
from services.assessment.store import heard as store
from shared.db import Transaction
from shared.events.notify import NoticePosted, NoticeTakenDown
from shared.events.registry import CircumstancesRecorded, DivisionRecorded, HouseholdRecorded
from shared.hearing import Heard, Hears, Withdrawal, Withdraws, newest


async def keep_divisions(tx: Transaction, heard: list[Heard[DivisionRecorded]]) -> None:
    """区划: names and levels."""
    await store.keep_divisions(tx, [one.fact for one in newest(heard)])


async def keep_households(tx: Transaction, heard: list[Heard[HouseholdRecorded]]) -> None:
    """户: what a public list shows; and decisions that came back as statuses close their cases."""
    await store.keep_households(tx, [one.fact for one in newest(heard)])
    await cases.mark_decided(tx, heard)


async def judge_circumstances(tx: Transaction, heard: list[Heard[CircumstancesRecorded]]) -> None:
    """户情况: every version kept, the newest judged."""
    await judging.hear_circumstances(tx, heard)


async def note_posted(tx: Transaction, heard: list[Heard[NoticePosted]]) -> None:
    """公示张贴: the clock of a publicity starts."""
    await publicity.note_posted(tx, heard)


async def note_taken_down(tx: Transaction, heard: list[Heard[NoticeTakenDown]]) -> None:
    """公示撤下: evidence."""
    await publicity.note_taken_down(tx, heard)


HEARS: Hears = {
    DivisionRecorded: keep_divisions,
    HouseholdRecorded: keep_households,
    CircumstancesRecorded: judge_circumstances,
    NoticePosted: note_posted,
    NoticeTakenDown: note_taken_down,
}


async def _drop_divisions(tx: Transaction, withdrawal: Withdrawal) -> None:
    gone = await withdrawal.unnamed(tx, await store.division_codes(tx))
    await store.drop_divisions(tx, [int(code) for code in gone])


async def _drop_households(tx: Transaction, withdrawal: Withdrawal) -> None:
    gone = await withdrawal.unnamed(tx, await store.household_ids(tx))
    await store.drop_households(tx, [UUID(one) for one in gone])


async def _drop_subjects(tx: Transaction, withdrawal: Withdrawal) -> None:
    gone = await withdrawal.unnamed(tx, await store.subject_ids(tx))
    await store.drop_subjects(tx, [UUID(one) for one in gone])


WITHDRAWS = {
    DivisionRecorded.TOPIC: Withdraws(_drop_divisions),
    HouseholdRecorded.TOPIC: Withdraws(_drop_households),
    CircumstancesRecorded.TOPIC: Withdraws(_drop_subjects),
}
