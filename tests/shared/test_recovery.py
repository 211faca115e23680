"""The way back: a wiped broker and day-old backups of either side all end with both sides equal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from shared import bus, recovery
from shared.db import Transaction, transaction
from shared.hearing import Ears, Heard, Record, Withdraws, positions, take_in
from shared.outbox import Said, announce
from shared.recovery import Comparison, Holding, causes, compare, left_overs, republish
from shared.values import Scope, new_id
from tests.shared.marks import mark
from tests.shared.sides import (
    NOON,
    Broker,
    Language,
    Poisoned,
    Side,
    Steps,
    consumer,
    drop_farms,
    ears,
    holdings,
    keep_farms,
    language_of,
    make_language,
    make_side,
    pay,
    plant,
    running,
    until,
)

FARMS = [UUID(int=number) for number in range(1, 21)]
FARM_VERSIONS = "select id, version as value from farm"
PAYMENTS = "select id, fen as value from payment"


class World:
    """A speaker, a broker and a listener."""

    def __init__(self, speaker: Side, listener: Side, language: Language, bootstrap: str) -> None:
        self.speaker, self.listener, self.language, self.bootstrap = speaker, listener, language, bootstrap
        self.ears = ears(language, Steps())

    def relay(self) -> Any:
        return self.speaker.relay(self.bootstrap)

    def consumer(self) -> Any:
        return consumer(self.listener.engine(), self.bootstrap, self.ears, "worker-0")

    async def change(self, farms: Sequence[UUID], crop: str) -> None:
        engine = self.speaker.engine("api")
        for farm in farms:
            async with transaction(engine, Scope.everything()) as tx:
                await announce(tx, farm, await plant(tx, self.language, farm, crop), at=NOON)
        await engine.dispose()

    async def pay(self, farm: UUID, fen: int) -> UUID:
        payment = new_id()
        engine = self.speaker.engine("api")
        async with transaction(engine, Scope.everything()) as tx:
            await announce(tx, farm, await pay(tx, self.language, payment, farm, fen), at=NOON)
        await engine.dispose()
        return payment

    async def republish(self) -> dict[str, int]:
        return await republish(self.speaker.engine(), holdings(self.language), at=NOON)

    async def verify(self) -> list[Comparison]:
        async with self.speaker.admin() as said, self.listener.admin() as heard:
            return [
                await compare(name, recovery.Side(said, query), recovery.Side(heard, query))
                for name, query in (("farm", FARM_VERSIONS), ("payment", PAYMENTS))
            ]

    async def is_equal(self) -> bool:
        return all(one.is_equal for one in await self.verify())

    async def settled(self) -> None:
        """Everything said has been sent."""

        async def empty() -> bool:
            return await self.speaker.number("select count(*) from outbox") == 0

        await until(empty, "outbox empty")

    async def equal(self) -> None:
        await self.settled()
        try:
            await until(self.is_equal, "both sides equal")
        except AssertionError:
            raise AssertionError([(one.name, one.first) for one in await self.verify()]) from None

    async def close(self) -> None:
        await self.speaker.close()
        await self.listener.close()


@pytest.fixture
async def world(make_database: Callable[..., Any], kafka_bootstrap: str) -> AsyncIterator[World]:
    language = await make_language(kafka_bootstrap)
    made = World(await make_side(make_database), await make_side(make_database), language, kafka_bootstrap)
    yield made
    await made.close()


@pytest.fixture
async def own_broker(tmp_path: Path) -> AsyncIterator[Broker]:
    broker = Broker(tmp_path)
    await broker.start()
    yield broker
    broker.kill()


# --- a restored listener ---------------------------------------------------------------------------------------------


async def test_a_restored_listener_hears_the_lost_day_again_by_itself(world: World) -> None:
    async with running(world.relay()):
        async with running(world.consumer()):
            await world.change(FARMS, "millet")
            await world.pay(FARMS[0], 63120)
            await world.equal()
        day_old = await world.listener.back_up()
        async with running(world.consumer()):
            await world.change(FARMS[:9], "oats")
            await world.pay(FARMS[1], 63119)
            await world.equal()
        await world.listener.restore(day_old)
        assert not await world.is_equal()
        async with running(world.consumer()):
            await world.equal()
    assert await world.speaker.number("select max(version) from farm") == 2  # nobody had to say anything again


async def test_a_listener_restored_from_before_its_first_fact_starts_over(world: World) -> None:
    empty = await world.listener.back_up()
    async with running(world.relay()):
        async with running(world.consumer()):
            await world.change(FARMS, "millet")
            await world.equal()
        await world.listener.restore(empty)
        async with running(world.consumer()):
            await world.equal()


async def test_a_listener_restored_while_it_runs_notices(world: World) -> None:
    async with running(world.relay(), world.consumer()):
        await world.change(FARMS, "millet")
        await world.equal()
        day_old = await world.listener.back_up()
        await world.change(FARMS[:5], "oats")
        await world.equal()
        await world.listener.restore(day_old)
        await world.change(FARMS[10:], "barley")  # the next fact shows that the database went back
        await world.equal()


# --- a restored speaker ----------------------------------------------------------------------------------------------


async def lose_a_day(world: World) -> UUID:
    """The speaker goes back: a changed farm, a farm and a payment that only the listener knows. Answers the payment."""
    await world.change(FARMS, "millet")
    await world.pay(FARMS[0], 63120)
    await world.equal()
    day_old = await world.speaker.back_up()
    await world.change([*FARMS[:5], UUID(int=99)], "oats")
    await world.change(FARMS[:5], "barley")
    lost = await world.pay(FARMS[1], 63119)
    await world.equal()
    await world.speaker.restore(day_old)
    return lost


async def test_a_restored_speaker_is_believed_again_after_republish(world: World) -> None:
    async with running(world.relay(), world.consumer()):
        lost = await lose_a_day(world)
        await world.change(FARMS[:2], "rye")  # version 2, while the listener holds 3: not believed
        await world.settled()
        farms, payments = await world.verify()
        assert (farms.differences, payments.differences) == (6, 1)
        assert await world.republish() == {"farm": 20, "payment": 1}
        await world.equal()
        await world.change([FARMS[0], UUID(int=100)], "wheat")
        await world.pay(FARMS[1], 63119)
        await world.equal()
    crops = dict(await world.listener.rows("select id, crop from farm"))
    assert UUID(int=99) not in crops  # what the speaker no longer has was let go
    assert (crops[FARMS[0]], crops[FARMS[1]], crops[FARMS[4]]) == ("wheat", "rye", "millet")
    paid = await world.listener.rows("select id, fen from payment order by fen")
    assert [fen for _, fen in paid] == [63119, 63120]
    assert lost not in {payment for payment, _ in paid}
    assert await world.listener.number("select count(*) from republished_id") == 0


async def test_republish_twice_says_the_same_once_more(world: World) -> None:
    async with running(world.relay(), world.consumer()):
        await world.change(FARMS, "millet")
        await world.pay(FARMS[0], 1)
        first = await world.republish()
        await world.change(FARMS[:3], "oats")
        assert await world.republish() == first
        await world.equal()
    assert await world.listener.number("select count(*) from payment") == 1


async def test_a_republish_cut_short_says_nothing_and_can_be_repeated(world: World) -> None:
    await world.change(FARMS, "millet")
    before = await world.speaker.number("select count(*) from outbox")

    async def half(tx: Transaction, epoch: int) -> AsyncIterator[Sequence[Said]]:
        async for chunk in holdings(world.language)[0].again(tx, epoch):
            yield chunk
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await republish(world.speaker.engine(), [Holding("farm", (world.language.state,), half)], at=NOON)
    assert await world.speaker.number("select count(*) from outbox") == before
    assert await world.speaker.number("select max(version) from farm") == 1
    async with running(world.relay(), world.consumer()):
        await world.republish()
        await world.equal()


async def test_writers_wait_and_readers_do_not_while_all_is_said_again(world: World) -> None:
    await world.change(FARMS, "millet")
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(tx: Transaction, epoch: int) -> AsyncIterator[Sequence[Said]]:
        reached.set()
        await go_on.wait()
        async for chunk in holdings(world.language)[0].again(tx, epoch):
            yield chunk

    holding = Holding("farm", (world.language.state,), slowly)
    saying = asyncio.create_task(republish(world.speaker.engine(), [holding], at=NOON))
    await reached.wait()
    writing = asyncio.create_task(world.change([UUID(int=77)], "late"))
    assert await world.speaker.number("select count(*) from farm") == 20
    done, _ = await asyncio.wait([writing], timeout=0.5)
    assert not done
    go_on.set()
    await asyncio.gather(saying, writing)
    order = await world.speaker.rows("select type from outbox order by id desc limit 1")
    assert order == [(world.language.farm_recorded.TYPE,)]  # behind the marks


# --- a wiped broker --------------------------------------------------------------------------------------------------


async def test_a_verb_that_holds_its_row_and_a_republish_do_not_wait_for_each_other(world: World) -> None:
    """A verb locks its row first and writes it later; in between all is said again. Neither is thrown out."""
    farm = FARMS[0]
    await world.change([farm], "barley")
    again = None
    async with transaction(world.speaker.engine("api"), Scope.everything()) as tx:
        await tx.driver.execute("select from farm where id = $1 for no key update", farm)
        again = asyncio.create_task(world.republish())
        await until(partial(is_waiting, world.speaker, "farm"), "the republish waits")
        await announce(tx, farm, await plant(tx, world.language, farm, "rye"), at=NOON)
    assert (await again)["farm"] == 1
    assert await world.speaker.rows("select crop from farm") == [("rye",)]


async def is_waiting(side: Side, table: str) -> bool:
    waiting = "select count(*) from pg_locks where not granted and relation = $1::text::regclass"
    return await side.number(waiting, table) > 0


async def test_a_wiped_broker_is_made_good(make_database: Callable[..., Any], own_broker: Broker) -> None:
    language = await make_language(own_broker.bootstrap)
    world = World(await make_side(make_database), await make_side(make_database), language, own_broker.bootstrap)
    async with running(world.relay()):
        async with running(world.consumer()):
            await world.change(FARMS * 3, "millet")
            await world.equal()
        await world.change(FARMS[:7], "oats")  # acknowledged, never heard
        await world.pay(FARMS[0], 63120)
        await world.settled()
        own_broker.wipe()
        await world.change(FARMS[3:9], "barley")  # said while there is no broker
        await own_broker.start()
        await bus.ensure_topics(own_broker.bootstrap, language.topics)
        async with running(world.consumer()):
            await world.settled()
            assert not await world.is_equal()
            await world.republish()
            await world.equal()
    await world.close()


async def test_a_broker_wiped_under_running_loops_and_a_restored_speaker(
    make_database: Callable[..., Any], own_broker: Broker
) -> None:
    """The worst day: new disk for the broker, day-old backup of the speaker, the listener ahead of both."""
    language = await make_language(own_broker.bootstrap)
    world = World(await make_side(make_database), await make_side(make_database), language, own_broker.bootstrap)
    async with running(world.relay(), world.consumer()):
        await lose_a_day(world)
        own_broker.wipe()
        await own_broker.start()
        await bus.ensure_topics(own_broker.bootstrap, language.topics)
        await world.republish()
        await world.change(FARMS[:2], "rye")
        await world.equal()
    await world.close()


# --- what a listener does with the marks -----------------------------------------------------------------------------


class Hearing:
    """A listener's batches by hand: which record comes when is the test's choice."""

    def __init__(self, side: Side, language: Language, hears: Ears | None = None) -> None:
        self.side, self.language = side, language
        self.ears = hears or ears(language)
        self.engine = side.engine()
        self.positions: dict[tuple[str, int], int] = {}

    def farm(self, farm: int, version: int, partition: int, epoch: int | None = None, crop: str = "x") -> Record:
        fact = self.language.farm_recorded(farm=UUID(int=farm), version=version, crop=crop)
        return self._record(fact.TYPE, str(UUID(int=farm)), fact.model_dump_json(), partition, epoch)

    def mark(self, partition: int, epoch: int, *, begins: bool = False) -> Record:
        return mark(self.language.state.name, 3, epoch, partition, self._next(partition), begins=begins)

    def begin(self, epoch: int) -> list[Record]:
        return [self.mark(number, epoch, begins=True) for number in range(3)]

    def end(self, epoch: int) -> list[Record]:
        return [self.mark(number, epoch) for number in range(3)]

    def _next(self, partition: int) -> int:
        place = (self.language.state.name, partition)
        self.positions[place] = self.positions.get(place, -1) + 1
        return self.positions[place]

    def _record(self, type_: str, key: str, value: str, partition: int, epoch: int | None) -> Record:
        headers = bus.encode(bus.Envelope(new_id(), "/test", type_, key, NOON, 1, epoch))
        place = (self.language.state.name, partition, self._next(partition))
        return Record(*place, key.encode(), value.encode(), headers, 0)

    async def take_in(self, *records: Record) -> None:
        places = {record.place for record in records}
        for topic, partition in places:
            await self.side.run(
                "insert into heard_position values ($1, $2, $3, 0, 'here') on conflict do nothing",
                *(self.ears.name, topic, partition),
            )
        partitions = {topic.name: topic.partitions for topic in self.language.topics}
        await take_in(self.engine, self.ears, records, dict.fromkeys(places), partitions)

    async def farms(self) -> set[int]:
        return {farm.int for (farm,) in await self.side.rows("select id from farm")}


@pytest.fixture
async def hearing(make_database: Callable[..., Any]) -> AsyncIterator[Hearing]:
    side = await make_side(make_database)
    yield Hearing(side, language_of("byhand", 3))
    await side.close()


async def test_only_when_all_marks_are_heard_what_was_not_named_goes(hearing: Hearing) -> None:
    await hearing.take_in(*(hearing.farm(number, 9, number % 3) for number in range(1, 7)))
    await hearing.take_in(*hearing.begin(100), hearing.farm(1, 100, 1, 100), hearing.farm(2, 100, 2, 100))
    await hearing.take_in(hearing.mark(1, 100), hearing.mark(2, 100))
    assert await hearing.farms() == {1, 2, 3, 4, 5, 6}
    await hearing.take_in(hearing.farm(3, 100, 0, 100), hearing.mark(0, 100))
    assert await hearing.farms() == {1, 2, 3}


async def test_what_is_new_behind_a_mark_stays_although_other_marks_come_later(hearing: Hearing) -> None:
    await hearing.take_in(hearing.farm(1, 9, 1), hearing.farm(2, 9, 2))
    await hearing.take_in(
        *hearing.begin(100), hearing.farm(1, 100, 1, 100), hearing.mark(1, 100), hearing.farm(8, 1, 1)
    )
    await hearing.take_in(hearing.farm(9, 1, 1))
    await hearing.take_in(hearing.mark(2, 100), hearing.mark(0, 100))
    assert await hearing.farms() == {1, 8, 9}


async def test_old_facts_in_front_of_a_mark_do_not_count_as_named(hearing: Hearing) -> None:
    await hearing.take_in(*hearing.begin(100), hearing.farm(1, 100, 1, 100), hearing.mark(1, 100))
    await hearing.take_in(hearing.farm(2, 7, 2))  # said long ago, heard late, and lost since at the speaker
    await hearing.take_in(hearing.mark(2, 100), hearing.mark(0, 100))
    assert await hearing.farms() == {1}


async def test_marks_heard_twice_take_nothing_back(hearing: Hearing) -> None:
    await hearing.take_in(*hearing.begin(100), hearing.farm(1, 100, 1, 100), *hearing.end(100))
    await hearing.take_in(hearing.farm(2, 1, 2))
    await hearing.take_in(*hearing.end(100))
    assert await hearing.farms() == {1, 2}


@pytest.mark.parametrize("missed", range(3))
async def test_who_did_not_hear_the_beginning_lets_nothing_go(hearing: Hearing, missed: int) -> None:
    """A topic whose oldest facts are gone, for instance: the names before its first fact are unknown."""
    await hearing.take_in(hearing.farm(1, 9, 1), hearing.farm(2, 9, 2))
    begins = hearing.begin(100)
    hearing.farm(1, 100, 1, 100)  # said again, and not heard
    await hearing.take_in(*begins[:missed], *begins[missed + 1 :], hearing.farm(2, 100, 2, 100), *hearing.end(100))
    assert await hearing.farms() == {1, 2}
    await hearing.take_in(*hearing.begin(200), hearing.farm(1, 200, 1, 200), *hearing.end(200))
    assert await hearing.farms() == {1}, "the next one is heard whole"


async def test_a_position_in_another_cluster_says_nothing_about_this_one(hearing: Hearing) -> None:
    """A backup from before the broker's disk was wiped: what stands there now is heard from its beginning."""
    place = (hearing.language.state.name, 0)

    async def settled(cluster: str, committed: int | None) -> dict[tuple[str, int], int]:
        async with transaction(hearing.engine, Scope.everything()) as tx:
            return await positions.settle(tx, "test", cluster, {place: committed})

    async def reached(position: int) -> None:
        async with transaction(hearing.engine, Scope.everything()) as tx:
            await positions.advance(tx, "test", {place: position})

    assert await settled("old", None) == {}
    await reached(70)
    assert await settled("old", 90) == {place: 70}, "restored: the lost time again"
    assert await settled("new", 90) == {place: 0}, "restored, and the broker is another"
    await reached(90)
    assert await settled("new", 90) == {}


