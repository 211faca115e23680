"""The answer workbook: what went back, with the reason beside the cell, and what is in doubt.

The sheet of returned rows has the file's own header, so that a clerk corrects it and uploads it again. No cell is ever
live: everything is written as text, with the quotation mark that keeps it text when somebody edits it.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import xlsxwriter

from services.registry.forms.limits import Limits
from services.registry.forms.reading import locate_table

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
    upload: Path,
    *,
    refusals: pl.DataFrame,
    doubts: pl.DataFrame,
    summary: Mapping[str, str | int],
    limits: Limits | None = None,
) -> bytes:
    """The workbook; `refusals` has row, column, zh; `doubts` has row, column, check, zh."""
    sheet, header = locate_table(upload, limits or Limits())
    wordings = [(cell or "").strip() for cell in sheet.cells.row(header.row - 1)]
    cells = sheet.cells.with_row_index("row", offset=1)
    with tempfile.TemporaryDirectory(prefix=f"{ANSWER_FOLDER}{os.getpid()}-") as folder:
        out = Path(folder) / "answer.xlsx"
        with xlsxwriter.Workbook(out, {**OPTIONS, "tmpdir": folder}) as book:
            styles = styles_of(book)
            _returned(book, styles, wordings, cells, refusals)
            _doubtful(book, styles, wordings, cells, doubts)
            _summary(book, styles, summary, header.ignored)
        return out.read_bytes()


def styles_of(book: Any) -> Styles:
    """The styles of this workbook: each of them text, so that no cell is live."""
    text = {"num_format": "@", "quote_prefix": True}
    return Styles(
        head=book.add_format({"bold": True, "bg_color": "#D9E1F2", "border": 1, **text}),
        text=book.add_format(text),
        wrong=book.add_format({"bg_color": "#FFC7CE", "font_color": "#9C0006", "border": 1, **text}),
        reason=book.add_format({"font_color": "#9C0006", "italic": True, **text}),
    )


def _returned(book: Any, styles: Styles, wordings: list[str], cells: pl.DataFrame, refusals: pl.DataFrame) -> None:
    """All rows of refused households as they came, each wrong cell coloured, its reason in the column to its right."""
    page = book.add_worksheet("退回")
    page.freeze_panes(1, 0)
    reasons: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    places = {wording: at for at, wording in reversed(list(enumerate(wordings))) if wording}
    for row, column, zh in refusals.select("row", "column", "zh").iter_rows():
        reasons[row][places.get(column, 0)].append(zh)
    marked = sorted({place for one in reasons.values() for place in one})
    shift = {at: at + sum(place < at for place in marked) for at in range(len(wordings))}
    for at, wording in enumerate(wordings):
        page.write_string(0, shift[at], wording, styles.head)
        if at in marked:
            page.write_string(0, shift[at] + 1, f"{REASON}：{wording}", styles.head)
    page.write_string(0, len(wordings) + len(marked), "原行号", styles.head)
    going = cells.filter(pl.col("row").is_in(list(reasons)))
    for line, (row, *texts) in enumerate(going.iter_rows(), start=1):
        _write_row(page, styles, line, texts, shift, reasons[row])
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


def _doubtful(book: Any, styles: Styles, wordings: list[str], cells: pl.DataFrame, doubts: pl.DataFrame) -> None:
    """Rows that were recorded, each with what should be asked on the spot."""
    page = book.add_worksheet("疑点")
    page.freeze_panes(1, 0)
    for at, wording in enumerate(("原行号", "列", "原内容", "检查编号", "疑点")):
        page.write_string(0, at, wording, styles.head)
    places = {wording: at for at, wording in reversed(list(enumerate(wordings))) if wording}
    for line, (row, column, check, zh) in enumerate(doubts.select("row", "column", "check", "zh").iter_rows(), start=1):
        page.write_number(line, 0, row)
        page.write_string(line, 1, column, styles.text)
        place = places.get(column)
        write_text(page, line, 2, None if place is None else cells.item(row - 1, place + 1), styles.text)
        page.write_string(line, 3, check, styles.text)
        page.write_string(line, 4, zh, styles.text)


def _summary(book: Any, styles: Styles, summary: Mapping[str, str | int], ignored: tuple[str, ...]) -> None:
    """Counts, and the columns that nobody read."""
    page = book.add_worksheet("汇总")
    page.set_column(0, 0, 24)
    lines = [*summary.items(), ("未识别的列", "、".join(ignored) or "无")]
    for line, (name, value) in enumerate(lines):
        page.write_string(line, 0, name, styles.head)
        if isinstance(value, int):
            page.write_number(line, 1, value)
        else:
            page.write_string(line, 1, value, styles.text)
