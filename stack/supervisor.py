"""The watcher: starts programs in order, restarts what ends, stops all in reverse.

Every child asks the kernel for a signal at our death (processes.py), so even kill -9 leaves no orphan. Output goes
straight to files: a pipe would block or break a child when we die.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from stack.problems import StackProblem
from stack.processes import Program, popen_arguments, wait_until_up

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
GOOD_RUN_SECONDS = 30.0  # after such a run the pause starts small again
FAILING_EXITS = 5
FAILING_WINDOW_SECONDS = 60.0
KEPT_LOGS = 5
LARGEST_LOG_BYTES = 50_000_000


@dataclass
class Watched:
    """One program and how it has fared."""

    program: Program
    up: asyncio.Event = field(default_factory=asyncio.Event)
    state: str = "waiting"
    child: asyncio.subprocess.Process | None = None
    exits: deque[float] = field(default_factory=lambda: deque(maxlen=FAILING_EXITS))
    restarts: int = 0
    last_exit: str = ""
    changed: str = ""

    def is_failing(self) -> bool:
        """Five exits within a minute; it is tried again all the same."""
        return len(self.exits) == FAILING_EXITS and time.monotonic() - self.exits[0] < FAILING_WINDOW_SECONDS

    def as_row(self) -> dict[str, Any]:
        alive = self.child is not None and self.child.returncode is None
        state = "failing" if self.state != "up" and self.is_failing() else self.state
        return {
            "state": state,
            "pid": self.child.pid if alive and self.child else None,
            "restarts": self.restarts,
            "last_exit": self.last_exit,
            "since": self.changed,
            "ports": list(self.program.ports),
        }


class AlreadyRunning(StackProblem):
    """Another watcher holds this home."""


class Supervisor:
    """Keeps the given programs running until it is told to stop."""

    def __init__(self, run: Path, log_of: Callable[[str], Path], programs: Sequence[Program]) -> None:
        self._run = run
        self._log_of = log_of
        self._watched = {program.name: Watched(program) for program in programs}
        self._stopping = asyncio.Event()

    async def main(self) -> None:
        """Until told to stop. The caller holds the home."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        for program in self._watched:
            rotate(self._log_of(program))
        keepers = {name: asyncio.create_task(self._keep(one)) for name, one in self._watched.items()}
        trimming = asyncio.create_task(self._trim_logs())
        await self._stopping.wait()
        trimming.cancel()
        await self._stop_in_order(keepers)
        self._note_state()

    async def _keep(self, one: Watched) -> None:
        """Start it when its needs are up, and again, after a pause, whenever it has ended."""
        for need in one.program.needs:
            await self._watched[need].up.wait()
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._run_safely(one)
            if self._stopping.is_set():
                return
            if one.program.once and code == 0:
                one.up.set()
                self._change(one, "done")
                return
            one.exits.append(time.monotonic())
            one.restarts += 1
            failures = 1 if time.monotonic() - began > GOOD_RUN_SECONDS else failures + 1
            self._change(one, "restarting")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_after(failures))

    async def _run_safely(self, one: Watched) -> int | None:
        """Whatever goes wrong with one run, the watching goes on."""
        try:
            return await self._run_once(one)
        except Exception as error:  # noqa: BLE001 - a keeper that ended would leave its program unwatched
            self._say(one, f"the watching met {error!r}")
            return None

    async def _run_once(self, one: Watched) -> int | None:
        """Start it and wait for its end; answers its exit code, or nothing when it could not be started."""
        self._change(one, "starting")
        try:
            await asyncio.to_thread(one.program.before)
            if self._stopping.is_set():
                return None
            one.child = await self._spawn(one.program)
        except (StackProblem, OSError) as problem:
            one.last_exit = str(problem).splitlines()[0]
            self._say(one, f"could not start: {problem}")
            return None
        self._note_pid(one.program, one.child.pid)
        watch = None if one.program.once else asyncio.create_task(self._watch(one, one.child))
        code = await one.child.wait()
        if watch is not None:
            watch.cancel()
        one.up.clear()
        self._note_pid(one.program, None)
        one.last_exit = ending(code)
        if not self._stopping.is_set():
            self._say(one, f"ended ({one.last_exit})")
        return code

    async def _spawn(self, program: Program) -> asyncio.subprocess.Process:
        with self._log_of(program.name).open("ab") as out:
            return await asyncio.create_subprocess_exec(
                *program.argv, stdout=out, stderr=out, **popen_arguments(program)
            )

    async def _watch(self, one: Watched, child: asyncio.subprocess.Process) -> None:
        """Wait for its first answer; one that never answers is killed, and so restarted."""
        try:
            await wait_until_up(one.program, lambda: child.returncode is None)
        except StackProblem as problem:
            self._say(one, problem.what)
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            return
        one.up.set()
        self._change(one, "up")

    async def _stop_in_order(self, keepers: dict[str, asyncio.Task[None]]) -> None:
        """Leaves first, each level at once."""
        for level in stop_levels([one.program for one in self._watched.values()]):
            await asyncio.gather(*(self._stop_one(self._watched[name], keepers[name]) for name in level))

    async def _stop_one(self, one: Watched, keeper: asyncio.Task[None]) -> None:
        child = one.child
        if child is not None and child.returncode is None:
            self._change(one, "stopping")
            if one.program.drain is not None:
                with contextlib.suppress(OSError, TimeoutError):
                    await asyncio.wait_for(one.program.drain(), one.program.grace_seconds)
            await end(child, one.program.stop, one.program.grace_seconds)
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        self._note_pid(one.program, None)
        self._change(one, "stopped")

    async def _trim_logs(self) -> None:
        while True:
            await asyncio.sleep(60)
            for name in self._watched:
                trim(self._log_of(name))

    def _change(self, one: Watched, state: str) -> None:
        one.state = state
        one.changed = datetime.now(UTC).isoformat(timespec="seconds")
        self._note_state()

    def _note_pid(self, program: Program, pid: int | None) -> None:
        path = self._run / f"{program.name}.pid"
        with contextlib.suppress(OSError):  # nor must this
            if pid is None:
                path.unlink(missing_ok=True)
            else:
                path.write_text(f"{pid}\n")

    def _note_state(self) -> None:
        rows = {name: one.as_row() for name, one in self._watched.items()}
        fresh = self._run / "state.new"
        with contextlib.suppress(OSError):  # a full disk must not end the watching
            fresh.write_text(json.dumps(rows, indent=1))
            fresh.replace(self._run / "state.json")

    def _say(self, one: Watched, text: str) -> None:
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        with contextlib.suppress(OSError), self._log_of(one.program.name).open("a") as log:
            log.write(f"{moment} watcher: {one.program.name} {text}\n")


