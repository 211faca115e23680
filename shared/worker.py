"""One worker process: relay, consumers, due-loop and jobs together, health on a private port, a bounded stop.

Whatever dies is started again; what no longer moves ends the process, so that its supervisor starts a fresh one.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import Pruning, failure_of
from shared.hearing import Consumer, FencedOut
from shared.log import get_logger
from shared.metrics import exposition
from shared.outbox import Backoff, Relay, rest

log = get_logger(__name__)


class Loop(Protocol):
    """循环: anything that works until it is asked to stop."""

    name: str

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until the event is set, finish what is at hand, return."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """时限, in seconds: when silence means stuck, when blocked means not ready, how long a stop may take."""

    tick: float = 60.0
    progress: float = 120.0
    blocked: float = 60.0
    stop: float = 15.0


class Worker:
    """工作进程: runs the loops; on cancel (SIGTERM) hearing, due work and jobs stop first, the relay sends the rest."""

    def __init__(
        self,
        engine: AsyncEngine,
        relay: Relay,
        loops: Sequence[Loop] = (),
        *,
        host: str = "127.0.0.1",
        health_port: int = 0,
        limits: Limits | None = None,
    ) -> None:
        self._engine = engine
        self._relay = relay
        self._loops = (*loops, Pruning(engine))
        self._host = host
        self._port = health_port
        self._limits = limits or Limits()
        self._stopping = asyncio.Event()
        self._relay_stopping = asyncio.Event()
        self._tick = time.monotonic()
        self.health_address: tuple[str, int] | None = None

    async def run(self) -> None:
        """Until cancelled. FencedOut ends it with that error."""
        server = await asyncio.start_server(self._answer, self._host, self._port)
        self.health_address = server.sockets[0].getsockname()[:2]
        watch = Watchdog(self.stuck)
        ticking = asyncio.create_task(self._ticks())
        relay = asyncio.create_task(self._keep(self._relay, self._relay_stopping))
        loops = [asyncio.create_task(self._keep(loop, self._stopping)) for loop in self._loops]
        try:
            await _first_failure([relay, *loops])
        finally:
            watch.end()
            await self._stop(loops, relay)
            ticking.cancel()
            server.close()
            await self._engine.dispose()

    async def _stop(self, loops: Sequence[asyncio.Task[None]], relay: asyncio.Task[None]) -> None:
        self._stopping.set()
        await _bounded(loops, self._limits.stop)
        self._relay_stopping.set()
        await _bounded([relay], self._limits.stop)

    async def _keep(self, loop: Loop, stopping: asyncio.Event) -> None:
        """A loop mends itself; should it fall all the same, it is started again."""
        backoff = Backoff(0.5, 10.0)
        while not stopping.is_set():
            try:
                await loop.run(stopping)
            except FencedOut:
                raise
            except Exception as error:  # noqa: BLE001 - a fallen loop must not take the others along
                log.error("loop fell", loop=loop.name, **failure_of(error))
            if not stopping.is_set():
                await rest(stopping, backoff.failed())

    async def _ticks(self) -> None:
        while True:
            self._tick = time.monotonic()
            await asyncio.sleep(0.5)

    # --- health ------------------------------------------------------------------------------------------------------

    def stuck(self) -> str | None:
        """What no longer moves: the event loop, the relay, or a consumer that is behind and hears nothing."""
        now = time.monotonic()
        if now - self._tick > self._limits.tick:
            return "event loop"
        if now - self._relay.beat > self._limits.tick:
            return "relay"
        for loop in self._loops:
            if isinstance(loop, Consumer) and self._is_stuck(loop, now):
                return loop.name
        return None

    def _is_stuck(self, consumer: Consumer, now: float) -> bool:
        if consumer.backoff.failing_since is not None:
            return False  # it says itself that it is blocked, and goes on trying
        silent = now - consumer.beat > self._limits.progress
        return silent or (consumer.lag > 0 and now - consumer.moved > self._limits.progress)

    def not_ready(self) -> list[str]:
        """Which parts cannot do their work at present."""
        late = self._limits.blocked
        parts = [("relay", self._relay.backoff, True)]
        parts += [(loop.name, loop.backoff, loop.is_ready) for loop in self._loops if isinstance(loop, Consumer)]
        reasons = [f"{name}: blocked" for name, backoff, _ in parts if backoff.failing_seconds > late]
        reasons += [f"{name}: has no partitions yet" for name, _, ready in parts if not ready]
        return reasons + (["stopping"] if self._stopping.is_set() else [])

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Three fixed GETs on a private port need no web framework."""
        with suppress(Exception):
            asked = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            status, kind, body = self._respond(asked.split(b" ", 2)[1].decode().partition("?")[0])
            head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close"
            writer.write(head.encode() + b"\r\n\r\n" + body)
            await writer.drain()
        writer.close()

    def _respond(self, path: str) -> tuple[str, str, bytes]:
        if path == "/livez":
            stuck = self.stuck()
            return ("503 Stuck" if stuck else "200 OK"), *_json({"live": not stuck, "stuck": stuck})
        if path == "/readyz":
            reasons = self.not_ready()
            return ("503 Not Ready" if reasons else "200 OK"), *_json({"ready": not reasons, "reasons": reasons})
        if path == "/metrics":
            body, kind = exposition()
            return "200 OK", kind, body
        return "404 Not Found", *_json({"paths": ["/livez", "/readyz", "/metrics"]})


def _json(answer: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(answer).encode()


async def _first_failure(tasks: Sequence[asyncio.Task[None]]) -> None:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def _bounded(tasks: Sequence[asyncio.Task[None]], seconds: float) -> None:
    """Wait for them to end by themselves, then cut them off: their transactions roll back and are done again later."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        log.warning("loop cut off", task=task.get_name())
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=2)


class Watchdog:
    """看门狗: a thread of its own, because a stuck event loop cannot notice that it is stuck."""

    def __init__(
        self, stuck: Callable[[], str | None], end: Callable[[int], None] = os._exit, every: float = 2.0
    ) -> None:
        self._stuck = stuck
        self._exit = end
        self._every = every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(self._every):
            what = self._stuck()
            if what is not None:
                log.error("nothing moves; ending the process", stuck=what)
                self._exit(1)

    def end(self) -> None:
        """Watch no more."""
        self._over.set()
