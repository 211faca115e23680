"""What a file means: corrections of a few columns, new households alone, a village's full list; and empty cells."""

from __future__ import annotations

import io
from typing import Any

import openpyxl
import pytest

from tests.registry.ground import NEXT_VILLAGE, VILLAGE, Ground, file_of
from tests.registry.sheets import Row, citizen_id, csv_bytes, household, table
from tests.registry.test_intake import counted, counts_of

FIRST, SECOND, THIRD = (f"{VILLAGE.text}{serial:04d}" for serial in (1, 2, 3))


def three() -> bytes:
    return file_of(household(), household(SECOND, 3), household(THIRD, 5))


def part(*rows: Row) -> bytes:
    """Rows with just these cells."""
    return csv_bytes(table(rows))


async def corrected(ground: Ground, *rows: Row, blank: str | None = None, **more: Any) -> dict[str, Any]:
    said = {"mode": "update"} | ({} if blank is None else {"blank": blank})
    return await ground.intake(part(*rows), said=said, **more)


async def codes(ground: Ground, found: dict[str, Any]) -> set[tuple[int, str]]:
    items = (await ground.get(f"/intakes/{found['job']['id']}/refusals")).json()["items"]
    return {(one["row"], one["code"]) for one in items}


async def home(ground: Ground, number: str = FIRST) -> dict[str, Any]:
    found = await ground.get(f"/households/by-number/{number}", params={"purpose": "核对"})
    assert found.status_code == 200, found.text
    shown: dict[str, Any] = found.json()
    return shown


async def test_a_list_of_number_name_and_one_column_corrects_that_column_and_nothing_else(ground: Ground) -> None:
    await ground.intake(three())
    assert await ground.value("select count(*) from doubt") == 0
    before = await home(ground)
    found = await corrected(
        ground,
        {"户编号": FIRST, "姓名": "王建国", "务工时间": "8"},
        {"户编号": SECOND, "姓名": "王建国", "务工时间": "6"},
    )
    assert counts_of(found) == counted(2, changed=1, unchanged=1), await codes(ground, found)
    after = await home(ground)
    man = next(one for one in after["members"] if one["person"]["name"] == "王建国")
    assert man["person"]["work_months"] == 8
    was = next(one for one in before["members"] if one["person"]["name"] == "王建国")
    expected = before | {"version": 2}
    was["person"]["work_months"] = 8
    for told in (expected, after):
        for one in told["members"]:
            one["person"].pop("version", None)
        told.pop("observed_on", None)
    assert after == expected
    assert await ground.value("select count(*) from membership where known_to = 'infinity' and upper_inf(during)") == 9
    again = await corrected(ground, {"户编号": FIRST, "姓名": "王建国", "务工时间": "8"})
    assert counts_of(again) == counted(1, unchanged=1)


async def test_a_list_of_households_alone_corrects_households(ground: Ground) -> None:
    await ground.intake(three())
    found = await corrected(ground, {"户编号": FIRST, "住房安全等级": "C级"}, {"户编号": SECOND, "住房安全等级": "A级"})
    assert counts_of(found)["rows_changed"] == 1
    assert counts_of(found)["rows_unchanged"] == 1
    assert (await home(ground))["living"]["housing_level"] == "C"
    assert len((await home(ground))["members"]) == 3


async def test_an_empty_cell_keeps_what_is_on_record_unless_erasing_is_asked_for(ground: Ground) -> None:
    rows = household()
    rows[1]["健康状况"] = "重病"  # the file's own wording, kept beside the value
    await ground.intake(file_of(rows))
    cells = {
        "户编号": FIRST,
        "姓名": "王建国",
        "务工时间": "",
        "务工所在地": "天水市",
        "其他致贫原因": "",
        "务工收入": "",
    }
    found = await corrected(ground, cells)
    assert counts_of(found)["rows_changed"] == 1
    (man,) = await ground.rows("select * from person where name = '王建国'")
    assert (man["work_months"], man["workplace"], man["source_values"]) == (6, "天水市", '{"health":"重病"}')
    assert await ground.value("select other_causes from household") == ["capital"]
    found = await corrected(ground, cells | {"低保金": "1300"}, blank="erase")
    assert (found["mode"], found["blank"]) == ("update", "erase")
    assert await ground.value("select work_months from person where name = '王建国'") is None
    assert await ground.value("select other_causes from household") == []
    items = {one["item"]: one["amount"] for one in (await home(ground))["income"]}
    assert "wage_work" not in items
    assert (items["transfer_minimum_living"], items["business_crops"]) == ("1300.00", "2400.00")


