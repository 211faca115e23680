"""The whole stack by its command: up, down, kill -9 of each program and of the watcher, two side by side."""

import asyncio
import importlib
import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from stack.processes import LOOPBACK, port_is_free
from stack.programs import built_doors, postgres_of
from stack.provision import SERVICES
from tests.conftest import run
from tests.stack.homes import Stack, a_stack, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with a_stack() as one:
        yield one


def expected_programs() -> set[str]:
    services = {f"{service}-{kind}" for service in SERVICES for kind in built_doors(service)}
    return {"postgres", "kafka", "migrations", "topics", "gateway"} | services


def is_well(stack: Stack) -> bool:
    return all(row["state"] in ("up", "done") for row in stack.states().values())


def test_status_tells_every_program_with_pid_port_and_memory(stack: Stack) -> None:
    told = json.loads(stack.tuopin("status", "--json").stdout)
    assert told["well"]
    assert told["watcher"] == stack.watcher()
    assert set(told["programs"]) == expected_programs()
    assert set(told["not_built"]).isdisjoint(told["programs"])
    for name, row in told["programs"].items():
        if row["state"] == "done":
            continue
        assert psutil.Process(row["pid"]).is_running(), name
        assert row["memory_mb"] > 1, name
        assert (stack.folder / "run" / f"{name}.pid").read_text().strip() == str(row["pid"])
        assert not any(port_is_free(port) for port in row["ports"]), name
    text = stack.tuopin("status").stdout
    assert all(name in text for name in told["programs"])


def test_everything_listens_on_the_loopback_alone(stack: Stack) -> None:
    open_to = {
        connection.laddr.ip
        for process in stack.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert open_to <= {LOOPBACK, "::ffff:127.0.0.1"}


def test_the_database_runs_unprivileged_and_its_folder_is_closed(stack: Stack) -> None:
    data = stack.folder / "postgres"
    server = psutil.Process(int((stack.folder / "run" / "postgres.pid").read_text()))
    assert server.uids().real == data.stat().st_uid
    if os.geteuid() == 0:
        assert server.username() == "nobody"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((stack.folder / "kafka").stat().st_mode) == 0o700


def test_a_second_start_is_refused_and_the_first_runs_on(stack: Stack) -> None:
    watcher = stack.watcher()
    done = stack.tuopin("up", fails=True)
    assert f"already running, pid {watcher}" in done.stderr
    assert stack.watcher() == watcher
    assert is_well(stack)


def test_the_stacks_own_token_opens_the_gateway_and_no_token_does_not(stack: Stack) -> None:
    arguments = ("token", "--sub", "a", "--role", "clerk", "--division", "522630")
    token = stack.tuopin(*arguments).stdout.strip()
    url = f"http://{LOOPBACK}:{stack.base}/registry/v1/nothing-here"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={"authorization": f"Bearer {token}"}).status_code in (404, 503)
    assert httpx.get(f"http://{LOOPBACK}:{stack.base}/healthz").status_code == 200


def test_passwords_and_keys_are_in_no_log_and_no_command_line(stack: Stack) -> None:
    secrets = [*stack.home.passwords().values(), (stack.folder / "secrets" / "signing_key.json").read_text()]
    command_lines = [" ".join(process.cmdline()) for process in stack.processes()]
    logs = [path.read_text(errors="replace") for path in (stack.folder / "logs").iterdir()]
    assert len(logs) >= 5
    for text in (*command_lines, *logs):
        assert not any(secret in text for secret in secrets)


@pytest.mark.parametrize("name", sorted(expected_programs() - {"migrations", "topics"}))
def test_each_program_comes_back_after_kill_9_and_the_others_stay(stack: Stack, name: str) -> None:
    until(lambda: is_well(stack), "well before the kill")
    before = {other: row["pid"] for other, row in stack.states().items()}
    os.kill(before[name], signal.SIGKILL)
    until(lambda: stack.states()[name]["pid"] not in (before[name], None) and is_well(stack), f"{name} back")
    after = {other: row["pid"] for other, row in stack.states().items()}
    assert {other for other in before if before[other] != after[other]} == {name}


def test_a_busy_backend_that_outlives_its_postmaster_does_not_block_the_return(stack: Stack) -> None:
    """It holds the shared memory until its query ends: it is swept before the new start."""
    until(lambda: is_well(stack), "well before the kill")
    backend = psutil.Process(run(_busy_backend(stack)))
    postmaster = stack.states()["postgres"]["pid"]
    os.kill(postmaster, signal.SIGKILL)
    until(lambda: stack.states()["postgres"]["pid"] not in (postmaster, None) and is_well(stack), "postgres back")
    assert not _alive(backend)


