"""Open an upload: find out what it is by its first bytes, refuse what would be dangerous, read every cell as text.

Typed reading would turn bad cells into blanks silently; as text they stay visible and come back with their row.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import fastexcel
import polars as pl

from services.registry.forms.archive import inspect_archive
from services.registry.forms.cells import UNSEEN
from services.registry.forms.compound import SIGN
from services.registry.forms.legacy import inspect_old
from services.registry.forms.limits import Limits
from services.registry.forms.marks import Book, Marks
from services.registry.forms.problems import (
    EncodingUnknown,
    FileDamaged,
    FileNotWorkbook,
    FileSuspicious,
    FileTooManyRows,
    NoRows,
    RowTooLong,
)

_KNOWN_OTHERS = (
    (b"%PDF", "PDF"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"\x1f\x8b", "gzip"),
    (b"Rar!", "RAR"),
    (b"7z\xbc\xaf", "7z"),
    (b"{\\rtf", "RTF"),
    (b"<htm", "HTML"),
    (b"<!DO", "HTML"),
)
_DELIMITERS = (",", "\t", ";")


@dataclass(frozen=True, slots=True)
class Sheet:
    """工作表: every cell as text, columns c0, c1, …; line `i` of `cells` is row `i + 1` of the file.

    A hidden sheet is named, not read.
    """

    name: str
    cells: pl.DataFrame
    marks: Marks = field(default_factory=Marks)
    is_text: bool = False
    is_1904: bool = False


def open_sheets(path: Path, limits: Limits) -> Iterator[Sheet]:
    """The sheets of a file in their order (a text table is one sheet), each read only when asked for."""
    size = path.stat().st_size
    if size > limits.file_bytes:
        raise FileTooManyRows(found=f"{size:,} B", limit=f"{limits.file_bytes:,} B")
    with path.open("rb") as stream:
        head = stream.read(8)
    if head.startswith(b"PK"):
        return _workbook(path, inspect_archive(path, limits), limits)
    if head.startswith(SIGN[:4]):
        return _workbook(path, inspect_old(path, limits), limits)
    if not head:
        raise NoRows()
    for sign, name in _KNOWN_OTHERS:
        if head.startswith(sign):
            raise FileNotWorkbook(found=name)
    return iter((_text_table(path.read_bytes(), limits),))


def _workbook(path: Path, book: Book, limits: Limits) -> Iterator[Sheet]:
    shown = [name for name, marks in book.sheets.items() if not marks.hidden]
    if len(shown) > limits.sheets:
        raise FileTooManyRows(found=f"{len(shown)} 张工作表/sheets", limit=str(limits.sheets))
    try:
        reader = fastexcel.read_excel(path)
        for place, name in enumerate(reader.sheet_names):
            if name not in book.sheets:
                raise FileSuspicious(found="工作表名称 (name of a sheet)")
            marks = book.sheets[name]
            cells = pl.DataFrame() if marks.hidden else _cells_of(reader, place, limits)
            yield Sheet(re.sub(UNSEEN, "", name), cells, marks, is_1904=book.is_1904)
    except fastexcel.FastExcelError as error:
        raise FileDamaged(found=_first_line(error)) from None


def _cells_of(reader: fastexcel.ExcelReader, place: int, limits: Limits) -> pl.DataFrame:
    sheet = reader.load_sheet(place, header_row=None, skip_rows=0, dtypes="string")
    frame = sheet.to_polars()
    first = min((column.absolute_index for column in sheet.selected_columns), default=0)
    if first + sheet.width > limits.columns:
        raise FileTooManyRows(found=f"{first + sheet.width} 列/columns", limit=str(limits.columns))
    named = frame.rename({name: f"c{at + first}" for at, name in enumerate(frame.columns)})
    blank = (pl.lit(None, pl.String).alias(f"c{at}") for at in range(first))  # the reader leaves out empty columns
    return named.select(*blank, *named.columns)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:120]


def _text_table(content: bytes, limits: Limits) -> Sheet:
    text = _decoded(content)
    delimiter = _delimiter(text)
    width = _width(text, delimiter, limits)
    try:
        cells = pl.read_csv(
            io.BytesIO(text.encode()),
            has_header=False,
            separator=delimiter,
            schema={f"c{at}": pl.String for at in range(width)},
            missing_columns="insert",
        )
    except pl.exceptions.PolarsError:
        cells = _read_slowly(text, delimiter, width)
    return Sheet("CSV", cells, is_text=True)


def _decoded(content: bytes) -> str:
    """UTF-8 with or without its mark, else GB18030; both strictly, since a replaced character is a lost one."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise EncodingUnknown()
    if b"\x00" in content[:65536]:
        raise FileNotWorkbook(found="二进制内容 (binary content)")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise EncodingUnknown()


def _delimiter(text: str) -> str:
    head = text[:65536]
    return max(_DELIMITERS, key=head.count)


def _width(text: str, delimiter: str, limits: Limits) -> int:
    """Columns of the widest of the first rows: a title row above the header is narrower."""
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        width = max((len(row) for row, _ in zip(rows, range(limits.header_rows), strict=False)), default=0)
    except csv.Error as error:
        raise FileDamaged(found=_first_line(error)) from None
    if width > limits.columns:
        raise FileTooManyRows(found=f"{width} 列/columns", limit=str(limits.columns))
    return width


def _read_slowly(text: str, delimiter: str, width: int) -> pl.DataFrame:
    """Row by row, for odd quoting that the fast reader refuses; says which row is too long or never ends."""
    columns: list[list[str | None]] = [[] for _ in range(width)]
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True), start=1):
            if len(row) > width and any(cell.strip() for cell in row[width:]):
                raise RowTooLong(row=number, cells=len(row), width=width)
            for at, column in enumerate(columns):
                column.append(row[at] if at < len(row) else None)
    except csv.Error as error:
        raise FileDamaged(found=_first_line(error)) from None
    return pl.DataFrame(
        {f"c{at}": column for at, column in enumerate(columns)},
        dict.fromkeys((f"c{at}" for at in range(width)), pl.String),
    )
