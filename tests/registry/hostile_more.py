"""Forty more hostile files: how each is made and how it must end. The first ten are in `hostile`."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from services.registry.forms.compound import SIGN
from services.registry.forms.problems import (
    EncodingUnknown,
    FileDamaged,
    FileHasMacros,
    FileNotWorkbook,
    FileProtected,
    FileSuspicious,
    FileTooManyRows,
    FileUnpacksTooLarge,
    FormulasEverywhere,
    HeaderNotFound,
    HeaderRepeated,
    NoRows,
    RowTooLong,
)
from shared.errors import Problem
from tests.registry.oldbooks import OldSheet, compound, workbook_stream, xls_bytes
from tests.registry.sheets import csv_bytes, household, table
from tests.registry.workbooks.bag import Page, filled, place_of, plain, xlsx

Make = Callable[[], bytes]
SHEET = "xl/worksheets/sheet1.xml"
MAIN = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


def repacked(change: Callable[[str, bytes], bytes] | None = None, more: Mapping[str, bytes] | None = None) -> bytes:
    """A sound workbook with parts changed or added."""
    made, out = io.BytesIO(xlsx(Page(plain()))), io.BytesIO()
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            new.writestr(entry.filename, content if change is None else change(entry.filename, content))
        for name, content in (more or {}).items():
            new.writestr(name, content)
    return out.getvalue()


def in_part(part: str, change: Callable[[bytes], bytes]) -> Make:
    return lambda: repacked(lambda name, content: change(content) if name == part else content)


def after_declaration(content: bytes, more: bytes) -> bytes:
    declaration, _, rest = content.partition(b"?>")
    return declaration + b"?>" + more + rest


def named(name: str) -> Make:
    return lambda: repacked(more={name: b"x"})


def twice() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = io.BytesIO(repacked())
        with zipfile.ZipFile(out, "a") as archive:
            archive.writestr(SHEET, b"<worksheet/>")
        return out.getvalue()


def with_nul_in_a_name() -> bytes:
    return repacked(more={"evilXname": b"x"}).replace(b"evilXname", b"evil\0name")


def encrypted_entry() -> bytes:
    content = bytearray(repacked())
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(sign)
        while place >= 0:
            content[place + at] |= 1
            place = content.find(sign, place + 4)
    return bytes(content)


def many_entries() -> bytes:
    return repacked(more={f"xl/media/{at}.png": b"x" for at in range(600)})


def sheet_of(rows: str) -> Make:
    body = b'<?xml version="1.0"?><worksheet ' + MAIN + b"><sheetData>" + rows.encode() + b"</sheetData></worksheet>"
    return lambda: repacked(lambda name, content: body if name == SHEET else content)


def columns(count: int) -> bytes:
    lines = plain()
    return csv_bytes([[*lines[0], *(f"列{at}" for at in range(count))], *lines[1:]])


def old(extra: bytes = b"", **streams: bytes) -> bytes:
    return compound({"Workbook": workbook_stream([OldSheet("表", plain())], extra), **streams})


def old_far_column() -> bytes:
    stream = workbook_stream([OldSheet("表", [["户编号"]])])
    cell = struct.pack("<HHHHH", 0x0201, 6, 0, 60_000, 0)
    at = stream.rindex(struct.pack("<HH", 0x000A, 0))
    return compound({"Workbook": stream[:at] + cell + stream[at:]})


def endless_chain() -> bytes:
    content = bytearray(old())
    table_at = 512 * (1 + struct.unpack_from("<I", content, 76)[0])
    struct.pack_into("<I", content, table_at + 4 * 3, 2)
    return bytes(content)


def sector_out_of_the_file() -> bytes:
    content = bytearray(old())
    struct.pack_into("<I", content, 48, 100_000)
    return bytes(content)


def torn_records() -> bytes:
    stream = workbook_stream([OldSheet("表", plain())])
    bound = stream.index(struct.pack("<H", 0x0085))
    return compound({"Workbook": stream[:bound] + struct.pack("<HHI", 0x0085, 40_000, 9)})


def many_sheets() -> bytes:
    return xlsx(*(Page(plain()[:2], f"表{at}") for at in range(40)))


def formulas_without_place() -> bytes:
    return repacked(lambda name, content: content.replace(b'r="A2"', b"") if name == SHEET else content)


def with_placeless_formulas() -> bytes:
    def change(name: str, content: bytes) -> bytes:
        cells = b"<c><f>1+1</f><v>2</v></c>" * 800
        return content.replace(b"</sheetData>", b"<row>" + cells + b"</row></sheetData>") if name == SHEET else content

    return repacked(change)


def two_of_one_name() -> bytes:
    again = '<sheet name="登记表" sheetId="9" r:id="rId1"/></sheets>'.encode()
    return in_part("xl/workbook.xml", lambda content: content.replace(b"</sheets>", again))()


def overlapping_merges() -> bytes:
    def change(content: bytes) -> bytes:
        ranges = b"".join(b'<mergeCell ref="A2:A%d"/>' % (7 + at % 3) for at in range(20))
        distinct = ranges + b'<mergeCell ref="A1:B7"/><mergeCell ref="A2:C7"/>'
        return content.replace(b"</sheetData>", b"</sheetData><mergeCells>" + distinct + b"</mergeCells>")

    return in_part(SHEET, change)()


def zipped(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def blank_headings() -> bytes:
    lines = plain()
    return csv_bytes([["" for _ in lines[0]], *lines[1:]])


def bracketed_headings() -> bytes:
    return csv_bytes([[f"{'(1)' * 60}{at}" for at in range(300)]] * 20)


def twice_the_name() -> bytes:
    lines = plain()
    return csv_bytes([[*lines[0], "姓名"], *([*line, line[place_of(lines, "姓名")]] for line in lines[1:])])


def nested() -> bytes:
    return repacked(
        lambda name, content: (
            b"<workbook " + MAIN + b">" + b"<a>" * 300_000 + b"</a>" * 300_000 + b"</workbook>"
            if name == "xl/workbook.xml"
            else content
        )
    )


PROBLEMS: tuple[tuple[str, Make, type[Problem]], ...] = (
    ("billion laughs", in_part("xl/sharedStrings.xml", lambda c: after_declaration(c, LAUGHS)), FileNotWorkbook),
    ("external entity", in_part(SHEET, lambda c: after_declaration(c, OUTSIDE)), FileNotWorkbook),
    (
        "a part in UTF-16",
        in_part(SHEET, lambda c: c.decode().replace("UTF-8", "UTF-16").encode("utf-16")),
        FileSuspicious,
    ),
    ("a path that climbs", named("../../etc/cron.d/x"), FileSuspicious),
    ("a path from the root", named("/etc/x"), FileSuspicious),
    ("a path of windows", named("xl\\evil.xml"), FileSuspicious),
    ("a path with a drive", named("C:evil.xml"), FileSuspicious),
    ("a part twice", twice, FileSuspicious),
    ("a part twice in another case", named("XL/WORKSHEETS/SHEET1.XML"), FileSuspicious),
    ("a NUL in a name", with_nul_in_a_name, FileSuspicious),
    ("a name turned round", named("xl/\u202egpj.xml"), FileSuspicious),
    ("an encrypted entry", encrypted_entry, FileProtected),
    (
        "a workbook behind a password",
        lambda: compound({"EncryptionInfo": b"x", "EncryptedPackage": b"y"}),
        FileProtected,
    ),
    ("an old workbook behind a password", lambda: old(struct.pack("<HHHH", 0x2F, 4, 0, 0)), FileProtected),
    ("macros", named("xl/vbaProject.bin"), FileHasMacros),
    ("macros of an old workbook", lambda: old(_VBA_PROJECT_CUR=b"x"), FileHasMacros),
    ("600 parts", many_entries, FileUnpacksTooLarge),
    ("nested 300,000 deep", nested, FileUnpacksTooLarge),
    ("16,384 columns", sheet_of('<row r="1"><c r="XFD1" t="inlineStr"><is><t>x</t></is></c></row>'), FileTooManyRows),
    ("450 columns of text", lambda: columns(450), FileTooManyRows),
    ("column 60,000 of an old workbook", old_far_column, FileTooManyRows),
    ("row 900,000", sheet_of('<row r="900000"><c r="A900000"><v>1</v></c></row>'), FileTooManyRows),
    ("40 sheets", many_sheets, FileTooManyRows),
    ("two sheets of one name", two_of_one_name, FileSuspicious),
    ("a NUL in a sheet's name", lambda: xls_bytes(OldSheet("表\0一", plain())), FileSuspicious),
    ("overlapping merged cells", overlapping_merges, FileSuspicious),
    ("6,000 formulas", lambda: xlsx(Page([plain()[0], *[["=1+1"] * 20] * 300])), FormulasEverywhere),
    ("formulas without a place", with_placeless_formulas, FileSuspicious),
    ("a chain without end", endless_chain, FileDamaged),
    ("a sector out of the file", sector_out_of_the_file, FileDamaged),
    ("torn records", torn_records, FileDamaged),
    ("an old workbook of its sign alone", lambda: SIGN, FileDamaged),
    ("a sheet cut short", in_part(SHEET, lambda c: c[: len(c) // 2]), FileDamaged),
    ("a sheet that is not there", in_part("xl/_rels/workbook.xml.rels", lambda c: c.replace(b"sheet1", b"../../x")),
     FileNotWorkbook),
    ("a workbook of no sheets", in_part("xl/workbook.xml", lambda _: b"<workbook " + MAIN + b"/>"), FileNotWorkbook),
    ("a text document", lambda: zipped(**{"word/document.xml": b"<x/>"}), FileNotWorkbook),
    ("a web page", lambda: b"<html><table><tr><td>\xe6\x88\xb7</td></tr></table>", FileNotWorkbook),
    ("an old document", lambda: compound({"WordDocument": b"x"}), FileNotWorkbook),
    ("NUL bytes", lambda: csv_bytes(plain()).replace(b",", b"\0,", 3), FileNotWorkbook),
    ("half characters", lambda: csv_bytes(plain()) + b"\xed\xa0\x80\xff\xff\n", EncodingUnknown),
    ("an open quotation mark", lambda: csv_bytes(plain()) + b'"623,' * 3, FileDamaged),
    ("a row too long", lambda: csv_bytes([*plain(), ["x"] * 60]), RowTooLong),
    ("headings of brackets alone", bracketed_headings, HeaderNotFound),
    ("headings without words", blank_headings, HeaderNotFound),
    ("a heading twice", twice_the_name, HeaderRepeated),
    ("nothing but titles", lambda: xlsx(Page([["登记表"], ["说明"]])), HeaderNotFound),
    ("nothing below the header", lambda: csv_bytes([*plain()[:1], ["注：本页无数据，请勿删除此行说明"]]), NoRows),
)  # fmt: skip


def cell(heading: str, value: str) -> Make:
    """The fourth row's cell under a heading."""

    def make() -> bytes:
        lines = [list(line) for line in table(household())]
        lines[3][place_of(lines, heading)] = value
        return csv_bytes(lines)

    return make


