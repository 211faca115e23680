"""听: the loop of one projection: batches, database first and offsets after it, back-off, replay."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import bus
from shared.db import Transaction, failure_of, transaction
from shared.hearing import effects, positions
from shared.hearing.effects import Outcome
from shared.hearing.failures import is_transient, reason
from shared.hearing.heard import Ears, Record
from shared.hearing.positions import Place
from shared.log import get_logger
from shared.metrics import REGISTRY
from shared.outbox import Backoff, rest
from shared.values import Scope

log = get_logger(__name__)

_BY = ("consumer",)
LAG = Gauge("tuopin_hearing_lag_records", "Records not yet applied, of our partitions", _BY, registry=REGISTRY)
AGE = Gauge("tuopin_hearing_age_seconds", "From Kafka's time stamp to applied, last batch", _BY, registry=REGISTRY)
BLOCKED = Gauge("tuopin_hearing_blocked_seconds", "For how long nothing could be applied", _BY, registry=REGISTRY)
APPLIED = Counter("tuopin_hearing_applied_total", "Facts applied", _BY, registry=REGISTRY)
DUPLICATES = Counter("tuopin_hearing_duplicates_total", "Facts heard before", _BY, registry=REGISTRY)
IGNORED = Counter("tuopin_hearing_ignored_total", "Tombstones and types we do not hear", _BY, registry=REGISTRY)
OVERTAKEN = Counter("tuopin_hearing_overtaken_total", "State heard behind a newer version", _BY, registry=REGISTRY)
PARKING = Counter("tuopin_hearing_parked_total", "Facts put aside", ("consumer", "reason"), registry=REGISTRY)
PARKED = Gauge("tuopin_hearing_parked_rows", "Facts put aside and not yet applied", _BY, registry=REGISTRY)
REBALANCES = Counter("tuopin_hearing_rebalances_total", "Times that partitions were given out", _BY, registry=REGISTRY)
BATCH = Histogram("tuopin_hearing_batch_seconds", "Applying one batch", _BY, registry=REGISTRY)

MAX_RECORDS = 500
POLL_MS = 200
LOOK_SECONDS = 1.0
PRUNE_SECONDS = 3600.0
FENCED_LIMIT = 5
FIGHT_LIMIT = 8  # partitions given out again within three heartbeats, so many times in a row
PARKED_ROWS = (
    "select count(*), count(*) filter (where retry_at <= clock_timestamp()) from parked_fact where consumer = $1"
)


class FencedOut(RuntimeError):
    """同号成员: another process uses our static member id; the loser must end, or both fight for ever."""


class Consumer:
    """消费者: hears topics for one projection and wakes verbs. One object a projection, none can stall another."""

    def __init__(
        self,
        engine: AsyncEngine,
        bootstrap: str,
        ears: Ears,
        instance: str | None = None,
        *,
        times: bus.GroupTimes | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = ears.name
        self._engine = engine
        self._bootstrap = bootstrap
        self._ears = ears
        self._instance = instance
        self._times = times or bus.GroupTimes()
        self._partitions = {topic.name: topic.partitions for topic in ears.catalogue}
        self._expected: dict[Place, int | None] = {}
        self._looked = 0.0
        self._pruned = -math.inf
        self._fenced = 0
        self._newest = Newest()
        self._fight = Fight(self._times.heartbeat_ms / 1000)
        self.backoff = backoff or Backoff(0.2, 30.0)
        self.beat = time.monotonic()
        self.moved = time.monotonic()
        self.lag = 0
        self.is_ready = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Hear until asked to stop; the batch at hand is finished. Raises FencedOut alone."""
        while not stopping.is_set():
            try:
                await self._membership(stopping)
            except FencedOut:
                raise
            except Exception as error:  # noqa: BLE001 - the client is thrown away; whatever it was, start over
                self._count_fencing(error)
                log.warning("consumer starts over", consumer=self.name, **failure_of(error))
                self.is_ready = False
                self.beat = time.monotonic()
                await rest(stopping, self.backoff.failed())

    def _count_fencing(self, error: Exception) -> None:
        """Kafka's code for a fenced member is unknown to the client library, which shows it as UnknownError."""
        self._fenced = self._fenced + 1 if isinstance(error, KafkaError) and "UnknownError" in repr(error) else 0
        if self._fenced >= FENCED_LIMIT:
            raise FencedOut(f"{self.name}: another process is member {self._instance}") from error

    async def _membership(self, stopping: asyncio.Event) -> None:
        client = bus.make_consumer(self._bootstrap, self.name, self._instance, self._times)
        client.subscribe(list(self._ears.topics), listener=_Assigned(self))
        self._expected.clear()
        try:
            await asyncio.wait_for(client.start(), 30)
            while not stopping.is_set():
                await self._turn(client, stopping)
        finally:
            await bus.stop_consumer(client)

    async def _turn(self, client: AIOKafkaConsumer, stopping: asyncio.Event) -> None:
        polled = await client.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        self.beat = time.monotonic()
        self._fenced = 0
        if self._instance is not None and self._fight.is_on:
            raise FencedOut(f"{self.name}: another process keeps taking over as member {self._instance}")
        try:
            await self._settle(client, polled)
            if polled:
                await self._take(client, polled)
            await self._look(client)
        except Exception as error:
            if not isinstance(error, positions.WentBack) and not is_transient(error):
                raise
            await self._step_back(client, polled, error, stopping)

    # --- where to start ----------------------------------------------------------------------------------------------

    def forget_assignment(self) -> None:
        """Partitions were given out anew: each is checked against the database before anything of it is applied."""
        self._expected.clear()
        self._fight.given_out()
        self.is_ready = True  # also with no partition at all: there may be more members than partitions
        REBALANCES.labels(self.name).inc()

    async def _settle(self, client: AIOKafkaConsumer, polled: dict[TopicPartition, list[Any]]) -> None:
        fresh = [part for part in client.assignment() if (part.topic, part.partition) not in self._expected]
        if not fresh:
            return
        committed = {(part.topic, part.partition): await asyncio.wait_for(client.committed(part), 10) for part in fresh}
        cluster = await bus.cluster_of(self._bootstrap)
        async with transaction(self._engine, Scope.everything(), caller=self.name) as tx:
            back = await positions.settle(tx, self.name, cluster, committed)
        for (topic, partition), position in back.items():
            part = TopicPartition(topic, partition)
            log.warning("hearing again", consumer=self.name, topic=topic, partition=partition, position=position)
            polled.pop(part, None)
            await _seek(client, part, position)
        self._expected.update(dict.fromkeys(committed))

    async def _step_back(
        self,
        client: AIOKafkaConsumer,
        polled: dict[TopicPartition, list[Any]],
        error: Exception,
        stopping: asyncio.Event,
    ) -> None:
        """Nothing was applied: the same batch again after a pause, still a member. The database may have been restored
        meanwhile, so every partition is settled anew."""
        log.warning("batch waits", consumer=self.name, reason=reason(error))
        self._expected.clear()
        for part, records in polled.items():
            if records:
                await _seek(client, part, records[0].offset)
        self._measure(client)  # what waits is seen growing while nothing can be applied
        self.moved = time.monotonic()  # blocked is not stuck: nor in the moment when the database is back
        if not isinstance(error, positions.WentBack):
            await rest(stopping, self.backoff.failed())
        BLOCKED.labels(self.name).set(self.backoff.failing_seconds)

    # --- applying ----------------------------------------------------------------------------------------------------

    async def _take(self, client: AIOKafkaConsumer, polled: Mapping[TopicPartition, Sequence[Any]]) -> None:
        records = [_record(one) for batch in polled.values() for one in batch]
        places = {record.place for record in records}
        expected = {place: self._expected.get(place) for place in places}
        with BATCH.labels(self.name).time():
            outcome = await effects.take_in(self._engine, self._ears, records, expected, self._partitions)
        self._count(outcome)
        self.backoff.succeeded()
        BLOCKED.labels(self.name).set(0)
        AGE.labels(self.name).set(max(0.0, time.time() - max(record.timestamp for record in records) / 1000))
        reached = {part: batch[-1].offset + 1 for part, batch in polled.items() if batch}
        for part, position in reached.items():
            if (part.topic, part.partition) in self._expected:
                self._expected[part.topic, part.partition] = position
        await self._commit(client, reached)

    async def _commit(self, client: AIOKafkaConsumer, reached: dict[TopicPartition, int]) -> None:
        """After the database. A failure is normal during a rebalance: the facts are heard again, once."""
        try:
            await asyncio.wait_for(client.commit(reached), 10)
        except (CommitFailedError, IllegalStateError, KafkaError, TimeoutError) as error:
            log.info("offsets not committed", consumer=self.name, error=repr(error))
        self.moved = time.monotonic()

    def _count(self, outcome: Outcome) -> None:
        APPLIED.labels(self.name).inc(outcome.applied)
        DUPLICATES.labels(self.name).inc(outcome.duplicates)
        IGNORED.labels(self.name).inc(outcome.ignored)
        OVERTAKEN.labels(self.name).inc(self._newest.overtaken(outcome.versions))
        for why, number in outcome.parked.items():
            PARKING.labels(self.name, why).inc(number)

    # --- now and then ------------------------------------------------------------------------------------------------

    async def _look(self, client: AIOKafkaConsumer) -> None:
        """Lag, parked facts, and those of them that are to be applied again."""
        self._measure(client)
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        async with transaction(self._engine, Scope.everything(), caller=self.name) as tx:
            rows, asked = await tx.driver.fetchrow(PARKED_ROWS, self.name)
            await self._prune(tx)
        PARKED.labels(self.name).set(rows)
        BLOCKED.labels(self.name).set(0)
        self.backoff.succeeded()
        if asked:
            places = list(self._expected)
            self._count(await effects.replay(self._engine, self._ears, places, self._partitions))
            self._looked = 0.0  # a long queue goes on at once

    async def _prune(self, tx: Transaction) -> None:
        if time.monotonic() - self._pruned > PRUNE_SECONDS and await effects.prune(tx, self.name) == 0:
            self._pruned = time.monotonic()

    def _measure(self, client: AIOKafkaConsumer) -> None:
        ends = {part: client.highwater(part) for part in client.assignment()}
        behind = 0
        for part, end in ends.items():
            with suppress(IllegalStateError):
                state = client._subscription.subscription.assignment.state_value(part)
                if end is not None and state is not None and state.has_valid_position:
                    behind += max(0, end - state.position)
        self.lag = behind
        LAG.labels(self.name).set(behind)
        if not behind:
            self.moved = time.monotonic()


