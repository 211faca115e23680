"""One transaction a door, and the scope inside it, on the real server with the services' own logins."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import (
    LostWork,
    Pruning,
    Transaction,
    create_engine,
    into,
    is_out_of_scope,
    is_passing,
    is_unavailable,
    lock,
    lock_number,
    transaction,
    try_lock,
    turns,
)
from shared.values import DivisionCode, Scope, new_id
from stack.provision import Database
from tests.shared.probe import (
    COUNTY,
    NEXT_VILLAGE,
    OTHER_COUNTY,
    OTHER_VILLAGE,
    TOWNSHIP,
    VILLAGE,
    Probe,
    add_household,
    household,
    make_probe,
    scope_of,
)

HOME = scope_of(COUNTY)


@pytest.fixture(scope="module")
async def probe(make_database: Callable[[str], Database]) -> Probe:
    return await make_probe(make_database)


@pytest.fixture
async def api(probe: Probe) -> AsyncIterator[AsyncEngine]:
    async with probe.engine("api") as engine:
        yield engine


@pytest.fixture
async def worker(probe: Probe) -> AsyncIterator[AsyncEngine]:
    async with probe.engine("worker") as engine:
        yield engine


async def seen(engine: AsyncEngine, scope: Scope, sql: str, *values: Any, caller: str = "") -> int:
    async with transaction(engine, scope, caller=caller) as tx:
        return len(await tx.driver.fetch(sql, *values))


async def stored(probe: Probe, name: str) -> int:
    async with probe.admin() as admin:
        return int(await admin.fetchval("select count(*) from household where name = $1", name))


async def test_core_and_driver_commit_together(probe: Probe, api: AsyncEngine) -> None:
    async with transaction(api, HOME) as tx:
        await tx.core.execute(sa.insert(household).values(id=new_id(), division=VILLAGE.value, name="by core"))
        await add_household(tx.driver, VILLAGE, "by driver")
    assert (await stored(probe, "by core"), await stored(probe, "by driver")) == (1, 1)


async def test_a_driver_only_write_is_rolled_back(probe: Probe, api: AsyncEngine) -> None:
    async def write_and_fail() -> None:
        async with transaction(api, HOME) as tx:
            await add_household(tx.driver, VILLAGE, "rolled back")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    assert await stored(probe, "rolled back") == 0


async def test_a_swallowed_database_error_is_an_error(probe: Probe, api: AsyncEngine) -> None:
    async def write_and_swallow() -> None:
        async with transaction(api, HOME) as tx:
            await add_household(tx.driver, VILLAGE, "swallowed")
            with suppress(asyncpg.DivisionByZeroError):
                await tx.driver.execute("select 1 / 0")

    with pytest.raises(LostWork):
        await write_and_swallow()
    assert await stored(probe, "swallowed") == 0


async def test_an_error_inside_a_savepoint_costs_the_savepoint_alone(probe: Probe, api: AsyncEngine) -> None:
    async with transaction(api, HOME) as tx:
        await add_household(tx.driver, VILLAGE, "before the savepoint")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with tx.driver.transaction():
                await add_household(tx.driver, VILLAGE, "before the savepoint")
        await tx.core.execute(sa.insert(household).values(id=new_id(), division=VILLAGE.value, name="after it"))
    assert (await stored(probe, "before the savepoint"), await stored(probe, "after it")) == (1, 1)


async def test_a_closed_transaction_is_refused(api: AsyncEngine) -> None:
    async with transaction(api, HOME) as tx:
        kept: Transaction = tx
    for use in (lambda: kept.driver, lambda: kept.core):
        with pytest.raises(RuntimeError, match="over"):
            use()


async def test_a_cancelled_door_rolls_back_and_leaves_the_pool_whole(probe: Probe) -> None:
    async def linger(engine: AsyncEngine) -> None:
        async with asyncio.timeout(0.2), transaction(engine, HOME) as tx:
            await add_household(tx.driver, VILLAGE, "cancelled")
            await tx.driver.execute("select pg_sleep(30)")

    async with probe.engine("api", pool_size=1) as engine:
        with pytest.raises(TimeoutError):
            await linger(engine)
        assert await seen(engine, HOME, "select 1") == 1
    assert await stored(probe, "cancelled") == 0


async def test_who_waits_for_a_connection_is_not_overtaken_by_who_asks_again(probe: Probe) -> None:
    """Two connections, twelve callers who ask again at once: nobody is two turns ahead of anybody else. The pool alone
    serves some to the end before it looks at the others.
    """
    served: Counter[int] = Counter(dict.fromkeys(range(12), 0))
    ahead = 0

    async def caller(number: int, engine: AsyncEngine) -> None:
        nonlocal ahead
        for _ in range(20):
            async with transaction(engine, HOME) as tx:
                served[number] += 1
                ahead = max(ahead, max(served.values()) - min(served.values()))
                await tx.driver.fetchval("select 1")

    async with probe.engine("api", pool_size=2) as engine:
        await asyncio.gather(*(caller(number, engine) for number in range(12)))
    assert ahead <= 2, "one may be in its turn while the next begins"
    assert set(served.values()) == {20}


async def test_who_waits_too_long_for_a_connection_is_sent_away_and_takes_no_turn(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", 0.05)
    async with probe.engine("api", pool_size=1) as engine:
        async with transaction(engine, HOME):
            with pytest.raises(sa.exc.TimeoutError) as caught:
                await seen(engine, HOME, "select 1")
            waiting = asyncio.create_task(seen(engine, HOME, "select 1"))
            await asyncio.sleep(0)
            waiting.cancel()
        assert is_unavailable(caught.value)
        monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", 5)
        for _ in range(3):
            assert await seen(engine, HOME, "select 1") == 1


@pytest.mark.parametrize("caller", ["李", "o'neil'); select 1; --", "\\x00", "a\nb", "𠮷" * 66])
async def test_the_callers_name_is_text_whatever_it_holds(api: AsyncEngine, caller: str) -> None:
    async with transaction(api, HOME, caller=caller) as tx:
        assert await tx.driver.fetchval("select current_setting('tuopin.caller')") == caller


async def test_a_restarted_server_costs_nobody_anything(probe: Probe) -> None:
    """All connections of the pool are dead at once: each caller gets a living one."""
    async with probe.engine("api", pool_size=3) as engine:
        together = asyncio.Barrier(3)

        async def hold() -> int:
            async with transaction(engine, HOME) as tx:
                await together.wait()
                return int(await tx.driver.fetchval("select pg_backend_pid()"))

        sessions = await asyncio.gather(*(hold() for _ in range(3)))
        async with probe.admin() as admin:
            for session in sessions:
                await admin.execute("select pg_terminate_backend($1, 5000)", session)
        assert await asyncio.gather(*(seen(engine, HOME, "select 1") for _ in range(6))) == [1] * 6


async def test_a_commit_that_is_refused_leaves_the_connection_fit(
    probe: Probe,
) -> None:
    async with probe.admin() as admin:
        await admin.execute("create table late (a int primary key deferrable initially deferred)")
        await admin.execute("grant insert on late to shared_api")

    async def twice(engine: AsyncEngine) -> int:
        async with transaction(engine, HOME) as tx:
            await tx.driver.execute("insert into late values (1), (1)")
            return int(await tx.driver.fetchval("select pg_backend_pid()"))

    async with probe.engine("api", pool_size=1) as engine:
        with pytest.raises(asyncpg.UniqueViolationError):
            await twice(engine)
        assert await seen(engine, HOME, "select 1") == 1
    async with probe.admin() as admin:
        await admin.execute("drop table late")


async def test_a_session_killed_while_idle_costs_nobody_anything(probe: Probe) -> None:
    async with probe.engine("api", pool_size=1) as engine:
        async with transaction(engine, HOME) as tx:
            session = await tx.driver.fetchval("select pg_backend_pid()")
        async with probe.admin() as admin:
            await admin.execute("select pg_terminate_backend($1, 5000)", session)
        assert await seen(engine, HOME, "select 1") == 1


async def test_a_session_killed_at_work_is_told_apart_and_nothing_is_stored(probe: Probe, api: AsyncEngine) -> None:
    async def lose_the_session() -> None:
        async with transaction(api, HOME) as tx:
            await add_household(tx.driver, VILLAGE, "killed at work")
            session = await tx.driver.fetchval("select pg_backend_pid()")
            async with probe.admin() as admin:
                await admin.execute("select pg_terminate_backend($1, 5000)", session)
            await tx.driver.execute("select 1")

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, sa.exc.DBAPIError)) as caught:
        await lose_the_session()
    assert is_unavailable(caught.value)
    assert await stored(probe, "killed at work") == 0
    assert await seen(api, HOME, "select 1") == 1


async def test_a_server_that_is_not_there_is_told_apart() -> None:
    engine = create_engine("postgresql://nobody:secret@127.0.0.1:1/nothing")
    with pytest.raises(OSError, match=r"refused|failed") as caught:
        await seen(engine, HOME, "select 1")
    assert is_unavailable(caught.value)
    await engine.dispose()


async def test_waiting_for_a_lock_is_bounded_and_passing(probe: Probe) -> None:
    async with probe.engine("api", lock_timeout_ms=100) as engine:
        async with transaction(engine, HOME) as holder:
            await lock(holder, "a noun")
            with pytest.raises(asyncpg.LockNotAvailableError) as caught:
                async with transaction(engine, HOME) as waiter:
                    await lock(waiter, "a noun")
        assert is_passing(caught.value)
        async with transaction(engine, HOME) as later:
            await lock(later, "a noun")


async def test_a_session_lock_has_one_holder(probe: Probe) -> None:
    async with probe.admin() as first, probe.admin() as second:
        assert await try_lock(first, "leader") is True
        assert await try_lock(second, "leader") is False
    assert lock_number("leader") != lock_number("follower")


@dataclass(frozen=True)
class Known:
    id: UUID
    name: str


async def test_rows_become_dataclasses_by_the_names_of_their_columns(api: AsyncEngine) -> None:
    async with transaction(api, HOME) as tx:
        identity = await add_household(tx.driver, VILLAGE, "a dataclass")
        by_driver = await tx.driver.fetchrow("select id, name from household where id = $1", identity)
        by_core = (
            await tx.core.execute(sa.select(household.c.id, household.c.name).where(household.c.id == identity))
        ).one()
        assert into(Known, by_driver) == into(Known, by_core) == Known(identity, "a dataclass")


@pytest.mark.parametrize(
    ("scope", "rows"),
    [
        (scope_of(VILLAGE), 1),
        (scope_of(NEXT_VILLAGE), 1),
        (scope_of(TOWNSHIP), 2),
        (scope_of(COUNTY), 2),
        (scope_of(OTHER_COUNTY), 1),
        (scope_of(VILLAGE, OTHER_VILLAGE), 2),
        (Scope.everything(), 3),
        (Scope.nothing(), 0),
    ],
)
async def test_rows_in_scope_alone_are_seen(api: AsyncEngine, worker: AsyncEngine, scope: Scope, rows: int) -> None:
    place = f"seen {scope.settings()['ranges']}"
    async with transaction(worker, Scope.everything()) as tx:
        for number, division in enumerate((VILLAGE, NEXT_VILLAGE, OTHER_VILLAGE)):
            identity = await add_household(tx.driver, division, f"{place} {number}")
            await tx.driver.execute("insert into person values ($1, $2, $3)", new_id(), identity, place)
    for engine in (api, worker):
        assert await seen(engine, scope, "select from household where starts_with(name, $1)", place) == rows
        assert await seen(engine, scope, "select from person where name = $1", place) == rows


async def test_a_connection_without_scope_sees_nothing_fresh_or_used(probe: Probe) -> None:
    async with probe.engine("worker", pool_size=1) as engine:
        async with engine.connect() as fresh:
            assert (await fresh.execute(sa.text("select count(*) from household"))).scalar_one() == 0
        async with transaction(engine, Scope.everything()) as tx:
            await add_household(tx.driver, VILLAGE, "leak?")
            session = await tx.driver.fetchval("select pg_backend_pid()")
        async with engine.connect() as used:
            assert (await used.execute(sa.text("select pg_backend_pid()"))).scalar_one() == session
            assert (await used.execute(sa.text("select count(*) from household"))).scalar_one() == 0
            assert (await used.execute(sa.text("select current_setting('tuopin.caller', true)"))).scalar_one() == ""
        assert await seen(engine, Scope.nothing(), "select from household") == 0


async def test_two_callers_on_one_pool_never_see_each_other(probe: Probe) -> None:
    async with probe.engine("api", pool_size=2) as engine:
        async with transaction(engine, Scope.everything()) as tx:
            for division in (VILLAGE, OTHER_VILLAGE):
                await add_household(tx.driver, division, f"mix {division}")

        async def look(division: DivisionCode) -> list[str]:
            async with transaction(engine, scope_of(division)) as tx:
                await asyncio.sleep(0)
                rows = await tx.driver.fetch("select name from household where starts_with(name, 'mix ')")
                return [row["name"] for row in rows]

        turns = [VILLAGE, OTHER_VILLAGE] * 40
        answers = await asyncio.gather(*(look(division) for division in turns))
        assert answers == [[f"mix {division}"] for division in turns]


@pytest.mark.parametrize("login", ["api", "worker"])
async def test_writes_outside_the_scope_are_refused(probe: Probe, login: str) -> None:
    async with probe.engine(login) as engine:
        name = f"writes {login}"
        async with transaction(engine, scope_of(OTHER_COUNTY)) as tx:
            foreign = await add_household(tx.driver, OTHER_VILLAGE, name)
        for statement, values in (
            ("insert into household (id, division, name) values ($1, $2, 'x')", (new_id(), OTHER_VILLAGE.value)),
            ("insert into person values ($1, $2, 'x')", (new_id(), foreign)),
            ("insert into parameter (division, name) values ($1, 'x')", (OTHER_COUNTY.value,)),
            ("insert into public_notice values ($1, $2, 'x')", (new_id(), OTHER_VILLAGE.value)),
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError) as caught:
                async with transaction(engine, HOME) as tx:
                    await tx.driver.execute(statement, *values)
            assert is_out_of_scope(caught.value)
        async with transaction(engine, HOME) as tx:
            assert await tx.driver.execute("update household set name = 'x' where id = $1", foreign) == "UPDATE 0"
            assert await tx.driver.execute("delete from household where id = $1", foreign) == "DELETE 0"
            own = await add_household(tx.driver, VILLAGE, f"own {login}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError) as caught:
            async with transaction(engine, HOME) as tx:
                await tx.driver.execute("update household set division = $1 where id = $2", OTHER_VILLAGE.value, own)
        assert is_out_of_scope(caught.value)
    assert await stored(probe, name) == 1


async def test_a_missing_grant_is_not_taken_for_a_scope(api: AsyncEngine) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError) as caught:
        async with transaction(api, HOME) as tx:
            await tx.driver.fetch("select * from staging")
    assert not is_out_of_scope(caught.value)


async def test_the_owner_is_bound_too_and_a_definer_function_answers_only_yes_or_no(
    probe: Probe, worker: AsyncEngine
) -> None:
    async with transaction(worker, scope_of(OTHER_COUNTY)) as tx:
        await add_household(tx.driver, OTHER_VILLAGE, "far away")
    async with probe.engine("owner", pool_size=1) as owner:
        assert await seen(owner, Scope.nothing(), "select from household") == 0
    async with transaction(worker, HOME) as tx:
        assert await tx.driver.fetchval("select household_known('far away')") is True
        assert await tx.driver.fetchval("select household_known('nowhere')") is False
        assert await tx.driver.fetch("select from household where name = 'far away'") == []
    async with probe.engine("api") as api:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await seen(api, HOME, "select household_known('far away')")


@pytest.mark.parametrize(
    ("division", "scope", "readable", "writable"),
    [
        (None, scope_of(VILLAGE), True, False),
        (None, Scope.everything(), True, True),
        (None, Scope.nothing(), False, False),
        (DivisionCode.parse("52"), scope_of(VILLAGE), True, False),
        (COUNTY, scope_of(VILLAGE), True, False),
        (COUNTY, scope_of(COUNTY), True, True),
        (VILLAGE, scope_of(COUNTY), True, True),
        (VILLAGE, scope_of(NEXT_VILLAGE), False, False),
        (OTHER_COUNTY, scope_of(VILLAGE), False, False),
        (OTHER_COUNTY, Scope.nothing(), False, False),
    ],
)
async def test_reference_rows_are_read_where_they_apply_and_written_inside(
    api: AsyncEngine, worker: AsyncEngine, division: DivisionCode | None, scope: Scope, readable: bool, writable: bool
) -> None:
    name = f"{division} for {scope.settings()['ranges']}"
    code = None if division is None else division.value
    async with transaction(worker, Scope.everything()) as tx:
        await tx.driver.execute("insert into parameter (division, name) values ($1, $2)", code, name)
    assert await seen(api, scope, "select from parameter where name = $1", name) == readable
    async with transaction(api, scope) as tx:
        assert (
            await tx.driver.execute("update parameter set name = name where name = $1", name) == f"UPDATE {writable:d}"
        )
        assert await tx.driver.execute("delete from parameter where name = $1", name) == f"DELETE {writable:d}"


async def test_a_masked_notice_is_open_to_all(api: AsyncEngine) -> None:
    async with transaction(api, HOME) as tx:
        await tx.driver.execute("insert into public_notice values ($1, $2, '王*明')", new_id(), VILLAGE.value)
    assert await seen(api, Scope.nothing(), "select from public_notice") == 1
    async with transaction(api, Scope.nothing()) as tx:
        assert await tx.driver.execute("delete from public_notice") == "DELETE 0"


async def test_facts_on_their_way_are_written_by_the_api_and_read_by_the_worker(
    api: AsyncEngine, worker: AsyncEngine
) -> None:
    write = "insert into outbox (event_id, topic, key, type, payload, said_at) values ($1, 't', 'k', 'x', '', now())"
    async with transaction(api, HOME) as tx:
        await tx.driver.execute(write, new_id())
    for table in (
        "outbox",
        "outbox_dead",
        "inbox",
        "parked_fact",
        "heard_position",
        "republished_id",
        "republished_mark",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await seen(api, Scope.everything(), f"select * from {table}")
    assert await seen(worker, Scope.nothing(), "select * from outbox") == 1


async def test_due_work_is_added_and_withdrawn_by_the_api(api: AsyncEngine, worker: AsyncEngine) -> None:
    put = (
        "insert into due (verb, noun, due_at) values ($1, $2, now())"
        " on conflict (verb, noun) do update set due_at = excluded.due_at"
    )
    async with transaction(api, HOME) as tx:
        await tx.driver.execute(put, "end publicity", "1")
        await tx.driver.execute(put, "end publicity", "1")
        await tx.driver.execute(put, "end publicity", "2")
        assert (
            await tx.driver.execute("delete from due where verb = $1 and noun = $2", "end publicity", "2") == "DELETE 1"
        )
    assert await seen(worker, Scope.everything(), "select * from due") == 1


async def test_the_bounds_use_the_index(probe: Probe, api: AsyncEngine) -> None:
    async with probe.admin() as admin:
        await admin.execute(
            "insert into household (id, division, name) select gen_random_uuid(), 100000000000 + n * 7919, 'bulk ' || n"
            " from generate_series(1, 20000) n"
        )
        await admin.execute("analyze household")
    async with transaction(api, scope_of(VILLAGE)) as tx:
        plan = "\n".join(row[0] for row in await tx.driver.fetch("explain select count(*) from household"))
    assert "ix_household_division" in plan, plan
    assert "InitPlan" in plan, plan


async def test_what_has_expired_is_pruned_and_the_loop_ends_when_told(probe: Probe, worker: AsyncEngine) -> None:
    async with probe.admin() as admin:
        await admin.execute(
            "insert into idempotency_request (caller, key, request_hash, expires_at)"
            " values ('li', 'old-key-1', '', now() - interval '1 second'),"
            " ('li', 'new-key-1', '', now() + interval '1 day')"
        )
        stopping = asyncio.Event()
        loop = asyncio.create_task(Pruning(worker, every_seconds=60).run(stopping))
        for _ in range(500):
            if await admin.fetchval("select count(*) from idempotency_request") == 1:
                break
            await asyncio.sleep(0.02)
        stopping.set()
        await asyncio.wait_for(loop, 10)
        assert await admin.fetchval("select key from idempotency_request") == "new-key-1"
