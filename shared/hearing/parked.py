"""搁置: facts that could not be applied, with their reason. The only such mechanism; nothing is ever sent again.

On event topics later facts of the key wait behind a parked one. Replay happens inside the consumer that parked it: an
operator only marks rows (`ask_again`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from shared import bus
from shared.db import Transaction
from shared.hearing.heard import Record

WAITS = "waits"
QUEUE_LIMIT = 200  # facts of one key that one transaction applies again
LONGEST_WAIT_SECONDS = 600

PARK = """
insert into parked_fact (consumer, event_id, topic, partition, position, key, type, headers, payload, reason, detail,
                         retry_at)
select $1, event_id, topic, partition, position, key, type, headers::jsonb, payload, reason, detail,
       case when reason = 'not_yet' then clock_timestamp() + interval '1 second' end
  from unnest($2::uuid[], $3::text[], $4::int[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::bytea[],
              $10::text[], $11::text[]) with ordinality
    as fact(event_id, topic, partition, position, key, type, headers, payload, reason, detail, place)
 order by place
on conflict (consumer, event_id) do nothing
"""
QUEUES = """
select distinct topic, key from parked_fact
 where consumer = $1 and key is not null
   and (topic, key) in (select * from unnest($2::text[], $3::text[]))
"""


@dataclass(frozen=True, slots=True)
class Parked:
    """搁置的事实: what is kept of a record, and why it was put aside."""

    record: Record
    event_id: UUID
    type: str | None
    reason: str
    detail: str = ""


async def park(tx: Transaction, consumer: str, facts: Sequence[Parked]) -> None:
    """Keep them, in this order; one that is already kept stays as it is."""
    rows = [
        (
            fact.event_id,
            fact.record.topic,
            fact.record.partition,
            fact.record.position,
            _text_key(fact.record.key),
            fact.type,
            bus.headers_as_json(fact.record.headers),
            fact.record.value,
            fact.reason,
            fact.detail[:2000],
        )
        for fact in facts
    ]
    if rows:
        await tx.driver.execute(PARK, consumer, *(list(column) for column in zip(*rows, strict=True)))


def _text_key(key: bytes | None) -> str | None:
    """A key that is no text is kept by its bytes, so that its facts still form one queue."""
    if key is None:
        return None
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return "\\x" + key.hex()
    return text if "\x00" not in text else "\\x" + key.hex()


async def blocked(tx: Transaction, consumer: str, queues: Iterable[tuple[str, bytes | None]]) -> set[tuple[str, str]]:
    """Which of these queues have a parked fact at their head."""
    pairs = sorted({(topic, _text_key(key) or "") for topic, key in queues})
    rows = await tx.driver.fetch(QUEUES, consumer, [topic for topic, _ in pairs], [key for _, key in pairs])
    return {(row["topic"], row["key"]) for row in rows}


def queue_of(record: Record) -> tuple[str, str]:
    """The same pair for a record."""
    return record.topic, _text_key(record.key) or ""


# --- again -----------------------------------------------------------------------------------------------------------

ASK = """
update parked_fact set retry_at = clock_timestamp()
 where ($1::text is null or consumer = $1) and ($2::text is null or key = $2) and ($3::text is null or reason = $3)
"""
DUE = """
select topic, partition, min(key) as key, min(id) as head from parked_fact as fact
 where consumer = $1 and (topic, partition) in (select * from unnest($2::text[], $3::int[]))
   and (retry_at <= clock_timestamp()
        or topic <> all($4::text[])
           and exists (select from parked_fact as asked where asked.consumer = $1 and asked.topic = fact.topic
                          and asked.key = fact.key and asked.retry_at <= clock_timestamp()))
 group by topic, partition, key, case when key is null or topic = any($4::text[]) then id end
 order by 4 limit 100
"""
QUEUE = """
select id, topic, partition, position, key, headers, payload, reason, attempts from parked_fact
 where consumer = $1 and topic = $2 and key is not distinct from $3 and id >= $4 order by id limit $5
"""
FAILED = """
update parked_fact set attempts = attempts + 1, reason = $2, detail = $3,
       retry_at = case when $2 = 'not_yet' then clock_timestamp() + $4 * interval '1 second' end
 where id = $1
"""
QUIET = "update parked_fact set retry_at = null where consumer = $1 and topic = $2 and key = $3 and id <> $4"
NEXT = """
update parked_fact set retry_at = clock_timestamp()
 where id = (select min(id) from parked_fact where consumer = $1 and topic = $2 and key = $3)
"""


async def ask_again(
    driver: asyncpg.Connection, consumer: str | None = None, key: str | None = None, reason: str | None = None
) -> int:
    """Mark facts to be applied again by the consumers that parked them (`tuopin replay`); how many were marked."""
    status = await driver.execute(ASK, consumer, key, reason)
    return int(status.rpartition(" ")[2])


async def due_queues(
    tx: Transaction, consumer: str, places: Collection[tuple[str, int]], state_topics: Collection[str]
) -> list[asyncpg.Record]:
    """Heads of the queues to be tried again. On state topics, and without a key, each fact is a queue of its own."""
    ordered = sorted(places)
    rows: list[asyncpg.Record] = await tx.driver.fetch(
        DUE, consumer, [topic for topic, _ in ordered], [part for _, part in ordered], list(state_topics)
    )
    return rows


async def queue(
    tx: Transaction, consumer: str, topic: str, key: str | None, head: int, limit: int = QUEUE_LIMIT
) -> list[asyncpg.Record]:
    """Parked facts from this head on, in order."""
    rows: list[asyncpg.Record] = await tx.driver.fetch(QUEUE, consumer, topic, key, head, limit)
    return rows


def record_of(row: asyncpg.Record) -> Record:
    """The Kafka record again."""
    return Record(
        topic=row["topic"],
        partition=row["partition"],
        position=row["position"],
        key=_bytes_key(row["key"]),
        value=row["payload"],
        headers=bus.headers_from_json(_parsed(row["headers"])),
        timestamp=0,
    )


def _bytes_key(key: str | None) -> bytes | None:
    if key is None:
        return None
    return bytes.fromhex(key[2:]) if key.startswith("\\x") else key.encode()


def _parsed(headers: Any) -> Any:
    """SQLAlchemy's connections decode json, the bare driver's do not."""
    return json.loads(headers) if isinstance(headers, str) else headers


async def failed_again(tx: Transaction, row: asyncpg.Record, reason: str, detail: str) -> None:
    """It stays at the head of its queue; only what waits for another fact is tried again by itself."""
    pause = min(2.0 ** min(row["attempts"], 16), LONGEST_WAIT_SECONDS)
    await tx.driver.execute(FAILED, row["id"], reason, detail[:2000], pause)


async def quiet(tx: Transaction, consumer: str, row: asyncpg.Record) -> None:
    """Nothing behind this head is asked for any more."""
    await tx.driver.execute(QUIET, consumer, row["topic"], row["key"], row["id"])


async def forget(tx: Transaction, ids: Sequence[int]) -> None:
    """They have been applied."""
    await tx.driver.execute("delete from parked_fact where id = any($1::bigint[])", list(ids))


async def go_on(tx: Transaction, consumer: str, topic: str, key: str) -> None:
    """Whatever still waits in the queue is tried next."""
    await tx.driver.execute(NEXT, consumer, topic, key)
