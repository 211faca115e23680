"""Look into an xlsx archive before anybody unpacks it: sizes, extents, formulas. Small files may unpack into huge ones.

The reader behind us keeps a dense table from the first to the last used cell, so one stray cell in the last row would
cost gigabytes: extents are measured here, in one pass over the unpacked stream, with memory for one piece at a time.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from services.registry.forms.limits import Limits
from services.registry.forms.marks import EXACT, Book, Marks, Places
from services.registry.forms.problems import (
    FileDamaged,
    FileHasMacros,
    FileNotWorkbook,
    FileProtected,
    FileSuspicious,
    FileTooManyRows,
    FileUnpacksTooLarge,
    FormulasEverywhere,
)

_PIECE = 4 * 1024 * 1024
_OVERLAP = 4096
_RATIO_FLOOR = 4 * 1024 * 1024
_SMALL_PART = 4 * 1024 * 1024
_PROLOGUE = 64 * 1024
_ROOT = re.compile(rb"<(?:([A-Za-z_][\w.-]{0,20}):)?worksheet\b")
_FAR_COLUMN = re.compile(rb'\br="[A-Z]{3,}[0-9]')
_LITERAL = re.compile(rb'(?:"|&quot;)[^<"&]*(?:"|&quot;)<')
_RANGE = re.compile(rb'\bref="([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})"')
_NUMBERED = re.compile(rb'\br="([0-9]{1,9})"')
_TEXT_TYPES = (b't="s"', b't="str"', b't="inlineStr"')
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_LINK = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
_LONG = rb"([0-9]{16,}|[0-9](?:\.[0-9]+)?E\+?1[5-9]|[0-9](?:\.[0-9]+)?E\+?2[0-9])"


@dataclass(frozen=True, slots=True)
class _Signs:
    """How this sheet spells its tags: some writers put a prefix before each."""

    row: re.Pattern[bytes]
    hidden: re.Pattern[bytes]
    formula: re.Pattern[bytes]
    any_formula: re.Pattern[bytes]
    long_number: re.Pattern[bytes]
    cell: re.Pattern[bytes]
    merged: re.Pattern[bytes]
    row_tag: bytes
    cell_tag: bytes
    formula_tag: bytes
    merged_tag: bytes


@cache
def _signs(prefix: bytes) -> _Signs:
    p = prefix + b":" if prefix else b""
    return _Signs(
        row=re.compile(rb"<" + p + rb'row\b[^<>]*?\br="([0-9]{1,9})"'),
        hidden=re.compile(rb"<" + p + rb'row\b[^<>]*?\bhidden="(?:1|true)"[^<>]*>'),
        formula=re.compile(
            rb"<" + p + rb'c\b[^<>]*?\br="([A-Z]{1,3})([0-9]{1,7})"[^<>]*>\s*<' + p + rb"f(?=[ />])[^<>]*>"
        ),
        any_formula=re.compile(rb"<" + p + rb"f[ />]"),
        long_number=re.compile(rb"<" + p + rb"v>" + _LONG + rb"</" + p + rb"v>"),
        cell=re.compile(rb"<" + p + rb'c\b([^<>]*?)\br="([A-Z]{1,3})([0-9]{1,7})"([^<>]*)>'),
        merged=re.compile(rb"<" + p + rb"mergeCell\b[^<>]*>"),
        row_tag=b"<" + p + b"row",
        cell_tag=b"<" + p + b"c ",
        formula_tag=b"<" + p + b"f",
        merged_tag=b"<" + p + b"mergeCell ",
    )


def inspect_archive(path: Path, limits: Limits) -> Book:
    """Refuse an archive that is no workbook, damaged or too large; answer each sheet's odd cells by its name."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_names(archive)
            _check_sizes(archive, limits)
            _check_prologues(archive)
            sheets = _sheet_parts(archive)
            if len({name.lower() for name, _, _ in sheets}) < len(sheets):
                raise FileSuspicious(found="工作表重名 (two sheets of one name)")
            marks = {
                name: Marks(hidden=True) if hidden else _scan(archive, part, limits)
                for name, part, hidden in sheets[: limits.sheets_seen]
            }
            return Book(marks, _counts_from_1904(archive))
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise FileDamaged(found=str(error)[:120]) from None
    except (KeyError, ElementTree.ParseError, NotImplementedError, UnicodeError, LookupError) as error:
        raise FileNotWorkbook(found=f"zip: {str(error)[:80]}") from None
    except RuntimeError as error:  # zipfile says so of an encrypted entry
        if "password" in str(error) or "encrypted" in str(error):
            raise FileProtected() from None
        raise FileDamaged(found=str(error)[:120]) from None


