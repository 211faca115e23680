"""Persons as remembered: identity by blind index, numbers and telephones sealed for their very row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.registry.domain import Person
from services.registry.tables import PERSON_FACTS, person
from services.registry.tables.people import PERSON_SEALED
from shared.auth import Officer, fetch_logged
from shared.crypto import KeyRing
from shared.db import Transaction
from shared.values import HouseholdNumber, mask_name

COLUMNS = tuple(column.name for column in person.columns)
NAMED = ", ".join(f'"{name}"' for name in COLUMNS)
PLAIN = tuple(
    one.name for one in fields(Person) if one.name in person.columns and one.name not in ("id", "pseudonym", "version")
)
"""Attributes of the noun that are columns as they are."""
SEALED_KINDS = {"id_number": "citizen_id", "disability_card": "disability_card", "phone": "phone"}
"""Sealed attributes and the kind under which each is indexed."""


@dataclass(frozen=True, slots=True)
class Written:
    """By whom and when something is written, and on which day it was seen."""

    by: str
    now: datetime
    observed_on: date
    persons_on: date | None = None
    """Of its people, where they were seen on another day than the household."""

    @property
    def people_seen_on(self) -> date:
        """The day of what is written of persons."""
        return self.persons_on or self.observed_on


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds an identity in the register: a person in scope, and his household if he has one."""

    id: UUID
    pseudonym: UUID
    no: int
    household: UUID | None
    household_no: int | None
    died_on: date | None = None


def provisional_text(number: HouseholdNumber, member: Person) -> str:
    """The identity of somebody whose number is missing or already another's: the same words a form would give."""
    basis = member.person_number
    if basis is None:
        basis = "|".join([member.name, *([member.birth_on.isoformat()] if member.birth_on else [])])
    return "|".join([number.text, basis, member.id_number or ""])


def identity_of(keys: KeyRing, number: HouseholdNumber, member: Person) -> tuple[str, str]:
    """Kind and text under which a person stands in the register once."""
    if member.id_provisional or member.id_number is None:
        return "provisional", provisional_text(number, member)
    return "citizen_id", member.id_number


def person_from(row: Mapping[str, Any], keys: KeyRing | None) -> Person:
    """A row as the noun; without keys its sealed attributes stay unknown."""
    opened: dict[str, str | None] = dict.fromkeys(SEALED_KINDS)
    if keys is not None:
        for name in SEALED_KINDS:
            sealed = row[f"{name}_sealed"]
            opened[name] = None if sealed is None else keys.unseal("person", name, row["id"], sealed)
    attributes: dict[str, Any] = {name: row[name] for name in PLAIN} | opened
    return Person(id=row["id"], pseudonym=row["pseudonym"], **attributes)


def _values(keys: KeyRing | None, number: HouseholdNumber, member: Person) -> dict[str, Any]:
    if keys is None:
        raise RuntimeError("a person is written by those alone who hold the keys")
    values: dict[str, Any] = {name: getattr(member, name) for name in PLAIN}
    values |= {"masked_name": mask_name(member.name), "source_values": None}
    values["identity_index"] = keys.blind_index(*identity_of(keys, number, member))
    for name, kind in SEALED_KINDS.items():
        text = getattr(member, name)
        values[f"{name}_index"] = None if text is None else keys.blind_index(kind, text)
        values[f"{name}_sealed"] = None if text is None else keys.seal("person", name, member.id, text)
    return values


async def insert_person(
    tx: Transaction,
    keys: KeyRing | None,
    member: Person,
    home: tuple[int, int],
    number: HouseholdNumber,
    written: Written,
) -> int:
    """A person of this household (inside key, division); answers his inside key."""
    values = _values(keys, number, member)
    replaced = [values[name] for name in REPLACED]
    given = (member.id, member.pseudonym, *home, written.people_seen_on, written.now, written.by, *replaced)
    return int(await tx.driver.fetchval(INSERT, *given))


