"""A village is merged into another one, or has another code, from a day on.

Its households follow as a job, numbers stay, the old code answers for the days before.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.registry.app import AppSettings
from shared.db import transaction
from shared.events.registry import DivisionRecorded
from shared.jobs import load_job
from shared.values import Scope
from tests.registry.ground import COUNTY, NEXT_VILLAGE, OTHER_COUNTY, VILLAGE, Ground
from tests.registry.make import household_body
from tests.registry.test_api import recorded, said
from tests.registry.test_comings import then
from tests.registry.test_intake_killed import working
from tests.registry.test_surgery import DAY, begun, done, held, told_whole
from tests.registry.test_timeline import told

EVE = "2019-05-31"
NEW = "623023100298"


@pytest.fixture(autouse=True)
async def divisions_as_delivered(ground: Ground) -> AsyncIterator[None]:
    """The next test begins with the divisions that the software brought along."""
    yield
    await ground.rows("delete from division where code = $1", int(NEW))
    await ground.rows(
        "update division set valid_to = null, superseded_by = null, version = 1, recorded_by = 'migration'"
        " where superseded_by is not null"
    )
    await ground.rows("delete from division_history")


async def superseded(ground: Ground, match: str = "*", code: str = VILLAGE.text, **body: Any) -> httpx.Response:
    given = {"into": NEXT_VILLAGE.text, "on": DAY, **body}
    return await ground.post(
        f"/divisions/{code}/supersede", json=given, headers={"If-Match": match}, role="operator", sub="zhao"
    )


async def carried(ground: Ground, **body: Any) -> dict[str, Any]:
    answer = await superseded(ground, **body)
    assert answer.status_code == 200, answer.text
    await ground.run_jobs()
    job: dict[str, Any] = (await ground.get(f"/jobs/{answer.json()['job']['id']}", role="operator")).json()
    assert job["state"] == "done", job
    return job


def in_small_steps(ground: Ground) -> None:
    ground.settings = AppSettings.model_validate(ground.settings.model_copy(update={"inspection_households": 2}))


async def listed(ground: Ground, village: str, day: str | None = None, **more: Any) -> list[tuple[str, int]]:
    asked = {"division": village} | ({} if day is None else {"as_of": day})
    page = await ground.get("/households", params=asked, **more)
    return [(one["number"], one["headcount"]) for one in page.json()["items"]]


async def test_a_village_is_merged_and_its_households_follow(ground: Ground) -> None:
    in_small_steps(ground)
    homes = [await begun(ground, serial) for serial in (1, 2, 3, 4, 5)]
    (first, (_, gone)), (closed, _) = homes[0], homes[1]
    await done(ground, first, "marry-out", on="2019-04-01", person=gone)
    await done(ground, closed, "close", on="2019-04-01", reason="moved_away")
    numbers = [f"{VILLAGE}{serial:04d}" for serial in (1, 3, 4, 5)]
    seen = len(await told(ground, first))
    before = await held(ground)
    shown = await superseded(ground, preview=True)
    assert shown.status_code == 200, shown.text
    assert (shown.json()["households"], shown.json()["persons"], shown.json()["job"]) == (5, 10, None)
    assert (shown.json()["old"]["valid_to"], shown.json()["old"]["superseded_by"]) == (EVE, NEXT_VILLAGE.text)
    assert await held(ground) == before, "a preview changes nothing"
    job = await carried(ground)
    assert (job["done"], job["total"], job["result"]) == (5, 5, {"households": 5})
    assert [number for number, _ in await listed(ground, NEXT_VILLAGE.text)] == numbers, "the numbers stay"
    assert await listed(ground, VILLAGE.text) == []
    assert [number for number, _ in await listed(ground, VILLAGE.text, EVE)] == numbers
    assert await listed(ground, NEXT_VILLAGE.text, EVE) == []
    assert [number for number, _ in await listed(ground, NEXT_VILLAGE.text, DAY)] == numbers
    assert await ground.value("select count(*) from person where division = $1", VILLAGE.value) == 0
    words = [one["zh"] for one in await told(ground, first, seen)]
    assert f"所在村（{VILLAGE}）并入他村或改码，本户随之划转（办理区划调整，经手人zhao）" in words[0]
    assert "迁至" in words[1]
    assert "办理区划调整" in words[1]
    await told_whole(ground, *(home for home, _ in homes))


async def test_who_sees_what_after_a_merger(ground: Ground) -> None:
    """The past goes with the noun: the new village's officer sees it, the old code's token nothing."""
    home, _ = await begun(ground)
    await carried(ground)
    new, old = {"divisions": [NEXT_VILLAGE.text]}, {"divisions": [VILLAGE.text]}
    assert (await ground.get(f"/households/{home}", **new)).status_code == 200
    past = await ground.get(f"/households/{home}", params={"as_of": EVE}, **new)
    assert (past.status_code, past.json()["division"]) == (200, VILLAGE.text)
    assert (await ground.get(f"/households/{home}", **old)).status_code == 404
    assert (await ground.get(f"/divisions/{VILLAGE}")).json()["superseded_by"] == NEXT_VILLAGE.text
    dissolved = await ground.get(f"/divisions/{VILLAGE}", params={"as_of": DAY})
    standing = await ground.get(f"/divisions/{VILLAGE}", params={"as_of": EVE})
    assert (dissolved.status_code, standing.status_code) == (404, 200)
    late = await ground.post("/households", json=household_body(7, 140, observed_on="2019-07-01"))
    assert (late.status_code, late.json()["code"]) == (422, "division.unknown")


async def test_a_village_under_a_new_code(ground: Ground) -> None:
    """The code is made with its name, in its township, and said; then all is as with a merger."""
    home, _ = await begun(ground)
    nameless = await superseded(ground, into=NEW)
    assert (nameless.status_code, nameless.json()["code"]) == (422, "division.nameless")
    await carried(ground, into=NEW, name="新村")
    made = (await ground.get(f"/divisions/{NEW}")).json()
    told_of = (made["name"], made["parent"], made["valid_from"], made["level"])
    assert told_of == ("新村", VILLAGE.text[:9] + "000", DAY, "village")
    facts = {one.code: one for one in await said(ground, DivisionRecorded)}
    assert (facts[NEW].name, facts[VILLAGE.text].superseded_by) == ("新村", NEW)
    assert (await then(ground, home, DAY))["division"] == NEW
    assert (await then(ground, home, EVE))["division"] == VILLAGE.text
    await told_whole(ground, home)


async def test_what_is_ordered_again_carries_what_was_left(ground: Ground) -> None:
    home, _ = await begun(ground)
    first = await superseded(ground)
    cancelled = await ground.post(f"/jobs/{first.json()['job']['id']}/cancel", role="operator")
    assert cancelled.json()["state"] == "cancelled"
    assert (await then(ground, home, DAY))["division"] == VILLAGE.text
    await carried(ground)
    assert (await then(ground, home, DAY))["division"] == NEXT_VILLAGE.text
    other = await superseded(ground, into="623023100202")
    assert (other.status_code, other.json()["code"]) == (409, "division.ended")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"into": VILLAGE.text}, 409, "division.into_itself"),
        ({"into": f"{COUNTY}"}, 422, "division.not_village"),
        ({"into": "522630100200"}, 403, "scope.refused"),
        ({"on": "2031-01-01"}, 409, "observation.future"),
        ({"on": "1999-01-01"}, 409, "division.ended"),
        ({"match": '"99"'}, 412, "version.stale"),
        ({"code": "623023100999"}, 404, "division.missing"),
    ],
)
async def test_what_cannot_follow_is_told_by_name(ground: Ground, body: dict[str, Any], status: int, code: str) -> None:
    answer = await superseded(ground, **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await ground.value("select count(*) from job") == 0


async def test_who_may_order_it(ground: Ground) -> None:
    for more, status in (({"role": "clerk"}, 403), ({"role": "operator", "divisions": [VILLAGE.text]}, 403)):
        given = {"json": {"into": NEXT_VILLAGE.text, "on": DAY}, "headers": {"If-Match": "*"}}
        answer = await ground.post(f"/divisions/{VILLAGE}/supersede", **given, **more)
        assert answer.status_code == status, answer.text
    far = await ground.post(f"/divisions/{VILLAGE}/supersede", **given, role="operator", divisions=[OTHER_COUNTY.text])
    assert (far.status_code, far.json()["code"]) == (404, "division.missing")


async def test_killed_in_the_middle_the_rest_follows_and_nothing_twice(ground: Ground) -> None:
    in_small_steps(ground)
    homes = [(await begun(ground, serial))[0] for serial in (1, 2, 3, 4, 5)]
    job = UUID((await superseded(ground)).json()["job"]["id"])
    async with working(ground, "carried") as (process, _):
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    there = "select count(*) from household where division = $1"
    assert 0 < await ground.value(there, VILLAGE.value) < 5, "some of them had followed"
    for _ in range(200):
        await ground.run_jobs()
        async with transaction(ground.engine, Scope.everything()) as tx:
            finished = await load_job(tx, job)
        if finished.state.is_final:
            break
        await asyncio.sleep(0.1)  # until the lease of the dead has run out
    assert (finished.state.value, finished.done) == ("done", 5)
    assert await ground.value(there, NEXT_VILLAGE.value) == 5
    assert await ground.value("select count(*) from deed where verb = 'carried'") == 5
    assert await ground.value("select count(*) from household where version <> 2") == 0
    await told_whole(ground, *homes)


async def test_a_form_and_the_merger_at_once(ground: Ground) -> None:
    """One comes after the other; wherever the form lands, its household has followed in the end."""
    home, _ = await begun(ground)
    await recorded(ground, serial=9, order=300, observed_on="2019-02-01")
    assert (await superseded(ground)).status_code == 200
    patch: dict[str, Any] = {"json": {"observed_on": "2019-08-01", "group": "八组"}, "headers": {"If-Match": "*"}}
    answer, _ = await asyncio.gather(ground.ask("PATCH", f"/households/{home}", **patch), ground.run_jobs())
    assert answer.status_code in (200, 422), answer.text
    found = (await ground.get(f"/households/{home}")).json()
    assert found["division"] == NEXT_VILLAGE.text
    await told_whole(ground, home)
