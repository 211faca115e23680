"""The way back after a lost broker or a restored backup: a speaker says all it holds again; both sides are compared.

Why this is enough, and what each case comes to, is ADR 0012.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.bus import Republished
from shared.db import Transaction, transaction
from shared.events import Topic
from shared.log import get_logger
from shared.outbox import Said, announce_many, announce_mark
from shared.values import Scope

log = get_logger(__name__)

Again = Callable[[Transaction, int], AsyncIterator[Sequence[Said]]]


@dataclass(frozen=True, slots=True)
class Holding:
    """所存: one noun of a speaker that can be said again.

    `table` is locked against writers meanwhile, so that nothing is said between the last row and the mark (its worker
    login needs UPDATE or MAINTAIN on it); against row locks too, or a verb that holds its row and this would wait for
    each other. `again(tx, epoch)` yields chunks; a state noun's versions are raised to at
    least `epoch` first, an event keeps its business id.
    """

    table: str
    topics: tuple[Topic, ...]
    again: Again


def new_epoch() -> int:
    """Milliseconds of machine time: above every version and epoch ever used, on the day that was lost as well."""
    return time.time_ns() // 1_000_000


async def republish(
    engine: AsyncEngine, holdings: Sequence[Holding], *, at: datetime, epoch: int | None = None
) -> dict[str, int]:
    """Say everything again, a noun at a time, each in one transaction: killed in between, it is simply run again."""
    said: dict[str, int] = {}
    for holding in holdings:
        said[holding.table] = await _say_again(engine, holding, at, epoch or new_epoch())
        log.info("said again", table=holding.table, facts=said[holding.table])
    return said


async def _say_again(engine: AsyncEngine, holding: Holding, at: datetime, epoch: int) -> int:
    count = 0
    async with transaction(engine, Scope.everything(), caller="republish") as tx:
        quoted = await tx.driver.fetchval("select quote_ident($1)", holding.table)
        await tx.driver.execute("set local lock_timeout = '60s'")
        await tx.driver.execute(f"lock table {quoted} in exclusive mode")
        marks = [Republished(topic=one.name, epoch=epoch, partitions=one.partitions) for one in holding.topics]
        for mark in marks:
            await announce_mark(tx, mark.model_copy(update={"begins": True}), at=at)
        async for chunk in holding.again(tx, epoch):
            count += await announce_many(tx, chunk, at=at, epoch=epoch)
        for mark in marks:
            await announce_mark(tx, mark, at=at)
    return count


# --- comparing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Side:
    """一方: a query of (id text, value bigint) on one database; the value is a version, or fen."""

    connection: asyncpg.Connection
    query: str


@dataclass(slots=True)
class Comparison:
    """比对: what a speaker holds against what a listener keeps of it."""

    name: str
    speaker_rows: int = 0
    listener_rows: int = 0
    speaker_sum: int = 0
    listener_sum: int = 0
    differences: int = 0
    first: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """No id, version or amount differs."""
        return self.differences == 0

    def note(self, text: str, keep: int) -> None:
        """Count a difference, and keep the first few for the operator."""
        self.differences += 1
        if len(self.first) < keep:
            self.first.append(text)


async def compare(name: str, speaker: Side, listener: Side, *, keep: int = 10) -> Comparison:
    """Walk both sides in the order of their ids, in one pass and little memory; one row an id is expected."""
    result = Comparison(name)
    async with speaker.connection.transaction(readonly=True), listener.connection.transaction(readonly=True):
        said, heard = _rows(speaker), _rows(listener)
        left, right = await anext(said, None), await anext(heard, None)
        while left is not None or right is not None:
            if right is None or (left is not None and left[0] < right[0]):
                assert left is not None, "one side has a row"
                result.note(f"{left[0]}: speaker has {left[1]}, listener lacks it", keep)
                left = await _next_said(said, left, result)
            elif left is None or right[0] < left[0]:
                result.note(f"{right[0]}: listener has {right[1]}, speaker lacks it", keep)
                right = await _next_heard(heard, right, result)
            else:
                if left[1] != right[1]:
                    result.note(f"{left[0]}: speaker has {left[1]}, listener has {right[1]}", keep)
                left = await _next_said(said, left, result)
                right = await _next_heard(heard, right, result)
    return result


Row = tuple[str, int]


async def _rows(side: Side) -> AsyncIterator[Row]:
    ordered = f'select id::text collate "C" as id, value::bigint as value from ({side.query}) as rows order by 1, 2'
    async for row in side.connection.cursor(ordered, prefetch=2000):
        yield row["id"], row["value"]


async def _next_said(rows: AsyncIterator[Row], done: Row, result: Comparison) -> Row | None:
    result.speaker_rows += 1
    result.speaker_sum += done[1]
    return await anext(rows, None)


async def _next_heard(rows: AsyncIterator[Row], done: Row, result: Comparison) -> Row | None:
    result.listener_rows += 1
    result.listener_sum += done[1]
    return await anext(rows, None)


LEFT_OVERS = {
    "outbox": "facts not sent yet",
    "outbox_dead": "facts that can never be sent",
    "parked_fact": "facts that could not be applied",
}


async def left_overs(connection: asyncpg.Connection) -> dict[str, int]:
    """Rows of the plumbing that stand between what was said and what was heard; all zero when a stack is at rest."""
    return {table: int(await connection.fetchval(f"select count(*) from {table}")) for table in LEFT_OVERS}


CAUSES = """
select * from (
  select consumer, coalesce(type, 'no type') as type, reason, count(*) as count, max(detail) as detail
    from parked_fact group by 1, 2, 3
  union all
  select 'the relay', type, 'outbox_dead', count(*), max(error) from outbox_dead group by 2
) as aside order by reason = 'waits', count desc, consumer, type, reason limit $1
"""


async def causes(connection: asyncpg.Connection, *, keep: int = 5) -> list[str]:
    """Who put which facts aside, and why: the commonest first; those that only wait behind another come last."""
    rows = await connection.fetch(CAUSES, keep)
    told = [(f"{row['consumer']}: {row['count']} {row['type']}, {row['reason']}", row["detail"]) for row in rows]
    return [f"{line} ({detail[:200]})" if detail else line for line, detail in told]
