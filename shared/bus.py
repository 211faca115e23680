"""Kafka: clients with the measured settings, CloudEvents 1.0 in binary mode by our own codec, topics of the catalogue.

The SDK costs six times a direct decode, so it only serves as the tests' referee. Nothing here knows a database.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from pydantic import BaseModel, ConfigDict

from shared.events import Topic
from shared.log import get_logger

log = get_logger(__name__)

MAX_REQUEST_BYTES = 1024 * 1024
MAX_FACT_BYTES = 900_000  # payload; headers and the batch's own frame need the rest of a request
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

Headers = Sequence[tuple[str, bytes]]
REPUBLISHED = "org.tuopin.plumbing.republished.v1"
_UNREADABLE = UUID("6f1d2a52-6c0e-5b5e-9a53-0f1d6c3f7b11")  # name space of the ids given to records that carry none


class Unreadable(ValueError):
    """无法读取: a record that is no fact of ours, or whose content does not fit its model."""


class TopicsWrong(RuntimeError):
    """主题不符: a topic could not be made, or exists in another shape than the catalogue says."""


class Republished(BaseModel):
    """重发标记: a speaker begins to say all it holds of a topic again under `epoch`, or has done so.

    After the end, what was not named since the beginning is gone. Who did not hear the beginning draws no conclusion.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: str
    epoch: int
    partitions: int
    begins: bool = False

    @property
    def key(self) -> str:
        """Compaction keeps the last of each key: a beginning must not be replaced by its own end."""
        return "~republishing" if self.begins else "~republished"


# --- the envelope ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Envelope:
    """信封: the CloudEvents attributes of one fact; extensions are `sequence` (version), `epoch` and `traceparent`."""

    event_id: UUID
    source: str
    type: str
    key: str
    said_at: datetime
    version: int | None = None
    epoch: int | None = None
    traceparent: str | None = None


@lru_cache(maxsize=1024)
def _unchanging(source: str, type_: str) -> tuple[tuple[str, bytes], ...]:
    return (
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
        ("ce_type", type_.encode()),
        ("ce_dataschema", f"/docs/events/{type_}.json".encode()),
        ("content-type", b"application/json"),
    )


def encode(envelope: Envelope) -> list[tuple[str, bytes]]:
    """Kafka headers of a fact, lower case; the plain `traceparent` beside the extension is for tracing tools."""
    key = envelope.key.encode()
    said_at = envelope.said_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    headers = [
        *_unchanging(envelope.source, envelope.type),
        ("ce_id", str(envelope.event_id).encode()),
        ("ce_subject", key),
        ("ce_partitionkey", key),
        ("ce_time", said_at.encode()),
    ]
    if envelope.version is not None:
        headers.append(("ce_sequence", str(envelope.version).encode()))
    if envelope.epoch is not None:
        headers.append(("ce_epoch", str(envelope.epoch).encode()))
    if envelope.traceparent is not None:
        trace = envelope.traceparent.encode()
        headers += [("ce_traceparent", trace), ("traceparent", trace)]
    return headers


def decode(headers: Headers, key: bytes | None) -> Envelope:
    """The envelope of a record; anything else than CloudEvents 1.0 in binary mode is Unreadable."""
    named = {name.lower(): value for name, value in headers}
    if named.get("ce_specversion") != b"1.0":
        raise Unreadable("no CloudEvents 1.0 headers")
    if key is None:
        raise Unreadable("no key")
    try:
        return Envelope(
            event_id=UUID(named["ce_id"].decode()),
            source=named["ce_source"].decode(),
            type=named["ce_type"].decode(),
            key=key.decode(),
            said_at=_moment(named["ce_time"].decode()),
            version=_number(named.get("ce_sequence")),
            epoch=_number(named.get("ce_epoch")),
            traceparent=_text(named.get("ce_traceparent")),
        )
    except KeyError as error:
        raise Unreadable(f"header {error.args[0]} is missing") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise Unreadable(f"a header cannot be read: {error}") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("ce_time has no time zone")
    return moment


