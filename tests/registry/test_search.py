"""Somebody is found by whatever is known of him, in order, page by page; masked, and never without a trace."""

from __future__ import annotations

from typing import Any

import pytest

from tests.registry.ground import NEXT_VILLAGE, VILLAGE, Ground
from tests.registry.make import household_body
from tests.registry.sheets import citizen_id
from tests.registry.test_exports import content, export, refusal

COUNTY = "623023"
WHY = {"purpose": "入户核查"}
NAMES = (("李秀英", "王小明"), ("欧阳娜娜", "李秀"), ("张秀英", "王小红"), ("李强", "王晓明"))


async def settle(ground: Ground) -> None:
    """Four households of two; the last one lies in the next village and is monitored."""
    bodies = [household_body(at, 10 * at) for at in range(1, 5)]
    for at, (body, names) in enumerate(zip(bodies, NAMES, strict=True)):
        for member, name in zip(body["members"], names, strict=True):
            member["name"] = name
        body["members"][0]["phone"] = f"1381234567{at}"
    bodies[3] |= {"division": NEXT_VILLAGE.text, "statuses": [{"kind": "monitored", "since": "2018-01-01"}]}
    bodies[3]["living"]["main_cause"] = "disability"
    answers = [await ground.post("/households", json=body) for body in bodies]
    assert [one.status_code for one in answers] == [201] * 4, [one.text for one in answers]
    await ground.run_due()


async def found(ground: Ground, what: str = "people", *, role: str = "clerk", **asked: Any) -> dict[str, Any]:
    more = {name: asked.pop(name) for name in ("sort", "in_clear", "cursor", "limit", "count") if name in asked}
    divisions = asked.pop("divisions", [COUNTY])
    body: dict[str, Any] = {"sought": {"division": COUNTY} | asked} | more | WHY
    answer = await ground.post(f"/search/{what}", json=body, role=role, divisions=divisions)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def names(ground: Ground, **asked: Any) -> list[str]:
    page = await found(ground, in_clear=True, **asked)
    assert page["total"] == len(page["items"])
    return [one["person"]["name"] for one in page["items"]]


async def numbers(ground: Ground, **asked: Any) -> list[int]:
    page = await found(ground, "households", **asked)
    assert page["total"] == len(page["items"])
    return [int(one["number"][-4:]) for one in page["items"]]


async def test_by_each_thing_that_is_known(ground: Ground) -> None:
    await settle(ground)
    assert await names(ground, name="李") == ["李秀英", "李秀", "李强"]
    assert await names(ground, name="李秀") == ["李秀英", "李秀"]
    assert await names(ground, name="秀英") == ["李秀英", "张秀英"]
    assert await names(ground, name="娜娜") == await names(ground, name="欧阳") == ["欧阳娜娜"]
    assert await names(ground, name="晓明") == ["王晓明"]
    assert await names(ground, pinyin="Wang xiao ming") == ["王小明", "王晓明"]
    assert await names(ground, pinyin="lixiu") == ["李秀英", "李秀"]
    assert await names(ground, initials="WXM") == ["王小明", "王晓明"]
    assert await names(ground, id_number=citizen_id("19800305", 20)) == ["欧阳娜娜"]
    assert await names(ground, phone="13812345672") == ["张秀英"]
    assert await names(ground, number=f"{VILLAGE.text}0003") == ["张秀英", "王小红"]
    assert await names(ground, heads=True) == ["李秀英", "欧阳娜娜", "张秀英", "李强"]
    assert await names(ground, status="monitored") == await names(ground, cause="disability") == ["李强", "王晓明"]
    assert await names(ground, name="%") == await names(ground, name="_秀英") == []


async def test_conditions_narrow_together(ground: Ground) -> None:
    await settle(ground)
    assert await names(ground, initials="wxm", status="monitored") == ["王晓明"]
    assert await names(ground, name="李", division=VILLAGE.text) == ["李秀英", "李秀"]
    assert await names(ground, name="李", divisions=[NEXT_VILLAGE.text]) == ["李强"]
    assert await names(ground, name="李", heads=True, cause="illness") == ["李秀英"]
    assert await names(ground, pinyin="li", initials="lq") == ["李强"]
    assert await names(ground, name="李秀英", phone="13812345672") == []


