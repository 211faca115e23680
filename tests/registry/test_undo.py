"""A recorded file is taken back by a batch of its own: all reads as before it, except where somebody went on since."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.registry.reports.soundness import faults
from shared.db import transaction
from shared.events.registry import HouseholdRecorded
from shared.values import Scope
from tests.registry.ground import VILLAGE, Ground, file_of
from tests.registry.sheets import Row, household
from tests.registry.test_diff import changed_file
from tests.registry.test_intake import facts
from tests.registry.test_modes import FIRST, SECOND, THIRD, codes, corrected, home

FOURTH = f"{VILLAGE.text}0004"
TRUE = ("household", "person", "membership", "status", "income", "doubt")


def later(ground: Ground) -> str:
    """An hour passes; the moment at which the past is asked for, in between."""
    between = ground.now + timedelta(minutes=30)
    ground.now += timedelta(hours=1)
    return between.isoformat().replace("+00:00", "Z")


async def readable(ground: Ground) -> dict[str, Any]:
    """What lists, counts and households tell, without versions and moments."""
    listed = (await ground.get("/households", params={"division": VILLAGE.text})).json()["items"]
    shown = {one["number"]: stripped(await home(ground, one["number"])) for one in listed}
    counts = (await ground.get("/reports/households", params={"division": VILLAGE.text})).json()
    natural = await ground.natural()
    held = "select number from household where withdrawn"
    gone = {row["number"] for row in await ground.rows(held)}
    true = {name: [row for row in natural[name] if row[0] not in gone] for name in TRUE}
    true["person"] = [row for row in true["person"] if row[0] is not None]
    true["doubt"] = [row[:3] for row in true["doubt"]]
    return {"shown": shown, "counts": counts, "true": true}


def stripped(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: stripped(one) for name, one in told.items() if name not in ("version", "id", "household")}
    return [stripped(one) for one in told] if isinstance(told, list) else told


async def undone(ground: Ground, job: str, **more: Any) -> dict[str, Any]:
    answer = await ground.post(f"/intakes/{job}/undo", **more)
    assert answer.status_code == 202, answer.text
    await ground.run_jobs()
    return await ground.look(UUID(answer.json()["id"]))


def three() -> list[list[Row]]:
    return [household(), household(SECOND, 3), household(THIRD, 5)]


async def sound(ground: Ground) -> list[str]:
    async with transaction(ground.engine, Scope.everything()) as tx:
        return await faults(tx)


async def test_a_file_that_is_taken_back_leaves_what_was_before_and_the_past_keeps_both(ground: Ground) -> None:
    ground.now -= timedelta(hours=12)  # what is asked of the past lies before the application's clock
    await ground.intake(file_of(*three()))
    first = later(ground)
    before = await readable(ground)
    bad = await ground.intake(changed_file(), observed_on="2019-08-22")
    job = bad["job"]["id"]
    changed = await home(ground)
    second = later(ground)
    digest = await ground.digest()
    shown = (await ground.get(f"/intakes/{job}/undo")).json()
    assert shown == {"restored": 1, "withdrawn": 1, "left_alone": 0, "changed_since": []}
    assert await ground.digest() == digest, "a preview changes nothing"
    told = await undone(ground, job, sub="wang")
    assert (told["job"]["state"], told["undoes"]) == ("done", job), told
    assert (told["rows"], told["rows_changed"], told["rows_refused"]) == (2, 2, 0)
    after = await readable(ground)
    for name in before["true"]:
        assert after["true"][name] == before["true"][name], name
    assert after == before
    (row,) = await ground.rows("select version, recorded_by, batch from household where number = $1", FIRST)
    assert (row["version"], row["recorded_by"], str(row["batch"])) == (3, "wang", told["job"]["id"]), "versions go on"
    assert (await ground.get(f"/households/by-number/{FOURTH}")).status_code == 404
    said = {one.number: one for one in await facts(ground, HouseholdRecorded)}
    assert (said[FIRST].version, said[FOURTH].version) == (3, 2)
    assert (said[FOURTH].headcount, said[FOURTH].statuses) == (0, ())

    path = f"/households/by-number/{FIRST}"
    for known_at, level in ((first, "A"), (second, "C"), (None, "A")):
        asked = {"as_of": "2019-08-23", "purpose": "核对"} | ({} if known_at is None else {"known_at": known_at})
        then = (await ground.get(path, params=asked)).json()
        assert then["living"]["housing_level"] == level, known_at
        assert len(then["members"]) == (2 if level == "C" else 3)
    (fourth,) = await ground.rows("select id from household where number = $1", FOURTH)
    for known_at, status in ((first, 404), (second, 200), (None, 404)):
        asked = {"as_of": "2019-08-23"} | ({} if known_at is None else {"known_at": known_at})
        assert (await ground.get(f"/households/{fourth['id']}", params=asked)).status_code == status, known_at

    again = await ground.post(f"/intakes/{job}/undo")
    assert (again.status_code, again.json()["code"]) == (409, "intake.undone")
    back = await ground.post(f"/intakes/{told['job']['id']}/undo")
    assert (back.status_code, back.json()["code"]) == (409, "intake.not_undoable"), "an undo is not undone"
    assert await sound(ground) == []

    later(ground)
    once_more = await ground.intake(changed_file(), observed_on="2019-08-22")
    assert (once_more["rows_refused"], once_more["rows_changed"]) == (3, 5), "who was withdrawn enters again"
    assert stripped(await home(ground)) == stripped(changed)
    assert (await home(ground, FOURTH))["closed_on"] is None
    assert await sound(ground) == []


async def test_what_somebody_changed_since_is_listed_and_left_alone(ground: Ground) -> None:
    """An officer's form, another file, and a member who left through the batch and was met elsewhere."""
    await ground.intake(file_of(*three()))
    later(ground)
    rows = three()
    for home_rows in rows:
        home_rows[0]["住房安全等级"] = "C级"
    gone = rows[1].pop()
    bad = (await ground.intake(file_of(*rows)))["job"]["id"]
    later(ground)
    await corrected(ground, {"户编号": FIRST, "住房安全等级": "B级"})
    await corrected(ground, {"户编号": THIRD, "姓名": "王建国", "务工时间": "8"})
    fourth = household(FOURTH, 7)
    fourth.append(gone | {"户编号": FOURTH})
    await ground.intake(file_of(fourth))
    later(ground)
    shown = (await ground.get(f"/intakes/{bad}/undo")).json()
    assert (shown["restored"], shown["withdrawn"], shown["left_alone"]) == (1, 0, 2)
    assert {(one["number"], one["changed_by"]) for one in shown["changed_since"]} == {(FIRST, "li"), (SECOND, "li")}
    told = await undone(ground, bad)
    assert (told["rows_changed"], told["rows_refused"]) == (1, 2)
    assert await codes(ground, told) == {(0, "undo.changed_since")}
    levels = await ground.rows("select housing_level from household order by number")
    assert [row["housing_level"] for row in levels] == ["B", "C", "A", "A"]
    assert await ground.value("select count(*) from person where work_months = 8") == 1, "what the file left alone"
    assert await sound(ground) == []


