"""What became known of a household, and when: the rows from which its timeline is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any
from uuid import UUID

from services.registry.domain.codes import STATUS
from services.registry.domain.timeline import (
    Amount,
    Change,
    Held,
    Image,
    Source,
    Words,
    changes_of,
    changes_of_amounts,
    changes_of_images,
    closed_change,
    deed_change,
    refused_decision,
    told_of_member,
    told_of_status,
)
from services.registry.tables import HOUSEHOLD_FACTS, PERSON_FACTS
from shared.db import Transaction

MOST_ROWS = 5000
"""Of each kind: more than a household can have; a limit all the same."""
MOMENTS = "nullif(known_to, 'infinity') as held_to, lower(during) as since, upper(during) as until"
MEMBERSHIPS = f"""select m.*, p.masked_name from (select *, {MOMENTS} from membership where household_no = $1
  order by no limit {MOST_ROWS}) m left join person p on p.no = m.person_no order by m.no"""
STATUSES = f"select *, {MOMENTS} from status where household_no = $1 order by no limit {MOST_ROWS}"
INCOMES = f"""select *, nullif(known_to, 'infinity') as held_to from income where household_no = $1
  order by no limit {MOST_ROWS}"""
DEEDS = "select * from deed where household_no = $1 order by no"
DECISIONS = "select * from decision where household_no = $1 order by known_from, id"
IMAGES = """select * from (
  select {columns} from {table} where no = any($1) union all select {columns} from {table}_history where no = any($1)) i
order by no, version"""
HOW = "no, version, observed_on, known_from, recorded_by, batch, batch_row"
HOUSEHOLDS = IMAGES.format(
    columns=f"{HOW}, closed_on, superseded_by, {', '.join(chr(34) + one + chr(34) for one in HOUSEHOLD_FACTS)}",
    table="household",
)
PERSONS = IMAGES.format(columns=f"{HOW}, household_no, id_provisional, {', '.join(PERSON_FACTS)}", table="person")
PLACES = "select code, name from division where code = any($1)"
ELSEWHERE: Words = ("一名现居辖区外的成员", "a member who lives outside the scope now")
PERSON_SEEN = ("id_provisional", *PERSON_FACTS)

Row = Mapping[str, Any]


async def changes_of_household(tx: Transaction, household_id: UUID) -> list[Change]:
    """All that became known of one household in scope, in the order in which it became known."""
    no = await tx.driver.fetchval("select no from household where id = $1", household_id)
    fetch = tx.driver.fetch
    memberships, decisions = await fetch(MEMBERSHIPS, no), await fetch(DECISIONS, no)
    documents = {row["id"]: row["document_number"] for row in decisions}
    found = [
        *changes_of((_member(row) for row in memberships), told_of_member),
        *changes_of((_status(row, documents) for row in await fetch(STATUSES, no)), told_of_status),
        *changes_of_amounts(one for row in await fetch(INCOMES, no) for one in _amounts(row)),
        *(_refused(row) for row in decisions if row["refused_because"] is not None),
        *await _seen(tx, no, {row["person_no"] for row in memberships}),
    ]
    done = {row["known_from"]: _deed(row) for row in await fetch(DEEDS, no)}
    through = (_through(one, done.get(one.known_at)) for one in found)
    found = [*done.values(), *(one for one in through if (one.kind, one.source.verb) != ("closed", "close"))]
    return sorted(found, key=lambda one: (one.known_at, ORDER.index(one.kind), one.true_since, one.words))


ORDER = (
    "birth", "death", "change_head", "split", "split_off", "merge", "merged_in", "marry_in", "marry_out", "adopt_in",
    "adopt_out", "leave", "return", "move", "close", "reopen", "carried", "bind_id", "closed", "entered", "moved",
    "seen", "joined", "relation", "left", "struck", "status_began", "status_ended", "status_again", "status_since",
    "status_struck", "corrected", "declared", "payout", "payout_reversed", "payout_withdrawn", "decision_refused",
)  # fmt: skip
"""Of what became known at one moment: the household, its people, what it is, what it earns."""


def _deed(row: Row) -> Change:
    source = Source(row["recorded_by"], verb=row["verb"])
    return deed_change(row["known_from"], row["happened_on"], row["other_number"], row["reason"], source)


def _through(one: Change, deed: Change | None) -> Change:
    """What a deed brought about names the deed; what became known at its moment by another paper keeps that."""
    if deed is None or one.source.document or one.source.payout or one.source.batch:
        return one
    return replace(one, source=deed.source)


def _opened(row: Row, document: str | None = None) -> Source:
    return Source(row["recorded_by"], row["batch"], row["batch_row"], document)


def _closed(row: Row) -> Source:
    return Source(row["closed_by"] or row["recorded_by"], row["closed_batch"])


def _member(row: Row) -> Held:
    name = row["masked_name"]
    return Held(
        str(row["person_no"]),
        ELSEWHERE if name is None else (name, name),
        row["relation"],
        row["since"],
        row["until"],
        row["known_from"],
        row["held_to"],
        _opened(row),
        _closed(row),
    )


def _status(row: Row, documents: Mapping[UUID, str]) -> Held:
    kind = row["kind"]
    ended = documents.get(row["ended_by"])
    return Held(
        kind,
        (STATUS.label(kind), kind.replace("_", " ")),
        kind,
        row["since"],
        row["until"],
        row["known_from"],
        row["held_to"],
        _opened(row, documents.get(row["opened_by"])),
        _closed(row),
        None if ended is None else _opened(row, ended),
    )


def _amounts(row: Row) -> Iterator[Amount]:
    payout = row["reference"] if row["source"] == "payout" else None
    year = (row["year_from"], row["year_to"])
    day: date = row["paid_on"] or row["declared_on"]
    source = Source(row["recorded_by"], row["batch"], row["batch_row"], payout=payout)
    yield Amount(year, day, row["known_from"], source, payout, row["reverses"])
    if payout is not None and row["held_to"] is not None:
        yield Amount(year, day, row["held_to"], _closed(row), payout, is_gone=True)


def _refused(row: Row) -> Change:
    source = Source("assessment", document=row["document_number"])
    return refused_decision(row["known_from"], row["effective_on"], row["refused_because"], source)


async def _seen(tx: Transaction, no: int, people: set[int]) -> list[Change]:
    """Of the household, and of its people while they belonged to it."""
    images = await tx.driver.fetch(HOUSEHOLDS, [no])
    codes = sorted({row["division"] for row in images})
    places = {row["code"]: row["name"] for row in await tx.driver.fetch(PLACES, codes)}
    found = list(changes_of_images([_image(row, ("", ""), HOUSEHOLD_FACTS) for row in images], places))
    found += [
        closed_change(now["known_from"], now["closed_on"], _opened(now))
        for was, now in pairwise(images)
        if was["closed_on"] is None and now["closed_on"] is not None and now["superseded_by"] is None
    ]
    before: Row | None = None
    for row in await tx.driver.fetch(PERSONS, sorted(people)):
        if before is not None and (before["no"], before["household_no"], row["household_no"]) == (row["no"], no, no):
            name = row["masked_name"]
            pair = [_image(one, (name, f"{name}: "), PERSON_SEEN, is_person=True) for one in (before, row)]
            found += changes_of_images(pair, places)
        before = row
    return found


def _image(row: Row, what: Words, columns: tuple[str, ...], *, is_person: bool = False) -> Image:
    values = {name: row[name] for name in columns}
    return Image(what, values, is_person, row["observed_on"], row["known_from"], _opened(row))
