"""Somebody without a valid number is bound to his own later: the same person before and after, whatever is asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.registry.ground import NEXT_VILLAGE, VILLAGE, Ground
from tests.registry.sheets import citizen_id
from tests.registry.test_api import recorded
from tests.registry.test_comings import then
from tests.registry.test_surgery import BABY, DAY, asks, begun, done, held, sentences, told_whole

NUMBER = citizen_id("20190601", 8)
OLD = "629999850304101"
BABY_OF = {"relation": "daughter", "name": "王小红", "sex": "female"}


async def numberless(ground: Ground, **more: Any) -> tuple[str, str, str]:
    """A household, its head, and a child of it without a number."""
    home, (head, _) = await begun(ground)
    born = await done(ground, home, "birth", child={**BABY_OF, **more})
    members = born["households"][0]["household"]["members"]
    return home, head, next(one["person"]["id"] for one in members if one["relation"] == "daughter")


async def found_by(ground: Ground, number: str, **asked: Any) -> list[str]:
    answer = await ground.post("/people/search", json={"id_number": number, "purpose": "核对"}, params=asked)
    return [one["person"]["id"] for one in answer.json()["found"]]


async def test_the_same_person_before_and_after(ground: Ground) -> None:
    home, _, child = await numberless(ground)
    pseudonym = await ground.value("select pseudonym from person where id = $1", child)
    before = await held(ground)
    shown = await done(ground, home, "bind-id", on="2019-07-01", person=child, id_number=NUMBER, preview=True)
    assert "一名成员登记了证件号码" in str(sentences(shown))
    assert NUMBER not in str(shown)
    assert await held(ground) == before
    await done(ground, home, "bind-id", on="2019-07-01", person=child, id_number=NUMBER)
    row = (await ground.rows("select id_provisional, pseudonym, birth_on, sex from person where id = $1", child))[0]
    assert (row["id_provisional"], row["pseudonym"], str(row["birth_on"]), row["sex"]) == (
        False, pseudonym, DAY, "female",
    )  # fmt: skip
    assert await found_by(ground, NUMBER) == [child]
    for day in (DAY, "2019-06-30", "2019-07-01", "2019-08-01"):
        assert child in {one["person"]["id"] for one in (await then(ground, home, day))["members"]}, day
    assert await ground.value("select count(*) from person") == 3
    again = await asks(ground, home, "bind-id", on="2019-07-02", person=child, id_number=NUMBER)
    assert (again.status_code, again.json().get("code")) == (409, "person.bound")
    await told_whole(ground, home)


@pytest.mark.parametrize(("kept", "given"), [(OLD, OLD), ("999999201906010015", NUMBER), (NUMBER[:-1] + "?", NUMBER)])
async def test_old_placeholder_and_damaged_numbers_are_made_whole(ground: Ground, kept: str, given: str) -> None:
    said = kept if kept[-1] != "?" else NUMBER[:-1] + ("1" if NUMBER[-1] != "1" else "2")
    home, _, child = await numberless(ground, id_number=said)
    await done(ground, home, "bind-id", person=child, id_number=given)
    shown = (await ground.get(f"/households/{home}", params={"purpose": "核对"})).json()["members"]
    numbers = {one["person"]["id"]: one["person"]["id_number"] for one in shown}
    assert len(numbers[child]) == 18
    assert numbers[child] == NUMBER or numbers[child].startswith("629999198503041")
    assert await found_by(ground, numbers[child]) == [child]
    await told_whole(ground, home)


async def test_a_number_that_somebody_holds_is_not_taken_from_him(ground: Ground) -> None:
    home, head, child = await numberless(ground)
    other, _ = await begun(ground, 2)
    shown = (await ground.get(f"/households/{other}", params={"purpose": "核对"})).json()["members"]
    far = await recorded(ground, serial=9, order=300, observed_on="2019-02-01", division=NEXT_VILLAGE.text)
    hidden = (await ground.get(f"/households/{far['id']}", params={"purpose": "核对"})).json()["members"]
    before = await held(ground)
    for number, more, status, code in (
        (shown[0]["person"]["id_number"], {}, 409, "person.number_held"),
        (hidden[0]["person"]["id_number"], {"divisions": [VILLAGE.text]}, 409, "person.out_of_scope"),
        ("999999201906010015", {}, 422, "person.placeholder"),
        (NUMBER + "41", {}, 422, "value.invalid"),
        (NUMBER[:-1] + ("1" if NUMBER[-1] != "1" else "2"), {}, 422, "value.invalid"),
        (NUMBER, {"divisions": [NEXT_VILLAGE.text]}, 404, "household.missing"),
    ):
        body = {"on": DAY, "person": child, "id_number": number}
        answer = await ground.post(f"/households/{home}/bind-id", json=body, headers={"If-Match": "*"}, **more)
        assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    sound = await asks(ground, home, "bind-id", person=head, id_number=NUMBER)
    assert (sound.status_code, sound.json().get("code")) == (409, "person.bound")
    assert await held(ground) == before


async def test_one_number_for_two_at_once(ground: Ground) -> None:
    home, _, child = await numberless(ground)
    other, _ = await begun(ground, 2)
    born = await done(ground, other, "birth", child={**BABY, "name": "王小兰"})
    twin = next(
        one["person"]["id"] for one in born["households"][0]["household"]["members"] if one["relation"] == "daughter"
    )
    answers = await asyncio.gather(
        asks(ground, home, "bind-id", person=child, id_number=NUMBER),
        asks(ground, other, "bind-id", person=twin, id_number=NUMBER),
    )
    assert sorted(one.status_code for one in answers) == [200, 409], [one.text for one in answers]
    assert len(await found_by(ground, NUMBER)) == 1
    await told_whole(ground, home, other)
