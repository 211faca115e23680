"""Files: every wording and code text is read, hostile files end in a clear refusal, nothing is lost on the way."""

from __future__ import annotations

import io
import multiprocessing
import struct
import time
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.registry.checks import CHECKS
from services.registry.domain.fields import BY_NAME, FIELDS, INCOME_ITEM_NAMES, Field, Kind
from services.registry.domain.numbers import damaged
from services.registry.forms import Limits, read_file, write_answer
from services.registry.forms.cells import read_column
from services.registry.forms.header import find_header
from services.registry.forms.problems import (
    FileDamaged,
    FileNotWorkbook,
    FileTooManyRows,
    FormulasEverywhere,
    HeaderIncomplete,
    HeaderNotFound,
    NoRows,
    RowTooLong,
)
from shared.errors import Problem
from shared.values import CitizenId, DivisionCode, Period, Scope
from tests.registry.hostile import (
    MARKS,
    PROBLEMS,
    hostile_zip_bomb,
    read_within_bounds,
    sheet_xml,
    start_and_wait,
    workbook_around,
)
from tests.registry.sheets import (
    VILLAGE,
    VISITED,
    Row,
    citizen_id,
    csv_bytes,
    household,
    read,
    read_rows,
    table,
    write_csv,
    write_xlsx,
)

NEXT_VILLAGE = "623023100201"
WORKBOOKS = Path(__file__).parent / "workbooks"


def values_of(field: str, *texts: str) -> list[Any]:
    """What a column's texts are read as."""
    return read_column(BY_NAME[field], pl.Series(field, texts)).values.to_list()


def codes_of(field: str, *texts: str) -> list[str]:
    """Why a column's texts cannot be read."""
    column = read_column(BY_NAME[field], pl.Series(field, texts))
    return [wrong.code for mask, wrong in column.wrong if mask.any()]


# --- wordings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_wording_of_a_header_means_its_field(field: Field) -> None:
    needed = [name for name in ("number", "name", "relation", "id_number") if name != field.name]
    for wording in field.wordings:
        for spelling in (wording, f" * {wording}\n", wording.replace("（", "(").replace("）", " ) ")):
            line = [spelling, *(BY_NAME[name].zh for name in needed)]
            header = find_header(pl.DataFrame([line], orient="row", schema=[f"c{at}" for at in range(len(line))]), 5)
            assert header is not None
            assert header.columns.get(field.name) == 0, wording


def test_a_unit_that_the_field_cannot_have_makes_another_column() -> None:
    line = ["户编号", "姓名", "与户主关系", "证件号码", "务工收入（美元）", "耕地面积（平方米）"]
    header = find_header(pl.DataFrame([line], orient="row", schema=[f"c{at}" for at in range(6)]), 5)
    assert header is not None
    assert header.ignored == ("务工收入（美元）", "耕地面积（平方米）")


CODED = [field for field in FIELDS if field.codes is not None]


@pytest.mark.parametrize("field", CODED, ids=lambda field: field.name)
def test_every_text_of_a_code_is_read(field: Field) -> None:
    assert field.codes is not None
    for code in field.codes.codes:
        read_as: Any = code.code
        if field.kind is Kind.PRESENCE:
            read_as = code.code == "present"
        if field.kind is Kind.YES_NO and code.code == "unknown":
            read_as = None
        spelled = [text for text in code.texts for text in (text, f" {text} ")]
        assert values_of(field.name, *spelled) == [read_as] * len(spelled)
    assert values_of(field.name, "天书") == [None]
    assert codes_of(field.name, "天书") == ["code.unknown"]


def test_what_travels_is_what_the_facts_can_carry() -> None:
    from shared.events.registry import CircumstancesRecorded, HouseholdRecorded, Living, Member

    carried = {*HouseholdRecorded.model_fields, *CircumstancesRecorded.model_fields, *Living.model_fields}
    carried |= {*Member.model_fields}
    for field in FIELDS:
        if field.travels and field.into is None and field.table not in ("income", "status"):
            assert field.name in carried, field.name
        if field.name in Member.model_fields or field.name in Living.model_fields:
            assert field.travels, f"{field.name} travels, the catalogue does not know"