async def _busy_backend(stack: Stack) -> int:
    """A backend in the midst of a long computation, whose client has gone."""
    connection = await asyncpg.connect(postgres_of(stack.home).dsn(), ssl=False)
    pid = await connection.fetchval("select pg_backend_pid()")
    query = "select count(*) from generate_series(1, 1000000000) a, generate_series(1, 1000) b"
    work = asyncio.ensure_future(connection.execute(query))
    done, _pending = await asyncio.wait({work}, timeout=1.0)
    assert not done
    connection.terminate()
    await asyncio.gather(work, return_exceptions=True)
    assert psutil.Process(pid).is_running()
    return int(pid)


def test_data_survives_down_and_up(stack: Stack) -> None:
    until(lambda: is_well(stack), "well")
    run(_execute(stack, "create table kept (n int); insert into kept values (7)"))
    watched = stack.processes()
    stack.tuopin("down")
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in watched)
    assert "not running" in stack.tuopin("status", fails=True).stdout
    assert not list((stack.folder / "run").glob("[!s]*.pid"))
    stack.tuopin("up")
    assert run(_value(stack, "select n from kept")) == 7
    text = (stack.folder / "logs" / "postgres.log").read_text()
    assert "automatic recovery in progress" not in text


def test_when_the_watcher_is_killed_nothing_stays_behind_and_it_starts_again(stack: Stack) -> None:
    until(lambda: is_well(stack), "well")
    everything = stack.processes()
    assert len(everything) > len(expected_programs()) - 2
    os.kill(stack.watcher(), signal.SIGKILL)
    until(lambda: not any(_alive(process) for process in everything), "all gone", 30)
    stack.tuopin("up")
    assert is_well(stack)


def test_another_stack_lives_beside_this_one(stack: Stack) -> None:
    until(lambda: is_well(stack), "well")
    before = {name: row["pid"] for name, row in stack.states().items()}
    with a_stack("--practice", "--practice-start", "2019-08-20") as other:
        assert is_well(other)
        assert other.tuopin("clock").stdout.startswith("2019-08-20")
        assert other.tuopin("clock", "--to", "2019-08-27T09:00:00").stdout.startswith("2019-08-27T09:00")
        assert "只能向前" in other.tuopin("clock", "--to", "2019-08-21", fails=True).stderr
        assert "演练" in stack.tuopin("clock", "--to", "2099-01-01", fails=True).stderr
        assert run(_value(other, "show tuopin.practice", "registry")) == "on"
        assert run(_value(stack, "show tuopin.practice", "registry")) == "off"
        foreign = other.home.passwords()["postgres"]
        with pytest.raises(asyncpg.InvalidPasswordError):
            run(_connect_with(stack, foreign))
    assert {name: row["pid"] for name, row in stack.states().items()} == before
    assert is_well(stack)


def test_verify_finds_what_a_listener_lacks_and_republish_brings_it_back(stack: Stack) -> None:
    until(lambda: is_well(stack), "well")
    until(lambda: verified(stack)["equal"], "everything said is heard", 120)
    told = verified(stack)
    assert told["not_compared"] == []
    assert told["compared"]["registry.division in cooperative"]["rows"] > 1000
    code = run(
        _value(
            stack, "delete from division where code = (select max(code) from division) returning code", "cooperative"
        )
    )
    lacking = stack.tuopin("verify", fails=True)
    assert f"{code}: speaker has" in lacking.stdout
    assert "listener lacks it" in lacking.stdout
    assert verified(stack)["compared"]["registry.division in cooperative"]["differences"] == 1
    assert "division said again" in stack.tuopin("republish", "registry").stdout
    until(lambda: verified(stack)["equal"], "equal again", 120)
    status = json.loads(stack.tuopin("status", "--json").stdout)
    assert status["lag"] == {importlib.import_module(f"services.{service}.app").EARS.name: 0 for service in SERVICES}, (
        "every listener has committed, and none is behind"
    )
    assert "consumer group registry.households: 0 behind" in stack.tuopin("status").stdout


def test_facts_that_do_not_leave_are_counted_with_their_age(stack: Stack) -> None:
    """The broker stands still for a moment, so that what an outbox holds is certain to be there."""
    until(lambda: is_well(stack), "well")
    kafka = psutil.Process(stack.states()["kafka"]["pid"])
    said = (
        "insert into outbox (event_id, topic, key, type, payload, said_at, written_at) values (gen_random_uuid(),"
        " 'notify.notice.events.v1', 'k', 'none', '', now(), clock_timestamp() - interval '90 seconds') returning id"
    )
    kafka.suspend()
    try:
        number = run(_value(stack, said, "notify"))
        told = json.loads(stack.tuopin("status", "--json", fails=None).stdout)
        assert told["queues"].keys() == {*SERVICES}
        assert told["queues"]["notify"]["outbox"]["count"] == 1
        assert told["queues"]["notify"]["outbox"]["age"] >= 90
        assert "consumer lag: Kafka does not answer" in told["unknown"]
        assert "notify: outbox 1 (oldest" in stack.tuopin("status", fails=None).stdout
        run(_value(stack, f"delete from outbox where id = {number}", "notify"))
    finally:
        kafka.resume()
    until(lambda: is_well(stack), "well again")


