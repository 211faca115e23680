"""收件: a batch becomes effects, in one transaction with the inbox rows and the position.

First set-wise, all at once. If that fails for a reason that will not pass by itself, once more one by one, each in a
savepoint, so that only the culprit is parked.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from shared import bus
from shared.db import Transaction, transaction
from shared.hearing import parked, positions, republication
from shared.hearing.failures import is_transient, reason
from shared.hearing.heard import Ears, Heard, Record
from shared.hearing.parked import WAITS, Parked
from shared.hearing.positions import Place
from shared.log import get_logger
from shared.values import Scope

log = get_logger(__name__)

INBOX = """
insert into inbox (consumer, event_id) select $1, id from unnest($2::uuid[]) as one(id) order by id
on conflict do nothing returning event_id
"""
PRUNE = """
delete from inbox where ctid = any(array(
    select ctid from inbox where consumer = $1 and heard_at < clock_timestamp() - $2 * interval '1 day' limit 10000))
"""
INBOX_DAYS = 60  # twice as long as events are kept on the broker: no older one can come again
KNOWN = "select event_id from inbox where consumer = $1 and event_id = any($2::uuid[])"


@dataclass(slots=True)
class Outcome:
    """What became of a batch: counts for metrics and tests."""

    applied: int = 0
    duplicates: int = 0
    ignored: int = 0
    parked: Tally[str] = field(default_factory=Tally)
    versions: list[tuple[str, str, int]] = field(default_factory=list)  # topic, key, version of state, as heard


@dataclass(slots=True)
class _Sorted:
    """A batch by what can be done with it; order within each list is the order of hearing."""

    heard: list[Heard[Any]] = field(default_factory=list)
    marks: list[tuple[bus.Republished, Record]] = field(default_factory=list)
    broken: dict[int, Parked] = field(default_factory=dict)  # by place in the batch
    order: list[Heard[Any] | Parked] = field(default_factory=list)
    ignored: int = 0
    duplicates: int = 0


async def take_in(
    engine: AsyncEngine,
    ears: Ears,
    records: Sequence[Record],
    expected: Mapping[Place, int | None],
    partitions: Mapping[str, int],
) -> Outcome:
    """Apply a batch and move the position, exactly once; transient failures and WentBack come out with nothing done."""
    batch = _sort(ears, records)
    reached = {record.place: record.position + 1 for record in records}
    try:
        async with _door(engine, ears, batch) as tx:
            await positions.hold(tx, ears.name, expected)
            outcome = await _together(tx, ears, batch, partitions)
            outcome.versions = _versions(ears, batch)
            await positions.advance(tx, ears.name, reached)
            return outcome
    except positions.WentBack:
        raise
    except Exception as error:
        if is_transient(error):
            raise
        log.warning("batch is applied one by one", consumer=ears.name, reason=reason(error)[0])
    async with _door(engine, ears, batch) as tx:
        await positions.hold(tx, ears.name, expected)
        outcome = await _one_by_one(tx, ears, batch, partitions)
        outcome.versions = _versions(ears, batch)
        await positions.advance(tx, ears.name, reached)
        return outcome


def _versions(ears: Ears, batch: _Sorted) -> list[tuple[str, str, int]]:
    return [(one.record.topic, one.key, one.version) for one in batch.heard if ears.is_state(one.record.topic)]


def _door(engine: AsyncEngine, ears: Ears, batch: _Sorted) -> Any:
    traces = {one.traceparent for one in batch.heard}
    trace = traces.pop() if len(traces) == 1 else None  # several causes: each fact carries its own
    return transaction(engine, Scope.everything(), caller=ears.name, traceparent=trace)


def _sort(ears: Ears, records: Sequence[Record]) -> _Sorted:
    batch = _Sorted()
    seen: set[UUID] = set()
    for record in records:
        try:
            one = ears.read(record)
        except bus.Unreadable as error:
            batch.order.append(_unreadable(record, error))
            continue
        if one is None:
            batch.ignored += 1
        elif isinstance(one, bus.Republished):
            batch.marks.append((one, record))
        elif one.event_id in seen:
            batch.duplicates += 1
        else:
            seen.add(one.event_id)
            batch.heard.append(one)
            batch.order.append(one)
    return batch


def _unreadable(record: Record, error: bus.Unreadable) -> Parked:
    named = {name.lower(): value for name, value in record.headers}
    event_id = bus.stand_in_id(record.topic, record.partition, record.position, record.timestamp)
    with suppress(KeyError, ValueError):
        event_id = UUID(named["ce_id"].decode())
    type_ = named.get("ce_type", b"").decode("utf-8", "replace").replace("\x00", "") or None
    return Parked(record, event_id, type_, *reason(error))


def _put_aside(one: Heard[Any], why: str, detail: str = "") -> Parked:
    return Parked(one.record, one.event_id, one.fact.TYPE, why, detail)


async def _blocked(tx: Transaction, ears: Ears, batch: _Sorted) -> set[tuple[str, str]]:
    queues = [one.record.queue for one in batch.heard if not ears.is_state(one.record.topic)]
    return await parked.blocked(tx, ears.name, queues) if queues else set()


async def _together(tx: Transaction, ears: Ears, batch: _Sorted, partitions: Mapping[str, int]) -> Outcome:
    blocked = await _blocked(tx, ears, batch)
    aside: list[Parked] = []
    free: list[Heard[Any]] = []
    for one in batch.order:
        if isinstance(one, Parked):
            aside.append(one)
            if one.record.topic in ears.topics and not ears.is_state(one.record.topic) and one.record.key is not None:
                blocked.add(parked.queue_of(one.record))
        elif parked.queue_of(one.record) in blocked and not ears.is_state(one.record.topic):
            aside.append(_put_aside(one, WAITS))
        else:
            free.append(one)
    aside, known = await _not_known(tx, ears, aside)
    fresh = await _fresh(tx, ears, free)
    await parked.park(tx, ears.name, aside)
    has_marks = await republication.note(tx, ears, batch.heard, batch.marks)
    for model, stage in stages(fresh):
        await ears.hears[model](tx, stage)
    if has_marks:
        await republication.finish(tx, ears, partitions)
    duplicates = batch.duplicates + known + len(free) - len(fresh)
    return Outcome(len(fresh), duplicates, batch.ignored, Tally(one.reason for one in aside))


async def _not_known(tx: Transaction, ears: Ears, aside: list[Parked]) -> tuple[list[Parked], int]:
    """Facts that were applied before need not wait behind anything."""
    waiting = [one.event_id for one in aside if one.reason == WAITS]
    if not waiting:
        return aside, 0
    known = {row["event_id"] for row in await tx.driver.fetch(KNOWN, ears.name, waiting)}
    left = [one for one in aside if one.event_id not in known]
    return left, len(aside) - len(left)


async def _fresh(tx: Transaction, ears: Ears, free: list[Heard[Any]]) -> list[Heard[Any]]:
    """Those not heard before. State needs no inbox row: the highest version wins however often it is heard."""
    counted = [one.event_id for one in free if not ears.is_state(one.record.topic)]
    if not counted:
        return free
    new = {row["event_id"] for row in await tx.driver.fetch(INBOX, ears.name, counted)}
    return [one for one in free if ears.is_state(one.record.topic) or one.event_id in new]


def stages(heard: Sequence[Heard[Any]]) -> list[tuple[type[Any], list[Heard[Any]]]]:
    """Group by type, as few groups as possible, so that facts of one key keep their order across the groups."""
    groups: list[tuple[type[Any], list[Heard[Any]]]] = []
    last: dict[tuple[str, str], int] = {}
    for one in heard:
        queue = (one.record.topic, one.key)
        model = type(one.fact)
        start = last.get(queue, 0)
        place = next((n for n in range(start, len(groups)) if groups[n][0] is model), len(groups))
        if place == len(groups):
            groups.append((model, []))
        groups[place][1].append(one)
        last[queue] = place
    return groups


async def _one_by_one(tx: Transaction, ears: Ears, batch: _Sorted, partitions: Mapping[str, int]) -> Outcome:
    outcome = Outcome(duplicates=batch.duplicates, ignored=batch.ignored)
    has_marks = await republication.note(tx, ears, batch.heard, batch.marks)
    blocked = await _blocked(tx, ears, batch)
    for one in batch.order:
        event = not ears.is_state(one.record.topic)
        queue = parked.queue_of(one.record)
        if isinstance(one, Parked):
            aside = one
        elif event and queue in blocked:
            left, known = await _not_known(tx, ears, [_put_aside(one, WAITS)])
            outcome.duplicates += known
            if not left:
                continue
            aside = left[0]
        else:
            failure = await _alone(tx, ears, one, outcome)
            if failure is None:
                continue
            aside = failure
        await parked.park(tx, ears.name, [aside])
        outcome.parked[aside.reason] += 1
        if event and one.record.key is not None:
            blocked.add(queue)
    if has_marks:
        await _finish_safely(tx, ears, partitions)
    return outcome


async def _alone(tx: Transaction, ears: Ears, one: Heard[Any], outcome: Outcome) -> Parked | None:
    """One fact in a savepoint; what is to be parked if it failed for good."""
    try:
        async with tx.driver.transaction():
            if await _fresh(tx, ears, [one]):
                await ears.hears[type(one.fact)](tx, [one])
                outcome.applied += 1
            else:
                outcome.duplicates += 1
    except Exception as error:
        if is_transient(error):
            raise
        log.warning("fact parked", consumer=ears.name, type=one.fact.TYPE, reason=reason(error)[0])
        return _put_aside(one, *reason(error))
    return None


async def _finish_safely(tx: Transaction, ears: Ears, partitions: Mapping[str, int]) -> None:
    """A withdrawal that fails is tried again with the next mark or replay; it must not stop the facts."""
    try:
        async with tx.driver.transaction():
            await republication.finish(tx, ears, partitions)
    except Exception as error:
        if is_transient(error):
            raise
        log.error("withdrawal failed", consumer=ears.name, reason=reason(error))


async def prune(tx: Transaction, consumer: str) -> int:
    """Forget ids that cannot come again, some at a time."""
    status = await tx.driver.execute(PRUNE, consumer, INBOX_DAYS)
    return int(status.rpartition(" ")[2])


# --- replay ----------------------------------------------------------------------------------------------------------


async def replay(engine: AsyncEngine, ears: Ears, places: Sequence[Place], partitions: Mapping[str, int]) -> Outcome:
    """Apply again what was asked for, of the partitions that are ours, each queue in a transaction of its own."""
    outcome = Outcome()
    state = [topic for topic in ears.topics if ears.is_state(topic)]
    async with transaction(engine, Scope.everything(), caller=ears.name) as tx:
        heads = await parked.due_queues(tx, ears.name, places, state)
    for head in heads:
        async with transaction(engine, Scope.everything(), caller=ears.name) as tx:
            await positions.hold(tx, ears.name, {(head["topic"], head["partition"]): None})
            await _drain(tx, ears, head, outcome)
            await _finish_safely(tx, ears, partitions)
    return outcome


async def _drain(tx: Transaction, ears: Ears, head: Any, outcome: Outcome) -> None:
    is_queue = head["key"] is not None and not ears.is_state(head["topic"])
    limit = parked.QUEUE_LIMIT if is_queue else 1
    done: list[int] = []
    for row in await parked.queue(tx, ears.name, head["topic"], head["key"], head["head"], limit):
        failure = await _again(tx, ears, parked.record_of(row), outcome)
        if failure is not None:
            outcome.parked[failure.reason] += 1
            await parked.failed_again(tx, row, failure.reason, failure.detail)
            if is_queue:
                await parked.quiet(tx, ears.name, row)
            await parked.forget(tx, done)
            return
        done.append(row["id"])
    await parked.forget(tx, done)
    if is_queue:
        await parked.go_on(tx, ears.name, head["topic"], head["key"])


async def _again(tx: Transaction, ears: Ears, record: Record, outcome: Outcome) -> Parked | None:
    try:
        one = ears.read(record)
    except bus.Unreadable as error:
        return _unreadable(record, error)
    if not isinstance(one, Heard):
        outcome.ignored += 1  # a type that is not heard any more
        return None
    tx.traceparent = one.traceparent
    return await _alone(tx, ears, one, outcome)
