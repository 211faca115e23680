"""Which foreign facts notify hears, and which verb each wakes."""

from __future__ import annotations

from services.notify import actions
from services.notify.domain import division_of
from shared.db import Transaction
from shared.events import Fact
from shared.events.assessment import (
    CaseAdvanced,
    CaseDecided,
    CaseOpened,
    CaseReturned,
    HouseholdJudged,
    PublicityEnded,
    PublicityOpened,
)
from shared.events.cooperative import PayoutPosted
from shared.events.registry import DivisionRecorded, HouseholdRecorded, IntakeFinished
from shared.hearing import Heard, Hears, Withdraws, newest


async def record_divisions(tx: Transaction, heard: list[Heard[DivisionRecorded]]) -> None:
    """区划: the names that stand over notices."""
    await actions.record_divisions(tx, [division_of(one.fact) for one in newest(heard)])


async def create_notices(tx: Transaction, heard: list[Heard[PublicityOpened]]) -> None:
    """公示开始: a notice is to be hung."""
    await actions.create_notices(tx, heard)


async def end_notices(tx: Transaction, heard: list[Heard[PublicityEnded]]) -> None:
    """公示结束: nothing of it hangs any more."""
    await actions.end_notices(tx, heard)


HEARS: Hears = {
    DivisionRecorded: record_divisions,
    PublicityOpened: create_notices,
    PublicityEnded: end_notices,
}

NOT_YET_HEARD: dict[type[Fact], str] = {
    HouseholdRecorded: "a list is frozen when its publicity opens; telling households comes with channels to people",
    IntakeFinished: "the clerk who sent a workbook reads its job; telling him comes with channels to people",
    HouseholdJudged: "telling helpers that a household is at risk comes with channels to people",
    CaseOpened: "telling a household of its case comes with channels to people",
    CaseAdvanced: "telling a household of its case comes with channels to people",
    CaseReturned: "telling a household of its case comes with channels to people",
    CaseDecided: "telling a household of its decision comes with channels to people",
    PayoutPosted: "telling a household of its payout comes with channels to people",
}
"""尚未听取: facts of topics that name notify as a listener, and why nothing is done with them yet."""


def _publicity(fact: Fact) -> str | None:
    return str(fact.publicity) if isinstance(fact, PublicityOpened) else None


WITHDRAWS = {PublicityOpened.TOPIC: Withdraws(actions.drop_notices, identity=_publicity)}