SLOW_COMMIT = """
create function slowly() returns trigger language plpgsql as 'begin perform pg_sleep(0.3); return null; end';
create constraint trigger slow after update on heard_position deferrable initially deferred
   for each row execute function slowly();
"""


async def test_members_that_hear_their_marks_at_once_let_go_all_the_same(hearing: Hearing) -> None:
    await hearing.take_in(*(hearing.farm(number, 9, number % 3) for number in range(1, 7)))
    await hearing.take_in(*hearing.begin(100), hearing.farm(3, 100, 0, 100))
    await hearing.side.run(SLOW_COMMIT)  # both have looked for all marks before either's is committed
    await asyncio.gather(*(hearing.take_in(hearing.mark(number, 100)) for number in range(3)))
    assert await hearing.farms() == {3}


async def test_withdrawal_waits_while_facts_of_the_topic_are_parked(make_database: Callable[..., Any]) -> None:
    language = language_of("parked", 3)

    async def keep(tx: Transaction, heard: list[Heard[Any]]) -> None:
        if any(one.fact.crop == "poison" for one in heard):
            raise Poisoned
        await keep_farms(tx, heard)

    side = await make_side(make_database)
    hears = Ears(
        "test.parked",
        {language.farm_recorded: keep},
        {language.state.name: Withdraws(drop_farms)},
        catalogue=language.topics,
    )
    hearing = Hearing(side, language, hears)
    await hearing.take_in(hearing.farm(1, 9, 1), hearing.farm(2, 9, 2))
    await hearing.take_in(*hearing.begin(100), hearing.farm(1, 100, 1, 100, "poison"), *hearing.end(100))
    assert await hearing.farms() == {1, 2}
    await side.run("delete from parked_fact")
    await hearing.take_in(hearing.mark(0, 100))  # any later mark or replay finishes it
    assert await hearing.farms() == {1}  # it was named, though it could not be applied
    await side.close()