# --- values -----------------------------------------------------------------------------------------------------------

DATE_SPELLINGS = (
    "{0:%Y-%m-%d}", "{0:%Y-%m-%d} 00:00:00", "{0:%Y%m%d}", "{0.year}.{0.month}.{0.day}", "{0.year}/{0.month}/{0.day}",
    "{0.year}年{0.month}月{0.day}日", " {0:%Y-%m-%d} ", "{0.year}－{0.month}－{0.day}",
    "{0.year} 年 {0.month} 月 {0.day} 日",
)  # fmt: skip


@given(day=st.dates(date(1900, 1, 1), date(2100, 12, 31)), spelling=st.sampled_from(DATE_SPELLINGS))
def test_a_date_comes_back_from_each_spelling(day: date, spelling: str) -> None:
    assert values_of("birth_on", spelling.format(day)) == [day]


@pytest.mark.parametrize(
    "text",
    ["2019-02-29", "2019-13-01", "19-1-1", "去年", "2019-1", "20190230", "1899-12-31", "4529", "2019-01-05 08:30:00"],
)
def test_no_date_is_guessed(text: str) -> None:
    assert codes_of("birth_on", text) == ["date.unreadable"]


def test_a_month_is_its_first_day_where_a_month_is_enough() -> None:
    assert values_of("poor_since", "201401", "2014年1月", "2014-01") == [date(2014, 1, 1)] * 3


def money_spellings(fen: int) -> list[str]:
    plain = f"{fen // 100}.{fen % 100:02d}"
    grouped = f"{fen // 100:,}.{fen % 100:02d}"
    return [plain, grouped, f"{plain}元", f" ￥{grouped} ", "".join(chr(ord(char) + 0xFEE0) for char in plain)]


@given(fen=st.integers(0, 10**13), pick=st.integers(0, 4))
def test_an_amount_comes_back_to_the_fen_from_each_spelling(fen: int, pick: int) -> None:
    assert values_of("wage_work", money_spellings(fen)[pick]) == [fen]


def test_amounts_at_the_edge() -> None:
    assert values_of("wage_work", "631.2", "631.20000000000005", "0.30000000000000004", "1.2万元", "0", "-0") == [
        63120, 63120, 30, 1200000, 0, 0,
    ]  # fmt: skip
    assert codes_of("wage_work", "631.205") == ["number.decimals"]
    assert codes_of("wage_work", "-1") == ["number.range"]
    assert codes_of("wage_work", "约三千") == ["money.unreadable"]
    assert codes_of("wage_work", "1e5") == ["money.unreadable"]
    assert codes_of("wage_work", "99999999999999") != []


@given(hundredths=st.integers(0, 500_000), unit=st.sampled_from(["", "平方米", "㎡", " m2", "平米"]))
def test_an_area_comes_back(hundredths: int, unit: str) -> None:
    text = f"{hundredths // 100}.{hundredths % 100:02d}{unit}"
    assert values_of("housing_area_m2", text) == [Decimal(hundredths) / 100]


def test_whole_numbers() -> None:
    assert values_of("work_months", "6", "6个月", "６", "6.0", "-1", "13") == [6, 6, 6, 6, -1, 13]
    assert codes_of("work_months", "半年") == ["number.unreadable"]
    assert codes_of("work_months", "6.5") == ["number.unreadable"]
    assert codes_of("headcount_on_form", "41") == ["number.range"]


def test_strokes_are_blank_and_words_are_kept() -> None:
    assert values_of("wage_work", "", " ", "-", "/", "——", "NULL") == [None] * 6
    assert codes_of("wage_work", "", "-", "/") == []
    assert values_of("name", " 䶮𠮷 ", "买买提·艾力") == ["䶮𠮷", "买买提·艾力"]
    assert values_of("workplace", "兰州市\n城关区") == ["兰州市 城关区"]
    assert codes_of("name", "a\x00b") == ["cell.control"]
    assert codes_of("name", "长" * 201) == ["cell.too_long"]


