"""Due work is done when its moment of domain time has come, once, by whoever claims it first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from shared import due
from shared.clock import Clock, make_practice
from shared.db import Transaction, transaction
from shared.due import DueLoop, Verb
from shared.errors import Busy
from shared.values import Scope
from tests.shared.sides import NOON, Side, make_side, running, until

DAY = timedelta(days=1)


@pytest.fixture
async def side(make_database: Callable[..., Any]) -> AsyncIterator[Side]:
    made = await make_side(make_database)
    yield made
    await made.close()


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    make_practice(tmp_path, NOON)
    return Clock(tmp_path)


async def wake(tx: Transaction, nouns: list[str], now: datetime) -> None:
    """Leave a row a noun: two rows would show that it was done twice."""
    await tx.driver.execute(
        "insert into effect (farm, step) select noun, 1 from unnest($1::uuid[]) as one(noun)",
        [UUID(noun) for noun in nouns],
    )


async def plan(side: Side, *moments: tuple[int, datetime], verb: str = "end") -> None:
    async with transaction(side.engine("api"), Scope.everything()) as tx:
        await due.schedule_many(tx, verb, [(UUID(int=number), at) for number, at in moments])


async def done(side: Side) -> list[int]:
    return [farm.int for (farm,) in await side.rows("select farm from effect order by number")]


async def test_work_waits_for_its_moment_of_domain_time(side: Side, clock: Clock) -> None:
    loop = DueLoop(side.engine(), clock, [Verb("end", wake)], every=0.02)
    await plan(side, (1, NOON - DAY), (2, NOON + 7 * DAY))

    async def both() -> bool:
        return await done(side) == [1, 2]

    async with running(loop):

        async def first() -> bool:
            return await done(side) == [1]

        await until(first, "the first is done")
        await asyncio.sleep(0.2)
        assert await done(side) == [1]
        clock.move_to(NOON + 8 * DAY)
        await until(both, "the second is done")
    assert await side.number("select count(*) from due") == 0


async def test_scheduling_again_moves_and_calling_off_removes(side: Side, clock: Clock) -> None:
    await plan(side, (1, NOON - DAY), (2, NOON - DAY))
    await plan(side, (1, NOON + DAY))
    async with transaction(side.engine("api"), Scope.everything()) as tx:
        await due.call_off(tx, "end", UUID(int=2))
    loop = DueLoop(side.engine(), clock, [Verb("end", wake)])
    assert await loop.turn(Verb("end", wake)) == 0
    assert await side.rows("select noun, due_at from due") == [(str(UUID(int=1)), NOON + DAY)]


async def test_scheduling_leaves_with_the_transaction(side: Side) -> None:
    with suppress(ZeroDivisionError):
        async with transaction(side.engine("api"), Scope.everything()) as tx:
            await due.schedule(tx, "end", "x", NOON)
            raise ZeroDivisionError
    assert await side.number("select count(*) from due") == 0


async def test_a_moment_without_time_zone_is_refused(side: Side) -> None:
    with pytest.raises(ValueError, match="time zone"):
        await plan(side, (1, datetime(2019, 9, 1)))  # noqa: DTZ001 - the mistake itself


async def test_two_loops_do_each_piece_once(side: Side, clock: Clock) -> None:
    await plan(side, *((number, NOON - DAY) for number in range(1, 301)))
    loops = [DueLoop(side.engine(), clock, [Verb("end", wake, limit=7)], every=0.01) for _ in range(2)]

    async def all_done() -> bool:
        return len(await done(side)) >= 300

    async with running(*loops):
        await until(all_done, "all done")
    assert sorted(await done(side)) == list(range(1, 301))


async def test_another_loops_work_is_skipped_not_waited_for(side: Side, clock: Clock) -> None:
    await plan(side, (1, NOON - 2 * DAY), (2, NOON - DAY))
    held, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(tx: Transaction, nouns: list[str], now: datetime) -> None:
        held.set()
        await go_on.wait()
        await wake(tx, nouns, now)

    slow = asyncio.create_task(DueLoop(side.engine(), clock, []).turn(Verb("end", slowly, limit=1)))
    await held.wait()
    assert await asyncio.wait_for(DueLoop(side.engine(), clock, []).turn(Verb("end", wake)), 30) == 1
    assert await done(side) == [2]
    go_on.set()
    assert await slow == 1


async def test_one_that_fails_is_put_off_and_the_others_are_done(side: Side, clock: Clock) -> None:
    async def refuse_three(tx: Transaction, nouns: list[str], now: datetime) -> None:
        await wake(tx, nouns, now)
        if str(UUID(int=3)) in nouns:
            raise asyncpg.CheckViolationError("no")

    await plan(side, *((number, NOON - DAY) for number in range(1, 6)))
    verb = Verb("end", refuse_three)
    loop = DueLoop(side.engine(), clock, [verb])
    assert await loop.turn(verb) == 4
    assert await done(side) == [1, 2, 4, 5]
    assert await side.rows(
        "select noun, due_at, attempts, split_part(error, ' ', 1), retry_at > clock_timestamp() - interval '1 second'"
        " from due"
    ) == [(str(UUID(int=3)), NOON - DAY, 1, "database.23514", True)]
    await side.run("update due set retry_at = clock_timestamp()")
    assert await loop.turn(verb) == 0
    assert await side.rows("select attempts, retry_at > clock_timestamp() + interval '1 second' from due") == [
        (2, True)
    ]
    assert await loop.turn(verb) == 0, "it rests before the next attempt"


async def test_a_passing_failure_leaves_everything_as_it_was(side: Side, clock: Clock) -> None:
    attempts = 0

    async def busy_at_first(tx: Transaction, nouns: list[str], now: datetime) -> None:
        nonlocal attempts
        attempts += 1
        await wake(tx, nouns, now)
        if attempts == 1:
            raise Busy

    await plan(side, (1, NOON - DAY))
    loop = DueLoop(side.engine(), clock, [Verb("end", busy_at_first)], every=0.01)

    async def one() -> bool:
        return await done(side) == [1]

    async with running(loop):
        await until(one, "done at the second attempt")
    assert attempts == 2
    assert await done(side) == [1]


async def test_a_verb_may_schedule_itself_anew(side: Side, clock: Clock) -> None:
    async def daily(tx: Transaction, nouns: list[str], now: datetime) -> None:
        await wake(tx, nouns, now)
        await due.schedule_many(tx, "daily", [(noun, now + DAY) for noun in nouns])

    await plan(side, (1, NOON), verb="daily")
    loop = DueLoop(side.engine(), clock, [])
    assert await loop.turn(Verb("daily", daily)) == 1
    assert await loop.turn(Verb("daily", daily)) == 0
    clock.move_to(clock.now() + DAY + timedelta(minutes=1))
    assert await loop.turn(Verb("daily", daily)) == 1
    assert await done(side) == [1, 1]


async def test_work_that_waits_although_its_moment_has_come_is_counted(side: Side) -> None:
    await plan(side, (1, NOON - DAY), (2, NOON), (3, NOON + DAY))
    await plan(side, (1, NOON), verb="other")
    async with side.admin() as admin:
        assert await due.overdue(admin, NOON) == 3
