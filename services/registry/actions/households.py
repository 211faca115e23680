"""What is done with households: recorded, amended, decided upon, paid. Lock, decide, save, announce."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from services.registry.actions.doubts import doubt_household
from services.registry.domain import (
    Decision,
    Household,
    HouseholdEntry,
    MemberEntry,
    Payout,
    Person,
    amend,
    apply_decision,
    apply_payout,
    record,
)
from services.registry.domain.refusals import (
    DivisionUnknown,
    ObservationOlder,
    PersonDead,
    PersonHidden,
)
from services.registry.store import divisions as division_store
from services.registry.store import households as store
from services.registry.store import intake as keys_store
from services.registry.store import outgoing, withdrawals
from services.registry.store.claims import close_claims
from services.registry.store.households import DecisionPaper, Record
from services.registry.store.people import Holder, Written, holders_of
from shared.crypto import KeyRing
from shared.db import Transaction
from shared.errors import ScopeRefused
from shared.events.assessment import CaseDecided
from shared.outbox import Said, announce
from shared.values import DivisionCode, Level

CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Writer:
    """经手: who writes, with which keys, at which moment, on the strength of a visit on which day."""

    keys: KeyRing
    by: str
    now: datetime
    observed_on: date

    @property
    def written(self) -> Written:
        """The same for the store."""
        return Written(self.by, self.now, self.observed_on)

    def after(self, before: Record) -> Writer:
        """Never known before what it follows: whoever waited for the household may have asked the clock earlier."""
        return replace(self, now=max(self.now, before.known))


async def record_household(tx: Transaction, household_id: UUID, entry: HouseholdEntry, writer: Writer) -> Record:
    """A household enters the register with its first form."""
    await refuse_division(tx, entry.division, writer.observed_on)
    entry, holders = await identified(tx, entry, writer.keys, None)
    household, facts = record(household_id, entry, writer.observed_on)
    free = {holder.id: holder.no for holder in holders.values() if holder.household is None}
    await store.insert_household(tx, writer.keys, household, writer.written, free)
    await doubt_household(tx, writer.keys, household_id, entry, writer.written)
    await announce(tx, household_id, *facts, at=writer.now)
    return await store.load_household(tx, household_id)


async def amend_household(
    tx: Transaction,
    household_id: UUID,
    change: Callable[[Household], HouseholdEntry],
    check: Callable[[int], None],
    writer: Writer,
) -> Record:
    """A household's form again, or a part of it: `change` says the whole form from what is on record."""
    before = await store.lock_household(tx, household_id, writer.keys)
    check(before.household.version)
    writer = writer.after(before)
    entry = change(before.household)
    if writer.observed_on < before.observed_on:
        raise ObservationOlder(on=writer.observed_on, known=before.observed_on)
    await refuse_division(tx, entry.division, writer.observed_on)
    entry, holders = await identified(tx, entry, writer.keys, before.household)
    amended, facts = amend(before.household, entry, writer.observed_on)
    if facts:
        free = {holder.id: holder.no for holder in holders.values() if holder.household is None}
        await store.save_household(tx, writer.keys, before, amended, writer.written, free)
        await announce(tx, household_id, *facts, at=writer.now)
    await doubt_household(tx, writer.keys, household_id, entry, writer.written)
    return await store.load_household(tx, household_id)


def entry_of(household: Household) -> HouseholdEntry:
    """The form that says exactly what is on record."""
    return HouseholdEntry(
        number=household.number,
        division=household.division,
        members=tuple(MemberEntry(one.person, one.relation) for one in household.members),
        group=household.group,
        registered_on=household.registered_on,
        statuses=tuple((span.kind, span.since) for span in household.statuses if span.until is None),
        living=household.living,
        income=tuple(row for row in household.income if row.source == "declared"),
    )


async def refuse_division(tx: Transaction, code: DivisionCode, on: date) -> None:
    if not tx.scope.contains(code):
        raise ScopeRefused(division=code)
    found = await division_store.divisions_of(tx, [code.value])
    if not found or found[0].level is not Level.VILLAGE or (found[0].valid_to is not None and found[0].valid_to < on):
        raise DivisionUnknown(division=code)


