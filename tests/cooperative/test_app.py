"""The worker as it runs: a household heard from Kafka becomes a member, and what it is paid arrives on Kafka. And what
a killed session leaves behind.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg

from services.cooperative import actions
from services.cooperative.app import worker
from services.cooperative.domain import MemberRow
from shared import bus
from shared.crypto import new_key_ring
from shared.db import create_engine, is_unavailable
from shared.events import TOPICS
from shared.events.cooperative import PayoutPosted
from shared.settings import Settings
from shared.values import new_id
from tests.cooperative.make import (
    ACCOUNTANT,
    APPROVER,
    NOW,
    OPENED,
    PAID_ON,
    Office,
    distribution_terms,
    make_household,
    opening_terms,
    payment_terms,
    reversal_terms,
)

VICTIM = "select count(*) from pg_stat_activity where application_name = 'victim' and xact_start is not null"
PATIENCE_SECONDS = 30
MEMBERS = 200


def settings_of(office: Office, folder: Path, bootstrap: str) -> Settings:
    ring = folder / "ring.json"
    ring.touch(mode=0o600)
    ring.write_text(json.dumps(new_key_ring()))
    given: dict[str, Any] = {
        "service": "cooperative",
        "home": folder,
        "database_url": office.database.worker,
        "kafka_bootstrap": bootstrap,
        "key_ring_file": ring,
        "jwks": str(folder / "jwks.json"),
    }
    return Settings.model_validate(given)


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():  # noqa: ASYNC110 - the table is what is waited for
            await asyncio.sleep(0.005)


async def under_way(paying: asyncio.Task[Any], killer: asyncpg.Connection) -> bool:
    """The victim is inside its transaction, or through with it."""
    return paying.done() or bool(await killer.fetchval(VICTIM))


async def test_from_the_household_heard_to_the_payout_said(
    office: Office, kafka_bootstrap: str, tmp_path: Path
) -> None:
    await bus.ensure_topics(kafka_bootstrap, TOPICS)
    running = asyncio.create_task(worker(settings_of(office, tmp_path, kafka_bootstrap)))
    listener = bus.make_consumer(kafka_bootstrap, str(new_id()), "test")
    listener.subscribe([PayoutPosted.TOPIC])
    producer = bus.make_producer(kafka_bootstrap, "test")
    await listener.start()
    await producer.start()
    try:
        fact = make_household(1)
        envelope = bus.Envelope(new_id(), "/registry", fact.TYPE, str(fact.household), NOW, fact.version)
        await producer.send_and_wait(
            fact.TOPIC, fact.model_dump_json().encode(), key=envelope.key.encode(), headers=bus.encode(envelope)
        )

        async def known() -> bool:
            return bool(await office.value("select count(*) from household where id = $1", fact.household))

        await until(known)
        book = await office.open_book()
        row = MemberRow(1, 1, fact.number, OPENED)
        assert (await office.do(actions.enter_members, book.id, [row], ACCOUNTANT, NOW)).refused == ()
        await office.post(book, opening_terms(63_120))
        await office.open_months(book, 201909)
        (distribution,) = await office.post(book, distribution_terms(63_120, PAID_ON))
        (paid,) = await office.post(book, payment_terms(distribution.id, PAID_ON))
        (back,) = await office.post(book, reversal_terms(paid.id, PAID_ON))
        said: list[PayoutPosted] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(said) < 2:
                record = await listener.getone()
                if record.key == str(fact.household).encode():
                    assert bus.decode(record.headers, record.key).said_at == NOW
                    said.append(PayoutPosted.model_validate_json(record.value))
        assert [(one.payout, one.fen, one.reverses) for one in said] == [
            (paid.id, 63_120, None),
            (back.id, -63_120, paid.id),
        ]
    finally:
        await bus.stop_producer(producer)
        await bus.stop_consumer(listener)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_session_killed_while_it_pays_pays_all_or_nothing_and_once(office: Office) -> None:
    book = await office.open_book()
    await office.enter(book, MEMBERS)
    await office.post(book, opening_terms(80_000))
    await office.open_months(book, 201909)
    killer = await asyncpg.connect(office.database.admin, ssl=False)
    killed = 0
    for delay_ms in range(0, 80, 10):
        (distribution,) = await office.post(book, distribution_terms(10_000, PAID_ON))
        draft = await office.draft(book, payment_terms(distribution.id, PAID_ON))
        before = await office.value("select count(*) from payout")
        victim = create_engine(office.database.api, pool_size=1, application="victim")
        office.api, keeper = victim, office.api
        paying = asyncio.create_task(office.approve(draft, APPROVER))

        await until(partial(under_way, paying, killer))
        await asyncio.sleep(delay_ms / 1_000)
        await killer.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'")
        (outcome,) = await asyncio.gather(paying, return_exceptions=True)
        office.api = keeper
        await victim.dispose()
        after = await office.value("select count(*) from payout")
        if isinstance(outcome, BaseException):
            assert is_unavailable(outcome), outcome
            killed += 1
            assert after in (before, before + MEMBERS)
        if after == before:
            await office.approve(draft, APPROVER)
        assert await office.value("select count(*) from payout") == before + MEMBERS
        assert await office.value("select count(*) from outbox") == before + MEMBERS
    await killer.close()
    assert killed >= 2, "the kills must hit work under way"
    assert await office.value("select sum(fen) from payout") == 80_000
    assert await office.faults() == []
