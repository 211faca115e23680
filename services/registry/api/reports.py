"""Counts over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field

from services.registry.api.households import READERS, DivisionAsked
from services.registry.api.times import TIMES_PROBLEMS, AsOfAsked
from services.registry.domain.times import AsOf
from services.registry.reports import households as reports
from services.registry.reports.past import totals_then
from shared.clock import today
from shared.values import DivisionCode
from shared.web import DivisionField, Now, Out, Router, Tx

router = Router("统计与疑点")


class CountsOut(Out):
    """户数人数: what stands in a division, and how many households have each status on a day."""

    division: DivisionField
    on: date
    households: int
    persons: int
    open_doubts: int
    by_status: dict[str, int]
    known_at: datetime | None = Field(None, description="所知时间：答复所按的时刻；空为现在的登记情况")
    moved_out: int = Field(0, description="当日在此、现已迁出管辖范围的户数：只计数，不计入以上各数")


@router.get("/reports/households", roles=READERS, problems=TIMES_PROBLEMS)
async def count_households(
    tx: Tx,
    now: Now,
    asked: AsOfAsked,
    division: Annotated[DivisionAsked, Query(description="区划代码：该区划及其下级")],
    on: Annotated[date | None, Query(description="户类型按哪一天计，默认今天；全部按某日计请用 as_of")] = None,
) -> CountsOut:
    """户数、人数、疑点数，及各户类型户数；可问过去（此时 on 无效）."""
    code, day = DivisionCode.parse(division), on or today(now)
    if asked is not None:
        return await _counts_then(tx, code, asked)
    found = await reports.totals(tx, code)
    return CountsOut(
        division=code,
        on=day,
        households=found.households,
        persons=found.persons,
        open_doubts=found.doubts,
        by_status=await reports.households_by_status(tx, code, day),
    )


async def _counts_then(tx: Tx, code: DivisionCode, asked: AsOf) -> CountsOut:
    found = await totals_then(tx, code, asked)
    return CountsOut(
        division=code,
        on=asked.on,
        households=found.households,
        persons=found.persons,
        open_doubts=found.doubts,
        by_status=found.by_status,
        known_at=asked.known_at,
        moved_out=found.moved_out,
    )
