"""到期: what falls due when. A verb schedules; the due-loop claims rows whose moment has come and wakes one verb.

A row is claimed with `for update skip locked` and goes in the verb's own transaction: two loops never do the same work,
and a killed one leaves it undone. Moments are domain time, given by the clock; retries are machine time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from prometheus_client import Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.clock import Clock
from shared.db import Transaction, is_transient, reason, transaction
from shared.log import get_logger
from shared.metrics import REGISTRY
from shared.outbox import Backoff, rest
from shared.values import Scope

log = get_logger(__name__)

DONE = Counter("tuopin_due_done_total", "Due work done", ("verb",), registry=REGISTRY)
FAILED = Counter(
    "tuopin_due_failed_total", "Due work that failed and will be tried again", ("verb",), registry=REGISTRY
)
OVERDUE = Gauge("tuopin_due_rows", "Work whose moment has come", ("verb",), registry=REGISTRY)

LONGEST_WAIT_SECONDS = 3600
SCHEDULE = """
insert into due (verb, noun, due_at)
select $1, noun, due_at from unnest($2::text[], $3::timestamptz[]) as one(noun, due_at) order by noun
on conflict (verb, noun) do update set due_at = excluded.due_at, attempts = 0, retry_at = null, error = null
"""
CALL_OFF = "delete from due where verb = $1 and noun = any($2::text[])"
CLAIM = """
select noun, due_at, attempts from due
 where verb = $1 and due_at <= $2 and (retry_at is null or retry_at <= clock_timestamp())
 order by due_at, noun limit $3 for update skip locked
"""
PUT_OFF = """
insert into due (verb, noun, due_at, attempts, error, retry_at)
values ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 second')
"""
COUNT = "select count(*) from due where verb = $1 and due_at <= $2"


async def schedule(tx: Transaction, verb: str, noun: UUID | str, at: datetime) -> None:
    """Wake `verb` for this noun at that moment of domain time; a second call moves it."""
    await schedule_many(tx, verb, [(noun, at)])


async def schedule_many(tx: Transaction, verb: str, moments: Iterable[tuple[UUID | str, datetime]]) -> None:
    """The same for many nouns at once; each noun once."""
    rows = [(str(noun), at) for noun, at in moments]
    if any(at.tzinfo is None for _, at in rows):
        raise ValueError("a moment needs its time zone")
    await tx.driver.execute(SCHEDULE, verb, [noun for noun, _ in rows], [at for _, at in rows])


async def call_off(tx: Transaction, verb: str, *nouns: UUID | str) -> None:
    """It need not be done any more."""
    await tx.driver.execute(CALL_OFF, verb, [str(noun) for noun in nouns])


async def overdue(driver: asyncpg.Connection, now: datetime) -> int:
    """How much work of this database waits although its moment has come (a practice clock waits for zero)."""
    return int(await driver.fetchval("select count(*) from due where due_at <= $1", now))


Wake = Callable[[Transaction, list[str], datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Verb:
    """到期事项: the name in `due.verb`, the action it wakes with the nouns due, and how many it takes at once."""

    name: str
    wake: Wake
    limit: int = 100


class DueLoop:
    """到期循环: looks for due work of one service, with scope everything."""

    name = "due"

    def __init__(self, engine: AsyncEngine, clock: Clock, verbs: Sequence[Verb], every: float = 0.5) -> None:
        self._engine = engine
        self._clock = clock
        self._verbs = tuple(verbs)
        self._every = every
        self._counted = 0.0
        self.backoff = Backoff(0.2, 30.0)
        self.beat = time.monotonic()

    async def run(self, stopping: asyncio.Event) -> None:
        """Claim and do until asked to stop."""
        while not stopping.is_set():
            try:
                done = sum([await self.turn(verb) for verb in self._verbs])
                await self._count()
                self.backoff.succeeded()
            except Exception as error:  # noqa: BLE001 - nothing was done; the loop itself must live on
                log.warning("due work waits", reason=reason(error))
                self.beat = time.monotonic()
                await rest(stopping, self.backoff.failed())
                continue
            self.beat = time.monotonic()
            if not done:
                await rest(stopping, self._every)

    async def turn(self, verb: Verb) -> int:
        """Everything of one verb that is due now, up to its limit; how many were done."""
        now = self._clock.now()
        try:
            async with transaction(self._engine, Scope.everything(), caller=f"due.{verb.name}") as tx:
                claimed = await self._claim(tx, verb, now)
                if claimed:
                    await verb.wake(tx, [row["noun"] for row in claimed], now)
                    DONE.labels(verb.name).inc(len(claimed))
                return len(claimed)
        except Exception as error:
            if is_transient(error):
                raise
            log.warning("due work is done one by one", verb=verb.name, reason=reason(error)[0])
        async with transaction(self._engine, Scope.everything(), caller=f"due.{verb.name}") as tx:
            claimed = await self._claim(tx, verb, now)
            return sum([await self._alone(tx, verb, row, now) for row in claimed])

    async def _claim(self, tx: Transaction, verb: Verb, now: datetime) -> list[asyncpg.Record]:
        """Lock what is due and take it off the list: gone with the commit, back with a rollback."""
        rows: list[asyncpg.Record] = await tx.driver.fetch(CLAIM, verb.name, now, verb.limit)
        await call_off(tx, verb.name, *(row["noun"] for row in rows))
        return rows

    async def _alone(self, tx: Transaction, verb: Verb, row: asyncpg.Record, now: datetime) -> int:
        try:
            async with tx.driver.transaction():
                await verb.wake(tx, [row["noun"]], now)
        except Exception as error:
            if is_transient(error):
                raise
            await self._put_off(tx, verb, row, error)
            return 0
        DONE.labels(verb.name).inc()
        return 1

    async def _put_off(self, tx: Transaction, verb: Verb, row: asyncpg.Record, error: Exception) -> None:
        """It goes back on the list with its reason and waits, ever longer."""
        code, detail = reason(error)
        log.warning("due work put off", verb=verb.name, noun=row["noun"], reason=code)
        FAILED.labels(verb.name).inc()
        pause = min(2.0 ** min(row["attempts"], 16), LONGEST_WAIT_SECONDS)
        attempts = row["attempts"] + 1
        await tx.driver.execute(
            PUT_OFF, verb.name, row["noun"], row["due_at"], attempts, f"{code} {detail}"[:2000], pause
        )

    async def _count(self) -> None:
        if time.monotonic() - self._counted < 5.0:
            return
        self._counted = time.monotonic()
        async with transaction(self._engine, Scope.everything(), caller="due") as tx:
            for verb in self._verbs:
                OVERDUE.labels(verb.name).set(await tx.driver.fetchval(COUNT, verb.name, self._clock.now()))
