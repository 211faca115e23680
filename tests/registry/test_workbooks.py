"""Files as they come: each layout of the bag reads as the plain table does, and says what it left out."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import polars as pl
import pytest

from services.registry.checks import CHECKS
from services.registry.domain.places import row_of, table_of
from services.registry.forms import Reading, read_file, write_answer
from services.registry.forms.problems import HeaderIncomplete, HeaderNotFound
from shared.values import Scope
from tests.registry.ground import Ground
from tests.registry.sheets import VISITED, csv_bytes, household, read_rows
from tests.registry.workbooks.bag import (
    CASES,
    CORRECTIONS,
    Case,
    Correction,
    Page,
    digits,
    filled,
    head_and_members,
    in_ten_thousands,
    place_of,
    plain,
    reheaded,
    side_by_side,
    two_sheets,
    under_members,
    xlsx,
)


def read_case(case: Case, folder: Path) -> Reading:
    path = folder / f"{case.name}.{case.suffix}"
    path.write_bytes(case.make())
    return read_file(path, checks=CHECKS, scope=Scope.everything(), on=VISITED, source=case.source)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_of_the_bag_reads_as_its_answer_says(case: Case, tmp_path: Path) -> None:
    reading = read_case(case, tmp_path)
    told = {(row_of(row), field, code) for row, field, code in reading.refusals.select("row", "field", "code").rows()}
    assert {one for one in told if one[2] != "household.refused"} == case.refused
    assert {note.code for note in reading.notes} == case.notes
    assert reading.ignored == ()
    assert reading.rows == 6
    if case.refused:
        assert reading.rows_refused >= 3
        return
    expected = read_rows(tmp_path, case.given)
    said = ["source_values"] if case.own_words else []
    assert reading.persons.drop("row", *said).equals(expected.persons.drop("row", *said))
    assert reading.households.drop("row", "rows", *said).equals(expected.households.drop("row", "rows", *said))
    assert reading.incomes.drop("row").equals(expected.incomes.drop("row"))
    assert reading.statuses.drop("row").equals(expected.statuses.drop("row"))


@pytest.mark.parametrize("case", CORRECTIONS, ids=lambda case: case.name)
def test_a_list_of_corrections_is_read_by_a_households_number_and_what_it_says(
    case: Correction, tmp_path: Path
) -> None:
    path = tmp_path / f"{case.name}.{case.suffix}"
    path.write_bytes(case.make())
    with pytest.raises((HeaderIncomplete, HeaderNotFound)):
        read_file(path, checks=CHECKS, scope=Scope.everything(), on=VISITED)
    reading = read_file(path, checks=CHECKS, scope=Scope.everything(), on=VISITED, amends=True)
    assert reading.fields == case.fields
    assert (reading.rows, reading.rows_refused, reading.households.height) == (2, 0, 2)
    assert reading.persons.height == case.persons


# --- where a bad cell stands ------------------------------------------------------------------------------------------


def read_bytes(content: bytes, folder: Path, suffix: str = "xlsx", **more: Any) -> Reading:
    path = folder / f"t.{suffix}"
    path.write_bytes(content)
    return read_file(path, checks=CHECKS, scope=Scope.everything(), on=VISITED, **more)


def culprits(reading: Reading) -> list[tuple[str, int, str, str]]:
    """Sheet, row, heading and code of what was wrong itself."""
    marks = reading.refusals.filter(pl.col("code") != "household.refused").select("row", "column", "code").rows()
    return [(reading.places[table_of(line)].sheet, row_of(line), column, code) for line, column, code in marks]


def corrected(reading: Reading, spoilt: str, sound: str) -> bytes:
    """The answer workbook with one cell written right."""
    answer = write_answer(reading.layout, refusals=reading.refusals, doubts=reading.doubts, summary={})
    book = openpyxl.load_workbook(io.BytesIO(answer))
    cells = [cell for page in book for line in page.iter_rows() for cell in line if cell.value == spoilt]
    assert cells, "the cell came back as it was"
    for cell in cells:
        cell.value = sound
        reason = cell.parent.cell(cell.row, cell.column + 1).value
        assert reason, "the reason stands beside it"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_bad_cell_of_the_second_member_is_found_in_his_own_column_and_the_corrected_answer_is_taken(
    tmp_path: Path,
) -> None:
    for lines in (side_by_side(lambda at, name: f"成员{at + 1}{name}"), head_and_members(), under_members().lines):
        body = lines[-2]
        at = body.index("1978-11-20")
        body[at] = "1978-11-31"
        heading = lines[-3][at]
        reading = read_bytes(xlsx(Page(lines)), tmp_path)
        (found,) = culprits(reading)
        assert (found[1], found[3]) == (len(lines) - 1, "date.unreadable")
        assert found[2].endswith(heading) or found[2].startswith(heading)
        assert (reading.rows, reading.rows_refused, reading.households.height) == (6, 3, 1)
        again = read_bytes(corrected(reading, "1978-11-31", "1978-11-20"), tmp_path)
        assert (again.rows, again.rows_refused) == (3, 0), again.refusals
        expected = read_rows(tmp_path, household())
        assert again.persons.drop("row").equals(expected.persons.drop("row"))
        assert again.households.drop("row", "rows").equals(expected.households.drop("row", "rows"))


def test_a_bad_cell_of_the_sheet_of_households_is_named_with_its_sheet(tmp_path: Path) -> None:
    homes, people = two_sheets()
    at = homes.lines[0].index("建档日期")
    homes.lines[2][at] = "2014-02-30"
    reading = read_bytes(xlsx(homes, people), tmp_path)
    assert culprits(reading) == [("户信息", 3, "建档日期", "date.unreadable")]
    assert (reading.rows, reading.rows_refused) == (6, 3)
    innocent = reading.refusals.filter(pl.col("code") == "household.refused")["zh"].unique().to_list()
    assert innocent == ["本户“户信息”第3行有误，整户退回"]
    again = read_bytes(corrected(reading, "2014-02-30", "2014-03-01"), tmp_path)
    assert (again.rows, again.rows_refused, again.households["registered_on"].to_list()) == (3, 0, [date(2014, 3, 1)])


def test_each_household_stands_once_in_the_sheet_of_households_and_has_members(tmp_path: Path) -> None:
    homes, people = two_sheets()
    reading = read_bytes(xlsx(Page(homes.lines[:2], "户信息"), people), tmp_path)
    assert {code for _, _, _, code in culprits(reading)} == {"household.not_in_sheet"}
    assert reading.households.height == 1
    reading = read_bytes(xlsx(Page([*homes.lines, homes.lines[2]], "户信息"), people), tmp_path)
    assert culprits(reading) == [("户信息", 4, "户编号", "household.twice_in_sheet")]
    reading = read_bytes(xlsx(homes, Page(people.lines[:4], "成员信息")), tmp_path)
    assert culprits(reading) == [("户信息", 3, "户编号", "I12")]
    assert (reading.rows, reading.rows_refused) == (4, 1)


def test_what_could_be_a_person_is_never_left_out_as_a_note(tmp_path: Path) -> None:
    """A name alone, a household's number alone: they go back, they do not vanish."""
    lines = plain()
    nameless = [""] * len(lines[0])
    nameless[place_of(lines, "姓名")] = "合计会"
    reading = read_bytes(xlsx(Page([*lines, nameless])), tmp_path)
    assert reading.rows == 7
    assert {note.code for note in reading.notes} == set()
    assert (reading.places[0].sheet, 8, "与户主关系", "cell.missing") in culprits(reading)