async def test_a_trial_run_and_a_waiting_file_cannot_be_undone(ground: Ground) -> None:
    tried = await ground.intake(file_of(household()), dry_run=True)
    waiting = await ground.upload(file_of(household()))
    for job in (tried["job"]["id"], str(waiting)):
        answer = await ground.post(f"/intakes/{job}/undo")
        assert (answer.status_code, answer.json()["code"]) == (409, "intake.not_undoable")
    await ground.run_jobs()
    asked = await asyncio.gather(*(ground.post(f"/intakes/{waiting}/undo") for _ in range(2)))
    assert sorted(one.status_code for one in asked) == [202, 409]


async def test_an_undo_that_is_torn_goes_on_from_its_cursor(ground: Ground) -> None:
    """The first part is committed, the job is left; whoever takes it up does the rest, and each household once."""
    await ground.intake(file_of(*three()))
    before = await readable(ground)
    later(ground)
    rows = three()
    for home_rows in rows:
        home_rows[0]["住房安全等级"] = "C级"
    bad = (await ground.intake(file_of(*rows)))["job"]["id"]
    later(ground)
    job = (await ground.post(f"/intakes/{bad}/undo")).json()["id"]
    runner, files = ground.runner(lease_seconds=0.5)
    held = await runner._take()
    assert held is not None
    await runner._chunk(held)
    await ground.rows("update undo_plan set part = 1 + (household_no % 2)::int where job = $1 returning 1", job)
    parts = '{"part": 1, "parts": 2}'
    await ground.rows("update job set cursor = $2::jsonb where id = $1 returning 1", job, parts)
    held.job = await runner._look(held)
    await runner._chunk(held)
    files.close()
    levels = await ground.rows("select housing_level from household")
    assert {row["housing_level"] for row in levels} == {"A", "C"}, "half of it is done"
    await asyncio.sleep(0.6)
    await ground.run_jobs()
    told = await ground.look(UUID(job))
    assert (told["job"]["state"], told["rows_changed"]) == ("done", 3)
    assert await readable(ground) == before
    versions = await ground.rows("select version from household")
    assert {row["version"] for row in versions} == {3}, "each once"


