"""Which failures pass by themselves, and what is written down about those that do not."""

from __future__ import annotations

from aiokafka.errors import KafkaError

from shared import db
from shared.bus import Unreadable
from shared.hearing.heard import NotYet


def is_transient(error: BaseException) -> bool:
    """Whether the same batch may go through later unchanged: wait and keep the order."""
    return isinstance(error, KafkaError) or db.is_transient(error)


def reason(error: BaseException) -> tuple[str, str]:
    """Code and detail for `parked_fact`: names and places, never the values of a row."""
    if isinstance(error, NotYet):
        return "not_yet", str(error)
    if isinstance(error, Unreadable):
        return "unreadable", str(error)
    return db.reason(error)
