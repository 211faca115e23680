"""People come and go, households move, close and stand again, in the register; every verb as those of `surgery`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal
from uuid import UUID

from services.registry.actions.households import entry_of, identified, refuse_division
from services.registry.actions.surgery import Order, Outcome, Touched, carry_out, lock_all
from services.registry.domain import Household, MemberEntry, Person, comings
from services.registry.domain.comings import NumberHeld
from services.registry.domain.refusals import PersonDead, PersonElsewhere, PersonHidden
from services.registry.domain.surgery import Remaining, Verb
from services.registry.store import people
from services.registry.store.households import Record
from services.registry.store.intake import hidden_identities
from shared.db import Transaction
from shared.errors import Stale
from shared.events.registry import Relation
from shared.values import DivisionCode, HouseholdNumber

Way = Literal["marry", "adopt"]
IN: Mapping[Way, Verb] = {"marry": "marry_in", "adopt": "adopt_in"}
OUT: Mapping[Way, Verb] = {"marry": "marry_out", "adopt": "adopt_out"}


@dataclass(frozen=True, slots=True)
class Coming:
    """来者: somebody who comes into a household, by marriage or adoption, and how he is related to its head."""

    way: Way
    id: UUID | None
    told: Callable[[Person | None], Person]
    """What is said of him, over what is on record."""
    relation: Relation
    spouse: UUID | None = None


@dataclass(frozen=True, slots=True)
class Leaving:
    """原户: the household that he leaves, the version of it that was seen, and who follows him if he headed it."""

    household: UUID
    version: int
    remaining: Remaining


async def come_in(tx: Transaction, order: Order, coming: Coming, leaving: Leaving | None) -> Outcome:
    """婚入、收养: out of another household in the same deed, or from outside of all."""
    before, *left = await lock_all(tx, order, [] if leaving is None else [leaving.household])
    found = None if coming.id is None else await people.find_person(tx, coming.id, order.writer.keys)
    person = coming.told(None if found is None else found.person)
    if leaving is not None:
        touched = _left(left[0], person, leaving, coming.way, before.household, order.on)
        joined = _joined(before, person, coming, order.on, touched.after.number)
        return await carry_out(tx, order, [touched, joined], left[0].persons)
    if found is None:
        person, known = await _met(tx, order, before.household, MemberEntry(person, coming.relation))
    else:
        _refuse_unfree(before.household, found)
        known = {person.id: found.no}
    return await carry_out(tx, order, [_joined(before, person, coming, order.on)], known)


def _joined(before: Record, person: Person, coming: Coming, on: date, origin: HouseholdNumber | None = None) -> Touched:
    after = comings.arrive(before.household, person, coming.relation, on, coming.spouse)
    return Touched(before, after, IN[coming.way], origin, persons_on=on)


def _left(old: Record, person: Person, leaving: Leaving, way: Way, home: Household, on: date) -> Touched:
    if old.household.version != leaving.version:
        raise Stale
    after = comings.depart(old.household, person.id, leaving.remaining, on)
    return Touched(old, after, OUT[way], home.number)


async def _met(
    tx: Transaction, order: Order, home: Household, member: MemberEntry
) -> tuple[Person, Mapping[UUID, int]]:
    """Somebody new; under a number on record who belongs to nobody is met again, another household's is not taken."""
    entry = entry_of(home)
    entry = replace(entry, members=(*entry.members, member))
    entry, holders = await identified(tx, entry, order.writer.keys, home)
    person = entry.members[-1].person
    if person.id_provisional and person.id_number is not None:
        raise PersonElsewhere(number=home.number)
    return person, {one.id: one.no for one in holders.values() if one.household is None}


def _refuse_unfree(home: Household, found: people.Placed) -> None:
    if found.person.died_on is not None:
        raise PersonDead(number=home.number, on=found.person.died_on.isoformat())
    if found.household is not None:
        raise PersonElsewhere(number=home.number)


async def go_out(tx: Transaction, order: Order, way: Way, person: UUID, remaining: Remaining) -> Outcome:
    """婚出、送养: to where the register does not reach; the person belongs to no household then."""
    before = (await lock_all(tx, order, []))[0]
    after = comings.depart(before.household, person, remaining, order.on)
    return await carry_out(tx, order, [Touched(before, after, OUT[way])])


async def leave(tx: Transaction, order: Order, person: UUID, reason: str) -> Outcome:
    """离家: away, and a member still."""
    before = (await lock_all(tx, order, []))[0]
    after = comings.leave(before.household, person, before.seen, order.on)
    return await carry_out(tx, order, [Touched(before, after, "leave", reason=reason, persons_on=order.on)])


async def come_back(tx: Transaction, order: Order, person: UUID) -> Outcome:
    """返家."""
    before = (await lock_all(tx, order, []))[0]
    after = comings.come_back(before.household, person, before.seen, order.on)
    return await carry_out(tx, order, [Touched(before, after, "return", persons_on=order.on)])


async def bind_id(tx: Transaction, order: Order, person: UUID, text: str) -> Outcome:
    """证件号码登记: somebody who had none, or none that is valid, stands under his own number from then on."""
    before = (await lock_all(tx, order, []))[0]
    number, keys = comings.whole_number(text), order.writer.keys
    after = comings.bind_number(before.household, person, number)
    indexes = keys.blind_indexes("citizen_id", number.text)
    holders = await people.holders_of(tx, indexes)
    if await hidden_identities(tx, indexes, holders):
        raise PersonHidden(number=before.household.number)
    if any(one.id != person for one in holders.values()):
        raise NumberHeld
    return await carry_out(tx, order, [Touched(before, after, "bind_id")])


async def move(tx: Transaction, order: Order, to: DivisionCode, group: str | None) -> Outcome:
    """整户迁移."""
    before = (await lock_all(tx, order, []))[0]
    await refuse_division(tx, to, order.on)
    after = comings.move(before.household, to, group, before.observed_on, order.on)
    return await carry_out(tx, order, [Touched(before, after, "move", household_on=order.on)])


async def close(tx: Transaction, order: Order, reason: str) -> Outcome:
    """注销."""
    before = (await lock_all(tx, order, []))[0]
    after = comings.close(before.household, order.on)
    return await carry_out(tx, order, [Touched(before, after, "close", reason=reason)])


async def reopen(tx: Transaction, order: Order, remaining: Remaining) -> Outcome:
    """恢复."""
    before = (await lock_all(tx, order, []))[0]
    free = await people.free_people(tx, list(before.persons.values()))
    after = comings.reopen(before.household, free, remaining, order.on)
    return await carry_out(tx, order, [Touched(before, after, "reopen")], before.persons)
