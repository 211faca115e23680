"""A list goes out, hangs, and comes back: the real workers of both services over the real broker."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.assessment import app as assessment
from services.notify import app as notify
from shared.bus import ensure_topics
from shared.clock import Clock, make_practice
from shared.crypto import new_key_ring
from shared.events import TOPICS
from shared.settings import Settings
from stack.provision import Database
from tests.assessment.town import TownHall, must
from tests.notify.make import PostOffice, divisions

HANGING = datetime(2019, 8, 23, 1, tzinfo=UTC)


@pytest.fixture
async def both(
    make_database: Callable[[str], Database], kafka_bootstrap: str, tmp_path: Path
) -> AsyncIterator[tuple[TownHall, PostOffice]]:
    await ensure_topics(kafka_bootstrap, TOPICS)
    make_practice(tmp_path, HANGING)
    ring = tmp_path / "keys.json"
    ring.touch(mode=0o600)
    ring.write_text(json.dumps(new_key_ring()))
    town, office = TownHall.of(make_database("assessment")), PostOffice.of(make_database("notify"))
    town.now = office.now = HANGING
    workers = []
    for service, run, database in (
        ("assessment", assessment.worker, town.database),
        ("notify", notify.worker, office.database),
    ):
        settings = Settings(
            service=service,
            home=tmp_path,
            practice=True,
            database_url=database.worker,
            kafka_bootstrap=kafka_bootstrap,
            key_ring_file=ring,
            jwks="unused",
        )
        workers.append(asyncio.create_task(run(settings)))
    yield town, office
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    await town.close()
    await office.close()


async def until(question: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not await question():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.1)


async def test_posted_counted_taken_down_and_approvable(both: tuple[TownHall, PostOffice], tmp_path: Path) -> None:
    town, office = both
    await office.hear(*divisions())
    ids = await town.agreed(3)
    opened, _ = await town.publish(*ids)
    assert opened is not None

    async def posted() -> bool:
        return bool(await town.rows("select 1 from publicity where state = 'posted'"))

    await until(posted)
    [row] = await town.rows("select first_day, last_day, content_hash from publicity")
    assert (str(row["first_day"]), str(row["last_day"])) == ("2019-08-24", "2019-08-30")
    [hung] = await office.rows("select content_hash, state from notice")
    assert hung["content_hash"] == row["content_hash"]
    for day in range(24, 31):
        town.now = datetime(2019, 8, day, 1, tzinfo=UTC)
        Clock(tmp_path).move_to(town.now)
        await asyncio.sleep(0.6)
        assert await town.state_of(ids[0]) == "in_publicity", day
    town.now = datetime(2019, 8, 31, 1, tzinfo=UTC)
    Clock(tmp_path).move_to(town.now)

    async def over() -> bool:
        down = await town.rows("select 1 from publicity where state = 'ended' and taken_down_at is not null")
        return bool(down) and await office.state_of(opened.id) == "taken_down"

    await until(over)
    assert [must(one).state for one in await town.approve(*ids)] == ["approved"] * 3
    assert await office.rows("select 1 from public_notice where board is not null") == []
    for database in (town, office):
        assert await database.rows("select 1 from parked_fact") == []
