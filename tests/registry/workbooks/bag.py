"""A bag of files as systems and clerks make them: two sound households of three in many layouts, each with its answer.

`python -m tests.registry.workbooks.bag FOLDER` writes them all, to be looked at in a spreadsheet.
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import xlsxwriter

from tests.registry.oldbooks import OldSheet, xls_bytes
from tests.registry.sheets import VILLAGE, Row, citizen_id, csv_bytes, household, table

NEXT_VILLAGE = "623023100201"
Lines = list[list[Any]]
PERSON = (
    "姓名", "与户主关系", "性别", "出生日期", "在户状态", "证件类型", "证件号码", "参加医疗保险情况",
    "是否参加大病保险", "参加养老保险情况", "劳动技能", "健康状况", "务工所在地", "务工时间", "务工月收入",
)  # fmt: skip
DIGITS = {"健康": "1", "患有大病": "3"}


@dataclass(frozen=True)
class Case:
    """One file: how it is made, under which source it comes, and what must come of it.

    Nothing more said, its persons and households read exactly as the plain table's.
    """

    name: str
    make: Callable[[], bytes]
    suffix: str = "xlsx"
    source: str | None = None
    notes: frozenset[str] = frozenset()
    refused: frozenset[tuple[int, str, str]] = frozenset()
    """Row, field, code; of all six persons nobody is recorded then."""
    given: tuple[Row, ...] = field(default_factory=lambda: tuple(rows()))
    own_words: bool = False
    """Its wordings of codes are not the form's, and are kept beside the value."""


def rows() -> list[Row]:
    """Two households, six persons."""
    return [*household(), *household(VILLAGE + "0002", order=5)]


def changed(change: Callable[[int, Row], Row]) -> list[Row]:
    """The six rows, each changed."""
    return [change(at, dict(row)) for at, row in enumerate(rows())]


@dataclass
class Page:
    """A sheet to be written: its lines, what is merged (row, row, column, column), hidden or dated."""

    lines: Lines
    name: str = "登记表"
    merged: Sequence[tuple[int, int, int, int]] = ()
    hidden_rows: Sequence[int] = ()
    hidden: bool = False
    first: tuple[int, int] = (0, 0)


