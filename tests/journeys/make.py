"""A rehearsal: a county of its own on a whole practice stack of its own, and the demonstration's story told on it."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from stack.backups import restore_from
from stack.demo.comparison import Comparison
from stack.demo.quiet import Watch
from stack.demo.report import Report
from stack.demo.scenes import SCENES
from stack.demo.stage import morning
from stack.demo.story import FIRST_DAY, Cast, Story, scene
from stack.home import PROJECT, Home
from stack.lifecycle import read_states, start, stop
from stack.practice import practice_stack
from stack.programs import postgres_of
from stack.provision import SERVICES
from stack.recovering import verify
from stack.sample import write_sample
from tests.stack.homes import reachable_folder

COUNTY = "623023"
HOUSEHOLDS = 500
T = TypeVar("T")
log = logging.getLogger(__name__)


class Thread:
    """An event loop of its own: connections stay open between tests, whichever loop a test runs on."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rehearsal", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 600) -> T:
        """Its answer, or its error."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class Rehearsal:
    """A running practice stack and the story on it."""

    home: Home
    folder: Path  # the sample's files, the papers of the story, backups
    story: Story
    thread: Thread
    backups: dict[str, Path] = field(default_factory=dict)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it on the rehearsal's own loop and wait for it."""
        return self.thread.run(work)

    def play(self, *titles: str) -> None:
        """Tell these scenes (named by a part of their title), or all of them."""
        for title, action in SCENES:
            if not titles or any(part in title for part in titles):
                self.run(scene(self.story, title, action))

    def quiet(self) -> None:
        """Wait until nothing is under way."""
        self.run(self.story.quiet())

    def tuopin(self, *arguments: str, fails: bool | None = False) -> subprocess.CompletedProcess[str]:
        """The command, as an operator types it."""
        done = subprocess.run(
            [sys.executable, "-m", "stack", *arguments],
            cwd=PROJECT, env={**os.environ, "TUOPIN_HOME": str(self.home.folder)},
            capture_output=True, text=True, check=False, timeout=420,
        )  # fmt: skip
        assert fails is None or (done.returncode != 0) == fails, done.stdout + done.stderr
        return done

    def verified(self) -> dict[str, Any]:
        """What `tuopin verify --json` would print, whichever way it ends."""
        return self.run(verify(self.home)).as_json()

    def rows(self, service: str, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """As the superuser, who sees every row."""
        return self.run(self._rows(service, sql, arguments))

    async def _rows(self, service: str, sql: str, arguments: tuple[object, ...]) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(postgres_of(self.home).dsn(service), ssl=False)
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    def execute(self, service: str, sql: str) -> None:
        """Change rows behind the services' backs: no trigger and no policy stands in the way."""
        self.run(self._execute(service, sql))

    async def _execute(self, service: str, sql: str) -> None:
        connection = await asyncpg.connect(postgres_of(self.home).dsn(service), ssl=False)
        try:
            await connection.execute(f"set session_replication_role = replica; {sql}")
        finally:
            await connection.close()

    def states(self) -> dict[str, Any]:
        """What the watcher says of each program."""
        return read_states(self.home)

    def stop(self) -> None:
        """The whole stack, in order."""
        self.run(self.story.watch.__aexit__())
        stop(self.home)

    def start(self) -> None:
        """Again, until all is up; it still ends with the tests."""
        start(self.home, log.info, dies_with_us=True)
        self.story.watch = self.run(Watch(self.home).__aenter__())

    def restore(self, moment: str, only: str | None = None) -> None:
        """As `tuopin restore` does, but the stack started again still ends with the tests."""
        self.stop()
        restore_from(self.home, self.backups[moment], log.info, only)
        self.start()

    def way_back(self) -> None:
        """What an operator does after a lost broker or a restored backup: every service says all it holds again."""
        for service in SERVICES:
            self.tuopin("republish", service)
        self.quiet()


def until(condition: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Wait for it, not longer than that."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.1)


def _tell(title: str, figures: Mapping[str, object]) -> None:
    log.info("%s: %s", title, figures)


async def _open(home: Home, folder: Path) -> Story:
    comparison = Comparison.against(folder / "answers.json")
    expected = comparison.expected
    return Story(
        home=home,
        watch=await Watch(home).__aenter__(),
        cast=Cast.of(home, str(expected["county"]), str(expected["exit_village"])),
        comparison=comparison,
        report=Report(intro="rehearsal"),
        folder=folder,
        tell=_tell,
        progress=lambda _text: None,
    )


async def _close(story: Story) -> None:
    await story.watch.__aexit__()
    for person in fields(story.cast):
        getattr(story.cast, person.name).close()


@contextmanager
def rehearsal(households: int = HOUSEHOLDS) -> Iterator[Rehearsal]:
    """A fresh sample on a fresh stack, nothing told yet; all of it gone at the end."""
    with reachable_folder() as folder, ExitStack() as opened:
        write_sample(county=COUNTY, households=households, folder=folder)
        home = opened.enter_context(practice_stack(morning(FIRST_DAY), log.info, folder / "home"))
        thread = Thread()
        opened.callback(thread.close)
        one = Rehearsal(home, folder, thread.run(_open(home, folder)), thread)
        opened.callback(lambda: thread.run(_close(one.story)))
        yield one