def test_an_answer_in_another_unit_keeps_its_unit(tmp_path: Path) -> None:
    """The line 单位：万元 above the table is not in the answer: its headings say it."""
    lines = in_ten_thousands()
    lines[2][lines[1].index("建档日期")] = "2014-02-30"
    reading = read_bytes(xlsx(Page(lines)), tmp_path)
    again = read_bytes(corrected(reading, "2014-02-30", "2014-03-01"), tmp_path)
    expected = read_rows(tmp_path, household())
    assert again.incomes.drop("row").equals(expected.incomes.drop("row"))
    assert again.households.drop("row", "rows").equals(expected.households.drop("row", "rows"))


def test_digits_are_asked_about_in_the_words_of_each_system(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "digits-of-nobody")
    reading = read_case(case, tmp_path)
    said = "；".join(reading.refusals.filter(pl.col("code") == "code.ambiguous")["zh"].to_list())
    for words in ("3：建档立卡系统为患有大病／村户报表为长期慢性病", "来源系统"):
        assert words in said, said
    assert read_case(replace(case, source="gbt2261"), tmp_path).persons["health"].to_list() == [
        "chronic", "healthy", "healthy", "chronic", "healthy", "healthy",
    ]  # fmt: skip
    lines = filled(digits)
    at = place_of(lines, "健康状况")
    lines[1][at] = "2"  # 体弱多病 of the report has no place in the register
    reading = read_bytes(csv_bytes(lines), tmp_path, "csv", source="report")
    assert culprits(reading) == [("CSV", 2, "健康状况", "code.unknown")]


def test_a_month_whose_zero_is_lost_is_asked_about(tmp_path: Path) -> None:
    lines = filled(lambda heading, cell: "2014.1" if heading == "识别时间" and cell else cell)
    assert {code for _, _, _, code in culprits(read_bytes(csv_bytes(lines), tmp_path, "csv"))} == {"date.month_lost"}


# --- end to end -------------------------------------------------------------------------------------------------------

END_TO_END = (
    "xls", "titles", "two-row-header", "subtotals", "two-sheets", "a-sheet-a-household", "side-by-side",
    "head-and-members", "merged-households-xls", "hidden", "digits-of-a-source", "digits-of-nobody", "damaged-ids-csv",
)  # fmt: skip


