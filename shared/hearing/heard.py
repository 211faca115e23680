"""What a consumer hears, and how a Kafka record becomes a fact or a reason why it cannot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import ValidationError

from shared import bus
from shared.db import Transaction
from shared.events import TOPICS, Fact, Topic

F = TypeVar("F", bound=Fact)
STATE = "state"


@dataclass(frozen=True, slots=True)
class Record:
    """记录: one Kafka record, or the same again out of `parked_fact`."""

    topic: str
    partition: int
    position: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp: int

    @property
    def place(self) -> tuple[str, int]:
        """Its partition."""
        return self.topic, self.partition

    @property
    def queue(self) -> tuple[str, bytes | None]:
        """Facts of one queue are applied in order: topic and key."""
        return self.topic, self.key


@dataclass(frozen=True, slots=True)
class Heard(Generic[F]):
    """听到的事实: the fact with its envelope. Give `traceparent` to `announce` for what follows from it."""

    fact: F
    key: str
    event_id: UUID
    said_at: datetime
    epoch: int | None
    traceparent: str | None
    record: Record

    @property
    def version(self) -> int:
        """The noun's version (state facts have one)."""
        version: int = getattr(self.fact, "version", 0)
        return version


class NotYet(Exception):
    """时机未到: what this fact needs has not been heard yet. Parked and tried again by itself."""


Apply = Callable[[Transaction, list[Heard[Any]]], Awaitable[None]]
Hears = Mapping[type[Fact], Apply]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """撤回: a speaker has said all it holds of a topic again; ask which of our ids it did not name."""

    consumer: str
    topic: str
    epoch: int

    async def unnamed(self, tx: Transaction, ids: Iterable[UUID | str]) -> list[str]:
        """Those of our ids that the speaker no longer has (it was restored from a backup older than they are)."""
        rows = await tx.driver.fetch(
            "select held.id from unnest($4::text[]) as held(id) where not exists (select from republished_id as named"
            " where named.consumer = $1 and named.topic = $2 and named.epoch = $3 and named.id = held.id)",
            self.consumer,
            self.topic,
            self.epoch,
            [str(one) for one in ids],
        )
        return [row["id"] for row in rows]


def _no_identity(_: Fact) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Withdraws:
    """How a listener lets go of what a restored speaker no longer has.

    `identity` is the business id of an event (payout, decision), None for facts that are not said again; state topics
    go by the noun's id without it. `apply` asks the Withdrawal which of our ids were not named, and takes those back.
    """

    apply: Callable[[Transaction, Withdrawal], Awaitable[None]]
    identity: Callable[[Any], UUID | str | None] = _no_identity


@dataclass(frozen=True)
class Ears:
    """耳: one projection of a service: its name (and Kafka group), what it hears, which verb each fact wakes."""

    name: str
    hears: Hears
    withdraws: Mapping[str, Withdraws] = field(default_factory=dict)
    catalogue: Iterable[Topic] = TOPICS

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics it subscribes to."""
        return tuple(sorted({model.TOPIC for model in self.hears}))

    def is_state(self, topic: str) -> bool:
        """Whether the highest version wins there (else every event counts, once and in order)."""
        return self._kinds[topic] == STATE

    def __post_init__(self) -> None:
        kinds = {topic.name: topic.kind for topic in self.catalogue}
        unknown = set(self.topics) - set(kinds)
        if unknown:
            raise ValueError(f"{self.name} hears topics that are not in the catalogue: {sorted(unknown)}")
        object.__setattr__(self, "_kinds", kinds)
        object.__setattr__(self, "_models", {(model.TOPIC, model.TYPE): model for model in self.hears})

    _kinds: dict[str, str] = field(init=False, repr=False)
    _models: dict[tuple[str, str], type[Fact]] = field(init=False, repr=False)

    def read(self, record: Record) -> Heard[Any] | bus.Republished | None:
        """The fact; the mark behind a republished topic; None for a tombstone or a type we do not hear."""
        if record.value is None:
            return None
        envelope = bus.decode(record.headers, record.key)
        model = self._models.get((record.topic, envelope.type))
        if model is None and envelope.type != bus.REPUBLISHED:
            return None
        try:
            if model is None:
                return bus.Republished.model_validate_json(record.value)
            fact = model.model_validate_json(record.value)
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in error.errors(include_input=False)]
            raise bus.Unreadable("; ".join(wrong[:5])) from None
        return Heard(
            fact, envelope.key, envelope.event_id, envelope.said_at, envelope.epoch, envelope.traceparent, record
        )

    def identity(self, heard: Heard[Any]) -> str | None:
        """What a republication names by this fact."""
        if self.is_state(heard.record.topic):
            return heard.key
        identity = self.withdraws[heard.record.topic].identity(heard.fact)
        return None if identity is None else str(identity)


def newest(heard: Iterable[Heard[F]]) -> list[Heard[F]]:
    """The highest version of each noun: what an upsert of a state projection needs (one row a key in one statement)."""
    best: dict[str, Heard[F]] = {}
    for one in heard:
        if one.key not in best or best[one.key].version < one.version:
            best[one.key] = one
    return list(best.values())
