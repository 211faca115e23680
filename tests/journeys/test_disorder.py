"""Facts twice, out of order, and unreadable; a broker gone for a while: nothing is lost, and it can be seen."""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.events import TOPICS
from shared.events.cooperative import PayoutPosted
from shared.events.registry import HouseholdRecorded
from shared.values import new_id
from stack.processes import LOOPBACK
from stack.provision import SERVICES
from tests.journeys.conftest import TOLD
from tests.journeys.digest import Digest, digest_of
from tests.journeys.make import Rehearsal, until
from tests.journeys.test_way_back import is_verified, say_something

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

AWAY_SECONDS = 60
PARTITIONS = {topic.name: topic.partitions for topic in TOPICS}
Headers = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Record:
    """A record as it stands on the broker."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers

    def under_another_id(self) -> Record:
        """The same fact, as a speaker would say it a second time."""
        return Record(self.topic, self.key, self.value, _with(self.headers, "ce_id", str(new_id()).encode()))


def _with(headers: Headers, name: str, value: bytes) -> Headers:
    assert name in dict(headers), dict(headers)
    return [(each, value if each == name else old) for each, old in headers]


def first_record(one: Rehearsal, topic: str, key: bytes | None = None) -> Record:
    """The oldest fact of a topic, of this noun."""
    return one.run(_first_record(f"{LOOPBACK}:{one.home.ports.kafka}", topic, key))


async def _first_record(bootstrap: str, topic: str, key: bytes | None) -> Record:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS[topic])]
        consumer.assign(places)
        await consumer.seek_to_beginning()
        async for record in consumer:
            if record.value and not record.key.startswith(b"~") and key in (None, record.key):
                return Record(topic, record.key, record.value, list(record.headers))
        raise AssertionError("the topic ended")
    finally:
        await consumer.stop()


def produce(one: Rehearsal, *records: Record) -> None:
    """By hand, behind every relay's back."""
    one.run(_produce(f"{LOOPBACK}:{one.home.ports.kafka}", records))


