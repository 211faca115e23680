"""Which foreign facts the cooperative hears, and which verb each wakes."""

from __future__ import annotations

from services.cooperative import actions
from shared.db import Transaction
from shared.events.registry import DivisionRecorded, HouseholdRecorded
from shared.hearing import Heard, Hears, Withdraws, newest


async def keep_divisions(tx: Transaction, heard: list[Heard[DivisionRecorded]]) -> None:
    """区划: their names."""
    await actions.keep_divisions(tx, [one.fact for one in newest(heard)])


async def keep_households(tx: Transaction, heard: list[Heard[HouseholdRecorded]]) -> None:
    """户: who can be a member; what has become of a member's status ends no membership."""
    await actions.keep_households(tx, [one.fact for one in newest(heard)])


HEARS: Hears = {
    DivisionRecorded: keep_divisions,
    HouseholdRecorded: keep_households,
}

WITHDRAWS = {
    DivisionRecorded.TOPIC: Withdraws(actions.forget_divisions),
    HouseholdRecorded.TOPIC: Withdraws(actions.forget_households),
}
