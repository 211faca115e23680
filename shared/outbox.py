"""发件箱: facts leave with the commit. `announce` only inserts a row; one relay per database sends rows in order and
deletes each once it is acknowledged.

There is no high-water mark: a row that commits late under a lower id is sent all the same. A verb locks its noun before
it announces, so the ids of one noun's facts are in commit order, and the relay keeps that order (ADR 0004).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy.engine import make_url

from shared import bus
from shared.db import Transaction, failure_of, try_lock
from shared.events import Fact
from shared.log import get_logger
from shared.metrics import REGISTRY
from shared.values import new_id

log = get_logger(__name__)

ROWS = Gauge("tuopin_outbox_rows", "Facts waiting to be sent (counted up to 100,000)", registry=REGISTRY)
AGE = Gauge("tuopin_outbox_oldest_seconds", "Age of the oldest fact waiting to be sent", registry=REGISTRY)
DEAD = Gauge("tuopin_outbox_dead_rows", "Facts that can never be sent", registry=REGISTRY)
LEADING = Gauge("tuopin_relay_leading", "1 while this process is the one that sends", registry=REGISTRY)
SENT = Counter("tuopin_relay_sent_total", "Facts sent and acknowledged", registry=REGISTRY)
BATCH = Histogram("tuopin_relay_batch_seconds", "Reading, sending and deleting one batch", registry=REGISTRY)

CHUNK = 5_000  # rows an insert: arrays of this size are planned and sent in milliseconds
INSERT = """
insert into outbox (event_id, topic, key, partition, type, payload, version, epoch, said_at, traceparent)
select event_id, topic, key, partition, type, payload, version, epoch, said_at, traceparent
  from unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::bytea[], $7::bigint[], $8::bigint[],
              $9::timestamptz[], $10::text[]) with ordinality
    as said(event_id, topic, key, partition, type, payload, version, epoch, said_at, traceparent, place)
 order by place
"""
# The same where all but four columns are alike: encoding an array costs more than storing it.
INSERT_ALIKE = """
insert into outbox (event_id, topic, key, partition, type, payload, version, epoch, said_at, traceparent)
select event_id, $5, key, $6, $7, payload, version, $8, $9, $10
  from unnest($1::uuid[], $2::text[], $3::bytea[], $4::bigint[]) with ordinality
    as said(event_id, key, payload, version, place)
 order by place
