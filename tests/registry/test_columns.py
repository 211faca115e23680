"""Every column that the register promises: a cell of the form comes back in clear, and each change keeps file and row.

The list is written out, not made from the catalogue: a field that the catalogue forgot would be missed by no other.
"""

from __future__ import annotations

import asyncio
import csv
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

from services.registry.app import MIGRATIONS
from tests.registry.ground import VILLAGE, Ground, file_of
from tests.registry.sheets import Row, citizen_id, member, table, write_xlsx

NUMBER = f"{VILLAGE.text}0001"
CARD = citizen_id("19800305", 2) + "43"

# (heading of the form, cell, field of the answer, what it must say)
HOUSEHOLD: list[tuple[str, str, str, Any]] = [
    ("户编号", NUMBER, "number", NUMBER),
    ("村民小组", "二组", "group", "二组"),
    ("建档日期", "2014-03-01", "registered_on", "2014-03-01"),
    ("主要致贫原因", "因病", "living.main_cause", "illness"),
    ("其他致贫原因", "缺技术、缺资金", "living.other_causes", ["skill", "capital"]),
    ("住房安全等级", "B级", "living.housing_level", "B"),
    ("住房面积", "86.5", "living.housing_area_m2", "86.50"),
    ("是否解决安全饮用水", "否", "living.water_safe", "no"),
    ("入户路类型", "砂石路", "living.road", "gravel"),
    ("是否通生活用电", "是", "living.electricity", "yes"),
    ("耕地面积", "3.5", "living.arable_mu", "3.50"),
    ("有效灌溉面积", "1.2", "living.irrigated_mu", "1.20"),
    ("林地面积", "4", "living.forest_mu", "4.00"),
    ("退耕还林面积", "0.7", "living.returned_forest_mu", "0.70"),
    ("林果面积", "0.3", "living.orchard_mu", "0.30"),
    ("牧草地面积", "2", "living.pasture_mu", "2.00"),
    ("水面面积", "0.1", "living.water_mu", "0.10"),
    ("是否不愁吃", "是", "living.food_assured", "yes"),
    ("是否不愁穿", "拒绝回答", "living.clothing_assured", "refused"),
    ("合规自付支出", "3200.05", "living.self_paid_medical", "3200.05"),
    ("理赔收入", "80", "living.insurance_paid", "80.00"),
    ("灾害类型", "洪涝", "living.disaster_kind", "flood"),
    ("受灾日期", "2019-06-30", "living.disaster_on", "2019-06-30"),
    ("受灾损失", "1500.50", "living.disaster_loss", "1500.50"),
    ("家庭人口数", "2", "living.headcount_on_form", 2),
]
PERSON: list[tuple[str, str, str, Any]] = [
    ("人编号", "62302310020000010", "person_number", "62302310020000010"),
    ("姓名", "李秀英", "name", "李秀英"),
    ("性别", "女", "sex", "female"),
    ("出生日期", "1980-03-05", "birth_on", "1980-03-05"),
    ("证件类型", "居民身份证", "id_kind", "citizen_id"),
    ("证件号码", citizen_id("19800305", 2), "id_number", citizen_id("19800305", 2)),
    ("民族", "藏族", "ethnicity", "tibetan"),
    ("政治面貌", "群众", "political", "masses"),
    ("在校生状况", "非在校生", "schooling", "not_student"),
    ("文化程度", "初中", "education", "junior"),
    ("健康状况", "残疾", "health", "disabled"),
    ("残疾证号", CARD, "disability_card", CARD),
    ("劳动技能", "弱劳动力或半劳动力", "labour", "weak"),
    ("参加医疗保险情况", "城乡居民基本医疗保险", "medical_cover", "resident"),
    ("是否参加大病保险", "否", "serious_illness_cover", "no"),
    ("参加养老保险情况", "城镇职工基本养老保险", "pension_cover", "employee"),
    ("务工所在地", "甘肃省兰州市城关区", "workplace", "甘肃省兰州市城关区"),
    ("务工时间", "6", "work_months", 6),
    ("务工月收入", "1500.50", "work_monthly_pay", "1500.50"),
    ("失业日期", "2019-07-01", "job_lost_on", "2019-07-01"),
    ("联系电话", "13812345678", "phone", "13812345678"),
    ("在户状态", "不在户", "present", False),
]
INCOME: list[tuple[str, str, str]] = [
    *(("A", zh, item) for zh, item in [
        ("务工收入", "wage_work"), ("行业部门公益岗收入", "wage_department_post"),
        ("乡镇公益岗收入", "wage_township_post"), ("村级公益岗收入", "wage_village_post"),
        ("自主采摘收入", "wage_gathering"),
    ]),
    *(("B", zh, item) for zh, item in [
        ("种植业收入", "business_crops"), ("养殖业收入", "business_livestock"), ("林果业收入", "business_orchard"),
        ("其他生产经营性收入", "business_other"),
    ]),
    *(("C", zh, item) for zh, item in [
        ("资产收益分红", "property_dividend"), ("土地流转收入", "property_land_transfer"),
        ("金融贷款项目收入", "property_loan_project"), ("代种代养收入", "property_entrusted_farming"),
        ("其他财产性收入", "property_other"),
    ]),
    *(("D", zh, item) for zh, item in [
        ("计划生育金", "transfer_family_planning"), ("低保金", "transfer_minimum_living"),
        ("特困供养金", "transfer_special_hardship"), ("养老金", "transfer_pension"),
        ("退耕还林补助", "transfer_returned_forest"), ("公益林补偿", "transfer_public_forest"),
        ("草原奖补", "transfer_grassland"), ("生态移民补偿", "transfer_ecological_relocation"),
        ("其他生态补偿金", "transfer_ecological_other"), ("耕地地力保护补贴", "transfer_land_fertility"),
        ("玉米大豆生产者补贴", "transfer_crop_subsidy"), ("高龄补贴", "transfer_senior"),
        ("优抚金", "transfer_entitled_group"), ("残疾人补贴", "transfer_disability"),
        ("教育补助", "transfer_education"), ("救灾款", "transfer_disaster_relief"),
        ("失能补贴", "transfer_incapacity"), ("赡养费", "transfer_family_support"), ("取暖补贴", "transfer_heating"),
        ("物价补贴", "transfer_price"), ("救济金", "transfer_relief"), ("防贫保险金", "transfer_poverty_insurance"),
        ("经常性捐赠和赔偿", "transfer_donation"), ("其他转移性收入", "transfer_other"),
    ]),
    *(("E", zh, item) for zh, item in [
        ("种植业支出", "cost_crops"), ("养殖业支出", "cost_livestock"), ("林果业支出", "cost_orchard"),
        ("其他生产经营性支出", "cost_other"),
    ]),
]  # fmt: skip
STATUSES: list[tuple[str, str, str]] = [
    ("贫困户", "识别时间", "poor"),
    ("未脱贫", "识别时间", "poor"),
    ("脱贫户", "脱贫时间", "lifted"),
    ("监测户", "监测对象识别时间", "monitored"),
    ("低保户", "低保起始时间", "minimum_living"),
    ("特困户", "特困供养起始时间", "special_hardship"),
    ("一般农户", "建档日期", "ordinary"),
]


