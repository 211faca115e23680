"""One worker process: loops are kept, health tells the truth, a stop is bounded and in order, silence ends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.db import transaction
from shared.hearing import FencedOut
from shared.outbox import announce
from shared.values import Scope
from shared.worker import Limits, Watchdog, Worker
from tests.shared.sides import (
    NOON,
    Language,
    Side,
    consumer,
    ears,
    make_language,
    make_side,
    publish,
    record_of,
    spawn,
    until,
)


@pytest.fixture
async def side(make_database: Callable[..., Any]) -> AsyncIterator[Side]:
    made = await make_side(make_database)
    yield made
    await made.close()


@pytest.fixture
async def language(kafka_bootstrap: str) -> Language:
    return await make_language(kafka_bootstrap)


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[str]:
    """The worker runs; answers the address of its health."""
    task = asyncio.create_task(worker.run())

    async def listens() -> bool:
        return worker.health_address is not None

    await until(listens, "the health port")
    host, port = worker.health_address or ("", 0)
    try:
        yield f"http://{host}:{port}"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 60)


async def ask(address: str, path: str) -> tuple[int, Any]:
    async with httpx.AsyncClient() as client:
        answer = await client.get(address + path)
        return answer.status_code, answer.json()


async def test_a_worker_says_hears_and_tells_its_health(side: Side, language: Language, kafka_bootstrap: str) -> None:
    hearing = consumer(side.engine(), kafka_bootstrap, ears(language), "worker-0")
    async with working(Worker(side.engine(), side.relay(kafka_bootstrap), [hearing])) as address:
        async with transaction(side.engine("api"), Scope.everything()) as tx:
            await announce(tx, UUID(int=1), language.stepped(farm=UUID(int=1), step=7), at=NOON)

        async def heard() -> bool:
            return await side.rows("select step from effect") == [(7,)]

        await until(heard, "said, sent, heard")
        assert await ask(address, "/livez") == (200, {"live": True, "stuck": None})
        assert await ask(address, "/readyz") == (200, {"ready": True, "reasons": []})
        assert (await ask(address, "/nothing"))[0] == 404
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(address + "/metrics")).text
    assert f'tuopin_hearing_applied_total{{consumer="{hearing.name}"}} 1.0' in metrics
    assert "tuopin_outbox_rows" in metrics


async def test_a_worker_without_partitions_is_not_ready(side: Side, language: Language) -> None:
    hearing = consumer(side.engine(), "127.0.0.1:1", ears(language))
    limits = Limits(blocked=0.05)
    async with working(Worker(side.engine(), side.relay("127.0.0.1:1"), [hearing], limits=limits)) as address:

        async def blocked() -> bool:
            _, answer = await ask(address, "/readyz")
            return "relay: blocked" in answer["reasons"]

        await until(blocked, "it says that it is blocked")
        status, answer = await ask(address, "/readyz")
        assert (status, answer["ready"]) == (503, False)
        assert f"{hearing.name}: has no partitions yet" in answer["reasons"]
        assert (await ask(address, "/livez"))[0] == 200  # blocked is not stuck: a restart would mend nothing


class Last:
    """A loop that says one more fact while it stops."""

    name = "last"

    def __init__(self, side: Side, language: Language) -> None:
        self.side, self.language = side, language

    async def run(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        engine = self.side.engine()
        async with transaction(engine, Scope.everything()) as tx:
            await announce(tx, UUID(int=1), self.language.stepped(farm=UUID(int=1), step=1), at=NOON)


async def test_the_relay_stops_last_and_sends_what_the_others_said(
    side: Side, language: Language, kafka_bootstrap: str
) -> None:
    relay = side.relay(kafka_bootstrap)

    async def leads() -> bool:
        return relay.is_leading

    async with working(Worker(side.engine(), relay, [Last(side, language)])):
        await until(leads, "the relay leads")
    assert await side.number("select count(*) from outbox") == 0


class Stubborn:
    """A loop that does not want to stop."""

    name = "stubborn"
    cut_off = False

    async def run(self, stopping: asyncio.Event) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.cut_off = True
            raise


async def test_a_loop_that_does_not_stop_is_cut_off(side: Side, kafka_bootstrap: str) -> None:
    stubborn = Stubborn()
    async with working(Worker(side.engine(), side.relay(kafka_bootstrap), [stubborn], limits=Limits(stop=0.2))):
        await asyncio.sleep(0.1)
    assert stubborn.cut_off


async def test_a_batch_at_hand_is_finished(side: Side, language: Language, kafka_bootstrap: str) -> None:
    begun = asyncio.Event()

    async def slowly(tx: Any, heard: list[Any]) -> None:
        begun.set()
        await asyncio.sleep(0.4)
        await tx.driver.execute("insert into effect (farm, step) values ($1, 1)", heard[0].fact.farm)

    hears = ears(language)
    hears.hears[language.stepped] = slowly  # type: ignore[index]  # only this test changes what is heard
    hearing = consumer(side.engine(), kafka_bootstrap, hears)
    await publish(kafka_bootstrap, [record_of(language.stepped(farm=UUID(int=1), step=1), UUID(int=1))])
    async with working(Worker(side.engine(), side.relay(kafka_bootstrap), [hearing])):
        await asyncio.wait_for(begun.wait(), 60)
    assert await side.number("select count(*) from effect") == 1
    assert await side.number("select sum(next_position) from heard_position") == 1


class Falling:
    """A loop that falls a few times."""

    name = "falling"
    falls = 0

    async def run(self, stopping: asyncio.Event) -> None:
        self.falls += 1
        if self.falls < 2:
            raise KeyError("bug")
        await stopping.wait()


async def test_a_fallen_loop_is_started_again(side: Side, kafka_bootstrap: str) -> None:
    falling = Falling()

    async def again() -> bool:
        return falling.falls == 2

    async with working(Worker(side.engine(), side.relay(kafka_bootstrap), [falling])) as address:
        await until(again, "started again")
        assert (await ask(address, "/livez"))[0] == 200


class Fenced:
    """A consumer whose member id somebody else uses."""

    name = "fenced"

    async def run(self, stopping: asyncio.Event) -> None:
        raise FencedOut("worker-0")


async def test_a_fenced_member_ends_the_process(side: Side, kafka_bootstrap: str) -> None:
    with pytest.raises(FencedOut):
        await asyncio.wait_for(Worker(side.engine(), side.relay(kafka_bootstrap), [Fenced()]).run(), 60)


async def test_what_no_longer_moves_is_named(side: Side, language: Language, kafka_bootstrap: str) -> None:
    hearing = consumer(side.engine(), kafka_bootstrap, ears(language))
    relay = side.relay(kafka_bootstrap)
    worker = Worker(side.engine(), relay, [hearing])
    assert worker.stuck() is None
    hearing.lag, hearing.moved = 5, time.monotonic() - 500
    assert worker.stuck() == hearing.name
    hearing.backoff.failed()
    assert worker.stuck() is None, "it is blocked, and says so"
    hearing.backoff.succeeded()
    hearing.lag = 0
    assert worker.stuck() is None, "silence without lag is rest"
    hearing.beat = time.monotonic() - 500
    assert worker.stuck() == hearing.name
    hearing.beat = time.monotonic()
    relay.beat -= 500
    assert worker.stuck() == "relay"


async def test_a_process_whose_event_loop_is_stuck_ends_with_code_one(side: Side, kafka_bootstrap: str) -> None:
    process = await spawn("stuck_process", side.database.worker, kafka_bootstrap)
    try:
        assert await asyncio.wait_for(process.wait(), 60) == 1
    finally:
        with suppress(ProcessLookupError):
            process.kill()


def test_the_watchdog_ends_a_process_whose_event_loop_is_stuck() -> None:
    ended: list[int] = []
    watch = Watchdog(lambda: "event loop", ended.append, every=0.01)
    deadline = time.monotonic() + 30
    while not ended and time.monotonic() < deadline:
        time.sleep(0.01)
    watch.end()
    assert ended[:1] == [1]