def stop_levels(programs: Sequence[Program]) -> list[list[str]]:
    """Who is stopped together, in order: always those whom nobody left needs or stops before."""
    left = {program.name: program for program in programs}
    levels: list[list[str]] = []
    while left:
        needed = {need for program in left.values() for need in (*program.needs, *program.stops_before)}
        levels.append([name for name in left if name not in needed])
        for name in levels[-1]:
            del left[name]
    return levels


def pause_after(failures: int) -> float:
    """How long to wait after so many runs without a good one: twice as long each time, ten seconds at the most."""
    doubled = FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10)
    return min(doubled * random.uniform(1, 1.3), LONGEST_PAUSE_SECONDS)


async def end(child: asyncio.subprocess.Process, number: signal.Signals, grace_seconds: float) -> None:
    """Ask, wait, and at last kill."""
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)
    try:
        await asyncio.wait_for(child.wait(), grace_seconds)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def ending(code: int) -> str:
    """An exit code in words."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


@contextlib.contextmanager
def hold(run: Path) -> Iterator[None]:
    """Hold the home. The kernel frees the lock even at kill -9, so no stale pid has to be guessed at."""
    with (run / "supervisor.pid").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _already_running(_pid_in(lock)) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def holder(run: Path) -> int | None:
    """The pid of the watcher that holds this home now, if there is one."""
    try:
        with (run / "supervisor.pid").open("r") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return _pid_in(lock)
    except FileNotFoundError:
        pass
    return None


def refuse_running(run: Path) -> None:
    """Before a home is changed or anything is started in it."""
    pid = holder(run)
    if pid is not None:
        raise _already_running(pid)


def _already_running(pid: int) -> AlreadyRunning:
    return AlreadyRunning(
        f"this stack is already running, pid {pid}", "`tuopin status` shows it, `tuopin down` stops it"
    )


def _pid_in(lock: TextIO) -> int:
    lock.seek(0)
    text = lock.read().strip()
    return int(text) if text.isdecimal() else 0


def rotate(log: Path) -> None:
    """Every start writes a log of its own; the last few are kept as .1, .2, …"""
    if not log.exists() or log.stat().st_size == 0:
        return
    for number in range(KEPT_LOGS - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))


def trim(log: Path) -> None:
    """A log grown large is copied aside and emptied in place: its writer appends, so it goes on at the start."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > LARGEST_LOG_BYTES:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)
