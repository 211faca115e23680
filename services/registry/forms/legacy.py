"""Look into an old workbook (.xls) before anybody reads it: password, macros, extents, formulas, merged and hidden."""

from __future__ import annotations

import struct
from pathlib import Path

from services.registry.forms.compound import Compound
from services.registry.forms.limits import Limits
from services.registry.forms.marks import EXACT, Book, Marks
from services.registry.forms.problems import (
    FileDamaged,
    FileHasMacros,
    FileNotWorkbook,
    FileProtected,
    FileSuspicious,
    FileTooManyRows,
    FormulasEverywhere,
)

_BEGIN, _END, _BOUND, _PASSWORD, _DATES_1904 = 0x0809, 0x000A, 0x0085, 0x002F, 0x0022
_FORMULA, _NUMBER, _ROW, _MERGED = 0x0006, 0x0203, 0x0208, 0x00E5
_CELLS = frozenset({_FORMULA, _NUMBER, 0x0201, 0x0204, 0x0205, 0x027E, 0x00BD, 0x00BE, 0x00D6, 0x00FD})
_HIDDEN = 0x20


def inspect_old(path: Path, limits: Limits) -> Book:
    """Refuse what is no readable old workbook; answer each sheet's odd cells by its name."""
    compound = Compound(path.read_bytes())
    if "EncryptedPackage" in compound.names or "EncryptionInfo" in compound.names:
        raise FileProtected()
    stream = compound.stream("Workbook", "Book")
    if stream is None:
        raise FileNotWorkbook(found="OLE: " + "、".join(sorted(compound.names)[:5]))
    if "_VBA_PROJECT_CUR" in compound.names or "_VBA_PROJECT" in compound.names:
        raise FileHasMacros()
    try:
        return _book(stream, limits)
    except (struct.error, IndexError):
        raise FileDamaged(found="xls: record") from None


def _book(stream: bytes, limits: Limits) -> Book:
    sheets: dict[str, Marks] = {}
    is_1904 = False
    at = 0
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        if kind == _PASSWORD:
            raise FileProtected()
        if kind == _DATES_1904:
            is_1904 = struct.unpack_from("<H", stream, at + 4)[0] == 1
        if kind == _BOUND and len(sheets) < limits.sheets_seen:
            start, state, form = struct.unpack_from("<IBB", stream, at + 4)
            marks = Marks(hidden=bool(state & 3))
            if form == 0:
                _scan(stream, start, marks, limits)
            if _name(stream, at + 10) in sheets:
                raise FileSuspicious(found="工作表重名 (two sheets of one name)")
            sheets[_name(stream, at + 10)] = marks
        if kind == _END:
            break
        at += 4 + size
    if not sheets:
        raise FileNotWorkbook(found="xls: 没有工作表 (no sheet)")
    return Book(sheets, is_1904)


def _name(stream: bytes, at: int) -> str:
    length, is_wide = stream[at], stream[at + 1] & 1
    if is_wide:
        return stream[at + 2 : at + 2 + 2 * length].decode("utf-16-le", "replace")
    return stream[at + 2 : at + 2 + length].decode("latin-1")


def _scan(stream: bytes, at: int, marks: Marks, limits: Limits) -> None:
    """One sheet's records. Rows have sixteen bits there and are few; columns have sixteen too and must be looked at."""
    unpack = struct.unpack_from
    while at + 4 <= len(stream):
        kind, size = unpack("<HH", stream, at)
        if kind in _CELLS:
            row, column = unpack("<HH", stream, at + 4)
            if column >= limits.columns:
                raise FileTooManyRows(found=f"{column + 1} 列/columns", limit=str(limits.columns))
            if kind == _FORMULA:
                marks.formulas.setdefault(row + 1, set()).add(column)
            elif kind == _NUMBER and abs(unpack("<d", stream, at + 10)[0]) > EXACT:
                marks.rounded.setdefault(row + 1, set()).add(column)
        elif kind == _ROW and unpack("<H", stream, at + 16)[0] & _HIDDEN:
            marks.hidden_rows.add(unpack("<H", stream, at + 4)[0] + 1)
        elif kind == _MERGED:
            _merged(stream, at + 4, marks, limits)
        elif kind == _END:
            break
        at += 4 + size
    if sum(map(len, marks.formulas.values())) > limits.formulas:
        raise FormulasEverywhere(limit=limits.formulas)


def _merged(stream: bytes, at: int, marks: Marks, limits: Limits) -> None:
    for place in range(struct.unpack_from("<H", stream, at)[0]):
        first, last, left, right = struct.unpack_from("<HHHH", stream, at + 2 + 8 * place)
        marks.merge(first + 1, last + 1, left, right, limits)