async def test_households_by_their_members(ground: Ground) -> None:
    await settle(ground)
    assert await numbers(ground, name="李") == [1, 2, 4]
    assert await numbers(ground, pinyin="wangxiao", status="poor") == [1, 3]
    assert await numbers(ground, heads=True, initials="l") == [1, 4]
    assert await numbers(ground, number=f"{VILLAGE.text}0002") == [2]
    [one] = (await found(ground, "households", phone="13812345671"))["items"]
    assert (one["masked_head"], one["headcount"]) == ("欧**娜", 2)


@pytest.mark.parametrize(("sort", "first"), [("place", "李秀英"), ("pinyin", "李强")])
async def test_page_by_page_everybody_once_in_order(ground: Ground, sort: str, first: str) -> None:
    """The cursor tells nobody's name and is good for the same question alone."""
    await settle(ground)
    whole = [one["person"]["id"] for one in (await found(ground, sort=sort, limit=100))["items"]]
    assert len(whole) == 8
    seen, cursor = [], None
    while True:
        page = await found(ground, sort=sort, limit=3, cursor=cursor, in_clear=True)
        assert page["total"] == 8
        seen += page["items"]
        if page["next"] is None:
            break
        cursor = page["next"]
        assert b"li" not in bytes.fromhex(cursor)[-20:]
    assert [one["person"]["id"] for one in seen] == whole
    assert seen[0]["person"]["name"] == first
    for body, sub in (({"sought": {"division": VILLAGE.text}}, "li"), ({"sought": {"division": COUNTY}}, "wang")):
        asked = body | {"sort": sort, "limit": 3, "cursor": cursor, "in_clear": True} | WHY
        refused = await ground.post("/search/people", json=asked, sub=sub)
        assert refusal(refused) == (400, "cursor.invalid")


async def test_masked_unless_in_clear_and_always_written_down(ground: Ground) -> None:
    """Who asks by name or number learns who somebody is, masked or not: a role, a purpose, a line in the log."""
    await settle(ground)
    masked = (await found(ground, name="李秀英"))["items"][0]
    assert (masked["person"]["name"], masked["person"]["birth_on"]) == ("李*英", None)
    clear = (await found(ground, name="李秀英", in_clear=True))["items"][0]
    assert (clear["person"]["name"], clear["person"]["phone"]) == ("李秀英", "13812345670")
    rows = await ground.rows("select purpose, noun, action, ids from access_log order by id")
    ids = [masked["person"]["id"]]
    assert rows == [
        {"purpose": "入户核查", "noun": "person", "action": "search", "ids": ids},
        {"purpose": "入户核查", "noun": "person", "action": "search in clear", "ids": ids},
    ]
    for sought in ({"name": "李"}, {"phone": "13812345670"}, {"pinyin": "li"}):
        body = {"sought": {"division": COUNTY} | sought}
        for path in ("/search/people", "/search/households"):
            refused = await ground.post(path, json=body | WHY, role="accountant")
            assert refusal(refused) == (403, "role.refused")
            refused = await ground.post(path, json=body)
            assert refusal(refused) == (400, "purpose.missing")
    listed = await found(ground, role="accountant", status="monitored")
    assert [one["person"]["name"] for one in listed["items"]] == ["李*", "王*明"]
    refused = await ground.post("/exports", json={"sought": {"division": COUNTY, "name": "李"}} | WHY, role="operator")
    assert refusal(refused) == (403, "role.refused")


async def test_whom_a_search_found_leaves_as_a_file_that_is_no_form(ground: Ground) -> None:
    """The persons who were sought, not their households; handed in again, nobody leaves for not being named in it."""
    await settle(ground)
    before = await ground.digest()
    job = await export(ground, division=COUNTY, sought={"name": "李"}, format="csv", in_clear=True, **WHY)
    file = await content(ground, job)
    text = file.decode("utf-8-sig")
    assert [name for pair in NAMES for name in pair if name in text] == ["李秀英", "李秀", "李强"]
    assert "指定的姓名或号码" in text
    assert "户编号" not in text.split(",")[0].replace("所在户编号", "")
    again = await ground.upload(file)
    await ground.run_jobs()
    assert (await ground.look(again))["job"]["state"] == "failed"
    assert await ground.digest() == before
