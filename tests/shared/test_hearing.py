"""Facts of others take effect exactly once and in order: duplicates, poison, outages, crashes, rebalances."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiokafka.errors import CommitFailedError

from shared import db
from shared.db import Transaction
from shared.errors import Busy, Conflict
from shared.events import Fact, Topic
from shared.hearing import Consumer, Ears, FencedOut, Heard, NotYet, Record, ask_again, is_transient, newest, stages
from shared.hearing.consumer import Fight, Newest
from shared.hearing.failures import reason
from shared.hearing.parked import record_of as parked_record
from shared.metrics import REGISTRY
from shared.outbox import announce
from shared.values import Scope, new_id
from tests.shared.sides import (
    NOON,
    FarmRecorded,
    Language,
    Poisoned,
    Side,
    Stepped,
    Steps,
    consumer,
    ears,
    make_language,
    make_side,
    publish,
    record_of,
    running,
    spawn,
    until,
)

ONE, TWO, THREE = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.fixture
async def side(make_database: Callable[..., Any]) -> AsyncIterator[Side]:
    made = await make_side(make_database)
    yield made
    await made.close()


@pytest.fixture
async def language(kafka_bootstrap: str) -> Language:
    return await make_language(kafka_bootstrap)


class Listener:
    """One consumer on one database, with what tests ask of it."""

    def __init__(self, side: Side, language: Language, bootstrap: str, hears: Ears | None = None) -> None:
        self.side, self.language, self.bootstrap = side, language, bootstrap
        self.steps = Steps()
        self.ears = hears or ears(language, self.steps)
        self.consumer = self.again()

    def again(self, instance: str | None = None) -> Consumer:
        """A fresh process of the same consumer."""
        return consumer(self.side.engine(), self.bootstrap, self.ears, instance)

    async def publish(self, *records: dict[str, Any]) -> None:
        await publish(self.bootstrap, records)

    async def has_steps(self, count: int) -> None:
        async def enough() -> bool:
            return await self.side.number("select count(*) from effect") >= count

        await until(enough, f"{count} steps")

    async def heard_all(self) -> None:
        """Positions stand at the ends: whatever came has been dealt with."""
        ends = await end_positions(self.bootstrap, self.language)

        async def there() -> bool:
            rows = await self.side.rows("select topic, partition, next_position from heard_position")
            kept = {(topic, partition): position for topic, partition, position in rows}
            return all(kept.get(place) == end for place, end in ends.items() if end and place[0] in self.ears.topics)

        await until(there, "everything heard")

    async def steps_of(self, farm: UUID) -> list[int]:
        return [
            step for (step,) in await self.side.rows("select step from effect where farm = $1 order by number", farm)
        ]

    async def parked(self) -> list[tuple[Any, ...]]:
        rows = await self.side.rows("select reason, payload from parked_fact order by id")
        return [(why, Stepped.model_validate_json(payload).step) for why, payload in rows]

    async def replay(self) -> int:
        async with self.side.admin() as admin:
            return await ask_again(admin, self.ears.name)

    async def parked_are(self, count: int) -> None:
        async def so_many() -> bool:
            return await self.side.number("select count(*) from parked_fact") == count

        await until(so_many, f"{count} parked")

    def counted(self, name: str) -> float:
        return REGISTRY.get_sample_value(f"tuopin_hearing_{name}", {"consumer": self.ears.name}) or 0


async def end_positions(bootstrap: str, language: Language) -> dict[tuple[str, int], int]:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    client = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await client.start()
    try:
        parts = [TopicPartition(topic.name, n) for topic in language.topics for n in range(topic.partitions)]
        return {(part.topic, part.partition): end for part, end in (await client.end_offsets(parts)).items()}
    finally:
        await client.stop()


@pytest.fixture
async def listener(side: Side, language: Language, kafka_bootstrap: str) -> Listener:
    return Listener(side, language, kafka_bootstrap)


def step(language: Language, farm: UUID, number: int, *, poison: bool = False, **more: Any) -> dict[str, Any]:
    return record_of(language.stepped(farm=farm, step=number, poison=poison), farm, **more)


def state(language: Language, farm: UUID, version: int, crop: str = "millet", **more: Any) -> dict[str, Any]:
    return record_of(language.farm_recorded(farm=farm, version=version, crop=crop), farm, **more)


# --- effects ---------------------------------------------------------------------------------------------------------


async def test_each_event_takes_effect_once_and_in_order(listener: Listener, language: Language) -> None:
    records = [step(language, farm, number) for number in range(1, 51) for farm in (ONE, TWO, THREE)]
    await listener.publish(*records[:60])
    async with running(listener.consumer):
        await listener.has_steps(60)
        await listener.publish(*records[30:])  # thirty of them for the second time
        await listener.heard_all()
    for farm in (ONE, TWO, THREE):
        assert await listener.steps_of(farm) == list(range(1, 51))
    assert listener.counted("duplicates_total") == 30


async def test_the_same_event_twice_in_one_batch_counts_once(listener: Listener, language: Language) -> None:
    record = step(language, ONE, 1)
    await listener.publish(record, record, record)
    async with running(listener.consumer):
        await listener.heard_all()
    assert await listener.steps_of(ONE) == [1]
    assert listener.counted("duplicates_total") == 2


async def test_state_goes_by_the_highest_version(listener: Listener, language: Language) -> None:
    versions = [3, 1, 5, 2, 5, 4]
    await listener.publish(*(state(language, ONE, version, f"crop {version}") for version in versions))
    async with running(listener.consumer):
        await listener.heard_all()
        await listener.publish(state(language, ONE, 4, "an old one, late"))
        await listener.heard_all()
    assert await listener.side.rows("select version, crop from farm") == [(5, "crop 5")]
    assert listener.counted("overtaken_total") == 4  # 1 behind 3; 2 and 4 behind 5; the late 4
    assert await listener.side.number("select count(*) from inbox") == 0


async def test_tombstones_and_unknown_types_are_passed_over(listener: Listener, language: Language) -> None:
    unknown = step(language, ONE, 1)
    unknown["headers"] = [(n, b"org.tuopin.test.unknown.v9" if n == "ce_type" else v) for n, v in unknown["headers"]]
    tombstone = {"topic": language.state.name, "key": str(ONE).encode(), "value": None}
    await listener.publish(unknown, state(language, ONE, 1), tombstone, step(language, ONE, 2))
    async with running(listener.consumer):
        await listener.heard_all()
    assert await listener.steps_of(ONE) == [2]
    assert await listener.side.number("select count(*) from farm") == 1
    assert listener.counted("ignored_total") == 2
    assert await listener.side.number("select count(*) from parked_fact") == 0


async def test_unknown_fields_are_ignored(listener: Listener, language: Language) -> None:
    record = step(language, ONE, 1)
    record["value"] = record["value"][:-1] + b',"added_next_year":{"x":1}}'
    await listener.publish(record)
    async with running(listener.consumer):
        await listener.heard_all()
    assert await listener.steps_of(ONE) == [1]


async def test_what_follows_from_a_fact_leaves_in_the_same_transaction_with_its_trace(
    side: Side, language: Language, kafka_bootstrap: str
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    async def answer(tx: Transaction, heard: list[Heard[FarmRecorded]]) -> None:
        for one in heard:
            assert (tx.scope, tx.caller, one.traceparent, one.said_at) == (Scope.everything(), "test.x", trace, NOON)
            await announce(tx, one.key, language.stepped(farm=one.fact.farm, step=1), at=one.said_at)

    listener = Listener(
        side, language, kafka_bootstrap, Ears("test.x", {language.farm_recorded: answer}, catalogue=language.topics)
    )
    record = state(language, ONE, 1)
    record["headers"] += [("ce_traceparent", trace.encode())]
    await listener.publish(record)
    async with running(listener.consumer):
        await listener.heard_all()
    assert await side.rows("select key, traceparent from outbox") == [(str(ONE), trace)]


async def test_the_inbox_forgets_what_cannot_come_again(listener: Listener, language: Language) -> None:
    await listener.publish(step(language, ONE, 1), step(language, ONE, 2))
    async with running(listener.consumer):
        await listener.heard_all()
    oldest = "(select event_id from inbox limit 1)"
    await listener.side.run(f"update inbox set heard_at = heard_at - interval '61 days' where event_id = {oldest}")
    async with running(listener.again()):

        async def one_left() -> bool:
            return await listener.side.number("select count(*) from inbox") == 1

        await until(one_left, "the old id is forgotten, the young one kept")


# --- poison ----------------------------------------------------------------------------------------------------------


async def test_poison_is_parked_and_the_rest_of_the_batch_applied(listener: Listener, language: Language) -> None:
    records = [step(language, farm, number) for number in (1, 2) for farm in (ONE, TWO, THREE)]
    records += [step(language, ONE, 3, poison=True), step(language, TWO, 3), step(language, ONE, 4)]
    await listener.publish(*records)
    async with running(listener.consumer):
        await listener.heard_all()
        await listener.publish(step(language, ONE, 5), step(language, THREE, 3))
        await listener.heard_all()
    assert await listener.steps_of(ONE) == [1, 2]  # what comes later for this key waits behind the parked fact
    assert await listener.steps_of(TWO) == await listener.steps_of(THREE) == [1, 2, 3]
    assert await listener.parked() == [("failed.Poisoned", 3), ("waits", 4), ("waits", 5)]


async def test_replay_applies_a_queue_in_order_where_it_was_parked(listener: Listener, language: Language) -> None:
    records = [step(language, ONE, n, poison=n == 2) for n in range(1, 6)]
    await listener.publish(*records, step(language, TWO, 1))
    ends = await end_positions(listener.bootstrap, language)
    async with running(listener.consumer):
        await listener.heard_all()
        assert await listener.parked() == [("failed.Poisoned", 2), *(("waits", n) for n in (3, 4, 5))]
        listener.steps.cured = True
        assert await listener.replay() == 4
        await listener.parked_are(0)
        await listener.publish(step(language, ONE, 6), *records)  # and everything once more
        await listener.heard_all()
    assert await listener.steps_of(ONE) == [1, 2, 3, 4, 5, 6]
    after = await end_positions(listener.bootstrap, language)
    assert sum(after.values()) - sum(ends.values()) == 1 + len(records)  # replay itself sent nothing


async def test_replay_of_what_still_fails_keeps_the_queue(listener: Listener, language: Language) -> None:
    await listener.publish(step(language, ONE, 1, poison=True), step(language, ONE, 2))
    async with running(listener.consumer):
        await listener.parked_are(2)
        await listener.replay()

        async def tried() -> bool:
            return await listener.side.number("select attempts from parked_fact order by id limit 1") == 2

        await until(tried, "a second attempt")
    assert await listener.parked() == [("failed.Poisoned", 1), ("waits", 2)]
    assert await listener.side.number("select count(*) from parked_fact where retry_at is not null") == 0
    assert await listener.steps_of(ONE) == []


async def test_a_second_poison_in_the_queue_stops_replay_there(listener: Listener, language: Language) -> None:
    class Half(Steps):
        async def __call__(self, tx: Transaction, heard: list[Heard[Stepped]]) -> None:
            self.cured = all(one.fact.step != 3 for one in heard) and first_is_cured
            await super().__call__(tx, heard)

    first_is_cured = False
    half = Half()
    listener = Listener(listener.side, language, listener.bootstrap, ears(language, half))
    await listener.publish(*(step(language, ONE, n, poison=n in (1, 3)) for n in range(1, 5)))
    async with running(listener.consumer):
        await listener.parked_are(4)
        first_is_cured = True
        await listener.replay()
        await listener.parked_are(2)
    assert await listener.steps_of(ONE) == [1, 2]
    assert await listener.parked() == [("failed.Poisoned", 3), ("waits", 4)]


async def test_a_queue_longer_than_one_transaction_drains(
    listener: Listener, language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.hearing import parked

    monkeypatch.setattr(parked, "QUEUE_LIMIT", 10)
    await listener.publish(*(step(language, ONE, n, poison=n == 1) for n in range(1, 36)))
    async with running(listener.consumer):
        await listener.parked_are(35)
        listener.steps.cured = True
        head = "(select min(id) from parked_fact)"
        await listener.side.run(f"update parked_fact set retry_at = clock_timestamp() where id = {head}")
        await listener.parked_are(0)
    assert await listener.steps_of(ONE) == list(range(1, 36))


async def test_state_does_not_wait_behind_a_parked_version(
    side: Side, language: Language, kafka_bootstrap: str
) -> None:
    cured = False

    async def keep(tx: Transaction, heard: list[Heard[FarmRecorded]]) -> None:
        from tests.shared.sides import keep_farms

        if not cured and any(one.fact.crop == "poison" for one in heard):
            raise Poisoned
        await keep_farms(tx, heard)

    hears = Ears("test." + language.run, {language.farm_recorded: keep}, catalogue=language.topics)
    listener = Listener(side, language, kafka_bootstrap, hears)
    await listener.publish(state(language, ONE, 1), state(language, ONE, 2, "poison"), state(language, ONE, 3, "oats"))
    async with running(listener.consumer):
        await listener.parked_are(1)
        assert await side.rows("select version, crop from farm") == [(3, "oats")]
        cured = True
        await listener.replay()
        await listener.parked_are(0)
    assert await side.rows("select version, crop from farm") == [(3, "oats")]  # the parked one was older


async def test_bytes_that_are_no_fact_are_parked_whole(listener: Listener, language: Language) -> None:
    broken = [
        {
            "topic": language.events.name,
            "key": str(ONE).encode(),
            "value": b"\xff\x00garbage",
            "headers": [("x", b"\xff")],
        },
        {**step(language, TWO, 1), "value": b'{"farm":"no uuid","step":1}'},
        {**step(language, THREE, 1), "value": b"{"},
        {**step(language, THREE, 2), "key": None, "partition": 0},
    ]
    await listener.publish(*broken, step(language, ONE, 9), step(language, UUID(int=4), 1))
    async with running(listener.consumer):
        await listener.heard_all()
    rows = await listener.side.rows("select reason, payload, detail from parked_fact order by id")
    assert sorted(why for why, *_ in rows) == ["unreadable"] * 4 + ["waits"]
    assert {payload for _, payload, _ in rows} > {b"\xff\x00garbage", b"{"}
    assert not any("no uuid" in detail for *_, detail in rows)  # the place of the mistake, never the value
    assert await listener.steps_of(UUID(int=4)) == [1]
    async with listener.side.admin() as admin:
        row = await admin.fetchrow("select * from parked_fact where payload = $1", b"\xff\x00garbage")
    assert (parked_record(row).headers, parked_record(row).key) == ([("x", b"\xff")], str(ONE).encode())


async def test_a_redelivered_poison_is_parked_once(listener: Listener, language: Language) -> None:
    poison, garbage = step(language, ONE, 1, poison=True), {"topic": language.events.name, "key": b"k", "value": b"{"}
    await listener.publish(poison, garbage)
    async with running(listener.consumer):
        await listener.parked_are(2)
    await listener.side.run("update heard_position set next_position = 0")  # as if the offsets had not been committed
    await listener.publish(poison)
    async with running(listener.again()):
        await listener.heard_all()
    assert await listener.side.number("select count(*) from parked_fact") == 2


async def test_what_needs_another_fact_first_applies_itself_later(
    side: Side, language: Language, kafka_bootstrap: str
) -> None:
    async def needs_the_farm(tx: Transaction, heard: list[Heard[Stepped]]) -> None:
        for one in heard:
            if not await tx.driver.fetchval("select true from farm where id = $1", one.fact.farm):
                raise NotYet("farm not heard")
        await Steps()(tx, heard)

    from tests.shared.sides import keep_farms

    hears = Ears(
        "test." + language.run,
        {language.farm_recorded: keep_farms, language.stepped: needs_the_farm},
        catalogue=language.topics,
    )
    listener = Listener(side, language, kafka_bootstrap, hears)
    await listener.publish(step(language, ONE, 1), step(language, ONE, 2))
    async with running(listener.consumer):
        await listener.parked_are(2)
        assert [why for why, _ in await listener.parked()] == ["not_yet", "waits"]
        await listener.publish(state(language, ONE, 1))
        await listener.parked_are(0)
    assert await listener.steps_of(ONE) == [1, 2]


# --- what passes by itself -------------------------------------------------------------------------------------------


async def test_the_database_away_for_a_while(listener: Listener, language: Language) -> None:
    name = listener.side.database.name
    async with running(listener.consumer):
        await listener.publish(step(language, ONE, 1))
        await listener.has_steps(1)
        await listener.side.run(f"alter database {name} with connection limit 0")
        await listener.side.terminate("tuopin")
        await listener.publish(*(step(language, ONE, number) for number in range(2, 30)))

        async def noticed() -> bool:
            return listener.consumer.backoff.failing_since is not None

        await until(noticed, "the consumer noticed")

        async def measured() -> bool:
            return listener.counted("lag_records") == 28 and listener.counted("blocked_seconds") > 0

        await until(measured, "what waits is counted, and for how long nothing could be applied")
        listener.consumer.moved = long_ago = time.monotonic() - 500

        async def tried_again() -> bool:
            return listener.consumer.moved > long_ago + 400

        await until(tried_again, "blocked, and so not stuck when the database is back")
        await listener.side.run(f"alter database {name} with connection limit -1")
        await listener.has_steps(29)

        async def rested() -> bool:
            return listener.counted("lag_records") == listener.counted("blocked_seconds") == 0

        await until(rested, "nothing waits any more")
    assert await listener.steps_of(ONE) == list(range(1, 30))
    assert await listener.side.number("select count(*) from parked_fact") == 0


async def test_a_passing_failure_keeps_the_order_and_parks_nothing(
    side: Side, language: Language, kafka_bootstrap: str
) -> None:
    attempts = 0

    async def twice_busy(tx: Transaction, heard: list[Heard[Stepped]]) -> None:
        nonlocal attempts
        attempts += 1
        await Steps()(tx, heard)
        if attempts <= 2:
            raise Busy

    hears = Ears("test." + language.run, {language.stepped: twice_busy}, catalogue=language.topics)
    listener = Listener(side, language, kafka_bootstrap, hears)
    await listener.publish(*(step(language, ONE, number) for number in range(1, 11)))
    async with running(listener.consumer):
        await listener.has_steps(10)
    assert await listener.steps_of(ONE) == list(range(1, 11))
    assert attempts >= 3
    assert await side.number("select count(*) from parked_fact") == 0


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (Busy(), True),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (asyncpg.DeadlockDetectedError("deadlock"), True),
        (asyncpg.SerializationError("conflict"), True),
        (asyncpg.AdminShutdownError("bye"), True),
        (asyncpg.UndefinedTableError("migrate first"), True),
        (asyncpg.DiskFullError("no space"), True),
        (asyncpg.UniqueViolationError("twice"), False),
        (asyncpg.CheckViolationError("no"), False),
        (CommitFailedError(), True),
        (Conflict(), False),
        (NotYet("later"), False),
        (KeyError("bug"), False),
    ],
)
def test_which_failures_pass_by_themselves(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes


async def test_reasons_name_places_and_never_values(side: Side) -> None:
    async with side.admin() as admin:
        with pytest.raises(asyncpg.UniqueViolationError) as twice:
            await admin.execute(
                "insert into farm (id, version, crop) values ($1, 1, 'secret 李秀英'), ($1, 1, 'secret 李秀英')", ONE
            )
    code, detail = reason(twice.value)
    assert (code, detail) == ("database.23505", "23505 farm farm_pkey")
    assert reason(db.LostWork("x"))[0] == "failed.LostWork"
    assert reason(Conflict())[0] == "conflict"


# --- crashes, several members ----------------------------------------------------------------------------------------


async def spawn_crashing(listener: Listener, instance: str) -> asyncio.subprocess.Process:
    where = (listener.side.database.worker, listener.bootstrap, listener.language.run)
    return await spawn("consumer_process", *where, instance)


async def test_a_crash_between_both_commits_changes_nothing(listener: Listener, language: Language) -> None:
    farms = [UUID(int=number) for number in range(1, 9)]
    said = 0
    for _ in range(2):
        process = await spawn_crashing(listener, "worker-0")
        try:
            while process.returncode is None:
                assert said < 2000, "it never crashed"
                said += 1
                await listener.publish(*(step(language, farm, said) for farm in farms))
            assert process.returncode == 9, "it crashed where it was meant to"
        finally:
            with suppress(ProcessLookupError):
                process.kill()
    already = listener.counted("duplicates_total")
    async with running(listener.again("worker-0")):
        await listener.heard_all()
    assert listener.counted("duplicates_total") > already, "facts were heard again after the crash"
    for farm in farms:
        assert await listener.steps_of(farm) == list(range(1, said + 1))


async def test_two_members_share_and_take_over(listener: Listener, language: Language) -> None:
    farms = [UUID(int=number) for number in range(1, 13)]
    first, second = listener.again(), listener.again()
    async with running(first):
        await listener.publish(*(step(language, farm, 1) for farm in farms))
        await listener.has_steps(len(farms))
        async with running(second):

            async def both() -> bool:
                return bool(first._expected) and bool(second._expected)

            for number in range(2, 12):
                await listener.publish(*(step(language, farm, number) for farm in farms))
            await until(both, "both have partitions")
            await listener.publish(*(step(language, farm, 12) for farm in farms))
            await listener.has_steps(12 * len(farms))
        await listener.publish(*(step(language, farm, 13) for farm in farms))
        await listener.heard_all()
    for farm in farms:
        assert await listener.steps_of(farm) == list(range(1, 14))


async def test_a_second_process_with_our_member_id_ends(listener: Listener, language: Language) -> None:
    first, second = listener.again("worker-0"), listener.again("worker-0")
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(first.run(stopping))]
    await listener.publish(step(language, ONE, 1))
    await listener.has_steps(1)
    tasks.append(asyncio.create_task(second.run(stopping)))
    done, _ = await asyncio.wait(tasks, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    stopping.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert done
    assert FencedOut in [type(one) for one in ended]


def test_counting_what_was_overtaken_forgets_the_oldest_nouns() -> None:
    newest_known = Newest(limit=2)
    assert newest_known.overtaken([("t", "a", 5), ("t", "a", 4), ("t", "a", 5), ("u", "a", 1)]) == 1
    assert newest_known.overtaken([("t", "b", 1), ("t", "c", 1), ("t", "a", 1)]) == 0
    assert newest_known.overtaken([("t", "c", 0)]) == 1


def test_members_that_come_and_go_are_no_fight() -> None:
    calm, fight = Fight(1.0), Fight(1.0)
    for round_ in range(100):
        calm.given_out(round_ * 3.5)
        fight.given_out(round_ * 1.0)
    assert (calm.is_on, fight.is_on) == (False, True)
    fight.given_out(1000.0)
    assert not fight.is_on


# --- pure parts ------------------------------------------------------------------------------------------------------


def heard(fact: Fact, key: str, number: int) -> Heard[Any]:
    place = Record(fact.TOPIC, 0, number, key.encode(), b"", (), 0)
    return Heard(fact, key, new_id(), NOON, None, None, place)


class Opened(Fact):
    """开: for grouping."""

    TOPIC = "t.case.events.v1"
    TYPE = "opened"


class Closed(Fact):
    """关: for grouping."""

    TOPIC = "t.case.events.v1"
    TYPE = "closed"


def test_facts_are_grouped_by_type_without_overtaking_within_a_key() -> None:
    order = [("a", Opened), ("b", Opened), ("a", Closed), ("c", Opened), ("a", Opened), ("b", Closed)]
    facts = [heard(kind(), key, number) for number, (key, kind) in enumerate(order)]
    groups = [(kind, [(one.key, one.record.position) for one in group]) for kind, group in stages(facts)]
    assert groups == [
        (Opened, [("a", 0), ("b", 1), ("c", 3)]),
        (Closed, [("a", 2), ("b", 5)]),
        (Opened, [("a", 4)]),
    ]


def test_the_newest_of_each_noun() -> None:
    facts = [
        heard(type("F", (FarmRecorded,), {"TOPIC": "t"})(farm=farm, version=version, crop="x"), str(farm), 0)
        for farm, version in ((ONE, 2), (TWO, 1), (ONE, 5), (ONE, 3))
    ]
    assert [(one.key, one.version) for one in newest(facts)] == [(str(ONE), 5), (str(TWO), 1)]


def test_hearing_a_topic_outside_the_catalogue_is_refused() -> None:
    async def nothing(tx: Transaction, facts: list[Heard[Any]]) -> None:
        raise AssertionError

    with pytest.raises(ValueError, match="not in the catalogue"):
        Ears("test.x", {Opened: nothing}, catalogue=[Topic("t.other.events.v1", "events", ())])
