"""The marks of a republication, as a listener gets them from the broker."""

from __future__ import annotations

from datetime import UTC, datetime

from shared import bus
from shared.hearing import Record
from shared.values import new_id

SAID_AT = datetime(2019, 8, 20, tzinfo=UTC)


def mark(topic: str, partitions: int, epoch: int, partition: int, position: int, *, begins: bool = False) -> Record:
    """One mark, in front of what is said again or behind it."""
    body = bus.Republished(topic=topic, epoch=epoch, partitions=partitions, begins=begins)
    headers = bus.encode(bus.Envelope(new_id(), "/elsewhere", bus.REPUBLISHED, body.key, SAID_AT, None, epoch))
    return Record(topic, partition, position, body.key.encode(), body.model_dump_json().encode(), headers, 0)


def around(topic: str, partitions: int, epoch: int, *said: Record) -> list[Record]:
    """What is said again under an epoch, with its marks in every partition."""
    first = [mark(topic, partitions, epoch, number, 0, begins=True) for number in range(partitions)]
    last = [mark(topic, partitions, epoch, number, 99) for number in range(partitions)]
    return [*first, *said, *last]