async def _produce(bootstrap: str, records: tuple[Record, ...]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        for record in records:
            await producer.send_and_wait(record.topic, record.value, key=record.key, headers=record.headers)
    finally:
        await producer.stop()


def counter(one: Rehearsal, service: str, name: str) -> float:
    """What the worker counts under this name, over all its consumers and reasons."""
    text = httpx.get(f"http://{LOOPBACK}:{one.home.ports.worker(service)}/metrics", timeout=30).text
    found = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
    return sum(map(float, found))


def parked(one: Rehearsal, service: str, key: bytes) -> list[Any]:
    return one.rows(service, "select reason, attempts from parked_fact where key = $1", key.decode())


def test_a_fact_said_twice_counts_once(told: Rehearsal, moments: dict[str, Digest]) -> None:
    payout = first_record(told, PayoutPosted.TOPIC)
    before = counter(told, "registry", "tuopin_hearing_duplicates_total")
    applied = counter(told, "registry", "tuopin_hearing_applied_total")
    produce(told, payout, payout)
    told.quiet()
    assert counter(told, "registry", "tuopin_hearing_duplicates_total") == before + 2
    produce(told, payout.under_another_id())
    told.quiet()
    assert counter(told, "registry", "tuopin_hearing_applied_total") == applied + 1
    assert is_verified(told)
    assert moments[TOLD].differences(digest_of(told)) == []


def test_an_older_state_behind_a_newer_one_is_overtaken(told: Rehearsal, moments: dict[str, Digest]) -> None:
    """What was said of a household before its dividend, heard once more after all that was said since."""
    paid = PayoutPosted.model_validate_json(first_record(told, PayoutPosted.TOPIC).value).household
    old = first_record(told, HouseholdRecorded.TOPIC, str(paid).encode())
    [[version]] = told.rows("registry", "select version from household where id = $1", paid)
    assert HouseholdRecorded.model_validate_json(old.value).version < version
    counts = {one: counter(told, one, "tuopin_hearing_overtaken_total") for one in ("assessment", "cooperative")}
    produce(told, old)
    told.quiet()
    for service, before in counts.items():
        assert counter(told, service, "tuopin_hearing_overtaken_total") == before + 1, service
    assert is_verified(told)
    assert moments[TOLD].differences(digest_of(told)) == []


def test_poison_is_put_aside_and_stays_so_until_it_is_taken_out(told: Rehearsal, moments: dict[str, Digest]) -> None:
    """It can never be applied: a replay says so truthfully, and what follows it is heard."""
    payout = first_record(told, PayoutPosted.TOPIC).under_another_id()
    before = counter(told, "registry", "tuopin_hearing_parked_total")
    key = str(new_id()).encode()
    produce(told, Record(payout.topic, key, b"{ not a fact", payout.headers))
    until(lambda: parked(told, "registry", key), "the poison is parked", 60)
    assert counter(told, "registry", "tuopin_hearing_parked_total") == before + 1
    until(lambda: counter(told, "registry", "tuopin_hearing_parked_rows") == 1, "the gauge shows it", 60)
    words = told.tuopin("verify", fails=True).stdout
    assert "1 rows in parked_fact" in words
    assert f"registry.households: 1 {PayoutPosted.TYPE}, unreadable" in words, "and says whose, and why"
    [[reason, attempts]] = parked(told, "registry", key)
    assert "1 parked facts" in told.tuopin("replay", "registry", "--key", key.decode()).stdout
    until(lambda: parked(told, "registry", key)[0]["attempts"] > attempts, "it is tried again", 60)
    assert parked(told, "registry", key)[0]["reason"] == reason
    told.execute("registry", f"delete from parked_fact where key = '{key.decode()}'")
    assert is_verified(told)
    assert moments[TOLD].differences(digest_of(told)) == []


def test_what_a_mended_cause_parked_is_applied_by_replay(told: Rehearsal, moments: dict[str, Digest]) -> None:
    """A payment's income row is lost and refused; when the refusal's cause is gone, `tuopin replay` brings it in."""
    payout = first_record(told, PayoutPosted.TOPIC).under_another_id()
    reference = PayoutPosted.model_validate_json(payout.value).payout
    told.execute(
        "registry",
        f"delete from income where reference = '{reference}';"
        f" alter table income add constraint mistake check (reference <> '{reference}')",
    )
    produce(told, payout)
    until(lambda: parked(told, "registry", payout.key), "the payment is parked", 60)
    words = told.tuopin("verify", fails=True).stdout
    assert f"  {reference}: speaker has " in words
    told.execute("registry", "alter table income drop constraint mistake")
    assert "1 parked facts" in told.tuopin("replay", "registry", "--key", payout.key.decode()).stdout
    until(lambda: not parked(told, "registry", payout.key), "it is applied", 60)
    told.quiet()
    assert is_verified(told)
    assert moments[TOLD].differences(digest_of(told)) == []


def test_a_minute_without_a_broker(told: Rehearsal, moments: dict[str, Digest]) -> None:
    """Nobody is told to wait: what is said stands in the outbox, and goes out when the broker answers again."""
    broker = told.states()["kafka"]["pid"]
    os.kill(broker, signal.SIGSTOP)
    gone = time.monotonic()
    try:
        say_something(told)
        while time.monotonic() - gone < AWAY_SECONDS:
            assert told.rows("registry", "select count(*) from outbox")[0][0] > 0
            for service in SERVICES:
                ready = httpx.get(f"http://{LOOPBACK}:{told.home.ports.api(service)}/readyz", timeout=30)
                assert ready.status_code == 200, service
            told.story.cast.auditor.get("/assessment/v1/verdicts", division=told.story.county, pack="exit")
            time.sleep(5)
    finally:
        os.kill(broker, signal.SIGCONT)
    until(lambda: told.rows("registry", "select count(*) from outbox")[0][0] == 0, "all is sent", 120)
    told.quiet()
    assert is_verified(told)
    assert moments[TOLD].differences(digest_of(told)) == []
