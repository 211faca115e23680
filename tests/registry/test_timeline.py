"""The timeline of a household in words: each sentence with what it says, both times, and through what."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from shared.events.cooperative import PayoutPosted
from tests.registry.ground import NEXT_VILLAGE, VILLAGE, Ground, file_of
from tests.registry.sheets import household
from tests.registry.test_api import recorded
from tests.registry.test_inbox import PARTITIONS, decided, hear, paid, record
from tests.registry.test_past import amended, clock
from tests.shared.marks import around

KNOWN = "2019-08-25"
FORM = ("登记表，经手人li", "form, recorded by li")


async def told(ground: Ground, home: str, seen: int = 0) -> list[dict[str, Any]]:
    """The sentences after the first so many."""
    answer = await ground.get(f"/households/{home}/timeline")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["changes"]
    return found[seen:]


async def says(ground: Ground, home: str, seen: int, *expected: tuple[str, str, str, tuple[str, str]]) -> int:
    """Exactly these sentences follow the first so many: since when, in Chinese, in English, through what."""
    found = await told(ground, home, seen)
    assert [(one["zh"], one["en"]) for one in found] == [
        (
            f"{KNOWN}得知，{since}起：{zh}（{through[0]}）",
            f"{KNOWN} known, true since {since}: {en} ({through[1]})",
        )
        for since, zh, en, through in expected
    ]
    return seen + len(found)


async def begun(ground: Ground, **more: Any) -> tuple[str, list[str], int]:
    """A household on record, its people, and how many sentences that made."""
    found = await recorded(ground, observed_on="2019-02-01", **more)
    return found["id"], [one["person"]["id"] for one in found["members"]], len(await told(ground, found["id"]))


async def test_the_first_form(ground: Ground) -> None:
    home = (await recorded(ground, observed_on="2019-02-01"))["id"]
    village = await ground.value("select name from division where code = $1", VILLAGE.value)
    day = "2019-02-01"
    await says(
        ground,
        home,
        0,
        (day, f"登记入册，在{village}（{VILLAGE}）", f"entered the register, in {village}（{VILLAGE}）", FORM),
        (day, "李*英（户主）加入本户", "李*英 (head) joined the household", FORM),
        (day, "王*明（之子）加入本户", "王*明 (son) joined the household", FORM),
        ("2014-03-01", "为贫困户", "poor household", FORM),
        (day, "申报2018-10-01至2019-09-30年度收入", "income of 2018-10-01 to 2019-09-30 declared", FORM),
    )


async def test_what_a_later_form_changes(ground: Ground) -> None:
    home, (head, son), seen = await begun(ground)
    poor = {"kind": "poor", "since": "2014-03-01"}
    low = {"kind": "minimum_living", "since": "2018-12-01"}
    await amended(
        ground,
        home,
        "2019-03-01",
        group="三组",
        living={"housing_level": "C", "main_cause": "disaster"},
        statuses=[poor, low],
    )
    day = "2019-03-01"
    seen = await says(
        ground,
        home,
        seen,
        (day, "主要致贫原因有变更", "main cause changed", FORM),
        (day, "住房安全等级由A级改为C级", "housing level: C instead of A", FORM),
        (day, "村民小组由二组改为三组", "group: 三组 instead of 二组", FORM),
        ("2018-12-01", "为低保户", "minimum living household", FORM),
    )
    since = [poor, {"kind": "minimum_living", "since": "2018-11-01"}]
    await amended(ground, home, "2019-03-01", statuses=since)
    seen = await says(
        ground,
        home,
        seen,
        (
            "2018-11-01",
            "为低保户（原记2018-12-01起）",
            "minimum living household (was held to begin on 2018-12-01)",
            FORM,
        ),
    )
    await amended(ground, home, "2019-04-01", statuses=[poor])
    seen = await says(ground, home, seen, ("2019-04-01", "不再为低保户", "no longer minimum living", FORM))
    crowned = [{"id": son, "relation": "head"}, {"id": head, "relation": "mother", "health": "chronic"}]
    await amended(ground, home, "2019-05-01", members=crowned)
    day = "2019-05-01"
    seen = await says(
        ground,
        home,
        seen,
        (day, "李*英健康状况有变更", "李*英: health changed", FORM),
        (day, "李*英由户主改为之母", "李*英 is mother instead of head", FORM),
        (day, "王*明成为户主（原为之子）", "王*明 became head (was son)", FORM),
    )
    await amended(ground, home, "2019-06-01", members=crowned[:1])
    seen = await says(
        ground, home, seen, ("2019-06-01", "李*英（之母）离开本户", "李*英 (mother) left the household", FORM)
    )
    await amended(ground, home, "2019-07-01", division=NEXT_VILLAGE.text)
    (moved,) = await told(ground, home, seen)
    assert moved["kind"] == "moved"
    assert "迁至" in moved["zh"]
    assert f"（{NEXT_VILLAGE}）（登" in moved["zh"]
    assert moved["true_since"] == "2019-07-01"
    assert moved["through"] == {"by": "li", "intake": None, "row": None, "document": None, "payout": None}


async def test_a_file_a_decision_and_payouts_name_what_they_came_by(ground: Ground) -> None:
    job = (await ground.intake(file_of(household()), observed_on="2019-02-01"))["job"]["id"]
    found = await ground.get(f"/households/by-number/{VILLAGE}0001")
    home, seen = found.json()["id"], 0
    first = await told(ground, home)
    assert {(one["through"]["intake"], one["through"]["by"]) for one in first} == {(job, "li")}
    assert f"（导入{job}第2行，经手人li）" in first[0]["zh"]
    assert f"(file {job}, row 2, recorded by li)" in first[0]["en"]
    assert [one["zh"].split("：")[1].split("（导入")[0] for one in first if one["kind"] == "joined"] == [
        "李*英（户主）加入本户",
        "王*国（配偶）加入本户",
        "王*明（之子）加入本户",
    ]
    seen = len(first)

    said_at = clock(ground)
    decision = decided(home, effective_on=date(2019, 8, 20))
    await hear(ground, [record(decision, 0, said_at=said_at)])
    paper = (f"决定，文号{decision.document_number}", f"decision {decision.document_number}")
    seen = await says(
        ground,
        home,
        seen,
        ("2019-08-20", "为脱贫户", "lifted household", paper),
        ("2019-08-20", "不再为贫困户", "no longer poor", paper),
    )
    again = decided(home, effective_on=date(2019, 8, 21), document_number="第8号")
    await hear(ground, [record(again, 1, said_at=clock(ground))])
    seen = await says(
        ground,
        home,
        seen,
        (
            "2019-08-21",
            "决定未能执行（decision.not_poor）",
            "decision without effect (decision.not_poor)",
            ("决定，文号第8号", "decision 第8号"),
        ),
    )
    money = paid(home, paid_on=date(2019, 8, 1))
    back = paid(home, -money.fen, paid_on=date(2019, 8, 2), reverses=money.payout)
    other = paid(home, 500, paid_on=date(2019, 8, 3))
    for position, fact in enumerate((money, back, other), start=2):
        await hear(ground, [record(fact, position, said_at=clock(ground) + timedelta(milliseconds=position))])
    seen = await says(
        ground,
        home,
        seen,
        ("2019-08-01", "收到兑付，计入收入", "payout received, counted as income", by(money)),
        ("2019-08-02", f"兑付{money.payout}冲销", f"payout {money.payout} reversed", by(back)),
        ("2019-08-03", "收到兑付，计入收入", "payout received, counted as income", by(other)),
    )
    topic, partitions = PayoutPosted.TOPIC, PARTITIONS[PayoutPosted.TOPIC]
    kept = [record(one, 5 + at, epoch=9) for at, one in enumerate((money, back))]
    await hear(ground, around(topic, partitions, 9, *kept))
    await says(
        ground,
        home,
        seen,
        (
            "2019-08-03",
            "兑付撤回，不再计入收入",
            "payout withdrawn, no longer income",
            ("合作社服务更正", "correction by cooperative"),
        ),
    )


def by(fact: PayoutPosted) -> tuple[str, str]:
    return f"兑付{fact.payout}", f"payout {fact.payout}"


async def test_the_timeline_names_nobody_and_tells_no_amount(ground: Ground) -> None:
    home, (head, son), _ = await begun(ground)
    people = [
        {"id": head, "relation": "head", "phone": "13900001111"},
        {"id": son, "relation": "son", "name": "王大明"},
    ]
    await amended(ground, home, "2019-03-01", living={"self_paid_medical": "45678.90"}, members=people)
    whole = str(await told(ground, home))
    for hidden in ("李秀英", "王小明", "王大明", "13900001111", "13812345678", "45678", "4567890", "900000", "9000.00"):
        assert hidden not in whole, hidden
    assert "联系电话有变更" in whole
    assert "姓名有变更" in whole
    assert "合规自付医疗支出有变更" in whole or "合规自付支出有变更" in whole


async def test_somebody_who_lives_out_of_scope_now_is_not_named(ground: Ground) -> None:
    home, (head, son), _ = await begun(ground)
    await amended(ground, home, "2019-03-01", members=[{"id": son, "relation": "head"}])
    await ground.rows("update person set division = 522630100201 where id = $1", head)
    village = await told(ground, home)
    assert [one["zh"].split("：")[1] for one in village if one["kind"] == "left"] == [
        "一名现居辖区外的成员（户主）离开本户（登记表，经手人li）"
    ]
    stranger = await ground.get(f"/households/{home}/timeline", divisions=[NEXT_VILLAGE.text])
    assert stranger.status_code == 404
