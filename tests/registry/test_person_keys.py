"""Keys by which a person is met again: made after each commit that wrote him, by whatever road, and never lost."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.registry.actions import likeness as actions
from services.registry.likeness import keys_of
from services.registry.store import likeness as store
from shared.db import transaction
from shared.due import schedule
from shared.values import Scope, new_id
from tests.registry.ground import NEXT_VILLAGE, NOW, VILLAGE, Ground, file_of
from tests.registry.make import household_body
from tests.registry.sheets import citizen_id, household
from tests.registry.test_api import recorded
from tests.registry.test_surgery import begun, done

HELD = "select l.*, p.name as person from likeness l join person p on p.no = l.person_no order by l.person_no"


async def keys(ground: Ground) -> dict[str, dict[str, Any]]:
    """By name; each name stands once in these registers."""
    await ground.run_due()
    return {row["person"]: row for row in await ground.rows(HELD)}


async def whole(ground: Ground) -> None:
    """Keys made of everybody anew are the keys that stand: whatever was written was followed."""
    before = await ground.rows(HELD)
    probes = "select * from likeness_probe order by 1, 2"
    held = await ground.rows(probes)
    async with transaction(ground.engine, Scope.everything()) as tx:
        everybody = [row["no"] for row in await tx.driver.fetch("select no from person")]
        await actions.key_persons(tx, ground.keys, everybody)
    assert await ground.rows(HELD) == before
    assert await ground.rows(probes) == held


async def test_a_form_s_people_have_their_keys_after_its_commit(ground: Ground) -> None:
    await recorded(ground)
    assert await ground.rows(HELD) == [], "the form itself writes none"
    found = await keys(ground)
    head, son = found["李秀英"], found["王小明"]
    said = keys_of("李秀英", citizen_id("19800305", 2), None, "female", "13812345678", ground.keys.blind_index)
    for name in ("id_form", "id_key", "phone_key", "name_key", "sound_key", "bag_key", "born", "sex", "pinyin"):
        assert head[name] == getattr(said, name), name
    assert (head["head_key"], son["head_key"]) == (said.bag_key, said.bag_key)
    assert (head["division"], head["name"], head["initials"]) == (VILLAGE.value, "李秀英", "lxy")
    assert await ground.value("select count(*) from likeness_due") == 0


async def test_a_file_s_people_have_the_same_keys_as_a_form_s(ground: Ground) -> None:
    report = await ground.intake(file_of(household(), household(f"{NEXT_VILLAGE.text}0001", 21)))
    assert report["rows_new"] == 6
    assert await ground.value("select count(*) from likeness_due") == await ground.value(
        "select count(*) from due where verb = $1", store.VERB
    )
    await ground.run_due()
    rows = await ground.rows(HELD)
    assert [(row["division"], row["initials"]) for row in rows] == [
        (place, initials) for place in (VILLAGE.value, NEXT_VILLAGE.value) for initials in ("lxy", "wjg", "wxm")
    ]
    assert all(row["id_form"] == 1 and row["id_key"] for row in rows)
    await whole(ground)
    before = await ground.digest()
    await ground.intake(file_of(household(), household(f"{NEXT_VILLAGE.text}0001", 21)))
    assert await ground.value("select count(*) from likeness_due") == 0, "what is unchanged waits for nothing"
    assert (await ground.digest())["person"] == before["person"]


async def test_keys_follow_a_name_a_head_a_place_and_a_leave(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    before = await keys(ground)
    await done(ground, home, "change-head", head=son, relations={head: "mother"})
    after = await keys(ground)
    assert {row["head_key"] for row in after.values()} == {before["王小明"]["bag_key"]}
    change: dict[str, Any] = {"observed_on": "2019-08-20", "division": NEXT_VILLAGE.text}
    change["members"] = [{"id": son, "relation": "head", "name": "王大明"}]
    answer = await ground.ask("PATCH", f"/households/{home}", json=change, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text
    after = await keys(ground)
    assert after["王大明"]["head_key"] == after["王大明"]["bag_key"] != before["王小明"]["bag_key"]
    assert after["王大明"]["division"] == NEXT_VILLAGE.value
    gone = after["李秀英"]
    assert (gone["household_no"], gone["head_key"], gone["bag_key"]) == (0, 0, before["李秀英"]["bag_key"])
    await whole(ground)


async def test_a_damaged_number_has_probes_until_it_is_mended(ground: Ground) -> None:
    right = citizen_id("19800305", 2)
    wrong = right[:17] + str((int(right[17].replace("X", "3")) + 1) % 10)
    body = household_body()
    body["members"][0] |= {"id_number": wrong, "phone": None}
    home = (await ground.post("/households", json=body)).json()
    found = (await keys(ground))["李秀英"]
    assert (found["id_form"], found["id_key"]) == (2, 0)
    meant = keys_of("李秀英", right, None, None, None, ground.keys.blind_index).id_key
    assert await ground.value("select count(*) from likeness_probe where key = $1", meant) == 1
    person = home["members"][0]["person"]["id"]
    mended: dict[str, Any] = {"observed_on": "2019-08-21", "members": [{"id": person, "relation": "head"}]}
    mended["members"][0]["id_number"] = right
    assert (
        await ground.ask("PATCH", f"/households/{home['id']}", json=mended, headers={"If-Match": "*"})
    ).status_code == 200
    assert (await keys(ground))["李秀英"]["id_key"] == meant
    assert await ground.value("select count(*) from likeness_probe") == 0


class Ended(Exception):
    """The worker's end."""


