"""A small town over the real database: households already judged, officers, a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from services.assessment.actions import cases, objections, publicity
from services.assessment.api import cases as cases_api
from services.assessment.api import procedures as procedures_api
from services.assessment.api import publicity as publicity_api
from services.assessment.domain.cases import Actor, Case
from services.assessment.domain.publicity import Publicity
from shared.clock import Clock, make_practice
from shared.crypto import new_key_ring
from shared.db import Transaction, create_engine, transaction
from shared.due import DueLoop, Verb
from shared.events import FACTS, Fact
from shared.events.notify import NoticePosted, NoticeTakenDown
from shared.events.registry import HouseholdRecorded, StatusSpan
from shared.hearing import Heard, Record
from shared.settings import Settings
from shared.values import DivisionCode, Scope, new_id
from shared.web import create_app
from stack.provision import Database
from tests.shared.probe_api import Tokens

VILLAGE = DivisionCode.parse("522630101201")
NEIGHBOUR = DivisionCode.parse("522630101202")
TOWN = DivisionCode.parse("522630101")
OTHER_TOWN = DivisionCode.parse("522630102")
MORNING = datetime(2019, 8, 21, 1, tzinfo=UTC)
F = TypeVar("F", bound=Fact)


def officer(sub: str, *roles: str, at: DivisionCode = TOWN) -> Actor:
    return Actor(sub, sub, frozenset(roles), Scope.of([at]))


CLERK = officer("chen", "clerk")
REVIEWER = officer("ren", "reviewer")
APPROVER = officer("fang", "approver")
MEETING = {"held_on": "2019-08-21", "due": 30, "present": 20, "for": 20, "against": 0}
VERIFIED = {"verified_on": "2019-08-21", "village_by": "王强", "team_by": "李敏"}
SIGNED = {"signed_on": "2019-08-21", "document": "认字2019-1"}


def heard(fact: F, at: datetime, key: str = "x") -> Heard[F]:
    place = Record(fact.TOPIC, 0, 0, key.encode(), b"", (), 0)
    return Heard(fact, key, new_id(), at, None, None, place)


@dataclass
class TownHall:
    """Assessment's procedures over its own database."""

    database: Database
    api: AsyncEngine
    worker: AsyncEngine
    now: datetime = MORNING
    numbers: int = 0
    loop: DueLoop = field(init=False)

    @classmethod
    def of(cls, database: Database) -> TownHall:
        return cls(
            database,
            create_engine(database.api, pool_size=4, application="test-api"),
            create_engine(database.worker, pool_size=2, application="test-worker"),
        )

    def __post_init__(self) -> None:
        self.loop = DueLoop(self.worker, Clock(machine=lambda: self.now), [self.end_verb])

    @property
    def end_verb(self) -> Verb:
        return Verb(publicity.END, publicity.end_publicities)

    async def close(self) -> None:
        await self.api.dispose()
        await self.worker.dispose()

    # What others told: put there as a superuser, because hearing it is tested elsewhere.

    async def rows(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database.admin, ssl=False)
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    async def household(
        self,
        verdict: str = "met",
        village: DivisionCode = VILLAGE,
        masked_head: str = "王*明",
        status: str = "poor",
        since: str = "2014-01-01",
    ) -> UUID:
        """A household that registry told of and that was judged."""
        household = new_id()
        self.numbers += 1
        statuses = json.dumps([{"kind": status, "since": since, "until": None, "decision": None}])
        await self.rows(
            'insert into household (id, version, number, division, "group", statuses, masked_head, headcount,'
            " decisions) values ($1, 1, $2, $3, '二组', $4::jsonb, $5, 4, '{}')",
            household,
            f"{village.text}{self.numbers:04d}",
            village.value,
            statuses,
            masked_head,
        )
        await self.judged(household, verdict, village)
        return household

    async def judged(self, household: UUID, verdict: str, village: DivisionCode = VILLAGE) -> UUID:
        """A newer judgement of it."""
        judgement = new_id()
        found = await self.rows(
            "select coalesce(max(version), 0) + 1 as v from judgement where household = $1", household
        )
        version = found[0]["v"]
        await self.rows(
            "insert into judgement (id, household, version, household_version, division, judged_on, judged_at)"
            " values ($1, $2, $3, $3, $4, '2019-08-20', now())",
            judgement,
            household,
            version,
            village.value,
        )
        await self.rows(
            "insert into finding (judgement, pack, division, pack_hash, numbers_hash, verdict, fail, unknown, figures)"
            " values ($1, 'exit', $2, 'h', 'n', $3, 0, 0, '{}')",
            judgement,
            village.value,
            verdict,
        )
        await self.rows(
            "insert into subject (household, division, circumstance_version, layout, packed_household, packed_members,"
            " packed_income, packed_statuses, packed_declarations, version, judgement)"
            " values ($1, $2, $3, 'l', '', '', '', '', '', $3, $4)"
            " on conflict (household) do update set version = excluded.version, judgement = excluded.judgement",
            household,
            village.value,
            version,
            judgement,
        )
        return judgement

    # What officers do: through the api's login, under their own scope.

    def door(self, by: Actor) -> AbstractAsyncContextManager[Transaction]:
        return transaction(self.api, by.scope, caller=by.sub)

    async def open(self, *households: UUID, by: Actor = CLERK, village: DivisionCode = VILLAGE) -> list[cases.Outcome]:
        async with self.door(by) as tx:
            return await cases.open_cases(tx, by, "exit", village, households, self.now)

    async def step(
        self, step: str, evidence: Mapping[str, object], *ids: UUID, by: Actor = CLERK
    ) -> list[cases.Outcome]:
        async with self.door(by) as tx:
            return await cases.take_steps(tx, by, step, [cases.Asked(one) for one in ids], evidence, self.now)

    async def agreed(self, count: int = 1, village: DivisionCode = VILLAGE) -> list[UUID]:
        """Cases that wait for their list."""
        households = [await self.household(village=village) for _ in range(count)]
        ids = [must(one).id for one in await self.open(*households, village=village)]
        for step, evidence in (
            ("meeting", {**MEETING, "held_on": self.today}),
            ("verify", {**VERIFIED, "verified_on": self.today}),
            ("consent", {**SIGNED, "signed_on": self.today}),
        ):
            for outcome in await self.step(step, evidence, *ids):
                must(outcome)
        return ids

    async def publish(
        self, *ids: UUID, by: Actor = CLERK, village: DivisionCode = VILLAGE
    ) -> tuple[Publicity | None, list[cases.Outcome]]:
        async with self.door(by) as tx:
            wish = publicity.Wish("exit", village, ids, "村委会 0855-5221234")
            return await publicity.open_list(tx, by, wish, self.now)

    async def hung(self, count: int = 1) -> tuple[Publicity, list[UUID]]:
        """A list that hangs."""
        ids = await self.agreed(count)
        opened, _ = await self.publish(*ids)
        assert opened is not None
        await self.hear_posted(opened)
        return opened, ids

    async def object(self, case_id: UUID, by: Actor = CLERK) -> UUID:
        words = objections.Words("赵某", "家有商铺", date(2019, 8, 21))
        async with self.door(by) as tx:
            raised, _ = await objections.receive(tx, by, case_id, words, self.now)
        return raised.id

    async def close_objection(self, objection_id: UUID, finding: Any, by: Actor = REVIEWER) -> Case:
        async with self.door(by) as tx:
            return (await objections.close(tx, by, objection_id, finding, "已核查", self.now))[1]

    async def approve(self, *ids: UUID, by: Actor = APPROVER) -> list[cases.Outcome]:
        paper = {"document_number": "镇发〔2019〕31号", "effective_on": self.today}
        return await self.step("approve", paper, *ids, by=by)

    @property
    def today(self) -> str:
        return (self.now + timedelta(hours=8)).strftime("%Y-%m-%d")

    # What the worker does: hears and does what is due.

    async def hear_posted(self, opened: Publicity, at: datetime | None = None) -> None:
        fact = NoticePosted(
            publicity=opened.id,
            notice=new_id(),
            village=opened.village.text,
            posted_at=at or self.now,
            first_day=date(2000, 1, 1),
            last_day=date(2000, 1, 1),
            content_hash="c" * 64,
        )
        async with transaction(self.worker, Scope.everything(), caller="test") as tx:
            await publicity.note_posted(tx, [heard(fact, self.now)])

    async def hear_taken_down(self, opened: Publicity) -> None:
        fact = NoticeTakenDown(
            publicity=opened.id,
            notice=new_id(),
            village=opened.village.text,
            taken_down_at=self.now,
            content_hash="c" * 64,
        )
        async with transaction(self.worker, Scope.everything(), caller="test") as tx:
            await publicity.note_taken_down(tx, [heard(fact, self.now)])

    async def hear_household(self, household: UUID, *decisions: UUID, version: int = 2) -> None:
        fact = HouseholdRecorded(
            household=household,
            version=version,
            number=f"{VILLAGE.text}0001",
            division=VILLAGE.text,
            group=None,
            statuses=(StatusSpan(kind="lifted", since=date(2019, 8, 31)),),
            masked_head="王*明",
            headcount=4,
            decisions=decisions,
        )
        async with transaction(self.worker, Scope.everything(), caller="test") as tx:
            await cases.mark_decided(tx, [heard(fact, self.now)])

    async def days_pass(self, days: float) -> None:
        self.now += timedelta(days=days)
        await self.loop.turn(self.end_verb)

    async def said(self, *kinds: type[Fact]) -> list[Fact]:
        rows = await self.rows("select type, payload from outbox order by id")
        facts = [FACTS[row["type"]].model_validate_json(row["payload"]) for row in rows]
        return [fact for fact in facts if not kinds or isinstance(fact, kinds)]

    async def state_of(self, case_id: UUID) -> str:
        [row] = await self.rows("select state from case_file where id = $1", case_id)
        return str(row["state"])

    @asynccontextmanager
    async def counter(self, folder: Path) -> AsyncIterator[Counter]:
        """The procedures' own HTTP door, as a practice stack that stands at the town's time."""
        make_practice(folder, self.now)
        tokens = Tokens(folder)
        ring = folder / "keys.json"
        ring.touch(mode=0o600)
        ring.write_text(json.dumps(new_key_ring()))
        settings = Settings(
            service="assessment",
            home=folder,
            practice=True,
            database_url=self.database.api,
            key_ring_file=ring,
            jwks=str(tokens.file),
        )
        routers = (*cases_api.ROUTERS, *publicity_api.ROUTERS, *procedures_api.ROUTERS)
        app = create_app(settings, routers, title="试验")
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://town/assessment/v1") as client:
                yield Counter(self, client, tokens)


