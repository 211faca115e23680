"""Backup and restore of the databases, as the superuser: an owner's dump is refused under forced policies.

A backup is a folder: one dump a database, the keys without which sealed fields cannot be read, and a note about it.
After a restore the way back is `tuopin up`, then `republish` and `verify`.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from stack.home import Home, write_whole
from stack.jars import Progress
from stack.postgres import SUPERUSER, Postgres, binaries
from stack.problems import StackProblem
from stack.processes import LOOPBACK, Child
from stack.programs import postgres_of
from stack.provision import SERVICES, make_database, mark_kind, provision
from stack.supervisor import holder

NOTE = "backup.json"
KEYS = "key_ring.json"


def back_up(home: Home, folder: Path, progress: Progress) -> None:
    """Dump every database. The folder appears under its name only when all of it is there; a failure leaves nothing.

    What a killed backup left is removed by the next one of that name.
    """
    if folder.exists():
        raise StackProblem(f"{folder} exists already", "name a new folder for each backup")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    try:
        _fill(unfinished, home, progress)
        unfinished.rename(folder)
    except BaseException:  # an interruption too: half a backup must not be taken for one, nor fill the disk
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    progress(f"written to {folder}; it holds the keys of sealed fields: keep it as safe as the data")


def _fill(unfinished: Path, home: Home, progress: Progress) -> None:
    with running_server(home) as server:
        for service in SERVICES:
            dump = unfinished / f"{service}.dump"
            dump.touch(mode=0o600)  # names stand in it; it may be moved out of its closed folder
            _run(server, "pg_dump", "-Fc", "-f", str(dump), service)
            progress(f"{service}: {dump.stat().st_size / 1e6:.1f} MB")
    shutil.copy2(home.key_ring(), unfinished / KEYS)
    note = {"made_by": "tuopin", "at": datetime.now(UTC).isoformat(), "practice": home.practice, "services": SERVICES}
    write_whole(unfinished / NOTE, note)


def restore_from(home: Home, folder: Path, progress: Progress, only: str | None = None) -> None:
    """Replace every database by the backup's, or one service's alone. Only while the stack is stopped.

    Keys are only ever added to a ring, so one service's restore keeps the present ring: it opens the older rows too.
    """
    note = note_of(folder, home)
    if holder(home.run) is not None:
        raise StackProblem("this stack is running", "`tuopin down` first")
    progress(f"restoring what was saved at {note['at']}")
    with running_server(home) as server:
        asyncio.run(provision(server, home.passwords(), practice=home.practice))
        for service in SERVICES if only is None else (only,):
            asyncio.run(_replace(server, service, folder, practice=home.practice))
            progress(f"{service}: restored")
    if only is None:
        shutil.copy2(home.key_ring(), home.secrets / f"{KEYS}.before-restore")
        write_whole(home.secrets / KEYS, json.loads((folder / KEYS).read_text()), mode=0o600)
    progress("all restored" if only is None else f"only {only} is restored")


def note_of(folder: Path, home: Home) -> dict[str, Any]:
    try:
        note = json.loads((folder / NOTE).read_text())
    except (OSError, ValueError):
        raise StackProblem(f"{folder} is no backup", "name a folder that `tuopin backup` has written") from None
    assert isinstance(note, dict)
    if note["practice"] != home.practice:
        kind = "a practice" if note["practice"] else "an ordinary"
        raise StackProblem(f"this backup is of {kind} stack and this home is not one", "choose another TUOPIN_HOME")
    return note


async def _replace(server: Postgres, service: str, folder: Path, *, practice: bool) -> None:
    """Restored under another name and swapped in at the end, so that a failure leaves the old database untouched."""
    arriving, leaving = f"{service}_arriving", f"{service}_leaving"
    connection = await asyncpg.connect(server.dsn(), ssl=False)
    try:
        for leftover in (arriving, leaving):
            await connection.execute(f"drop database if exists {leftover} with (force)")
        await make_database(connection, arriving, service, template="template0")
        dump = str(folder / f"{service}.dump")
        await asyncio.to_thread(
            _run, server, "pg_restore", "--exit-on-error", "--single-transaction", "-d", arriving, dump
        )
        await connection.execute(f"alter database {service} rename to {leaving}")
        await connection.execute(f"alter database {arriving} rename to {service}")
        await mark_kind(connection, service, practice=practice)
        await connection.execute(f"drop database {leaving} with (force)")
    finally:
        await connection.close()


@contextlib.contextmanager
def running_server(home: Home) -> Iterator[Postgres]:
    """The running stack's server, or one started for as long as it is needed."""
    server = postgres_of(home)
    if holder(home.run) is not None:
        yield server
        return
    server.prepare()
    child = Child(server.program(), home.log_of("postgres"))
    try:
        asyncio.run(child.until_up())
        yield server
    finally:
        child.stop(signal.SIGINT)


def _run(server: Postgres, program: str, *arguments: str) -> None:
    command = [str(binaries() / program), "-h", LOOPBACK, "-p", str(server.port), "-U", SUPERUSER, "-w", *arguments]
    environment = {**os.environ, "PGPASSWORD": server.password, "PGSSLMODE": "disable"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackProblem(
            f"{program} failed: {done.stderr.strip()[-800:]}", "mend that, then run the same command again"
        )
