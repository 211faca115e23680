"""What life does to households: verbs with previews, guards, facts, and what the timeline says of them."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.registry.app import check
from services.registry.domain import facts_of
from services.registry.store.households import load_household
from shared.db import transaction
from shared.events.registry import CircumstancesRecorded, HouseholdRecorded
from shared.values import Scope, new_id
from tests.registry.ground import NEXT_VILLAGE, VILLAGE, Ground, file_of
from tests.registry.sheets import household as sheet
from tests.registry.test_api import recorded, said
from tests.registry.test_timeline import says, told
from tests.registry.test_two_writers import unordered

DAY = "2019-06-01"
HELD = ("household", "household_history", "person", "person_history", "membership", "status", "income", "deed", "doubt")


async def asks(ground: Ground, home: str, verb: str, match: str = "*", **body: Any) -> httpx.Response:
    given = {"on": DAY, **body}
    return await ground.post(f"/households/{home}/{verb}", json=given, headers={"If-Match": match})


async def done(ground: Ground, home: str, verb: str, **body: Any) -> dict[str, Any]:
    answer = await asks(ground, home, verb, **body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def begun(ground: Ground, serial: int = 1, **more: Any) -> tuple[str, list[str]]:
    """A household visited in February, and its people: the head and her son."""
    found = await recorded(ground, serial=serial, order=serial * 20, observed_on="2019-02-01", **more)
    return found["id"], [one["person"]["id"] for one in found["members"]]


def people(shown: dict[str, Any]) -> list[tuple[str, str, str]]:
    return sorted((one["relation"], one["person"]["id"], one["since"]) for one in shown["members"])


async def told_whole(ground: Ground, *homes: str) -> None:
    """Both facts of each as the register holds it now; and nothing is wrong anywhere."""
    for home in homes:
        async with transaction(ground.engine, Scope.everything()) as tx:
            now = list(facts_of((await load_household(tx, UUID(home))).household))
        for kind, fact in zip((HouseholdRecorded, CircumstancesRecorded), now, strict=True):
            last = [one for one in await said(ground, kind) if str(one.household) == home][-1]
            assert unordered(last) == unordered(fact)
    async with transaction(ground.engine, Scope.everything()) as tx:
        assert await check(tx) == []


BABY = {"relation": "daughter", "name": "王小红", "sex": "female", "birth_on": DAY}


async def test_a_child_is_born(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    seen = len(await told(ground, home))
    found = await done(ground, home, "birth", child=BABY)
    (shown,) = [one["household"] for one in found["households"]]
    baby = next(one["person"]["id"] for one in shown["members"] if one["relation"] == "daughter")
    assert people(shown) == sorted([("head", head, "2019-02-01"), ("son", son, "2019-02-01"), ("daughter", baby, DAY)])
    assert (found["preview"], shown["version"], shown["headcount"]) == (False, 2, 3)
    through = ("办理出生登记，经手人li", "birth, recorded by li")
    await says(
        ground,
        home,
        seen,
        (DAY, "添丁", "a child was born", through),
        (DAY, "王*红（之女）加入本户", "王*红 (daughter) joined the household", through),
    )
    before = (await ground.get(f"/households/{home}", params={"as_of": "2019-05-31"})).json()
    assert before["headcount"] == 2
    await told_whole(ground, home)


async def test_who_died_is_followed(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    await done(ground, home, "birth", child=BABY)
    found = await done(
        ground,
        home,
        "death",
        person=head,
        on="2019-07-01",
        head=son,
        relations={await baby_of(ground, home): "sibling"},
    )
    shown = found["households"][0]["household"]
    assert [(one["relation"], one["person"]["id"]) for one in shown["members"]] == [
        ("head", son),
        ("sibling", await baby_of(ground, home)),
    ]
    assert [one["zh"].split("：")[1].split("（办理")[0] for one in found["households"][0]["changes"]] == [
        "一名成员去世",
        "王*明成为户主（原为之子）",
        "王*红由之女改为之兄弟姐妹",
        "李*英（户主）离开本户",
    ]
    assert await ground.value("select died_on from person where id = $1", head) == date(2019, 7, 1)
    assert await ground.value("select household_no from person where id = $1", head) is None
    then = (await ground.get(f"/households/{home}", params={"as_of": "2019-06-30"})).json()
    assert {one["person"]["id"]: one["person"]["died_on"] for one in then["members"]}[head] is None
    await told_whole(ground, home)


async def baby_of(ground: Ground, home: str) -> str:
    return str(await ground.value("select id from person where name = '王小红'"))


async def test_with_the_last_member_the_household_is_closed(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    await done(ground, home, "death", person=son)
    found = await done(ground, home, "death", person=head, on="2019-07-01")
    shown = found["households"][0]["household"]
    assert (shown["headcount"], shown["closed_on"], shown["superseded_by"]) == (0, "2019-07-01", None)
    assert [(one["kind"], one["until"]) for one in shown["statuses"]] == [("poor", "2019-07-01")]
    assert "本户注销" in str(found["households"][0]["changes"])
    listed = {"division": VILLAGE.text}
    assert (await ground.get("/households", params=listed)).json()["items"] == []
    assert (await ground.get("/reports/households", params=listed)).json()["households"] == 0
    then = (await ground.get("/households", params={**listed, "as_of": "2019-06-30"})).json()["items"]
    assert [(one["id"], one["headcount"], one["statuses"]) for one in then] == [(home, 1, ["poor"])]
    later = (await ground.get("/households", params={**listed, "as_of": "2019-07-01"})).json()["items"]
    assert later == []
    for verb, body in (("birth", {"child": BABY}), ("death", {"person": head})):
        again = await asks(ground, home, verb, **body)
        assert (again.status_code, again.json()["code"]) == (409, "household.closed"), verb
    form = await ground.ask("PATCH", f"/households/{home}", json={"observed_on": DAY}, headers={"If-Match": "*"})
    assert (form.status_code, form.json()["code"]) == (409, "household.closed")
    report = await ground.intake(file_of(sheet(f"{VILLAGE}0001", 9)))
    assert (report["rows_refused"], report["rows_new"]) == (3, 0), "a file cannot bring it back either"
    await told_whole(ground, home)


async def test_another_head(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    found = await done(ground, home, "change-head", head=son, relations={head: "mother"})
    assert people(found["households"][0]["household"]) == sorted([("head", son, DAY), ("mother", head, DAY)])
    then = (await ground.get(f"/households/{home}", params={"as_of": "2019-05-31"})).json()
    assert people(then) == sorted([("head", head, "2019-02-01"), ("son", son, "2019-02-01")])
    await told_whole(ground, home)


async def split_off(ground: Ground, home: str, head: str, **more: Any) -> dict[str, Any]:
    return await done(ground, home, "split", number=f"{VILLAGE}0500", head=head, **more)


async def test_a_split(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    seen = len(await told(ground, home))
    found = await split_off(ground, home, son, id=str(new_id()))
    old, new = (one["household"] for one in found["households"])
    assert people(old) == [("head", head, "2019-02-01")]
    assert people(new) == [("head", son, DAY)]
    assert (new["version"], new["number"], new["division"], new["group"]) == (1, f"{VILLAGE}0500", VILLAGE.text, "二组")
    assert [(one["kind"], one["since"]) for one in new["statuses"]] == [("poor", DAY)], "what it was, from that day"
    assert new["living"]["housing_level"] is None, "of its house nothing is known"
    through = ("办理分户，经手人li", "split, recorded by li")
    await says(
        ground,
        home,
        seen,
        (DAY, f"分出户{new['number']}", f"household {new['number']} split off", through),
        (DAY, "王*明（之子）离开本户", "王*明 (son) left the household", through),
    )
    first = (await told(ground, new["id"]))[0]
    assert f"由户{old['number']}分出" in first["zh"]
    assert await ground.value("select count(*) from person where household_no is null") == 0
    await told_whole(ground, home, new["id"])


async def test_a_split_that_takes_the_head_needs_a_follower(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    refused = await asks(ground, home, "split", number=f"{VILLAGE}0500", head=head)
    assert (refused.status_code, refused.json()["code"]) == (422, "surgery.relations")
    found = await split_off(ground, home, head, staying_head=son)
    assert people(found["households"][0]["household"]) == [("head", son, DAY)]
    await told_whole(ground, home, found["households"][1]["household"]["id"])


async def test_a_merger_and_what_becomes_of_the_one_that_is_closed(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    other, (host, child) = await begun(ground, 2)
    found = await done(ground, home, "merge", into=other, into_version=1, relations={head: "sibling", son: "nephew"})
    closed, joined = (one["household"] for one in found["households"])
    assert (closed["headcount"], closed["closed_on"], closed["superseded_by"]) == (0, DAY, other)
    assert people(joined) == sorted(
        [("head", host, "2019-02-01"), ("son", child, "2019-02-01"), ("sibling", head, DAY), ("nephew", son, DAY)]
    )
    (fact,) = [one for one in (await said(ground, HouseholdRecorded))[-2:] if str(one.household) == home]
    assert (str(fact.superseded_by), fact.headcount) == (other, 0)
    assert "并入户" in str(found["households"][0]["changes"])
    assert "并入本户" in str(found["households"][1]["changes"])
    then = (await ground.get(f"/households/{home}", params={"as_of": "2019-05-31"})).json()
    assert (then["headcount"], then["superseded_by"], then["closed_on"]) == (2, None, None)
    again = await asks(ground, home, "birth", child=BABY)
    assert (again.status_code, again.json()["code"]) == (409, "household.superseded")
    await told_whole(ground, home, other)


async def test_a_merger_lifts_nobody_out_of_poverty(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    other, _ = await begun(ground, 2, statuses=[{"kind": "ordinary", "since": "2014-01-01"}])
    relations = {head: "sibling", son: "nephew"}
    refused = await asks(ground, home, "merge", into=other, into_version=1, relations=relations)
    assert (refused.status_code, refused.json().get("code")) == (409, "surgery.status")
    assert await ground.value("select count(*) from deed") == 0


@pytest.mark.parametrize(
    ("verb", "body", "status", "code"),
    [
        ("death", {"person": "STRANGER"}, 422, "surgery.not_member"),
        ("death", {"person": "HEAD"}, 422, "surgery.relations"),
        ("death", {"person": "SON", "on": "2019-02-01"}, 409, "surgery.too_early"),
        ("death", {"person": "SON", "on": "2031-01-01"}, 409, "observation.future"),
        ("birth", {"child": {**BABY, "relation": "head"}}, 422, "surgery.relations"),
        ("birth", {"child": {"relation": "son"}}, 422, "person.nameless"),
        ("change-head", {"head": "SON", "relations": {}}, 422, "surgery.relations"),
        ("change-head", {"head": "HEAD", "relations": {"SON": "son"}}, 422, "surgery.relations"),
        ("change-head", {"head": "SON", "relations": {"HEAD": "head"}}, 422, "surgery.relations"),
        (
            "split",
            {"number": f"{VILLAGE}0500", "head": "SON", "relations": {"HEAD": "mother"}},
            422,
            "surgery.empty_half",
        ),
        ("split", {"number": f"{VILLAGE}0500", "head": "STRANGER"}, 422, "surgery.not_member"),
        ("merge", {"into": "SELF", "into_version": 1, "relations": {}}, 409, "surgery.itself"),
        ("merge", {"into": "OTHER", "into_version": 7, "relations": {}}, 412, "version.stale"),
        ("merge", {"into": "OTHER", "into_version": 1, "relations": {"SON": "other"}}, 422, "surgery.relations"),
        ("merge", {"into": "STRANGER", "into_version": 1, "relations": {}}, 404, "household.missing"),
    ],
)
async def test_what_cannot_be_done_is_told_by_name_and_changes_nothing(
    ground: Ground, verb: str, body: dict[str, Any], status: int, code: str
) -> None:
    home, (head, son) = await begun(ground)
    other, _ = await begun(ground, 2)
    named = {"HEAD": head, "SON": son, "SELF": home, "OTHER": other, "STRANGER": str(new_id())}

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {named.get(key, key): filled(one) for key, one in value.items()}
        return named.get(value, value) if isinstance(value, str) else value

    before = await held(ground)
    answer = await asks(ground, home, verb, **filled(body))
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await held(ground) == before


async def held(ground: Ground) -> dict[str, Any]:
    query = "select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {} t"
    return {name: await ground.value(query.format(name)) for name in (*HELD, "outbox")}


async def test_a_preview_says_what_the_deed_then_says_and_changes_nothing(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    other, _ = await begun(ground, 2)
    relations = {head: "sibling", son: "nephew"}
    deeds: list[tuple[str, dict[str, Any]]] = [
        ("birth", {"child": BABY}),
        ("change-head", {"head": son, "relations": {head: "mother"}}),
        ("death", {"person": son}),
        ("split", {"number": f"{VILLAGE}0500", "head": son}),
        ("merge", {"into": other, "into_version": 1, "relations": relations}),
    ]
    before = await held(ground)
    shown = {}
    for verb, body in deeds:
        found = await done(ground, home, verb, preview=True, **body)
        assert found["preview"] is True
        shown[verb] = sentences(found)
        assert await held(ground) == before, verb
    assert sentences(await done(ground, home, *deeds[-1][:1], **deeds[-1][1])) == shown["merge"]
    assert all(shown.values())


def sentences(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["zh"], one["en"]) for touched in found["households"] for one in touched["changes"]]


async def test_a_preview_meets_the_guards_of_the_database_too(ground: Ground) -> None:
    home, (_, son) = await begun(ground)
    await recorded(ground, serial=500, order=400, observed_on="2019-02-01")
    for preview in (True, False):
        taken = await asks(ground, home, "split", number=f"{VILLAGE}0500", head=son, preview=preview)
        assert taken.status_code == 409, taken.text


async def test_versions_keys_and_places(ground: Ground) -> None:
    home, (_, son) = await begun(ground)
    bare = await ground.post(f"/households/{home}/death", json={"on": DAY, "person": son})
    assert (bare.status_code, bare.json()["code"]) == (428, "version.missing")
    stale = await asks(ground, home, "death", '"7"', person=son)
    assert (stale.status_code, stale.json()["code"]) == (412, "version.stale")
    for more, status in (({"divisions": [NEXT_VILLAGE.text]}, 404), ({"role": "auditor"}, 403)):
        body = {"json": {"on": DAY, "person": son}, "headers": {"If-Match": "*"}}
        refused = await ground.post(f"/households/{home}/death", **body, **more)
        assert refused.status_code == status, refused.text
    given: dict[str, Any] = {"json": {"on": DAY, "person": son}, "headers": {"If-Match": '"1"'}, "key": uuid4().hex}
    first, again = [await ground.post(f"/households/{home}/death", **given) for _ in range(2)]
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert await ground.value("select count(*) from deed") == 1


async def test_of_two_deeds_at_once_one_wins_and_the_other_is_told(ground: Ground) -> None:
    for serial in range(1, 5):
        home, (head, son) = await begun(ground, serial)
        answers = await asyncio.gather(
            asks(ground, home, "change-head", '"1"', head=son, relations={head: "mother"}),
            asks(ground, home, "death", '"1"', person=son),
            asks(ground, home, "split", '"1"', number=f"{VILLAGE}{500 + serial:04d}", head=son),
        )
        assert sorted(one.status_code for one in answers) == [200, 412, 412], [one.text for one in answers]
        await told_whole(ground, home)


async def test_two_households_that_are_merged_into_each_other_at_once(ground: Ground) -> None:
    """Locks are taken in one order: nobody waits for ever, and one of the two still stands."""
    for serial in (1, 3, 5):
        (one, mine), (two, theirs) = await begun(ground, serial), await begun(ground, serial + 1)

        def away(home: str, into: str, who: list[str]) -> Any:
            return asks(ground, home, "merge", into=into, into_version=1, relations=dict.fromkeys(who, "other"))

        answers = await asyncio.gather(away(one, two, mine), away(two, one, theirs))
        assert sorted(a.status_code for a in answers) in ([200, 409], [200, 412]), [a.text for a in answers]
        await told_whole(ground, one, two)
