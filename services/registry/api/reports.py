"""Counts over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import Query

from services.registry.api.households import READERS, DivisionAsked
from services.registry.reports import households as reports
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


@router.get("/reports/households", roles=READERS)
async def count_households(
    tx: Tx,
    now: Now,
    division: Annotated[DivisionAsked, Query(description="区划代码：该区划及其下级")],
    on: Annotated[date | None, Query(description="户类型按哪一天计，默认今天")] = None,
) -> CountsOut:
    """户数、人数、疑点数，及各户类型户数."""
    code, day = DivisionCode.parse(division), on or today(now)
    found = await reports.totals(tx, code)
    return CountsOut(
        division=code,
        on=day,
        households=found.households,
        persons=found.persons,
        open_doubts=found.doubts,
        by_status=await reports.households_by_status(tx, code, day),
    )
