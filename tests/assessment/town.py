"""A small town over the real database: households told and judged, officers, a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from services.assessment.actions import cases, objections, publicity
from services.assessment.domain.cases import Actor, Case
from services.assessment.domain.publicity import Publicity
from shared.clock import Clock
from shared.db import Transaction, create_engine, transaction
from shared.due import Verb
from shared.events.notify import NoticePosted, NoticeTakenDown
from shared.events.registry import CircumstancesRecorded, RefusedDecision
from shared.values import DivisionCode, Scope, new_id
from stack.provision import Database
from tests.assessment.make import LINE_FEN, Office, heard, make_household, make_listed, make_living, visitors
from tests.shared.probe_api import Tokens

VILLAGE = DivisionCode.parse("522630101201")
NEIGHBOUR = DivisionCode.parse("522630101202")
TOWN = DivisionCode.parse("522630101")
OTHER_TOWN = DivisionCode.parse("522630102")
MORNING = datetime(2019, 8, 21, 1, tzinfo=UTC)


def officer(sub: str, *roles: str, at: DivisionCode = TOWN) -> Actor:
    return Actor(sub, sub, frozenset(roles), Scope.of([at]))


CLERK = officer("chen", "clerk")
REVIEWER = officer("ren", "reviewer")
APPROVER = officer("fang", "approver")
MEETING = {"held_on": "2019-08-21", "due": 30, "present": 20, "for": 20, "against": 0}
VERIFIED = {"verified_on": "2019-08-21", "village_by": "王强", "team_by": "李敏"}
SIGNED = {"signed_on": "2019-08-21", "document": "认字2019-1"}
SAYING: dict[str, dict[str, Any]] = {
    "met": {},
    "unmet": {"net_fen": LINE_FEN - 1},
    "unknown": {"living": make_living(food_assured=None)},
}


@dataclass
class TownHall(Office):
    """Assessment as the officers of a town see it."""

    told: dict[UUID, CircumstancesRecorded] = field(default_factory=dict)

    @classmethod
    def of(cls, database: Database) -> TownHall:
        worker, api = (
            create_engine(login, pool_size=4, application="test-town") for login in (database.worker, database.api)
        )
        return cls(database, worker, api, MORNING)

    # What others told.

    async def household(
        self, verdict: str = "met", village: DivisionCode = VILLAGE, masked_head: str = "王*明", status: str = "poor"
    ) -> UUID:
        """A household that registry told of and that was judged so."""
        facts = make_household(division=village, status=status, **SAYING[verdict])
        self.told[facts.household] = facts
        number = f"{village.text}{len(self.told):04d}"
        await self.hear(make_listed(facts, number, masked_head=masked_head), facts)
        return facts.household

    async def judged(self, household: UUID, verdict: str) -> UUID:
        """Registry tells of it again, and it is judged anew."""
        before = self.told[household]
        division = DivisionCode.parse(before.division)
        facts = make_household(household=household, version=before.version + 1, division=division, **SAYING[verdict])
        self.told[household] = facts
        await self.hear(facts)
        [row] = await self.rows("select judgement from subject where household = $1", household)
        return UUID(str(row["judgement"]))

    # What officers do: through the api's login, under their own scope.

    def door_of(self, by: Actor) -> AbstractAsyncContextManager[Transaction]:
        return transaction(self.api, by.scope, caller=by.sub)

    async def open(self, *households: UUID, by: Actor = CLERK, village: DivisionCode = VILLAGE) -> list[cases.Outcome]:
        async with self.door_of(by) as tx:
            return await cases.open_cases(tx, by, "exit", village, households, self.now)

    async def step(
        self, step: str, evidence: Mapping[str, object], *ids: UUID, by: Actor = CLERK
    ) -> list[cases.Outcome]:
        async with self.door_of(by) as tx:
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
        async with self.door_of(by) as tx:
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
        words = objections.Words("赵某", "家有商铺", date.fromisoformat(self.today))
        async with self.door_of(by) as tx:
            raised, _ = await objections.receive(tx, by, case_id, words, self.now)
        return raised.id

    async def close_objection(self, objection_id: UUID, finding: Any, by: Actor = REVIEWER) -> Case:
        async with self.door_of(by) as tx:
            return (await objections.close(tx, by, objection_id, finding, "已核查", self.now))[1]

    async def approve(self, *ids: UUID, by: Actor = APPROVER) -> list[cases.Outcome]:
        paper = {"document_number": "镇发〔2019〕31号", "effective_on": self.today}
        return await self.step("approve", paper, *ids, by=by)

    @property
    def today(self) -> str:
        return (self.now + timedelta(hours=8)).strftime("%Y-%m-%d")

    # What the worker hears and does.

    @property
    def end_verb(self) -> Verb:
        return Verb(publicity.END, publicity.end_publicities)

    async def hear_posted(self, opened: Publicity, at: datetime | None = None) -> None:
        await self.hear(
            NoticePosted(
                publicity=opened.id,
                notice=new_id(),
                village=opened.village.text,
                posted_at=at or self.now,
                first_day=date(2000, 1, 1),
                last_day=date(2000, 1, 1),
                content_hash="c" * 64,
            )
        )

    async def hear_taken_down(self, opened: Publicity) -> None:
        await self.hear(
            NoticeTakenDown(
                publicity=opened.id,
                notice=new_id(),
                village=opened.village.text,
                taken_down_at=self.now,
                content_hash="c" * 64,
            )
        )

    async def hear_decisions(self, household: UUID, *decisions: UUID, version: int = 2) -> None:
        """Registry tells which decisions it has applied."""
        facts = self.told[household]
        listed = make_listed(facts, f"{facts.division}9999", version=version, decisions=decisions)
        await self.hear(heard(listed, self.now))

    async def hear_refused(self, household: UUID, decision: UUID, reason: str, version: int = 2) -> None:
        """Registry tells that a decision came to nothing, and why."""
        facts = self.told[household]
        listed = make_listed(facts, f"{facts.division}9999", version=version)
        refused = (RefusedDecision(decision=decision, reason=reason),)
        await self.hear(heard(listed.model_copy(update={"decisions_refused": refused}), self.now))

    async def state_of(self, case_id: UUID) -> str:
        [row] = await self.rows("select state from case_file where id = $1", case_id)
        return str(row["state"])

    @asynccontextmanager
    async def counter(self, folder: Path) -> AsyncIterator[Counter]:
        """Assessment's own HTTP door, as a practice stack that stands at the town's time."""
        async with visitors(self, folder) as (client, tokens):
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
        return await self.client.get(f"/assessment/v1{path}", params=asked, headers=self._headers(by, {}))

    async def post(
        self, path: str, body: Any, by: Actor = CLERK, key: str | None = None, **headers: str
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        more = {"Idempotency-Key": key or str(new_id()), **named}
        return await self.client.post(f"/assessment/v1{path}", json=body, headers=self._headers(by, more))


def must(outcome: cases.Outcome) -> Case:
    """The case, or the refusal as a failure of the test."""
    if outcome.problem is not None:
        raise outcome.problem
    assert outcome.case is not None
    return outcome.case


def code_of(outcome: cases.Outcome) -> str:
    assert outcome.problem is not None, "it should have been refused"
    return outcome.problem.code
