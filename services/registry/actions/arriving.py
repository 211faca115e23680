"""A chunk's keys meet the register: who is known, who is new, who cannot be recorded here. Decides, writes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from services.registry.domain.modes import Mode
from services.registry.domain.places import row_of, table_of
from services.registry.store.arrivals import ChunkKeys, HouseholdKey, Numbered, PersonKey, Refusal
from services.registry.store.intake import KnownHousehold, KnownMember, KnownPerson
from shared.values import new_id

FELLOW = (
    "household.refused",
    "本户第{row}行有误，整户退回",
    "row {row} of this household is wrong, so all of it goes back",
)
OUT_OF_SCOPE = (
    "household.out_of_scope",
    "该户编号已登记在您的管辖范围之外",
    "this number is on record outside your scope",
)
SUPERSEDED = (
    "household.superseded",
    "该户已并入其他户或已注销",
    "this household was merged away or closed",
)
OLDER = ("observation.older", "调查日期早于在册资料", "observed before what is on record")
ON_RECORD = (
    "household.on_record",
    "该户编号已在册；本次只新增，不变更在册的户",
    "this number is on record, and the file only adds households",
)
UNKNOWN_VILLAGE = ("division.unknown", "村级区划代码未登记", "no village of this code is in force")
PERSON_DEAD = (
    "person.dead",
    "该成员已登记去世，不能再列为成员",
    "this person is on record as having died, and belongs to no household",
)
PERSON_HIDDEN = (
    "person.out_of_scope",
    "该证件号码已登记在您的管辖范围之外",
    "this number is on record outside your scope",
)


@dataclass(frozen=True)
class Register:
    """What the register knows of a chunk's keys."""

    households: Mapping[str, KnownHousehold]
    hidden_numbers: frozenset[str]
    people: Mapping[bytes, KnownPerson]
    hidden_people: frozenset[bytes]
    villages: frozenset[int]
    members: Mapping[int, Sequence[KnownMember]] = field(default_factory=dict)
    """Of each household on record, its members; asked for corrections alone."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the chunk is on record anywhere."""
        return not (self.households or self.hidden_numbers or self.people or self.hidden_people)

    @cached_property
    def dead(self) -> frozenset[bytes]:
        """Identities of those who have died: they belong to no household."""
        return frozenset(identity for identity, one in self.people.items() if one.died_on is not None)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the file said for all its rows."""

    observed_on: date
    names_division: bool
    headings: Sequence[Mapping[str, str]]
    """For each place of the file: field → heading."""
    mode: Mode = Mode.RECORD


def arrive(keys: ChunkKeys, register: Register, terms: Terms, numbers: tuple[Iterator[int], Iterator[int]]) -> Numbered:
    """Number households and persons; a household with one refused row goes back whole."""
    members: dict[str, list[PersonKey]] = defaultdict(list)
    for person in keys.persons:
        members[person.number].append(person)
    numbered = Numbered()
    for household in keys.households:
        wrong = wrong_household(household, register, terms) or wrong_person(members[household.number], register)
        if wrong is None:
            _number(household, members[household.number], register, terms, numbers, numbered)
        else:
            numbered.refusals.extend(refused(household, members[household.number], wrong, terms))
    return numbered


Wrong = tuple[int, str, tuple[str, str, str]]


def _division_of(household: HouseholdKey, known: KnownHousehold | None, terms: Terms) -> int | None:
    """Where the file says that it lies, or where it lies on record."""
    if known is not None and (household.division is None or not terms.names_division):
        return known.division
    return household.division


def wrong_household(household: HouseholdKey, register: Register, terms: Terms) -> Wrong | None:
    """Why a household cannot be recorded, by what the register knows of its number and its village."""
    known = register.households.get(household.number)
    division = _division_of(household, known, terms)
    if household.number in register.hidden_numbers:
        return household.row, "number", OUT_OF_SCOPE
    if known is not None and terms.mode is Mode.CREATE and not known.withdrawn:
        return household.row, "number", ON_RECORD
    if division not in register.villages:
        return household.row, "division", UNKNOWN_VILLAGE
    if known is not None and known.superseded:
        return household.row, "number", SUPERSEDED
    if known is not None and known.observed_on > terms.observed_on and not known.withdrawn:
        return household.row, "number", OLDER
    return None


def wrong_person(members: Sequence[PersonKey], register: Register) -> Wrong | None:
    """Somebody of it who stands in the register where the submitter does not see."""
    for person in members:
        if any(identity in register.hidden_people for identity in person.identities):
            return person.row, "id_number", PERSON_HIDDEN
        if register.dead and any(one in register.dead for one in (*person.identities, *person.provisional)):
            return person.row, "name" if not person.identities else "id_number", PERSON_DEAD
    return None


def refused(household: HouseholdKey, members: Sequence[PersonKey], wrong: Wrong, terms: Terms) -> Iterator[Refusal]:
    """All of a household's rows, the culprit with its reason; corrections may name no member of it."""
    line, name, (code, zh, en) = wrong
    row = row_of(line)
    for own in [person.row for person in members] or [household.row]:
        column = terms.headings[table_of(own)][name]
        if own == line:
            yield Refusal(line, column, code, zh, en)
        else:
            fellow, fellow_zh, fellow_en = FELLOW
            yield Refusal(own, column, fellow, fellow_zh.format(row=row), fellow_en.format(row=row))


def _number(
    household: HouseholdKey,
    members: list[PersonKey],
    register: Register,
    terms: Terms,
    numbers: tuple[Iterator[int], Iterator[int]],
    numbered: Numbered,
) -> None:
    known = register.households.get(household.number)
    no = next(numbers[0]) if known is None else known.no
    division = _division_of(household, known, terms)
    assert division is not None, "a form says where a household lies, by its number at least"
    id_ = str(new_id() if known is None else known.id)
    numbered.households.append((household.number, no, id_, known is None, division))
    for person in members:
        met, identity, provisional, repeated = _meet(person, no, register)
        person_no = next(numbers[1]) if met is None else met.no
        person_id = str(new_id() if met is None else met.id)
        row = (person.row, person_no, person_id, met is None, provisional, "\\x" + identity.hex())
        numbered.persons.append(row)
        if repeated:
            numbered.repeated.append(person.row)


def _meet(person: PersonKey, home: int, register: Register) -> tuple[KnownPerson | None, bytes, bool, bool]:
    """Who of the register it is; his key, whether that is provisional, whether his number is another household's.

    A number that another household's member holds is a doubt, never a removal (I1): ours is kept beside it under a
    provisional key, and stays so when the same file comes again.
    """
    own = next((register.people[key] for key in person.provisional if key in register.people), None)
    holder = next((register.people[key] for key in person.identities if key in register.people), None)
    taken = holder is not None and holder.household_no not in (None, home)
    if person.identities and not taken and (own is None or own.household_no != home):
        return holder, person.identities[0], False, False
    return own, person.provisional[0], True, taken
