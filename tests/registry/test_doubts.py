"""Doubts are given out, answered, confirmed by a second person, and asked again when their facts have changed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import openpyxl
import pytest
import yaml

from services.registry.actions.doubts import resume_doubts
from services.registry.app import due
from services.registry.domain.fields import BY_NAME
from services.registry.store.arrivals import AskedChecks
from services.registry.store.doubts import Found, Look, save_doubts, save_staged_doubts
from services.registry.store.fingerprints import fingerprints_of
from shared.clock import Clock, today
from shared.crypto import KeyRing, new_key_ring
from shared.db import transaction
from shared.due import DueLoop
from shared.values import Scope, new_id
from stack.sample.form import COLUMNS
from tests.registry.ground import COUNTY, NEXT_VILLAGE, NOW, VILLAGE, Ground, file_of
from tests.registry.make import household_body
from tests.registry.sheets import Row, household

Doubt = dict[str, Any]
REASON = "入户核查，与户口簿一致"
ENDS = date(2019, 12, 31)
MEMBERS = "\x1e"


def months(rows: list[Row], value: str) -> list[Row]:
    """The husband's months of work: 13 is in doubt (L10)."""
    rows[1]["务工时间"] = value
    return rows


async def doubts(ground: Ground, **asked: Any) -> list[Doubt]:
    found = await ground.get("/doubts", params={"division": VILLAGE.text, **asked})
    assert found.status_code == 200, found.text
    items: list[Doubt] = found.json()["items"]
    return items


async def one(ground: Ground, **asked: Any) -> Doubt:
    found = await doubts(ground, **asked)
    assert len(found) == 1, found
    return found[0]


async def doubted(ground: Ground, count: int = 4) -> Doubt:
    """A household of two whose form counts four (I13)."""
    body = household_body(living={"headcount_on_form": count})
    answer = await ground.post("/households", json=body)
    assert answer.status_code == 201, answer.text
    return await one(ground, check="I13")