def xlsx(*pages: Page, days_from_1904: bool = False) -> bytes:
    """Pages as a workbook: text as text, numbers as numbers, `="…"` as the formula that it is, dates as dates."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"date_1904": days_from_1904}) as book:
        dated = book.add_format({"num_format": "yyyy-mm-dd"})
        for page in pages:
            sheet = book.add_worksheet(page.name)
            if page.hidden:
                sheet.hide()
            top, left = page.first
            for at, line in enumerate(page.lines):
                for column, value in enumerate(line):
                    _write(sheet, top + at, left + column, value, dated)
            for first, last, start, end in page.merged:
                if (first, start) != (last, end):
                    sheet.merge_range(top + first, left + start, top + last, left + end, "")
                    _write(sheet, top + first, left + start, page.lines[first][start], dated)
            for row in page.hidden_rows:
                sheet.set_row(row, options={"hidden": True})
    return out.getvalue()


def _write(sheet: Any, at: int, column: int, value: Any, dated: Any) -> None:
    if isinstance(value, date):
        sheet.write_datetime(at, column, value, dated)
    elif isinstance(value, str) and value.startswith("="):
        sheet.write_formula(at, column, value, None, value.strip('="'))
    elif isinstance(value, str) and value:
        sheet.write_string(at, column, value)
    elif value not in ("", None):
        sheet.write(at, column, value)


def plain() -> Lines:
    """Header and six lines."""
    return [list(line) for line in table(rows())]


def place_of(lines: Lines, heading: str) -> int:
    """The column of a heading."""
    return int(lines[0].index(heading))


def reheaded(wordings: Mapping[str, str]) -> Lines:
    """The plain table under other headings."""
    lines = plain()
    return [[wordings.get(heading, heading) for heading in lines[0]], *lines[1:]]


def filled(change: Callable[[str, str], Any]) -> Lines:
    """The plain table with each cell changed under its heading."""
    lines = plain()
    return [lines[0], *([change(lines[0][at], cell) for at, cell in enumerate(line)] for line in lines[1:])]


# --- layouts ----------------------------------------------------------------------------------------------------------


def with_titles() -> Lines:
    return [["舟曲县脱贫户登记表（2019年）"], [], ["填报单位：峰迭镇", "", "单位：元、亩"], *plain()]


def in_ten_thousands() -> Lines:
    """Amounts in 万元: said by the heading, by the heading above it, and by the line above the table."""

    def change(heading: str, cell: str) -> str:
        if heading in ("务工收入", "低保金", "家庭纯收入", "工资性收入", "转移性收入") and cell:
            return f"{float(cell) / 10_000:.6f}".rstrip("0")
        return cell

    lines = filled(change)
    own = {"务工收入": "务工收入（万元）", "家庭纯收入": "家庭纯收入(单位：万元)", "合规自付支出": "合规自付支出（元）"}
    for name in ("种植业收入", "种植业支出", "生产经营性收入", "生产经营性支出", "人均纯收入", "务工月收入"):
        own[name] = f"{name}（元）"
    return [["单位：万元"], [own.get(heading, heading) for heading in lines[0]], *lines[1:]]


def two_row_header() -> Page:
    lines = plain()
    order = sorted(range(len(lines[0])), key=lambda at: lines[0][at] not in ("务工收入", "低保金", "种植业收入"))
    moved = [[line[at] for at in order] for line in lines]
    upper = ["收入情况", "", "", *moved[0][3:]]
    lower = [*moved[0][:3], *[""] * (len(order) - 3)]
    merged = [(0, 0, 0, 2), *((0, 1, at, at) for at in range(3, len(order)))]
    return Page([upper, lower, *moved[1:]], merged=merged)


def with_remarks() -> Lines:
    lines = plain()
    return [
        *lines,
        ["合计", "", "", "", "", "", "", "6"],
        ["注：1. 本表一式两份，村委会和乡镇各留存一份。"],
        ["填表人：张三", "", "", "审核人：李四", "", "2019年8月20日"],
    ]


def with_subtotals() -> Lines:
    lines = plain()
    header = lines[0]
    return [
        header,
        [str(at + 1) for at in range(len(header))],
        *lines[1:4],
        ["本组小计", "", "3"],
        header,
        *lines[4:],
        ["", "合 计", "6"],
    ]


def two_sheets() -> tuple[Page, Page]:
    about = [{name: text for name, text in row.items() if name not in PERSON} for row in rows() if len(row) > 20]
    people, number = [], ""
    for row in rows():
        number = row.get("户编号") or number
        people.append({"户编号": number} | {name: row.get(name, "") for name in PERSON})
    return Page(_lines(table(about)), "户信息"), Page(_lines(table(people)), "成员信息")


def _lines(lines: Sequence[Sequence[str]]) -> Lines:
    return [list(line) for line in lines]


def a_sheet_a_household() -> tuple[Page, Page]:
    lines = plain()
    return Page(lines[:4], "一组"), Page([lines[0], *lines[4:]], "二组")


def side_by_side(heading: Callable[[int, str], str]) -> Lines:
    """A row a household: what is said of it, then its members' columns, one member after another."""
    given = rows()
    about = [name for name in given[0] if name not in PERSON]
    header = [*about, *(heading(member, name) for member in range(3) for name in PERSON)]
    lines: Lines = [header]
    for home in (given[:3], given[3:]):
        lines.append([home[0].get(name, "") for name in about] + [row.get(name, "") for row in home for name in PERSON])
    return lines


def head_and_members() -> Lines:
    """户主姓名 … and 成员1姓名 …: the head's relation is said by the heading alone."""

    def heading(member: int, name: str) -> str:
        return f"户主{name}" if member == 0 else f"成员{member}{name}"

    lines = side_by_side(heading)
    gone = lines[0].index("户主与户主关系")
    return [[cell for at, cell in enumerate(line) if at != gone] for line in lines]


