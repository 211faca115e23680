"""From sheets to rows of known fields: one table or several, members below one another or side by side.

What is no person and no household (totals, notes, signatures, a header printed again) is left out and said; what a
reader of the sheet does not see (hidden rows are read, hidden sheets are not) is said too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from services.registry.domain.fields import BY_NAME, Kind, Level
from services.registry.domain.places import ROW_BITS, TABLES
from services.registry.forms.cells import half_width, tidy
from services.registry.forms.header import (
    Choices,
    Header,
    find_header,
    header_incomplete,
    header_not_found,
    refuse_repeated,
)
from services.registry.forms.limits import Limits
from services.registry.forms.marks import Range
from services.registry.forms.opening import Sheet, open_sheets
from services.registry.forms.problems import FileSuspicious, FileTooManyRows, NoRows, RowTooLong
from services.registry.forms.wordings import codes_of_source, source_codes

_TOTAL = re.compile(r"^(?:.{0,8}(?:合计|总计|小计|共计|累计)|合计(?:人数|户数|人口))[:：]?$")
_NOTE = re.compile(
    r"^[(（]?(?:注|说明|备注|填表|填报|制表|审核|审批|负责人|经办|单位负责|单位[(（]?盖章|村委会|村支书|驻村|盖章|签字|签名"
    r"|日期[:：]|联系人|填写|本表|此表)"
)
_STRONG = ("id_number", "relation", "sex", "birth_on", "disability_card")
_LONG_NUMBER = r"^['‘’]?[0-9]{10,}"
_SMALL_NUMBER = r"^\s*[(（]?[0-9]{1,3}[)）]?(?:\.0)?\s*$"
_TOLD_ROWS = 50
_DAYS_1904 = 1462
_A_TABLE = 1 << ROW_BITS


@dataclass(frozen=True, slots=True)
class Note:
    """读表说明: what was done with something that is no row of the register, or was done beside the eye."""

    code: str
    zh: str
    en: str
    sheet: str
    rows: tuple[int, ...] = ()
    count: int = 0

    def as_json(self) -> dict[str, Any]:
        """As an answer carries it."""
        told = {"code": self.code, "detail": self.zh, "detail_en": self.en, "sheet": self.sheet}
        return {**told, "rows": list(self.rows), "count": self.count}


@dataclass(frozen=True, slots=True)
class Table:
    """表: a sheet with its header."""

    sheet: Sheet
    header: Header


@dataclass(frozen=True, slots=True)
class Place:
    """位置: one member's columns of one table; a row's number carries which it is."""

    sheet: str
    headings: dict[str, str]


@dataclass(frozen=True, slots=True)
class Layout:
    """版式: the rows of a file by field, as texts, and where they stand."""

    raw: pl.DataFrame
    tables: tuple[Table, ...]
    places: tuple[Place, ...]
    notes: tuple[Note, ...]
    meanings: dict[str, dict[str, str]] = field(default_factory=dict)
    """Field → digit → what the file's heading or its source says that it means."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that the file has."""
        return tuple(dict.fromkeys(name for table in self.tables for name in table.header.fields))


def find_tables(
    path: Path, limits: Limits, choices: Choices | None = None, *, amends: bool = False
) -> tuple[tuple[Table, ...], list[Note]]:
    """The tables of a file: persons, and households that a sheet of persons belongs to; all others are named."""
    tables: list[Table] = []
    notes: list[Note] = []
    lacking: list[Header] = []
    for sheet in open_sheets(path, limits):
        if sheet.marks.hidden:
            notes.append(Note("sheet.hidden", "隐藏的工作表，未读取", "a hidden sheet, not read", sheet.name))
            continue
        header = None if not sheet.cells.height else find_header(
            sheet.cells, limits.header_rows, merged=sheet.marks.merged, choices=choices, amends=amends
        )  # fmt: skip
        if header is None:
            if sheet.cells.height:
                notes.append(
                    Note("sheet.unknown", "没有登记表表头，未读取", "has no header of the form, not read", sheet.name)
                )
        elif header.of_households or not header.missing:
            refuse_repeated(header)
            tables.append(Table(_prepared(sheet, header), _with_nameless(sheet, header)))
        else:
            refuse_repeated(header)
            lacking.append(header)
            notes.append(_incomplete(sheet, header))
    if not any(table.header.of_persons or amends for table in tables):
        raise (
            header_incomplete((lacking or [table.header for table in tables])[0])
            if lacking or tables
            else (header_not_found(limits.header_rows))
        )
    return tuple(sorted(tables, key=lambda table: not table.header.of_persons)), notes