# --- comparing -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def two(make_database: Callable[..., Any]) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection]]:
    connections = [await asyncpg.connect((make_database()).admin, ssl=False) for _ in range(2)]
    yield connections[0], connections[1]
    for connection in connections:
        await connection.close()


async def compared(two: tuple[Any, Any], said: dict[str, int], heard: dict[str, int], keep: int = 10) -> Comparison:
    def side(connection: Any, rows: dict[str, int]) -> recovery.Side:
        values = ", ".join(f"('{id_}', {value})" for id_, value in rows.items()) or "(null, 0)"
        return recovery.Side(connection, f"select * from (values {values}) as row(id, value) where id is not null")

    return await compare("thing", side(two[0], said), side(two[1], heard), keep=keep)


async def test_equal_sides_have_no_difference(two: tuple[Any, Any]) -> None:
    rows = {f"id-{number}": number for number in range(3000)}
    result = await compared(two, rows, dict(reversed(rows.items())))
    assert (result.is_equal, result.speaker_rows, result.listener_rows) == (True, 3000, 3000)
    assert result.speaker_sum == result.listener_sum == sum(range(3000))


async def test_each_kind_of_difference_is_counted_and_named(two: tuple[Any, Any]) -> None:
    result = await compared(two, {"a": 1, "b": 2, "c": 3, "Z": 4}, {"b": 2, "c": 5, "d": 6, "é": 7})
    assert result.differences == 5
    assert result.first == [
        "Z: speaker has 4, listener lacks it",
        "a: speaker has 1, listener lacks it",
        "c: speaker has 3, listener has 5",
        "d: listener has 6, speaker lacks it",
        "é: listener has 7, speaker lacks it",
    ]
    assert (result.speaker_sum, result.listener_sum) == (10, 20)


