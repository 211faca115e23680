"""`tuopin replay`, `republish` and `verify`: the way back, and whether it has arrived (decision 0012).

The services say what they hold and keep (`HOLDINGS`, `SAID`, `KEPT` in their `app.py`); this module only brings them
together, each over its own database.
"""

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import asyncpg

from shared.clock import Clock
from shared.db import create_engine, transaction
from shared.events import TOPICS
from shared.hearing import ask_again
from shared.recovery import Comparison, Side, causes, compare, left_overs, republish
from shared.values import Scope
from stack.home import Home
from stack.problems import StackProblem
from stack.programs import built_doors, postgres_of, service_environment
from stack.provision import SERVICES


def worker_url(home: Home | None, service: str, environment: Mapping[str, str] = os.environ) -> str:
    """The worker's login: the stack's own, or the one a container is told."""
    if "TUOPIN_DATABASE_URL" in environment:
        return environment["TUOPIN_DATABASE_URL"]
    if home is None:
        raise StackProblem("no database is given", "set TUOPIN_DATABASE_URL to the worker's login")
    return service_environment(home, service, "worker")["TUOPIN_DATABASE_URL"]


async def replay(url: str, consumer: str | None, key: str | None, reason: str | None) -> int:
    """Mark parked facts; the consumers that parked them apply them again."""
    connection = await asyncpg.connect(url)
    try:
        return await ask_again(connection, consumer, key, reason)
    finally:
        await connection.close()


async def say_again(service: str, url: str, clock: Clock) -> dict[str, int]:
    """Announce everything that a service holds, under a new epoch."""
    holdings = getattr(_app_of(service), "HOLDINGS", ())
    engine = create_engine(url, pool_size=2, application=f"{service}-republish", statement_timeout_ms=0)
    try:
        return await republish(engine, holdings, at=clock.now())
    finally:
        await engine.dispose()


@dataclass
class Verdict:
    """What `verify` found."""

    comparisons: list[Comparison] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)
    left_over: dict[str, dict[str, int]] = field(default_factory=dict)
    put_aside: dict[str, list[str]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Every projection equals its speaker, nothing is under way, and no service's own check found anything.

        Having compared nothing is not having found all equal.
        """
        waiting = any(count for counts in self.left_over.values() for count in counts.values())
        compared = bool(self.comparisons) and all(one.is_equal for one in self.comparisons)
        return compared and not waiting and not self.broken

    def lines(self) -> Iterator[str]:
        """For people: what was compared, and the first differences of each."""
        for one in self.comparisons:
            told = "equal" if one.is_equal else f"{one.differences} differ"
            yield f"{one.name}: {one.speaker_rows} rows, sum {one.speaker_sum}: {told}"
            yield from (f"  {difference}" for difference in one.first)
        for service, counts in self.left_over.items():
            yield from (f"{service}: {count} rows in {table}" for table, count in counts.items() if count)
            yield from (f"  {why}" for why in self.put_aside.get(service, ()))
        yield from self.broken
        if self.not_compared:
            yield f"not compared: {', '.join(self.not_compared)}"
        yield f"{len(self.comparisons)} comparisons: {'all equal' if self.is_equal else 'NOT verified'}"

    def as_json(self) -> dict[str, Any]:
        compared = {
            one.name: {"rows": one.speaker_rows, "sum": one.speaker_sum, "differences": one.differences}
            for one in self.comparisons
        }
        return {
            "equal": self.is_equal,
            "compared": compared,
            "not_compared": self.not_compared,
            "left_over": self.left_over,
            "put_aside": self.put_aside,
            "broken": self.broken,
        }


async def verify(home: Home) -> Verdict:
    """Compare every noun's speaker with each listener's copy, count what is under way, run the services' own checks."""
    verdict = Verdict()
    built = [service for service in SERVICES if built_doors(service)]
    async with AsyncExitStack() as opened:
        connections = {service: await _connect(home, service, opened) for service in built}
        for service, connection in connections.items():
            verdict.left_over[service] = await left_overs(connection)
            verdict.put_aside[service] = await causes(connection)
            verdict.broken += [f"{service}: {line}" for line in await _own_faults(home, service)]
        for speaker in built:
            for noun, said in _queries(speaker, "SAID").items():
                await _compare_noun(verdict, connections, speaker, noun, said)
        verdict.not_compared = _not_compared(built)
    return verdict


async def _own_faults(home: Home, service: str) -> list[str]:
    """What a service's own check of itself finds (the ledger's balances), with every row in scope."""
    check = getattr(_app_of(service), "check", None)
    if check is None:
        return []
    engine = create_engine(postgres_of(home).dsn(service), pool_size=1, statement_timeout_ms=0)
    try:
        async with transaction(engine, Scope.everything(), caller="verify") as tx:
            return list(await check(tx))
    finally:
        await engine.dispose()


async def _compare_noun(
    verdict: Verdict, connections: Mapping[str, asyncpg.Connection], speaker: str, noun: str, said: str
) -> None:
    for listener, connection in connections.items():
        kept = _queries(listener, "KEPT").get(noun)
        if kept is None or listener == speaker:
            continue
        sides = Side(connections[speaker], said), Side(connection, kept)
        verdict.comparisons.append(await compare(f"{noun} in {listener}", *sides))


def _not_compared(built: list[str]) -> list[str]:
    """Pairs that the table of topics promises and nobody's queries cover: said, not hidden."""
    return sorted(
        f"{topic.name.rsplit('.', 2)[0]} in {listener}"
        for topic in TOPICS
        for listener in topic.heard_by
        if not _is_covered(topic.name, listener, built)
    )


def _is_covered(topic: str, listener: str, built: list[str]) -> bool:
    """Compared, or not heard yet for a reason that the listener states; a decision is what is kept of a case."""
    if listener not in built:
        return False
    noun = topic.rsplit(".", 2)[0]
    names = {noun, "assessment.decision"} if noun == "assessment.case" else {noun}
    inbox = importlib.import_module(f"services.{listener}.inbox")
    unheard = {fact.TOPIC for fact in getattr(inbox, "NOT_YET_HEARD", {})} - {fact.TOPIC for fact in inbox.HEARS}
    return topic in unheard or bool(names & _queries(listener, "KEPT").keys())


def _queries(service: str, name: str) -> dict[str, str]:
    queries = getattr(_app_of(service), name, {})
    assert isinstance(queries, dict)
    return queries


def _app_of(service: str) -> ModuleType:
    return importlib.import_module(f"services.{service}.app")


async def _connect(home: Home, service: str, opened: AsyncExitStack) -> asyncpg.Connection:
    """As the superuser: a verification must see every row, whatever its scope."""
    address = postgres_of(home).dsn(service)
    try:
        connection = await asyncpg.connect(address, ssl=False)
    except OSError:
        raise StackProblem("PostgreSQL does not answer", "start the stack with `tuopin up`") from None
    opened.push_async_callback(connection.close)
    if not await connection.fetchval("select to_regclass('outbox') is not null"):
        raise StackProblem(f"the database of {service} is not migrated", "`tuopin status` shows what is not up")
    return connection
