"""Outbox relay against a bare producer loop: same rows, headers, durability, client, broker; three rounds, medians.

`python -m bench.relay [--rows 20000] [--bytes 400]` starts a PostgreSQL and a Kafka of its own and prints a table and
one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from shared import bus
from shared.db import plumbing_tables
from shared.events import Topic
from shared.outbox import Pace, Relay
from shared.values import new_id
from stack.jars import ensure_jars
from stack.kafka import Kafka, ensure_aot_cache
from stack.postgres import Postgres
from stack.processes import Child, free_ports

TARGET = 0.5
ROUNDS = 3
TYPE = "org.tuopin.bench.thing.happened.v1"
TOPIC = Topic("bench.thing.events.v1", "events", ())
FILL = """
insert into outbox (event_id, topic, key, type, payload, version, said_at)
select gen_random_uuid(), $1, 'thing-' || n % 5000, $2, $3, n, now() from generate_series(1, $4::int) as n
"""


class Stack:
    """The two engines, for as long as the measurement lasts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        postgres_port, kafka_port, controller_port = free_ports(3)
        jars = ensure_jars(print)
        self.postgres = Postgres(folder / "postgres", postgres_port, "bench")
        self.kafka = Kafka(folder / "kafka", kafka_port, controller_port, jars, ensure_aot_cache(jars, print))
        self._children: list[Child] = []

    async def __aenter__(self) -> Stack:
        for name, part in (("postgres", self.postgres), ("kafka", self.kafka)):
            await asyncio.to_thread(part.prepare)
            child = Child(part.program(), self._folder / f"{name}.log")
            self._children.append(child)
            await child.until_up()
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in reversed(self._children):
            child.stop()

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.postgres.dsn(), ssl=False)


async def make_outbox(connection: asyncpg.Connection) -> None:
    """The table itself, with its storage settings, as a migration makes it."""
    metadata = sa.MetaData()
    outbox = plumbing_tables(metadata)
    for table in (outbox.outbox, outbox.outbox_dead):
        await connection.execute(str(CreateTable(table).compile(dialect=postgresql.dialect())))  # type: ignore[no-untyped-call]


async def bare(bootstrap: str, rows: int, payload: bytes) -> float:
    """What any program would write: send everything, wait for every acknowledgement, 500 at a time."""
    producer = bus.make_producer(bootstrap, "bench-bare")
    await producer.start()
    said_at = datetime.now(UTC)
    began = time.perf_counter()
    for start in range(0, rows, 500):
        sent = [
            await producer.send(TOPIC.name, payload, key=f"thing-{n % 5000}".encode(), headers=headers(n, said_at))
            for n in range(start, min(start + 500, rows))
        ]
        await asyncio.gather(*sent)
    seconds = time.perf_counter() - began
    await producer.stop()
    return rows / seconds


def headers(number: int, said_at: datetime) -> list[tuple[str, bytes]]:
    event_id: UUID = new_id()
    return bus.encode(bus.Envelope(event_id, "/bench", TYPE, f"thing-{number % 5000}", said_at, number))


async def relayed(stack: Stack, rows: int, payload: bytes) -> float:
    """From a full outbox to an empty one."""
    connection = await stack.connect()
    await connection.execute(FILL, TOPIC.name, TYPE, payload, rows)
    await connection.execute("analyze outbox")
    stopping = asyncio.Event()
    relay = Relay(stack.connect, stack.kafka.bootstrap, "/bench", pace=Pace(measure=3600))
    began = time.perf_counter()
    task = asyncio.create_task(relay.run(stopping))
    while await connection.fetchval("select exists (select from outbox)"):  # noqa: ASYNC110 - the table is the measure
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - began
    stopping.set()
    await task
    await connection.close()
    return rows / seconds


async def measure(folder: Path, rows: int, extent: int) -> dict[str, Any]:
    payload = json.dumps({"text": "x" * max(0, extent - 12)}).encode()
    async with Stack(folder) as stack:
        await bus.ensure_topics(stack.kafka.bootstrap, [TOPIC])
        connection = await stack.connect()
        await make_outbox(connection)
        await connection.close()
        await bare(stack.kafka.bootstrap, 2000, payload)  # warm: the JVM, the metadata
        pairs = [
            (await bare(stack.kafka.bootstrap, rows, payload), await relayed(stack, rows, payload))
            for _ in range(ROUNDS)
        ]
    return summary(pairs, rows, extent)


def summary(pairs: Sequence[tuple[float, float]], rows: int, extent: int) -> dict[str, Any]:
    ratio = statistics.median(relay / producer for producer, relay in pairs)
    return {
        "bench": "relay",
        "rows": rows,
        "bytes": extent,
        "rounds": len(pairs),
        "bare_per_second": round(statistics.median(producer for producer, _ in pairs)),
        "relay_per_second": round(statistics.median(relay for _, relay in pairs)),
        "ratio": round(ratio, 3),
        "target": TARGET,
        "reached": ratio >= TARGET,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def show(result: dict[str, Any]) -> None:
    print(f"{'':24}{'facts a second':>16}")
    print(f"{'bare producer loop':24}{result['bare_per_second']:>16,}")
    print(f"{'outbox relay':24}{result['relay_per_second']:>16,}")
    print(f"{'ratio (target ≥ 0.5)':24}{result['ratio']:>16}")
    print(json.dumps(result))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=20_000)
    arguments.add_argument("--bytes", type=int, default=400)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="tuopin-bench-") as folder:
        Path(folder).chmod(0o755)  # the database runs as an unprivileged user, who must reach its part
        show(asyncio.run(measure(Path(folder), given.rows, given.bytes)))


if __name__ == "__main__":
    main()