def _number(value: bytes | None) -> int | None:
    return None if value is None else int(value)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def stand_in_id(topic: str, partition: int, offset: int, timestamp: int) -> UUID:
    """An id for a record whose own cannot be read: the same record gets the same id when it is delivered again."""
    return uuid5(_UNREADABLE, f"{topic}/{partition}/{offset}/{timestamp}")


# --- clients ---------------------------------------------------------------------------------------------------------


def make_producer(bootstrap: str, client_id: str) -> AIOKafkaProducer:
    """Every acknowledged fact is on all replicas, none twice within one session, none overtaken within a partition.

    An idempotent producer never gives a batch up while the broker is away: callers bound their waits and throw it away.
    """
    calm_the_log()
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        max_batch_size=128 * 1024,
        max_request_size=MAX_REQUEST_BYTES,
        request_timeout_ms=10_000,
        retry_backoff_ms=20,
    )


async def stop_producer(producer: AIOKafkaProducer, seconds: float = 2.0) -> None:
    """Stop within a bound. Without a broker `stop()` waits for pending batches for ever: its sender is cut off then."""
    try:
        await asyncio.wait_for(producer.stop(), seconds)
    except Exception as error:  # noqa: BLE001 - whatever it is, this producer is thrown away
        log.warning("producer abandoned", error=repr(error))
        with suppress(Exception):
            # Without this its sender task would live on and deliver the abandoned batches whenever the broker is back.
            await asyncio.wait_for(producer._sender.close(), seconds)
        with suppress(Exception):
            await asyncio.wait_for(producer.client.close(), seconds)


@dataclass(frozen=True, slots=True)
class GroupTimes:
    """组时限: how long a silent member keeps its partitions; short in tests."""

    session_ms: int = 45_000
    heartbeat_ms: int = 3_000
    poll_ms: int = 300_000


def make_consumer(
    bootstrap: str, group: str, instance: str | None = None, times: GroupTimes | None = None
) -> AIOKafkaConsumer:
    """Offsets are committed by hand; without one, or with one out of range (a wiped broker), from the earliest."""
    calm_the_log()
    times = times or GroupTimes()
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        group_instance_id=instance,
        client_id=instance or group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        session_timeout_ms=times.session_ms,
        heartbeat_interval_ms=times.heartbeat_ms,
        max_poll_interval_ms=times.poll_ms,
        retry_backoff_ms=100,
        metadata_max_age_ms=60_000,
    )


async def stop_consumer(consumer: AIOKafkaConsumer, seconds: float = 5.0) -> None:
    """Stop within a bound: a member that waits for a dead coordinator must not keep the process."""
    try:
        await asyncio.wait_for(consumer.stop(), seconds)
    except Exception as error:  # noqa: BLE001 - it is thrown away
        log.warning("consumer abandoned", error=repr(error))


# --- topics ----------------------------------------------------------------------------------------------------------


def topic_settings(topic: Topic, replicas: int = 1) -> dict[str, str]:
    """The whole set of a topic's settings: altering replaces all of them, so none may be left out."""
    common = {
        "segment.ms": str(DAY_MS),
        "max.message.bytes": str(MAX_REQUEST_BYTES),
        "min.insync.replicas": str(max(1, replicas - 1)),
    }
    if topic.kind == "state":
        return common | {
            "cleanup.policy": "compact",
            "min.compaction.lag.ms": str(HOUR_MS),
            "delete.retention.ms": str(7 * DAY_MS),
        }
    return common | {"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS)}


async def ensure_topics(bootstrap: str, topics: Iterable[Topic], replicas: int = 1) -> list[str]:
    """Make missing topics and put every one's settings right; says which were made. Safe to repeat."""
    catalogue = list(topics)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=15_000)
    await asyncio.wait_for(admin.start(), 30)
    try:
        made = await _create(admin, catalogue, replicas)
        await _put_right(admin, catalogue, replicas)
        await _check_partitions(admin, catalogue)
        return made
    finally:
        await admin.close()


