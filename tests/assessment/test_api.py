"""Judging over HTTP: a judgement with reasons, lists and counts, runs, and numbers that enter by two persons."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.assessment import app
from services.assessment.actions.runs import ask_for_run
from services.assessment.rules import pack
from shared.clock import Clock
from shared.db import create_engine, transaction
from shared.events.assessment import HouseholdJudged
from shared.values import Scope, new_id
from tests.assessment.make import (
    COUNTY,
    ELSEWHERE,
    LINE_FEN,
    NEIGHBOUR,
    VILLAGE,
    Office,
    make_divisions,
    make_household,
    make_listed,
    make_living,
    make_member,
    visitors,
)
from tests.assessment.test_judging import REVIEWER
from tests.shared.probe_api import Tokens

V1 = "/assessment/v1"


@dataclass
class Desk:
    """窗口: an officer before the door."""

    office: Office
    client: httpx.AsyncClient
    tokens: Tokens

    def _headers(self, sub: str, role: str, at: str) -> dict[str, str]:
        token = self.tokens.make(sub=sub, roles=(role,), divisions=(at,))
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}

    async def get(self, path: str, *, role: str = "clerk", at: str = COUNTY.text, **asked: Any) -> httpx.Response:
        return await self.client.get(f"{V1}{path}", params=asked, headers=self._headers("li", role, at))

    async def post(
        self, path: str, body: Any = None, *, sub: str = "ren", role: str = "reviewer", at: str = COUNTY.text
    ) -> httpx.Response:
        return await self.client.post(f"{V1}{path}", json=body, headers=self._headers(sub, role, at))


@pytest.fixture
async def desk(office: Office, tmp_path: Any) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as doors:
        client, tokens = await doors.enter_async_context(visitors(office, tmp_path))
        yield Desk(office, client, tokens)


async def test_a_judgement_is_read_with_reasons_numbers_and_law_and_who_looked_is_written(desk: Desk) -> None:
    child = make_member("son", "2007-08-20", schooling="not_student", education="primary", labour="none")
    facts = make_household(members=(make_member(), child), net_fen=2 * LINE_FEN)
    await desk.office.hear(facts, make_listed(facts))
    answer = await desk.get(f"/households/{facts.household}/judgement", purpose="入户核查")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["number"], said["household_version"], said["judged_on"]) == (f"{VILLAGE.text}0001", 1, "2019-08-20")
    exit_part, risk_part = said["packs"]
    assert (exit_part["verdict"], exit_part["verdict_text"]["zh"]) == ("unmet", "未达到标准")
    assert exit_part["failed"] == ["income", "school"]
    reasons = {one["code"]: one for one in exit_part["reasons"]}
    assert reasons["income"]["distance"] == "0.00"
    assert reasons["school"]["members"] == [{"kinship": {"zh": "长子", "en": "eldest son"}, "age": 12}]
    assert "（长子，12岁）" in reasons["school"]["text"]["zh"]
    assert reasons["income"]["laws"][0]["key"] == "poverty_line"
    numbers = {one["key"]: one for one in exit_part["parameters"]}
    assert (numbers["poverty_line"]["value"], numbers["poverty_line"]["unit"]) == ("321800", "fen")
    assert exit_part["parameters_missing"] == []
    assert (risk_part["verdict"], risk_part["score"]) == ("none", 2)
    seen = [tuple(row) for row in await desk.office.rows("select caller, purpose, noun, ids from access_log")]
    assert seen == [("li", "入户核查", "judgement", [str(facts.household)])]


async def test_a_judgement_is_read_for_any_version_with_what_changed(desk: Desk) -> None:
    facts = make_household(living=make_living(water_safe="no"))
    better = make_household(household=facts.household, version=2, members=facts.members)
    await desk.office.hear(facts)
    await desk.office.hear(better)
    path = f"/households/{facts.household}/judgement"
    now, then = (await desk.get(path)).json(), (await desk.get(path, version=1)).json()
    [change] = now["packs"][0]["changes"]
    assert (change["code"], change["before"], change["after"]) == ("water", "unmet", "met")
    assert change["causes"][0]["text"]["zh"] == "饮水安全由否变为是"
    assert (then["packs"][0]["verdict"], then["packs"][0]["changes"]) == ("unmet", [])
    missing = await desk.get(path, version=7)
    assert (missing.status_code, missing.json()["code"]) == (404, "judgement.missing")
    past = (await desk.get(f"/households/{facts.household}/judgements", limit=1)).json()
    assert [one["version"] for one in past["items"]] == [2]
    rest = (await desk.get(f"/households/{facts.household}/judgements", limit=1, cursor=past["next"])).json()
    assert [(one["version"], one["verdicts"]["exit"]) for one in rest["items"]] == [(1, "unmet")]
    assert rest["next"] is None


@pytest.mark.parametrize(("at", "role", "status"), [(NEIGHBOUR.text, "clerk", 404), (VILLAGE.text, "clerk", 200)])
async def test_a_judgement_is_not_seen_from_next_door(desk: Desk, at: str, role: str, status: int) -> None:
    facts = make_household()
    await desk.office.hear(facts)
    path = f"/households/{facts.household}/judgement"
    assert (await desk.get(path, at=at, role=role)).status_code == status
    assert (await desk.get(f"{path}s", at=at, role=role)).json()["items"] != [] or status == 404
    assert (await desk.get(path, at=COUNTY.text, role="accountant")).status_code == 403


async def test_households_are_listed_by_verdict_village_by_village(desk: Desk) -> None:
    good = [make_household() for _ in range(3)]
    bad = make_household(division=NEIGHBOUR, net_fen=0)
    await desk.office.hear(*good, bad, make_household(division=ELSEWHERE), *[make_listed(one) for one in (*good, bad)])
    listed = (await desk.get("/judgements", division="623023", verdict="met", limit=2)).json()
    more = (await desk.get("/judgements", division="623023", verdict="met", limit=2, cursor=listed["next"])).json()
    found = [*listed["items"], *more["items"]]
    assert {one["household"] for one in found} == {str(one.household) for one in good}
    assert (more["next"], found[0]["masked_head"], found[0]["group"]) == (None, "王*明", "二组")
    everything = (await desk.get("/judgements", division="623023")).json()["items"]
    assert [one["division"] for one in everything] == [VILLAGE.text] * 3 + [NEIGHBOUR.text]
    assert everything[-1]["failed"] == ["income"]
    assert (await desk.get("/judgements", division="522630")).json()["items"] == []
    assert (await desk.get("/judgements", division="623023", verdict="perhaps")).status_code == 422


async def test_what_was_measured_is_listed_for_many_and_who_looked_is_written(desk: Desk) -> None:
    rich, poor = make_household(net_fen=LINE_FEN + 7), make_household(division=NEIGHBOUR, net_fen=-5)
    await desk.office.hear(rich, poor, make_household(division=ELSEWHERE), make_listed(rich), make_listed(poor))
    path = "/judgements/measures"
    first = (await desk.get(path, division="623023", limit=1, purpose="核对收入")).json()
    more = {"purpose": "核对收入", "cursor": first["next"]}
    rest = (await desk.get(path, division="623023", limit=1, **more)).json()
    [one], [other] = first["items"], rest["items"]
    assert (one["household"], other["household"], rest["next"]) == (str(rich.household), str(poor.household), None)
    told = {one["code"]: one for one in other["measures"]}
    assert told["income"] == {
        "code": "income", "state": "unmet", "number": "-0.05", "limit": "3218.00", "unit": "fen"
    }  # fmt: skip
    assert "food" not in told, "nothing is measured there"
    [near] = (await desk.get(path, division="623023", pack="risk", limit=1)).json()["items"]
    assert [one["number"] for one in near["measures"] if one["code"] == "near_line"] == ["3218.07"]
    seen = await desk.office.rows("select purpose, ids from access_log where noun = 'judgement' order by id limit 1")
    assert [tuple(row) for row in seen] == [("核对收入", [str(rich.household)])]
    assert (await desk.get(path, division="623023", at=ELSEWHERE.text)).json()["items"] == []
    assert (await desk.get(path, division="623023", role="accountant")).status_code == 403


async def test_one_judgement_of_several_by_the_same_version_is_read_by_its_id(desk: Desk) -> None:
    facts = make_household()
    await desk.office.hear(facts)
    await desk.office.hear(make_household(household=facts.household, version=2, net_fen=0, members=facts.members))
    past = (await desk.get(f"/households/{facts.household}/judgements")).json()["items"]
    for one in past:
        read = await desk.get(f"/judgements/{one['id']}")
        assert read.status_code == 200, read.text
        assert (read.json()["version"], read.json()["packs"][0]["verdict"]) == (one["version"], one["verdicts"]["exit"])
    assert len(past) == 2
    for id_, at in ((past[0]["id"], ELSEWHERE.text), (str(uuid4()), COUNTY.text)):
        missing = await desk.get(f"/judgements/{id_}", at=at)
        assert (missing.status_code, missing.json()["code"]) == (404, "judgement.missing")


async def test_verdicts_are_counted_by_the_divisions_below(desk: Desk) -> None:
    await desk.office.hear(
        *make_divisions(), make_household(), make_household(), make_household(division=NEIGHBOUR, net_fen=0)
    )
    counts = (await desk.get("/verdicts", division="623023")).json()["counts"]
    assert [(one["name"], one["verdict"], one["households"]) for one in counts] == [
        ("大川镇", "met", 2),
        ("曲瓦乡", "unmet", 1),
    ]
    villages = (await desk.get("/verdicts", division="623023102", pack="risk")).json()["counts"]
    assert [(one["name"], one["verdict"]) for one in villages] == [("曲瓦村", "none")]


async def test_a_run_is_asked_for_done_and_read(desk: Desk) -> None:
    await desk.office.hear(make_household(), make_household(net_fen=0))
    asked = await desk.post("/runs", {"division": "623023"})
    assert asked.status_code == 202, asked.text
    job = asked.json()
    assert (job["state"], job["total"]) == ("queued", 2)
    await desk.office.work()
    run = (await desk.get(f"/runs/{job['id']}")).json()
    assert (run["outcome"], run["judged"], run["changed"], run["judged_on"]) == ("done", 2, 0, "2019-08-20")
    assert [one["id"] for one in (await desk.get("/runs")).json()["items"]] == [job["id"]]
    done = (await desk.get(f"/jobs/{job['id']}", role="reviewer")).json()
    assert (done["state"], done["done"], done["result"]) == ("done", 2, {"judged": 2, "changed": 0})
    assert (await desk.get(f"/runs/{new_id()}")).status_code == 404
    for body, role, at, status, code in (
        ({"division": "623023"}, "clerk", COUNTY.text, 403, "role.refused"),
        ({"division": "6230"}, "reviewer", COUNTY.text, 403, "scope.refused"),
        ({"division": "623023", "judged_on": "2019-08-21"}, "reviewer", COUNTY.text, 409, "run.day_ahead"),
        ({"division": "623023", "judged_on": "2019-08-19"}, "reviewer", COUNTY.text, 409, "run.day_behind"),
        ({"division": "623023", "colour": "red"}, "reviewer", COUNTY.text, 422, "request.invalid"),
    ):
        refused = await desk.post("/runs", body, role=role, at=at)
        assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_a_run_is_cancelled_and_says_so(desk: Desk) -> None:
    await desk.office.hear(make_household())
    job = (await desk.post("/runs", {"division": "623023"})).json()
    cancelled = await desk.post(f"/jobs/{job['id']}/cancel")
    assert cancelled.json()["state"] == "cancelled"
    await desk.office.work()
    assert (await desk.get(f"/runs/{job['id']}")).json()["judged"] == 0


async def test_the_packs_in_force_are_read_as_they_are_written(desk: Desk) -> None:
    packs = (await desk.get("/packs", role="auditor")).json()["packs"]
    assert [(one["id"], one["hash"]) for one in packs] == [(name, pack(name).hash) for name in ("exit", "risk")]
    assert packs[0]["criteria"][1]["when"] == "net > required"


async def test_numbers_are_read_for_a_place_and_a_day(desk: Desk) -> None:
    async def line(division: str, on: str) -> list[str]:
        rows = (await desk.get("/parameters", division=division, on=on)).json()["parameters"]
        return [one["value"] for one in rows if one["key"] == "monitoring_line"]

    assert await line("623023", "2019-08-20") == ["482700"]
    assert await line("623023", "2023-01-01") == ["600000"]
    today = (await desk.get("/parameters", division="623023")).json()
    assert today["on"] == "2019-08-20"


PROPOSAL = {
    "key": "monitoring_line",
    "division": "623023",
    "valid_from": "2019-10-01",
    "value": "500000",
    "unit": "fen",
    "basis_zh": "县政府文件",
    "basis_en": "county document",
}


@pytest.fixture
async def own_numbers(office: Office) -> AsyncIterator[None]:
    """Numbers that a test enters go with it; what the release loaded stays."""
    yield
    owner = create_engine(office.database.owner)
    async with transaction(owner, Scope.everything()) as tx:
        await tx.driver.execute("delete from parameter")
        await app.load(tx)
    await owner.dispose()


@pytest.mark.usefixtures("own_numbers")
async def test_a_number_enters_by_two_persons_and_changes_judgements_from_its_day_on(desk: Desk) -> None:
    facts = make_household(net_fen=490_000)
    await desk.office.hear(facts)
    proposed = await desk.post("/parameters", PROPOSAL)
    assert proposed.status_code == 201, proposed.text
    path = f"/parameters/{proposed.json()['id']}/approve"
    alone = await desk.post(path, sub="ren", role="approver")
    assert (alone.status_code, alone.json()["code"]) == (409, "parameter.same_person")
    approved = await desk.post(path, sub="fang", role="approver")
    assert approved.status_code == 200, approved.text
    assert (approved.json()["entered_by"], approved.json()["approved_by"]) == ("ren", "fang")
    again = await desk.post(path, sub="wu", role="approver")
    assert again.json()["code"] == "parameter.proposal_decided"
    for day, verdicts in ((41, ["met"]), (1, ["met", "unmet"])):  # 30 September, then 1 October
        desk.office.now += timedelta(days=day)
        async with desk.office.desk() as tx:
            on = await tx.driver.fetchval("select count(*) from parameter where division = $1", COUNTY.value)
        assert on == 1
        await _run(desk)
        states = [
            "unmet" if "near_line" in one.packs[1].failed else "met" for one in await desk.office.said(HouseholdJudged)
        ]
        assert states == verdicts
    now = (await desk.get(f"/households/{facts.household}/judgement")).json()
    [change] = now["packs"][1]["changes"]
    assert [(one["kind"], one["before"], one["after"]) for one in change["causes"]] == [
        ("parameter", "4827.00", "5000.00")
    ]


async def _run(desk: Desk) -> None:
    async with desk.office.desk() as tx:
        await ask_for_run(tx, REVIEWER, COUNTY, None, desk.office.now)
    await desk.office.work()


@pytest.mark.usefixtures("own_numbers")
@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"value": "12.5"}, 422, "parameter.invalid"),
        ({"value": "100000001"}, 422, "parameter.beyond_pack"),
        ({"unit": "count"}, 422, "parameter.beyond_pack"),
        ({"division": "522630"}, 403, "scope.refused"),
        ({"division": "62"}, 403, "scope.refused"),
        ({"basis_zh": "  "}, 422, "parameter.invalid"),
        ({"unit": "yuan"}, 422, "request.invalid"),
    ],
)
async def test_a_number_that_cannot_be_is_refused_at_the_door(
    desk: Desk, change: dict[str, str], status: int, code: str
) -> None:
    refused = await desk.post("/parameters", PROPOSAL | change)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


@pytest.mark.usefixtures("own_numbers")
async def test_numbers_already_in_force_are_not_changed_afterwards(desk: Desk) -> None:
    first, second = [(await desk.post("/parameters", PROPOSAL)).json()["id"] for _ in range(2)]
    assert (await desk.post(f"/parameters/{first}/approve", sub="fang", role="approver")).status_code == 200
    late = await desk.post(f"/parameters/{second}/approve", sub="fang", role="approver")
    assert late.json()["code"] == "parameter.past"
    assert (await desk.post("/parameters", PROPOSAL)).json()["code"] == "parameter.past"
    later = await desk.post("/parameters", PROPOSAL | {"valid_from": "2019-12-01", "value": "510000"})
    assert (
        await desk.post(f"/parameters/{later.json()['id']}/approve", sub="fang", role="approver")
    ).status_code == 200
    rows = await desk.office.rows("select valid_from, valid_to from parameter where division is not null order by 1")
    own = [tuple(row) for row in rows if row["valid_from"] >= date(2019, 10, 1)]
    assert own[:2] == [(date(2019, 10, 1), date(2019, 11, 30)), (date(2019, 12, 1), None)]
    missing = await desk.post(f"/parameters/{new_id()}/approve", sub="fang", role="approver")
    assert missing.json()["code"] == "parameter.proposal_missing"


@pytest.mark.usefixtures("own_numbers")
@pytest.mark.parametrize(
    ("key", "value", "unit", "code"),
    [
        ("exit.publicity_days", "6", "days", "parameter.too_loose"),
        ("exit.publicity_days", "0", "days", "parameter.too_loose"),
        ("exit.publicity_days", "7", "count", "parameter.too_loose"),
        ("exit.meeting_quorum", "1/2", "share", "parameter.too_loose"),
        ("exit.meeting_quorum", "3/2", "share", "parameter.too_loose"),
        ("exit.meeting_majority", "half", "share", "parameter.too_loose"),
        ("exit.publicity_days", "7", "days", None),
        ("exit.publicity_days", "10", "days", None),
        ("exit.meeting_quorum", "3/4", "share", None),
    ],
)
async def test_a_village_may_tighten_a_safeguard_but_never_loosen_it(
    desk: Desk, key: str, value: str, unit: str, code: str | None
) -> None:
    asked = PROPOSAL | {"key": key, "value": value, "unit": unit, "division": VILLAGE.text}
    answer = await desk.post("/parameters", asked, at=VILLAGE.text)
    assert answer.json().get("code") == code, answer.text
    assert answer.status_code == (201 if code is None else 422)


@pytest.mark.usefixtures("own_numbers")
async def test_a_village_cannot_put_its_own_number_under_what_was_judged_before(desk: Desk) -> None:
    for day in ("2014-01-01", "2019-08-20"):
        past = await desk.post("/parameters", PROPOSAL | {"division": VILLAGE.text, "valid_from": day})
        assert past.json()["code"] == "parameter.past", day
    first = await desk.post("/parameters", PROPOSAL | {"division": VILLAGE.text, "valid_from": "2019-08-21"})
    assert first.status_code == 201, first.text
    Clock(desk.tokens.file.parent).move_to(desk.office.now + timedelta(days=1))
    late = await desk.post(f"/parameters/{first.json()['id']}/approve", sub="fang", role="approver")
    assert late.json()["code"] == "parameter.past"