def test_a_parked_fact_is_counted_and_can_be_asked_for_again(stack: Stack) -> None:
    until(lambda: is_well(stack), "well")
    park = (
        "insert into parked_fact (consumer, event_id, topic, partition, position, key, reason)"
        " values ('nobody.listens', gen_random_uuid(), 'registry.division.state.v1', 0, 1, 'k', 'test') returning id"
    )
    number = run(_value(stack, park, "notify"))
    try:
        assert verified(stack)["left_over"]["notify"]["parked_fact"] == 1
        told = stack.tuopin("verify", fails=True).stdout
        assert "notify: 1 rows in parked_fact\n  nobody.listens: 1 no type, test" in told
        assert json.loads(stack.tuopin("status", "--json").stdout)["queues"]["notify"]["parked"]["count"] == 1
        assert "notify: 1 parked facts" in stack.tuopin("replay", "notify", "--key", "k").stdout
        assert "notify: 0 parked facts" in stack.tuopin("replay", "notify", "--key", "other").stdout
    finally:
        run(_value(stack, f"delete from parked_fact where id = {number}", "notify"))


def verified(stack: Stack) -> dict[str, Any]:
    """What `tuopin verify` says, whichever way it ends."""
    told = json.loads(stack.tuopin("verify", "--json", fails=None).stdout)
    assert isinstance(told, dict)
    return told


def test_backup_and_restore_bring_every_row_back(stack: Stack, tmp_path: Path) -> None:
    until(lambda: is_well(stack), "well")
    for service in ("notify", "registry"):
        run(_execute(stack, "create table saved (n int); insert into saved values (1), (2)", service))
    saved = tmp_path / "saved"
    stack.tuopin("backup", str(saved))
    assert {path.name for path in saved.iterdir()} >= {f"{service}.dump" for service in SERVICES}
    assert stat.S_IMODE(saved.stat().st_mode) == 0o700
    dumps = [path for path in saved.iterdir() if path.suffix == ".dump"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (*dumps, saved / "key_ring.json")} == {0o600}
    for service in ("notify", "registry"):
        run(_execute(stack, "delete from saved where n = 1", service))
    assert "exists already" in stack.tuopin("backup", str(saved), fails=True).stderr
    assert "is no backup" in stack.tuopin("restore", str(tmp_path), fails=True).stderr
    assert "there is no service" in stack.tuopin("restore", str(saved), "--only", "nobody", fails=True).stderr
    assert is_well(stack), "nothing was stopped for a name that does not exist"
    assert "only notify is restored" in stack.tuopin("restore", str(saved), "--only", "notify").stdout
    assert is_well(stack)
    assert [run(_value(stack, "select count(*) from saved", one)) for one in ("notify", "registry")] == [2, 1]
    stack.tuopin("restore", str(saved))
    assert is_well(stack)
    assert [run(_value(stack, "select count(*) from saved", one)) for one in ("notify", "registry")] == [2, 2]
    assert run(_value(stack, "show tuopin.practice", "notify")) == "off"
    owner = "select pg_get_userbyid(datdba) from pg_database where datname = 'notify'"
    assert run(_value(stack, owner)) == "notify_owner"


def test_a_backup_that_fails_leaves_nothing_behind(stack: Stack, tmp_path: Path) -> None:
    until(lambda: is_well(stack), "well")
    run(_execute(stack, "alter database cooperative allow_connections false"))
    try:
        said = stack.tuopin("backup", str(tmp_path / "saved"), fails=True)
    finally:
        run(_execute(stack, "alter database cooperative allow_connections true"))
    assert "pg_dump failed" in said.stderr
    assert "registry: " in said.stdout, "it had begun"
    assert list(tmp_path.iterdir()) == []


def test_logs_show_every_program_or_one(stack: Stack) -> None:
    text = stack.tuopin("logs", "-n", "1").stdout
    assert "postgres " in text
    assert "topics " in text
    assert set(stack.tuopin("logs", "postgres", "-n", "1").stdout.split("|")[0].split()) == {"postgres"}
    assert "programs with a log" in stack.tuopin("logs", "nobody", fails=True).stderr


def _alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


async def _execute(stack: Stack, sql: str, database: str = "postgres") -> None:
    connection = await asyncpg.connect(postgres_of(stack.home).dsn(database), ssl=False)
    await connection.execute(sql)
    await connection.close()


async def _value(stack: Stack, sql: str, database: str = "postgres") -> Any:
    connection = await asyncpg.connect(postgres_of(stack.home).dsn(database), ssl=False)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def _connect_with(stack: Stack, password: str) -> None:
    await asyncpg.connect(postgres_of(stack.home).dsn(password=password), ssl=False)