async def identified(
    tx: Transaction, entry: HouseholdEntry, keys: KeyRing, before: Household | None
) -> tuple[HouseholdEntry, Mapping[bytes, Holder]]:
    """Persons whose number is on record: who belongs to nobody is met again, another household's keeps its number and
    ours is provisional (doubt I1), one out of scope is refused.
    """
    indexes = {
        one.person.id: keys.blind_indexes("citizen_id", one.person.id_number)
        for one in entry.members
        if one.person.id_number is not None
    }
    wanted = [index for live in indexes.values() for index in live]
    holders = await holders_of(tx, wanted)
    died = [*(one.person.died_on for one in entry.members), *(one.died_on for one in holders.values())]
    if dead := [one for one in died if one is not None]:
        raise PersonDead(number=entry.number, on=dead[0].isoformat())
    if await keys_store.hidden_identities(tx, wanted, holders):
        raise PersonHidden(number=entry.number)
    home = None if before is None else before.id
    members = [
        replace(one, person=_met(one, [holders[i] for i in indexes.get(one.person.id, ()) if i in holders], home))
        for one in entry.members
    ]
    return replace(entry, members=tuple(members)), holders


def _met(entry: MemberEntry, found: Sequence[Holder], home: UUID | None) -> Person:
    person = entry.person
    if not found or found[0].id == person.id:
        return replace(person, id_provisional=person.id_number is None or (person.id_provisional and not found))
    holder = found[0]
    if holder.household is None or holder.household == home:
        return replace(person, id=holder.id, pseudonym=holder.pseudonym, id_provisional=False)
    return replace(person, id_provisional=True)


# Facts heard


async def apply_decisions(tx: Transaction, heard: Sequence[tuple[CaseDecided, datetime]]) -> None:
    """Each decision once: a status interval, and its id for assessment to hear back; or why it has no effect."""
    for fact, said_at in heard:
        before = await store.lock_household(tx, fact.household)
        at = max(said_at, before.known)
        decision = Decision(fact.decision, fact.outcome, fact.effective_on)
        decided, facts = apply_decision(before.household, decision)
        if not facts:
            continue
        why = dict(decided.refused).get(decision.id)
        paper = DecisionPaper(decision, fact.case, fact.document_number, fact.version_judged, why)
        await store.insert_decision(tx, before, paper, at)
        if decided.statuses != before.household.statuses:
            await close_claims(tx, before.no, "assessment", at)
        written = Written("assessment", at, before.observed_on)
        await store.save_household(tx, None, before, decided, written, {})
        await announce(tx, fact.household, *facts, at=at)


async def apply_payouts(tx: Transaction, payouts: Sequence[tuple[UUID, Payout, datetime]]) -> None:
    """Each payout once: an income row of the year in which it was paid, a reversal in that of what it takes back."""
    for household_id, payout, said_at in payouts:
        before = await store.lock_household(tx, household_id)
        at = max(said_at, before.known)
        paid, facts = apply_payout(before.household, payout)
        if facts:
            written = Written("cooperative", at, before.observed_on)
            await store.save_household(tx, None, before, paid, written, {})
            await announce(tx, household_id, *facts, at=at)


async def withdraw_payouts(tx: Transaction, gone: Sequence[str]) -> None:
    """Income of payouts that their speaker no longer has is closed, and its households are announced."""
    await _announce_withdrawn(tx, await withdrawals.close_payouts(tx, gone))


async def withdraw_decisions(tx: Transaction, gone: Sequence[str]) -> None:
    """Statuses that rest on decisions which their speaker no longer has go back to what they were before."""
    await _announce_withdrawn(tx, await withdrawals.close_decisions(tx, gone))


async def _announce_withdrawn(tx: Transaction, touched: Sequence[int]) -> None:
    await outgoing.announce_households(tx, touched, await withdrawals.moment(tx))


async def households_again(tx: Transaction, epoch: int) -> AsyncIterator[Sequence[Said]]:
    """All households and circumstances, with versions above everything said before."""
    after = 0
    while found := await store.raise_versions(tx, epoch, after, CHUNK):
        facts = await outgoing.load_facts(tx, found)
        yield [Said(id_, fact) for id_, recorded, circumstances in facts for fact in (recorded, circumstances)]
        after = found[-1]