async def cluster_of(bootstrap: str) -> str:
    """The broker's own id of its cluster: another one after its disk was wiped."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    await asyncio.wait_for(admin.start(), 15)
    try:
        return str((await asyncio.wait_for(admin.describe_cluster(), 15))["cluster_id"])
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, catalogue: Sequence[Topic], replicas: int) -> list[str]:
    fresh = [
        NewTopic(topic.name, topic.partitions, replicas, topic_configs=topic_settings(topic, replicas))
        for topic in catalogue
    ]
    answer = await admin.create_topics(fresh)
    made = []
    for name, code, *message in answer.topic_errors:  # the client never raises
        if code == 0:
            made.append(name)
        elif code != 36:  # 36: it exists
            raise TopicsWrong(f"topic {name} cannot be made: error {code} {message}")
    return made


async def _put_right(admin: AIOKafkaAdminClient, catalogue: Sequence[Topic], replicas: int) -> None:
    wanted = [
        ConfigResource(ConfigResourceType.TOPIC, topic.name, topic_settings(topic, replicas)) for topic in catalogue
    ]
    for answer in await admin.alter_configs(wanted):
        for code, message, _, name in answer.resources:
            if code:
                raise TopicsWrong(f"settings of topic {name} cannot be changed: error {code} {message}")


async def _check_partitions(admin: AIOKafkaAdminClient, catalogue: Sequence[Topic]) -> None:
    """The partition count of a keyed topic never changes: facts of a key would part company."""
    wanted = {topic.name: topic.partitions for topic in catalogue}
    for _ in range(50):
        found = {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics(list(wanted))}
        wrong = {name: count for name, count in found.items() if count not in (0, wanted[name])}
        if wrong:
            raise TopicsWrong(f"partitions differ from the catalogue: {wrong}; make a v2 beside it instead")
        if found == wanted:
            return
        await asyncio.sleep(0.1)  # metadata of a topic just made takes a moment
    raise TopicsWrong(f"topics did not appear: {sorted(set(wanted) - {n for n, c in found.items() if c})}")


# --- the client library's own log ------------------------------------------------------------------------------------


class OncePerWhile(logging.Filter):
    """同类日志限频: lets one message of a kind through per period and says how many it held back.

    The client library logs an ERROR per 100 ms retry while a broker is away.
    """

    def __init__(self, seconds: float = 10.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[tuple[str, int], float] = {}
        self._held: dict[tuple[str, int], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this record may be written."""
        kind = (record.module, record.lineno)
        now = time.monotonic()
        if now - self._last.get(kind, -self._seconds) < self._seconds:
            self._held[kind] = self._held.get(kind, 0) + 1
            return False
        self._last[kind] = now
        held = self._held.pop(kind, 0)
        if held:
            record.msg = f"{record.msg} (and {held} more like it)"
        return True


_LIMIT = OncePerWhile()


def calm_the_log() -> None:
    """Limit every logger of the client library; filters do not pass to children, so each gets it."""
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.partition(".")[0] == aiokafka.__name__ and isinstance(logger, logging.Logger):
            logger.addFilter(_LIMIT)  # adding the same filter again changes nothing


def headers_as_json(headers: Headers) -> str:
    """Headers of a parked record, readable where they are text, lossless where not."""
    return json.dumps([[name, *_readable(value)] for name, value in headers], ensure_ascii=False)


def headers_from_json(stored: Sequence[Sequence[Any]]) -> list[tuple[str, bytes]]:
    """The same headers again."""
    return [(one[0], bytes.fromhex(one[2]) if len(one) == 3 else str(one[1]).encode("utf-8")) for one in stored]


def _readable(value: bytes) -> tuple[str | None, ...]:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return None, value.hex()
    return (text,) if "\x00" not in text else (None, value.hex())


def kinds(topics: Iterable[Topic]) -> Mapping[str, Topic]:
    """The catalogue by name."""
    return {topic.name: topic for topic in topics}
