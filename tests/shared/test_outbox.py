"""Facts leave with the commit: none lost, none invented, each noun's in order, whatever dies in between."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared import bus, outbox
from shared.db import create_engine, transaction
from shared.outbox import Said, announce, announce_many, announce_mark, rest
from shared.values import Scope
from tests.shared.sides import (
    NOON,
    Broker,
    FarmRecorded,
    Language,
    Side,
    make_language,
    make_side,
    plant,
    running,
    say,
    spawn,
    until,
)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
async def side(make_database: Callable[..., Any]) -> AsyncIterator[Side]:
    made = await make_side(make_database)
    yield made
    await made.close()


@pytest.fixture
async def language(kafka_bootstrap: str) -> Language:
    return await make_language(kafka_bootstrap)


async def all_records(bootstrap: str, topic: str, partitions: int = 3) -> list[Any]:
    """Everything that stands in a topic now, each partition in its order."""
    client = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await client.start()
    try:
        parts = [TopicPartition(topic, number) for number in range(partitions)]
        client.assign(parts)
        await client.seek_to_beginning(*parts)
        ends = await client.end_offsets(parts)
        records: list[Any] = []
        while any([await client.position(part) < ends[part] for part in parts]):
            for batch in (await client.getmany(timeout_ms=100)).values():
                records += batch
        return records
    finally:
        await client.stop()


async def is_empty(side: Side) -> bool:
    return await side.number("select count(*) from outbox") == 0


def farm(language: Language, number: int, version: int = 1, crop: str = "millet") -> FarmRecorded:
    return language.farm_recorded(farm=UUID(int=number), version=version, crop=crop)


# --- announcing ------------------------------------------------------------------------------------------------------


async def test_a_fact_stands_in_the_outbox_only_if_the_transaction_commits(side: Side, language: Language) -> None:
    engine = side.engine("api")
    with suppress(ZeroDivisionError):
        async with transaction(engine, Scope.everything()) as tx:
            await announce(tx, UUID(int=1), farm(language, 1), at=NOON)
            raise ZeroDivisionError
    assert await is_empty(side)
    async with transaction(engine, Scope.everything(), traceparent=TRACE) as tx:
        await announce(tx, UUID(int=2), farm(language, 2, version=4), at=NOON)
    rows = await side.rows("select topic, key, type, payload, version, epoch, said_at, traceparent from outbox")
    fact = farm(language, 2, version=4)
    written = (fact.TOPIC, str(UUID(int=2)), fact.TYPE, fact.model_dump_json().encode(), 4, None, NOON, TRACE)
    assert rows == [written]


async def test_the_api_may_say_but_not_read(side: Side, language: Language) -> None:
    await say(side, language, [(UUID(int=1), farm(language, 1))])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(side.engine("api"), Scope.everything()) as tx:
            await tx.driver.fetch("select * from outbox")


async def test_many_facts_keep_the_order_in_which_they_were_said(side: Side, language: Language) -> None:
    count = outbox.CHUNK + 3
    async with transaction(side.engine("api"), Scope.everything()) as tx:
        said = (Said(UUID(int=number % 7), farm(language, number % 7, number + 1)) for number in range(count))
        assert await announce_many(tx, said, at=NOON) == count
    assert await side.rows("select version from outbox order by id") == [(n + 1,) for n in range(count)]


async def test_a_facts_own_trace_is_stronger_than_the_batchs(side: Side, language: Language) -> None:
    async with transaction(side.engine("api"), Scope.everything(), traceparent=TRACE) as tx:
        await announce_many(tx, [Said("a", farm(language, 1), "00-other-01"), Said("b", farm(language, 2))], at=NOON)
    assert await side.rows("select traceparent from outbox order by id") == [("00-other-01",), (TRACE,)]


async def test_a_moment_without_time_zone_is_refused(side: Side, language: Language) -> None:
    with pytest.raises(ValueError, match="time zone"):
        async with transaction(side.engine("api"), Scope.everything()) as tx:
            await announce(tx, "x", farm(language, 1), at=datetime(2019, 9, 20))  # noqa: DTZ001 - the mistake itself


async def test_a_mark_of_a_republished_topic_reaches_every_partition(
    side: Side, language: Language, kafka_bootstrap: str
) -> None:
    async with transaction(side.engine("worker"), Scope.everything()) as tx:
        mark = bus.Republished(topic=language.state.name, epoch=99, partitions=language.state.partitions)
        await announce_mark(tx, mark, at=NOON)
    async with running(side.relay(kafka_bootstrap)):
        await until(lambda: is_empty(side), "outbox empty")
    records = await all_records(kafka_bootstrap, language.state.name)
    assert sorted(record.partition for record in records) == [0, 1, 2]
    assert {bus.decode(record.headers, record.key).epoch for record in records} == {99}


# --- the relay -------------------------------------------------------------------------------------------------------


async def test_what_arrives_is_what_was_said(side: Side, language: Language, kafka_bootstrap: str) -> None:
    async with transaction(side.engine("api"), Scope.everything(), traceparent=TRACE) as tx:
        await announce(tx, UUID(int=5), farm(language, 5, 3, "荞麦"), at=NOON)
    async with running(side.relay(kafka_bootstrap)):
        await until(lambda: is_empty(side), "outbox empty")
    (record,) = await all_records(kafka_bootstrap, language.state.name)
    read = bus.decode(record.headers, record.key)
    assert (read.source, read.type, read.key) == ("/test", FarmRecorded.TYPE, str(UUID(int=5)))
    assert (read.said_at, read.version, read.traceparent) == (NOON, 3, TRACE)
    assert FarmRecorded.model_validate_json(record.value).crop == "荞麦"


async def test_a_row_that_commits_late_under_a_lower_id_is_sent(
    side: Side, language: Language, kafka_bootstrap: str
) -> None:
    engine = side.engine("api")
    async with running(side.relay(kafka_bootstrap)):
        async with transaction(engine, Scope.everything()) as late:
            await announce(late, UUID(int=1), farm(language, 1), at=NOON)
            await say(side, language, [(UUID(int=2), farm(language, 2))])
            await until(lambda: is_empty(side), "the later row is gone")
            (before,) = await all_records(kafka_bootstrap, language.state.name)
        await until(lambda: is_empty(side), "the late row is gone")
    records = await all_records(kafka_bootstrap, language.state.name)
    assert before.key == str(UUID(int=2)).encode()
    assert {record.key for record in records} == {str(UUID(int=number)).encode() for number in (1, 2)}


async def test_what_can_never_be_sent_is_buried_and_the_rest_goes_on(
    side: Side, language: Language, kafka_bootstrap: str
) -> None:
    huge = farm(language, 2, crop="x" * (bus.MAX_FACT_BYTES + 1))
    await say(side, language, [(UUID(int=1), farm(language, 1)), (UUID(int=2), huge), (UUID(int=3), farm(language, 3))])
    await side.run(
        "insert into outbox (event_id, topic, key, type, payload, said_at)"
        " values (gen_random_uuid(), 'nobody.knows.it', 'k', 't', '{}', now())"
    )
    async with running(side.relay(kafka_bootstrap, topics={topic.name for topic in language.topics})):
        await until(lambda: is_empty(side), "outbox empty")
    records = await all_records(kafka_bootstrap, language.state.name)
    assert {record.key for record in records} == {str(UUID(int=number)).encode() for number in (1, 3)}
    dead = await side.rows("select key, error, length(payload) > 900000 from outbox_dead order by id")
    assert [(key, large) for key, _, large in dead] == [(str(UUID(int=2)), True), ("k", False)]
    assert "too large" in dead[0][1]
    assert "not in the catalogue" in dead[1][1]


async def test_a_fact_of_the_largest_size_is_sent(side: Side, language: Language, kafka_bootstrap: str) -> None:
    spare = len(farm(language, 1, crop="").model_dump_json())
    await say(side, language, [(UUID(int=1), farm(language, 1, crop="x" * (bus.MAX_FACT_BYTES - spare)))])
    async with running(side.relay(kafka_bootstrap)):
        await until(lambda: is_empty(side), "outbox empty")
    (record,) = await all_records(kafka_bootstrap, language.state.name)
    assert len(record.value) == bus.MAX_FACT_BYTES


async def test_one_leads_and_the_other_takes_over(side: Side, language: Language, kafka_bootstrap: str) -> None:
    first, second = side.relay(kafka_bootstrap), side.relay(kafka_bootstrap)

    async def one_leads() -> bool:
        return first.is_leading or second.is_leading

    async with running(second):
        async with running(first):
            await until(one_leads, "a leader")
            await asyncio.sleep(0.3)  # time for a second one, were it possible
            assert first.is_leading != second.is_leading
            leader = "first" if first.is_leading else "second"
            await side.terminate("test-relay")
        await say(side, language, [(UUID(int=1), farm(language, 1))])
        await until(lambda: is_empty(side), f"sent after the session of the {leader} was ended")
        assert second.is_leading


async def test_a_stopping_relay_sends_the_rest_in_order(side: Side, language: Language, kafka_bootstrap: str) -> None:
    relay = side.relay(kafka_bootstrap, batch=10)

    async def leads() -> bool:
        return relay.is_leading

    async with running(relay):
        await until(leads, "a leader")
        await say(side, language, [(UUID(int=n % 3), farm(language, n % 3, n + 1)) for n in range(200)])
    assert await is_empty(side)
    heard: dict[int, list[int]] = defaultdict(list)
    for record in await all_records(kafka_bootstrap, language.state.name):
        fact = FarmRecorded.model_validate_json(record.value)
        heard[fact.farm.int].append(fact.version)
    assert heard == {number: list(range(number + 1, 201, 3)) for number in range(3)}


async def test_the_outbox_is_measured(side: Side, language: Language) -> None:
    """Without a broker: the depth and age of what waits are known even so."""
    from shared.metrics import REGISTRY

    await say(side, language, [(UUID(int=n), farm(language, n)) for n in range(3)])
    await side.run("update outbox set written_at = written_at - interval '1 hour'")
    connection = await asyncpg.connect(side.database.worker, ssl=False)
    await side.relay("127.0.0.1:1")._measure(connection)
    await connection.close()
    assert REGISTRY.get_sample_value("tuopin_outbox_rows") == 3
    assert (REGISTRY.get_sample_value("tuopin_outbox_oldest_seconds") or 0) >= 3600


async def test_the_database_away_for_a_while(side: Side, language: Language, kafka_bootstrap: str) -> None:
    relay = side.relay(kafka_bootstrap)

    async def fails() -> bool:
        return relay.backoff.failing_since is not None

    async with running(relay):
        await say(side, language, [(UUID(int=1), farm(language, 1))])
        await until(lambda: is_empty(side), "the first is sent")
        await side.run(f"alter database {side.database.name} with connection limit 0")
        await side.terminate("test-relay")
        await until(fails, "the relay noticed")
        await side.run(f"alter database {side.database.name} with connection limit -1")
        await say(side, language, [(UUID(int=2), farm(language, 2))])
        await until(lambda: is_empty(side), "the second is sent")
    keys = {record.key for record in await all_records(kafka_bootstrap, language.state.name)}
    assert keys == {str(UUID(int=number)).encode() for number in (1, 2)}


async def test_the_broker_away_for_a_while(side: Side, tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    await broker.start()
    try:
        language = await make_language(broker.bootstrap)
        async with running(side.relay(broker.bootstrap)):
            await say(side, language, [(UUID(int=1), farm(language, 1))])
            await until(lambda: is_empty(side), "the first is sent")
            broker.kill()
            for number in range(2, 40):
                await say(side, language, [(UUID(int=number), farm(language, number))])
            await asyncio.sleep(1)  # the relay has tried to send some of them meanwhile
            assert await side.number("select count(*) from outbox") >= 38
            await broker.start()
            await until(lambda: is_empty(side), "all are sent")
        records = await all_records(broker.bootstrap, language.state.name)
        assert {record.key for record in records} == {str(UUID(int=n)).encode() for n in range(1, 40)}
    finally:
        broker.kill()


# --- under fire ------------------------------------------------------------------------------------------------------


async def spawn_relay(side: Side, bootstrap: str) -> asyncio.subprocess.Process:
    return await spawn("relay_process", side.database.worker, bootstrap)


async def write_under_fire(side: Side, language: Language, seed: int, transactions: int) -> None:
    """Changes of twelve farms with pauses inside the transaction, some rolled back after announcing."""
    chance = random.Random(seed)
    engine = create_engine(side.database.api, pool_size=1)
    for _ in range(transactions):
        farm_id = UUID(int=chance.randrange(12))
        with suppress(ZeroDivisionError):
            async with transaction(engine, Scope.everything()) as tx:
                fact = await plant(tx, language, farm_id, f"crop {chance.random()}")
                await announce(tx, farm_id, fact, at=NOON)
                await asyncio.sleep(chance.random() * 0.004)
                if chance.random() < 0.05:
                    raise ZeroDivisionError
    await engine.dispose()


async def test_nothing_is_lost_invented_or_overtaken_under_kills(
    side: Side, language: Language, kafka_bootstrap: str
) -> None:
    relays = [await spawn_relay(side, kafka_bootstrap) for _ in range(2)]
    try:
        writers = [asyncio.create_task(write_under_fire(side, language, seed, 150)) for seed in range(8)]
        for round_ in range(2):
            await asyncio.sleep(1.0)
            await side.terminate("test-relay")
            await asyncio.sleep(0.5)
            relays[round_].kill()
            await relays[round_].wait()
            relays[round_] = await spawn_relay(side, kafka_bootstrap)
        await asyncio.gather(*writers)
        await until(lambda: is_empty(side), "all are sent")
    finally:
        for relay in relays:
            relay.kill()
            await relay.wait()
    heard: dict[str, list[int]] = defaultdict(list)
    for record in await all_records(kafka_bootstrap, language.state.name):
        fact = FarmRecorded.model_validate_json(record.value)
        if fact.version not in heard[str(fact.farm)]:
            heard[str(fact.farm)].append(fact.version)
    said = {str(id_): version for id_, version in await side.rows("select id, version from farm")}
    # Versions are given under the farm's lock and go back with a rollback: each up to the last exists exactly once.
    assert heard == {farm_id: list(range(1, version + 1)) for farm_id, version in said.items()}


async def test_the_backoff_grows_and_starts_over() -> None:
    backoff = outbox.Backoff(0.1, 1.0)
    pauses = [backoff.failed() for _ in range(6)]
    assert all(0.1 * 2**n <= pause <= 0.13 * 2**n for n, pause in enumerate(pauses[:3]))
    assert max(pauses) <= 1.3
    assert backoff.failing_since is not None
    backoff.succeeded()
    assert backoff.failed() <= 0.13


async def test_a_pause_ends_with_the_wish_to_stop() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().call_soon(stopping.set)
    await asyncio.wait_for(rest(stopping, 3600), 30)
