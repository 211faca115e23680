"""The answer workbook: what went back, with the reason beside the cell, and what is in doubt.

The sheet of returned rows has the file's own header, so that a clerk corrects it and uploads it again. No cell is ever
live: everything is written as text, with the quotation mark that keeps it text when somebody edits it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import xlsxwriter

from services.registry.domain.diffs import field_zh, value_zh
from services.registry.domain.places import row_of, table_of
from services.registry.forms.header import Column, Header
from services.registry.forms.layout import Layout, Table
from services.registry.forms.wordings import Meaning, recognise

REASON = "退回原因"
ANSWER_FOLDER = "tuopin-answer-"  # and the process: who is killed in between leaves it for the next to remove
OPTIONS = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
_COMMENTS = 2_000  # a workbook with more notes opens slowly; the reason stands beside the cell anyway


@dataclass(frozen=True, slots=True)
class Styles:
    """How cells look, in every workbook that we write."""

    head: Any
    text: Any
    wrong: Any
    reason: Any


def write_answer(
    layout: Layout,
    *,
    refusals: pl.DataFrame,
    doubts: pl.DataFrame,
    summary: Mapping[str, str | int],
    absent: Sequence[Sequence[str | int | None]] = (),
    changes: Sequence[Sequence[str | int | None]] = (),
) -> bytes:
    """The workbook; `refusals` has row, column, zh; `doubts` has row, column, check, zh; `absent` are lines of
    households that a village's list does not name, `changes` are row, number, name, kind, field, before and after.
    """
    with tempfile.TemporaryDirectory(prefix=f"{ANSWER_FOLDER}{os.getpid()}-") as folder:
        out = Path(folder) / "answer.xlsx"
        with xlsxwriter.Workbook(out, {**OPTIONS, "tmpdir": folder}) as book:
            styles = styles_of(book)
            reasons = _by_sheet(layout, refusals)
            for at, table in enumerate(layout.tables):
                own = reasons.get(table.sheet.name, {})
                if at == 0 or own:
                    _returned(book, styles, _page_name(at, table), table, own)
            _doubtful(book, styles, layout, doubts)
            if changes:
                _plain_page(book, styles, "变更", CHANGED, _in_words(changes))
            if absent:
                _plain_page(book, styles, "名单未列", ABSENT, absent)
            _summary(book, styles, summary, layout)
        return out.read_bytes()


Reasons = dict[int, dict[str, list[str]]]  # row of the sheet → heading → why


def _by_sheet(layout: Layout, refusals: pl.DataFrame) -> dict[str, Reasons]:
    reasons: dict[str, Reasons] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for line, column, zh in refusals.select("row", "column", "zh").iter_rows():
        reasons[layout.places[table_of(line)].sheet][row_of(line)][column].append(zh)
    return reasons


def _page_name(at: int, table: Table) -> str:
    return "退回" if at == 0 else f"退回{at + 1}-{re.sub(_NOT_IN_NAMES, '', table.sheet.name)}"[:31].rstrip("'")


_NOT_IN_NAMES = r"[\[\]:*?/\\\x00-\x1f]"


def readable(header: Header) -> list[str]:
    """Headings that mean the same when they stand alone in one row: with the unit that stood above, in the form's own
    words where another's would not be known again.
    """
    told = {one.at: _readable(one) for one in header.all}
    return [told.get(at, "") for at in range(len(header.headings))]


def _readable(one: Column) -> str:
    if one.meaning is None:
        return one.heading
    unit = one.meaning.unit
    suffix = f"（{unit.zh}）" if unit is not None and unit.factor != 1 else ""
    member = f"{one.group}" if one.group > 0 and one.meaning.field.table != "household" else ""
    last = one.heading.rsplit(" ", 1)[-1]
    kin = one.meaning.kin or ""
    for said in (one.heading, one.heading + suffix, last, last + suffix, f"成员{member}{last}" if member else last):
        if _same(recognise(said), one):
            return said
    zh = one.meaning.field.zh
    return f"{kin}{zh}{suffix}" if not member else f"成员{member}{zh}{suffix}"


def _same(said: Meaning | None, one: Column) -> bool:
    assert one.meaning is not None
    if said is None or said.field is not one.meaning.field or said.kin != one.meaning.kin:
        return False
    is_member = said.member == one.group or (one.group == 1 and said.member == 0) or said.kin is not None
    return is_member and said.unit_factor == one.meaning.unit_factor and said.legend == one.meaning.legend


def styles_of(book: Any) -> Styles:
    """The styles of this workbook: each of them text, so that no cell is live."""
    text = {"num_format": "@", "quote_prefix": True}
    return Styles(
        head=book.add_format({"bold": True, "bg_color": "#D9E1F2", "border": 1, **text}),
        text=book.add_format(text),
        wrong=book.add_format({"bg_color": "#FFC7CE", "font_color": "#9C0006", "border": 1, **text}),
        reason=book.add_format({"font_color": "#9C0006", "italic": True, **text}),
    )


def _returned(book: Any, styles: Styles, name: str, table: Table, reasons: Reasons) -> None:
    """All rows of refused households as they came, each wrong cell coloured, its reason in the column to its right."""
    page = book.add_worksheet(name)
    page.freeze_panes(1, 0)
    headings, wordings = table.header.headings, readable(table.header)
    places = {heading: at for at, heading in reversed(list(enumerate(headings))) if heading}
    by_place = {row: {places.get(column, 0): why for column, why in own.items()} for row, own in reasons.items()}
    marked = sorted({place for one in by_place.values() for place in one})
    shift = {at: at + sum(place < at for place in marked) for at in range(len(wordings))}
    for at, wording in enumerate(wordings):
        page.write_string(0, shift[at], wording, styles.head)
        if at in marked:
            page.write_string(0, shift[at] + 1, f"{REASON}：{wording}", styles.head)
    page.write_string(0, len(wordings) + len(marked), "原行号", styles.head)
    going = table.sheet.cells.with_row_index("row", offset=1).filter(pl.col("row").is_in(list(reasons)))
    for line, (row, *texts) in enumerate(going.iter_rows(), start=1):
        _write_row(page, styles, line, texts, shift, by_place[row])
        page.write_number(line, len(wordings) + len(marked), row)


def _write_row(
    page: Any,
    styles: Styles,
    line: int,
    texts: Iterable[str | None],
    shift: dict[int, int],
    reasons: dict[int, list[str]],
) -> None:
    for at, text in enumerate(texts):
        if at not in shift:
            break
        if at in reasons:
            said = "；".join(dict.fromkeys(reasons[at]))
            write_text(page, line, shift[at], text, styles.wrong)
            page.write_string(line, shift[at] + 1, said, styles.reason)
            if line <= _COMMENTS:
                page.write_comment(line, shift[at], said)
        elif text:
            write_text(page, line, shift[at], text, styles.text)


def write_text(page: Any, line: int, column: int, text: str | None, style: Any) -> None:
    """As text, whatever it looks like."""
    if text:
        page.write_string(line, column, text[:32_000], style)
    else:
        page.write_blank(line, column, None, style)


def _doubtful(book: Any, styles: Styles, layout: Layout, doubts: pl.DataFrame) -> None:
    """Rows that were recorded, each with what should be asked on the spot."""
    page = book.add_worksheet("疑点")
    page.freeze_panes(1, 0)
    several = len({place.sheet for place in layout.places}) > 1
    for at, wording in enumerate(("原行号", "列", "原内容", "检查编号", "疑点", *["工作表"][: int(several)])):
        page.write_string(0, at, wording, styles.head)
    sheets = {table.sheet.name: table for table in layout.tables}
    places = {
        (name, heading): at
        for name, table in sheets.items()
        for at, heading in enumerate(table.header.headings)
        if heading
    }
    for at, (line, column, check, zh) in enumerate(doubts.select("row", "column", "check", "zh").iter_rows(), start=1):
        name = layout.places[table_of(line)].sheet
        page.write_number(at, 0, row_of(line))
        page.write_string(at, 1, column, styles.text)
        place = places.get((name, column))
        cell = None if place is None else sheets[name].sheet.cells.item(row_of(line) - 1, place)
        write_text(page, at, 2, cell, styles.text)
        page.write_string(at, 3, check, styles.text)
        page.write_string(at, 4, zh, styles.text)
        if several:
            page.write_string(at, 5, name, styles.text)


ABSENT = ("户编号", "行政村代码", "村民小组", "户主", "在册人数", "处理意见", "理由")


CHANGED = ("原行号", "户编号", "姓名", "变更", "项目", "原值", "新值")
KINDS = {"new": "新增", "changed": "变更", "left": "离户"}


def _in_words(changes: Sequence[Sequence[Any]]) -> Iterable[Sequence[str | int | None]]:
    for row, number, name, kind, field, before, after in changes:
        values = (value_zh(field, before), value_zh(field, after))
        yield row, number, name, KINDS[kind], field_zh(field), *values


def _plain_page(
    book: Any, styles: Styles, name: str, header: Sequence[str], lines: Iterable[Sequence[str | int | None]]
) -> None:
    """A sheet of lines as they are."""
    page = book.add_worksheet(name)
    page.freeze_panes(1, 0)
    page.set_column(0, len(header) - 1, 18)
    for at, wording in enumerate(header):
        page.write_string(0, at, wording, styles.head)
    for row, line in enumerate(lines, start=1):
        for at, value in enumerate(line):
            if isinstance(value, int):
                page.write_number(row, at, value)
            else:
                write_text(page, row, at, value, styles.text)


def _summary(book: Any, styles: Styles, summary: Mapping[str, str | int], layout: Layout) -> None:
    """Counts, the columns that nobody read, what was left out, and what each column was taken for."""
    page = book.add_worksheet("汇总")
    page.set_column(0, 0, 24)
    page.set_column(1, 3, 40)
    ignored = dict.fromkeys(one for table in layout.tables for one in table.header.ignored)
    lines: list[tuple[str, str | int]] = [*summary.items(), ("未识别的列", "、".join(ignored) or "无")]
    lines += [(f"工作表“{note.sheet}”", note.zh + _told(note.rows, note.count)) for note in layout.notes]
    for at, (name, value) in enumerate(lines):
        page.write_string(at, 0, name, styles.head)
        if isinstance(value, int):
            page.write_number(at, 1, value)
        else:
            page.write_string(at, 1, value[:32_000], styles.text)


def _told(rows: tuple[int, ...], count: int) -> str:
    if not rows:
        return ""
    more = f" 等{count}行" if count > len(rows) else ""
    return "：第" + "、".join(str(row) for row in rows) + "行" + more