@dataclass
class Counter:
    """窗口: an officer before the HTTP door."""

    town: TownHall
    client: httpx.AsyncClient
    tokens: Tokens

    def move_the_clock(self) -> None:
        """The door's time follows the town's."""
        Clock(self.tokens.file.parent).move_to(self.town.now)

    def _headers(self, by: Actor, more: Mapping[str, str]) -> dict[str, str]:
        divisions = tuple(str(lo) for lo, _ in by.scope.ranges)
        token = self.tokens.make(sub=by.sub, roles=tuple(by.roles), divisions=divisions)
        return {"Authorization": f"Bearer {token}", **more}

    async def get(self, path: str, by: Actor = CLERK, **asked: Any) -> httpx.Response:
        return await self.client.get(path, params=asked, headers=self._headers(by, {}))

    async def post(
        self, path: str, body: Any, by: Actor = CLERK, key: str | None = None, **headers: str
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        more = {"Idempotency-Key": key or str(new_id()), **named}
        return await self.client.post(path, json=body, headers=self._headers(by, more))


def must(outcome: cases.Outcome) -> Case:
    """The case, or the refusal as a failure of the test."""
    if outcome.problem is not None:
        raise outcome.problem
    assert outcome.case is not None
    return outcome.case


def code_of(outcome: cases.Outcome) -> str:
    assert outcome.problem is not None, "it should have been refused"
    return outcome.problem.code
