"""统计 over HTTP: how many of each value, place by place, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import Query, Response
from pydantic import Field

from services.registry.api.households import IN_CLEAR, READERS, DivisionAsked
from services.registry.api.times import TIMES_PROBLEMS, AsOfAsked
from services.registry.domain.counts import UNKNOWN, By, CountsTooWide, Protection, Tree, bands
from services.registry.domain.times import AsOf
from services.registry.forms.binding import dead
from services.registry.reports import counts as reports
from services.registry.reports.counts import Counted
from services.registry.reports.divisions import names_of
from services.registry.store.parameters import parameters
from shared.auth import Officer as Caller
from shared.clock import today
from shared.db import Transaction
from shared.values import DivisionCode
from shared.web import DivisionField, Now, Officer, Out, Router, Tx

router = Router("统计与疑点")
CSV = "text/csv; charset=utf-8"
LEAST, AGES = "counts.least", "counts.age_bands"
HIDDEN = "*"


class ValueOut(Out):
    """统计项的一个值."""

    value: str
    zh: str
    en: str


class PlaceOut(Out):
    """一个区划的数: None where it is not told."""

    division: DivisionField
    name: str
    total: int
    counts: dict[str, int | None] = Field(description="各值的数；空为小数保护，不予显示")


class CountsByOut(Out):
    """分区划统计: of a place and of each place of the next level beneath that has anybody."""

    division: DivisionField
    by: By
    of: Literal["households", "persons"]
    on: date
    known_at: datetime | None = Field(None, description="所知时间：答复所按的时刻；空为现在的登记情况")
    overlapping: bool = Field(description="一户可有多个值，各值之和可大于合计")
    least: int | None = Field(description="小数保护：小于此数的不予显示；空为未保护")
    values: list[ValueOut]
    all: PlaceOut
    places: list[PlaceOut]
    moved_out: int = Field(0, description="当日在此、现已迁出管辖范围的户数：只计数，不计入以上各数")


@dataclass(frozen=True, slots=True)
class _Terms:
    """Of what and for whom is counted."""

    division: DivisionCode
    root: DivisionCode
    by: By
    on: date
    least: int | None
    ages: reports.Bands


@router.get(
    "/reports/counts",
    roles=READERS,
    problems=(CountsTooWide, *TIMES_PROBLEMS),
    answers={200: {"model": CountsByOut, "content": {CSV: {}}}},
)
async def count_by(
    tx: Tx,
    officer: Officer,
    now: Now,
    asked: AsOfAsked,
    division: Annotated[DivisionAsked, Query(description="区划代码：该区划及其下一级")],
    by: Annotated[By, Query(description="按什么统计")] = By.DIVISION,
    format: Annotated[Literal["json", "csv"], Query(description="答复格式")] = "json",  # noqa: A002 - its name in the address
) -> Response:
    """户数或人数，按区划、户类型、致贫原因、年龄段、民族、文化程度、劳动技能或健康状况；可问过去."""
    on = today(now) if asked is None else asked.on
    terms = await _terms(tx, officer, DivisionCode.parse(division), by, on)
    counted = await _counted(tx, terms, asked)
    shown = await _shown(tx, terms, counted, asked)
    if format == "csv":
        name = f"counts-{by}-{shown.division.text}-{on}.csv"
        return Response(_csv(shown), media_type=CSV, headers={"Content-Disposition": f'attachment; filename="{name}"'})
    return Response(shown.model_dump_json(), media_type="application/json")


async def _terms(tx: Transaction, officer: Caller, division: DivisionCode, by: By, on: date) -> _Terms:
    """Who may see people sees every count. Others are told no small one, within one of their own places."""
    rows = await parameters(tx)
    ages = bands([int(end) for end in rows.at(AGES, division, on).value.split(",")]) if officer.scope else []
    if officer.roles & frozenset(IN_CLEAR) or not by.is_sensitive:
        return _Terms(division, division, by, on, None, ages)
    own = [one for one in officer.divisions if one.contains(division)]
    if not own:
        raise CountsTooWide
    root = min(own, key=lambda one: (one.lo, -one.hi))
    return _Terms(division, root, by, on, int(rows.at(LEAST, root, on).value), ages)


async def _counted(tx: Transaction, terms: _Terms, asked: AsOf | None) -> Counted:
    if asked is None:
        return await reports.counts_of(tx, terms.root, terms.by, terms.on, terms.ages)
    return await reports.counts_then(tx, terms.root, terms.by, asked, terms.ages)


def _values(terms: _Terms) -> list[ValueOut]:
    if terms.by is By.DIVISION:
        return []
    codes = terms.by.codes
    named = (
        [ValueOut(value=name, zh=f"{name}岁", en=f"aged {name}") for name, _, _ in terms.ages]
        if codes is None
        else [ValueOut(value=one.code, zh=one.zh, en=one.en) for one in codes.codes]
    )
    unknown = [] if terms.by.may_overlap else [ValueOut(value=UNKNOWN, zh="未填", en="not known")]
    return [*named, *unknown]


async def _shown(tx: Transaction, terms: _Terms, counted: Counted, asked: AsOf | None) -> CountsByOut:
    values, place = _values(terms), terms.division.value
    names = [one.value for one in values]
    tree, everybody = Tree(terms.root, counted.cells, names), Tree(terms.root, counted.everybody, [""])
    nothing: frozenset[str] = frozenset()
    protection = None if terms.least is None else Protection(terms.least)
    own, beneath = (nothing, nothing) if protection is None else protection.hidden_at(tree, place)
    told = await names_of(tx, [place, *everybody.beneath(place)])

    def of(one: int, hidden: frozenset[str]) -> PlaceOut:
        counts: Mapping[str, int] = tree.counts[one]
        return PlaceOut(
            division=DivisionCode(one),
            name=told.get(one, ""),
            total=everybody.counts[one][""],
            counts={name: None if name in hidden else counts.get(name, 0) for name in names},
        )

    return CountsByOut(
        division=terms.division,
        by=terms.by,
        of="households" if terms.by.of_households else "persons",
        on=terms.on,
        known_at=None if asked is None else asked.known_at,
        overlapping=terms.by.may_overlap,
        least=terms.least,
        values=values,
        all=of(place, own),
        places=[of(one, beneath) for one in everybody.beneath(place)],
        moved_out=counted.moved_out,
    )


def _csv(shown: CountsByOut) -> bytes:
    """A line a place; what is not told is a star."""
    text = io.StringIO()
    sheet = csv.writer(text)
    total = "合计户数" if shown.of == "households" else "合计人数"
    sheet.writerow(["区划代码", "区划", total, *(one.zh for one in shown.values)])
    for place in (shown.all, *shown.places):
        counts = [place.counts[one.value] for one in shown.values]
        told = [HIDDEN if count is None else str(count) for count in counts]
        sheet.writerow([place.division.text, dead(place.name), str(place.total), *told])
    said = [f"注：按{shown.on.isoformat()}的情况"]
    if shown.known_at is not None:
        said.append(f"注：按登记簿在{shown.known_at.isoformat()}的所知")
    if shown.least is not None:
        said.append(f"注：小数保护，小于{shown.least}的数及可据以推算的数以{HIDDEN}代替")
    sheet.writerows([one] for one in said)
    return text.getvalue().encode("utf-8-sig")