def under_members() -> Page:
    """第一人, 第二人, 第三人 merged over their columns."""
    lines = side_by_side(lambda _, name: name)
    about = len(lines[0]) - 3 * len(PERSON)
    upper: list[Any] = [""] * len(lines[0])
    merged = []
    for member, zh in enumerate("一二三"):
        start = about + member * len(PERSON)
        upper[start] = f"第{zh}人"
        merged.append((0, 0, start, start + len(PERSON) - 1))
    return Page([upper, *lines], merged=merged)


def full_width() -> Lines:
    def change(heading: str, cell: str) -> str:
        if heading in ("户编号", "证件号码", "务工收入", "出生日期", "务工时间", "住房安全等级"):
            return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in cell)
        return cell

    return filled(change)


def as_serials(heading: str, cell: str) -> Any:
    """Dates as the plain numbers that a spreadsheet counts days with."""
    if heading in ("出生日期", "建档日期", "识别时间") and cell:
        return (date.fromisoformat(cell) - date(1899, 12, 30)).days
    return cell


def as_days(heading: str, cell: str) -> Any:
    """Dates as dates, and in the spellings of clerks."""
    if heading in ("出生日期", "识别时间") and cell:
        return date.fromisoformat(cell)
    return cell


def spelled(heading: str, cell: str) -> str:
    if not cell or heading not in ("出生日期", "建档日期", "收入年度起", "收入年度止"):
        return cell
    day = date.fromisoformat(cell)
    if heading == "出生日期" and day.year == 1980:
        return f"{day.year}年{day.month}月"  # the id number has the day
    if heading == "出生日期":
        return f"{day.year}.{day.month}.{day.day}" if day.year == 1978 else f"{day:%Y%m%d}"
    return f"{day.year}年{day.month}月{day.day}日"


def with_form_numbers() -> Lines:
    return reheaded(
        {
            "户编号": "A1户编号",
            "姓名": "A5 姓名",
            "证件号码": "A7公民身份证号",
            "与户主关系": "A8.户主关系",
            "性别": "(9)性别",
            "出生日期": "10、出生年月日（YYYY-MM-DD）",
            "健康状况": "A11身体健康状况",
            "家庭人口数": "B2-全家人口",
            "劳动技能": "*劳动力状况",
            "务工时间": "C3 务工时间（月）",
        }
    )


def wrapped(heading: str, cell: str) -> str:
    return f'="{cell}"' if heading in ("户编号", "证件号码") and cell else cell


