"""A plain writer of old workbooks (.xls: BIFF8 in a compound file), so that tests need no office programme."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

Lines = Sequence[Sequence[object]]
_SECTOR = 512
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


@dataclass
class OldSheet:
    """A sheet: cells from the first row on, merged ranges (row, row, column, column), hidden rows, formulas."""

    name: str
    lines: Lines
    merged: Sequence[tuple[int, int, int, int]] = ()
    hidden_rows: Sequence[int] = ()
    formulas: Sequence[tuple[int, int]] = ()
    hidden: bool = False
    dates: Sequence[tuple[int, int]] = field(default_factory=tuple)


def _record(kind: int, content: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _beginning(kind: int) -> bytes:
    return _record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0x0DBB, 0x07CC, 0x41, 6))


def _text(text: str) -> bytes:
    return struct.pack("<HB", len(text.encode("utf-16-le")) // 2, 1) + text.encode("utf-16-le")


def _cell(at: int, column: int, value: object, sheet: OldSheet) -> bytes:
    look = 1 if (at, column) in sheet.dates else 0
    if isinstance(value, str):
        if (at, column) in sheet.formulas:
            return _record(0x0006, struct.pack("<HHHdHIH", at, column, look, 1.0, 0, 0, 0))
        return _record(0x0204, struct.pack("<HHH", at, column, look) + _text(value))
    assert isinstance(value, int | float)
    if (at, column) in sheet.formulas:
        return _record(0x0006, struct.pack("<HHHdHIH", at, column, look, float(value), 0, 0, 0))
    return _record(0x0203, struct.pack("<HHHd", at, column, look, float(value)))


def _sheet_stream(sheet: OldSheet) -> bytes:
    out = [_beginning(0x0010)]
    width = max((len(line) for line in sheet.lines), default=0)
    out.append(_record(0x0200, struct.pack("<IIHHH", 0, len(sheet.lines), 0, width, 0)))
    for at, line in enumerate(sheet.lines):
        flags = 0x0100 | (0x20 if at in sheet.hidden_rows else 0)
        out.append(_record(0x0208, struct.pack("<HHHHIHH", at, 0, len(line), 0xFF, 0, flags, 0x0F)))
        out += [_cell(at, column, value, sheet) for column, value in enumerate(line) if value not in ("", None)]
    if sheet.merged:
        ranges = b"".join(struct.pack("<HHHH", *one) for one in sheet.merged)
        out.append(_record(0x00E5, struct.pack("<H", len(sheet.merged)) + ranges))
    return b"".join([*out, _record(0x000A)])


def workbook_stream(sheets: Sequence[OldSheet], extra: bytes = b"") -> bytes:
    """The BIFF stream; `extra` stands among the workbook's own records."""
    font = _record(0x0031, struct.pack("<HHHHHBBBB", 200, 0, 0x7FFF, 400, 0, 0, 0, 0, 0) + b"\x05\x00Arial")
    looks = [_record(0x00E0, struct.pack("<HHHBBBBIIH", 0, form, 1, 0x20, 0, 0, 0, 0, 0, 0)) for form in (0, 14)]
    head = _beginning(0x0005) + extra + _record(0x0042, struct.pack("<H", 1200)) + font + b"".join(looks)
    bodies = [_sheet_stream(sheet) for sheet in sheets]
    names = [sheet.name.encode("utf-16-le") for sheet in sheets]
    at = len(head) + sum(12 + len(name) for name in names) + 4
    bounds = []
    for sheet, body, name in zip(sheets, bodies, names, strict=True):
        content = struct.pack("<IBBBB", at, 1 if sheet.hidden else 0, 0, len(name) // 2, 1) + name
        bounds.append(_record(0x0085, content))
        at += len(body)
    return head + b"".join(bounds) + _record(0x000A) + b"".join(bodies)


def _entry(name: str, kind: int, start: int, size: int, child: int = _FREE, right: int = _FREE) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    head = text.ljust(64, b"\0") + struct.pack("<HBB", len(text), kind, 1)
    return head + struct.pack("<III", _FREE, right, child) + bytes(36) + struct.pack("<IQ", start, size)


def compound(streams: dict[str, bytes]) -> bytes:
    """Streams of at least 4,096 bytes in a compound file of 512-byte sectors."""
    streams = {name: content.ljust(4096, b"\0") for name, content in streams.items()}
    names = list(streams)
    sectors: list[bytes] = []
    fat: list[int] = []
    entries = [b""]
    for place, name in enumerate(names):
        content = streams[name]
        count = -(-len(content) // _SECTOR)
        entries.append(
            _entry(name, 2, len(sectors), len(content), right=place + 2 if place + 1 < len(names) else _FREE)
        )
        sectors += [content[at * _SECTOR : (at + 1) * _SECTOR].ljust(_SECTOR, b"\0") for at in range(count)]
        fat += [*range(len(fat) + 1, len(fat) + count), _END]
    entries[0] = _entry("Root Entry", 5, _END, 0, child=1 if names else _FREE)
    directory = b"".join(entries)
    directory += _entry("", 0, 0, 0) * (-len(entries) % 4)
    first_directory = len(sectors)
    count = len(directory) // _SECTOR
    sectors += [directory[at * _SECTOR : (at + 1) * _SECTOR] for at in range(count)]
    fat += [*range(len(fat) + 1, len(fat) + count), _END]
    tables = 1
    while tables * 128 < len(fat) + tables:
        tables += 1
    first_table = len(sectors)
    fat += [_FAT] * tables
    packed = struct.pack(f"<{len(fat)}I", *fat).ljust(tables * _SECTOR, b"\xff")
    sectors += [packed[at * _SECTOR : (at + 1) * _SECTOR] for at in range(tables)]
    assert tables <= 109, "a test file of this size needs another writer"
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, tables, first_directory, 0, 4096, _END, 0, _END, 0)
    places = [first_table + at if at < tables else _FREE for at in range(109)]
    return header + struct.pack("<109I", *places) + b"".join(sectors)


def xls_bytes(*sheets: OldSheet, extra: bytes = b"") -> bytes:
    """These sheets as an old workbook."""
    return compound({"Workbook": workbook_stream(sheets, extra)})