def test_several_codes_of_one_cell_are_sorted_and_one_unknown_spoils_the_cell() -> None:
    assert values_of("statuses", "低保、贫困户", "贫困户，低保户", "贫困户") == [
        "poor|minimum_living", "poor|minimum_living", "poor",
    ]  # fmt: skip
    assert codes_of("statuses", "贫困户、富户") == ["code.unknown"]


def test_numbers_are_half_width_upper_case_and_without_the_apostrophe() -> None:
    number = citizen_id("19800305", 5)
    wide = "".join(chr(ord(char) + 0xFEE0) for char in number)
    assert values_of("id_number", f"'{number}", wide, f"{number[:6]} {number[6:]}", number.lower()) == [number] * 4


@given(born=st.dates(date(1920, 1, 1), date(2019, 1, 1)), order=st.integers(0, 999), spoilt=st.integers(0, 9))
def test_the_column_judges_numbers_as_the_value_does(born: date, order: int, spoilt: int) -> None:
    from services.registry.domain.numbers import births, checksum_holds, sexes

    number = citizen_id(f"{born:%Y%m%d}", order)
    other = number[:17] + str(spoilt)
    series = pl.Series([number, other])
    assert checksum_holds(series).to_list() == [True, other == number]
    parsed = CitizenId.parse(number)
    assert births(series)[0] == parsed.birth_on
    assert sexes(series)[0] == parsed.sex


def test_a_number_that_a_number_format_has_eaten_is_seen() -> None:
    sound = citizen_id("19800305", 5)
    eaten = [sound[:15] + "000", "6.29999E+17"]
    assert damaged(pl.Series([sound])).to_list() == [False]
    assert damaged(pl.Series([sound, *eaten])).to_list() == [False, True, True]


def test_wordings_of_another_system_are_kept_beside_the_code(tmp_path: Path) -> None:
    rows = household()
    rows[2]["与户主关系"], rows[0]["户类型"] = "长子", "贫困户、低保"
    rows[0]["低保起始时间"] = "2016-01-01"
    reading = read_rows(tmp_path, rows)
    assert reading.persons["source_values"].to_list() == [None, None, '{"relation":"长子"}']
    assert reading.persons["relation"].to_list() == ["head", "spouse", "son"]


def test_two_yes_no_columns_make_one_cover(tmp_path: Path) -> None:
    rows = household()
    for row, (resident, employee) in zip(rows, [("是", "否"), ("否", "是"), ("否", "否")], strict=True):
        row["参加医疗保险情况"] = ""
        row["是否参加城乡居民基本医疗保险"], row["是否参加城镇职工基本医疗保险"] = resident, employee
    assert read_rows(tmp_path, rows).persons["medical_cover"].to_list() == ["resident", "employee", "none"]


# --- households -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["repeated", "first_only", "number_only_once"])
def test_household_cells_may_stand_once_or_on_every_row(style: str, tmp_path: Path) -> None:
    rows = household()
    about = {name: text for name, text in rows[0].items() if name in HOUSEHOLD_WORDINGS}
    if style == "repeated":
        rows = [about | row for row in rows]
    if style == "number_only_once":
        rows = [row | ({} if at == 0 else {"户编号": ""}) for at, row in enumerate(rows)]
    reading = read_rows(tmp_path, rows)
    assert reading.refusals.is_empty()
    assert reading.persons["number"].to_list() == [VILLAGE + "0001"] * 3
    [one] = reading.households.iter_rows(named=True)
    assert one["division"] == int(VILLAGE)
    assert (one["group"], one["main_cause"], one["other_causes"]) == ("二组", "illness", ["capital"])
    assert one["self_paid_medical_fen"] == 320_000
    assert reading.statuses.select("kind", "since").rows() == [("poor", date(2014, 3, 1))]
    incomes = {
        item: (component, fen) for component, item, fen in reading.incomes.select("component", "item", "fen").rows()
    }
    assert incomes == {
        "wage_work": ("A", 900_000), "business_crops": ("B", 240_000),
        "transfer_minimum_living": ("D", 120_050), "cost_crops": ("E", 60_000),
    }  # fmt: skip