async def test_one_fen_is_found_and_only_the_first_are_kept(two: tuple[Any, Any]) -> None:
    rows = {f"{number:04}": 63120 for number in range(100)}
    assert (await compared(two, rows, {**rows, "0050": 63119})).first == ["0050: speaker has 63120, listener has 63119"]
    result = await compared(two, rows, {}, keep=3)
    assert (result.differences, len(result.first)) == (100, 3)


async def test_what_stands_between_said_and_heard_is_counted(world: World) -> None:
    await world.change(FARMS[:3], "millet")
    async with world.speaker.admin() as admin:
        assert await left_overs(admin) == {"outbox": 3, "outbox_dead": 0, "parked_fact": 0}


async def test_who_put_facts_aside_and_why_is_told_those_that_only_wait_last(world: World) -> None:
    park = (
        "insert into parked_fact (consumer, event_id, topic, partition, position, key, type, reason, detail)"
        " select 'farms', gen_random_uuid(), 't', 0, n, 'k', $1, $2, $3 from generate_series(1, $4::int) n"
    )
    async with world.listener.admin() as admin:
        assert await causes(admin) == []
        await admin.execute(park, "Sown", "waits", "", 3)
        await admin.execute(park, "Sown", "unreadable", "no crop", 1)
        await admin.execute(park, "Reaped", "unreadable", "no crop", 2)
        assert await causes(admin) == [
            "farms: 2 Reaped, unreadable (no crop)",
            "farms: 1 Sown, unreadable (no crop)",
            "farms: 3 Sown, waits",
        ]
        assert await causes(admin, keep=1) == ["farms: 2 Reaped, unreadable (no crop)"]
        await admin.execute("delete from parked_fact where consumer = 'farms'")
