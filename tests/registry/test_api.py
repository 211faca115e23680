"""The registry over HTTP: divisions, households, people; masking, purposes, versions, keys, scope."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from shared.events.registry import CircumstancesRecorded, DivisionRecorded, HouseholdRecorded
from tests.registry import sheets
from tests.registry.ground import COUNTY, NEXT_VILLAGE, OTHER_COUNTY, VILLAGE, YEAR, Ground, file_of
from tests.registry.make import household_body
from tests.registry.sheets import citizen_id

NEXT_YEAR = {"year_from": "2019-09-30", "year_to": "2020-09-29"}
HEAD_ID = citizen_id("19800305", 2)


async def recorded(ground: Ground, **more: Any) -> dict[str, Any]:
    answer = await ground.post("/households", json=household_body(**more))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def said(ground: Ground, kind: type[Any]) -> list[Any]:
    rows = await ground.rows(
        "select convert_from(payload, 'UTF8') as p from outbox where type = $1 order by id", kind.TYPE
    )
    return [kind.model_validate_json(row["p"]) for row in rows]


# Divisions: the plumbing, through every layer


async def test_divisions_are_listed_in_pages_from_the_scope_up(ground: Ground) -> None:
    codes: list[str] = []
    cursor = None
    for _ in range(10):
        given = {"parent": COUNTY.text, "limit": "5"} | ({"cursor": cursor} if cursor else {})
        page = (await ground.get("/divisions", params=given)).json()
        codes += [one["code"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(codes) > 5
    assert codes == sorted(set(codes))
    seen = (await ground.get("/divisions", params={"level": "village"}, divisions=[VILLAGE.text])).json()["items"]
    assert [one["code"] for one in seen] == [VILLAGE.text]
    above = (await ground.get("/divisions", params={"level": "county"}, divisions=[VILLAGE.text])).json()["items"]
    assert [one["code"] for one in above] == [COUNTY.text]


async def test_a_division_is_amended_once_and_announced(ground: Ground) -> None:
    before = await ground.get(f"/divisions/{VILLAGE}")
    etag, version = before.headers["etag"], before.json()["version"]
    change: dict[str, Any] = {
        "json": {"name": "庙沟村（新）"},
        "role": "operator",
        "headers": {"If-Match": etag},
        "key": uuid4().hex,
    }
    first = await ground.ask("PATCH", f"/divisions/{VILLAGE}", **change)
    again = await ground.ask("PATCH", f"/divisions/{VILLAGE}", **change)
    assert (first.status_code, first.json()["version"]) == (200, version + 1)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    (fact,) = await said(ground, DivisionRecorded)
    assert (fact.name, fact.version) == ("庙沟村（新）", version + 1)
    kept = await ground.rows("select name, version from division_history where code = $1", VILLAGE.value)
    assert [(row["name"], row["version"]) for row in kept] == [(before.json()["name"], version)]
    stale = await ground.ask(
        "PATCH", f"/divisions/{VILLAGE}", json={"name": "x"}, role="operator", headers={"If-Match": etag}
    )
    assert (stale.status_code, stale.json()["code"]) == (412, "version.stale")
    back: dict[str, Any] = {"json": {"name": before.json()["name"]}, "role": "operator", "headers": {"If-Match": "*"}}
    assert (await ground.ask("PATCH", f"/divisions/{VILLAGE}", **back)).status_code == 200


async def test_nothing_changed_is_nothing_said(ground: Ground) -> None:
    name = (await ground.get(f"/divisions/{VILLAGE}")).json()["name"]
    same: dict[str, Any] = {"json": {"name": name}, "role": "operator", "headers": {"If-Match": "*"}}
    assert (await ground.ask("PATCH", f"/divisions/{VILLAGE}", **same)).status_code == 200
    assert await said(ground, DivisionRecorded) == []


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"role": "clerk"}, 403, "role.refused"),
        ({"divisions": [NEXT_VILLAGE.text], "role": "operator"}, 404, "division.missing"),
        ({"role": "operator", "headers": {}}, 428, "version.missing"),
        ({"role": "operator", "json": {"valid_to": "2001-01-01"}}, 409, "division.order"),
        ({"role": "operator", "json": {"superseded_by": VILLAGE.text}}, 409, "division.into_itself"),
        ({"role": "operator", "json": {"colour": "red"}}, 422, "request.invalid"),
    ],
)
async def test_a_division_is_not_amended_by_just_anybody(
    ground: Ground, given: dict[str, Any], status: int, code: str
) -> None:
    asked: dict[str, Any] = {"json": {"name": "甲"}, "headers": {"If-Match": "*"}} | given
    answer = await ground.ask("PATCH", f"/divisions/{VILLAGE}", **asked)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_the_county_above_is_read_but_not_written_from_below(ground: Ground) -> None:
    asked: dict[str, Any] = {"divisions": [VILLAGE.text], "role": "operator"}
    assert (await ground.get(f"/divisions/{COUNTY}", **asked)).status_code == 200
    answer = await ground.ask("PATCH", f"/divisions/{COUNTY}", json={"name": "甲"}, headers={"If-Match": "*"}, **asked)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope.refused")


# Households


async def test_a_household_is_recorded_masked_and_announced(ground: Ground) -> None:
    found = await recorded(ground)
    head = found["members"][0]["person"]
    assert (found["version"], found["masked"], found["headcount"]) == (1, True, 2)
    assert (head["name"], head["phone"], head["birth_on"], head["health"]) == ("李*英", "138****5678", None, None)
    assert head["id_number"] == HEAD_ID[:6] + "*" * 8 + HEAD_ID[-4:]
    assert found["income"] == []
    (household,), (circumstances,) = await said(ground, HouseholdRecorded), await said(ground, CircumstancesRecorded)
    assert (household.masked_head, household.headcount, household.version) == ("李*英", 2, 1)
    assert [row.fen for row in circumstances.income] == [900_000]
    assert circumstances.income_declared


async def test_ids_made_by_the_client_are_kept(ground: Ground) -> None:
    mine, person = uuid4(), uuid4()
    body = household_body(id=str(mine))
    body["members"][0]["id"] = str(person)
    found = (await ground.post("/households", json=body)).json()
    assert (found["id"], found["members"][0]["person"]["id"]) == (str(mine), str(person))


async def test_in_clear_only_for_a_purpose_which_is_written_down_first(ground: Ground) -> None:
    found = await recorded(ground)
    shown = (await ground.get(f"/households/{found['id']}", params={"purpose": "入户核查"})).json()
    assert shown["masked"] is False
    assert shown["members"][0]["person"]["id_number"] == HEAD_ID
    assert shown["income"][0]["amount"] == "9000.00"
    (log,) = await ground.rows("select caller, purpose, noun, ids from access_log")
    assert (log["caller"], log["purpose"]) == ("li", "入户核查")
    assert found["id"] in log["ids"]
    assert found["members"][0]["person"]["id"] in log["ids"]
    refused = await ground.get(f"/households/{found['id']}", params={"purpose": "好奇"}, role="accountant")
    assert (refused.status_code, refused.json()["code"]) == (403, "role.refused")


async def test_when_it_cannot_be_written_down_nothing_is_shown(ground: Ground) -> None:
    found = await recorded(ground)
    await ground.rows("revoke insert on access_log from registry_api")
    try:
        answer = await ground.get(f"/households/{found['id']}", params={"purpose": "入户核查"})
    finally:
        await ground.rows("grant insert on access_log to registry_api")
    assert answer.status_code == 500
    assert HEAD_ID not in answer.text


async def test_a_household_is_found_by_its_number_and_in_its_villages_list(ground: Ground) -> None:
    first = await recorded(ground)
    await recorded(ground, serial=2, order=12)
    by_number = (await ground.get(f"/households/by-number/{first['number']}")).json()
    assert by_number["id"] == first["id"]
    page = (await ground.get("/households", params={"division": VILLAGE.text, "limit": "1"})).json()
    following = (
        await ground.get("/households", params={"division": VILLAGE.text, "limit": "1", "cursor": page["next"]})
    ).json()
    assert [page["items"][0]["number"], following["items"][0]["number"]] == [f"{VILLAGE}0001", f"{VILLAGE}0002"]
    assert (page["items"][0]["masked_head"], page["items"][0]["statuses"]) == ("李*英", ["poor"])
    assert following["next"] is None
    poor = await ground.get("/households", params={"division": COUNTY.text, "status": "poor"})
    lifted = await ground.get("/households", params={"division": COUNTY.text, "status": "lifted"})
    assert (len(poor.json()["items"]), len(lifted.json()["items"])) == (2, 0)


async def test_a_person_is_found_by_his_number_which_stands_in_no_address(ground: Ground) -> None:
    found = await recorded(ground)
    asked = {"id_number": f" {HEAD_ID[:6]} {HEAD_ID[6:].lower()}", "purpose": "核对身份"}
    masked = (await ground.post("/people/search", json=asked)).json()["found"]
    assert [(one["household"], one["relation"]) for one in masked] == [(found["id"], "head")]
    assert masked[0]["person"]["name"] == "李*英"
    clear = (await ground.post("/people/search", json=asked | {"in_clear": True})).json()["found"]
    assert clear[0]["person"]["id_number"] == HEAD_ID
    logs = await ground.rows("select action, ids from access_log order by id")
    assert [row["action"] for row in logs] == ["search", "search in clear"]
    assert logs[0]["ids"] == [masked[0]["person"]["id"]]
    nobody = await ground.post("/people/search", json=asked | {"id_number": citizen_id("19700101", 1)})
    assert nobody.json()["found"] == []
    neighbour = await ground.post("/people/search", json=asked, divisions=[NEXT_VILLAGE.text])
    assert neighbour.json()["found"] == []
    assert await ground.value("select count(*) from access_log") == 4, "each question is written down"


async def test_another_county_answers_with_a_count_and_its_code(ground: Ground) -> None:
    await recorded(ground)
    asked = {"id_number": HEAD_ID, "purpose": "跨县查重"}
    answer = await ground.post("/people/elsewhere", json=asked, divisions=[OTHER_COUNTY.text])
    assert answer.json() == {"counties": {"623023": 1}}
    assert await ground.value("select action from access_log") == "ask elsewhere"


async def test_a_part_of_the_form_is_amended_and_the_rest_stays(ground: Ground) -> None:
    found = await recorded(ground)
    son = found["members"][1]["person"]["id"]
    patch = {
        "observed_on": "2019-08-21",
        "group": "三组",
        "living": {"housing_level": "C"},
        "members": [
            {"id": found["members"][0]["person"]["id"], "relation": "head"},
            {"id": son, "relation": "son", "health": "chronic"},
        ],
    }
    answer = await ground.ask("PATCH", f"/households/{found['id']}", json=patch, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"'), answer.text
    clear = (await ground.get(f"/households/{found['id']}", params={"purpose": "核对"})).json()
    assert (clear["group"], clear["living"]["housing_level"], clear["living"]["main_cause"]) == ("三组", "C", "illness")
    assert [one["person"]["health"] for one in clear["members"]] == ["serious", "chronic"]
    assert clear["members"][1]["person"]["id_number"] == citizen_id("20100112", 3)
    assert clear["income"][0]["amount"] == "9000.00"
    stale = await ground.ask("PATCH", f"/households/{found['id']}", json=patch, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version.stale")


async def test_a_change_of_head_a_departure_and_the_timeline(ground: Ground) -> None:
    found = await recorded(ground)
    head, son = (one["person"]["id"] for one in found["members"])
    crowned = [{"id": son, "relation": "head"}, {"id": head, "relation": "mother"}]
    path = f"/households/{found['id']}"
    any_version = {"If-Match": "*"}
    given = {"observed_on": "2019-08-22", "members": crowned}
    assert (await ground.ask("PATCH", path, json=given, headers=any_version)).status_code == 200
    left = {"observed_on": "2019-08-23", "members": crowned[:1]}
    assert (await ground.ask("PATCH", path, json=left, headers=any_version)).status_code == 200
    spans = [
        (one["relation"], one["since"], one["until"], one["person"]["id"])
        for one in (await ground.get(f"{path}/timeline")).json()["members"]
    ]
    assert sorted(spans) == sorted(
        [
            ("head", "2019-08-20", "2019-08-22", head),
            ("son", "2019-08-20", "2019-08-22", son),
            ("head", "2019-08-22", None, son),
            ("mother", "2019-08-22", "2019-08-23", head),
        ]
    )
    assert (await said(ground, HouseholdRecorded))[-1].version == 3


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"division": NEXT_VILLAGE.text, "as_clerk_of": VILLAGE.text}, 403, "scope.refused"),
        ({"division": f"{VILLAGE.text[:9]}399"}, 422, "division.unknown"),
        ({"observed_on": "2019-12-31"}, 409, "observation.future"),
        ({"members": []}, 422, "request.invalid"),
        ({"members": [{"relation": "head"}]}, 422, "person.nameless"),
        ({"group": "甲\u0007"}, 422, "request.invalid"),
        ({"income": [{"year_from": "2019-01-01", "year_to": "2019-01-01", "items": {}}]}, 422, "request.invalid"),
        ({"income": [{**YEAR, "year_to": "2019-10-01", "items": {}}]}, 422, "income.year_length"),
        ({"income": [{**YEAR, "year_to": "2019-09-29", "items": {}}]}, 422, "income.year_length"),
        ({"income": [{"year_from": "9999-01-01", "year_to": "9999-12-31", "items": {}}]}, 422, "income.year_length"),
        ({"income": [{**YEAR, "items": {"wage_work": amount}} for amount in "12"]}, 422, "income.year_repeated"),
        ({"income": [{**YEAR, "items": {}}, {**NEXT_YEAR, "items": {}}]}, 422, "income.year_repeated"),
        ({"members": [{"relation": "son", "name": "王"}]}, 422, "household.heads"),
        ({"colour": "red"}, 422, "request.invalid"),
        ({"statuses": [{"kind": "rich", "since": "2014-01-01"}]}, 422, "request.invalid"),
    ],
)
async def test_what_cannot_be_recorded_is_told_by_name(
    ground: Ground, more: dict[str, Any], status: int, code: str
) -> None:
    clerk_of = more.pop("as_clerk_of", COUNTY.text)
    answer = await ground.post("/households", json=household_body(**more), divisions=[clerk_of])
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await ground.value("select count(*) from household") == 0


async def test_a_number_twice_is_a_conflict_and_an_older_form_too(ground: Ground) -> None:
    found = await recorded(ground)
    again = await ground.post("/households", json=household_body(order=40))
    assert again.status_code == 409, again.text
    older = {"observed_on": "2019-08-01", "group": "九组"}
    answer = await ground.ask("PATCH", f"/households/{found['id']}", json=older, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (409, "observation.older")


async def test_another_households_number_is_kept_in_doubt(ground: Ground) -> None:
    await recorded(ground)
    body = household_body(serial=2, order=12)
    body["members"][1] |= {"id_number": HEAD_ID}
    second = (await ground.post("/households", json=body)).json()
    assert second["members"][1]["person"]["id_provisional"] is True
    doubts = (await ground.get("/doubts", params={"division": VILLAGE.text, "check": "I1"})).json()["items"]
    assert [one["household"] for one in doubts] == [second["id"]]
    assert (await ground.get("/reports/households", params={"division": VILLAGE.text})).json()["households"] == 2


async def test_a_hidden_persons_number_is_refused_without_a_word(ground: Ground) -> None:
    body = household_body(division=NEXT_VILLAGE.text, number=f"{NEXT_VILLAGE}0001")
    assert (await ground.post("/households", json=body)).status_code == 201
    answer = await ground.post("/households", json=household_body(serial=5), divisions=[VILLAGE.text])
    assert (answer.status_code, answer.json()["code"]) == (409, "person.out_of_scope")
    assert "李" not in answer.text


@pytest.mark.parametrize("path", ["", "/timeline"])
async def test_a_household_out_of_scope_is_not_there(ground: Ground, path: str) -> None:
    found = await recorded(ground)
    mine = await ground.get(f"/households/{found['id']}{path}", divisions=[VILLAGE.text])
    theirs = await ground.get(f"/households/{found['id']}{path}", divisions=[NEXT_VILLAGE.text])
    assert (mine.status_code, theirs.status_code, theirs.json()["code"]) == (200, 404, "household.missing")
    listed = await ground.get("/households", params={"division": COUNTY.text}, divisions=[NEXT_VILLAGE.text])
    assert listed.json()["items"] == []


async def test_counts_by_status_on_a_day(ground: Ground) -> None:
    await recorded(ground)
    await recorded(ground, serial=2, order=12, statuses=[{"kind": "poor", "since": "2019-08-01"}])
    asked = {"division": COUNTY.text}
    now = (await ground.get("/reports/households", params=asked)).json()
    before = (await ground.get("/reports/households", params=asked | {"on": "2019-01-01"})).json()
    assert (now["households"], now["persons"], now["by_status"]) == (2, 4, {"poor": 2})
    assert before["by_status"] == {"poor": 1}


async def test_who_reads_doubts_is_written_down_and_findings_are_for_those_who_may_see_a_household(
    ground: Ground,
) -> None:
    """A finding tells amounts and cover; an operator or accountant reads what is asked instead."""
    rows = sheets.household()
    rows[0]["工资性收入"] = "9123.00"
    rows[1]["参加医疗保险情况"] = "未参加"
    rows[2]["劳动技能"] = "普通劳动力"
    await ground.intake(file_of(rows))
    asked = {"division": VILLAGE.text, "purpose": "入户核实"}
    clear = (await ground.get("/doubts", params=asked)).json()["items"]
    found = {one["check_id"]: one["detail"] for one in clear}
    assert {"F1", "C4", "L1"} <= found.keys()
    assert any("9123.00" in one["detail"] for one in clear if one["check_id"] == "F1")
    logs = await ground.rows("select caller, purpose, noun, ids from access_log")
    assert [(log["caller"], log["purpose"], log["noun"]) for log in logs] == [("li", "入户核实", "doubt")]
    assert set(logs[0]["ids"]) == {one[of] for one in clear for of in ("household", "person") if one[of]}
    for role in ("operator", "accountant"):
        veiled = (await ground.get("/doubts", params={"division": VILLAGE.text}, role=role)).json()["items"]
        told = {one["check_id"]: one["detail"] for one in veiled}
        assert told["F1"].endswith("？")
        assert told["C4"].endswith("？")
        assert told["L1"] == found["L1"], "nothing sensitive is in it"
        assert "9123" not in str(veiled)
    assert await ground.value("select count(*) from access_log") == 3, "each question is written down"
    beyond = await ground.get("/doubts", params=asked, divisions=[NEXT_VILLAGE.text])
    assert beyond.json()["items"] == []
