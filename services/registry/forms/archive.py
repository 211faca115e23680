"""Look into an xlsx archive before anybody unpacks it: sizes, extents, formulas. Small files may unpack into huge ones.

The reader behind us keeps a dense table from the first to the last used cell, so one stray cell in the last row would
cost gigabytes: extents are measured here, in one pass over the unpacked stream, with memory for one piece at a time.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from services.registry.forms.limits import Limits
from services.registry.forms.problems import (
    FileDamaged,
    FileNotWorkbook,
    FileTooManyRows,
    FileUnpacksTooLarge,
    FormulasEverywhere,
)

Places = dict[int, set[int]]  # row of the file → columns, counted from 0

_PIECE = 4 * 1024 * 1024
_OVERLAP = 4096
_RATIO_FLOOR = 4 * 1024 * 1024
_SMALL_PART = 4 * 1024 * 1024
_ROW_NUMBER = re.compile(rb'<row\b[^>]*?\br="([0-9]{1,9})"')
_FAR_COLUMN = re.compile(rb'r="[A-Z]{3,}[0-9]')
_FORMULA = re.compile(rb'<c\b[^>]*?\br="([A-Z]{1,3})([0-9]{1,7})"[^>]*>\s*<f[ />]')
_LONG_NUMBER = re.compile(rb"<v>([0-9]{16,}|[0-9](?:\.[0-9]+)?E\+?1[5-9]|[0-9](?:\.[0-9]+)?E\+?2[0-9])</v>")
_CELL = re.compile(rb'<c\b([^>]*?)\br="([A-Z]{1,3})([0-9]{1,7})"([^>]*)>')
_TEXT_TYPES = (b't="s"', b't="str"', b't="inlineStr"')
_EXACT = 2**53
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


@dataclass(frozen=True, slots=True)
class Marks:
    """可疑单元格: cells whose text is not what somebody typed: formulas, and numbers too long to be kept exactly."""

    formulas: Places = field(default_factory=dict)
    rounded: Places = field(default_factory=dict)


def inspect_archive(path: Path, limits: Limits) -> dict[str, Marks]:
    """Refuse an archive that is no workbook, damaged or too large; answer each sheet's odd cells by its name."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_sizes(archive, limits)
            parts = _sheet_parts(archive)
            return {name: _scan(archive, part, limits) for name, part in parts[: limits.sheets]}
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise FileDamaged(found=str(error)[:120]) from None
    except (KeyError, ElementTree.ParseError, NotImplementedError) as error:
        raise FileNotWorkbook(found=f"zip: {str(error)[:80]}") from None
    except RuntimeError as error:  # zipfile says so of an encrypted entry
        raise FileNotWorkbook(found=f"加密 (encrypted): {str(error)[:80]}") from None


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


def _sheet_parts(archive: zipfile.ZipFile) -> list[tuple[str, str]]:
    """Sheet names in order with the part of the archive that holds each."""
    links = {
        link.attrib["Id"]: link.attrib["Target"] for link in _small_part(archive, "xl/_rels/workbook.xml.rels").iter()
        if "Target" in link.attrib
    }  # fmt: skip
    sheets = _small_part(archive, "xl/workbook.xml").iter(f"{_MAIN}sheet")
    return [(sheet.attrib["name"], _inside(links[sheet.attrib[_LINK]])) for sheet in sheets]


def _inside(target: str) -> str:
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _small_part(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > _SMALL_PART:
        raise FileUnpacksTooLarge(found=name, limit=f"{_SMALL_PART:,} B")
    content = archive.read(name)
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise FileNotWorkbook(found=f"{name}: DTD")
    return ElementTree.fromstring(content)


def _pieces(archive: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """The unpacked part piece by piece; each begins with the end of the one before, so that no tag is cut."""
    tail = b""
    with archive.open(part) as stream:
        while piece := stream.read(_PIECE):
            yield tail + piece
            tail = (tail + piece)[-_OVERLAP:]


def _scan(archive: zipfile.ZipFile, part: str, limits: Limits) -> Marks:
    """How far the sheet reaches, and where its odd cells are."""
    marks = Marks()
    rows = 0
    for piece in _pieces(archive, part):
        rows = max(rows, _last_row(piece))
        if rows > limits.rows + limits.header_rows:
            raise FileTooManyRows(found=f"{rows:,} 行/rows", limit=f"{limits.rows:,}")
        if _FAR_COLUMN.search(piece):
            raise FileTooManyRows(found="> 702 列/columns", limit=str(limits.columns))
        if b"<f" in piece:
            _collect_formulas(marks.formulas, piece, limits)
        _collect_rounded(marks.rounded, piece)
    return marks


def _last_row(piece: bytes) -> int:
    place = piece.rfind(b"<row")
    found = _ROW_NUMBER.match(piece, place) if place >= 0 else None
    return int(found[1]) if found else 0


def _collect_formulas(formulas: Places, piece: bytes, limits: Limits) -> None:
    for found in _FORMULA.finditer(piece):
        formulas.setdefault(int(found[2]), set()).add(_column_number(found[1]))
    if sum(map(len, formulas.values())) > limits.formulas:
        raise FormulasEverywhere(limit=limits.formulas)


def _collect_rounded(rounded: Places, piece: bytes) -> None:
    """Numbers beyond 2^53: a spreadsheet keeps fifteen digits of them, the rest is gone."""
    for found in _LONG_NUMBER.finditer(piece):
        if float(found[1]) <= _EXACT:
            continue
        cell = _CELL.match(piece, piece.rfind(b"<c ", 0, found.start()))
        if cell is not None and not any(kind in cell[1] + cell[4] for kind in _TEXT_TYPES):
            rounded.setdefault(int(cell[3]), set()).add(_column_number(cell[2]))


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1
