"""A disk that fills while the stack runs: said plainly, survived, nothing acknowledged lost once there is room."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from stack.programs import postgres_of
from tests.stack.homes import Stack, a_stack, until

NOTHING_LEFT = "is full: 0 MB left"
RECOVERY_SECONDS = 180


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """What lies in a folder, on a disk of its own that holds no more than so much."""
    who = folder.stat()
    aside = folder.with_name(f"{folder.name}.aside")
    folder.rename(aside)
    folder.mkdir()
    options = f"size={megabytes}m,uid={who.st_uid},gid={who.st_gid},mode=700"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        folder.rmdir()
        aside.rename(folder)
        pytest.skip(f"no small disk can be mounted here: {made.stderr.decode().strip()}")
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", str(folder)], check=True)
        shutil.rmtree(aside)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that is left."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as stream:
        while stream.write(b"0" * 65_536):
            pass
    return ballast


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack whose two stores lie on small disks."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    with a_stack() as one, contextlib.ExitStack() as disks:
        one.tuopin("down")
        for name in ("postgres", "kafka"):
            folder = one.folder / name
            used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            disks.enter_context(small_disk(folder, used // 1_000_000 + 120))
        one.tuopin("up")
        yield one
        one.tuopin("down")


def is_well(stack: Stack) -> bool:
    return stack.tuopin("status", "--json", fails=None).returncode == 0


def full(stack: Stack) -> list[str]:
    told: list[str] = json.loads(stack.tuopin("status", "--json", fails=None).stdout)["full_disks"]
    return told


def unsent(stack: Stack) -> float:
    queues = json.loads(stack.tuopin("status", "--json", fails=None).stdout)["queues"]
    return float(queues["registry"]["outbox"]["count"]) if "registry" in queues else -1


def test_kafkas_disk_fills_and_facts_wait_in_the_outbox(stack: Stack) -> None:
    ballast = fill(stack.folder / "kafka")
    try:
        stack.tuopin("republish", "registry")
        until(lambda: unsent(stack) > 0, "facts wait in the outbox")
        assert [NOTHING_LEFT in words and "kafka" in words for words in full(stack)] == [True]
        assert stack.tuopin("status", fails=True).stdout.count(NOTHING_LEFT) == 1
        assert NOTHING_LEFT in stack.tuopin("logs", "kafka").stderr
        assert unsent(stack) > 0, "still: nothing can be sent"
    finally:
        ballast.unlink()
    until(lambda: is_well(stack) and unsent(stack) == 0, "all sent", RECOVERY_SECONDS)
    until(lambda: stack.tuopin("verify", fails=None).returncode == 0, "everything equal", RECOVERY_SECONDS)


def test_postgres_disk_fills_and_nothing_acknowledged_is_lost(stack: Stack) -> None:
    ballast = fill(stack.folder / "postgres")
    try:
        kept = asyncio.run(_write_until_refused(stack))
        assert [NOTHING_LEFT in words and "postgres" in words for words in full(stack)] == [True]
    finally:
        ballast.unlink()
    until(lambda: is_well(stack), "well again", RECOVERY_SECONDS)
    assert asyncio.run(_kept(stack)) == kept
    until(lambda: stack.tuopin("verify", fails=None).returncode == 0, "everything equal", RECOVERY_SECONDS)


async def _write_until_refused(stack: Stack) -> list[int]:
    """Rows of 256 kB that do not compress, each its own transaction; answers those that were acknowledged."""
    acknowledged: list[int] = []
    connection = await asyncpg.connect(postgres_of(stack.home).dsn("notify"), ssl=False)
    try:
        await connection.execute("create table kept (n int primary key, rest bytea)")
        for number in range(2_000):
            await connection.execute("insert into kept values ($1, $2)", number, os.urandom(262_144))
            acknowledged.append(number)
        raise AssertionError("the disk did not fill")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return acknowledged
    finally:
        connection.terminate()


async def _kept(stack: Stack) -> list[int]:
    connection = await asyncpg.connect(postgres_of(stack.home).dsn("notify"), ssl=False)
    try:
        if await connection.fetchval("select to_regclass('kept') is null"):
            return []
        return [row["n"] for row in await connection.fetch("select n from kept order by n")]
    finally:
        await connection.close()