HOUSEHOLD_WORDINGS = {field.zh for field in FIELDS if field.repeats} | {"农户编号"}


def refused_codes(folder: Path, rows: list[Row], **more: Any) -> set[tuple[int, str, str]]:
    reading = read(write_csv(folder / "t.csv", rows), **more)
    assert reading.persons.is_empty(), "somebody of a refused household would be recorded"
    assert reading.rows_refused == reading.rows
    return set(reading.refusals.select("row", "field", "code").iter_rows())


@pytest.mark.parametrize(
    ("row", "column", "text", "field", "code"),
    [
        (3, "主要致贫原因", "因学", "main_cause", "household.cells_differ"),
        (2, "户编号", "62302310020000", "number", "digits.wrong"),
        (2, "姓名", "", "name", "cell.missing"),
        (4, "与户主关系", "", "relation", "cell.missing"),
        (4, "与户主关系", "干儿子", "relation", "code.unknown"),
        (2, "户类型", "贫困户、脱贫户", "statuses", "status.contradiction"),
        (2, "收入年度起", "", "income_year_from", "income.year_missing"),
        (2, "收入年度止", "2018-09-30", "income_year_to", "income.year_order"),
        (2, "其他致贫原因", "缺资金、缺技术、因学", "other_causes", "cause.too_many"),
        (4, "出生日期", "2010-02-30", "birth_on", "date.unreadable"),
        (3, "姓名", "=HYPERLINK(\"x\")", "name", "cell.formula"),
        (4, "证件号码", "6.29999E+17", "id_number", "id.damaged"),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_truthfully_sends_the_household_back(
    row: int, column: str, text: str, field: str, code: str, tmp_path: Path
) -> None:
    rows = household()
    rows[row - 2][column] = text
    if column == "户编号":
        for one in rows:
            one["户编号"] = text
    found = refused_codes(tmp_path, rows)
    assert (row, field, code) in found
    assert {at for at, _, _ in found} == {2, 3, 4}, "all rows of the household come back"
    innocent = {at for at, _, why in found if why == "household.refused"}
    assert row not in innocent


def test_a_status_without_its_day_is_refused(tmp_path: Path) -> None:
    rows = household()
    rows[0] |= {"识别时间": "", "建档日期": ""}
    assert (2, "statuses", "status.since_missing") in refused_codes(tmp_path, rows)


def test_the_same_person_twice_in_one_household_is_refused(tmp_path: Path) -> None:
    rows = household()
    assert (5, "id_number", "person.repeated") in refused_codes(tmp_path, [*rows, rows[2]])


def test_a_number_in_two_households_keeps_both_the_later_provisional(tmp_path: Path) -> None:
    first, second = household(), household(VILLAGE + "0002", order=5)
    second[1]["证件号码"] = first[1]["证件号码"]
    reading = read_rows(tmp_path, [*first, *second])
    assert reading.rows_refused == 0
    assert reading.persons["id_provisional"].to_list() == [False, False, False, False, True, False]
    identities = reading.persons["identity_text"].to_list()
    assert len(set(identities)) == 6
    assert read_rows(tmp_path, [*first, *second]).persons["identity_text"].to_list() == identities


def test_a_newborn_without_number_is_recorded_as_provisional(tmp_path: Path) -> None:
    rows = household()
    rows[2] |= {"证件号码": "", "证件类型": "无证件"}
    reading = read_rows(tmp_path, rows)
    assert reading.persons["id_provisional"].to_list() == [False, False, True]


def test_a_village_clerks_file_that_names_the_next_village_is_refused_row_by_row(tmp_path: Path) -> None:
    rows = [*household(), *household(NEXT_VILLAGE + "0001", order=5)]
    reading = read(write_csv(tmp_path / "t.csv", rows), scope=Scope.of([DivisionCode.parse(VILLAGE)]))
    assert set(reading.persons["number"]) == {VILLAGE + "0001"}
    assert set(reading.refusals.filter(pl.col("code") == "scope.refused")["row"]) == {5}
    assert reading.rows_refused == 3
    assert read(write_csv(tmp_path / "t.csv", rows), scope=Scope.nothing()).rows_refused == 6


def test_a_declaration_of_nothing_is_known_to_be_nothing(tmp_path: Path) -> None:
    rows = household()
    for name in ("务工收入", "低保金", "种植业收入", "种植业支出"):
        rows[0][name] = "0"
    assert read_rows(tmp_path, rows).incomes.select("item", "fen").rows() == [("wage_work", 0)]
    for name in ("务工收入", "低保金", "种植业收入", "种植业支出"):
        rows[0][name] = ""
    assert read_rows(tmp_path, rows).incomes.is_empty()


def test_the_jobs_income_year_stands_in_where_the_file_has_none(tmp_path: Path) -> None:
    rows = [{name: text for name, text in row.items() if not name.startswith("收入年度")} for row in household()]
    year = Period(date(2018, 10, 1), date(2019, 9, 30))
    path = write_csv(tmp_path / "t.csv", rows)
    reading = read_file(path, checks=CHECKS, scope=Scope.everything(), on=VISITED, default_year=year)
    assert set(reading.incomes.select("year_from", "year_to").rows()) == {(year.first, year.last)}


SPOILT_COLUMNS = (
    "户编号", "姓名", "与户主关系", "证件号码", "性别", "出生日期", "户类型", "务工收入", "家庭人口数", "务工时间",
)  # fmt: skip
SPOILERS = st.tuples(
    st.integers(0, 8),
    st.sampled_from(SPOILT_COLUMNS),
    st.sampled_from(["", "=1+1", "户主", "之子", "-", "9" * 18, "男", "2019-02-30", "0", "10万", "贫困户", "\t", "@x"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoilers=st.lists(SPOILERS, max_size=12))
def test_rows_in_are_rows_kept_and_rows_refused_household_by_household(
    spoilers: list[tuple[int, str, str]], tmp_path: Path
) -> None:
    rows = [row for at in (1, 2, 3) for row in household(f"{VILLAGE}{at:04d}", order=at * 10)]
    for at, column, text in spoilers:
        rows[at][column] = text
    filled = {at + 2 for at, row in enumerate(rows) if any(text.strip(" \t-") for text in row.values())}
    reading = read_rows(tmp_path, rows)
    kept, refused = set(reading.persons["row"]), set(reading.refusals["row"])
    assert reading.rows == len(filled) == reading.persons.height + reading.rows_refused
    assert kept | refused == filled
    assert not kept & refused
    assert reading.rows_refused == len(refused)
    assert not set(reading.persons["number"]) & set(reading.refusals["number"])
    assert set(reading.persons["number"]) == set(reading.households["number"])
    assert set(reading.doubts["row"]) <= kept
    heads = reading.persons.group_by("number").agg((pl.col("relation") == "head").sum().alias("heads"))
    assert set(heads["heads"]) <= {1}
    assert set(reading.incomes["item"]) <= set(INCOME_ITEM_NAMES)


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_text_tables_in_the_encodings_of_the_field(encoding: str, tmp_path: Path) -> None:
    rows = household()
    rows[0]["姓名"] = "䶮𠮷"
    reading = read(write_csv(tmp_path / "t.csv", rows, encoding))
    assert reading.persons["name"][0] == "䶮𠮷"


def test_a_workbook_reads_as_its_text_table(tmp_path: Path) -> None:
    title = [["舟曲县登记表（2019年）"], []]
    book = read(write_xlsx(tmp_path / "t.xlsx", [*title, *table(household())]))
    text = read_rows(tmp_path, household())
    assert book.header.row == 3
    assert book.persons.drop("row").equals(text.persons.drop("row"))
    assert book.households.drop("row").equals(text.households.drop("row"))
    assert book.incomes.drop("row").equals(text.incomes.drop("row"))


def test_typed_cells_of_a_workbook_are_read_as_text(tmp_path: Path) -> None:
    lines: list[list[object]] = [list(line) for line in table(household())]
    at = {name: place for place, name in enumerate(table(household())[0])}
    lines[1][at["务工收入"]], lines[1][at["家庭人口数"]] = 9000, 3.0
    lines[2][at["务工月收入"]] = 1500.5
    reading = read(write_xlsx(tmp_path / "t.xlsx", lines))
    assert reading.refusals.is_empty()
    assert reading.persons["work_monthly_pay_fen"].to_list() == [None, 150_050, None]


def test_the_sample_file_of_the_national_form() -> None:
    reading = read(WORKBOOKS / "national.csv")
    marked = reading.refusals.filter(pl.col("code") != "household.refused").select("row", "column", "code")
    assert marked.rows() == [(9, "出生日期", "date.unreadable")]
    assert (reading.rows, reading.rows_refused, reading.households.height) == (8, 2, 2)
    assert reading.doubts.select("row", "check").rows() == [(7, "I3")]


@pytest.mark.parametrize(("make", "problem"), PROBLEMS, ids=lambda value: value.__name__)
def test_a_hostile_file_ends_in_a_clear_refusal_within_bounds(
    make: Any, problem: type[Problem], tmp_path: Path
) -> None:
    with pytest.raises(Problem) as caught:
        read_within_bounds(make(tmp_path))
    assert caught.type is problem
    assert len(caught.value.detail_zh) > 5
    assert "{" not in caught.value.detail_zh + caught.value.detail_en + caught.value.hint


@pytest.mark.parametrize(("make", "mark"), MARKS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_hostile_cell_ends_in_a_marked_row(make: Any, mark: tuple[int, str, str], tmp_path: Path) -> None:
    rows, kept, marks = read_within_bounds(make(tmp_path))
    assert (rows, kept) == (3, 0)
    assert mark in marks


def test_an_archive_that_lies_about_its_size_is_not_believed(tmp_path: Path) -> None:
    path = hostile_zip_bomb(tmp_path)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        true_size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    for place in [at for at in range(len(content) - 4) if content[at : at + 4] == struct.pack("<I", true_size)]:
        content[place : place + 4] = struct.pack("<I", 2000)
    path.write_bytes(content)
    with pytest.raises(FileDamaged):
        read_within_bounds(path)


def test_one_stray_cell_in_the_last_row_does_not_cost_gigabytes(tmp_path: Path) -> None:
    cell = '<row r="1048576"><c r="CV1048576" t="inlineStr"><is><t>x</t></is></c></row>'
    path = workbook_around(tmp_path / "t.xlsx", sheet_xml(cell).encode(), tmp_path / "template.xlsx")
    with pytest.raises(FileTooManyRows):
        read_within_bounds(path)


def test_other_files_that_are_no_table(tmp_path: Path) -> None:
    path = tmp_path / "t"
    for content, problem in [
        (b"\xd0\xcf\x11\xe0 an old workbook that ends at once", FileDamaged),
        (b"PK\x05\x06" + bytes(18), FileNotWorkbook),
        (b"", NoRows),
        ("戶編號,姓名\n1,2\n".encode("big5"), HeaderNotFound),
        (b"a,b,c\n1,2,3\n", HeaderNotFound),
        ("户编号,姓名,性别\n1,2,3\n".encode(), HeaderIncomplete),
        (csv_bytes([["户编号", "姓名", "与户主关系", "证件号码"], ["1", "2", "3", "4", "5"]]), RowTooLong),
        ('户编号,姓名,与户主关系,证件号码\n1,"2,3,4'.encode(), FileDamaged),
        (b"\x00\x01\x02" * 100, FileNotWorkbook),
    ]:
        path.write_bytes(content)
        with pytest.raises(problem):
            read(path)


def test_entities_and_formulas_everywhere_are_refused(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "t.xlsx", table(household()))
    entity = tmp_path / "entity.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(entity, "w") as new:
        for entry in old.infolist():
            doctype = b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>" if entry.filename == "xl/workbook.xml" else b""
            new.writestr(entry.filename, doctype + old.read(entry))
    with pytest.raises(FileNotWorkbook):
        read(entity)
    lines = [table(household())[0], *(["=1"] * 10 for _ in range(20))]
    with pytest.raises(FormulasEverywhere):
        read(write_xlsx(path, lines), limits=Limits(formulas=100))


def test_limits_are_limits(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", household())
    for limits in (Limits(rows=2), Limits(columns=5), Limits(file_bytes=100)):
        with pytest.raises(FileTooManyRows):
            read(path, limits=limits)


# --- the child --------------------------------------------------------------------------------------------------------


def test_a_bound_process_dies_with_its_parent(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    parent = multiprocessing.get_context("spawn").Process(target=start_and_wait, args=(mark,))
    parent.start()
    while not (mark.exists() and mark.read_text()):
        time.sleep(0.05)
    child = psutil.Process(int(mark.read_text()))
    parent.kill()
    parent.join()
    gone, alive = psutil.wait_procs([child], timeout=20)
    assert (gone, alive) == ([child], [])


# --- the answer -------------------------------------------------------------------------------------------------------


def test_the_answer_has_the_reason_beside_the_cell_and_nothing_live(tmp_path: Path) -> None:
    rows = [*household(), *household(VILLAGE + "0002", order=5)]
    rows[2]["出生日期"], rows[2]["务工所在地"], rows[1]["姓名"] = "2010-02-30", "@SUM(A1)", "=cmd|' /C calc'!A0"
    rows[0]["村民小组"], rows[0]["联系电话"] = "+1", "-2+3"
    rows[4]["性别"] = "女"
    upload = write_csv(tmp_path / "up.csv", rows)
    reading = read(upload)
    doubts = reading.doubts
    answer = write_answer(reading.layout, refusals=reading.refusals, doubts=doubts, summary={"行数": reading.rows})
    book = openpyxl.load_workbook(io.BytesIO(answer))
    page = book["退回"]
    header = [cell.value for cell in page[1]]
    assert page.max_row == 4
    at = header.index("出生日期")
    assert header[at + 1] == "退回原因：出生日期"
    assert page.cell(4, at + 1).value == "2010-02-30"
    assert page.cell(4, at + 2).value == "出生日期：日期无法识别或不存在"
    assert page.cell(4, at + 1).comment is not None
    assert page.cell(4, at + 1).fill.fgColor.rgb == "FFFFC7CE"
    assert page.cell(3, header.index("姓名") + 1).value == "=cmd|' /C calc'!A0"
    assert [book["疑点"].cell(2, column).value for column in (1, 4)] == [6, "I18"]
    assert book["汇总"]["B1"].value == 6
    live = [cell for sheet in book for line in sheet.iter_rows() for cell in line if cell.data_type == "f"]
    assert live == []
    texts = [cell for sheet in book for line in sheet.iter_rows() for cell in line if isinstance(cell.value, str)]
    assert all(cell.style.startswith("Normal") and cell.quotePrefix for cell in texts if cell.value[:1] in "=+-@")


def test_a_corrected_answer_can_be_uploaded_again(tmp_path: Path) -> None:
    rows = household()
    rows[2]["出生日期"] = "2010-02-30"
    upload = write_csv(tmp_path / "up.csv", rows)
    reading = read(upload)
    doubts = reading.doubts
    book = openpyxl.load_workbook(
        io.BytesIO(write_answer(reading.layout, refusals=reading.refusals, doubts=doubts, summary={}))
    )
    page = book["退回"]
    header = [cell.value for cell in page[1]]
    page.cell(4, header.index("出生日期") + 1).value = "2010-01-12"
    content = io.BytesIO()
    book.save(content)
    (tmp_path / "again.xlsx").write_bytes(content.getvalue())
    again = read(tmp_path / "again.xlsx")
    assert (again.rows, again.rows_refused, again.persons.height) == (3, 0, 3)
    assert again.persons.drop("row").equals(read_rows(tmp_path, household()).persons.drop("row"))
