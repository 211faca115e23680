"""All checks over all that is on record, as a job: the same doubts as by each household's own form, whenever it is
killed, for whoever may see them.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from typing import Any
from uuid import UUID

from services.registry.actions.inspecting import Inspector, submit_inspection
from services.registry.app import AppSettings
from shared.auth import Officer, Role
from shared.db import Transaction, transaction
from shared.jobs import load_job
from shared.values import Scope
from tests.registry.ground import COUNTY, NEXT_VILLAGE, NOW, OTHER_COUNTY, VILLAGE, Ground, file_of
from tests.registry.make import household_body
from tests.registry.sheets import Row, household
from tests.registry.test_doubts import doubted, faults, one, settled, whole_form
from tests.registry.test_intake_killed import working

DOUBTS = """select h.number, p.name, d.check_id, d.field, d.state, d.finding, d.until, d.fingerprint, d.detail_zh,
  d.still_found, d.assignee from doubt d join household h on h.no = d.household_no
  left join person p on p.no = d.person_no
order by h.number, p.name, d.check_id, d.field, d.no"""
CHANGES = (
    "update person set work_months = 13 where no % 3 = 0",
    "update person set health = 'healthy', schooling = null where no % 4 = 1",
    "update household set headcount_on_form = 9 where no % 2 = 0",
    "update person set phone_sealed = null, phone_index = null where no % 5 = 2",
)
"""Behind the register's back: no look follows them but the one that is asked for."""


async def inspected(ground: Ground, division: str | None = None, **more: Any) -> dict[str, Any]:
    body = {} if division is None else {"division": division}
    answer = await ground.post("/doubts/inspections", json=body, **more)
    assert answer.status_code == 202, answer.text
    await ground.run_jobs()
    job: dict[str, Any] = (await ground.get(f"/jobs/{answer.json()['id']}", **more)).json()
    assert job["state"] == "done", job
    return job


def in_small_steps(ground: Ground) -> None:
    changed = {"inspection_households": 7, "intake_chunk_rows": 200}
    ground.settings = AppSettings.model_validate(ground.settings.model_copy(update=changed))


async def county(ground: Ground, seed: int = 7, count: int = 16) -> None:
    """Households with random faults, of two days of visits."""
    chance, pool = random.Random(seed), faults()
    files: list[list[list[Row]]] = [[], []]
    for at in range(1, count + 1):
        rows = whole_form(at)
        for change in chance.sample(pool, chance.randint(1, 3)):
            for row, cells in change.items():
                rows[row - 2] |= cells
        files[at % 2].append(rows)
    for day, visited in zip(("2019-08-20", "2019-03-01"), files, strict=True):
        await ground.intake(file_of(*visited), observed_on=day)


async def test_the_county_finds_what_each_form_found_and_a_second_look_changes_nothing(ground: Ground) -> None:
    in_small_steps(ground)
    await county(ground)
    before = await ground.rows(DOUBTS)
    assert len({line["check_id"] for line in before}) >= 20
    versions = await ground.rows("select * from doubt order by no")
    again = await inspected(ground)
    assert await ground.rows("select * from doubt order by no") == versions, "nothing is touched that stays as it was"
    homes = await ground.value("select count(*) from household")
    assert (again["done"], again["total"], again["result"]["households"]) == (homes, homes, homes)
    assert again["result"]["opened"] == 0
    await ground.rows("delete from doubt_event")
    await ground.rows("delete from doubt")
    anew = await inspected(ground)
    assert await ground.rows(DOUBTS) == before
    assert anew["result"]["opened"] == len(before)
    assert await ground.value("select max(version) from household") == 1, "no check changes what is recorded"


