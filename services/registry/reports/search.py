"""Whom a search, a list or an export is about: one statement of the conditions that are asked, and no others.

A policy lets nothing but equality and ranges into an index. So a beginning is a range, a given name is the key of its
sound, and where something else must be looked at too, it is looked at in the few rows that an index gave.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from services.registry.domain.search import ANY_DOUBT, Sort, Sought
from services.registry.domain.times import AsOf
from services.registry.likeness import key_of_index, name_keys
from services.registry.reports.past import households_then
from shared.db import Transaction

After = Sequence[object] | None


@dataclass(frozen=True, slots=True)
class Found:
    """A household that was sought, and where a list goes on after it."""

    id: UUID
    division: int
    number: str


@dataclass(slots=True)
class Query:
    """Rows of one table under conditions that are added one by one, with their values."""

    source: str
    asked: list[str] = field(default_factory=list)
    given: list[object] = field(default_factory=list)

    def _placed(self, text: str, values: Sequence[object]) -> str:
        first = len(self.given) + 1
        self.given.extend(values)
        return text.format(*(f"${first + at}" for at in range(len(values))))

    def add(self, condition: str, *values: object) -> None:
        """`{0}` is the place of the first value."""
        self.asked.append(self._placed(condition, values))

    def join(self, joined: str, *values: object) -> None:
        """Only rows that are met there too."""
        self.source += self._placed(f" join {joined}", values)

    def add_query(self, condition: str, of: Query) -> None:
        """A condition in which the source and the conditions of another query stand: `{source}`, `{where}`."""
        first = len(self.given)

        def moved(text: str) -> str:
            return re.sub(r"\$([0-9]+)", lambda one: f"${int(one[1]) + first}", text)

        self.asked.append(condition.format(source=moved(of.source), where=moved(of.where)))
        self.given.extend(of.given)

    @property
    def where(self) -> str:
        """All conditions."""
        return " and ".join(self.asked)

    def select(self, columns: str, rest: str = "") -> str:
        """The statement."""
        return f"select {columns} from {self.source} where {self.where} {rest}"


# Households


HOLDS = """exists (select 1 from status s where s.household_no = h.no and s.kind = {0} and s.known_to = 'infinity'
  and s.during @> {1}::date)"""
ASKED = "exists (select 1 from doubt d where d.household_no = h.no and d.closed_at is null"


def households(sought: Sought, on: date) -> Query:
    """Those that stand today; a status holds on the day. Of people, a member who was sought."""
    found = Query("household h")
    found.add("h.closed_on is null")
    found.add("h.division >= {0} and h.division < {1}", sought.division.lo, sought.division.hi)
    if sought.number is not None:
        found.add("h.number = {0}", sought.number)
    if sought.status is not None:
        found.add(HOLDS, sought.status, on)
    if sought.cause is not None:
        found.add("(h.main_cause = {0} or {0} = any(h.other_causes))", sought.cause)
    if sought.doubt == ANY_DOUBT:
        found.add(f"{ASKED})")
    elif sought.doubt is not None:
        found.add(f"{ASKED} and d.check_id = {{0}})", sought.doubt)
    if sought.is_of_persons:
        met = people(sought.of_people, on)
        found.add_query("h.no in (select l.household_no from {source} where {where})", met)
    return found


async def households_sought(tx: Transaction, sought: Sought, on: date, *, after: After, limit: int) -> list[Found]:
    """The next of them by place and number."""
    query = households(sought, on)
    if after is not None:
        query.add("(h.division, h.number) > ({0}, {1})", *after)
    query.given.append(limit)
    order = f"order by h.division, h.number limit ${len(query.given)}"
    rows = await tx.driver.fetch(query.select("h.id, h.division, h.number", order), *query.given)
    return [Found(**row) for row in rows]


async def households_sought_then(tx: Transaction, sought: Sought, at: AsOf, *, after: After, limit: int) -> list[Found]:
    """The same of those that lay there on a day, as it was believed at a moment."""
    rows = await households_then(
        tx, sought.division, at, status=sought.status, cause=sought.cause, after=after, limit=limit
    )
    return [Found(row.id, row.division, row.number) for row in rows]


async def count_households(tx: Transaction, sought: Sought, on: date) -> int:
    """How many there are."""
    query = households(sought, on)
    return int(await tx.driver.fetchval(query.select("count(*)"), *query.given))


# People


HEADS = """exists (select 1 from membership m where m.person_no = l.person_no and m.known_to = 'infinity'
  and upper_inf(m.during) and m.relation = 'head')"""
IDENTIFIED = """(select no from person where identity_index = any({0}) union
  select no from person where id_provisional and id_number_index = any({0})) identified
  on identified.no = l.person_no"""
NAMED = """(select person_no from likeness where name >= {0} and name < {1} union
  select person_no from likeness where given_key = {2} and right(name, length({0})) = {0}) named
  on named.person_no = l.person_no"""
LAST = chr(0x10FFFF)
"""No name goes beyond it."""
ANY_FAMILY = "王"
"""A given name alone is spelt as behind some family's."""
ONE_BY_ONE = "(select h.no from {source} where {where} and h.no = l.household_no) is not null"
ALL_AT_ONCE = "l.household_no in (select h.no from {source} where {where})"


