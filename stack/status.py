"""What `tuopin status` knows: processes from the watcher's own notes, queues from the databases and from Kafka."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stack.home import Home
from stack.preflight import full_disks
from stack.processes import LOOPBACK
from stack.programs import built_doors, postgres_of
from stack.provision import SERVICES
from stack.supervisor import holder

AGE = "coalesce(extract(epoch from now() - min({moment})), 0)::float8 as age"
QUEUES = {
    "outbox": f"select count(*) as count, {AGE.format(moment='written_at')} from outbox",
    "outbox_dead": f"select count(*) as count, {AGE.format(moment='died_at')} from outbox_dead",
    "parked": f"select count(*) as count, {AGE.format(moment='parked_at')} from parked_fact",
}


@dataclass
class Status:
    """All of it, ready to be printed or given as JSON."""

    home: str
    practice: bool
    watcher: int | None
    programs: dict[str, dict[str, Any]] = field(default_factory=dict)
    not_built: list[str] = field(default_factory=list)
    queues: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    lag: dict[str, int] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    full_disks: list[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Watched, every program that exists is up, and there is room to write."""
        return (
            not self.full_disks
            and self.watcher is not None
            and all(row["state"] in ("up", "done") for row in self.programs.values())
        )


async def status_of(home: Home, *, queues: bool = True) -> Status:
    status = Status(str(home.folder), home.practice, holder(home.run))
    status.not_built = [
        f"{service}-{kind}" for service in SERVICES for kind in ("api", "worker") if kind not in built_doors(service)
    ]
    status.full_disks = full_disks(home)
    if status.watcher is None:
        return status
    status.programs = _programs(home)
    if queues:
        await asyncio.gather(_add_queues(home, status), _add_lag(home, status))
    return status


def _programs(home: Home) -> dict[str, dict[str, Any]]:
    try:
        rows = json.loads((home.run / "state.json").read_text())
    except (OSError, ValueError):
        return {}
    for row in rows.values():
        row["memory_mb"] = _memory_mb(row["pid"]) if row["pid"] else None
    assert isinstance(rows, dict)
    return rows


def _memory_mb(pid: int) -> int | None:
    """Proportional memory of the program and its children: shared pages are counted once."""
    total = 0
    try:
        for process in (root := psutil.Process(pid), *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += _own_memory(process)
    except psutil.NoSuchProcess:
        return None
    return round(total / 1e6)


def _own_memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)


async def _add_queues(home: Home, status: Status) -> None:
    server = postgres_of(home)
    for service in SERVICES:
        try:
            connection = await asyncpg.connect(server.dsn(service), ssl=False, timeout=3)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            status.unknown.append(f"queues of {service}: the database does not answer")
            continue
        try:
            if await connection.fetchval("select to_regclass('outbox') is not null"):
                status.queues[service] = {name: dict(await connection.fetchrow(sql)) for name, sql in QUEUES.items()}
        finally:
            await connection.close()


async def _add_lag(home: Home, status: Status) -> None:
    try:
        status.lag = await asyncio.wait_for(consumer_lag(f"{LOOPBACK}:{home.ports.kafka}"), 5)
    except (KafkaError, OSError, TimeoutError):
        status.unknown.append("consumer lag: Kafka does not answer")


async def consumer_lag(bootstrap: str) -> dict[str, int]:
    """For each consumer group, how many records wait beyond what it has committed."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await admin.start()
    await consumer.start()
    try:
        lag: dict[str, int] = {}
        for group, *_rest in await admin.list_consumer_groups():
            committed = await admin.list_consumer_group_offsets(group)
            ends: dict[TopicPartition, int] = await consumer.end_offsets(list(committed)) if committed else {}
            lag[group] = sum(max(0, ends[place] - at.offset) for place, at in committed.items())
        return lag
    finally:
        await consumer.stop()
        await admin.close()