async def ended(ground: Ground, nouns: list[str]) -> None:
    async with transaction(ground.engine, Scope.everything()) as tx:
        await actions.keying(ground.keys)(tx, nouns, NOW)
        assert await tx.driver.fetchval("select count(*) from likeness") == 2
        raise Ended


async def test_whoever_ends_over_keys_loses_none(ground: Ground) -> None:
    """The queue's row goes with the keys that it asks for: before their commit all is as it was, and is done again."""
    await recorded(ground)
    waiting = await ground.rows("select id, persons from likeness_due")
    with pytest.raises(Ended):
        await ended(ground, [str(row["id"]) for row in waiting])
    assert await ground.rows(HELD) == []
    assert await ground.rows("select id, persons from likeness_due") == waiting
    assert len(await keys(ground)) == 2
    assert await ground.value("select count(*) from likeness_due") == 0


async def test_a_file_s_people_wait_while_a_file_is_recorded_but_not_for_ever(ground: Ground) -> None:
    await recorded(ground)
    many, old = new_id(), UUID("01000000-0000-7000-8000-000000000000")
    people = list(range(10_000, 10_000 + store.MANY))
    await ground.intake(file_of(household(f"{VILLAGE}0009", 9)))
    await ground.run_due()
    async with transaction(ground.engine, Scope.everything()) as tx:
        for noun in (many, old):
            await tx.driver.execute(store.NOTE, noun, people)
            await schedule(tx, store.VERB, noun, NOW)
        await tx.driver.execute("update job set state = 'running', ended_at = null")
    await recorded(ground, serial=2, order=40)
    assert await ground.run_due() == 3
    assert [row["id"] for row in await ground.rows("select id from likeness_due")] == [many]
    assert await ground.value("select due_at from due where verb = $1", store.VERB) > NOW
    await ground.rows("update job set state = 'done', ended_at = now()")
    await ground.rows("update due set due_at = $1", NOW)
    await ground.run_due()
    assert await ground.rows("select id from likeness_due") == []


@pytest.mark.parametrize("seed", range(2))
async def test_random_deeds_are_followed(ground: Ground, seed: int) -> None:
    """Whatever was done, and in whatever bundles the worker took it: the keys are those that would be made anew."""
    chance = random.Random(seed)
    homes = [(await begun(ground, serial)) for serial in (1, 2, 3)]
    day = NOW.date() - timedelta(days=60)
    for turn in range(8):
        home, (head, son) = chance.choice(homes)
        day += timedelta(days=3)
        deeds: list[tuple[str, dict[str, Any]]] = [
            ("change-head", {"head": son, "relations": {head: "mother"}}),
            ("birth", {"child": {"relation": "other", "name": f"新{turn}"}}),
            ("split", {"number": f"{VILLAGE}{700 + turn:04d}", "head": son}),
            ("death", {"person": son}),
        ]
        verb, body = chance.choice(deeds)
        given = {"on": str(day), **body}
        await ground.post(f"/households/{home}/{verb}", json=given, headers={"If-Match": "*"})
        if chance.random() < 0.4:
            await ground.run_due()
    await ground.run_due()
    assert await ground.value("select count(*) from likeness") == await ground.value("select count(*) from person")
    await whole(ground)
