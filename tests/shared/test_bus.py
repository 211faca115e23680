"""The envelope against the CloudEvents SDK, topics on the real broker, and clients that never keep a process."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from cloudevents.core.bindings import kafka as sdk
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from shared import bus
from shared.clock import SHANGHAI
from shared.events import Topic
from stack.processes import free_ports
from tests.shared.sides import until

NOON = datetime(2019, 9, 20, 12, 30, 15, 250_000, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def envelope(**changes: Any) -> bus.Envelope:
    given = {
        "event_id": UUID("0199aaaa-bbbb-7ccc-8ddd-eeeeffff0000"),
        "source": "/registry",
        "type": "org.tuopin.registry.household.recorded.v1",
        "key": "0199aaaa-0000-7000-8000-000000000001",
        "said_at": NOON,
        "version": 7,
        "epoch": 1_760_000_000_000,
        "traceparent": TRACE,
    }
    return bus.Envelope(**{**given, **changes})


def headers_of(**changes: bytes | None) -> list[tuple[str, bytes]]:
    named: dict[str, bytes | None] = {**dict(bus.encode(envelope())), **changes}
    return [(name, value) for name, value in named.items() if value is not None]


def test_the_sdk_reads_our_envelope() -> None:
    ours = envelope()
    message = sdk.KafkaMessage(dict(bus.encode(ours)), ours.key.encode(), b'{"headcount":4}')
    event = sdk.from_binary_event(message)
    assert event.get_id() == str(ours.event_id)
    assert (event.get_source(), event.get_type(), event.get_subject()) == (ours.source, ours.type, ours.key)
    assert event.get_time() == NOON
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == {"headcount": 4}
    assert event.get_extension("sequence") == "7"
    assert event.get_extension("partitionkey") == ours.key
    assert event.get_extension("traceparent") == TRACE


@pytest.mark.parametrize("moment", [NOON, NOON.astimezone(SHANGHAI), NOON.replace(microsecond=0)])
def test_we_read_the_sdks_envelope(moment: datetime) -> None:
    attributes = {
        "id": str(envelope().event_id),
        "source": "/cooperative",
        "type": "org.tuopin.cooperative.payout.posted.v1",
        "subject": "household-1",
        "time": moment,
        "datacontenttype": "application/json",
        "partitionkey": "household-1",
        "sequence": "3",
    }
    message = sdk.to_binary_event(CloudEvent(attributes, {"fen": 63120}))
    assert isinstance(message.key, str)
    read = bus.decode(list(message.headers.items()), message.key.encode())
    assert (read.event_id, read.source, read.type) == (envelope().event_id, "/cooperative", attributes["type"])
    assert (read.key, read.said_at, read.version, read.epoch) == ("household-1", moment, 3, None)


@given(
    key=st.text(min_size=1).filter(lambda text: text.isprintable()),
    version=st.none() | st.integers(1, 2**62),
    epoch=st.none() | st.integers(1, 2**62),
    moment=st.datetimes(timezones=st.just(UTC)),
)
def test_what_is_encoded_is_decoded(key: str, version: int | None, epoch: int | None, moment: datetime) -> None:
    ours = envelope(key=key, version=version, epoch=epoch, said_at=moment, traceparent=None)
    assert bus.decode(bus.encode(ours), key.encode()) == ours


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"ce_specversion": b"0.3"}, b"k"),
        ({"ce_specversion": None}, b"k"),
        ({"ce_id": None}, b"k"),
        ({"ce_id": b"not an id"}, b"k"),
        ({"ce_time": b"yesterday"}, b"k"),
        ({"ce_time": b"2019-09-20T12:00:00"}, b"k"),
        ({"ce_type": b"\xff"}, b"k"),
        ({"ce_sequence": b"seven"}, b"k"),
        ({}, None),
        ({}, b"\xff\xfe"),
    ],
)
def test_what_is_no_fact_is_unreadable(changes: dict[str, bytes | None], key: bytes | None) -> None:
    with pytest.raises(bus.Unreadable):
        bus.decode(headers_of(**changes), key)


@given(st.lists(st.tuples(st.text().filter(lambda text: "\x00" not in text), st.binary())))
def test_headers_of_a_parked_record_come_back_whole(headers: list[tuple[str, bytes]]) -> None:
    import json

    assert bus.headers_from_json(json.loads(bus.headers_as_json(headers))) == headers


def test_a_record_without_an_id_gets_the_same_one_each_time() -> None:
    assert bus.stand_in_id("t", 1, 5, 99) == bus.stand_in_id("t", 1, 5, 99)
    assert bus.stand_in_id("t", 1, 5, 99) != bus.stand_in_id("t", 1, 6, 99)


# --- topics ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def admin(kafka_bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await client.start()
    yield client
    await client.close()


async def settings_of(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    (resource,) = answer.resources
    return {entry[0]: entry[1] for entry in resource[4]}


def catalogue() -> list[Topic]:
    run = secrets.token_hex(4)
    return [
        Topic(f"test{run}.household.state.v1", "state", ()),
        Topic(f"test{run}.payout.events.v1", "events", (), partitions=3),
    ]


async def test_topics_are_made_once_with_all_their_settings(kafka_bootstrap: str, admin: AIOKafkaAdminClient) -> None:
    state, events = topics = catalogue()
    assert await bus.ensure_topics(kafka_bootstrap, topics) == [state.name, events.name]
    assert await bus.ensure_topics(kafka_bootstrap, topics) == []
    described = {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics([state.name, events.name])}
    assert described == {state.name: 6, events.name: 3}
    assert (await settings_of(admin, state.name))["cleanup.policy"] == "compact"
    kept = await settings_of(admin, events.name)
    assert (kept["cleanup.policy"], kept["retention.ms"]) == ("delete", str(30 * 24 * 3600 * 1000))


async def test_settings_changed_by_hand_are_put_right(kafka_bootstrap: str, admin: AIOKafkaAdminClient) -> None:
    state, _ = topics = catalogue()
    await bus.ensure_topics(kafka_bootstrap, topics)
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, state.name, {"retention.ms": "1000"})])

    async def policy_is(wanted: tuple[str, str]) -> bool:
        kept = await settings_of(admin, state.name)
        return (kept["cleanup.policy"], kept["min.compaction.lag.ms"]) == wanted

    await until(lambda: policy_is(("delete", "0")), "altering replaced all of them")
    await bus.ensure_topics(kafka_bootstrap, topics)
    await until(lambda: policy_is(("compact", "3600000")), "the catalogue's settings are back")


async def test_another_number_of_partitions_is_refused(kafka_bootstrap: str) -> None:
    state, _ = topics = catalogue()
    await bus.ensure_topics(kafka_bootstrap, topics)
    with pytest.raises(bus.TopicsWrong, match="make a v2"):
        await bus.ensure_topics(kafka_bootstrap, [Topic(state.name, "state", (), partitions=7)])


async def test_a_topic_that_cannot_be_made_is_said(kafka_bootstrap: str) -> None:
    with pytest.raises(bus.TopicsWrong, match="cannot be made"):
        await bus.ensure_topics(kafka_bootstrap, [Topic("not a name", "state", ())])


# --- clients ---------------------------------------------------------------------------------------------------------


async def test_an_abandoned_producer_sends_nothing_later(kafka_bootstrap: str, make_topic: Any) -> None:
    """Its sender is cut off: otherwise what was given up would be sent when the broker is back, behind newer facts."""
    topic = make_topic()
    producer = bus.make_producer(kafka_bootstrap, "test")
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"{}", key=b"k")
        away = free_ports(1)[0]
        for node in list(producer.client.cluster._brokers.values()):
            producer.client.cluster._brokers[node.nodeId] = node._replace(port=away)  # it has moved, for all it knows
        for connection in list(producer.client._conns.values()):
            connection.close()
        sent = await producer.send(topic, b"{}", key=b"k")
    finally:
        await bus.stop_producer(producer, 0.3)
    assert producer._sender.sender_task is None or producer._sender.sender_task.done()
    assert not sent.done() or sent.exception() is not None
    sent.cancel()


async def test_clients_without_a_broker_give_up_in_time() -> None:
    away = f"127.0.0.1:{free_ports(1)[0]}"
    producer, consumer = bus.make_producer(away, "test"), bus.make_consumer(away, "test")
    for client, stop in ((producer, bus.stop_producer), (consumer, bus.stop_consumer)):
        with pytest.raises(Exception, match="Unable to bootstrap"):
            await asyncio.wait_for(client.start(), 20)
        await asyncio.wait_for(stop(client), 20)


def test_one_message_of_a_kind_is_let_through_and_the_rest_counted() -> None:
    limit = bus.OncePerWhile(seconds=60)
    logger = logging.getLogger("aiokafka.test")
    written: list[str] = []

    def say(text: str) -> None:
        record = logger.makeRecord(logger.name, logging.ERROR, __file__, 1, text, (), None)
        if limit.filter(record):
            written.append(record.getMessage())

    for _ in range(50):
        say("connection refused")
    limit._last.clear()  # a minute later
    say("connection refused")
    assert written == ["connection refused", "connection refused (and 49 more like it)"]


def test_the_client_librarys_loggers_are_limited() -> None:
    bus.calm_the_log()
    for name in ("aiokafka", "aiokafka.conn", "aiokafka.producer.sender", "aiokafka.consumer.group_coordinator"):
        assert any(isinstance(one, bus.OncePerWhile) for one in logging.getLogger(name).filters), name
