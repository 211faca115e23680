"""Builders for assessment's tests: circumstances in words, and an office over a real database whose clock moves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from services.assessment import app, inbox
from shared.clock import Clock, make_practice
from shared.crypto import new_key_ring
from shared.db import Transaction, create_engine, transaction
from shared.due import DueLoop
from shared.events import FACTS, Fact
from shared.events.registry import (
    CircumstancesRecorded,
    DivisionRecorded,
    HouseholdRecorded,
    IncomeRow,
    Living,
    Member,
    StatusSpan,
)
from shared.hearing import Heard, Record
from shared.jobs import JobRunner
from shared.settings import Settings
from shared.values import DivisionCode, Scope, new_id
from stack.provision import Database
from tests.shared.probe_api import Tokens

VILLAGE = DivisionCode.parse("623023101201")
NEIGHBOUR = DivisionCode.parse("623023102201")
COUNTY = DivisionCode.parse("623023")
ELSEWHERE = DivisionCode.parse("522630101201")
START = datetime(2019, 8, 20, 2, tzinfo=UTC)  # ten in the morning in Shanghai
YEAR = (date(2018, 10, 1), date(2019, 9, 30))
LINE_FEN = 321_800
NAMES = (
    ("62", "甘肃省", "province"),
    ("6230", "甘南藏族自治州", "prefecture"),
    ("623023", "舟曲县", "county"),
    ("623023101", "大川镇", "township"),
    ("623023102", "曲瓦乡", "township"),
    ("623023101201", "大川村", "village"),
    ("623023102201", "曲瓦村", "village"),
)
F = TypeVar("F", bound=Fact)


def make_member(
    relation: str = "head", birth_on: str | None = "1980-05-01", sex: str | None = "male", **more: Any
) -> Member:
    """A member who passes everything, unless told otherwise."""
    usual: dict[str, Any] = {
        "pseudonym": new_id(),
        "relation": relation,
        "sex": sex,
        "birth_on": birth_on,
        "present": True,
        "schooling": "not_student",
        "education": "junior",
        "health": "healthy",
        "labour": "ordinary",
        "medical_cover": "resident",
    }
    return Member.model_validate(usual | more)


def make_living(**more: Any) -> Living:
    """A home that passes everything, unless told otherwise."""
    usual: dict[str, Any] = {
        "food_assured": "yes",
        "clothing_assured": "yes",
        "housing_level": "A",
        "water_safe": "yes",
        "self_paid_medical_fen": 0,
        "insurance_paid_fen": 0,
    }
    return Living.model_validate(usual | more)


def make_income(fen: int, component: str = "A", paid_on: str | None = None, **more: Any) -> IncomeRow:
    """A declared row of the demo's income year, or a payout when it has a day of payment."""
    usual: dict[str, Any] = {
        "year_from": YEAR[0],
        "year_to": YEAR[1],
        "component": component,
        "item": "wage_work" if paid_on is None else "property_dividend",
        "source": "declared" if paid_on is None else "payout",
        "fen": fen,
        "paid_on": paid_on,
    }
    return IncomeRow.model_validate(usual | more)


def make_household(
    *,
    household: UUID | None = None,
    version: int = 1,
    division: DivisionCode = VILLAGE,
    status: str | None = "poor",
    statuses: Iterable[dict[str, Any]] | None = None,
    members: Iterable[Member] | None = None,
    living: Living | None = None,
    net_fen: int = LINE_FEN + 1,
    income: Iterable[IncomeRow] | None = None,
    declared: Iterable[tuple[date, date]] = (YEAR,),
    superseded_by: UUID | None = None,
) -> CircumstancesRecorded:
    """One person, poor, one fen above the line, nothing wanting; unless told otherwise."""
    spans = [] if status is None else [{"kind": status, "since": "2014-01-01"}]
    return CircumstancesRecorded(
        household=household or new_id(),
        version=version,
        division=division.text,
        statuses=tuple(StatusSpan.model_validate(one) for one in (spans if statuses is None else statuses)),
        members=(make_member(),) if members is None else tuple(members),
        living=living or make_living(),
        income=(make_income(net_fen),) if income is None else tuple(income),
        income_declared=tuple(declared),
        superseded_by=superseded_by,
    )