async def test_of_incomes_a_correction_says_its_own_items(ground: Ground) -> None:
    await ground.intake(three())
    found = await corrected(ground, {"户编号": FIRST, "低保金": "0", "养老金": "0", "务工收入": "9500"})
    assert counts_of(found)["rows_changed"] == 1
    items = {one["item"]: one["amount"] for one in (await home(ground))["income"]}
    assert items == {
        "wage_work": "9500.00", "transfer_minimum_living": "0.00", "business_crops": "2400.00", "cost_crops": "600.00",
    }  # fmt: skip
    before = await ground.digest()
    await corrected(ground, {"户编号": FIRST, "低保金": "0", "养老金": "0", "务工收入": "9500"})
    assert await ground.digest() == before


async def test_a_correction_adds_nobody_and_says_why(ground: Ground) -> None:
    await ground.intake(three())
    await ground.intake(file_of(household(f"{NEXT_VILLAGE.text}0001", 9)))
    rows: list[Row] = [
        {"户编号": f"{VILLAGE.text}0009", "姓名": "王建国", "务工时间": "8"},
        {"户编号": FIRST, "姓名": "陌生人", "务工时间": "8"},
        {"户编号": SECOND, "姓名": "", "务工时间": "8"},
        {"户编号": THIRD, "姓名": "王建国", "务工时间": "8"},
        {"户编号": f"{NEXT_VILLAGE.text}0001", "姓名": "王建国", "务工时间": "8"},
    ]
    job = await ground.upload(part(*rows), said={"mode": "update"}, divisions=[VILLAGE.text])
    await ground.run_jobs()
    found = await ground.look(job)
    assert await codes(ground, found) == {
        (2, "household.not_on_record"),
        (3, "person.not_member"),
        (4, "person.unnamed"),
        (6, "household.out_of_scope"),
    }
    assert counts_of(found) == counted(5, changed=1, refused=4)


async def test_members_of_one_name_are_told_apart_by_their_numbers(ground: Ground) -> None:
    rows = household()
    rows[2]["姓名"] = "王建国"
    await ground.intake(file_of(rows))
    found = await corrected(ground, {"户编号": FIRST, "姓名": "王建国", "务工时间": "8"})
    assert await codes(ground, found) == {(2, "person.ambiguous")}
    number = rows[1]["证件号码"]
    found = await corrected(ground, {"户编号": FIRST, "姓名": "王建邦", "证件号码": number, "务工时间": "8"})
    assert counts_of(found)["rows_changed"] == 1
    assert await ground.value("select name from person where work_months = 8") == "王建邦"


async def test_a_number_is_corrected_unless_it_is_somebody_elses(ground: Ground) -> None:
    await ground.intake(three())
    taken = household(SECOND, 3)[1]["证件号码"]
    found = await corrected(ground, {"户编号": FIRST, "姓名": "王建国", "证件号码": taken})
    assert await codes(ground, found) == {(2, "person.number_taken")}
    fresh = citizen_id("19781120", 77)
    found = await corrected(ground, {"户编号": FIRST, "姓名": "王建国", "证件号码": fresh})
    assert counts_of(found)["rows_changed"] == 1
    met = (await ground.post("/people/search", json={"id_number": fresh, "purpose": "核对"})).json()
    assert [one["relation"] for one in met["found"]] == ["spouse"]
    assert await ground.value("select count(*) from person") == 9


async def test_a_new_head_takes_both_rows(ground: Ground) -> None:
    await ground.intake(three())
    found = await corrected(ground, {"户编号": FIRST, "姓名": "王建国", "与户主关系": "户主"})
    assert await codes(ground, found) == {(2, "household.heads")}
    rows: list[Row] = [
        {"户编号": FIRST, "姓名": "王建国", "与户主关系": "户主"},
        {"户编号": FIRST, "姓名": "李秀英", "与户主关系": "配偶"},
    ]
    found = await corrected(ground, *rows)
    assert counts_of(found)["rows_changed"] == 2
    assert (await home(ground))["members"][0]["person"]["name"] == "王建国"