async def test_each_layout_goes_through_the_intake_job(ground: Ground) -> None:
    cases = [case for case in CASES if case.name in END_TO_END]
    jobs = [
        await ground.upload(case.make(), filename=f"{case.name}.{case.suffix}", dry_run=True, source=case.source)
        for case in cases
    ]
    await ground.run_jobs()
    for case, job in zip(cases, jobs, strict=True):
        found = await ground.look(job)
        assert found["job"]["state"] == "done", (case.name, found["job"])
        assert (found["rows"], found["rows_refused"] > 0) == (6, bool(case.refused)), case.name
        assert {note["code"] for note in found["notes"]} == case.notes
        assert all(one["field"] for one in found["columns"]), case.name
        assert (await ground.get(f"/intakes/{job}/answer")).status_code == 200


async def test_a_file_of_two_sheets_is_recorded_and_its_rows_are_the_files(ground: Ground) -> None:
    homes, people = two_sheets()
    people.lines[6][people.lines[0].index("务工时间")] = "13"
    spoilt = xlsx(homes, Page([*people.lines[:6], [*people.lines[6][:3], "公", *people.lines[6][4:]]], "成员信息"))
    found = await ground.intake(spoilt, filename="两张表.xlsx")
    assert (found["rows_new"], found["rows_refused"]) == (3, 3)
    refused = (await ground.get(f"/intakes/{found['job']['id']}/refusals")).json()["items"]
    assert ("成员信息", 7, "性别", "code.unknown") in {
        (one["sheet"], one["row"], one["column"], one["code"]) for one in refused
    }
    assert ("户信息", 3) in {(one["sheet"], one["row"]) for one in refused}
    found = await ground.intake(xlsx(homes, people), filename="两张表.xlsx")
    assert (found["rows_new"], found["rows_unchanged"], found["rows_refused"], found["doubts"]) == (3, 3, 0, 4)
    asked = await ground.rows("select check_id from doubt order by check_id")
    assert [row["check_id"] for row in asked] == ["L10", "L12", "L6", "L7"], "a boy of nine, thirteen months at work"
    rows = await ground.rows("select batch_row from person union all select batch_row from doubt")
    assert {row["batch_row"] for row in rows} == {2, 3, 4, 5, 6, 7}
    kept = await ground.rows("select number, housing_level from household order by number")
    assert [row["housing_level"] for row in kept] == ["A", "A"]


# --- what somebody says of a column -----------------------------------------------------------------------------------


def odd_headings() -> bytes:
    """Two headings that nobody knows, one of them needed; and a second column for one field."""
    lines = reheaded({"证件号码": "证件", "健康状况": "体况"})
    return csv_bytes([[*lines[0], "手机号", "联系电话"], *([*line, "13800000001", "139"] for line in lines[1:])])


CHOICES = ("证件=id_number", "体况=health", "联系电话=")


async def test_a_column_is_shown_corrected_and_remembered_for_its_source_and_place(ground: Ground) -> None:
    async def tried(**more: Any) -> dict[str, Any]:
        return await ground.intake(odd_headings(), filename="镇.csv", dry_run=True, **more)

    unread = await tried(source="county-hospital")
    assert (unread["job"]["state"], unread["job"]["problem"]["code"]) == ("failed", "file.header_repeated")
    found = await tried(source="town", columns=CHOICES)
    assert (found["job"]["state"], found["rows"], found["rows_refused"]) == ("done", 6, 0), found["job"]
    told = {one["heading"]: (one["field"], one["why"]) for one in found["columns"]}
    assert (told["证件"], told["体况"], told["联系电话"], told["手机号"]) == (
        ("id_number", "chosen"), ("health", "chosen"), (None, "chosen"), ("phone", "synonym"),
    )  # fmt: skip
    assert found["source"] == "town"
    again = await tried(source="town")
    assert [one for one in again["columns"] if one["why"] == "chosen"] == [
        one for one in found["columns"] if one["why"] == "chosen"
    ]
    job = await ground.upload(odd_headings(), source="town", dry_run=True, divisions=["623023100200"])
    await ground.run_jobs()
    assert (await ground.look(job))["job"]["state"] == "failed", "another place has its own way of writing"
    other = await tried(source="town", columns=("联系电话=phone", "手机号="))
    assert {one["heading"]: one["field"] for one in other["columns"]}.get("联系电话") == "phone"


async def test_what_is_tried_under_a_choice_is_recorded_under_it(ground: Ground) -> None:
    tried = await ground.intake(odd_headings(), dry_run=True, columns=CHOICES)
    answer = await ground.post(f"/intakes/{tried['job']['id']}/apply")
    await ground.run_jobs()
    applied = await ground.look(UUID(answer.json()["id"]))
    assert (applied["rows_new"], applied["rows_refused"]) == (6, 0)
    assert await ground.value("select count(*) from person where health = 'serious'") == 2


@pytest.mark.parametrize("choice", ["证件", "证件=no_such_field", "=name", "（）=name"])
async def test_a_choice_that_means_nothing_is_refused_at_once(ground: Ground, choice: str) -> None:
    given = {"filename": "f.csv", "year_from": "2018-10-01", "year_to": "2019-09-30", "columns": choice}
    answer = await ground.post("/intakes", params=given, content=b"x", headers={"Content-Type": "text/csv"})
    assert (answer.status_code, answer.json()["code"]) == (422, "intake.column_choice")
    assert await ground.value("select count(*) from intake") == 0
