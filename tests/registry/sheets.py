"""Plain builders of sheets in the national form: a sound household of three, changed cell by cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import xlsxwriter

from services.registry.checks import checks_with
from services.registry.forms import Limits, Reading, read_file
from shared.parameters import Parameters, read_parameters
from shared.values import Scope, citizen_id_check

VILLAGE = "623023100200"
VISITED = date(2019, 8, 20)
NUMBERS = Parameters(read_parameters(Path(__file__).parents[2] / "services/registry/migrations/data/parameters.csv"))
CHECKS = checks_with(NUMBERS)
"""All checks with the dated numbers that the service is delivered with."""
Row = dict[str, str]


def citizen_id(born: str, order: int) -> str:
    """A number that was never issued (area 629999) with a valid check; an odd order is male."""
    seventeen = f"629999{born}{order:03d}"
    return seventeen + citizen_id_check(seventeen)


def household(number: str = VILLAGE + "0001", order: int = 1) -> list[Row]:
    """李秀英's household: she, her husband, their son of nine; nothing in it is in doubt."""
    about: Row = {
        "户编号": number,
        "村民小组": "二组",
        "建档日期": "2014-03-01",
        "户类型": "贫困户",
        "识别时间": "2014-03-01",
        "主要致贫原因": "因病",
        "其他致贫原因": "缺资金",
        "家庭人口数": "3",
        "住房安全等级": "A级",
        "合规自付支出": "3200.00",
        "收入年度起": "2018-10-01",
        "收入年度止": "2019-09-30",
        "务工收入": "9000.00",
        "低保金": "1200.50",
        "种植业收入": "2400",
        "种植业支出": "600",
        "工资性收入": "9000.00",
        "生产经营性收入": "2400",
        "转移性收入": "1200.50",
        "生产经营性支出": "600",
        "家庭纯收入": "12000.50",
        "人均纯收入": "4000.17",
    }
    cover = {
        "参加医疗保险情况": "城乡居民基本医疗保险",
        "是否参加大病保险": "是",
        "参加养老保险情况": "城乡居民基本养老保险",
    }
    head = member("李秀英", "户主", "女", "1980-03-05", order * 2, **cover, 劳动技能="普通劳动力", 健康状况="患有大病")
    husband = member(
        "王建国", "配偶", "男", "1978-11-20", order * 2 + 1, **cover, 劳动技能="普通劳动力", 健康状况="健康"
    )
    husband |= {"务工所在地": "甘肃省兰州市城关区", "务工时间": "6", "务工月收入": "1500"}
    son = member("王小明", "之子", "男", "2010-01-12", order * 2 + 1, **cover, 劳动技能="无劳动力", 健康状况="健康")
    return [about | head, {"户编号": number} | husband, {"户编号": number} | son]


def member(name: str, relation: str, sex: str, born: str, order: int, **more: str) -> Row:
    """One person's cells."""
    about = {"姓名": name, "与户主关系": relation, "性别": sex, "出生日期": born, "在户状态": "在户"}
    return {**about, "证件类型": "居民身份证", "证件号码": citizen_id(born.replace("-", ""), order), **more}


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every wording that stands in a row, in order of first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def table(rows: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """Header and lines."""
    header = columns_of(rows)
    return [header, *([row.get(name, "") for name in header] for row in rows)]


def csv_bytes(lines: Sequence[Sequence[str]], encoding: str = "utf-8") -> bytes:
    """Lines as CSV."""
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode(encoding)


def write_csv(path: Path, rows: Sequence[Mapping[str, str]], encoding: str = "utf-8") -> Path:
    """Rows as a CSV file."""
    path.write_bytes(csv_bytes(table(rows), encoding))
    return path


def write_xlsx(path: Path, lines: Sequence[Sequence[object]]) -> Path:
    """Lines as a workbook: text as text, numbers as numbers, `=…` as a formula."""
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet("登记表")
        for at, line in enumerate(lines):
            for column, value in enumerate(line):
                if isinstance(value, str) and value.startswith("="):
                    page.write_formula(at, column, value)
                elif isinstance(value, str) and value:
                    page.write_string(at, column, value)
                elif value not in ("", None):
                    page.write(at, column, value)
    return path


def read(path: Path, scope: Scope | None = None, limits: Limits | None = None) -> Reading:
    """Read a file as the intake does, visited on 2019-08-20."""
    return read_file(
        path, checks=CHECKS, scope=Scope.everything() if scope is None else scope, on=VISITED, limits=limits
    )


def read_rows(folder: Path, rows: Sequence[Mapping[str, str]]) -> Reading:
    """Read these rows from a CSV file."""
    return read(write_csv(folder / "table.csv", rows))
