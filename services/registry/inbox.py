"""Foreign facts that registry hears: decisions become statuses, payouts become income; both are then announced anew."""

from __future__ import annotations

from services.registry.actions import households as actions
from services.registry.domain import Payout
from services.registry.domain.payouts import income_year
from services.registry.domain.refusals import HouseholdMissing
from services.registry.store import withdrawals
from services.registry.store.parameters import parameters
from shared.db import Transaction
from shared.events.assessment import CaseDecided
from shared.events.cooperative import PayoutPosted
from shared.hearing import Heard, Hears, NotYet, Withdrawal, Withdraws
from shared.values import DivisionCode


async def apply_decisions(tx: Transaction, heard: list[Heard[CaseDecided]]) -> None:
    """决定 → 户状态. A household that is not on record (a restored register) is waited for."""
    try:
        await actions.apply_decisions(tx, [(one.fact, one.said_at) for one in heard])
    except HouseholdMissing as missing:
        raise NotYet(missing.code) from missing


async def apply_payouts(tx: Transaction, heard: list[Heard[PayoutPosted]]) -> None:
    """兑付 → 收入行. Component, item and income year: parameters of the book's place on the day of payment."""
    numbers = await parameters(tx)
    payouts = []
    for one in heard:
        fact = one.fact
        place = DivisionCode.parse(fact.division)
        payout = Payout(
            id=fact.payout,
            fen=fact.fen,
            paid_on=fact.paid_on,
            component=numbers.at(f"payout_component.{fact.kind}", place, fact.paid_on).value,
            item=numbers.at(f"payout_item.{fact.kind}", place, fact.paid_on).value,
            year=income_year(fact.paid_on, numbers.at("income_year_end", place, fact.paid_on).value),
            reverses=fact.reverses,
        )
        payouts.append((fact.household, payout, one.said_at))
    try:
        await actions.apply_payouts(tx, payouts)
    except HouseholdMissing as missing:
        raise NotYet(missing.code) from missing


async def withdraw_payouts(tx: Transaction, withdrawal: Withdrawal) -> None:
    """A cooperative restored from an older backup has not paid these: their income is no longer held to be true."""
    await actions.withdraw_payouts(tx, await withdrawal.unnamed(tx, await withdrawals.payout_ids(tx)))


async def withdraw_decisions(tx: Transaction, withdrawal: Withdrawal) -> None:
    """An assessment restored from an older backup has not decided these: the statuses before them hold again."""
    await actions.withdraw_decisions(tx, await withdrawal.unnamed(tx, await withdrawals.decision_ids(tx)))


HEARS: Hears = {CaseDecided: apply_decisions, PayoutPosted: apply_payouts}
WITHDRAWS = {
    PayoutPosted.TOPIC: Withdraws(withdraw_payouts, identity=lambda fact: fact.payout),
    CaseDecided.TOPIC: Withdraws(withdraw_decisions, identity=lambda fact: getattr(fact, "decision", None)),
}