def form(serial: int = 1, **cells: str) -> list[Row]:
    """A household of two with every cell filled; each serial's people have numbers of their own."""
    number = f"{VILLAGE.text}{serial:04d}"
    about: Row = {heading: cell for heading, cell, _, _ in HOUSEHOLD} | {"户编号": number}
    about |= {"户类型": "贫困户", "识别时间": "2014-03-01", "收入年度起": "2018-10-01", "收入年度止": "2019-09-30"}
    about |= {zh: f"{place}.{place:02d}" for place, (_, zh, _) in enumerate(INCOME, 1)}
    head: Row = {"与户主关系": "户主", **{heading: cell for heading, cell, _, _ in PERSON}}
    head |= {"证件号码": citizen_id("19800305", serial * 2)}
    son = member("王小明", "之子", "男", "2010-01-12", serial * 2 + 1, 劳动技能="无劳动力")
    return [about | head | cells, {"户编号": number} | son]


async def in_clear(ground: Ground, serial: int = 1) -> dict[str, Any]:
    """A household, as an officer with a purpose reads it."""
    number = f"{VILLAGE.text}{serial:04d}"
    found = await ground.get(f"/households/by-number/{number}", params={"purpose": "核对登记表"})
    assert found.status_code == 200, found.text
    shown: dict[str, Any] = found.json()
    return shown


def at(answer: Any, place: str) -> Any:
    for name in place.split("."):
        answer = answer[name]
    return answer


async def test_every_cell_of_the_form_comes_back(ground: Ground) -> None:
    found = await ground.intake(file_of(form()))
    assert (found["rows_new"], found["rows_refused"]) == (2, 0), found
    shown = await in_clear(ground)
    assert {place: at(shown, place) for _, _, place, _ in HOUSEHOLD} == {place: said for _, _, place, said in HOUSEHOLD}
    head, son = shown["members"]
    assert {name: head["person"][name] for _, _, name, _ in PERSON} == {name: said for _, _, name, said in PERSON}
    assert (head["relation"], son["relation"], son["person"]["present"]) == ("head", "son", True)
    assert (head["person"]["disability_kind"], head["person"]["disability_level"]) == (4, 3)
    assert [(one["kind"], one["since"], one["until"]) for one in shown["statuses"]] == [("poor", "2014-03-01", None)]
    rows = {one["item"]: (one["component"], one["amount"]) for one in shown["income"]}
    assert rows == {item: (component, f"{place}.{place:02d}") for place, (component, _, item) in enumerate(INCOME, 1)}
    assert [sum(component == one for component, _, _ in INCOME) for one in "ABCDE"] == [5, 4, 5, 24, 4]


