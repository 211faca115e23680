"""Random histories of files, forms, moves, decisions and payouts against the plain replay of their log."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.registry.app import check
from shared.clock import SHANGHAI, Clock
from shared.db import transaction
from shared.values import Scope
from tests.registry.ground import NEXT_VILLAGE, VILLAGE, Ground, file_of
from tests.registry.replay import Deed, replayed
from tests.registry.sheets import Row, member
from tests.registry.test_inbox import decided, hear, paid, record

NUMBERS = [f"{VILLAGE}0001", f"{VILLAGE}0002"]
LAST_DAY = date(2019, 8, 25)
HEALTH = {"healthy": "健康", "chronic": "长期慢性病", "serious": "患有大病"}
RELATION = {"head": "户主", "spouse": "配偶", "son": "之子"}
PEOPLE = {
    "李秀英": ("head", "女", "1980-03-05", 2),
    "王建国": ("spouse", "男", "1978-11-20", 3),
    "王小明": ("son", "男", "2010-01-12", 3),
}
YEAR = {"year_from": "2018-10-01", "year_to": "2019-09-30"}
POOR_SINCE = date(2014, 3, 1)
Members = dict[str, tuple[str, str]]


@dataclass
class Story:
    """What is done to two households, and the log of it."""

    ground: Ground
    chance: random.Random
    log: list[Deed] = field(default_factory=list)
    marks: list[datetime] = field(default_factory=list)
    ids: dict[str, UUID] = field(default_factory=dict)
    people: dict[tuple[str, str], str] = field(default_factory=dict)
    members: dict[str, Members] = field(default_factory=dict)
    on: date = date(2019, 1, 10)
    position: int = 0

    def mark(self) -> None:
        """A moment between two deeds."""
        self.marks.append(Clock(self.ground.folder).now())

    def noted(self, number: str, kind: str, on: date, **said: Any) -> None:
        self.log.append(Deed(self.marks[-1], number, kind, on, said))

    def seen(self) -> dict[str, Any]:
        return {"group": self.chance.choice(["一组", "二组"]), "housing": self.chance.choice("AC")}

    async def file(self, *, is_first: bool = False) -> None:
        """Both households again: who is in them, how they are, what they earn."""
        sheets: list[list[Row]] = []
        said: dict[str, dict[str, Any]] = {}
        for order, number in enumerate(NUMBERS, start=1):
            before = self.members.get(number) or {name: (PEOPLE[name][0], "") for name in PEOPLE}
            self.members[number] = {name: (one[0], self.chance.choice(list(HEALTH))) for name, one in before.items()}
            said[number] = {"facts": self.seen(), "members": self.members[number], "wage": self.chance.choice([9, 8])}
            sheets.append(self.rows(number, order, said[number], is_first=is_first))
            if is_first:
                said[number] |= {"poor": POOR_SINCE, "facts": said[number]["facts"] | {"division": VILLAGE.text}}
        self.ground.now = Clock(self.ground.folder).now()
        found = await self.ground.intake(file_of(*sheets), observed_on=str(self.on))
        assert (found["job"]["state"], found["rows_refused"]) == ("done", 0), found
        self.mark()
        for number in NUMBERS:
            self.noted(number, "form", self.on, **said[number])

    def rows(self, number: str, order: int, said: dict[str, Any], *, is_first: bool) -> list[Row]:
        facts = said["facts"]
        lines: list[Row] = []
        about = {"村民小组": facts["group"], "住房安全等级": f"{facts['housing']}级", "务工收入": f"{said['wage']}.00"}
        about |= {"收入年度起": YEAR["year_from"], "收入年度止": YEAR["year_to"]}
        about |= {"户类型": "贫困户", "识别时间": str(POOR_SINCE)} if is_first else {}
        for name, (relation, health) in sorted(said["members"].items(), key=lambda one: one[1][0] != "head"):
            _, sex, born, serial = PEOPLE[name]
            own = member(name, RELATION.get(relation, "其他"), sex, born, 20 * order + serial, 健康状况=HEALTH[health])
            lines.append({"户编号": number, **(about if not lines else {}), **own})
        return lines

    async def know(self) -> None:
        """Ids of households and of their people."""
        for number in NUMBERS:
            answer = await self.ground.get(f"/households/by-number/{number}", params={"purpose": "核对"})
            self.ids[number] = UUID(answer.json()["id"])
            for one in answer.json()["members"]:
                self.people[number, one["person"]["name"]] = one["person"]["id"]

    async def form(self, number: str) -> None:
        """An officer's form: another group and house, perhaps another village, other members, another wage."""
        said: dict[str, Any] = {"facts": self.seen()}
        if self.chance.random() < 0.3:
            said["facts"]["division"] = self.chance.choice([VILLAGE, NEXT_VILLAGE]).text
        if self.chance.random() < 0.6:
            said["members"] = self.members[number] = self.others()
        if self.chance.random() < 0.3:
            said["wage"] = self.chance.choice([7, 6])
        await self.sent(number, said, {})

    def others(self) -> Members:
        """Some of the three, one of them the head."""
        names = self.chance.sample(list(PEOPLE), self.chance.randrange(1, 4))
        head = self.chance.choice(names)
        return {
            name: (
                "head" if name == head else "spouse" if name != "王小明" else "son",
                self.chance.choice(list(HEALTH)),
            )
            for name in names
        }

    async def minimum(self, number: str) -> None:
        """最低生活保障 is said, since a day that may lie before the visit, or is said no more."""
        back = timedelta(days=self.chance.randrange(0, 90))
        since = self.on - back if self.chance.random() < 0.7 else None
        plain = (await self.ground.get(f"/households/{self.ids[number]}")).json()["statuses"]
        named = [
            {"kind": one["kind"], "since": one["since"]}
            for one in plain
            if one["until"] is None and one["kind"] != "minimum_living"
        ]
        if since is not None:
            named.append({"kind": "minimum_living", "since": str(since)})
        await self.sent(number, {"facts": {}, "minimum_living": since}, {"statuses": named})

    async def sent(self, number: str, said: dict[str, Any], body: dict[str, Any]) -> None:
        facts = said["facts"]
        body = {"observed_on": str(self.on), **body}
        body |= {name: facts[name] for name in ("group", "division") if name in facts}
        if "housing" in facts:
            body["living"] = {"housing_level": facts["housing"]}
        if "members" in said:
            body["members"] = [
                {"id": self.people[number, name], "relation": relation, "health": health}
                for name, (relation, health) in said["members"].items()
            ]
        if "wage" in said:
            body["income"] = [{**YEAR, "items": {"wage_work": f"{said['wage']}.00"}}]
        path = f"/households/{self.ids[number]}"
        answer = await self.ground.ask("PATCH", path, json=body, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text
        self.mark()
        self.noted(number, "form", self.on, **said)

    async def fact(self, number: str) -> None:
        """A decision or a payout, told late as often as not: it is not known before what the register held by then."""
        day = date(2019, 2, 1) + timedelta(days=self.chance.randrange(0, 200))
        said_at = self.chance.choice([self.marks[0], Clock(self.ground.folder).now()])
        if self.chance.random() < 0.4:
            fact: Any = decided(self.ids[number], effective_on=day)
            kind, said = "decision", {}
        else:
            fact = paid(self.ids[number], self.chance.randrange(1, 900), paid_on=day)
            kind, said = "payout", {"id": str(fact.payout), "fen": fact.fen}
        await hear(self.ground, [record(fact, self.position, said_at=said_at)])
        self.position += 1
        known = max(said_at, *(one.known for one in self.log if one.household == number))
        self.mark()
        self.log.append(Deed(known, number, kind, day, said))

    async def happens(self) -> None:
        """One deed more, on a day not before the last."""
        self.on = min(LAST_DAY, self.on + timedelta(days=self.chance.randrange(0, 40)))
        number = self.chance.choice(NUMBERS)
        await self.chance.choices([self.form, self.minimum, self.fact], [5, 2, 4])[0](number)


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    """What is compared of an answer in clear."""
    amounts = {"declared": 0, "payout": 0}
    for row in answer["income"]:
        if row["item"] in ("wage_work", "property_dividend"):
            amounts[row["source"]] += round(float(row["amount"]) * 100)
    return {
        "division": answer["division"],
        "group": answer["group"],
        "housing": answer["living"]["housing_level"],
        "members": sorted(
            (one["relation"], one["person"]["name"], one["person"]["health"]) for one in answer["members"]
        ),
        "statuses": sorted(one["kind"] for one in answer["statuses"] if one["until"] is None),
        "wage": amounts["declared"] // 100 or None,
        "paid": amounts["payout"],
    }


@pytest.mark.parametrize("seed", range(3))
async def test_any_day_at_any_moment_is_as_the_log_says(ground: Ground, seed: int) -> None:
    chance = random.Random(seed)
    story = Story(ground, chance)
    story.mark()
    await story.file(is_first=True)
    await story.know()
    for step in range(14):
        if step == 9:
            await story.file()
        await story.happens()
    moments = chance.sample(story.marks, 8)
    days = [
        date(2013, 1, 1),
        date(2016, 1, 1),
        *(date(2018, 12, 1) + timedelta(days=chance.randrange(300)) for _ in range(8)),
    ]
    for moment, day in zip(moments, days, strict=False):
        await asked(story, day, moment)
    async with transaction(ground.engine, Scope.everything()) as tx:
        assert await check(tx) == []


async def asked(story: Story, day: date, moment: datetime) -> None:
    """Each household, each village's list and its counts."""
    times = {"as_of": str(day), "known_at": moment.astimezone(SHANGHAI).isoformat()}
    expected = {number: replayed(story.log, number, day, moment) for number in NUMBERS}
    for number, then in expected.items():
        answer = await story.ground.get(f"/households/by-number/{number}", params={**times, "purpose": "核对"})
        found = shown(answer.json()) if answer.status_code == 200 else answer.json()["code"]
        assert found == (then or "household.unknown_then"), (number, times, story.log)
    for village in (VILLAGE, NEXT_VILLAGE):
        there = {number: one for number, one in expected.items() if one and one["division"] == village.text}
        given = {**times, "division": village.text}
        page = (await story.ground.get("/households", params={**given, "limit": "50"})).json()
        assert [(one["number"], one["headcount"], one["statuses"]) for one in page["items"]] == [
            (number, len(one["members"]), one["statuses"]) for number, one in sorted(there.items())
        ], (times, story.log)
        counts = (await story.ground.get("/reports/households", params=given)).json()
        kinds = [kind for one in there.values() for kind in one["statuses"]]
        assert (counts["households"], counts["persons"], counts["by_status"]) == (
            len(there),
            sum(len(one["members"]) for one in there.values()),
            {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        )
