"""Waiting until nothing is under way: no unsent fact, none unheard, no due work, no running job.

Read from the databases (positions are kept beside the effects) and from the topics' ends, so that "quiet" cannot be
said while a fact is between two services: it is said only if two looks in a row find nothing and saw the same ends.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events import TOPICS
from shared.recovery import causes
from stack.home import Home
from stack.problems import StackProblem
from stack.processes import LOOPBACK
from stack.programs import postgres_of
from stack.provision import SERVICES

LOOK = """
select (select count(*) from outbox)::int as unsent,
       (select count(*) from parked_fact)::int as parked,
       (select count(*) from outbox_dead)::int as dead,
       (select count(*) from due where due_at <= $1)::int as overdue,
       (select count(*) from job where state in ('queued', 'running'))::int as jobs
"""
POSITIONS = "select topic, partition, max(next_position) as next from heard_position group by topic, partition"
LONGEST_SECONDS = 900
STUCK_SECONDS = 180


@dataclass(frozen=True)
class Look:
    """What is under way at one moment, by service."""

    unsent: int = 0
    unheard: int = 0
    overdue: int = 0
    jobs: int = 0
    parked: int = 0
    dead: int = 0
    ends: dict[TopicPartition, int] = field(default_factory=dict)

    @property
    def is_quiet(self) -> bool:
        return not (self.unsent or self.unheard or self.overdue or self.jobs)

    def __str__(self) -> str:
        names = ("unsent", "unheard", "overdue", "jobs")
        return ", ".join(f"{getattr(self, name)} {name}" for name in names)


class Watch:
    """Connections to the four databases and to the topics' ends, kept open between looks."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._databases: dict[str, asyncpg.Connection] = {}
        self._consumer: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> Watch:
        server = postgres_of(self._home)
        for service in SERVICES:
            self._databases[service] = await asyncpg.connect(server.dsn(service), ssl=False)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=f"{LOOPBACK}:{self._home.ports.kafka}")
        await self._consumer.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        for database in self._databases.values():
            await database.close()
        if self._consumer is not None:
            await self._consumer.stop()

    async def look(self, now: datetime) -> Look:
        """One look at all of it."""
        assert self._consumer is not None
        rows = [await database.fetchrow(LOOK, now) for database in self._databases.values()]
        places = [TopicPartition(topic.name, number) for topic in TOPICS for number in range(topic.partitions)]
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(places)
        unheard = 0
        for service, database in self._databases.items():
            heard = {
                TopicPartition(row["topic"], row["partition"]): row["next"] for row in await database.fetch(POSITIONS)
            }
            unheard += sum(max(0, ends[place] - heard.get(place, 0)) for place in _heard_by(service, places))
        sums = {name: sum(row[name] for row in rows) for name in ("unsent", "overdue", "jobs", "parked", "dead")}
        return Look(unheard=unheard, ends=ends, **sums)

    async def _put_aside(self) -> str:
        """Whose facts, of which kind and why."""
        told = [
            f"{service}: {cause}" for service, one in self._databases.items() for cause in await causes(one, keep=3)
        ]
        return "; ".join(told)

    async def until_quiet(
        self, clock: Callable[[], datetime], tell: Callable[[str], None] = lambda _text: None
    ) -> Look:
        """Wait for quiet. Whatever is parked or dead, or no movement for three minutes, ends the wait with a word."""
        began = moved = time.monotonic()
        before: Look | None = None
        while time.monotonic() - began < LONGEST_SECONDS:
            look = await self.look(clock())
            if look.parked or look.dead:
                raise StackProblem(
                    f"{look.parked} facts parked, {look.dead} dead: {await self._put_aside()}",
                    "`tuopin status`, then `tuopin logs`",
                )
            if before is not None and look.is_quiet and before.is_quiet and look.ends == before.ends:
                return look
            if before is None or str(look) != str(before) or look.ends != before.ends:
                moved = time.monotonic()
                tell(str(look))
            elif not look.is_quiet and time.monotonic() - moved > STUCK_SECONDS:
                break
            before = look
            await asyncio.sleep(0.02 if look.is_quiet else 0.1)
        raise StackProblem(f"no quiet: {before}", "`tuopin status` shows what waits, `tuopin logs` why")


def _heard_by(service: str, places: list[TopicPartition]) -> list[TopicPartition]:
    """Topics that it subscribes to: those of its inbox, not all that the catalogue promises it for later."""
    heard = {fact.TOPIC for fact in importlib.import_module(f"services.{service}.inbox").HEARS}
    return [place for place in places if place.topic in heard]