async def test_the_whole_household_is_looked_at_whatever_the_correction_says(ground: Ground) -> None:
    """A doubt opens about what the file says together with what is on record, and the trial run shows it."""
    rows = household()
    rows[1]["务工时间"] = "13"
    await ground.intake(file_of(rows, household(SECOND, 3)))
    asked = "select check_id from doubt where closed_at is null order by 1"
    assert [one["check_id"] for one in await ground.rows(asked)] == ["L10"]
    change: Row = {"户编号": FIRST, "姓名": "王建国", "务工所在地": "", "劳动技能": "无劳动力"}
    tried = await corrected(ground, change, dry_run=True)
    assert tried["doubts"] > 0
    assert [one["check_id"] for one in await ground.rows(asked)] == ["L10"], "a trial records nothing"
    assert await ground.value("select max(version) from household") == 1
    book = await ground.get(f"/intakes/{tried['job']['id']}/answer")
    lines = list(openpyxl.load_workbook(io.BytesIO(book.content))["疑点"].iter_rows(min_row=2, values_only=True))
    done = await corrected(ground, change)
    assert counts_of(done) == counts_of(tried)
    opened = [str(one["check_id"]) for one in await ground.rows(asked)]
    assert lines
    assert opened == sorted({"L10", *(str(line[3]) for line in lines)})
    assert len(opened) > 1
    fixed = await corrected(ground, {"户编号": FIRST, "姓名": "王建国", "务工时间": "6", "劳动技能": "普通劳动力"})
    assert fixed["doubts"] == 0
    assert await ground.rows(asked) == []


async def test_a_correction_that_meets_a_household_which_changes_meanwhile_overwrites_nothing(ground: Ground) -> None:
    """What it leaves empty is filled in under the household's lock, not when the file was read."""
    await ground.intake(three())
    job = await ground.upload(
        part({"户编号": FIRST, "姓名": "王建国", "务工时间": "", "务工所在地": "天水市"}), said={"mode": "update"}
    )
    runner, files = ground.runner()
    held = await runner._take()
    assert held is not None
    await runner._chunk(held)
    prepared = await files.prepare(held.job)
    await corrected_by_another(ground)
    held.kind = type(held.kind)(held.kind.name, held.kind.roles, held.kind.run_chunk, _given(prepared), None)
    await runner._chunk(held)
    files.close()
    assert (await ground.look(job))["rows_changed"] == 1
    assert await ground.value("select work_months from person where workplace = '天水市'") == 11


def _given(prepared: Any) -> Any:
    async def prepare(_: Any) -> Any:
        return prepared

    return prepare


async def corrected_by_another(ground: Ground) -> None:
    await ground.rows("update job set not_before = 'infinity' where state = 'running' returning id")
    await corrected(ground, {"户编号": FIRST, "姓名": "王建国", "务工时间": "11"})


async def test_what_only_adds_leaves_households_on_record_alone(ground: Ground) -> None:
    await ground.intake(file_of(household()))
    before = await ground.digest()
    found = await ground.intake(three(), said={"mode": "create"})
    assert counts_of(found) == counted(9, new=6, refused=3)
    assert await codes(ground, found) == {
        (2, "household.on_record"), (3, "household.refused"), (4, "household.refused"),
    }  # fmt: skip
    kept = await ground.value("select version from household where number = $1", FIRST)
    assert kept == 1
    after = await ground.digest()
    assert after["household_history"] == before["household_history"]


async def test_blank_is_a_question_of_corrections_alone(ground: Ground) -> None:
    given = {"filename": "f.csv", "year_from": "2018-10-01", "year_to": "2019-09-30", "blank": "keep"}
    answer = await ground.post("/intakes", params=given, content=b"x", headers={"Content-Type": "text/csv"})
    assert (answer.status_code, answer.json()["code"]) == (422, "intake.blank")


@pytest.mark.parametrize("was_tried", [True, False])
async def test_the_corrected_answer_of_a_correction_is_handed_in_again(ground: Ground, *, was_tried: bool) -> None:
    await ground.intake(three())
    rows: list[Row] = [
        {"户编号": FIRST, "姓名": "王建国", "务工时间": "六个月多"},
        {"户编号": SECOND, "姓名": "王建国", "务工时间": "8"},
    ]
    found = await corrected(ground, *rows, dry_run=was_tried)
    assert counts_of(found) == counted(2, changed=1, refused=1)
    book = openpyxl.load_workbook(io.BytesIO((await ground.get(f"/intakes/{found['job']['id']}/answer")).content))
    page = book["退回"]
    cell = next(cell for line in page.iter_rows() for cell in line if cell.value == "六个月多")
    cell.value = "7"
    out = io.BytesIO()
    book.save(out)
    again = await ground.intake(out.getvalue(), filename="退回.xlsx", said={"mode": "update"})
    assert counts_of(again) == counted(1, changed=1)
    assert await ground.value("select count(*) from person where work_months = 7") == 1


