"""Counts and open doubts over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.registry.api.households import READERS, DivisionAsked
from services.registry.reports import households as reports
from shared.clock import today
from shared.values import DivisionCode
from shared.web import DivisionField, Now, Out, Page, PagingAsked, Router, Tx

router = Router("统计与疑点")


class CountsOut(Out):
    """户数人数: what stands in a division, and how many households have each status on a day."""

    division: DivisionField
    on: date
    households: int
    persons: int
    open_doubts: int
    by_status: dict[str, int]


class DoubtOut(Out):
    """疑点: to be checked on the spot; never a verdict."""

    id: UUID
    household: UUID
    person: UUID | None
    check_id: str
    severity: str
    field: str
    detail: str
    detail_en: str
    opened_at: datetime
    intake: UUID | None
    row: int | None

    @classmethod
    def of(cls, one: reports.OpenDoubt) -> DoubtOut:
        """A line of the list."""
        return cls(
            id=one.id,
            household=one.household,
            person=one.person,
            check_id=one.check_id,
            severity=one.severity,
            field=one.field,
            detail=one.detail_zh,
            detail_en=one.detail_en,
            opened_at=one.opened_at,
            intake=one.batch,
            row=one.batch_row,
        )


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


@router.get("/doubts", roles=READERS)
async def list_doubts(
    tx: Tx,
    paging: PagingAsked,
    division: Annotated[DivisionAsked, Query(description="区划代码：该区划及其下级")],
    check: Annotated[str | None, Query(pattern=r"^[A-Z][0-9]{1,3}$", description="校验规则编号")] = None,
    household: Annotated[UUID | None, Query(description="户标识")] = None,
) -> Page[DoubtOut]:
    """未核查的疑点，先发现的在前."""
    rows = await reports.open_doubts(
        tx,
        DivisionCode.parse(division),
        check_id=check,
        household=household,
        after=None if paging.after is None else paging.after[0],
        limit=paging.limit + 1,
    )
    return paging.page(rows, lambda one: [one.no], DoubtOut.of)
