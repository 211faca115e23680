"""What a trial run says it would change is what recording changes: field by field, nobody named in clear."""

from __future__ import annotations

import io
from typing import Any
from uuid import UUID

import openpyxl

from tests.registry.ground import VILLAGE, Ground, file_of
from tests.registry.sheets import household
from tests.registry.test_intake import counted, counts_of, forgotten
from tests.registry.test_modes import FIRST, SECOND, THIRD, home, part

NAME = "王建国"


def changed_file() -> bytes:
    """Of three households on record one changes in every way, one in nothing, one goes back; a fourth is new."""
    first, second, third, fourth = (household(f"{VILLAGE.text}{at:04d}", at * 2 - 1) for at in range(1, 5))
    first[0] |= {"住房安全等级": "C级", "其他致贫原因": "缺技术", "务工收入": "9500.00", "低保金": ""}
    first[0] |= {"户类型": "贫困户；低保户", "低保起始时间": "2019-01-01", "耕地面积": "3.5"}
    first[1] |= {"姓名": "王建邦", "务工时间": "8", "联系电话": "13800000001", "健康状况": "长期慢性病"}
    first[1] |= {"证件号码": household()[1]["证件号码"]}
    del first[2]
    third[1]["性别"] = "公"
    return file_of(first, second, third, fourth)


def differing(was: dict[str, Any], now: dict[str, Any]) -> set[str]:
    """Names whose value is another."""
    return {name for name in was.keys() | now.keys() if was.get(name) != now.get(name)}


async def lines(ground: Ground, job: str, **asked: str) -> list[dict[str, Any]]:
    found, cursor = [], None
    while True:
        answer = await ground.get(f"/intakes/{job}/diff", params=asked | {"limit": "4"} | (cursor or {}))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


async def test_the_trial_runs_diff_is_what_recording_changes(ground: Ground) -> None:
    await ground.intake(file_of(household(), household(SECOND, 3), household(THIRD, 5)))
    before = await home(ground)
    digest = await ground.digest()
    tried = await ground.intake(changed_file(), dry_run=True, said={"diff": "true"})
    assert counts_of(tried) == counted(11, new=3, changed=2, unchanged=3, refused=3, doubts=tried["doubts"])
    assert await ground.digest() == digest
    job = tried["job"]["id"]
    found = await lines(ground, job)
    told = [(one["row"], one["kind"], one["field"], one["before_text"], one["after_text"]) for one in found]
    assert [one for one in told if one[1] == "new"] == [
        (10, "new", None, None, None), (10, "new", None, None, "户主"), (11, "new", None, None, "配偶"),
        (12, "new", None, None, "之子"),
    ]  # fmt: skip
    assert set(told) - {one for one in told if one[1] == "new"} == {
        (2, "changed", "housing_level", "A级", "C级"),
        (2, "changed", "arable_mu", None, "3.50"),
        (2, "changed", "other_causes", "缺资金", "缺技术"),
        (2, "changed", "wage_work", "9000.00", "9500.00"),
        (2, "changed", "transfer_minimum_living", "1200.50", None),
        (2, "changed", "minimum_living", None, "2019-01-01"),
        (3, "changed", "name", "王*国", "王*邦"),
        (3, "changed", "work_months", "6", "8"),
        (3, "changed", "phone", None, "***"),
        (3, "changed", "health", "健康", "长期慢性病"),
        (2, "left", "relation", "之子", None),
        (2, "changed", "source_values", None, '{"statuses":"贫困户；低保户"}'),
    }
    labels = {one["field"]: one["label"] for one in found}
    assert (labels["arable_mu"], labels["minimum_living"], labels["phone"]) == ("耕地面积", "低保户", "联系电话")
    assert {one["number"] for one in found} == {FIRST, f"{VILLAGE.text}0004"}
    text = str(found)
    assert NAME not in text
    assert "1380" not in text

    book = openpyxl.load_workbook(io.BytesIO((await ground.get(f"/intakes/{job}/answer")).content))
    page = [row[0:1] + row[3:] for row in book["变更"].iter_rows(min_row=2, values_only=True)]
    assert len(page) == len(found)
    assert (3, "变更", "务工时间", "6", "8") in page

    answer = await ground.post(f"/intakes/{job}/apply")
    await ground.run_jobs()
    applied = answer.json()["id"]
    assert counts_of(await ground.look(UUID(applied))) == counts_of(tried)
    recorded = await lines(ground, applied)
    assert [one | {"no": 0} for one in recorded] == [one | {"no": 0} for one in found], "the same lines again"

    now = await home(ground)
    assert differing(before["living"], now["living"]) == {"housing_level", "arable_mu", "other_causes"}
    was_man, man = (next(one["person"] for one in of["members"] if one["relation"] == "spouse") for of in (before, now))
    assert differing(was_man, man) - {"version"} == {"name", "work_months", "phone", "health"}
    was_woman, woman = (of["members"][0]["person"] for of in (before, now))
    assert differing(was_woman, woman) - {"version"} == set()
    was_income, income = ({one["item"]: one["amount"] for one in of["income"]} for of in (before, now))
    assert differing(was_income, income) == {"wage_work", "transfer_minimum_living"}

    assert {one["kind"] for one in await lines(ground, job, kind="left")} == {"left"}
    assert [one["after"] for one in await lines(ground, job, field="work_months")] == ["8"]
    (logged, *_) = await ground.rows("select count(*) as n from access_log where action = 'read' and noun = 'intake'")
    assert logged["n"] > 0
    assert await forgotten(ground, 31) > 0
    assert await ground.value("select count(*) from intake_change") == 0


async def test_a_diff_that_was_not_asked_for_is_not_kept(ground: Ground) -> None:
    tried = await ground.intake(file_of(household()), dry_run=True)
    assert await ground.value("select count(*) from intake_change") == 0
    answer = await ground.get(f"/intakes/{tried['job']['id']}/diff")
    assert (answer.status_code, answer.json()["code"]) == (409, "intake.diff_not_asked")
    await ground.intake(file_of(household()))
    found = await ground.intake(
        part({"户编号": FIRST, "姓名": NAME, "务工时间": "", "务工所在地": "天水市"}),
        dry_run=True,
        said={"mode": "update", "diff": "true"},
    )
    (one,) = await lines(ground, found["job"]["id"])
    assert (one["field"], one["after"]) == ("workplace", "天水市"), "of a correction, too: what it leaves empty stays"