# --- the full list of a village ---------------------------------------------------------------------------------------


async def listed(ground: Ground, *, dry_run: bool = False) -> dict[str, Any]:
    """Three households are on record there and one next door; the list has the first, and the third with a fault."""
    await ground.intake(file_of(household(), household(SECOND, 3), household(THIRD, 5)))
    await ground.intake(file_of(household(f"{NEXT_VILLAGE.text}0001", 9)))
    faulty = household(THIRD, 5)
    faulty[1]["性别"] = "公"
    body = file_of(household(), faulty, household(f"{VILLAGE.text}0004", 7))
    return await ground.intake(body, said={"mode": "replace-village"}, dry_run=dry_run)


async def test_whom_the_list_of_a_village_leaves_out_is_listed_and_left_as_it_is(ground: Ground) -> None:
    found = await listed(ground)
    assert counts_of(found) == counted(9, new=3, unchanged=3, refused=3)
    assert found["absent"] == 1
    job = found["job"]["id"]
    (one,) = (await ground.get(f"/intakes/{job}/absences")).json()["items"]
    assert (one["number"], one["masked_head"], one["headcount"], one["decision"]) == (SECOND, "李*英", 3, None)
    (kept,) = await ground.rows("select version, closed_on from household where number = $1", SECOND)
    assert kept == {"version": 1, "closed_on": None}
    book = openpyxl.load_workbook(io.BytesIO((await ground.get(f"/intakes/{job}/answer")).content))
    assert [row[:5] for row in book["名单未列"].iter_rows(min_row=2, values_only=True)] == [
        (SECOND, VILLAGE.text, "二组", "李*英", 3)
    ]
    said = {line[0].value: line[1].value for line in book["汇总"].iter_rows()}
    assert said["名单未列的户"] == 1


async def test_what_became_of_a_household_left_out_is_written_down_once(ground: Ground) -> None:
    found = await listed(ground)
    path = f"/intakes/{found['job']['id']}/absences"
    (one,) = (await ground.get(path)).json()["items"]

    async def decide(decision: str, household: str = one["household"]) -> tuple[int, Any]:
        items = [{"household": household, "decision": decision, "reason": "入户核实：随子女进城"}]
        answer = await ground.post(path, json={"items": items}, sub="wang")
        return answer.status_code, answer.json()

    assert await decide("unclear") == (200, {"absent": 1, "open": 1})
    assert await decide("moved") == (200, {"absent": 1, "open": 0})
    status, refused = await decide("kept")
    assert (status, refused["code"]) == (409, "absence.decided")
    (first,) = await ground.rows("select id from household where number = $1", FIRST)
    status, refused = await decide("moved", str(first["id"]))
    assert (status, refused["code"]) == (404, "absence.missing")
    (told,) = (await ground.get(path)).json()["items"]
    assert (told["decision"], told["decided_by"], told["reason"]) == ("moved", "wang", "入户核实：随子女进城")
    assert (await ground.get(path, params={"open": "true"})).json()["items"] == []
    before = await ground.digest()
    again = await ground.intake(
        file_of(household(), household(THIRD, 5), household(f"{VILLAGE.text}0004", 7)),
        said={"mode": "replace-village"},
    )
    assert again["absent"] == 1, "a new list asks anew: it is still on record there"
    assert await ground.digest() == before


async def test_a_trial_of_a_list_shows_whom_it_leaves_out_and_takes_no_decision(ground: Ground) -> None:
    found = await listed(ground, dry_run=True)
    path = f"/intakes/{found['job']['id']}/absences"
    (one,) = (await ground.get(path)).json()["items"]
    items = [{"household": one["household"], "decision": "moved", "reason": "核实"}]
    answer = await ground.post(path, json={"items": items})
    assert (answer.status_code, answer.json()["code"]) == (409, "absence.of_trial")