def _check_names(archive: zipfile.ZipFile) -> None:
    """No spreadsheet writes a part twice, outside the archive or under a name that reads otherwise than it stands."""
    seen: set[str] = set()
    for entry in archive.infolist():
        name = entry.orig_filename
        steps = name.replace("\\", "/").split("/")
        if ".." in steps or name.startswith("/") or "\\" in name or ":" in name or not name.isprintable():
            raise FileSuspicious(found=f"路径 (path) {name[:40]!r}")
        if name.lower() in seen:
            raise FileSuspicious(found=f"重复 (twice) {name[:40]!r}")
        if name.lower().endswith("vbaproject.bin"):
            raise FileHasMacros()
        seen.add(name.lower())


def _check_sizes(archive: zipfile.ZipFile, limits: Limits) -> None:
    entries = archive.infolist()
    if len(entries) > limits.archive_entries:
        raise FileUnpacksTooLarge(found=f"{len(entries)} entries", limit=limits.archive_entries)
    total = sum(entry.file_size for entry in entries)
    if total > limits.unpacked_bytes:
        raise FileUnpacksTooLarge(found=f"{total:,} B", limit=f"{limits.unpacked_bytes:,} B")
    for entry in entries:
        ratio = entry.file_size // max(1, entry.compress_size)
        if entry.file_size > _RATIO_FLOOR and ratio > limits.packed_ratio:
            raise FileUnpacksTooLarge(found=f"{ratio}:1", limit=f"{limits.packed_ratio}:1")