REPLACED = ("identity_index", "id_provisional", "died_on", *PERSON_FACTS, *PERSON_SEALED)
INSERT = f"""insert into person (id, pseudonym, household_no, division, observed_on, version, known_from, recorded_by,
  {", ".join(f'"{name}"' for name in REPLACED)})
values ($1, $2, $3, $4, $5, 1, $6, $7, {", ".join(f"${at}" for at in range(8, 8 + len(REPLACED)))}) returning no"""
HISTORY = f"insert into person_history ({NAMED}, known_to) select {NAMED}, $2 from up"
UPDATE = f"""with up as (
  update person set ({", ".join(f'"{name}"' for name in REPLACED)})
    = ({", ".join(f"${at}" for at in range(7, 7 + len(REPLACED)))}),
    household_no = $3, division = $4, observed_on = greatest(observed_on, $5), recorded_by = $6, withdrawn = false,
    version = version + 1, known_from = $2, batch = null, batch_row = null
  where no = $1 returning old.*) {HISTORY}"""
RELEASE = f"""with up as (
  update person set household_no = null, recorded_by = $3, version = version + 1, known_from = $2, batch = null,
    batch_row = null, died_on = coalesce($5, died_on)
  where no = $1 and household_no = $4 returning old.*) {HISTORY}"""


async def update_person(
    tx: Transaction,
    keys: KeyRing | None,
    no: int,
    member: Person,
    home: tuple[int, int],
    number: HouseholdNumber,
    written: Written,
) -> None:
    """What was seen of a person anew; the image before it goes into history. Source wordings stay with files."""
    values = _values(keys, number, member)
    replaced = [values[name] for name in REPLACED]
    await tx.driver.execute(UPDATE, no, written.now, *home, written.people_seen_on, written.by, *replaced)


async def release_person(
    tx: Transaction, no: int, household_no: int, written: Written, died_on: date | None = None
) -> None:
    """Somebody who left, or who died on that day, belongs to no household."""
    await tx.driver.execute(RELEASE, no, written.now, written.by, household_no, died_on)


HOLDERS = """select p.identity_index, p.id, p.pseudonym, p.no, p.household_no, h.id as household,
  p.died_on
from person p left join household h on h.no = p.household_no where p.identity_index = any($1)"""


async def holders_of(tx: Transaction, indexes: Sequence[bytes]) -> dict[bytes, Holder]:
    """Who in scope holds these identities."""
    rows = await tx.driver.fetch(HOLDERS, indexes)
    return {
        row["identity_index"]: Holder(
            row["id"], row["pseudonym"], row["no"], row["household"], row["household_no"], row["died_on"]
        )
        for row in rows
    }


OF_PERSON = """select p.*, h.id as household from person p left join household h on h.no = p.household_no
where p.id = $1"""


@dataclass(frozen=True, slots=True)
class Placed:
    """A person on record in scope, and the household he belongs to now, if any."""

    person: Person
    no: int
    household: UUID | None


async def find_person(tx: Transaction, person_id: UUID, keys: KeyRing) -> Placed | None:
    """Somebody by his id."""
    row = await tx.driver.fetchrow(OF_PERSON, person_id)
    return None if row is None else Placed(person_from(row, keys), row["no"], row["household"])


FREE = """select id from person where no = any($1) and household_no is null and died_on is null
order by no for no key update"""


async def free_people(tx: Transaction, numbers: Sequence[int]) -> set[UUID]:
    """Who of these lives and belongs to nobody, held until the commit."""
    return {row["id"] for row in await tx.driver.fetch(FREE, numbers)}


WITH_NUMBER = """select p.*, h.id as household, m.relation
from person p left join household h on h.no = p.household_no
left join membership m on m.person_no = p.no and m.household_no = h.no and m.known_to = 'infinity'
  and upper_inf(m.during)
where not p.withdrawn and (p.identity_index = any($1) or (p.id_provisional and p.id_number_index = any($1)))
order by p.no limit 50"""


@dataclass(frozen=True, slots=True)
class Met:
    """A person found by his number, and where he lives now."""

    person: Person
    household: UUID | None
    relation: str | None


async def people_with_number(
    tx: Transaction, indexes: Sequence[bytes], keys: KeyRing, officer: Officer, purpose: str, action: str
) -> list[Met]:
    """Persons in scope who carry that identity number, provisional ones too, and who asked for them: one statement."""
    rows = await fetch_logged(
        tx, WITH_NUMBER, list(indexes), officer=officer, purpose=purpose, noun="person", action=action
    )
    return [Met(person_from(row, keys), row["household"], row["relation"]) for row in rows]
