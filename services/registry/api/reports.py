"""Counts and open doubts over HTTP. A doubt tells of a household: who reads it is written down."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.registry.api.households import IN_CLEAR, READERS, DivisionAsked
from services.registry.checks import CHECKS
from services.registry.domain.fields import BY_NAME, Privacy
from services.registry.reports import households as reports
from shared.auth import log_access
from shared.clock import today
from shared.values import DivisionCode
from shared.web import DivisionField, Now, Officer, Out, Page, PagingAsked, Purpose, Router, Tx

router = Router("统计与疑点")
USUAL_PURPOSE = "疑点核查"
QUESTIONS = {check.id: check for check in CHECKS}


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
    def of(cls, one: reports.OpenDoubt, *, in_clear: bool) -> DoubtOut:
        """A line of the list. Who may not see a household in clear reads what is asked, not what was found."""
        zh, en = (one.detail_zh, one.detail_en) if in_clear else _without_findings(one)
        return cls(
            id=one.id,
            household=one.household,
            person=one.person,
            check_id=one.check_id,
            severity=one.severity,
            field=one.field,
            detail=zh,
            detail_en=en,
            opened_at=one.opened_at,
            intake=one.batch,
            row=one.batch_row,
        )


def _without_findings(one: reports.OpenDoubt) -> tuple[str, str]:
    """A finding about income or cover tells of both; its check's question does not."""
    field, check = BY_NAME.get(one.field), QUESTIONS.get(one.check_id)
    if check is None or (field is not None and field.privacy in (Privacy.PLAIN, Privacy.PERSONAL)):
        return one.detail_zh, one.detail_en
    return check.zh, check.en


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
    officer: Officer,
    paging: PagingAsked,
    purpose: Purpose,
    division: Annotated[DivisionAsked, Query(description="区划代码：该区划及其下级")],
    check: Annotated[str | None, Query(pattern=r"^[A-Z][0-9]{1,3}$", description="校验规则编号")] = None,
    household: Annotated[UUID | None, Query(description="户标识")] = None,
) -> Page[DoubtOut]:
    """未核查的疑点，先发现的在前；查看留痕."""
    rows = await reports.open_doubts(
        tx,
        DivisionCode.parse(division),
        check_id=check,
        household=household,
        after=None if paging.after is None else paging.after[0],
        limit=paging.limit + 1,
    )
    shown = rows[: paging.limit]
    ids = dict.fromkeys(str(one) for row in shown for one in (row.household, row.person) if one is not None)
    await log_access(tx, officer, purpose=purpose or USUAL_PURPOSE, noun="doubt", ids=list(ids))
    in_clear = bool(officer.roles & frozenset(IN_CLEAR))
    return paging.page(rows, lambda one: [one.no], lambda one: DoubtOut.of(one, in_clear=in_clear))