def make_listed(facts: CircumstancesRecorded, number: str | None = None, **more: Any) -> HouseholdRecorded:
    """What a public list shows of the same household."""
    usual: dict[str, Any] = {
        "household": facts.household,
        "version": facts.version,
        "number": number or f"{facts.division}0001",
        "division": facts.division,
        "group": "二组",
        "statuses": facts.statuses,
        "masked_head": "王*明",
        "headcount": len(facts.members),
    }
    return HouseholdRecorded.model_validate(usual | more)


def make_divisions() -> list[DivisionRecorded]:
    """The villages of the tests, and all above them."""
    facts = []
    for code, name, level in NAMES:
        division = DivisionCode.parse(code)
        parent = None if division.parent is None else division.parent.text
        given = {"version": 1, "code": division.text, "name": name, "level": level, "parent": parent}
        facts.append(DivisionRecorded.model_validate(given | {"valid_from": date(2014, 1, 1)}))
    return facts


def heard(fact: F, at: datetime, key: str | None = None) -> Heard[F]:
    """A fact as the consumer hands it over."""
    noun = key or str(getattr(fact, "household", getattr(fact, "publicity", getattr(fact, "code", ""))))
    place = Record(fact.TOPIC, 0, 0, noun.encode(), b"", (), 0)
    return Heard(fact, noun, new_id(), at, None, None, place)


@dataclass
class Office:
    """研判室: assessment over its own database: hears, works, does what is due, at a time of the test's choosing."""

    database: Database
    worker: AsyncEngine
    api: AsyncEngine
    now: datetime = START
    loop: DueLoop = field(init=False)

    @classmethod
    def of(cls, database: Database) -> Office:
        worker, api = (
            create_engine(login, pool_size=4, application="test-assessment")
            for login in (database.worker, database.api)
        )
        return cls(database, worker, api)

    def __post_init__(self) -> None:
        self.loop = DueLoop(self.worker, Clock(machine=lambda: self.now), app.DUE)

    async def close(self) -> None:
        await self.worker.dispose()
        await self.api.dispose()

    def door(self, scope: Scope | None = None) -> AbstractAsyncContextManager[Transaction]:
        """A transaction as the worker has it."""
        return transaction(self.worker, scope or Scope.everything(), caller="test")

    def desk(self, scope: Scope | None = None) -> AbstractAsyncContextManager[Transaction]:
        """A transaction as a request has it."""
        return transaction(self.api, scope or Scope.of([COUNTY]), caller="test")

    async def hear(self, *facts: Fact | Heard[Any]) -> None:
        """One batch, in one transaction, by type; said now unless they come with an envelope."""
        told = [one if isinstance(one, Heard) else heard(one, self.now) for one in facts]
        async with self.door() as tx:
            for model in dict.fromkeys(type(one.fact) for one in told):
                await inbox.HEARS[model](tx, [one for one in told if type(one.fact) is model])

    async def work(self) -> None:
        """All jobs that wait."""
        runner = JobRunner(self.worker, app.jobs(), lambda: self.now)
        while await runner.run_one():
            pass

    async def do_what_is_due(self) -> int:
        """One turn of the due-loop over all verbs."""
        return sum([await self.loop.turn(verb) for verb in app.DUE])

    async def days_pass(self, days: float) -> None:
        """Time goes on, and what fell due is done."""
        self.now += timedelta(days=days)
        await self.do_what_is_due()

    async def rows(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """What a superuser sees: only for looking, never for doing."""
        connection = await asyncpg.connect(self.database.admin, ssl=False)
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    async def said(self, model: type[F]) -> list[F]:
        """Facts of one kind on their way out, in order."""
        rows = await self.rows("select payload from outbox where type = $1 order by id", model.TYPE)
        return [model.model_validate_json(row["payload"]) for row in rows]

    async def said_types(self) -> list[type[Fact]]:
        """Kinds of all facts on their way out, in order."""
        return [FACTS[row["type"]] for row in await self.rows("select type from outbox order by id")]


@asynccontextmanager
async def visitors(office: Office, folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Tokens]]:
    """Assessment's own door, as a practice stack that stands at the office's time, and an issuer of tokens."""
    make_practice(folder, office.now)
    tokens = Tokens(folder)
    ring = folder / "keys.json"
    ring.touch(mode=0o600)
    ring.write_text(json.dumps(new_key_ring()))
    settings = Settings(
        service="assessment",
        home=folder,
        practice=True,
        database_url=office.database.api,
        key_ring_file=ring,
        jwks=str(tokens.file),
    )
    door = app.api(settings)
    async with door.router.lifespan_context(door):
        transport = httpx.ASGITransport(door, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://assessment") as client:
            yield client, tokens