def _check_prologues(archive: zipfile.ZipFile) -> None:
    """A workbook has no document types and no entities of its own: who writes them wants them followed."""
    for entry in archive.infolist():
        if entry.filename.endswith((".xml", ".rels")):
            with archive.open(entry) as stream:
                start = stream.read(_PROLOGUE)
            if b"<!DOCTYPE" in start or b"<!ENTITY" in start:
                raise FileNotWorkbook(found=f"{entry.filename}: DTD")
            if start.startswith((b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")):
                raise FileSuspicious(found=f"{entry.filename}: UTF-16")


def _sheet_parts(archive: zipfile.ZipFile) -> list[tuple[str, str, bool]]:
    """Sheet names in order with the part of the archive that holds each, and whether it is hidden."""
    links = {
        link.attrib["Id"]: link.attrib["Target"] for link in _small_part(archive, "xl/_rels/workbook.xml.rels").iter()
        if "Target" in link.attrib
    }  # fmt: skip
    book = _small_part(archive, "xl/workbook.xml")
    sheets = [*book.iter(f"{_MAIN}sheet"), *book.iter(f"{_STRICT}sheet")]
    if not sheets:
        raise KeyError("没有工作表 (no sheet)")
    return [
        (
            sheet.attrib["name"],
            _inside(links[sheet.attrib.get(_LINK) or sheet.attrib[_STRICT_LINK]]),
            sheet.attrib.get("state", "visible") != "visible",
        )
        for sheet in sheets
    ]


def _counts_from_1904(archive: zipfile.ZipFile) -> bool:
    start = archive.read("xl/workbook.xml")
    return re.search(rb'\bdate1904="(?:1|true)"', start) is not None


def _inside(target: str) -> str:
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _small_part(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > _SMALL_PART:
        raise FileUnpacksTooLarge(found=name, limit=f"{_SMALL_PART:,} B")
    content = archive.read(name)
    if content.count(b"<") > _DEEPEST:
        raise FileUnpacksTooLarge(found=name, limit=f"{_DEEPEST:,} tags")
    return ElementTree.fromstring(content)


_DEEPEST = 50_000  # tags: a part that lists sheets or links never has so many


def _pieces(archive: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """The unpacked part piece by piece; each begins with the end of the one before, so that no tag is cut."""
    tail = b""
    with archive.open(part) as stream:
        while piece := stream.read(_PIECE):
            yield tail + piece
            tail = (tail + piece)[-_OVERLAP:]


def _scan(archive: zipfile.ZipFile, part: str, limits: Limits) -> Marks:
    """How far the sheet reaches, where its odd cells are, what of it is hidden and merged."""
    marks = Marks()
    rows = 0
    signs: _Signs | None = None
    merged: set[bytes] = set()
    for piece in _pieces(archive, part):
        if signs is None:
            root = _ROOT.search(piece)
            signs = _signs((root[1] if root else None) or b"")
        rows = max(rows, _last_row(piece, signs))
        if rows > limits.rows + limits.header_rows:
            raise FileTooManyRows(found=f"{rows:,} 行/rows", limit=f"{limits.rows:,}")
        if _FAR_COLUMN.search(piece):
            raise FileTooManyRows(found="> 702 列/columns", limit=str(limits.columns))
        if signs.formula_tag in piece:
            _collect_formulas(marks.formulas, piece, signs, limits)
        _collect_rounded(marks.rounded, piece, signs)
        _collect_hidden(marks.hidden_rows, piece, signs)
        if signs.merged_tag in piece:
            merged.update(signs.merged.findall(piece))
            _no_more_than(len(merged), limits)
    for one in merged:
        found = _RANGE.search(one)
        if found is not None:
            first, last = int(found[2]), int(found[4])
            marks.merge(first, last, _column_number(found[1]), _column_number(found[3]), limits)
    return marks


def _no_more_than(merged: int, limits: Limits) -> None:
    if merged > limits.merged:
        raise FileTooManyRows(found=f"> {limits.merged:,} 处合并单元格/merged cells", limit=f"{limits.merged:,}")


def _last_row(piece: bytes, signs: _Signs) -> int:
    place = piece.rfind(signs.row_tag)
    found = signs.row.match(piece, place) if place >= 0 else None
    return int(found[1]) if found else 0


def _collect_formulas(formulas: Places, piece: bytes, signs: _Signs, limits: Limits) -> None:
    """A formula that is a text in quotation marks (`="6230…"`) only keeps that text a text: it is no formula."""
    places = 0
    for found in signs.formula.finditer(piece):
        places += 1
        if found[0].endswith(b"/>") or _LITERAL.match(piece, found.end()) is None:
            formulas.setdefault(int(found[2]), set()).add(_column_number(found[1]))
    if sum(map(len, formulas.values())) > limits.formulas:
        raise FormulasEverywhere(limit=limits.formulas)
    if places < sum(1 for _ in signs.any_formula.finditer(piece, _OVERLAP)):
        raise FileSuspicious(found="公式单元格没有位置 (formula cells without a place)")


def _collect_rounded(rounded: Places, piece: bytes, signs: _Signs) -> None:
    """Numbers beyond 2^53: a spreadsheet keeps fifteen digits of them, the rest is gone."""
    for found in signs.long_number.finditer(piece):
        if float(found[1]) <= EXACT:
            continue
        cell = signs.cell.match(piece, piece.rfind(signs.cell_tag, 0, found.start()))
        if cell is not None and not any(kind in cell[1] + cell[4] for kind in _TEXT_TYPES):
            rounded.setdefault(int(cell[3]), set()).add(_column_number(cell[2]))


def _collect_hidden(hidden: set[int], piece: bytes, signs: _Signs) -> None:
    if b"hidden=" not in piece:
        return
    for found in signs.hidden.finditer(piece):
        row = _NUMBERED.search(found[0])
        if row is not None:
            hidden.add(int(row[1]))


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1