async def test_a_look_at_the_county_makes_of_each_doubt_what_its_form_would(ground: Ground) -> None:
    """Doubts in every state, facts changed underneath: once by the job, once by forms that say nothing new."""
    in_small_steps(ground)
    await county(ground, 11)
    chance = random.Random(3)
    for line in await ground.rows("select no from doubt order by no"):
        finding = chance.choice(["kept", "exception", "corrected", None, None])
        closed = chance.random() < 0.6
        if finding is not None:
            await ground.rows(ANSWER, line["no"], finding, "closed" if closed else "found")
    for change in CHANGES:
        await ground.rows(change)
    await ground.rows("create table kept_doubt as select * from doubt")
    await inspected(ground)
    by_job = await ground.rows(DOUBTS)
    await ground.rows("delete from doubt_event")
    await ground.rows("delete from doubt")
    await ground.rows("insert into doubt overriding system value select * from kept_doubt")
    await ground.rows("drop table kept_doubt")
    for found in await ground.rows("select id, observed_on from household"):
        said = {"observed_on": str(found["observed_on"])}
        answer = await ground.ask("PATCH", f"/households/{found['id']}", json=said, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text
    assert by_job == await ground.rows(DOUBTS)
    assert len({(line["state"], line["finding"]) for line in by_job}) >= 5, "each way of a doubt was gone"


ANSWER = """update doubt set finding = $2, state = $3, found_by = 'li', reason = '因',
  until = case when $2 = 'exception' then date '2019-12-31' end,
  closed_at = case when $3 = 'closed' then now() end, closed_by = case when $3 = 'closed' then 'wang' end
where no = $1"""


async def test_a_number_of_another_household_is_in_doubt_once_and_not_for_its_holder(ground: Ground) -> None:
    """However many households are looked at together: the register says whose number it is."""
    await ground.intake(file_of(household(f"{VILLAGE}0001", 1)))
    await ground.intake(file_of(household(f"{VILLAGE}0002", 1)))
    query = "select count(*) from doubt where check_id = 'I1' and closed_at is null"
    assert await ground.value(query) == 3
    holders = await ground.rows("select person_no, fingerprint from doubt where check_id = 'I1' order by 1")
    await inspected(ground)
    assert await ground.value(query) == 3
    assert await ground.rows("select person_no, fingerprint from doubt where check_id = 'I1' order by 1") == holders


async def test_it_looks_where_its_submitter_may_and_nowhere_else(ground: Ground) -> None:
    await doubted(ground)
    far = household_body(2, 12, division=NEXT_VILLAGE.text, living={"headcount_on_form": 7})
    assert (await ground.post("/households", json=far)).status_code == 201
    await ground.rows("delete from doubt")
    for more in ({"divisions": [OTHER_COUNTY.text]}, {"division": VILLAGE.text, "divisions": [VILLAGE.text]}):
        await inspected(ground, **more)
    places = await ground.rows("select distinct division from doubt")
    assert [line["division"] for line in places] == [VILLAGE.value]
    outside = await ground.post("/doubts/inspections", json={"division": NEXT_VILLAGE.text}, divisions=[VILLAGE.text])
    assert (outside.status_code, outside.json().get("code")) == (403, "scope.refused")
    nobody = await ground.post("/doubts/inspections", json={}, role="auditor")
    assert nobody.status_code == 403


async def test_an_exception_that_was_accepted_is_not_raised_again_and_what_vanished_is_closed(ground: Ground) -> None:
    doubt = await doubted(ground)
    await settled(ground, doubt, "exception", "2019-12-31")
    await inspected(ground, COUNTY.text)
    assert (await one(ground, check="I13", state="closed"))["finding"] == "exception"
    await ground.rows("update household set headcount_on_form = 5")
    assert (await inspected(ground, COUNTY.text))["result"]["opened"] == 0, "an exception holds whatever the facts"
    other = household_body(2, 12, living={"headcount_on_form": 4})
    assert (await ground.post("/households", json=other)).status_code == 201
    await ground.rows("update household set headcount_on_form = 2 where number like '%0002'")
    told = (await inspected(ground, COUNTY.text))["result"]
    assert (told["closed"], told["opened"], told["reopened"]) == (1, 0, 0)


async def test_who_was_changed_between_reading_and_saving_is_read_again(ground: Ground) -> None:
    """What was found of a household as it was is never saved of it as it is."""
    doubt = await doubted(ground)
    officer = Officer("wang", "经办人", frozenset({Role.CLERK}), (COUNTY,))
    async with transaction(ground.api_engine, officer.scope, caller=officer.sub) as tx:
        queued = await submit_inspection(tx, officer, None, NOW)
    inspector = Inspector(lambda job: transaction(ground.engine, job.scope, caller=job.sub), ground.keys, 5)
    prepared = await inspector.prepare(queued)
    said = {"observed_on": "2019-08-21", "living": {"headcount_on_form": 2}}
    answer = await ground.ask("PATCH", f"/households/{doubt['household']}", json=said, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text

    async def chunk(tx: Transaction) -> int:
        step = await inspector.run_chunk(tx, await load_job(tx, queued.id), NOW, prepared)
        return int(step.done)

    async with transaction(ground.engine, officer.scope, caller=officer.sub) as tx:
        assert await chunk(tx) == 1
    assert await ground.value("select count(*) from doubt where check_id = 'I13' and closed_at is null") == 0


async def test_killed_in_the_middle_it_goes_on_and_finds_the_same(ground: Ground) -> None:
    in_small_steps(ground)
    await county(ground)
    expected = await ground.rows(DOUBTS)
    await ground.rows("delete from doubt_event")
    await ground.rows("delete from doubt")
    answer = await ground.post("/doubts/inspections", json={})
    job = UUID(answer.json()["id"])
    async with working(ground, "inspected") as (process, _):
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    async with transaction(ground.engine, Scope.everything()) as tx:
        torn = await load_job(tx, job)
    assert 0 < torn.done < await ground.value("select count(*) from household"), "some of it was done"
    for _ in range(200):
        await ground.run_jobs()
        async with transaction(ground.engine, Scope.everything()) as tx:
            finished = await load_job(tx, job)
        if finished.state.is_final:
            break
        await asyncio.sleep(0.1)  # until the lease of the dead has run out
    assert (finished.state.value, finished.done) == ("done", finished.total)
    assert await ground.rows(DOUBTS) == expected


async def test_it_is_cancelled_between_two_steps(ground: Ground) -> None:
    await doubted(ground)
    answer = await ground.post("/doubts/inspections", json={})
    cancelled = await ground.post(f"/jobs/{answer.json()['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    await ground.rows("delete from doubt")
    await ground.run_jobs()
    assert await ground.value("select count(*) from doubt") == 0