async def test_an_officers_form_has_the_same_columns(ground: Ground) -> None:
    """What a file can say of a household, an officer can enter by himself."""
    told = {place: said for _, _, place, said in HOUSEHOLD}
    body = {name: told[name] for name in ("number", "group", "registered_on")}
    body |= {"division": VILLAGE.text, "observed_on": "2019-08-20"}
    body |= {"statuses": [{"kind": kind, "since": "2014-03-01"} for kind in ("poor", "minimum_living")]}
    living = {place.removeprefix("living."): said for place, said in told.items() if place.startswith("living.")}
    head = {name: said for _, _, name, said in PERSON}
    items = {item: f"{place}.{place:02d}" for place, (_, _, item) in enumerate(INCOME, 1)}
    income = {"year_from": "2018-10-01", "year_to": "2019-09-30", "items": items}
    given = body | {"living": living, "members": [{"relation": "head", **head}], "income": [income]}
    answer = await ground.post("/households", json=given)
    assert answer.status_code == 201, answer.text
    shown = await in_clear(ground)
    assert {place: at(shown, place) for place in told} == told
    assert {name: shown["members"][0]["person"][name] for name in head} == head
    assert {one["item"]: one["amount"] for one in shown["income"]} == items
    assert [one["kind"] for one in shown["statuses"]] == ["minimum_living", "poor"]


ANSWERS = {"是": "yes", "否": "no", "拒绝回答": "refused", "不详": None, "": None}


async def test_every_status_is_an_interval_and_food_and_clothing_have_four_answers(
    ground: Ground, tmp_path: Path
) -> None:
    """From a workbook, as counties hand it in."""
    homes = [
        form(serial, **{"户类型": wording, "识别时间": "", heading: "2015-02-03"})
        for serial, (wording, heading, _) in enumerate(STATUSES, 1)
    ]
    first = len(homes) + 1
    fed = list(product(("是否不愁吃", "是否不愁穿"), ANSWERS))
    homes += [form(first + place, **{heading: cell}) for place, (heading, cell) in enumerate(fed)]
    book = write_xlsx(tmp_path / "登记表.xlsx", table([row for home in homes for row in home]))
    found = await ground.intake(await asyncio.to_thread(book.read_bytes), filename=book.name)
    assert found["rows_new"] == 2 * len(homes), found
    for serial, (_, _, kind) in enumerate(STATUSES, 1):
        held = [(one["kind"], one["since"]) for one in (await in_clear(ground, serial))["statuses"]]
        assert held == [(kind, "2015-02-03")]
    for place, (heading, cell) in enumerate(fed):
        living = (await in_clear(ground, first + place))["living"]
        assert living[{"是否不愁吃": "food_assured", "是否不愁穿": "clothing_assured"}[heading]] == ANSWERS[cell]


BATCHED = ("household", "person", "membership", "status", "income", "doubt")


async def test_every_change_keeps_its_file_and_row(ground: Ground) -> None:
    """What a file writes or closes says which file it was, and where in it; an image keeps what wrote it."""
    first = UUID((await ground.intake(file_of(form())))["job"]["id"])
    for name in BATCHED:
        rows = await ground.rows(f"select batch, batch_row from {name}")
        assert rows, name
        assert {row["batch"] for row in rows} == {first}, name
        assert {row["batch_row"] for row in rows} <= {2, 3}, name
    changed = form(
        住房安全等级="C级", 务工收入="9.99", 健康状况="健康", 户类型="贫困户；低保户", 低保起始时间="2019-01-01"
    )
    found = await ground.intake(file_of(changed[:1]), observed_on="2019-08-22")
    second = UUID(found["job"]["id"])
    for name in ("household", "person"):
        now = await ground.rows(f"select no, batch, batch_row from {name} where version = 2 order by no limit 1")
        images = await ground.rows(f"select batch from {name}_history where no = $1", now[0]["no"])
        assert (now[0]["batch"], now[0]["batch_row"], images[0]["batch"]) == (second, 2, first), name
    for name in ("membership", "income"):
        closed = await ground.rows(f"select batch, closed_batch from {name} where known_to <> 'infinity'")
        assert {tuple(row.values()) for row in closed} == {(first, second)}, name
    opened = await ground.rows("select batch, batch_row from status where kind = 'minimum_living'")
    assert [tuple(row.values()) for row in opened] == [(second, 2)]


async def test_every_division_of_the_data_file_is_on_record_and_its_licence_is_told(ground: Ground) -> None:
    """Some cities stand in the file twice; each code is one division, under the code above it."""
    data = MIGRATIONS / "data"
    with (data / "divisions.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    held = {row["code"]: row for row in await ground.rows("select code, name, level, parent from division")}
    assert set(held) == {int(line["code"]) for line in lines}
    assert len(held) > 7_000
    for line in lines[::100]:
        row = held[int(line["code"])]
        above = int(line["parent_code"]) if line["parent_code"] else None
        assert (row["name"], row["parent"]) == (line["name"], above)
    notice = (data / "NOTICE.md").read_text(encoding="utf-8")
    for words in ("divisions.csv", "MIT", "modood", f"{len(held):,} division codes ({len(lines):,} lines)"):
        assert words in notice
