"""People come and go, households move, close and stand again: what each leaves behind, what is refused, and what the
past answers.
"""

from __future__ import annotations

import asyncio
import random
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from shared.values import new_id
from tests.registry.ground import NEXT_VILLAGE, OTHER_COUNTY, VILLAGE, Ground, file_of
from tests.registry.lives import BEGINNING, INTO_HOMES, Village
from tests.registry.sheets import household as sheet
from tests.registry.test_api import recorded
from tests.registry.test_surgery import BABY, DAY, asks, begun, done, held, people, sentences, told_whole
from tests.registry.test_timeline import says, told

W = "surgery.spouse"
COUPLE: dict[str, Any] = {"relation": "spouse", "name": "郑远来", "sex": "male", "birth_on": "1990-02-03"}


async def version(ground: Ground, home: str) -> int:
    return int((await ground.get(f"/households/{home}")).json()["version"])


async def then(ground: Ground, home: str, day: str) -> dict[str, Any]:
    found: dict[str, Any] = (await ground.get(f"/households/{home}", params={"as_of": day})).json()
    return found


async def test_who_marries_in_leaves_the_other_household_in_the_same_deed(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    other, (mother, groom) = await begun(ground, 2)
    seen = [len(await told(ground, one)) for one in (home, other)]
    body = {"member": {"id": groom, "relation": "spouse"}, "spouse": head, "origin": {"household": other, "version": 1}}
    found = await done(ground, home, "marry-in", **body)
    joined, left = (one["household"] for one in found["households"])
    assert (joined["id"], people(joined)) == (
        home,
        sorted([("head", head, "2019-02-01"), ("son", son, "2019-02-01"), ("spouse", groom, DAY)]),
    )
    assert people(left) == [("head", mother, "2019-02-01")]
    numbers = [joined["number"], left["number"]]
    through = ("办理婚入登记，经手人li", "marriage in, recorded by li")
    await says(
        ground,
        home,
        seen[0],
        (DAY, f"一人因结婚迁入（原在户{numbers[1]}）", f"somebody married in from household {numbers[1]}", through),
        (DAY, "王*明（配偶）加入本户", "王*明 (spouse) joined the household", through),
    )
    away = ("办理婚出登记，经手人li", "marriage out, recorded by li")
    await says(
        ground,
        other,
        seen[1],
        (DAY, f"一名成员因结婚迁出（迁往户{numbers[0]}）", f"a member married out into household {numbers[0]}", away),
        (DAY, "王*明（之子）离开本户", "王*明 (son) left the household", away),
    )
    assert [one["person"]["id"] for one in (await then(ground, other, "2019-05-31"))["members"]] == [mother, groom]
    assert (await then(ground, home, "2019-05-31"))["headcount"] == 2
    assert await ground.value("select count(*) from person") == 4, "he is who he was"
    await told_whole(ground, home, other)


async def test_a_head_who_marries_out_is_followed_and_an_adopted_child_keeps_who_it_is(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    out = await done(ground, home, "marry-out", person=head, head=son)
    assert people(out["households"][0]["household"]) == [("head", son, DAY)]
    assert await ground.value("select household_no from person where id = $1", head) is None
    other, (host, child) = await begun(ground, 2)
    back = await done(
        ground, other, "marry-in", on="2019-07-01", member={"id": head, "relation": "spouse"}, spouse=host
    )
    assert ("spouse", head, "2019-07-01") in people(back["households"][0]["household"])
    origin = {"household": other, "version": await version(ground, other)}
    taken = await done(
        ground, home, "adopt-in", on="2019-07-02", member={"id": child, "relation": "daughter"}, origin=origin
    )
    assert ("daughter", child, "2019-07-02") in people(taken["households"][0]["household"])
    gone = await done(ground, home, "adopt-out", on="2019-07-09", person=child)
    assert "由他人收养" in str(sentences(gone))
    assert await ground.value("select count(*) from person") == 4
    await told_whole(ground, home, other)


async def test_somebody_new_marries_in_and_a_number_of_another_household_is_sent_there(ground: Ground) -> None:
    home, (head, _) = await begun(ground)
    other, _ = await begun(ground, 2)
    found = await done(ground, home, "marry-in", member=COUPLE, spouse=head)
    assert found["households"][0]["household"]["headcount"] == 3
    number = (await ground.get(f"/households/{other}", params={"purpose": "核对"})).json()["members"][0]["person"]
    taken = {**COUPLE, "id_number": number["id_number"], "relation": "son"}
    refused = await asks(ground, home, "adopt-in", member=taken)
    assert (refused.status_code, refused.json()["code"]) == (409, "person.elsewhere")
    await told_whole(ground, home, other)


async def test_who_is_away_belongs_to_the_household_and_is_not_present(ground: Ground) -> None:
    home, (_, son) = await begun(ground)
    seen = len(await told(ground, home))
    await done(ground, home, "leave", person=son, reason="work")
    through = ("办理离家登记，经手人li", "leaving, recorded by li")
    said = [(one["zh"], one["en"]) for one in await told(ground, home, seen)]
    assert "一名成员离家（外出务工），不在户（办理离家登记，经手人li）" in said[0][0]
    assert "a member left home (work)" in said[0][1]
    assert all(through[0] in zh for zh, _ in said), said
    await done(ground, home, "return", on="2019-07-01", person=son)

    async def present(day: str) -> list[bool | None]:
        return [one["person"]["present"] for one in (await then(ground, home, day))["members"]]

    was = (await present("2019-05-31"))[1]
    assert [await present(day) for day in ("2019-06-01", "2019-06-30", "2019-07-01")] == [
        [None if was is None else True, False],
        [None if was is None else True, False],
        [None if was is None else True, True],
    ]
    assert was is not False
    assert (await then(ground, home, "2019-06-15"))["headcount"] == 2, "counted all the same"
    for day, verb, more, code in (
        ("2019-08-01", "return", {}, "surgery.already"),
        ("2019-06-30", "leave", {"reason": "study"}, "surgery.seen_since"),
    ):
        refused = await asks(ground, home, verb, on=day, person=son, **more)
        assert (refused.status_code, refused.json()["code"]) == (409, code)
    await told_whole(ground, home)


async def test_a_household_moves_and_its_number_stays(ground: Ground) -> None:
    home, _ = await begun(ground)
    number = f"{VILLAGE}0001"
    found = await done(ground, home, "move", division=NEXT_VILLAGE.text, group="五组")
    shown = found["households"][0]["household"]
    assert (shown["number"], shown["division"], shown["group"]) == (number, NEXT_VILLAGE.text, "五组")
    assert "整户迁移" in str(sentences(found))
    assert "迁至" in str(sentences(found))

    async def listed(village: str, day: str) -> list[str]:
        page = await ground.get("/households", params={"division": village, "as_of": day})
        return [one["number"] for one in page.json()["items"]]

    assert await listed(VILLAGE.text, "2019-05-31") == [number]
    assert await listed(NEXT_VILLAGE.text, "2019-05-31") == []
    assert await listed(NEXT_VILLAGE.text, DAY) == [number]
    assert await listed(VILLAGE.text, DAY) == []
    for body, status, code in (
        ({"division": NEXT_VILLAGE.text}, 409, "surgery.same_place"),
        ({"division": VILLAGE.text, "on": "2019-05-01"}, 409, "surgery.seen_since"),
        ({"division": "522630100200"}, 403, "scope.refused"),
        ({"division": "623023100999"}, 422, "division.unknown"),
    ):
        refused = await asks(ground, home, "move", **body)
        assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    await told_whole(ground, home)


async def standing(ground: Ground, day: str) -> list[tuple[int, list[str]]]:
    page = await ground.get("/households", params={"division": VILLAGE.text, "as_of": day})
    return [(one["headcount"], one["statuses"]) for one in page.json()["items"]]


async def test_what_was_closed_by_mistake_never_was_closed(ground: Ground) -> None:
    home, _ = await begun(ground)
    before = people((await ground.get(f"/households/{home}")).json())
    closed = await done(ground, home, "close", reason="mistaken")
    shown = closed["households"][0]["household"]
    assert (shown["headcount"], shown["closed_on"], shown["statuses"][0]["until"]) == (0, DAY, DAY)
    assert "本户注销（误录）" in str(sentences(closed))
    assert str(sentences(closed)).count("注销（误录）") == 1
    assert await ground.value("select count(*) from person where household_no is not null") == 0
    assert await standing(ground, "2019-06-02") == []
    assert await ground.value("select count(*) from doubt where closed_at is null") == 0, "there is nothing to look at"
    found = (await done(ground, home, "reopen"))["households"][0]["household"]
    assert (people(found), found["closed_on"], found["statuses"][0]["until"]) == (before, None, None)
    assert await standing(ground, "2019-06-02") == [(2, ["poor"])]
    again = await asks(ground, home, "reopen")
    assert (again.status_code, again.json()["code"]) == (409, "surgery.not_closed")
    await told_whole(ground, home)


async def test_what_comes_back_later_was_closed_between(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    await done(ground, home, "close", reason="moved_away")
    early = await asks(ground, home, "reopen", on="2019-05-01")
    assert (early.status_code, early.json()["code"]) == (409, "surgery.seen_since")
    found = (await done(ground, home, "reopen", on="2019-08-01"))["households"][0]["household"]
    assert people(found) == sorted([("head", head, "2019-08-01"), ("son", son, "2019-08-01")])
    days = ("2019-05-31", DAY, "2019-07-31", "2019-08-01")
    assert [await standing(ground, day) for day in days] == [[(2, ["poor"])], [], [], [(2, ["poor"])]]
    between = await then(ground, home, "2019-07-01")
    assert (between["headcount"], between["closed_on"]) == (0, DAY)
    assert (await then(ground, home, "2019-08-01"))["closed_on"] is None
    await told_whole(ground, home)


async def test_who_has_died_or_found_another_home_does_not_come_back(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    other, (host, _) = await begun(ground, 2)
    await done(ground, home, "close", reason="other")
    await done(ground, other, "marry-in", on="2019-06-20", member={"id": head, "relation": "spouse"}, spouse=host)
    headless = await asks(ground, home, "reopen", on="2019-07-01")
    assert (headless.status_code, headless.json().get("code")) == (422, "surgery.relations")
    found = (await done(ground, home, "reopen", on="2019-07-01", head=son))["households"][0]["household"]
    assert people(found) == [("head", son, "2019-07-01")]
    await done(ground, home, "death", on="2019-07-05", person=son)
    nobody = await asks(ground, home, "reopen", on="2019-07-05")
    assert (nobody.status_code, nobody.json().get("code")) == (409, "surgery.nobody")
    await told_whole(ground, home, other)


async def test_the_dead_belong_to_no_household_whoever_names_them(ground: Ground) -> None:
    report = await ground.intake(file_of(sheet(f"{VILLAGE}0001", 1)), observed_on="2019-05-01")
    assert report["rows_refused"] == 0
    home = str(await ground.value("select id from household"))
    members = (await ground.get(f"/households/{home}", params={"purpose": "核对"})).json()["members"]
    husband = members[1]["person"]
    await done(ground, home, "death", person=husband["id"])
    before = await held(ground)
    again = await ground.intake(file_of(sheet(f"{VILLAGE}0001", 1)))
    assert (again["rows_refused"], again["rows_changed"]) == (3, 0)
    refusals = (await ground.get(f"/intakes/{again['job']['id']}/refusals")).json()["items"]
    assert [one["code"] for one in refusals].count("person.dead") == 1
    assert "去世" in str(refusals)
    other, (host, _) = await begun(ground, 7)
    before = await held(ground)
    kept = [{"id": one["person"]["id"], "relation": one["relation"]} for one in members]
    patch: dict[str, Any] = {"json": {"observed_on": "2019-08-01", "members": kept}, "headers": {"If-Match": "*"}}
    answers: list[httpx.Response] = [await ground.ask("PATCH", f"/households/{home}", **patch)]
    newcomer = {"relation": "sibling", "name": husband["name"], "id_number": husband["id_number"]}
    answers.append(await asks(ground, other, "adopt-in", on="2019-08-01", member=newcomer))
    by_id = {"id": husband["id"], "relation": "spouse"}
    answers.append(await asks(ground, other, "marry-in", on="2019-08-01", member=by_id, spouse=host))
    answers.append(
        await asks(ground, home, "birth", on="2019-08-01", child={**BABY, "id_number": husband["id_number"]})
    )
    assert [(one.status_code, one.json().get("code")) for one in answers] == [(409, "person.dead")] * 4
    assert await held(ground) == before


@pytest.mark.parametrize(
    ("verb", "body", "status", "code"),
    [
        ("marry-in", {"member": {"id": "GUEST", "relation": "spouse"}, "spouse": "HEAD"}, 409, "person.elsewhere"),
        (
            "marry-in",
            {"member": {"id": "GUEST", "relation": "son"}, "spouse": "HEAD", "origin": "OTHER"},
            422,
            "spouse",
        ),
        ("marry-in", {"member": COUPLE, "spouse": "GUEST"}, 422, W),
        ("marry-in", {"member": {**COUPLE, "relation": "head"}, "spouse": "SON"}, 422, "relations"),
        ("marry-in", {"member": {"id": "SON", "relation": "spouse"}, "spouse": "HEAD"}, 409, "person.elsewhere"),
        ("adopt-in", {"member": {"id": "SON", "relation": "son"}, "origin": "SELF"}, 422, "household.person_repeated"),
        ("adopt-in", {"member": {"id": "GUEST", "relation": "son"}, "origin": "STALE"}, 412, "version.stale"),
        ("adopt-in", {"member": {"id": "HOST", "relation": "son"}, "origin": "OTHER"}, 422, "relations"),
        ("adopt-in", {"member": {"relation": "son"}}, 422, "person.nameless"),
        ("adopt-out", {"person": "HEAD"}, 422, "relations"),
        ("marry-out", {"person": "GUEST"}, 422, "not_member"),
        ("marry-out", {"person": "SON", "on": "2019-02-01"}, 409, "too_early"),
        ("leave", {"person": "GUEST", "reason": "work"}, 422, "not_member"),
        ("leave", {"person": "SON", "reason": "holiday"}, 422, "request.invalid"),
        ("return", {"person": "SON", "on": "2031-01-01"}, 409, "observation.future"),
        ("close", {"reason": "other", "on": "2019-02-01"}, 409, "too_early"),
        ("reopen", {}, 409, "not_closed"),
    ],
)
async def test_what_cannot_be_is_told_by_name_and_changes_nothing(
    ground: Ground, verb: str, body: dict[str, Any], status: int, code: str
) -> None:
    home, (head, son) = await begun(ground)
    other, (host, guest) = await begun(ground, 2)
    named: dict[str, Any] = {"HEAD": head, "SON": son, "HOST": host, "GUEST": guest}
    origins = {"OTHER": (other, 1), "STALE": (other, 9), "SELF": (home, 1)}
    named |= {name: {"household": one, "version": at} for name, (one, at) in origins.items()}

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(one) for key, one in value.items()}
        return named.get(value, value) if isinstance(value, str) else value

    before = await held(ground)
    answer = await asks(ground, home, verb, **filled(body))
    wanted = code if "." in code else f"surgery.{code}"
    assert (answer.status_code, answer.json()["code"]) == (status, wanted), answer.text
    assert await held(ground) == before


async def test_a_household_is_not_emptied_by_a_wedding(ground: Ground) -> None:
    home, (head, _) = await begun(ground)
    other, (host, _) = await begun(ground, 2, statuses=[{"kind": "ordinary", "since": "2014-01-01"}])
    await done(ground, home, "marry-out", person=(await then(ground, home, DAY))["members"][1]["person"]["id"])
    origin = {"household": home, "version": 2}
    into: dict[str, Any] = {
        "member": {"id": head, "relation": "spouse"},
        "spouse": host,
        "origin": origin,
        "on": "2019-07-01",
    }
    for answer in (
        await asks(ground, other, "marry-in", **into),
        await asks(ground, home, "marry-out", on="2019-07-01", person=head),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "surgery.last_member")


async def test_previews_change_nothing_and_another_county_finds_nothing(ground: Ground) -> None:
    home, (head, son) = await begun(ground)
    other, (_, guest) = await begun(ground, 2)
    origin = {"household": other, "version": 1}
    deeds: list[tuple[str, dict[str, Any]]] = [
        ("marry-in", {"member": {"id": guest, "relation": "spouse"}, "spouse": head, "origin": origin}),
        ("adopt-in", {"member": {"id": guest, "relation": "son"}, "origin": origin}),
        ("marry-out", {"person": son}),
        ("adopt-out", {"person": son}),
        ("leave", {"person": son, "reason": "army"}),
        ("move", {"division": NEXT_VILLAGE.text}),
        ("close", {"reason": "duplicate"}),
    ]
    before = await held(ground)
    for verb, body in deeds:
        found = await done(ground, home, verb, preview=True, **body)
        assert sentences(found), verb
        assert found["households"][0]["household"]["id"] == home
        hidden = await ground.post(
            f"/households/{home}/{verb}",
            json={"on": DAY, **body},
            headers={"If-Match": "*"},
            divisions=[OTHER_COUNTY.text],
        )
        assert (hidden.status_code, hidden.json()["code"]) == (404, "household.missing"), verb
        assert await held(ground) == before, verb
    hidden_origin = await ground.post(
        f"/households/{other}/adopt-in",
        json={
            "on": DAY,
            "member": {"id": son, "relation": "son"},
            "origin": {"household": str(new_id()), "version": 1},
        },
        headers={"If-Match": "*"},
    )
    assert (hidden_origin.status_code, hidden_origin.json()["code"]) == (404, "household.missing")


async def test_one_bride_and_two_bridegrooms_at_once(ground: Ground) -> None:
    """One of them gets her; nobody stands in two households, whether she came out of a third or belonged to nobody."""
    homes = [await begun(ground, serial) for serial in (1, 2, 3)]
    (one, (first, _)), (two, (second, _)), (third, (_, bride)) = homes

    def wed(home: str, spouse: str, **more: Any) -> Any:
        return asks(ground, home, "marry-in", member={"id": bride, "relation": "spouse"}, spouse=spouse, **more)

    origin = {"household": third, "version": 1}
    answers = await asyncio.gather(wed(one, first, origin=origin), wed(two, second, origin=origin))
    assert sorted(a.status_code for a in answers) == [200, 412], [a.text for a in answers]
    winner = one if answers[0].status_code == 200 else two
    await done(ground, winner, "marry-out", on="2019-06-10", person=bride)
    answers = await asyncio.gather(wed(one, first, on="2019-07-01"), wed(two, second, on="2019-07-01"))
    assert sorted(a.status_code for a in answers) == [200, 409], [a.text for a in answers]
    await told_whole(ground, one, two, third)


async def test_a_verb_and_a_file_at_once(ground: Ground) -> None:
    """A file names who belongs to the household while somebody marries out of it: one comes after the other, and
    nothing is held twice.
    """
    for serial in (1, 2):
        number = f"{VILLAGE}{serial:04d}"
        first = await ground.intake(file_of(sheet(number, serial)), observed_on="2019-05-01")
        assert first["rows_refused"] == 0
        home = str(await ground.value("select id from household where number = $1", number))
        son = (await ground.get(f"/households/{home}")).json()["members"][2]["person"]["id"]
        job = await ground.upload(file_of(sheet(number, serial)))
        answer, _ = await asyncio.gather(asks(ground, home, "marry-out", person=son), ground.run_jobs())
        report = await ground.look(job)
        assert (report["job"]["state"], report["rows_refused"]) == ("done", 0), report
        assert answer.status_code in (200, 409), answer.text
        members = (await ground.get(f"/households/{home}")).json()["members"]
        assert son in {one["person"]["id"] for one in members}, "the visit of August saw him there"
        await told_whole(ground, home)


async def test_a_member_recorded_under_a_client_made_id_of_somebody_hidden(ground: Ground) -> None:
    home, _ = await begun(ground)
    far = await recorded(ground, serial=9, order=300, observed_on="2019-02-01", division=NEXT_VILLAGE.text)
    hidden = far["members"][1]["person"]["id"]
    body = {"on": DAY, "member": {**COUPLE, "id": hidden, "relation": "son"}}
    answer = await ground.post(
        f"/households/{home}/adopt-in", json=body, headers={"If-Match": "*"}, divisions=[VILLAGE.text]
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "person.elsewhere"), answer.text


# Against a small model: who lives where, under which head, at home or away, on each day


@pytest.mark.parametrize("seed", [1, 7])
async def test_any_deeds_in_any_order_of_days_are_as_a_village_of_dictionaries_says(ground: Ground, seed: int) -> None:
    model = Village(random.Random(seed), (VILLAGE.text, NEXT_VILLAGE.text))
    for serial in (1, 2, 3):
        home, (head, son) = await begun(ground, serial)
        model.begin(home, {head: True, son: False})
    done_so_far: list[str] = []
    for _ in range(90):
        asked = model.next()
        if asked is None or asked[2] > date(2019, 8, 20) or len(done_so_far) >= 30:
            continue
        home, verb, day, body = asked
        given = body
        if verb == "merge":
            given = {**body, "into_version": await version(ground, body["into"])}
        elif verb in INTO_HOMES and "origin" in body:
            seen = await version(ground, body["origin"]["household"])
            given = {**body, "origin": {**body["origin"], "version": seen}}
        await done(ground, home, verb, on=str(day), **given)
        model.do(home, verb, day, body)
        done_so_far.append(verb)
    assert len(set(done_so_far)) > 11, done_so_far
    for _ in range(6):
        await as_of(ground, model, BEGINNING + timedelta(days=model.chance.randrange(0, 205)))
    await told_whole(ground, *model.days)


async def as_of(ground: Ground, model: Village, day: date) -> None:
    """Every household, and both villages' lists."""
    listed: dict[str, dict[str, int]] = {one: {} for one in model.villages}
    for home in sorted(model.days):
        wanted = model.on(home, day)
        found = await then(ground, home, str(day))
        who = {} if wanted is None else wanted.who
        members = found.get("members", [])
        assert {one["person"]["id"]: one["relation"] == "head" for one in members} == who, (day, home)
        away = {one["person"]["id"] for one in members if one["person"]["present"] is False}
        assert away == {one for one in who if model.is_away(one, day)}, (day, home)
        if wanted is not None:
            closed = None if wanted.closed_on is None else str(wanted.closed_on)
            assert (found["division"], found["closed_on"]) == (wanted.place, closed), (day, home)
            if wanted.closed_on is None:
                listed[wanted.place][home] = len(who)
    for village, homes in listed.items():
        page = await ground.get("/households", params={"division": village, "as_of": str(day), "limit": "100"})
        assert {one["id"]: one["headcount"] for one in page.json()["items"]} == homes, (day, village)
