"""Corrections meet the register: whose row each of them is, and which cannot be. Decides, writes nothing.

A household must be on record, and so must each member that is named: by his identity number, else by his own number in
the register, else by his name where the household has it once. A new identity number is a correction too, unless
somebody else stands under it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from services.registry.actions.arriving import Register, Terms, Wrong, refused, wrong_household, wrong_person
from services.registry.store.arrivals import ChunkKeys, HouseholdKey, Numbered, PersonKey
from services.registry.store.intake import KnownHousehold, KnownMember

NOT_ON_RECORD = (
    "household.not_on_record",
    "该户编号不在册；更正不新增户",
    "no household of this number is on record, and corrections add none",
)
NOT_A_MEMBER = (
    "person.not_member",
    "该户在册成员中没有此人；更正不新增成员",
    "the household has no such member on record, and corrections add none",
)
AMBIGUOUS = (
    "person.ambiguous",
    "该户有几名同名成员，请写明证件号码或人编号",
    "the household has several members of this name: give the id number or the person's own number",
)
NAMED_TWICE = ("person.repeated", "同一成员在本户重复出现", "the same member stands twice here")
NUMBER_TAKEN = (
    "person.number_taken",
    "该证件号码在册属于另一人，不能改为此号",
    "this number is somebody else's on record",
)
HEADS = (
    "household.heads",
    "更正后本户户主不是恰好一名，请把新旧户主的关系一并写明",
    "the household would not have exactly one head: say the relation of the old head and of the new one",
)


class _Wrong(Exception):
    """What sends the household back."""

    def __init__(self, row: int, field: str, why: tuple[str, str, str]) -> None:
        self.wrong: Wrong = (row, field, why)


def amend(keys: ChunkKeys, register: Register, terms: Terms) -> Numbered:
    """Number the households and members on record that are corrected; one wrong row sends its household back."""
    rows: dict[str, list[PersonKey]] = defaultdict(list)
    for person in keys.persons:
        rows[person.number].append(person)
    numbered = Numbered()
    for household in keys.households:
        own = rows[household.number]
        try:
            known = _on_record(household, register, terms)
            met = _met(own, register, register.members.get(known.no, ()))
        except _Wrong as found:
            numbered.refusals.extend(refused(household, own, found.wrong, terms))
            continue
        division = known.division if household.division is None else household.division
        numbered.households.append((household.number, known.no, str(known.id), False, division))
        numbered.persons.extend(met)
    return numbered


def _on_record(household: HouseholdKey, register: Register, terms: Terms) -> KnownHousehold:
    known = register.households.get(household.number)
    wrong = wrong_household(household, register, terms)
    if (known is None or known.withdrawn) and household.number not in register.hidden_numbers:
        wrong = household.row, "number", NOT_ON_RECORD
    if wrong is not None or known is None:
        row, field, why = wrong or (household.row, "number", NOT_ON_RECORD)
        raise _Wrong(row, field, why)
    return known


def _met(
    rows: Sequence[PersonKey], register: Register, members: Sequence[KnownMember]
) -> list[tuple[int, int, str, bool, bool, str]]:
    hidden = wrong_person(rows, register)
    if hidden is not None:
        raise _Wrong(*hidden)
    relations = {member.no: member.relation for member in members}
    met: list[tuple[int, int, str, bool, bool, str]] = []
    taken: set[int] = set()
    for row in rows:
        member = _member(row, members)
        if member.no in taken:
            raise _Wrong(row.row, "name", NAMED_TWICE)
        taken.add(member.no)
        relations[member.no] = row.relation or member.relation
        identity, provisional = _identity(row, member, register)
        met.append((row.row, member.no, str(member.id), False, provisional, "\\x" + identity.hex()))
    if any(row.relation for row in rows) and list(relations.values()).count("head") != 1:
        raise _Wrong(next(row.row for row in rows if row.relation), "relation", HEADS)
    return met


def _member(row: PersonKey, members: Sequence[KnownMember]) -> KnownMember:
    own = [one for one in members if one.identity in row.identities]
    own = own or [one for one in members if row.person_number is not None and one.person_number == row.person_number]
    own = own or [one for one in members if row.name is not None and one.name == row.name]
    if len(own) == 1:
        return own[0]
    field = "name" if row.name is not None else "id_number" if row.identities else "person_number"
    raise _Wrong(row.row, field, AMBIGUOUS if own else NOT_A_MEMBER)


def _identity(row: PersonKey, member: KnownMember, register: Register) -> tuple[bytes, bool]:
    """Under which key he stands from now on, and whether that is provisional."""
    if not row.identities or member.identity in row.identities:
        return member.identity, member.provisional
    if any(identity in register.people for identity in row.identities):
        raise _Wrong(row.row, "id_number", NUMBER_TAKEN)
    return row.identities[0], False