def merged_households() -> Page:
    """The household's cells merged over its members' rows, and one telephone for all of them."""
    lines = plain()
    lines[0].append("联系电话")
    for at, line in enumerate(lines[1:]):
        line.append(("13800000001", "13800000002")[at // 3] if at % 3 == 0 else "")
    about = [at for at, heading in enumerate(lines[0]) if heading not in PERSON]
    for at in (2, 3, 5, 6):
        lines[at][0] = ""
    merged = [(first, first + 2, at, at) for first in (1, 4) for at in about]
    return Page(lines, merged=merged)


def with_phones() -> tuple[Row, ...]:
    return tuple(changed(lambda at, row: row | {"联系电话": ("13800000001", "13800000002")[at // 3]}))


def digits(heading: str, cell: str) -> str:
    return DIGITS.get(cell, cell) if heading == "健康状况" else cell


def prefixed() -> bytes:
    """A workbook whose writer puts a prefix before every tag of its sheet."""
    made, out = io.BytesIO(xlsx(Page(plain()))), io.BytesIO()
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == "xl/worksheets/sheet1.xml":
                content = content.replace(b"<", b"<x:").replace(b"<x:/", b"</x:").replace(b"<x:?", b"<?")
                content = content.replace(b"xmlns=", b"xmlns:x=")
            new.writestr(entry, content)
    return out.getvalue()


def damaged() -> Lines:
    """An id that somebody kept as a number: fifteen digits are left of it."""
    lines = plain()
    lines[3][place_of(lines, "证件号码")] = int(citizen_id("20100112", 3)[:17] + "0")
    return lines


def damaged_text() -> bytes:
    """The same, written out as text: in powers of ten, or with zeros at the end."""
    lines = plain()
    at = place_of(lines, "证件号码")
    lines[3][at], lines[6][at] = "6.29999E+17", lines[6][at][:15] + "000"
    return csv_bytes(lines)


BOTH_REFUSED = frozenset({(4, "id_number", "id.damaged"), (7, "id_number", "id.damaged")})
ASKED = frozenset((row, "health", "code.ambiguous") for row in range(2, 8))


def corrections(*names: str) -> Lines:
    """Of both households some columns of the husband's row, one cell of them another."""
    picked = [rows()[1], rows()[4]]
    return [list(names), *([row.get(name, "") for name in names] for row in picked)]


@dataclass(frozen=True)
class Correction:
    """A list that says a part of what is on record: how it is made, and which fields it speaks of."""

    name: str
    make: Callable[[], bytes]
    fields: tuple[str, ...]
    suffix: str = "csv"
    persons: int = 2


def _two_corrected() -> Lines:
    lines = corrections("户编号", "姓名", "务工时间")
    return [lines[0], *([*line[:2], months] for line, months in zip(lines[1:], ("8", "9"), strict=True))]


def _by_number() -> Lines:
    return corrections("户编号", "证件号码", "健康状况")


def _of_homes() -> Lines:
    return [["户编号", "住房安全等级"], *([one["户编号"], "B级"] for one in (rows()[0], rows()[3]))]


def _with_heads() -> Lines:
    lines = corrections("户编号", "姓名", "联系电话")
    return [
        ["户编号", "户主姓名", "姓名", "联系电话"],
        *([one[0], "李秀英", one[1], "13800000001"] for one in lines[1:]),
    ]


def _titled() -> Lines:
    return [["某乡务工时间更正表", "", ""], *_two_corrected(), ["填表人：王会计", "", ""]]


CORRECTIONS: tuple[Correction, ...] = (
    Correction("corrections", lambda: csv_bytes(_two_corrected()), ("number", "name", "work_months")),
    Correction(
        "corrections-gb18030", lambda: csv_bytes(_two_corrected(), "gb18030"), ("number", "name", "work_months")
    ),
    Correction("corrections-titled", lambda: xlsx(Page(_titled())), ("number", "name", "work_months"), suffix="xlsx"),
    Correction("corrections-by-number", lambda: csv_bytes(_by_number()), ("number", "id_number", "health")),
    Correction("corrections-of-homes", lambda: xlsx(Page(_of_homes())), ("number", "housing_level"), "xlsx", 0),
    Correction("corrections-with-heads", lambda: csv_bytes(_with_heads()), ("number", "name", "phone")),
    Correction(
        "corrections-xls",
        lambda: xls_bytes(OldSheet("更正", _two_corrected())),
        ("number", "name", "work_months"),
        suffix="xls",
    ),
)


CASES: tuple[Case, ...] = (
    Case("xlsx", lambda: xlsx(Page(plain()))),
    Case("xls", lambda: xls_bytes(OldSheet("登记表", plain())), "xls"),
    Case("csv", lambda: csv_bytes(plain()), "csv"),
    Case("csv-with-mark", lambda: csv_bytes(plain(), "utf-8-sig"), "csv"),
    Case("csv-gb18030", lambda: csv_bytes(plain(), "gb18030"), "csv"),
    Case("csv-semicolons", lambda: csv_bytes(plain()).replace(b",", b";"), "csv"),
    Case("titles", lambda: xlsx(Page(with_titles()))),
    Case("titles-csv", lambda: csv_bytes(with_titles()), "csv"),
    Case("units", lambda: xlsx(Page(in_ten_thousands()))),
    Case("two-row-header", lambda: xlsx(two_row_header())),
    Case("two-row-header-csv", lambda: csv_bytes(two_row_header().lines), "csv"),
    Case("two-row-header-xls", lambda: xls_bytes(OldSheet("表", two_row_header().lines)), "xls"),
    Case("remarks", lambda: xlsx(Page(with_remarks())), notes=frozenset({"rows.total", "rows.note"})),
    Case(
        "subtotals",
        lambda: xlsx(Page(with_subtotals())),
        notes=frozenset({"rows.total", "rows.numbering", "rows.header_again"}),
    ),
    Case("two-sheets", lambda: xlsx(*two_sheets())),
    Case("two-sheets-xls", lambda: xls_bytes(*(OldSheet(page.name, page.lines) for page in two_sheets())), "xls"),
    Case("a-sheet-a-household", lambda: xlsx(*a_sheet_a_household())),
    Case("side-by-side", lambda: xlsx(Page(side_by_side(lambda at, name: f"成员{at + 1}{name}")))),
    Case("side-by-side-csv", lambda: csv_bytes(side_by_side(lambda at, name: f"{name}{at + 1}")), "csv"),
    Case("side-by-side-repeated", lambda: xlsx(Page(side_by_side(lambda _, name: name)))),
    Case("side-by-side-merged", lambda: xlsx(under_members())),
    Case("head-and-members", lambda: xlsx(Page(head_and_members()))),
    Case("full-width", lambda: csv_bytes(full_width()), "csv", own_words=True),
    Case("serials", lambda: xlsx(Page(filled(as_serials)))),
    Case("serials-xls", lambda: xls_bytes(OldSheet("表", filled(as_serials))), "xls"),
    Case("dates", lambda: xlsx(Page(filled(as_days)))),
    Case("dates-from-1904", lambda: xlsx(Page(filled(as_days)), days_from_1904=True)),
    Case("spelled-dates", lambda: csv_bytes(filled(spelled)), "csv"),
    Case("form-numbers", lambda: xlsx(Page(with_form_numbers()))),
    Case("wrapped-csv", lambda: csv_bytes(filled(wrapped)), "csv"),
    Case("wrapped-xlsx", lambda: xlsx(Page(filled(wrapped)))),
    Case("merged-households", lambda: xlsx(merged_households()), given=with_phones()),
    Case(
        "merged-households-xls",
        lambda: xls_bytes(OldSheet("表", merged_households().lines, merged=merged_households().merged)),
        "xls",
        given=with_phones(),
    ),
    Case(
        "hidden",
        lambda: xlsx(Page(plain(), hidden_rows=(2, 5)), Page(plain(), "旧数据", hidden=True), Page([["说明"]], "说明")),
        notes=frozenset({"rows.hidden", "sheet.hidden", "sheet.unknown"}),
    ),
    Case(
        "hidden-xls",
        lambda: xls_bytes(OldSheet("表", plain(), hidden_rows=[2]), OldSheet("旧", plain(), hidden=True)),
        "xls",
        notes=frozenset({"rows.hidden", "sheet.hidden"}),
    ),
    Case("not-at-the-corner", lambda: xlsx(Page(plain(), first=(3, 2)))),
    Case("prefixed-tags", prefixed),
    Case("digits-with-legend", lambda: xlsx(Page(_legend())), own_words=True),
    Case("digits-of-a-source", lambda: xlsx(Page(filled(digits))), source="card", own_words=True),
    Case("digits-of-nobody", lambda: xlsx(Page(filled(digits))), refused=ASKED),
    Case("damaged-ids", lambda: xlsx(Page(damaged())), refused=frozenset({(4, "id_number", "id.damaged")})),
    Case("damaged-ids-csv", damaged_text, "csv", refused=BOTH_REFUSED),
)


def _legend() -> Lines:
    lines = filled(digits)
    said = "健康状况（1健康 2长期慢性病 3患有大病 4残疾）"
    return [[said if heading == "健康状况" else heading for heading in lines[0]], *lines[1:]]


def write_all(folder: Path) -> None:
    """Every file of the bag."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {f"{case.name}.{case.suffix}": case.make for case in CASES}
    made |= {f"{case.name}.{case.suffix}": case.make for case in CORRECTIONS}
    for name, make in made.items():
        (folder / name).write_bytes(make())


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