class Newest:
    """最新版本: the versions heard lately, only to count what came behind a newer one; effects do not depend on it."""

    def __init__(self, limit: int = 50_000) -> None:
        self._limit = limit
        self._known: OrderedDict[tuple[str, str], int] = OrderedDict()

    def overtaken(self, versions: Iterable[tuple[str, str, int]]) -> int:
        """How many of these are older than what was heard of the same noun before them."""
        behind = 0
        for topic, key, version in versions:
            newest = max(self._known.pop((topic, key), 0), version)
            behind += version < newest
            self._known[topic, key] = newest
            if len(self._known) > self._limit:
                self._known.popitem(last=False)
        return behind


class Fight:
    """争位: two processes with one static id throw each other out at every heartbeat, and neither gets an error.

    What shows is only that partitions are given out over and over. The limit is drawn, so that one of the two ends
    first and the other stays.
    """

    def __init__(self, heartbeat_seconds: float) -> None:
        self._soon = 3 * heartbeat_seconds
        self._limit = FIGHT_LIMIT + 2 * random.randrange(FIGHT_LIMIT)
        self._last = -math.inf
        self._rounds = 0

    def given_out(self, now: float | None = None) -> None:
        """Partitions were given out anew."""
        moment = time.monotonic() if now is None else now
        self._rounds = self._rounds + 1 if moment - self._last < self._soon else 0
        self._last = moment

    @property
    def is_on(self) -> bool:
        """Whether this cannot be an ordinary coming and going of members any more."""
        return self._rounds >= self._limit


class _Assigned(ConsumerRebalanceListener):  # type: ignore[misc]  # the client library has no types
    """Only takes note: the client library deadlocks on anything that waits in here."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """A batch at hand is finished: the inbox and the held positions keep it exact."""

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._consumer.forget_assignment()


def _record(one: Any) -> Record:
    return Record(one.topic, one.partition, one.offset, one.key, one.value, one.headers, one.timestamp)


async def _seek(client: AIOKafkaConsumer, part: TopicPartition, position: int) -> None:
    with suppress(IllegalStateError):  # not ours any more
        if position:
            client.seek(part, position)
        else:
            await client.seek_to_beginning(part)
