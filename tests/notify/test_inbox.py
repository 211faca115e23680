"""Facts as they arrive: by the consumer's own road, with the inbox, duplicates, disorder and a restored speaker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.notify import inbox
from services.notify.app import EARS, HOLDINGS
from shared import bus
from shared.events import TOPICS, Fact
from shared.events.assessment import PublicityOpened
from shared.events.notify import NoticePosted
from shared.events.registry import DivisionRecorded
from shared.hearing import Outcome, Record, take_in
from shared.recovery import republish
from shared.values import new_id
from tests.notify.make import POSTED, PostOffice, divisions, ended, opened
from tests.shared.marks import around

PARTITIONS = {topic.name: topic.partitions for topic in TOPICS}


def key_of(fact: Fact) -> str:
    return str(getattr(fact, "publicity", getattr(fact, "code", "")))


def record(fact: Fact, position: int, event_id: UUID | None = None, epoch: int | None = None) -> Record:
    """As it comes from the broker."""
    envelope = bus.Envelope(
        event_id=event_id or new_id(),
        source="/assessment",
        type=fact.TYPE,
        key=key_of(fact),
        said_at=POSTED,
        version=getattr(fact, "version", None),
        epoch=epoch,
        traceparent=None,
    )
    payload = fact.model_dump_json().encode()
    return Record(fact.TOPIC, 0, position, envelope.key.encode(), payload, bus.encode(envelope), 0)


async def hear(office: PostOffice, records: Sequence[Record]) -> Outcome:
    return await take_in(office.worker, EARS, records, {}, PARTITIONS)


def names() -> list[Record]:
    return [record(one.fact, number) for number, one in enumerate(divisions())]


async def test_the_same_event_and_the_same_publicity_twice_make_one_notice(office: PostOffice) -> None:
    fact, event_id = opened(), new_id()
    await hear(office, [*names(), record(fact, 0, event_id), record(fact, 1, event_id)])
    again = await hear(office, [record(fact, 2, event_id)])
    assert (again.applied, again.duplicates) == (0, 1)
    said_again = await hear(office, [record(fact, 3, new_id())])
    assert said_again.applied == 1
    assert len(await office.rows("select 1 from notice")) == 1


async def test_an_end_heard_first_is_parked_and_applied_later(office: PostOffice) -> None:
    fact = opened()
    outcome = await hear(office, [record(ended(fact.publicity), 0)])
    assert sum(outcome.parked.values()) == 1
    assert await office.rows("select 1 from notice") == []


async def test_one_poisoned_fact_holds_nobody_else(office: PostOffice) -> None:
    good = opened()
    broken = Record(PublicityOpened.TOPIC, 0, 0, b"x", b"{not json", record(opened(), 0).headers, 0)
    outcome = await hear(office, [*names(), broken, record(good, 1)])
    assert sum(outcome.parked.values()) == 1
    await office.do_what_is_due()
    assert await office.state_of(good.publicity) == "posted"


async def test_a_restored_speaker_takes_back_what_it_no_longer_knows(office: PostOffice) -> None:
    """Assessment came back from an older backup: a list that it does not know must not hang on."""
    known, forgotten = opened(), opened()
    await hear(office, [*names(), record(known, 0), record(forgotten, 1)])
    await office.do_what_is_due()
    epoch = 1_800_000_000_000
    topic = PublicityOpened.TOPIC
    await hear(office, around(topic, PARTITIONS[topic], epoch, record(known, 5, epoch=epoch)))
    await office.do_what_is_due()
    assert await office.state_of(known.publicity) == "posted"
    assert await office.state_of(forgotten.publicity) == "taken_down"


async def test_notify_says_all_that_hung_again(office: PostOffice) -> None:
    fact = await office.hang()
    before = len(await office.said())
    said = await republish(office.worker, HOLDINGS, at=datetime(2019, 8, 25, tzinfo=UTC))
    assert said == {"notice": 1}
    rows = await office.rows("select payload from outbox where type = $1 and epoch is not null", NoticePosted.TYPE)
    assert [NoticePosted.model_validate_json(row["payload"]).publicity for row in rows] == [fact.publicity]
    assert before == 1


def test_what_is_not_heard_has_a_reason_and_is_not_heard() -> None:
    given = {topic.name for topic in TOPICS if "notify" in topic.heard_by}
    unheard: dict[type[Fact], Any] = dict(inbox.NOT_YET_HEARD)
    assert not set(unheard) & set(inbox.HEARS)
    assert {fact.TOPIC for fact in (*unheard, *inbox.HEARS)} == given
    assert DivisionRecorded in inbox.HEARS
    assert all(reason for reason in unheard.values())