"""


# --- announcing ------------------------------------------------------------------------------------------------------


class Said(NamedTuple):
    """公告: one fact about the noun `key`; `traceparent` where the batch has several causes (a heard fact's own)."""

    key: UUID | str
    fact: Fact
    traceparent: str | None = None


class _Row(NamedTuple):
    event_id: UUID
    topic: str
    key: str
    partition: int | None
    type: str
    payload: bytes
    version: int | None
    epoch: int | None
    said_at: datetime
    traceparent: str | None


async def announce(
    tx: Transaction, key: UUID | str, *facts: Fact, at: datetime, traceparent: str | None = None
) -> None:
    """Say facts about one noun, in this order, if and only if the transaction commits. `at` is domain time."""
    await announce_many(tx, [Said(key, fact, traceparent) for fact in facts], at=at)


async def announce_many(tx: Transaction, said: Iterable[Said], *, at: datetime, epoch: int | None = None) -> int:
    """The same for many nouns at once, set-wise; answers how many. `epoch` marks what is said again (republish)."""
    moment = _aware(at)
    rows = (_row(tx, one, moment, epoch) for one in said)
    count = 0
    while chunk := list(islice(rows, CHUNK)):
        await _insert(tx, chunk)
        count += len(chunk)
    return count


async def announce_mark(tx: Transaction, mark: bus.Republished, *, at: datetime) -> None:
    """Into every partition, in front of all that is said again and behind it (see `recovery.republish`)."""
    body = mark.model_dump_json().encode()
    rows = [
        _Row(
            new_id(), mark.topic, mark.key, partition, bus.REPUBLISHED, body, None, mark.epoch, _aware(at),
            tx.traceparent,
        )
        for partition in range(mark.partitions)
    ]  # fmt: skip
    await _insert(tx, rows)


def _row(tx: Transaction, said: Said, at: datetime, epoch: int | None) -> _Row:
    fact = said.fact
    return _Row(
        event_id=new_id(),
        topic=fact.TOPIC,
        key=str(said.key),
        partition=None,
        type=fact.TYPE,
        payload=fact.model_dump_json().encode(),
        version=getattr(fact, "version", None),
        epoch=epoch,
        said_at=at,
        traceparent=said.traceparent or tx.traceparent,
    )


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a moment needs its time zone")
    return at


async def _insert(tx: Transaction, rows: Sequence[_Row]) -> None:
    statement, given = _statement(rows)
    await tx.driver.execute(statement, *given)


def _statement(rows: Sequence[_Row]) -> tuple[str, Sequence[Any]]:
    alike = {(row.topic, row.partition, row.type, row.epoch, row.said_at, row.traceparent) for row in rows}
    if len(alike) > 1:
        return INSERT, [list(column) for column in zip(*rows, strict=True)]
    own = zip(*((row.event_id, row.key, row.payload, row.version) for row in rows), strict=True)
    return INSERT_ALIKE, [*(list(column) for column in own), *alike.pop()]


# --- pauses and connections, shared with the other loops -------------------------------------------------------------


async def rest(stopping: asyncio.Event, seconds: float) -> None:
    """Pause, but not beyond the wish to stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


class Backoff:
    """退避: pauses that double from `first` to `last` with jitter, and start over after success."""

    def __init__(self, first: float = 0.2, last: float = 10.0) -> None:
        self._first, self._last = first, last
        self._next = first
        self.failing_since: float | None = None

    def succeeded(self) -> None:
        """Whatever failed works again."""
        self._next = self._first
        self.failing_since = None

    def failed(self) -> float:
        """Seconds to wait before the next attempt."""
        self.failing_since = self.failing_since or time.monotonic()
        pause, self._next = self._next, min(self._next * 2, self._last)
        return pause * random.uniform(1.0, 1.3)

    @property
    def failing_seconds(self) -> float:
        """For how long nothing has succeeded."""
        return 0.0 if self.failing_since is None else time.monotonic() - self.failing_since


Connect = Callable[[], Awaitable[asyncpg.Connection]]


def connector(url: str, application: str) -> Connect:
    """Opens sessions of its own beside the pool: the relay's lock must live as long as its session."""
    parsed = make_url(url).set(drivername="postgresql")
    mode = str(parsed.query.get("sslmode", "disable"))
    dsn = parsed.difference_update_query(["sslmode"]).render_as_string(hide_password=False)

    async def connect() -> asyncpg.Connection:
        settings = {"application_name": application, "timezone": "UTC"}
        tls: Any = False if mode == "disable" else mode
        return await asyncpg.connect(dsn, ssl=tls, timeout=5, command_timeout=15, server_settings=settings)

    return connect


# --- the relay -------------------------------------------------------------------------------------------------------

NEXT = """
select id, event_id, topic, key, partition, type, payload, version, epoch, said_at, traceparent
  from outbox order by id limit $1
"""
SENT_ROWS = "delete from outbox where id = any($1::bigint[])"
BURY = """
with gone as (delete from outbox where id = any($1::bigint[]) returning *)
insert into outbox_dead (id, event_id, topic, key, partition, type, payload, version, epoch, said_at, traceparent,
                         written_at, error)
select g.id, g.event_id, g.topic, g.key, g.partition, g.type, g.payload, g.version, g.epoch, g.said_at, g.traceparent,
       g.written_at, why.error
  from gone g join unnest($1::bigint[], $2::text[]) as why(id, error) using (id)
"""
MEASURE = """
select (select count(*) from (select from outbox limit 100000) as waiting) as rows,
       (select extract(epoch from clock_timestamp() - written_at) from outbox order by id limit 1) as age,
       (select count(*) from outbox_dead) as dead
"""


class Pace(NamedTuple):
    """节奏, in seconds: how soon to look again, and how long to wait for others."""

    soonest: float = 0.02
    latest: float = 0.25
    standby: float = 0.5
    publish: float = 15.0
    drain: float = 5.0
    measure: float = 2.0


class Relay:
    """转发: sends the outbox to Kafka. Any number may run; the one that holds the database's advisory lock works.

    At least once, never out of order for one key: whatever goes wrong, producer and session are thrown away and the
    rows that were not deleted are sent again in order.
    """

    name = "relay"

    def __init__(
        self,
        connect: Connect,
        bootstrap: str,
        source: str,
        *,
        topics: Collection[str] | None = None,
        batch: int = 500,
        pace: Pace | None = None,
    ) -> None:
        self._connect = connect
        self._bootstrap = bootstrap
        self._source = source
        self._topics = topics
        self._batch = batch
        self._pace = pace or Pace()
        self._measured = 0.0
        self.backoff = Backoff()
        self.beat = time.monotonic()
        self.is_leading = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Lead or stand by until asked to stop; then send what is left, within a bound."""
        while not stopping.is_set():
            try:
                await self._session(stopping)
            except Exception as error:  # noqa: BLE001 - a dead session may show as any error; all mean: start over
                log.warning("relay starts over", **failure_of(error))
                self.beat = time.monotonic()
                await rest(stopping, self.backoff.failed())

    async def _session(self, stopping: asyncio.Event) -> None:
        connection = await self._connect()
        try:
            if await self._elected(connection, stopping):
                await self._lead(connection, stopping)
        finally:
            self.is_leading = False
            LEADING.set(0)
            with suppress(Exception):
                await connection.close(timeout=2)

    async def _elected(self, connection: asyncpg.Connection, stopping: asyncio.Event) -> bool:
        while not await try_lock(connection, "relay"):
            self.beat = time.monotonic()
            self.backoff.succeeded()
            await self._measure(connection)
            await rest(stopping, self._pace.standby)
            if stopping.is_set():
                return False
        return True

    async def _lead(self, connection: asyncpg.Connection, stopping: asyncio.Event) -> None:
        producer = bus.make_producer(self._bootstrap, f"{self._source}-relay")
        try:
            await asyncio.wait_for(producer.start(), self._pace.publish)
            self.is_leading = True
            LEADING.set(1)
            await self._pump(connection, producer, stopping)
        finally:
            await bus.stop_producer(producer)

    async def _pump(self, connection: asyncpg.Connection, producer: AIOKafkaProducer, stopping: asyncio.Event) -> None:
        pause = self._pace.soonest
        last_call: float | None = None
        while True:
            if stopping.is_set():
                last_call = last_call or time.monotonic() + self._pace.drain
                if time.monotonic() > last_call:
                    return
            sent = await self._send_next(connection, producer)
            self.beat = time.monotonic()
            self.backoff.succeeded()
            await self._measure(connection)
            if sent:
                pause = self._pace.soonest
            elif stopping.is_set():
                return
            if sent < self._batch:
                await rest(stopping, pause)
                pause = min(pause * 1.5, self._pace.latest)

    async def _send_next(self, connection: asyncpg.Connection, producer: AIOKafkaProducer) -> int:
        """One batch: read, send, wait for every acknowledgement, delete. No transaction is open while Kafka is slow."""
        rows = await connection.fetch(NEXT, self._batch)
        if not rows:
            return 0
        with BATCH.time():
            dead, living = self._sorted_out(rows)
            if dead:
                log.error("facts buried", count=len(dead), errors=sorted(set(dead.values())))
                await connection.execute(BURY, list(dead), list(dead.values()))
            if living:
                await asyncio.wait_for(self._publish(producer, living), self._pace.publish)
                await connection.execute(SENT_ROWS, [row["id"] for row, _ in living])
                SENT.inc(len(living))
        return len(rows)

    def _sorted_out(
        self, rows: Sequence[asyncpg.Record]
    ) -> tuple[dict[int, str], list[tuple[asyncpg.Record, list[tuple[str, bytes]]]]]:
        """Rows that can never be sent, by reason, and the others with their headers."""
        dead: dict[int, str] = {}
        living = []
        for row in rows:
            try:
                living.append((row, self._headers(row)))
            except ValueError as error:
                dead[row["id"]] = str(error)
        return dead, living

    def _headers(self, row: asyncpg.Record) -> list[tuple[str, bytes]]:
        if len(row["payload"]) > bus.MAX_FACT_BYTES:
            raise ValueError(f"too large: {len(row['payload'])} bytes, at most {bus.MAX_FACT_BYTES} can be sent")
        if self._topics is not None and row["topic"] not in self._topics:
            raise ValueError(f"topic {row['topic']} is not in the catalogue")
        envelope = bus.Envelope(
            event_id=row["event_id"],
            source=self._source,
            type=row["type"],
            key=row["key"],
            said_at=row["said_at"],
            version=row["version"],
            epoch=row["epoch"],
            traceparent=row["traceparent"],
        )
        headers = bus.encode(envelope)
        extent = len(row["payload"]) + sum(len(name) + len(value) for name, value in headers)
        if extent > bus.MAX_REQUEST_BYTES - 4096:
            raise ValueError(f"too large with its headers: {extent} bytes")
        return headers

    @staticmethod
    async def _publish(
        producer: AIOKafkaProducer, living: Sequence[tuple[asyncpg.Record, list[tuple[str, bytes]]]]
    ) -> None:
        acknowledged = [
            await producer.send(
                row["topic"], row["payload"], key=row["key"].encode(), partition=row["partition"], headers=headers
            )
            for row, headers in living
        ]
        await asyncio.gather(*acknowledged)

    async def _measure(self, connection: asyncpg.Connection) -> None:
        if time.monotonic() - self._measured < self._pace.measure:
            return
        self._measured = time.monotonic()
        found = await connection.fetchrow(MEASURE)
        ROWS.set(found["rows"])
        AGE.set(float(found["age"] or 0))
        DEAD.set(found["dead"])