def _incomplete(sheet: Sheet, header: Header) -> Note:
    missing = "、".join(BY_NAME[name].zh for name in header.missing)
    return Note(
        "sheet.incomplete", f"表头缺少{missing}，未读取", f"lacks {', '.join(header.missing)}, not read", sheet.name
    )


def _with_nameless(sheet: Sheet, header: Header) -> Header:
    """Cells under no heading: in a text table a comma too many has shifted the row; in a workbook they are notes."""
    known = {one.at for one in header.all}
    below = sheet.cells.slice(header.row).with_row_index("row", offset=header.row + 1)
    nameless = [at for at in range(sheet.cells.width) if at not in known]
    used = [at for at in nameless if below[f"c{at}"].str.strip_chars().str.len_chars().sum() > 0]
    if used and sheet.is_text:
        first = below.filter(pl.any_horizontal(pl.col(f"c{at}").str.len_chars() > 0 for at in used))["row"][0]
        raise RowTooLong(row=first, cells=used[-1] + 1, width=len(known))
    return replace(header, nameless=tuple(f"第{at + 1}列（无表头）" for at in used))


def lay_out(
    path: Path, limits: Limits, choices: Choices | None = None, source: str | None = None, *, amends: bool = False
) -> Layout:
    """Every row of every table, in order: tables of persons first."""
    tables, notes = find_tables(path, limits, choices, amends=amends)
    frames: list[pl.DataFrame] = []
    places: list[Place] = []
    rows = 0
    for table in tables:
        body = _body(table, notes)
        frames.append(_lines(table, body, places, limits))
        rows += frames[-1].height
        if rows > limits.rows:
            raise FileTooManyRows(found=f"{rows:,} 行/rows", limit=f"{limits.rows:,}")
        _say_hidden(table, body, notes)
    raw = pl.concat(frames, how="diagonal")
    if raw.is_empty():
        raise NoRows()
    return Layout(raw, tables, tuple(places), tuple(notes), _meanings(tables, source))


def _body(table: Table, notes: list[Note]) -> pl.DataFrame:
    """The rows below the header that hold something of the register."""
    header = table.header
    numbered = table.sheet.cells.with_row_index("row", offset=1).slice(header.row)
    odd = dict(_odd_rows(numbered, table))
    by_code: dict[str, list[int]] = defaultdict(list)
    for row, code in odd.items():
        by_code[code].append(row)
    for code, rows in by_code.items():
        zh, en = _LEFT_OUT[code]
        notes.append(Note(code, zh, en, table.sheet.name, tuple(rows[:_TOLD_ROWS]), len(rows)))
    return numbered if not odd else numbered.filter(~pl.col("row").is_in(list(odd)))


_LEFT_OUT = {
    "rows.total": ("合计行，不计入", "rows of totals, left out"),
    "rows.note": ("说明或签字行，不计入", "notes and signatures, left out"),
    "rows.header_again": ("重复的表头，不计入", "the header again, left out"),
    "rows.numbering": ("列序号行，不计入", "numbers of columns, left out"),
}


def _odd_rows(numbered: pl.DataFrame, table: Table) -> Iterator[tuple[int, str]]:
    """Rows that name nobody and no household, each with what it is; one that could be a person is none of them."""
    header = table.header
    names = [f"c{one.at}" for one in header.all if one.name in ("name", "id_number", "number")]
    words = {
        cell.strip() for at in range(header.first_row - 1, header.row) for cell in table.sheet.cells.row(at) if cell
    }
    again = numbered.filter(pl.all_horizontal(pl.col(names).str.strip_chars().is_in(sorted(words))))
    repeated = set(again["row"].to_list())
    yield from ((row, "rows.header_again") for row in sorted(repeated))
    for row, *cells in _candidates(numbered, header).iter_rows():
        texts = [re.sub(r"\s+", "", cell) for cell in cells if cell and cell.strip()]
        said = _kind_of_row(texts) if texts and row not in repeated else None
        if said is not None:
            yield row, said


def _candidates(numbered: pl.DataFrame, header: Header) -> pl.DataFrame:
    strong = [f"c{one.at}" for one in header.all if one.name in _STRONG]
    blank = [pl.col(name).str.strip_chars().fill_null("") == "" for name in strong] or [pl.lit(True)]
    number = header.columns.get("number")
    if number is not None:
        blank.append(~pl.col(f"c{number}").str.strip_chars().str.contains(_LONG_NUMBER).fill_null(False))
    odd = pl.all_horizontal(blank)
    if strong:
        odd |= pl.all_horizontal(pl.col(name).str.contains(_SMALL_NUMBER) for name in strong[:2])
    return numbered.filter(odd)


