"""Builders for notify's tests: a small post office over a real database, with a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify import inbox
from services.notify.app import api, due_verbs
from services.notify.partners import PublicPage
from shared.clock import Clock, make_practice
from shared.crypto import new_key_ring
from shared.db import Transaction, create_engine, transaction
from shared.due import DueLoop
from shared.events import FACTS, Fact
from shared.events.assessment import PublicityEnded, PublicityItem, PublicityOpened
from shared.events.registry import DivisionRecorded
from shared.hearing import Heard, Record
from shared.settings import Settings
from shared.values import DivisionCode, Scope, new_id
from stack.provision import Database
from tests.shared.probe_api import Tokens

VILLAGE = DivisionCode.parse("522630101201")
NEIGHBOUR = DivisionCode.parse("522630101202")
TOWN = DivisionCode.parse("522630101")
COUNTY = DivisionCode.parse("522630")
POSTED = datetime(2019, 8, 23, 2, tzinfo=UTC)  # ten in the morning in Shanghai
NAMES = (
    ("520000", "贵州省", "province"),
    ("522600", "黔东南苗族侗族自治州", "prefecture"),
    ("522630", "台江县", "county"),
    ("522630101", "方召镇", "township"),
    ("522630101201", "反排村", "village"),
    ("522630101202", "交汪村", "village"),
)
F = TypeVar("F", bound=Fact)


def heard(fact: F, at: datetime = POSTED, key: str | None = None) -> Heard[F]:
    """A fact as the consumer hands it over."""
    noun = key or str(getattr(fact, "publicity", getattr(fact, "code", "")))
    place = Record(fact.TOPIC, 0, 0, noun.encode(), b"", (), 0)
    return Heard(fact, noun, new_id(), at, None, None, place)


def divisions() -> list[Heard[DivisionRecorded]]:
    facts = []
    for code, name, level in NAMES:
        division = DivisionCode.parse(code)
        parent = None if division.parent is None else division.parent.text
        facts.append(
            DivisionRecorded(
                version=1,
                code=division.text,
                name=name,
                level=level,
                parent=parent,
                valid_from=date(2016, 1, 1),
            )
        )
    return [heard(fact) for fact in facts]


def item(
    masked_head: str = "王*明", group: str | None = "二组", category: str = "poor", headcount: int = 4
) -> PublicityItem:
    return PublicityItem(case=new_id(), masked_head=masked_head, group=group, category=category, headcount=headcount)


def opened(
    *items: PublicityItem,
    publicity: UUID | None = None,
    village: DivisionCode = VILLAGE,
    days: int = 7,
    objections_to: str = "反排村村民委员会（值班电话 0855-5221234）",
) -> PublicityOpened:
    return PublicityOpened(
        publicity=publicity or new_id(),
        kind="exit",
        village=village.text,
        days=days,
        opened_on=date(2019, 8, 23),
        objections_to=objections_to,
        items=items or (item(), item("李*", "一组", headcount=2)),
    )


def ended(publicity: UUID, reason: str = "withdrawn", village: DivisionCode = VILLAGE) -> PublicityEnded:
    return PublicityEnded(publicity=publicity, village=village.text, ended_on=date(2019, 8, 25), reason=reason)


@dataclass
class PostOffice:
    """Notify over its own database: hears, does what is due, at a time of the test's choosing."""

    database: Database
    worker: AsyncEngine
    now: datetime = POSTED
    settings_folder: Path | None = None
    loop: DueLoop = field(init=False)

    @classmethod
    def of(cls, database: Database) -> PostOffice:
        return cls(database, create_engine(database.worker, pool_size=2, application="test-notify"))

    def __post_init__(self) -> None:
        self.loop = DueLoop(self.worker, Clock(machine=lambda: self.now), due_verbs(PublicPage()))

    async def close(self) -> None:
        await self.worker.dispose()

    def door(self, scope: Scope | None = None) -> AbstractAsyncContextManager[Transaction]:
        return transaction(self.worker, scope or Scope.everything(), caller="test")

    async def hear(self, *facts: Heard[Any]) -> None:
        """One batch, in one transaction, by type."""
        async with self.door() as tx:
            for model in dict.fromkeys(type(one.fact) for one in facts):
                await inbox.HEARS[model](tx, [one for one in facts if type(one.fact) is model])

    async def do_what_is_due(self) -> int:
        """One turn of the due-loop over all verbs."""
        return sum([await self.loop.turn(verb) for verb in due_verbs(PublicPage())])

    async def days_pass(self, days: float) -> None:
        self.now += timedelta(days=days)
        await self.do_what_is_due()

    async def hang(self, *items: PublicityItem, **more: Any) -> PublicityOpened:
        """A notice that hangs."""
        fact = opened(*items, **more)
        await self.hear(*divisions(), heard(fact, self.now))
        await self.do_what_is_due()
        return fact

    async def rows(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """What a superuser sees: only for looking, never for doing."""
        connection = await asyncpg.connect(self.database.admin, ssl=False)
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    async def said(self) -> list[Fact]:
        """Facts on their way out, in order."""
        rows = await self.rows("select type, payload from outbox order by id")
        return [FACTS[row["type"]].model_validate_json(row["payload"]) for row in rows]

    async def state_of(self, publicity: UUID) -> str:
        [row] = await self.rows("select state from notice where publicity = $1", publicity)
        return str(row["state"])


@asynccontextmanager
async def visitors(office: PostOffice, folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Tokens]]:
    """Notify's own door, as a practice stack that stands at the office's time, and an issuer of tokens."""
    make_practice(folder, office.now)
    tokens = Tokens(folder)
    ring = folder / "keys.json"
    ring.touch(mode=0o600)
    ring.write_text(json.dumps(new_key_ring()))
    settings = Settings(
        service="notify",
        home=folder,
        practice=True,
        database_url=office.database.api,
        key_ring_file=ring,
        jwks=str(tokens.file),
    )
    app = api(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://notify") as client:
            yield client, tokens