async def visited(ground: Ground, doubt: Doubt, count: int, day: int, **more: Any) -> None:
    """The next form of the same household."""
    said = {"observed_on": f"2019-08-{day}", "living": {"headcount_on_form": count}, **more}
    answer = await ground.ask("PATCH", f"/households/{doubt['household']}", json=said, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text


async def step(ground: Ground, doubt: Doubt, verb: str, said: dict[str, Any], **more: Any) -> Doubt:
    answer = await ground.post(
        f"/doubts/{doubt['id']}/{verb}", json=said, headers={"If-Match": f'"{doubt["version"]}"'}, **more
    )
    assert answer.status_code == 200, answer.text
    after: Doubt = answer.json()
    return after


async def settled(ground: Ground, doubt: Doubt, finding: str, until: str | None = None) -> Doubt:
    """Answered by the clerk and confirmed by a reviewer."""
    found = await step(ground, doubt, "finding", {"finding": finding, "reason": REASON, "until": until})
    return await step(ground, found, "confirm", {"agreed": True}, role="reviewer", sub="wang")


async def told(ground: Ground, doubt: Doubt) -> list[tuple[str, str]]:
    history = (await ground.get(f"/doubts/{doubt['id']}")).json()["history"]
    return [(line["what"], line["by"]) for line in history]


# The way of a doubt


async def test_a_doubt_is_given_out_answered_and_closed_by_a_second_person(ground: Ground) -> None:
    doubt = await doubted(ground)
    before = await ground.rows("select * from person order by no")
    given = await step(ground, doubt, "assign", {"assignee": "li"}, role="reviewer", sub="wang")
    assert (given["state"], given["assignee"], given["version"]) == ("assigned", "li", doubt["version"] + 1)
    found = await step(ground, given, "finding", {"finding": "kept", "reason": REASON})
    assert (found["state"], found["finding"], found["found_by"]) == ("found", "kept", "li")
    closed = await step(ground, found, "confirm", {"agreed": True, "remark": "同意"}, role="reviewer", sub="wang")
    assert (closed["state"], closed["closed_by"]) == ("closed", "wang")
    assert await doubts(ground, check="I13") == [], "the list shows what waits"
    assert (await one(ground, check="I13", state="closed"))["id"] == doubt["id"]
    steps = [("opened", "li"), ("assigned", "wang"), ("found", "li"), ("closed", "wang")]
    assert await told(ground, doubt) == steps
    assert await ground.rows("select * from person order by no") == before, "no answer changes what is recorded"


async def test_a_finding_that_is_not_agreed_to_goes_back(ground: Ground) -> None:
    found = await step(ground, await doubted(ground), "finding", {"finding": "kept", "reason": REASON})
    back = await step(ground, found, "confirm", {"agreed": False, "remark": "证据不足"}, role="approver", sub="wang")
    assert (back["state"], back["finding"], back["found_by"]) == ("open", None, None)
    history = (await ground.get(f"/doubts/{back['id']}")).json()["history"]
    assert (history[-1]["what"], history[-1]["finding"], history[-1]["reason"]) == ("returned", "kept", "证据不足")


KEPT = {"finding": "kept", "reason": REASON}


@pytest.mark.parametrize(
    ("verb", "said", "more", "status", "code"),
    [
        ("assign", {"assignee": "li"}, {"role": "clerk"}, 403, "role.refused"),
        ("assign", {"assignee": "li"}, {"role": "auditor"}, 403, "role.refused"),
        ("finding", KEPT, {"role": "auditor"}, 403, "role.refused"),
        ("confirm", {"agreed": True}, {"role": "clerk"}, 403, "role.refused"),
        ("finding", KEPT, {"divisions": [NEXT_VILLAGE.text]}, 404, "doubt.missing"),
        ("finding", KEPT, {"headers": {}}, 428, "version.missing"),
        ("finding", KEPT, {"headers": {"If-Match": '"7"'}}, 412, "version.stale"),
        ("finding", {"finding": "kept"}, {}, 422, "request.invalid"),
        ("finding", {"finding": "exception", "reason": REASON}, {}, 422, "doubt.exception_undated"),
        ("finding", KEPT | {"finding": "exception", "until": "2019-08-25"}, {}, 422, "doubt.exception_undated"),
        ("finding", KEPT | {"until": "2020-01-01"}, {}, 422, "doubt.exception_undated"),
        ("confirm", {"agreed": True}, {"role": "reviewer"}, 409, "doubt.no_finding"),
    ],
)
async def test_a_step_is_not_taken_by_anybody_anyhow(
    ground: Ground, verb: str, said: dict[str, Any], more: dict[str, Any], status: int, code: str
) -> None:
    doubt = await doubted(ground)
    asked = {"headers": {"If-Match": f'"{doubt["version"]}"'}} | more
    answer = await ground.post(f"/doubts/{doubt['id']}/{verb}", json=said, **asked)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await one(ground, check="I13") == doubt, "nothing happened"


async def test_who_answered_cannot_confirm_and_who_was_not_asked_cannot_answer(ground: Ground) -> None:
    doubt = await step(ground, await doubted(ground), "assign", {"assignee": "zhao"}, role="reviewer", sub="wang")
    match = {"If-Match": "*"}
    other = await ground.post(f"/doubts/{doubt['id']}/finding", json=KEPT, headers=match)
    assert (other.status_code, other.json()["code"]) == (403, "doubt.assigned_elsewhere")
    found = await step(ground, doubt, "finding", KEPT, role="reviewer", sub="wang")
    own: dict[str, Any] = {"role": "reviewer", "sub": "wang", "headers": match}
    same = await ground.post(f"/doubts/{doubt['id']}/confirm", json={"agreed": True}, **own)
    assert (same.status_code, same.json()["code"]) == (409, "doubt.same_person")
    closed = await step(ground, found, "confirm", {"agreed": True}, role="approver", sub="sun")
    again = await ground.post(f"/doubts/{doubt['id']}/finding", json=KEPT, **own)
    assert (closed["state"], again.json()["code"]) == ("closed", "doubt.closed")
    with pytest.raises(asyncpg.CheckViolationError, match="doubt_two_persons"):
        await ground.rows("update doubt set closed_by = found_by where closed_at is not null")


async def test_the_same_step_sent_twice_is_taken_once(ground: Ground) -> None:
    doubt = await doubted(ground)
    asked: dict[str, Any] = {"json": KEPT, "headers": {"If-Match": f'"{doubt["version"]}"'}, "key": "finding-1234"}
    first, again = [await ground.post(f"/doubts/{doubt['id']}/finding", **asked) for _ in range(2)]
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    assert [what for what, _ in await told(ground, doubt)] == ["opened", "found"]


# Asked again


async def test_what_was_found_right_stays_settled_while_the_facts_are_the_same(ground: Ground) -> None:
    doubt = await settled(ground, await doubted(ground), "kept")
    await visited(ground, doubt, 4, 21)
    await visited(ground, doubt, 4, 22, group="三组")
    assert await doubts(ground, check="I13") == [], "another fact changed, none that this check looks at"
    await visited(ground, doubt, 5, 23)
    again = await one(ground, check="I13")
    assert (again["state"], again["finding"]) == ("open", None)
    assert [what for what, _ in await told(ground, again)] == ["opened", "found", "closed", "reopened"]
    await visited(ground, doubt, 2, 24)
    assert await doubts(ground, check="I13") == []
    ended = await one(ground, check="I13", state="closed")
    assert (ended["finding"], ended["found_by"]) == ("no_longer_found", None)


async def test_an_exception_holds_whatever_the_facts_until_its_day_and_is_asked_again_then(ground: Ground) -> None:
    doubt = await settled(ground, await doubted(ground), "exception", ENDS.isoformat())
    await visited(ground, doubt, 5, 21)
    assert await doubts(ground, check="I13") == []
    (waiting,) = await ground.rows("select verb, noun, due_at from due where verb like 'doubt.%'")
    assert (waiting["verb"], waiting["noun"]) == ("doubt.exception_ends", doubt["id"])
    assert today(waiting["due_at"]) == ENDS + timedelta(days=1)
    clock = Clock(ground.folder)
    verb = due(ground.keys)[0]
    loop = DueLoop(ground.engine, clock, [verb])
    assert await loop.turn(verb) == 0, "its last day is not over"
    clock.move_to(waiting["due_at"])
    assert await loop.turn(verb) == 1
    again = await one(ground, check="I13")
    assert (again["id"], again["state"], again["finding"]) == (doubt["id"], "open", None)
    assert (await told(ground, again))[-1] == ("exception_ended", "registry")


async def test_an_exception_that_the_data_answered_meanwhile_is_not_asked_again(ground: Ground) -> None:
    doubt = await settled(ground, await doubted(ground), "exception", ENDS.isoformat())
    await visited(ground, doubt, 2, 21)
    async with transaction(ground.engine, Scope.everything()) as tx:
        await resume_doubts(tx, [doubt["id"]], NOW + timedelta(days=365))
    assert await doubts(ground, check="I13") == []


async def test_what_was_said_to_be_corrected_and_is_not_is_asked_again(ground: Ground) -> None:
    doubt = await settled(ground, await doubted(ground), "corrected")
    await visited(ground, doubt, 4, 21)
    assert (await one(ground, check="I13"))["id"] == doubt["id"], "the very same form contradicts it"
    found = await step(ground, await one(ground, check="I13"), "finding", {"finding": "corrected", "reason": REASON})
    await visited(ground, doubt, 2, 22)
    closed = await one(ground, check="I13", state="closed")
    assert (closed["id"], closed["finding"], closed["closed_by"]) == (found["id"], "corrected", "li")


async def test_a_finding_that_waits_falls_with_the_facts_that_it_was_about(ground: Ground) -> None:
    doubt = await step(ground, await doubted(ground), "finding", KEPT)
    await visited(ground, doubt, 5, 21)
    again = await one(ground, check="I13")
    assert (again["state"], again["finding"]) == ("open", None)
    stale = {"If-Match": f'"{doubt["version"]}"'}
    answer = await ground.post(
        f"/doubts/{doubt['id']}/confirm", json={"agreed": True}, role="reviewer", sub="wang", headers=stale
    )
    assert answer.json()["code"] == "version.stale"


async def test_a_claim_about_statuses_that_was_answered_is_not_made_again(ground: Ground) -> None:
    lifted = household()
    await ground.intake(file_of(household()))
    lifted[0] |= {"户类型": "脱贫户", "脱贫时间": "2018-01-01"}
    await ground.intake(file_of(lifted), observed_on="2019-08-21")
    await settled(ground, await one(ground, check="T7"), "kept")
    await ground.intake(file_of(lifted), observed_on="2019-08-22")
    assert await doubts(ground, check="T7") == []


async def test_a_file_without_a_column_neither_raises_nor_settles_what_it_does_not_ask(ground: Ground) -> None:
    await ground.intake(file_of(months(household(), "13")))
    doubt = await one(ground, check="L10")
    silent = [{name: cell for name, cell in row.items() if not name.startswith("务工")} for row in household()]
    for row in silent:
        row.pop("参加医疗保险情况")
    silent[0]["村民小组"] = "三组"
    await ground.intake(file_of(silent), observed_on="2019-08-21")
    assert [each["id"] for each in await doubts(ground)] == [doubt["id"]]
    assert await ground.value('select "group" from household') == "三组"


async def test_what_a_doubt_is_about_is_kept_as_a_keyed_hash_alone(ground: Ground) -> None:
    """The same facts of two households have one mark under one key, and another one under a ring of its own."""
    await doubted(ground)
    answer = await ground.post("/households", json=household_body(2, 12, living={"headcount_on_form": 4}))
    assert answer.status_code == 201
    marks = [line["fingerprint"] for line in await ground.rows("select fingerprint from doubt where check_id = 'I13'")]
    assert len(set(marks)) == 1
    facts = f"head{MEMBERS}son{MEMBERS}4"
    assert marks[0] == fingerprints_of(ground.keys, "I13", facts)
    assert marks[0] != fingerprints_of(KeyRing.of(new_key_ring()), "I13", facts)


# Many at once, counts, the work list


async def test_many_at_once_each_with_its_own_result(ground: Ground) -> None:
    for at in (1, 2, 3):
        body = household_body(at, at * 4, living={"headcount_on_form": 4})
        assert (await ground.post("/households", json=body)).status_code == 201
    first, second, third = await doubts(ground, check="I13")
    asked = [{"id": each["id"], "version": each["version"]} for each in (first, second)]
    asked += [{"id": third["id"], "version": 9}, {"id": str(new_id()), "version": 1}, asked[0]]
    answer = await ground.post("/doubts/assign", json={"assignee": "li", "doubts": asked}, role="reviewer", sub="wang")
    results = answer.json()["results"]
    assert [line["subject"] for line in results] == [line["id"] for line in asked]
    assert [line["refusal"] and line["refusal"]["code"] for line in results] == [
        None, None, "version.stale", "doubt.missing", "version.stale",
    ]  # fmt: skip
    assert (answer.json()["done"], answer.json()["refused"]) == (2, 3)
    assert [each["assignee"] for each in await doubts(ground, check="I13")] == ["li", "li", None]
    findings = [
        {"id": first["id"], "version": 2, "finding": "kept", "reason": REASON},
        {"id": second["id"], "version": 2, "finding": "exception", "reason": REASON, "until": "2019-08-01"},
    ]
    found = (await ground.post("/doubts/findings", json={"findings": findings})).json()
    assert [line["refusal"] and line["refusal"]["code"] for line in found["results"]] == [
        None, "doubt.exception_undated",
    ]  # fmt: skip
    assert found["results"][0]["doubt"]["state"] == "found"


async def test_doubts_are_counted_by_check_village_state_age_and_assignee(ground: Ground) -> None:
    elsewhere = [row | {"户编号": f"{NEXT_VILLAGE.text}0002"} for row in months(household(order=2), "13")]
    wrong = months(household(), "13")
    wrong[0]["其他致贫原因"] = "因病"
    await ground.intake(file_of(wrong, elsewhere))
    await step(ground, await one(ground, check="M2"), "assign", {"assignee": "li"}, role="reviewer")
    await ground.rows("update doubt set opened_at = $1 where check_id = 'M2'", NOW - timedelta(days=40))
    counted = {}
    for by in ("check", "village", "state", "age", "assignee"):
        answer = await ground.get("/reports/doubts", params={"division": COUNTY.text, "by": by})
        assert answer.json()["total"] == 3
        counted[by] = answer.json()["counts"]
    assert counted == {
        "check": {"L10": 2, "M2": 1},
        "village": {VILLAGE.text: 2, NEXT_VILLAGE.text: 1},
        "state": {"assigned": 1, "open": 2},
        "age": {"0-6": 2, "30-89": 1},
        "assignee": {"": 2, "li": 1},
    }
    assert [each["check_id"] for each in await doubts(ground, min_age_days=30)] == ["M2"]
    assert [each["check_id"] for each in await doubts(ground, max_age_days=30)] == ["L10"]
    assert [each["check_id"] for each in await doubts(ground, assignee="li")] == ["M2"]
    assert [each["check_id"] for each in await doubts(ground, state="open")] == ["L10"]


async def test_the_work_list_is_masked_safe_logged_and_ends_at_the_scope(ground: Ground) -> None:
    await ground.intake(file_of(months(household(), "13")))
    await ground.rows("update household set \"group\" = '=1+1'")
    asked: dict[str, Any] = {"params": {"division": COUNTY.text}, "role": "reviewer", "sub": "wang"}
    answer = await ground.get("/doubts/work-list", **asked)
    assert answer.status_code == 200
    book = openpyxl.load_workbook(BytesIO(answer.content))
    lines = list(book.active.iter_rows())
    cells = {lines[0][at].value: lines[1][at] for at in range(len(lines[0]))}
    assert (cells["户主"].value, cells["成员"].value) == ("李*英", "王*国")
    assert (cells["小组"].value, cells["小组"].data_type) == ("=1+1", "s")
    assert (cells["检查编号"].value, cells["状态"].value) == ("L10", "待核查")
    assert "wang" in str(lines[3][0].value) + str(lines[2][0].value)
    (logged,) = await ground.rows("select caller, noun, ids from access_log where action = 'export'")
    assert (logged["caller"], logged["noun"]) == ("wang", "doubt")
    doubt = await one(ground)
    assert logged["ids"] == [doubt["household"], doubt["person"]]
    outside = await ground.get("/doubts/work-list", **(asked | {"divisions": [NEXT_VILLAGE.text]}))
    assert VILLAGE.text not in str(list(openpyxl.load_workbook(BytesIO(outside.content)).active.values))


# Both roads


CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases/checks.yaml").read_text(encoding="utf-8"))
SOUND = {
    "联系电话": "13812345678", "住房面积": "80", "是否解决安全饮用水": "是", "是否通生活用电": "是",
    "入户路类型": "硬化路",
    "耕地面积": "5", "林地面积": "20", "退耕还林面积": "5", "林果面积": "0", "牧草地面积": "0", "水面面积": "0",
}  # fmt: skip
OF_MEMBERS = (
    {"在校生状况": "非在校生", "文化程度": "初中"},
    {"在校生状况": "非在校生", "文化程度": "初中"},
    {"在校生状况": "小学"},
)


def whole_form(at: int) -> list[Row]:
    """The sound household with every column of the national form, so that each check is asked."""
    rows = household(f"{VILLAGE.text}{at:04d}", at)
    rows[0] = dict.fromkeys((BY_NAME[name].zh for name in COLUMNS), "") | rows[0] | SOUND
    return [row | more | {"民族": "汉族"} for row, more in zip(rows, OF_MEMBERS, strict=True)]


def faults() -> list[dict[int, Row]]:
    """What the cases of all checks change, but numbers, which are another household's."""
    changes = [case["change"] for case in CASES if not case.get("another") and not case.get("empty")]
    own = ("证件号码", "残疾证号", "户编号", "与户主关系")
    return [one for one in changes if one and not any(name in cells for cells in one.values() for name in own)]


async def test_a_form_finds_what_a_file_found_about_the_same_facts(ground: Ground) -> None:
    """Random faults come by file; the same households through the form leave every doubt exactly as it is: found one by
    one and found for all at once, by the same checks, about the same facts.
    """
    chance, pool, files = random.Random(7), faults(), []
    for at in range(1, 41):
        rows = whole_form(at)
        for change in chance.sample(pool, chance.randint(1, 3)):
            for row, cells in change.items():
                rows[row - 2] |= cells
        files.append(rows)
    ground.settings = ground.settings.model_copy(update={"intake_chunk_rows": 200})
    await ground.intake(file_of(*files))
    query = "select * from doubt order by no"
    before = await ground.rows(query)
    assert len({line["check_id"] for line in before}) >= 25
    assert any(line["person_no"] is None for line in before)
    assert await ground.value("select count(*) from household") >= 30
    for found in await ground.rows("select id from household"):
        said = {"observed_on": "2019-08-20", "group": "九组"}
        answer = await ground.ask("PATCH", f"/households/{found['id']}", json=said, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text
    after = await ground.rows(query)
    differing = [(old["check_id"], old, new) for old, new in zip(before, after, strict=False) if old != new]
    assert (differing, len(after)) == ([], len(before))


@dataclass
class Rules:
    """The rules once more, as somebody would tell them: what stands about one question, and what a look makes of it."""

    state: str | None = None
    finding: str | None = None
    until: date | None = None
    facts: str = ""
    ended: list[str] = field(default_factory=list)

    def look(self, facts: str | None, day: date) -> None:
        if self.state is None or (self.state == "closed" and self.finding == "no_longer_found"):
            if facts is not None:
                self.state, self.finding, self.facts = "open", None, facts
            return
        if facts is None:
            if self.state != "closed":
                kept = self.finding if self.finding == "corrected" else "no_longer_found"
                self.state, self.finding, self.until = "closed", kept, None
            return
        holds = (self.finding == "kept" and facts == self.facts) or (
            self.finding == "exception"
            and (facts == self.facts if self.state == "found" else day <= (self.until or day))
        )
        if self.finding is not None and not holds:
            self.state, self.finding, self.until = "open", None, None
        self.facts = facts

    def answer(self, finding: str, until: date | None, *, confirmed: bool) -> None:
        self.state, self.finding, self.until = "closed" if confirmed else "found", finding, until


STANDS = """select d.state, d.finding, d.until, d.fingerprint from doubt d where d.household_no = $1
order by d.no desc limit 1"""
STAGE_HOUSEHOLD = """insert into staging_household (job, household_no, is_new, row, id, number, observed_on, division,
  other_causes) select $1, no, false, 2, id, number, observed_on, division, other_causes from household where no = $2"""
STAGE = """insert into staging_doubt (job, household_no, person_no, row, check_id, severity, field, detail_zh,
  detail_en, fingerprints) values ($1, $2, null, 2, 'F1', 'doubt', 'declared_a_fen', $3, 'e', $3)"""
ANSWER = """update doubt set state = $2, finding = $3, until = $4, found_by = 'li', reason = '因',
  closed_at = case when $2 = 'closed' then now() end, closed_by = case when $2 = 'closed' then 'wang' end
where no = (select no from doubt where household_no = $1 and state <> 'closed' order by no desc limit 1)"""


async def test_both_roads_keep_the_same_rules(ground: Ground) -> None:
    """Random looks and answers: a form's household, a file's, and the rules told in words never differ."""
    bodies = (household_body(1), household_body(2, 12))
    ids = [UUID((await ground.post("/households", json=body)).json()["id"]) for body in bodies]
    await ground.rows("delete from doubt")
    numbers = [await ground.value("select no from household where id = $1", each) for each in ids]
    chance, told_by, day = random.Random(11), Rules(), date(2019, 8, 25)
    seen = set()
    for at in range(90):
        day += timedelta(days=chance.randint(0, 3))
        if told_by.state in ("open", "found") and chance.random() < 0.5:
            finding = chance.choice(["kept", "corrected", "exception"])
            until = day + timedelta(days=chance.randint(0, 5)) if finding == "exception" else None
            confirmed = chance.random() < 0.5
            told_by.answer(finding, until, confirmed=confirmed)
            for no in numbers:
                await ground.rows(ANSWER, no, told_by.state, finding, until)
        facts = chance.choice([None, "f1", "f1", "f2"])
        look = Look("li", NOW + timedelta(minutes=at), day, None)
        async with transaction(ground.engine, Scope.everything()) as tx:
            found = [Found(None, "F1", "doubt", "declared_a_fen", facts, "e", facts)] if facts else []
            await save_doubts(tx, ids[0], found, ("F1",), look)
            await _by_file(tx, numbers[1], facts, look)
        told_by.look(facts, day)
        expected = (told_by.state, told_by.finding, told_by.until) if told_by.state else None
        for no in numbers:
            stands = await ground.rows(STANDS, no)
            read = tuple(stands[0].values())[:3] if stands else None
            assert read == expected, f"step {at}: {facts} on {day}"
        seen.add(expected[:2] if expected else None)
    assert len(seen) >= 7, seen
    events = """select e.what, e.finding from doubt_event e join doubt d on d.no = e.doubt_no
      where d.household_no = $1 order by e.no"""
    first, second = [[tuple(row.values()) for row in await ground.rows(events, no)] for no in numbers]
    assert first == second


async def _by_file(tx: Any, no: int, facts: str | None, look: Look) -> None:
    job = new_id()
    await tx.driver.execute(STAGE_HOUSEHOLD, job, no)
    if facts:
        await tx.driver.execute(STAGE, job, no, facts)
    await save_staged_doubts(tx, Look(look.by, look.now, look.today, job), AskedChecks(whole=("F1",)))
    for name in ("staging_household", "staging_doubt"):
        await tx.driver.execute(f"delete from {name} where job = $1", job)