def _kind_of_row(texts: Sequence[str]) -> str | None:
    if any(_TOTAL.match(text) for text in texts[:3]):
        return "rows.total"
    if _NOTE.match(texts[0]) or (len(texts) <= 2 and len(texts[0]) >= 12 and not texts[0].isdecimal()):
        return "rows.note"
    numbers = [re.sub(r"[()（）]|\.0$", "", text) for text in texts]
    figures = [int(text) for text in numbers if text.isdecimal() and len(text) <= 3]
    others = [text for text in numbers if not text.isdecimal()]
    if (
        len(figures) >= 3
        and figures == list(range(figures[0], figures[0] + len(figures)))
        and set(others) <= set("甲乙丙丁戊")
    ):
        return "rows.numbering"
    return None


def _say_hidden(table: Table, body: pl.DataFrame, notes: list[Note]) -> None:
    hidden = sorted(table.sheet.marks.hidden_rows & set(body["row"].to_list())) if table.sheet.marks.hidden_rows else []
    if hidden:
        zh, en = "隐藏的行，已一并读取", "hidden rows, read like all others"
        notes.append(Note("rows.hidden", zh, en, table.sheet.name, tuple(hidden[:_TOLD_ROWS]), len(hidden)))


def _lines(table: Table, body: pl.DataFrame, places: list[Place], limits: Limits) -> pl.DataFrame:
    """One line a person (or a household), numbered by row and place."""
    header = table.header
    if len(places) + len(header.groups) > TABLES or len(header.groups) > limits.members:
        raise FileTooManyRows(found=f"{len(header.groups)} 名成员/members", limit=str(limits.members))
    parts: list[pl.DataFrame] = []
    for group in header.groups:
        columns = header.of_group(group)
        part = _fields_of(table, body, {name: one.at for name, one in columns.items()})
        part = _converted(
            part, {name: one.meaning.unit.factor for name, one in columns.items() if one.meaning and one.meaning.unit}
        )
        if group in header.kin:
            kin = pl.when(pl.col("name").is_not_null()).then(pl.lit(header.kin[group])).alias("relation")
            part = part.with_columns(kin)
        parts.append(part.with_columns(place=pl.lit(len(places), pl.UInt32)))
        places.append(Place(table.sheet.name, {name: one.heading for name, one in columns.items()}))
    lines = parts[0] if len(parts) == 1 else _side_by_side(parts)
    lines = lines.with_columns((pl.col("row").cast(pl.UInt32) | (pl.col("place") * _A_TABLE)).alias("row"))
    return _with_household(lines.drop("place"), fill=header.of_persons)


def places_of(column: str) -> pl.Expr:
    """Of a column of lines, which of the file's tables each stands in (`domain.places.table_of`)."""
    return pl.col(column).cast(pl.UInt32) // _A_TABLE


def _fields_of(table: Table, body: pl.DataFrame, columns: dict[str, int]) -> pl.DataFrame:
    """The known columns, with what a formula yields and what a number format has left marked; blank rows left out."""
    chosen = body.select("row", *(pl.col(f"c{at}").alias(name) for name, at in columns.items()))
    chosen = _with_signs(chosen, columns, table.sheet)
    chosen = chosen.with_columns(tidy(chosen[name]).alias(name) for name in columns)
    return chosen.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in columns))


def _with_signs(chosen: pl.DataFrame, columns: dict[str, int], sheet: Sheet) -> pl.DataFrame:
    """What a formula yields, what a number format has left, is not what somebody wrote: such cells get a sign."""
    marks = sheet.marks
    for name, at in columns.items():
        kept_exactly = BY_NAME[name].kind not in (Kind.CITIZEN_ID, Kind.CARD, Kind.DIGITS)
        rounded = [] if kept_exactly else [row for row, places in marks.rounded.items() if at in places]
        formulas = [row for row, places in marks.formulas.items() if at in places]
        for rows, sign in ((rounded, _ROUNDED_SIGN), (formulas, _FORMULA_SIGN)):
            if rows:
                marked = pl.when(pl.col("row").is_in(rows)).then(pl.lit(sign)).otherwise(pl.col(name))
                chosen = chosen.with_columns(marked.alias(name))
    return chosen


_ROUNDED_SIGN, _FORMULA_SIGN = "0E+17", "="


def _prepared(sheet: Sheet, header: Header) -> Sheet:
    """The cells as they are meant: a person's cell that is merged over several rows is said of each of them (a
    household's is said once), days counted from 1904 are counted from 1900.
    """
    cells = sheet.cells
    below = [one for one in sheet.marks.merged if one[1] > one[0] and one[1] > header.row]
    for one in header.all:
        if one.meaning is None:
            continue
        name, of = f"c{one.at}", one.meaning.field
        spans = [span for span in below if span[2] <= one.at <= span[3]]
        if spans and (of.level is Level.PERSON or of.name == "number"):
            cells = cells.with_columns(_spread(cells[name], spans))
        if sheet.is_1904 and of.kind is Kind.DATE:
            cells = cells.with_columns(_days(cells[name]).alias(name))
    return replace(sheet, cells=cells)


