"""kill -9 at every stage of a file's road, and what comes of it: exactly what an undisturbed run leaves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import psutil
import pytest

from services.registry.actions.child import sweep
from services.registry.forms.answer import ANSWER_FOLDER
from stack.migrate import migrate
from stack.postgres import Postgres
from stack.processes import Child, free_ports, port_answers
from stack.provision import Database, make_database, make_passwords, make_roles
from tests.registry.ground import NEXT_VILLAGE, VILLAGE, Ground, file_of
from tests.registry.sheets import Row, household

POINTS = ("parse", "encode", "stage", "check", "upsert", "answer book")


def county_file() -> bytes:
    """Five households in three chunks: one is refused when it is read, one lies in the next village."""
    rows: list[list[Row]] = [household(f"{VILLAGE.text}{serial:04d}", serial * 2 - 1) for serial in range(1, 6)]
    rows[1][2]["与户主关系"] = "户主"
    rows[3][1]["证件号码"] = rows[3][1]["证件号码"][:-1]
    return file_of(*rows, household(f"{NEXT_VILLAGE.text}0001", 21))


@asynccontextmanager
async def working(ground: Ground, point: str) -> AsyncIterator[tuple[subprocess.Popen[bytes], Path]]:
    """A real process that works on the jobs and stands still at the point."""
    mark, file = ground.folder / "mark", ground.folder / "settings.json"
    settings = ground.settings.model_copy(update={"database_url": ground.database.worker})
    file.write_text(settings.model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-m", "tests.registry.job_process", str(file), point, str(mark)]
    process = started(command, ground.folder / "job.log", temporary(ground))
    try:
        await until(mark.exists, 60, lambda: (ground.folder / "job.log").read_text()[-2000:])
        yield process, mark
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


def temporary(ground: Ground) -> Path:
    """The temporary folder of the processes that are killed: people in clear must not be left there."""
    folder = ground.folder / "temporary"
    folder.mkdir(exist_ok=True)
    return folder


def started(command: list[str], log: Path, temporary: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(
            command, stdout=out, stderr=out, cwd=Path(__file__).parents[2], env={**os.environ, "TMPDIR": str(temporary)}
        )


async def until(holds: Callable[[], bool], seconds: float, why: Callable[[], str] = str) -> None:
    for _ in range(int(seconds / 0.05)):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not in {seconds} s: {why()}")


async def undisturbed(ground: Ground) -> dict[str, Any]:
    """What the same file leaves when nobody is killed."""
    await ground.upload(county_file(), divisions=[VILLAGE.text])
    await ground.run_jobs()
    return await ground.natural()


async def resumed(ground: Ground, job: UUID) -> dict[str, Any]:
    """The lease of the dead runs out, another worker takes the job up, and ends it."""
    for _ in range(200):
        await ground.run_jobs()
        if (await ground.look(job))["job"]["state"] == "done":
            return await ground.natural()
        await asyncio.sleep(0.1)
    raise AssertionError(await ground.look(job))


@pytest.mark.parametrize("point", POINTS)
async def test_killed_anywhere_it_ends_as_if_nothing_had_happened(
    ground: Ground, make_database: Callable[..., Database], tmp_path: Path, point: str
) -> None:
    folder = tmp_path / "quiet"
    await asyncio.to_thread(folder.mkdir)
    quiet = Ground.of(make_database("registry"), folder, beside=ground)
    await quiet.rows("delete from outbox returning 1")
    async with quiet.running():
        expected = await undisturbed(quiet)
    await quiet.close()

    job = await ground.upload(county_file(), divisions=[VILLAGE.text])
    async with working(ground, point) as (process, _):
        children = psutil.Process(process.pid).children(recursive=True)
        assert (await ground.look(job))["job"]["state"] == "running", "work was under way"
        assert any(child.is_running() for child in children), "the parsing child was there"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        await until(lambda: not any(alive(child) for child in children), 5)
    assert list(temporary(ground).rglob("*")) == [], "nothing of the file is left in clear"
    done_before = (await ground.look(job))["job"]["done"]
    assert (done_before > 0) is (point != "parse"), done_before
    assert await resumed(ground, job) == expected
    assert await ground.value("select count(*) from household where division = $1", NEXT_VILLAGE.value) == 0, (
        "the next village is refused after a resume too"
    )


def alive(child: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(child.is_running() and child.status() != psutil.STATUS_ZOMBIE)
    return False


def open_files(pid: int) -> list[str]:
    return [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()]


async def test_what_a_killed_child_left_of_an_answer_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = started(["true"], tmp_path / "log", tmp_path)
    dead.wait()
    left, held = (tmp_path / f"{ANSWER_FOLDER}{pid}-x" for pid in (dead.pid, os.getpid()))
    for folder in (left, held):
        folder.mkdir()
        (folder / "row").write_text("王小明", encoding="utf-8")
    sweep()
    assert not left.exists()
    assert held.exists(), "its writer lives"


async def test_killed_in_the_middle_of_an_upload_nothing_is_half_there(ground: Ground) -> None:
    """The api dies with half a file received; the same request again, under the same key, is one intake."""
    body, key = county_file(), "the-upload-that-was-torn"
    file, (port,) = ground.folder / "settings.json", free_ports(1)
    await asyncio.to_thread(file.write_text, ground.settings.model_dump_json(), "utf-8")
    command = [sys.executable, "-m", "tests.registry.api_process", str(file), str(port)]
    process = started(command, ground.folder / "api.log", temporary(ground))
    try:
        await until(lambda: port_answers(port), 60, lambda: (ground.folder / "api.log").read_text()[-2000:])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        query = "filename=a.csv&dry_run=false&observed_on=2019-08-20&year_from=2018-10-01&year_to=2019-09-30"
        head = [
            f"POST /registry/v1/intakes?{query} HTTP/1.1",
            "host: registry",
            f"authorization: Bearer {ground.issuer.token()}",
            f"idempotency-key: {key}",
            "content-type: text/csv",
            f"content-length: {len(body)}",
        ]
        writer.write("\r\n".join([*head, "", ""]).encode() + body[: len(body) // 2])
        await writer.drain()
        await until(lambda: any("(deleted)" in one for one in open_files(process.pid)), 30)
        assert process.poll() is None, "it was receiving"
        process.kill()
        assert await reader.read() == b"", "it was never answered"
        writer.close()
    finally:
        process.kill()
        process.wait()
    assert list(temporary(ground).rglob("*")) == [], "nothing of the file is left in clear"
    for table in ("job", "intake", "intake_file", "idempotency_request"):
        assert await ground.value(f"select count(*) from {table}") == 0
    jobs = {await ground.upload(body, key=key) for _ in range(2)}
    await ground.run_jobs()
    assert len(jobs) == 1
    assert (await ground.look(jobs.pop()))["job"]["state"] == "done"


async def test_the_child_killed_alone_is_started_again(ground: Ground) -> None:
    job = await ground.upload(county_file(), divisions=[VILLAGE.text])
    runner, files = ground.runner(lease_seconds=1.0)
    held = await runner._take()
    assert held is not None
    await runner._chunk(held)
    child = files._open[job].child
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    await runner._work(held)
    files.close()
    assert (await ground.look(job))["job"]["state"] == "running"
    await asyncio.sleep(2.2)
    await resumed(ground, job)
    assert await ground.value("select count(*) from household") == 4


async def test_postgres_killed_in_the_middle_of_a_chunk(tmp_path: Path) -> None:
    """Unlogged staging is empty after a crash: the chunk is staged again, and nothing is lost or doubled."""
    with tempfile.TemporaryDirectory(prefix="tuopin-killed-") as home:
        await asyncio.to_thread(Path(home).chmod, 0o755)
        (port,) = free_ports(1)
        passwords = make_passwords(("registry",))
        server = Postgres(Path(home) / "postgres", port, passwords["postgres"])
        server.prepare()
        running = Child(server.program(), Path(home) / "postgres.log")
        try:
            await running.until_up()
            database = Database.on(server, "registry", "registry", passwords)
            await _provision(server, database, passwords)
            ground = Ground.of(database, tmp_path)
            async with ground.running():
                job = await ground.upload(county_file(), divisions=[VILLAGE.text])
                async with working(ground, "stage"):
                    assert await ground.value("select count(*) from household") > 0, "the first chunk is on record"
                    running.stop(signal.SIGKILL)
                running = Child(server.program(), Path(home) / "postgres.log")
                await running.until_up()
                assert await ground.value("select count(*) from staging_person") == 0
                found = await resumed(ground, job)
                assert len(found["household"]) == 4
                assert found["staging"] == [(0, 0)]
            await ground.close()
        finally:
            running.stop(signal.SIGQUIT)


async def _provision(server: Postgres, database: Database, passwords: dict[str, str]) -> None:
    admin = await asyncpg.connect(server.dsn(), ssl=False)
    try:
        await make_roles(admin, "registry", passwords)
        await make_database(admin, "registry", "registry")
        await admin.execute("alter database registry set tuopin.practice = 'on'")
    finally:
        await admin.close()
    await migrate("registry", database.owner)
