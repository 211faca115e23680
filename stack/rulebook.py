"""The rule book: packs, numbers and cases as one page that officers read and sign; made from the files that judge.

Nothing is written twice: criteria come from the packs, numbers with their law from the reference rows, cases from the
files that the tests run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from services.assessment.domain.packs import Criterion, Pack
from services.assessment.rules import packs
from shared.parameters import EVERYWHERE_ZH, Parameter, Parameters, read_parameters
from stack.home import PROJECT

PARAMETERS = PROJECT / "services" / "assessment" / "migrations" / "data" / "parameters.csv"
CASES = PROJECT / "tests" / "assessment" / "cases"
STATES = {"met": "达标", "unmet": "未达标", "unknown": "无法判断"}
VERDICTS = {
    "met": "达到标准",
    "unmet": "未达到标准",
    "unknown": "无法判断",
    "not_applicable": "不适用",
    "none": "无明显风险",
    "attention": "需关注",
    "high": "高风险",
}


def rulebook(parameters: Path = PARAMETERS, cases: Path = CASES) -> str:
    """The page."""
    table = Parameters(read_parameters(parameters))
    lines = [
        "# 规则手册 Rule book",
        "",
        "由规则包、参数和案例自动生成（`tuopin papers`），请勿手改。数字按地、按日期、有依据；",
        "“待核实”的依据须由主管部门确认。",
        "",
        "Made from packs, parameters and cases; do not edit. A number holds for a place and for days, on a law;",
        'what says "to be confirmed" must be confirmed by the authority.',
        "",
    ]
    for pack in packs():
        lines += _pack(pack, table, cases / f"{pack.id}.yaml")
    return "\n".join(lines) + "\n"


def _pack(pack: Pack, table: Parameters, cases: Path) -> Iterator[str]:
    shape = pack.shape
    yield from (f"## {shape.title.zh} {shape.title.en}", "", f"`{pack.id}` · SHA-256 `{pack.hash}`", "")
    yield from (shape.about.zh.strip(), "", shape.about.en.strip(), "", f"适用 applies: `{shape.applies}`", "")
    yield "### 标准 Criteria"
    yield ""
    yield "| | 标准 | Criterion | 成立条件 holds when | 依据 law |"
    yield "|---|---|---|---|---|"
    for criterion in pack.criteria:
        yield _criterion(criterion)
    yield from ("", "### 汇总与派生 Aggregates and derived values", "")
    for name, one in shape.aggregates.items():
        [(how, text)] = [(how, text) for how in ("count", "sum", "all", "any") if (text := getattr(one, how))]
        where = "" if one.where is None else f" where `{_one_line(one.where)}`"
        yield f"- `{name}` = {how} over {one.over} of `{_one_line(text)}`{where}"
    for name, derived in shape.derived.items():
        yield f"- `{name}` = `{_one_line(derived.value)}`"
    yield from ("", "### 结论 Verdicts", "", *_verdict(pack), "")
    yield from _parameters(pack, table)
    yield from _cases(cases)


def _criterion(one: Criterion) -> str:
    name = one.shape.name
    laws = " ".join(f"`{law}`" for law in one.shape.law)
    return f"| {one.place} `{one.code}` | {name.zh} | {name.en} | `{_one_line(one.shape.when)}` | {laws} |"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _verdict(pack: Pack) -> Iterator[str]:
    verdict = pack.shape.verdict
    if verdict.kind == "all":
        yield "有一条未达标即未达到标准；没有未达标而有一条无法判断即无法判断；全部达标才达到标准。"
        yield "One criterion not met: not met. None unmet but one unknown: unknown. Otherwise met."
        return
    weights = "，".join(f"`{one.code}` → `{one.shape.weight}`" for one in pack.criteria)
    yield f"未达标的标准按权重计分：{weights}；达到 `{verdict.attention}` 为需关注，达到 `{verdict.high}` 为高风险。"
    yield "Weights of criteria not met are added; what is uncertain never lowers a band that is certain."


def _parameters(pack: Pack, table: Parameters) -> Iterator[str]:
    yield from (
        "### 参数 Numbers",
        "",
        "| 参数 | 地区 | 起 | 止 | 取值 | 单位 | 依据 | Basis |",
        "|---|---|---|---|---|---|---|---|",
    )
    for row in sorted(table, key=_order):
        if row.key in pack.keys or row.key.startswith("payout_component."):
            place = EVERYWHERE_ZH if row.division is None else row.division.text
            until = "" if row.valid_to is None else row.valid_to.isoformat()
            told = (f"`{row.key}`", place, row.valid_from.isoformat(), until, row.value, row.unit)
            yield f"| {' | '.join(told)} | {row.basis_zh} | {row.basis_en} |"
    yield ""


def _order(row: Parameter) -> tuple[str, int, str]:
    return row.key, 0 if row.division is None else row.division.value, row.valid_from.isoformat()


def _cases(file: Path) -> Iterator[str]:
    text = file.read_text(encoding="utf-8")
    yield from ("### 案例 Cases", "")
    yield from (line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ") and "——" not in line)
    yield from ("", "| 案例 | 日期 | 与样板户不同之处 | 结果 |", "|---|---|---|---|")
    for case in yaml.safe_load(text):
        given = yaml.safe_dump(case["given"], allow_unicode=True, default_flow_style=True, width=10_000).strip()
        place = f"（{case['place']}）" if "place" in case else ""
        yield f"| {case['name']}{place} | {case['date']} | `{_one_line(given)}` | {_expected(case['expected'])} |"
    yield ""


def _expected(expected: dict[str, Any]) -> str:
    told = []
    for name, value in expected.items():
        words = f"{value}分" if name == "score" else (VERDICTS if name == "verdict" else STATES)[value]
        told.append(words if name in ("score", "verdict") else f"`{name}` {words}")
    return "，".join(told)
