"""The register as it was: true on a day, as it was believed at a moment (ADR 0020)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from shared.clock import SHANGHAI, Clock
from shared.db import transaction
from shared.values import Scope
from tests.registry.ground import COUNTY, NEXT_VILLAGE, OTHER_COUNTY, VILLAGE, Ground
from tests.registry.make import household_body
from tests.registry.sheets import citizen_id
from tests.registry.test_api import recorded
from tests.registry.test_inbox import decided, hear, paid, record

VISIT = date(2019, 8, 20)
ANY = {"If-Match": "*"}
HEAD_ID = citizen_id("19800305", 2)


def clock(ground: Ground) -> datetime:
    """Now, between two writes."""
    return Clock(ground.folder).now()


def at(moment: datetime) -> str:
    return moment.astimezone(SHANGHAI).isoformat()


async def amended(ground: Ground, home: str, on: str, **more: Any) -> None:
    answer = await ground.ask("PATCH", f"/households/{home}", json={"observed_on": on, **more}, headers=ANY)
    assert answer.status_code == 200, answer.text


async def as_of(ground: Ground, path: str, **more: Any) -> Any:
    given = {name: more.pop(name) for name in ("role", "divisions", "method", "json") if name in more}
    answer = await ground.ask(given.pop("method", "GET"), path, params=more, **given)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_learnt_later_that_it_was_so_before(ground: Ground) -> None:
    """Recorded in August: minimum living since March. Before August the register did not know; of April it does now."""
    found = await recorded(ground, observed_on="2019-02-01")
    path = f"/households/{found['id']}"
    before = clock(ground)
    poor = {"kind": "poor", "since": "2014-03-01"}
    await amended(ground, found["id"], "2019-08-01", statuses=[poor, {"kind": "minimum_living", "since": "2019-03-01"}])

    async def kinds(**times: str) -> list[str]:
        return [one["kind"] for one in (await as_of(ground, path, **times))["statuses"]]

    assert await kinds(as_of="2019-04-01") == ["poor", "minimum_living"]
    assert await kinds(as_of="2019-04-01", known_at=at(before)) == ["poor"]
    assert await kinds(as_of="2019-02-28") == ["poor"]
    assert await kinds(known_at=at(before)) == ["poor"]


async def test_the_day_of_the_visit_says_what_was_so(ground: Ground) -> None:
    found = await recorded(ground, observed_on="2019-02-01", living={"road": "earth"})
    path = f"/households/{found['id']}"
    await amended(ground, found["id"], "2019-06-01", living={"road": "gravel"}, group="三组")
    between = clock(ground)
    await amended(ground, found["id"], "2019-06-01", living={"road": "hardened"})

    async def seen(**times: str) -> tuple[Any, ...]:
        shown = await as_of(ground, path, **times)
        return shown["observed_on"], shown["group"], shown["living"]["road"]

    assert await seen(as_of="2019-05-31") == ("2019-02-01", "二组", "earth")
    assert await seen(as_of="2019-06-01") == ("2019-06-01", "三组", "hardened")
    assert await seen(as_of="2019-06-01", known_at=at(between)) == ("2019-06-01", "三组", "gravel")
    assert await seen(as_of="2014-05-01") == ("2019-02-01", "二组", None), "who and where, nothing of circumstances"


async def test_a_later_visit_that_saw_the_same_is_an_image_too(ground: Ground) -> None:
    """Somebody joins in June, house and group as they were: in May the house was seen in February."""
    found = await recorded(ground, observed_on="2019-02-01", living={"road": "earth"})
    head = {"id": found["members"][0]["person"]["id"], "relation": "head"}
    await amended(ground, found["id"], "2019-06-01", members=[head])
    days = [
        (await as_of(ground, f"/households/{found['id']}", as_of=day))["observed_on"]
        for day in ("2019-05-31", "2019-06-01")
    ]
    assert days == ["2019-02-01", "2019-06-01"]


async def test_now_and_today_answer_what_stands(ground: Ground) -> None:
    found = await recorded(ground)
    await hear(ground, [record(paid(found["id"], paid_on=VISIT), 0)])
    for purpose in ({}, {"purpose": "核对"}):
        plain = (await ground.get(f"/households/{found['id']}", params=purpose)).json()
        then = await as_of(ground, f"/households/{found['id']}", as_of="2019-08-25", **purpose)
        assert {**then, "as_of": None, "known_at": None} == plain
    listed = {"division": VILLAGE.text}
    assert await as_of(ground, "/households", as_of="2019-08-25", **listed) == await as_of(
        ground, "/households", **listed
    )
    counts, then = (
        await as_of(ground, "/reports/households", **listed),
        await as_of(ground, "/reports/households", as_of="2019-08-25", **listed),
    )
    assert {**then, "known_at": None} == counts


async def test_members_of_that_day_and_who_lives_elsewhere_now(ground: Ground) -> None:
    found = await recorded(ground, observed_on="2019-02-01")
    head, son = (one["person"]["id"] for one in found["members"])
    path = f"/households/{found['id']}"
    crowned = [{"id": son, "relation": "head"}]
    await amended(ground, found["id"], "2019-06-01", members=crowned)
    body = household_body(serial=2, order=40, division=NEXT_VILLAGE.text, number=f"{NEXT_VILLAGE}0002")
    body["members"].append({"relation": "other", "name": "李秀英", "id_number": HEAD_ID})
    other = await ground.post("/households", json=body)
    assert other.status_code == 201, other.text
    assert head in [one["person"]["id"] for one in other.json()["members"]], "met again"

    then = await as_of(ground, path, as_of="2019-05-31")
    assert [(one["relation"], one["person"]["id"]) for one in then["members"]] == [("head", head), ("son", son)]
    assert (then["headcount"], then["members_elsewhere"]) == (2, 0)
    village = await as_of(ground, path, as_of="2019-05-31", divisions=[VILLAGE.text])
    assert [one["person"]["id"] for one in village["members"]] == [son], "she lives elsewhere now"
    assert (village["headcount"], village["members_elsewhere"]) == (2, 1)
    listed = await as_of(ground, "/households", as_of="2019-05-31", division=VILLAGE.text)
    assert [(one["masked_head"], one["headcount"]) for one in listed["items"]] == [("李*英", 2)]


@pytest.mark.parametrize(
    ("times", "status", "code"),
    [
        ({"known_at": "2019-08-26"}, 422, "known_at.future"),
        ({"known_at": "2031-01-01T00:00:00+08:00"}, 422, "known_at.future"),
        ({"known_at": "2019-08-20T12:00:00"}, 400, "known_at.malformed"),
        ({"known_at": "yesterday"}, 400, "known_at.malformed"),
        ({"known_at": "2019-02-30"}, 400, "known_at.malformed"),
        ({"as_of": "2019-02-30"}, 422, "request.invalid"),
        ({"as_of": "2019"}, 422, "request.invalid"),
        ({"as_of": "2010-01-01"}, 404, "household.unknown_then"),
        ({"known_at": "2019-08-01"}, 404, "household.unknown_then"),
        ({"known_at": "2019-08-25"}, 200, None),
        ({"as_of": "2030-01-01"}, 200, None),
    ],
)
async def test_times_that_cannot_be_asked_are_told_by_name(
    ground: Ground, times: dict[str, str], status: int, code: str | None
) -> None:
    found = await recorded(ground)
    answer = await ground.get(f"/households/{found['id']}", params=times)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    listed = await ground.get("/households", params={**times, "division": VILLAGE.text})
    if status == 404:
        assert listed.json()["items"] == [], "a list is empty where a household is not found"
        counts = await as_of(ground, "/reports/households", division=VILLAGE.text, **times)
        assert (counts["households"], counts["persons"], counts["by_status"]) == (0, 0, {})
    else:
        assert (listed.status_code, listed.json().get("code")) == (status, code)


async def test_the_end_of_a_day_in_shanghai_is_its_last_moment(ground: Ground) -> None:
    found = await recorded(ground)
    path = f"/households/{found['id']}"
    for moment, known in (("2019-08-21", False), ("2019-08-22", True)):
        await ground.rows("update household set known_from = '2019-08-22 15:59:59.5+00'")
        answer = await ground.get(path, params={"known_at": moment})
        assert (answer.status_code == 200) is known, answer.text
    answer = await ground.get(path, params={"known_at": "2019-08-22T23:59:59.4+08:00"})
    assert answer.status_code == 404
    unescaped = await ground.get(f"{path}?known_at=2019-08-22T23:59:59.5+08:00")
    assert unescaped.status_code == 200, "a plus that arrives as a space"


async def test_no_version_of_the_past_lets_anybody_change_the_present(ground: Ground) -> None:
    found = await recorded(ground)
    plain = await ground.get(f"/households/{found['id']}")
    then = await ground.get(f"/households/{found['id']}", params={"as_of": "2019-08-22"})
    assert plain.headers["etag"] == '"1"'
    assert "etag" not in then.headers


async def test_all_pages_of_a_list_are_of_the_moment_of_the_first(ground: Ground) -> None:
    for serial in range(1, 4):
        await recorded(ground, serial=serial, order=serial * 20)
    given = {"division": VILLAGE.text, "as_of": "2019-08-25", "limit": "1"}
    first = await as_of(ground, "/households", **given)
    later = household_body(serial=9, order=180)
    assert (await ground.post("/households", json=later)).status_code == 201
    seen, page = [first["items"][0]["number"]], first
    while page["next"]:
        page = await as_of(ground, "/households", cursor=page["next"], **given)
        seen += [one["number"] for one in page["items"]]
    assert seen == [f"{VILLAGE}000{serial}" for serial in range(1, 4)]
    other = await ground.get("/households", params={**given, "as_of": "2019-08-24", "cursor": first["next"]})
    assert (other.status_code, other.json()["code"]) == (400, "cursor.invalid")
    plain = await ground.get("/households", params={"division": VILLAGE.text, "limit": "1", "cursor": first["next"]})
    assert (plain.status_code, plain.json()["code"]) == (400, "cursor.invalid")


async def test_a_person_is_found_under_the_number_that_he_had_then(ground: Ground) -> None:
    found = await recorded(ground, observed_on="2019-02-01")
    head, son = (one["person"]["id"] for one in found["members"])
    right = citizen_id("20100113", 3)
    before = clock(ground)
    mended = [{"id": head, "relation": "head"}, {"id": son, "relation": "son", "id_number": right, "health": "chronic"}]
    await amended(ground, found["id"], "2019-06-01", members=mended)

    async def search(number: str, **times: str) -> list[tuple[Any, ...]]:
        body = {"id_number": number, "purpose": "核对身份", "in_clear": True}
        answer = await as_of(ground, "/people/search", method="POST", json=body, **times)
        return [(one["person"]["id"], one["relation"], one["person"]["health"]) for one in answer["found"]]

    wrong = citizen_id("20100112", 3)
    assert await search(wrong) == []
    assert await search(wrong, known_at=at(before)) == [(son, "son", "healthy")]
    assert await search(right, known_at=at(before)) == []
    assert await search(right, as_of="2019-06-01") == [(son, "son", "chronic")]
    assert await search(right, as_of="2019-05-31") == [(son, "son", "healthy")]
    assert await search(right, as_of="2019-01-01") == [(son, None, None)], "known, but of no household on that day"
    actions = await ground.rows("select action, ids from access_log")
    assert {row["action"] for row in actions} == {"search in clear"}
    assert len(actions) == 6


async def test_divisions_under_the_name_of_the_moment_in_force_on_the_day(ground: Ground) -> None:
    path = f"/divisions/{NEXT_VILLAGE}"
    name = (await ground.get(path)).json()["name"]
    before = clock(ground)

    async def change(**more: Any) -> None:
        answer = await ground.ask("PATCH", path, json=more, role="operator", headers=ANY)
        assert answer.status_code == 200, answer.text

    await change(name="新名村", valid_to="2019-08-10")
    try:
        assert (await as_of(ground, path, as_of="2019-08-10"))["name"] == "新名村"
        assert (await as_of(ground, path, as_of="2019-08-11", known_at=at(before)))["name"] == name
        gone = await ground.get(path, params={"as_of": "2019-08-11"})
        assert (gone.status_code, gone.json()["code"]) == (404, "division.missing")
        early = await ground.get(path, params={"as_of": "2008-12-31"})
        assert early.status_code == 404
        listed = {"parent": f"{NEXT_VILLAGE.text[:9]}000", "limit": "500"}
        codes = [
            {one["code"] for one in (await as_of(ground, "/divisions", as_of=day, **listed))["items"]}
            for day in ("2019-08-10", "2019-08-11")
        ]
        assert codes[0] - codes[1] == {NEXT_VILLAGE.text}
    finally:
        query = "update division set name = $2, valid_to = null where code = $1"
        await ground.rows(query, NEXT_VILLAGE.value, name)
        await ground.rows("delete from division_history where code = $1", NEXT_VILLAGE.value)


# Who may see the past


async def test_the_past_of_a_household_that_moved_away_goes_with_it(ground: Ground) -> None:
    found = await recorded(ground, observed_on="2019-02-01")
    path = f"/households/{found['id']}"
    await amended(ground, found["id"], "2019-06-01", division=NEXT_VILLAGE.text, group="九组")
    then: dict[str, str] = {"as_of": "2019-05-31"}
    old, new, county = [VILLAGE.text], [NEXT_VILLAGE.text], [COUNTY.text]
    for divisions in (new, county):
        seen = await as_of(ground, path, divisions=divisions, **then)
        assert (seen["division"], seen["group"], seen["headcount"]) == (VILLAGE.text, "二组", 2)
        assert len(seen["members"]) == 2
    assert (await ground.get(path, params=then, divisions=old)).status_code == 404

    async def there(divisions: list[str], village: str, **times: str) -> tuple[int, int, int]:
        given = {"division": village, **times}
        counts = await as_of(ground, "/reports/households", divisions=divisions, **given)
        page = await as_of(ground, "/households", divisions=divisions, **given)
        assert len(page["items"]) == counts["households"]
        return counts["households"], counts["persons"], counts["moved_out"]

    assert await there(county, VILLAGE.text, **then) == (1, 2, 0)
    assert await there(county, NEXT_VILLAGE.text, **then) == (0, 0, 0)
    assert await there(county, NEXT_VILLAGE.text, as_of="2019-06-01") == (1, 2, 0)
    assert await there(old, VILLAGE.text, **then) == (0, 0, 1), "counted, not shown"
    assert await there(old, VILLAGE.text, as_of="2019-06-01") == (0, 0, 0)
    assert await there(new, NEXT_VILLAGE.text, **then) == (0, 0, 0)
    assert await there(new, VILLAGE.text, **then) == (1, 2, 0), "its past lies there, and goes with it"
    stranger = [OTHER_COUNTY.text]
    assert await there(stranger, VILLAGE.text, **then) == (0, 0, 0)
    assert (await ground.get(path, params=then, divisions=stranger)).status_code == 404


@pytest.mark.parametrize("table", ["household_history", "person_history"])
async def test_images_are_seen_where_the_noun_lies_now(ground: Ground, table: str) -> None:
    """Asked of PostgreSQL itself, whatever a query might forget."""
    found = await recorded(ground, observed_on="2019-02-01")
    await amended(ground, found["id"], "2019-06-01", division=NEXT_VILLAGE.text)
    seen = {}
    for code in (VILLAGE, NEXT_VILLAGE, OTHER_COUNTY):
        async with transaction(ground.api_engine, Scope.of([code])) as tx:
            seen[code] = await tx.driver.fetchval(f"select count(*) from {table}")
    assert (seen[VILLAGE], seen[OTHER_COUNTY]) == (0, 0)
    assert seen[NEXT_VILLAGE] > 0


async def test_the_past_is_masked_as_the_present_is_and_whoever_looks_is_written_down(ground: Ground) -> None:
    found = await recorded(ground)
    path, then = f"/households/{found['id']}", {"as_of": "2019-08-22"}
    masked = await as_of(ground, path, **then)
    head = masked["members"][0]["person"]
    assert (head["name"], head["birth_on"], head["health"], masked["income"]) == ("李*英", None, None, [])
    assert HEAD_ID not in str(masked)
    assert await ground.value("select count(*) from access_log") == 0
    clear = await as_of(ground, path, purpose="审计", **then)
    assert clear["members"][0]["person"]["id_number"] == HEAD_ID
    (log,) = await ground.rows("select caller, purpose, ids from access_log")
    assert (log["purpose"], set(log["ids"])) == (
        "审计",
        {found["id"], *(one["person"]["id"] for one in found["members"])},
    )
    refused = await ground.get(path, params={**then, "purpose": "好奇"}, role="accountant")
    assert (refused.status_code, refused.json()["code"]) == (403, "role.refused")


async def test_what_is_told_late_is_not_known_before_what_it_follows(ground: Ground) -> None:
    """Said at noon, heard in the evening, after a form: at no moment two beliefs at once."""
    found = await recorded(ground)
    said_at = clock(ground)
    await amended(ground, found["id"], "2019-08-20", group="三组", statuses=[{"kind": "poor", "since": "2014-02-28"}])
    await hear(ground, [record(decided(found["id"], effective_on=VISIT), 0, said_at=said_at)])
    moment = said_at + timedelta(microseconds=1)
    then = await as_of(ground, f"/households/{found['id']}", known_at=at(moment))
    assert [(one["kind"], one["since"]) for one in then["statuses"]] == [("poor", "2014-03-01")]
    now = await as_of(ground, f"/households/{found['id']}", as_of="2019-08-25")
    assert [one["kind"] for one in now["statuses"] if one["until"] is None] == ["lifted"]