CELLS: Sequence[tuple[str, Sequence[str]]] = (
    ("住房安全等级", ("A级", "B级", "C级", "")), ("务工收入", ("9000.00", "1.00", "")), ("低保金", ("0", "700", "")),
    ("其他致贫原因", ("缺技术", "缺资金", "")), ("户类型", ("贫困户", "贫困户；低保户")),
)  # fmt: skip
OF_A_MEMBER: Sequence[tuple[str, Sequence[str]]] = (
    ("健康状况", ("健康", "残疾", "长期慢性病")), ("务工时间", ("6", "11", "")), ("联系电话", ("", "13800000001")),
    ("姓名", ("王建国", "王建邦")), ("与户主关系", ("配偶", "兄弟姐妹")),
)  # fmt: skip


def shuffled(chance: random.Random) -> bytes:
    """Some of four households, each changed somehow: a member less, one who moves, other cells."""
    homes = [household(f"{VILLAGE.text}{at:04d}", at * 2 - 1) for at in range(1, 5)]
    for rows in homes:
        rows[0]["低保起始时间"] = "2019-01-01"
        for row, cells in ((rows[0], CELLS), (rows[1], OF_A_MEMBER)):
            row |= {name: chance.choice(said) for name, said in cells if chance.random() < 0.6}
    if chance.random() < 0.7:
        homes[0].append(homes[1].pop() | {"户编号": FIRST})
    elif chance.random() < 0.5:
        homes[2].pop()
    kept = [rows for at, rows in enumerate(homes) if at < 2 or chance.random() < 0.7]
    return file_of(*kept)


async def test_whatever_a_file_did_its_undo_reads_as_before(ground: Ground) -> None:
    """Random files, each taken back and then one more recorded: what they are taken back to differs each time."""
    chance = random.Random(20190820)
    await ground.intake(file_of(*three()))
    for day in range(20, 24):
        later(ground)
        before = await readable(ground)
        bad = await ground.intake(shuffled(chance), observed_on=f"2019-08-{day}")
        later(ground)
        told = await undone(ground, bad["job"]["id"])
        assert (told["job"]["state"], told["rows_refused"]) == ("done", 0), told
        after = await readable(ground)
        for name in before["true"]:
            assert after["true"][name] == before["true"][name], name
        assert after == before
        assert await sound(ground) == []
        later(ground)
        await ground.intake(shuffled(chance), observed_on=f"2019-08-{day}")
