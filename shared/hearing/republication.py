"""A speaker says all it holds again (after a wiped broker or a restored backup): what the listener does about it.

Each fact said again carries the epoch; in every partition one mark stands before the first and one behind the last.
Between the two the ids are noted; when both are heard in all partitions, what was not named no longer exists at the
speaker and is taken back. What a partition says behind its end is newer than the epoch and counts as named. Who comes
in the middle (a position of a wiped broker, facts older than the topic keeps) has not heard all names: an end without
its beginning means nothing (ADR 0012).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.bus import Republished
from shared.db import Transaction, lock
from shared.hearing.heard import Ears, Heard, Record, Withdrawal
from shared.log import get_logger

log = get_logger(__name__)

ENDS = """
select topic, epoch, partition, done from republished_mark where consumer = $1 and topic = any($2::text[]) and ended
"""
ANY_OPEN = "select exists (select from republished_mark where consumer = $1 and not done)"
BEGIN = """
insert into republished_mark (consumer, topic, epoch, partition) values ($1, $2, $3, $4) on conflict do nothing
"""
END = """
update republished_mark set ended = true where consumer = $1 and topic = $2 and epoch = $3 and partition = $4
returning epoch
"""
NAME = """
insert into republished_id (consumer, topic, epoch, id)
select $1, topic, epoch, id from unnest($2::text[], $3::bigint[], $4::text[]) as named(topic, epoch, id)
 order by 2, 3, 4 on conflict do nothing
"""
OPEN = """
select topic, epoch, count(*) filter (where ended) as marks from republished_mark where consumer = $1 and not done
 group by topic, epoch order by epoch
"""
PARKED = "select exists (select from parked_fact where consumer = $1 and topic = $2)"
CLOSE = "update republished_mark set done = true where consumer = $1 and topic = $2 and epoch <= $3"
CLEAN = "delete from republished_id where consumer = $1 and topic = $2 and epoch <= $3"


class _Ends:
    """Which marks have been heard of one consumer's topics."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.done = {(row["topic"], row["epoch"]) for row in rows if row["done"]}
        self._passed = {(row["topic"], row["partition"], row["epoch"]) for row in rows}

    def passed(self, mark: Republished, record: Record) -> None:
        self._passed.add((mark.topic, record.partition, mark.epoch))

    def named_in(self, heard: Heard[Any]) -> set[int]:
        """The epochs that this fact is part of: its own, and open ones whose mark its partition has passed."""
        topic, partition = heard.record.place
        epochs = {epoch for one, part, epoch in self._passed if (one, part) == (topic, partition)}
        if heard.epoch is not None:
            epochs.add(heard.epoch)
        return {epoch for epoch in epochs if (topic, epoch) not in self.done}


async def note(
    tx: Transaction, ears: Ears, heard: Sequence[Heard[Any]], marks: Sequence[tuple[Republished, Record]]
) -> bool:
    """Note ids and marks of a batch, before it is applied; whether a mark was among them."""
    topics = [topic for topic in ears.withdraws if _speaks(topic, heard, marks)]
    if not topics:
        return False
    if marks or any(one.epoch is not None for one in heard) or await tx.driver.fetchval(ANY_OPEN, ears.name):
        # Members of a group hear marks of different partitions at once: without a lock neither would see the other's.
        await lock(tx, f"republication:{ears.name}")
    ends = _Ends(await tx.driver.fetch(ENDS, ears.name, topics))
    said: list[tuple[Record, Heard[Any] | Republished]] = [(one.record, one) for one in heard]
    said += [(record, mark) for mark, record in marks]
    in_order = sorted(said, key=lambda pair: (pair[0].topic, pair[0].partition, pair[0].position))
    names: set[tuple[str, int, str]] = set()
    for record, one in in_order:
        if record.topic not in topics:
            continue
        if isinstance(one, Republished):
            if await _has_ended(tx, ears, one, record):
                ends.passed(one, record)
        else:
            identity = ears.identity(one)
            names |= {(record.topic, epoch, identity) for epoch in ends.named_in(one) if identity is not None}
    if names:
        await tx.driver.execute(NAME, ears.name, *(list(column) for column in zip(*sorted(names), strict=True)))
    return bool(marks)


async def _has_ended(tx: Transaction, ears: Ears, mark: Republished, record: Record) -> bool:
    """Note a mark; whether all names of its partition have been heard with it."""
    place = (ears.name, mark.topic, mark.epoch, record.partition)
    if mark.begins:
        await tx.driver.execute(BEGIN, *place)
        return False
    if await tx.driver.fetchval(END, *place) is not None:
        return True
    log.warning("republication heard from its middle", consumer=ears.name, topic=mark.topic, epoch=mark.epoch)
    return False


def _speaks(topic: str, heard: Sequence[Heard[Any]], marks: Sequence[tuple[Republished, Record]]) -> bool:
    return any(one.record.topic == topic for one in heard) or any(mark.topic == topic for mark, _ in marks)


async def finish(tx: Transaction, ears: Ears, partitions: Mapping[str, int]) -> None:
    """Take back what was not named, for each topic that was heard whole; while facts of it are parked, wait."""
    if not ears.withdraws:
        return
    for row in await tx.driver.fetch(OPEN, ears.name):
        topic, epoch = row["topic"], row["epoch"]
        complete = row["marks"] >= partitions[topic]
        if topic not in ears.withdraws or not complete or await tx.driver.fetchval(PARKED, ears.name, topic):
            continue
        await ears.withdraws[topic].apply(tx, Withdrawal(ears.name, topic, epoch))
        await tx.driver.execute(CLOSE, ears.name, topic, epoch)
        await tx.driver.execute(CLEAN, ears.name, topic, epoch)
        log.info("republication heard", consumer=ears.name, topic=topic, epoch=epoch)
