"""Facts as they arrive, by the consumer's own road: disorder, a restored speaker; and our own said again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from services.cooperative import actions
from services.cooperative.app import EARS, HOLDINGS
from services.cooperative.domain import MemberRow
from shared import bus
from shared.events import TOPICS
from shared.events.cooperative import PayoutPosted
from shared.events.registry import DivisionRecorded, HouseholdRecorded, StatusSpan
from shared.hearing import Outcome, Record, take_in
from shared.recovery import republish
from shared.values import new_id
from tests.cooperative.make import (
    ACCOUNTANT,
    NOW,
    OPENED,
    PAID_ON,
    VILLAGE,
    Office,
    distribution_terms,
    make_division,
    make_household,
    opening_terms,
    payment_terms,
    reversal_terms,
)
from tests.shared.marks import around

PARTITIONS = {topic.name: topic.partitions for topic in TOPICS}


def record(fact: HouseholdRecorded | DivisionRecorded, position: int, epoch: int | None = None) -> Record:
    """As it comes from the broker."""
    key = str(fact.household) if isinstance(fact, HouseholdRecorded) else fact.code
    envelope = bus.Envelope(
        event_id=new_id(),
        source="/registry",
        type=fact.TYPE,
        key=key,
        said_at=NOW,
        version=fact.version,
        epoch=epoch,
        traceparent=None,
    )
    payload = fact.model_dump_json().encode()
    return Record(fact.TOPIC, 0, position, key.encode(), payload, bus.encode(envelope), 0)


async def hear(office: Office, records: Sequence[Record]) -> Outcome:
    return await take_in(office.worker, EARS, records, {}, PARTITIONS)


async def test_the_highest_version_wins_in_whatever_order(office: Office) -> None:
    facts = [make_household(1, version=version, masked_head=f"王*{version}") for version in (2, 3, 1)]
    facts = [fact.model_copy(update={"household": facts[0].household}) for fact in facts]
    await hear(office, [record(facts[0], 0)])
    await hear(office, [record(facts[1], 1), record(facts[2], 2), record(facts[1], 3)])
    await hear(office, [record(facts[2], 4)])
    (row,) = await office.rows("select version, masked_head from household")
    assert (row["version"], row["masked_head"]) == (3, "王*3")


async def test_divisions_likewise(office: Office) -> None:
    await hear(office, [record(make_division(version=2, name="新名"), 0), record(make_division(version=1), 1)])
    await hear(office, [record(make_division(version=1), 2)])
    (row,) = await office.rows("select code, name from division")
    assert (row["code"], row["name"]) == (623023000000, "新名")


async def test_a_household_heard_can_be_a_member_and_nothing_that_names_it_is_kept(office: Office) -> None:
    book = await office.open_book()
    fact = make_household(1, statuses=(StatusSpan(kind="poor", since=OPENED, decision=new_id()),))
    await hear(office, [record(fact, 0)])
    rows = [MemberRow(1, 1, fact.number, OPENED)]
    enrolment = await office.do(actions.enter_members, book.id, rows, ACCOUNTANT, NOW)
    assert [member.household for member in enrolment.entered] == [fact.household]
    columns = await office.rows("select column_name from information_schema.columns where table_name = 'household'")
    assert {row[0] for row in columns} == {
        "id", "version", "number", "division", "statuses", "masked_head", "superseded_by",
    }  # fmt: skip


async def test_a_household_merged_into_another_no_longer_answers_to_its_number(office: Office) -> None:
    book = await office.open_book()
    fact = make_household(1, superseded_by=new_id())
    await hear(office, [record(fact, 0)])
    rows = [MemberRow(1, 1, fact.number, OPENED)]
    enrolment = await office.do(actions.enter_members, book.id, rows, ACCOUNTANT, NOW)
    assert [error.code for error in enrolment.refused] == ["household.missing"]


async def test_a_moved_household_shows_where_it_now_lies(office: Office) -> None:
    fact = make_household(1)
    await hear(office, [record(fact, 0)])
    await hear(office, [record(fact.model_copy(update={"version": 2, "division": "623023001002"}), 1)])
    assert await office.value("select division from household") == 623023001002


async def test_what_a_restored_registry_no_longer_has_goes_and_members_stay(office: Office) -> None:
    book = await office.open_book()
    kept, lost = await office.enter(book, 2)
    said = kept.model_copy(update={"version": 5_000})
    topic = HouseholdRecorded.TOPIC
    await hear(office, around(topic, PARTITIONS[topic], 5_000, record(said, 1, epoch=5_000)))
    assert [row["id"] for row in await office.rows("select id from household")] == [kept.household]
    assert await office.value("select count(*) from member where household = $1", lost.household) == 1


async def test_payouts_are_said_again_under_their_own_ids(office: Office) -> None:
    book = await office.open_book()
    await office.enter(book, 3, VILLAGE)
    await office.post(book, opening_terms(1_000))
    await office.open_months(book, 201909)
    (distribution,) = await office.post(book, distribution_terms(1_000, PAID_ON))
    paid = await office.post(book, payment_terms(distribution.id, PAID_ON))
    await office.post(book, reversal_terms(paid[0].id, date(2019, 9, 20)))

    def facts(rows: list[Any]) -> list[tuple[str, dict[str, Any]]]:
        return [(row["key"], json.loads(row["payload"])) for row in rows]

    query = "select key, payload, epoch from outbox where type = $1 order by id"
    first = facts(await office.rows(query, PayoutPosted.TYPE))
    assert len(first) == 4
    count = await republish(office.worker, HOLDINGS, at=NOW, epoch=7_000)
    assert count == {"payout": 4}
    again = await office.rows(query, PayoutPosted.TYPE)
    assert facts(again[4:]) == first
    assert {row["epoch"] for row in again[4:]} == {7_000}
    marks = await office.rows("select partition from outbox where type = $1 order by id", bus.REPUBLISHED)
    assert [row["partition"] for row in marks] == [*range(PARTITIONS[PayoutPosted.TOPIC])] * 2