def _spread(column: pl.Series, spans: Sequence[Range]) -> pl.Series:
    """The first row's cell of each range in the range's other rows."""
    tops = _tops(spans, len(column))
    above = column.gather(tops["top"] - 1)
    return column.scatter(tops["row"] - 1, above)


def _tops(spans: Sequence[Range], last_row: int) -> pl.DataFrame:
    """Row → first row of its merged range."""
    every = (
        (row, first)
        for first, last, _, _ in spans
        for row in range(first + 1, min(last, last_row) + 1)
        if first <= last_row
    )
    covered = list(islice(every, last_row + 1))
    if len(covered) > last_row:
        raise FileSuspicious(found="合并单元格相互重叠 (overlapping merged cells)")
    return pl.DataFrame(covered, schema={"row": pl.Int64, "top": pl.Int64}, orient="row").unique("row", keep="first")


def _days(text: pl.Series) -> pl.Series:
    """Days counted from 1904 as days counted from 1900."""
    serial = text.str.extract(r"^([0-9]{4,5})(?:\.0+)?$").cast(pl.Int64, strict=False)
    shifted = (serial + _DAYS_1904).cast(pl.String)
    return pl.select(pl.coalesce(shifted, text)).to_series()


def _converted(lines: pl.DataFrame, factors: dict[str, Any]) -> pl.DataFrame:
    """Plain numbers under a heading with another unit, in the register's; exactly. A cell with its own unit is kept."""
    for name, factor in factors.items():
        if factor != 1:
            plain = half_width(lines[name]).str.replace_all(r"[,，\s]", "")
            is_number = plain.str.contains(r"^[+-]?[0-9]{1,13}(?:\.[0-9]{1,10})?$").fill_null(False)
            number = pl.select(pl.when(is_number).then(plain)).to_series().str.to_decimal(scale=10)
            said = (number * int(factor)).cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
            lines = lines.with_columns(pl.select(pl.coalesce(said, lines[name])).to_series().alias(name))
    return lines


def _side_by_side(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The members of a row below one another; what is said of the household stays with the first of them."""
    own = [name for name in parts[0].columns if name in BY_NAME and BY_NAME[name].level is not Level.PERSON]
    person = [
        name
        for name in dict.fromkeys(name for part in parts for name in part.columns)
        if name in BY_NAME and name not in own
    ]
    lines = pl.concat(parts, how="diagonal").sort("row", "place", maintain_order=True)
    is_person = pl.any_horizontal(pl.col(name).is_not_null() for name in person)
    rank = pl.when(is_person).then(pl.col("place")).otherwise(pl.col("place") + TABLES)
    first = pl.col("place") == pl.col("place").sort_by(rank).first().over("row")
    lines = lines.with_columns(first.alias("first"), is_person.alias("person")).filter(
        pl.col("first") | pl.col("person")
    )
    cleared = (
        pl.when(pl.col("first")).then(pl.col(name)).otherwise(None).alias(name) for name in own if name != "number"
    )
    return lines.with_columns(cleared).drop("first", "person")


def _with_household(lines: pl.DataFrame, *, fill: bool) -> pl.DataFrame:
    """Rows without a number belong to the household above; rows above the first number belong to nobody."""
    if "number" not in lines.columns:
        lines = lines.with_columns(pl.lit(None, pl.String).alias("number"))
    digits = half_width(lines["number"]).str.strip_prefix("'")
    number = digits.fill_null(strategy="forward") if fill else digits
    nobody = pl.concat_str(pl.lit("#"), pl.col("row").cast(pl.String))
    return lines.with_columns(pl.coalesce(number, nobody).alias("household"))


def _meanings(tables: Sequence[Table], source: str | None) -> dict[str, dict[str, str]]:
    """What digits mean: the named source knows best, else the heading's own legend; two legends are none."""
    found: dict[str, dict[str, str]] = {}
    for one in (one for table in tables for one in table.header.all):
        if one.meaning is not None and one.meaning.legend:
            name = one.meaning.field.name
            legend = {value.lstrip("0") or "0": text for value, text in one.meaning.legend.items()}
            found[name] = legend if found.get(name, legend) == legend else {}
    if source is not None:
        found |= {name: codes for name in source_codes() if (codes := codes_of_source(name, source))}
    return {name: legend for name, legend in found.items() if legend}