def written(value: Any) -> Make:
    """The fourth row's wage as a cell of a workbook."""
    return lambda: xlsx(Page([line if at != 3 else _with(line, value) for at, line in enumerate(plain()[:4])]))


def _with(line: list[Any], value: Any) -> list[Any]:
    at = place_of(plain(), "务工月收入")
    return [*line[:at], value, *line[at + 1 :]]


def escaped_nul() -> bytes:
    return in_part("xl/sharedStrings.xml", lambda c: c.replace("王小明".encode(), "王_x0000_小明".encode()))()


MARKS: tuple[tuple[str, Make, str, str], ...] = (
    ("a name turned round", cell("姓名", "王\u202e明小"), "name", "cell.control"),
    ("a space that nobody sees in an id", cell("证件号码", "629999\u200b201001120037"), "id_number", "cell.control"),
    ("an escape sequence", cell("姓名", "王\x1b[31m明"), "name", "cell.control"),
    ("a name of 40,000 characters", cell("姓名", "王" * 40_000), "name", "cell.too_long"),
    ("an amount of 400 digits", cell("务工月收入", "9" * 400), "work_monthly_pay_fen", "money.unreadable"),
    ("1e308", cell("务工月收入", "1e308"), "work_monthly_pay_fen", "money.unreadable"),
    ("not a number", cell("务工月收入", "NaN"), "work_monthly_pay_fen", "money.unreadable"),
    ("infinity", cell("务工月收入", "-Infinity"), "work_monthly_pay_fen", "money.unreadable"),
    ("a huge cell of a workbook", written(1e300), "work_monthly_pay_fen", "money.unreadable"),
    ("less than nothing", cell("务工月收入", "-5"), "work_monthly_pay_fen", "number.range"),
    ("the day nought", cell("出生日期", "0000-00-00"), "birth_on", "date.unreadable"),
    ("the year 9999", cell("出生日期", "9999-12-31"), "birth_on", "date.unreadable"),
    ("the year 20190", cell("出生日期", "20190-01-12"), "birth_on", "date.unreadable"),
    ("a serial of 2,958,466", cell("出生日期", "2958466"), "birth_on", "date.unreadable"),
    ("a household of 60 digits", cell("户编号", "6" * 60), "number", "digits.wrong"),
    ("a formula", cell("务工所在地", "=cmd|' /C calc'!A0"), "workplace", "cell.formula"),
    ("a formula with a tab", cell("务工所在地", "\t=1+1"), "workplace", "cell.formula"),
)


def dangerous() -> bytes:
    """Texts that a spreadsheet would take for formulas, and headings with what nobody sees; refused for one cell."""
    lines = [[*plain()[0], "备\u202e注\0", "@SUM(A1)"], *([*line, "=1+1", "-2+3"] for line in plain()[1:])]
    lines[1][place_of(lines, "村民小组")] = "+1-1"
    lines[3][place_of(lines, "出生日期")] = "\r=2010"
    lines[3][place_of(lines, "务工所在地")] = "\u202e@x"
    return csv_bytes(lines).replace(b"\0", b"")


def old_dangerous() -> bytes:
    """The same, through an old workbook, whose strings may hold a NUL."""
    lines = filled(lambda heading, text: "=1+1" if heading == "务工所在地" else text)
    return xls_bytes(OldSheet("表一", [[*lines[0], "备\0注"], *([*line, "\0"] for line in lines[1:])]))
