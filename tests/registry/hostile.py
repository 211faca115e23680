"""Ten hostile files, how each must end, and a process that reads them within bounds."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
import zipfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from services.registry.forms.child import bind_to_parent
from services.registry.forms.problems import (
    EncodingUnknown,
    FileDamaged,
    FileNotWorkbook,
    FileTooManyRows,
    FileUnpacksTooLarge,
    HeaderRepeated,
    NoRows,
)
from shared.errors import Problem
from tests.registry.sheets import csv_bytes, household, read, table, write_xlsx

MEMORY_BYTES, SECONDS = 3 * 2**30, 30
Make = Callable[[Path], Path]
Marks = list[tuple[int, str, str]]


def sheet_xml(rows: str) -> str:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<?xml version="1.0"?><worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'


def workbook_around(path: Path, sheet: bytes, template: Path) -> Path:
    """A workbook whose first sheet is this XML."""
    write_xlsx(template, table(household()))
    with zipfile.ZipFile(template) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, sheet if "worksheets/sheet1" in entry.filename else old.read(entry))
    return path


def hostile_truncated(folder: Path) -> Path:
    path = write_xlsx(folder / "t.xlsx", table(household()))
    path.write_bytes(path.read_bytes()[:-700])
    return path


def hostile_not_workbook(folder: Path) -> Path:
    path = folder / "t.xlsx"
    path.write_bytes(b"%PDF-1.7 a form that somebody scanned")
    return path


def hostile_zip_bomb(folder: Path) -> Path:
    return workbook_around(folder / "t.xlsx", sheet_xml(" " * 60_000_000).encode(), folder / "template.xlsx")


def hostile_million_empty_rows(folder: Path) -> Path:
    rows = "".join(f'<row r="{at}" ht="15" customHeight="1"/>' for at in range(1, 1_048_577))
    return workbook_around(folder / "t.xlsx", sheet_xml(rows).encode(), folder / "template.xlsx")


def hostile_repeated_header(folder: Path) -> Path:
    lines = table(household())
    return write_xlsx(folder / "t.xlsx", [[*lines[0], "身份证号"], *lines[1:]])


def hostile_header_only(folder: Path) -> Path:
    return write_xlsx(folder / "t.xlsx", table(household())[:1])


def hostile_wrong_encoding(folder: Path) -> Path:
    path = folder / "t.csv"
    path.write_bytes(csv_bytes(table(household())).decode().encode("utf-16"))
    return path


def hostile_formulas(folder: Path) -> Path:
    lines = table(household())
    lines[2][lines[0].index("务工月收入")] = "=1000+500"
    return write_xlsx(folder / "t.xlsx", lines)


def hostile_damaged_number(folder: Path) -> Path:
    lines: list[list[object]] = [list(line) for line in table(household())]
    lines[3][table(household())[0].index("证件号码")] = int(household()[2]["证件号码"][:17] + "0")
    return write_xlsx(folder / "t.xlsx", lines)


def hostile_two_heads(folder: Path) -> Path:
    rows = household()
    rows[1]["与户主关系"] = "户主"
    return write_xlsx(folder / "t.xlsx", table(rows))


PROBLEMS: list[tuple[Make, type[Problem]]] = [
    (hostile_truncated, FileDamaged),
    (hostile_not_workbook, FileNotWorkbook),
    (hostile_zip_bomb, FileUnpacksTooLarge),
    (hostile_million_empty_rows, FileTooManyRows),
    (hostile_repeated_header, HeaderRepeated),
    (hostile_header_only, NoRows),
    (hostile_wrong_encoding, EncodingUnknown),
]
MARKS: list[tuple[Make, tuple[int, str, str]]] = [
    (hostile_formulas, (3, "work_monthly_pay_fen", "cell.formula")),
    (hostile_damaged_number, (4, "id_number", "id.damaged")),
    (hostile_two_heads, (3, "relation", "I8")),
]


def read_within_bounds(path: Path) -> tuple[int, int, Marks]:
    """Rows, persons kept and marks, read by a process with little memory and little time."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_read, args=(theirs, path), daemon=True)
    child.start()
    theirs.close()
    try:
        assert ours.poll(SECONDS), "still reading"
        said: tuple[int, int, Marks] | Problem = ours.recv()
    finally:
        child.kill()
        child.join()
    if isinstance(said, Problem):
        raise said
    return said


def _read(answers: Connection, path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        reading = read(path)
    except Problem as problem:
        answers.send(problem)
    else:
        marks = reading.refusals.select("row", "field", "code").rows()
        answers.send((reading.rows, reading.persons.height, marks))


def start_and_wait(mark: Path) -> None:
    """A process that starts a bound one and waits for it."""
    child = multiprocessing.get_context("spawn").Process(target=_bound, args=(mark, os.getpid()))
    child.start()
    child.join()


def _bound(mark: Path, parent: int) -> None:
    bind_to_parent(parent)
    mark.write_text(str(os.getpid()))
    time.sleep(60)
