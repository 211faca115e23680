"""Lines of an export bound into a file: xlsx, csv or Parquet, line by line, however many there are.

No cell is ever live: text that a spreadsheet would take for a formula begins with an apostrophe, in a workbook too (it
may be saved as csv some day); our own reading takes it off again. Who exported what and when stands in the file, where
anybody sees it, and in its properties.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import xlsxwriter
from polars.io.plugins import register_io_source

from services.registry.domain.exports import Column, FileFormat, Line, Paper, Value
from services.registry.domain.fields import Kind
from services.registry.forms.answer import ANSWER_FOLDER, OPTIONS, styles_of, write_text

LIVE = ("=", "+", "-", "@")
FORCED = "'"
LINES_A_SHEET = 1_000_000
EXACT_FEN = 10**11
"""From here on a spreadsheet's number, read with six decimals, has lost the last fen: it is written as text."""
SHEET, ABOUT = "登记表", "导出说明"
Batches = Iterable[Sequence[Line]]


@dataclass(frozen=True, slots=True)
class Binding:
    """装订要求: the file's format, its columns, and the paper that goes with it."""

    format: FileFormat
    columns: tuple[Column, ...]
    paper: Paper


def bind(binding: Binding, batches: Batches, out: Path) -> None:
    """Write the file; at no time does it hold more than a few batches."""
    WRITERS[binding.format](binding, batches, out)


def dead(text: str) -> str:
    """The same text, which no spreadsheet takes for a formula."""
    return FORCED + text if text.startswith(LIVE) else text


def yuan(fen: int) -> str:
    """As a form has it."""
    sign, whole = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{whole // 100}.{whole % 100:02d}"


def _text(column: Column, value: Value) -> str:
    """A cell of a text table."""
    if value is None:
        return ""
    if column.kind is Kind.MONEY and isinstance(value, int):
        return yuan(value)
    return str(value) if column.kind in (Kind.WHOLE, Kind.AREA) else dead(str(value))


def _csv(binding: Binding, batches: Batches, out: Path) -> None:
    """With the mark by which a spreadsheet knows UTF-8; the paper stands below, as notes of a form do."""
    columns = binding.columns
    with out.open("w", encoding="utf-8-sig", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow([one.heading for one in columns])
        for batch in batches:
            sheet.writerows([_text(*pair) for pair in zip(columns, line, strict=True)] for line in batch)
        blank = [""] * (len(columns) - 1)
        sheet.writerows([dead(said), *blank] for said in binding.paper.said())


def _xlsx(binding: Binding, batches: Batches, out: Path) -> None:
    """A sheet of lines (several, where one cannot hold them), and a sheet that says who, what and when."""
    with (
        tempfile.TemporaryDirectory(prefix=f"{ANSWER_FOLDER}{os.getpid()}-") as folder,
        out.open("wb") as file,
        xlsxwriter.Workbook(file, {**OPTIONS, "tmpdir": folder}) as book,
    ):
        _properties(book, binding.paper)
        writers = [_writer(book, one) for one in binding.columns]
        page, at = _page(book, binding, 1), 0
        for line in chain.from_iterable(batches):
            if at == LINES_A_SHEET:
                page, at = _page(book, binding, len(book.worksheets()) + 1), 0
            at += 1
            for place, value in enumerate(line):
                if value is not None:
                    writers[place](page, at, place, value)
        _about(book, binding.paper)


def _page(book: Any, binding: Binding, number: int) -> Any:
    page = book.add_worksheet(SHEET if number == 1 else f"{SHEET}{number}")
    page.freeze_panes(1, 0)
    page.repeat_rows(0)
    page.set_landscape()
    said = binding.paper.said()[0].replace("&", "&&")
    page.set_footer(f"&L{said[:200]}&R第&P页，共&N页")
    head = styles_of(book).head
    for at, column in enumerate(binding.columns):
        page.write_string(0, at, column.heading, head)
    return page


def _writer(book: Any, column: Column) -> Callable[[Any, int, int, Any], None]:
    text, money = styles_of(book).text, book.add_format({"num_format": "0.00"})

    def write_words(page: Any, line: int, place: int, value: Any) -> None:
        write_text(page, line, place, dead(str(value)), text)

    def write_money(page: Any, line: int, place: int, value: Any) -> None:
        if abs(value) < EXACT_FEN:
            page.write_number(line, place, value / 100, money)
        else:
            page.write_string(line, place, yuan(value), text)

    def write_number(page: Any, line: int, place: int, value: Any) -> None:
        page.write_number(line, place, float(value))

    if column.kind is Kind.MONEY:
        return write_money
    return write_number if column.kind in (Kind.WHOLE, Kind.AREA) else write_words


def _properties(book: Any, paper: Paper) -> None:
    book.set_properties(
        {
            "title": "登记表导出",
            "author": f"{paper.by} ({paper.sub})",
            "comments": "\n".join(paper.said()),
            "created": paper.at.replace(tzinfo=None),
        }
    )
    book.set_custom_property("export", str(paper.number))


def _about(book: Any, paper: Paper) -> None:
    page, style = book.add_worksheet(ABOUT), styles_of(book).reason
    page.set_column(0, 0, 100)
    for at, said in enumerate(paper.said()):
        write_text(page, at, 0, dead(said), style)


def _parquet(binding: Binding, batches: Batches, out: Path) -> None:
    """Typed columns under the catalogue's own names; texts as they are, for programs."""
    schema = {one.name: _type_of(one) for one in binding.columns}

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        for batch in batches:
            rows = [[_typed(*pair) for pair in zip(binding.columns, line, strict=True)] for line in batch]
            yield pl.DataFrame(rows, schema=schema, orient="row")

    register_io_source(source, schema=schema).sink_parquet(out, metadata=_metadata(binding))


def _metadata(binding: Binding) -> dict[str, str]:
    headings = {one.name: one.heading for one in binding.columns}
    return {
        "tuopin.export": str(binding.paper.number),
        "tuopin.said": "\n".join(binding.paper.said()),
        "tuopin.headings": json.dumps(headings, ensure_ascii=False),
    }


def _type_of(column: Column) -> pl.DataType:
    kinds: Mapping[Kind, pl.DataType] = {
        Kind.DATE: pl.Date(),
        Kind.WHOLE: pl.Int64(),
        Kind.AREA: pl.Decimal(14, 2),
        Kind.MONEY: pl.Decimal(20, 2),
    }
    return kinds.get(column.kind, pl.String())


def _typed(column: Column, value: Value) -> date | Decimal | str | int | None:
    if value is None:
        return None
    match column.kind:
        case Kind.DATE:
            return date.fromisoformat(str(value))
        case Kind.AREA:
            return Decimal(str(value))
        case Kind.MONEY:
            return Decimal(int(value)).scaleb(-2)
        case Kind.WHOLE:
            return int(value)
    return str(value)


WRITERS: Mapping[FileFormat, Callable[[Binding, Batches, Path], None]] = {
    FileFormat.XLSX: _xlsx,
    FileFormat.CSV: _csv,
    FileFormat.PARQUET: _parquet,
}