def people(sought: Sought, on: date) -> Query:
    """Those who live in a household today (`l` is `likeness`): by who they are, and by their household."""
    found = Query("likeness l")
    found.add("l.household_no <> 0")
    found.add("l.division >= {0} and l.division < {1}", sought.division.lo, sought.division.hi)
    _who(found, sought)
    if sought.heads:
        found.add(HEADS)
    if sought.of_people != sought:
        found.add_query(ONE_BY_ONE if sought.is_of_names else ALL_AT_ONCE, households(sought.of_households, on))
    return found


def _who(found: Query, sought: Sought) -> None:
    if sought.name is not None and len(sought.name) < 2:
        found.add("l.name >= {0} and l.name < {1}", sought.name, sought.name + LAST)
    elif sought.name is not None:
        found.join(NAMED, sought.name, sought.name + LAST, name_keys(ANY_FAMILY + sought.name).given_key)
    for column, text in (("pinyin", sought.pinyin), ("initials", sought.initials)):
        if text is not None:
            found.add(f"l.{column} >= {{0}} and l.{column} < {{1}}", text, text + LAST)
    if sought.id_indexes:
        found.join(IDENTIFIED, [bytes.fromhex(one) for one in sought.id_indexes])
    if sought.phone_indexes:
        indexes = [bytes.fromhex(one) for one in sought.phone_indexes]
        found.add("l.phone_key = any({0})", [key_of_index(one) for one in indexes])


@dataclass(frozen=True, slots=True)
class Met:
    """A person who was sought, and where a list goes on after him."""

    no: int
    division: int
    pinyin: str


ORDERS = {Sort.PLACE: ("l.division", "l.person_no"), Sort.PINYIN: ("l.pinyin", "l.person_no")}


async def people_sought(
    tx: Transaction, sought: Sought, on: date, sort: Sort, *, after: After, limit: int
) -> list[Met]:
    """The next of them in that order."""
    query, order = people(sought, on), ", ".join(ORDERS[sort])
    if after is not None:
        query.add(f"({order}) > ({{0}}, {{1}})", *after)
    query.given.append(limit)
    statement = query.select("l.person_no as no, l.division, l.pinyin", f"order by {order} limit ${len(query.given)}")
    return [Met(**row) for row in await tx.driver.fetch(statement, *query.given)]


async def count_people(tx: Transaction, sought: Sought, on: date) -> int:
    """How many there are."""
    query = people(sought, on)
    return int(await tx.driver.fetchval(query.select("count(*)"), *query.given))


async def people_of_households(tx: Transaction, sought: Sought, on: date, ids: Sequence[UUID]) -> frozenset[UUID]:
    """Who of these households was sought."""
    query = people(sought, on)
    query.join("household own on own.no = l.household_no and own.id = any({0})", list(ids))
    query.join("person p on p.no = l.person_no")
    return frozenset(row["id"] for row in await tx.driver.fetch(query.select("p.id"), *query.given))


SHOWN = """select p.*, h.id as household, h.number, m.relation from person p
join household h on h.no = p.household_no
left join membership m on m.person_no = p.no and m.household_no = h.no and m.known_to = 'infinity'
  and upper_inf(m.during)
where p.no = any($1)"""


async def rows_of_people(tx: Transaction, numbers: Sequence[int]) -> dict[int, Any]:
    """What is shown of them, by inside number."""
    return {row["no"]: row for row in await tx.driver.fetch(SHOWN, list(numbers))}
