"""What life does to households, in the register: lock all that is touched, decide, save, announce; or only show it.

A preview does all of it inside a savepoint and takes it back, so that what it shows has passed every guard of the
database; it announces nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from services.registry.actions.doubts import doubt_household
from services.registry.actions.households import Writer, entry_of, identified
from services.registry.domain import Household, MemberEntry, Person, facts_of, surgery
from services.registry.domain.refusals import HouseholdMissing
from services.registry.domain.surgery import Relations, Remaining, Verb
from services.registry.domain.timeline import Change
from services.registry.reports.timeline import changes_of_household
from services.registry.store import deeds
from services.registry.store import households as store
from services.registry.store.households import Record
from services.registry.store.people import Written
from shared.db import Transaction
from shared.errors import Stale
from shared.events.registry import Relation
from shared.outbox import announce
from shared.values import HouseholdNumber


@dataclass(frozen=True, slots=True)
class Order:
    """办理: of which household, on which day it happened, which version was seen; or only what it would change."""

    household: UUID
    on: date
    check: Callable[[int], None]
    writer: Writer
    is_preview: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """办理结果: every household that was touched as it stands then, and what became known of it."""

    records: Sequence[Record]
    changes: Mapping[UUID, Sequence[Change]]


@dataclass(frozen=True, slots=True)
class Touched:
    """涉及的户: the noun before (none for a new one) and after, and what is noted as done to it."""

    before: Record | None
    after: Household
    verb: Verb
    other: HouseholdNumber | None = None
    reason: str | None = None
    household_on: date | None = None
    """When the household itself was seen; else its last visit stays its last visit."""
    persons_on: date | None = None
    """When those of its people were seen of whom something is said anew."""


class _TakenBack(Exception):
    """The end of a preview: everything back, nothing wrong."""


async def bear(tx: Transaction, order: Order, child: Person, relation: Relation) -> Outcome:
    """出生."""
    before = (await lock_all(tx, order, []))[0]
    noun = before.household
    entry = entry_of(noun)
    entry = replace(entry, members=(*entry.members, MemberEntry(child, relation)))
    entry, holders = await identified(tx, entry, order.writer.keys, noun)
    child = entry.members[-1].person
    free = {holder.id: holder.no for holder in holders.values() if holder.household is None}
    after = surgery.birth(noun, child, relation, order.on)
    return await carry_out(tx, order, [Touched(before, after, "birth")], free)


async def die(tx: Transaction, order: Order, person: UUID, remaining: Remaining) -> Outcome:
    """死亡."""
    before = (await lock_all(tx, order, []))[0]
    after = surgery.death(before.household, person, remaining, order.on)
    return await carry_out(tx, order, [Touched(before, after, "death")])


async def change_head(tx: Transaction, order: Order, remaining: Remaining) -> Outcome:
    """变更户主."""
    before = (await lock_all(tx, order, []))[0]
    after = surgery.change_head(before.household, remaining, order.on)
    return await carry_out(tx, order, [Touched(before, after, "change_head")])


async def split(
    tx: Transaction, order: Order, new: tuple[UUID, HouseholdNumber], leaving: Remaining, staying: Remaining
) -> Outcome:
    """分户."""
    before = (await lock_all(tx, order, []))[0]
    old, fresh = surgery.split(before.household, new, leaving, staying, order.on)
    touched = [
        Touched(before, old, "split", fresh.number),
        Touched(None, fresh, "split_off", old.number),
    ]
    return await carry_out(tx, order, touched, before.persons)


async def merge(tx: Transaction, order: Order, into: UUID, into_version: int, relations: Relations) -> Outcome:
    """并户: of the other household, too, the caller says which version he saw."""
    gone, other = await lock_all(tx, order, [into])
    if other.household.version != into_version:
        raise Stale
    closed, joined = surgery.merge(gone.household, other.household, relations, order.on)
    touched = [
        Touched(gone, closed, "merge", joined.number),
        Touched(other, joined, "merged_in", closed.number),
    ]
    return await carry_out(tx, order, touched, gone.persons)


async def lock_all(tx: Transaction, order: Order, others: Sequence[UUID]) -> list[Record]:
    """The household of the order first; all of them held, in the order in which every writer holds them."""
    ids = list(dict.fromkeys([order.household, *others]))
    found = await store.load_households(tx, ids, order.writer.keys, lock=True)
    if len(found) < len(ids):
        raise HouseholdMissing
    order.check(found[order.household].household.version)
    return [found[one] for one in [order.household, *others]]


async def carry_out(
    tx: Transaction, order: Order, touched: Sequence[Touched], known: Mapping[UUID, int] | None = None
) -> Outcome:
    befores = [one.before for one in touched if one.before is not None]
    writer = order.writer
    for before in befores:
        writer = writer.after(before)
    try:
        async with tx.driver.transaction():
            for one in touched:
                await _save(tx, writer, order.on, one, known or {})
            outcome = await _outcome(tx, writer, sorted(touched, key=lambda one: one.after.id != order.household))
            if order.is_preview:
                raise _TakenBack
    except _TakenBack:
        return outcome
    for record in outcome.records:
        await announce(tx, record.household.id, *facts_of(record.household), at=writer.now)
    return outcome


async def _save(tx: Transaction, writer: Writer, on: date, one: Touched, known: Mapping[UUID, int]) -> None:
    """Those who lose people come first: nobody is in two households between two statements."""
    after = one.after
    if one.before is None:
        written = Written(writer.by, writer.now, on)
        await store.insert_household(tx, writer.keys, after, written, known)
    else:
        # Mostly the household itself was not looked at: its last visit stays its last visit.
        seen = one.household_on or one.before.observed_on
        written = Written(writer.by, writer.now, seen, one.persons_on or one.before.observed_on)
        await store.save_household(tx, writer.keys, one.before, after, written, known)
    await deeds.note_deed(tx, after.id, deeds.Deed(one.verb, on, one.other, one.reason), written)
    await doubt_household(tx, writer.keys, after.id, entry_of(after), written)


async def _outcome(tx: Transaction, writer: Writer, touched: Sequence[Touched]) -> Outcome:
    records = [await store.load_household(tx, one.after.id, writer.keys) for one in touched]
    changes = {
        one.after.id: [
            change for change in await changes_of_household(tx, one.after.id) if change.known_at == writer.now
        ]
        for one in touched
    }
    return Outcome(records, changes)
