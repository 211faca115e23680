"""kill -9 of every process while intake, publicity, payment and the county's run are under way: the same end.

One story is told while another thread kills; callers retry under their Idempotency-Key, as a client would. Each kill is
done only when work is seen to be under way, and the end digest equals that of the undisturbed story.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka.errors import KafkaError

from shared.values import new_id
from stack.demo.caller import Caller
from stack.demo.quiet import Look, Watch
from stack.demo.stage import clock_of
from stack.home import Home
from stack.lifecycle import read_states, start
from stack.problems import StackProblem
from stack.provision import SERVICES
from tests.journeys.conftest import TOLD
from tests.journeys.digest import Digest, digest_of
from tests.journeys.make import Rehearsal, rehearsal

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

log = logging.getLogger(__name__)
SEED = 20190820
WATCHER = "watcher"
PROGRAMS = (*(f"{service}-{kind}" for service in SERVICES for kind in ("worker", "api")), "kafka", "postgres", WATCHER)
PHASES = {"intake": "名册导入", "publicity": "一个村的退出", "payment": "分红兑付", "run": "再次研判"}
LEAST = 20
BROKEN = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    KafkaError,
    httpx.TransportError,
)
PATIENCE_SECONDS = 300


class Patient(Caller):
    """A client whose connection breaks says the same again, under the same key."""

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"idempotency-key": str(new_id()), **more.pop("headers", {})}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return super()._ask(method, path, headers=dict(headers), **more)
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)


class Steady(Watch):
    """Looks again through new connections when the old ones broke."""

    async def until_quiet(
        self, clock: Callable[[], datetime], tell: Callable[[str], None] = lambda _text: None
    ) -> Look:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return await super().until_quiet(clock, tell)
            except BROKEN:
                if time.monotonic() > deadline:
                    raise
                await self._again(deadline)

    async def _again(self, deadline: float) -> None:
        while True:
            try:
                await self.__aexit__()
                await self.__aenter__()
                return
            except BROKEN as error:
                if time.monotonic() > deadline:
                    raise
                log.info("not yet: %r", error)
                await asyncio.sleep(0.5)


@dataclass
class Killer:
    """Kills each of the programs once, in a seeded order, whenever work is under way."""

    home: Home
    phase: str
    programs: tuple[str, ...] = PROGRAMS
    watch: Watch | None = None
    killed: list[tuple[str, str]] = field(default_factory=list)
    looks: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def main(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        await self._under_way()  # connected before the phase begins: a short one would be over by then
        self.looks.set()
        chance = random.Random(f"{SEED} {self.phase}")
        order = [program for program in self.programs if program != WATCHER]
        chance.shuffle(order)
        last = [WATCHER] if WATCHER in self.programs else []  # who ends everything comes after all others
        for program in (*order, *last):
            while not self.over.is_set():
                under_way = await self._under_way()
                if under_way and self._kill(program):
                    log.info("%s: %s killed while %s", self.phase, program, under_way)
                    self.killed.append((program, under_way))
                    break
            await asyncio.sleep(chance.uniform(0, 0.3))
        await self._let_go()

    async def _under_way(self) -> str:
        """What is not done yet, in words; nothing if all is done or it cannot be seen just now."""
        try:
            if self.watch is None:
                self.watch = await Watch(self.home).__aenter__()
            look = await self.watch.look(clock_of(self.home).now())
        except BROKEN:
            await self._let_go()
            return ""
        return "" if look.is_quiet else str(look)

    async def _let_go(self) -> None:
        if self.watch is not None:
            with suppress(*BROKEN):
                await self.watch.__aexit__()
            self.watch = None

    def _kill(self, program: str) -> bool:
        """False if it does not run just now."""
        if program == WATCHER:
            os.kill(int((self.home.run / "supervisor.pid").read_text()), signal.SIGKILL)
            time.sleep(0.5)
            return True
        pid = read_states(self.home).get(program, {}).get("pid")
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


@contextmanager
def disturbed(one: Rehearsal, phase: str, programs: tuple[str, ...]) -> Iterator[Killer]:
    """While this lasts, programs are killed; a killed watcher is started again as an operator would."""
    killer = Killer(one.home, phase, programs)
    thread = threading.Thread(target=killer.main, name="killer")
    thread.start()
    killer.looks.wait(60)
    try:
        yield killer
    finally:
        killer.over.set()
        thread.join(60)


def play(one: Rehearsal, phase: str, programs: tuple[str, ...] = PROGRAMS) -> list[tuple[str, str]]:
    """Tell the phase's scene beside the killer; the watcher is started from this thread when it has gone."""
    one.quiet()  # what is under way from now on belongs to the phase
    failed: list[BaseException] = []

    def tell() -> None:
        try:
            one.play(PHASES[phase])
            one.quiet()
        except BaseException as error:  # noqa: BLE001 - raised again below, in the test's own thread
            failed.append(error)

    teller = threading.Thread(target=tell, name="teller")
    with disturbed(one, phase, programs) as killer:
        teller.start()
        while teller.is_alive():
            if any(program == WATCHER for program, _ in killer.killed[-1:]):
                restart(one.home)
                break
            teller.join(0.1)
        teller.join(PATIENCE_SECONDS)
    assert not teller.is_alive(), f"{phase} did not end, killed: {killer.killed}"
    if failed:
        raise failed[0]
    return killer.killed


def restart(home: Home) -> None:
    """The programs of a killed watcher end with it; their ports are free a moment later."""
    deadline = time.monotonic() + 60
    while True:
        try:
            start(home, log.info, dies_with_us=True)
            return
        except StackProblem:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def be_patient(one: Rehearsal) -> None:
    """Callers and the watch of this story bear what is coming."""
    for person in fields(one.story.cast):
        getattr(one.story.cast, person.name).__class__ = Patient
    one.story.watch.__class__ = Steady


def test_the_same_end_whatever_is_killed(told: Rehearsal, moments: dict[str, Digest]) -> None:
    with rehearsal() as one:
        be_patient(one)
        killed = play(one, "intake")
        assert killed, "nothing was under way in intake"
        one.play("逐户研判", "合作社建账")
        for phase in ("publicity", "payment", "run"):
            more = play(one, phase)
            assert more, f"nothing was under way in {phase}"
            killed += more
        one.quiet()
        assert one.story.comparison.differences == []
        assert len(killed) >= LEAST, killed
        assert {program for program, _ in killed} == set(PROGRAMS)
        assert one.verified()["equal"]
        assert moments[TOLD].differences(digest_of(one)) == []
