"""区划 over HTTP: everybody with a role reads what lies in or above the scope, an operator amends inside it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import Path, Query, Response
from pydantic import Field, StringConstraints

from services.registry.actions import divisions as actions
from services.registry.actions.carrying import SUBMITTERS, Succession, supersede
from services.registry.api.households import FutureRefused
from services.registry.api.times import TIMES_PROBLEMS, AsOfAsked
from services.registry.domain.division import (
    Division,
    DivisionChange,
    DivisionEnded,
    DivisionEndsEarly,
    DivisionIntoItself,
    DivisionMissing,
    DivisionNameless,
    DivisionNotVillage,
)
from services.registry.reports.divisions import list_divisions as list_report
from services.registry.reports.past import divisions_then
from services.registry.store.divisions import load_division
from shared.clock import today
from shared.values import DivisionCode, Level
from shared.web import (
    Body,
    DivisionField,
    IfMatch,
    JobOut,
    Now,
    Officer,
    Out,
    Page,
    PagingAsked,
    Role,
    Router,
    Tx,
    set_etag,
)

router = Router("区划")

PLAIN = r"^[^\x00-\x1f\x7f]+$"
CodeInPath = Annotated[str, Path(pattern=r"^[1-9][1-9][0-9]{10}$", description="12位区划代码")]


class DivisionOut(Out):
    """区划."""

    code: DivisionField
    name: str
    level: Level
    parent: DivisionField | None
    valid_from: date
    valid_to: date | None
    superseded_by: DivisionField | None
    version: int

    @classmethod
    def of(cls, division: Division) -> DivisionOut:
        """As it stands."""
        return cls.model_validate(division)


class DivisionPatch(Body):
    """区划变更: what is left out stays as it is."""

    name: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=PLAIN)] | None
    ) = None
    valid_to: date | None = Field(None, description="撤销日期")
    superseded_by: DivisionField | None = Field(None, description="并入的区划")


class SuccessionBody(Body):
    """并村、改码: which village takes its place, from which day on; a preview changes nothing."""

    into: DivisionField
    name: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=PLAIN)] | None
    ) = Field(None, description="接续的代码尚不在册时，其名称")
    on: date = Field(description="自这一天起：原代码的最后一天是前一天")
    preview: bool = Field(False, description="只预览有多少户、多少人随之划转，不登记")


class SuccessionOut(Out):
    """并村、改码结果: what lies under the old code, both divisions, and the job that carries it over."""

    preview: bool
    households: int = Field(description="原代码下的户数，含已注销的")
    persons: int = Field(description="原代码下的人数，含已迁出、去世而最后在此的")
    old: DivisionOut
    new: DivisionOut
    job: JobOut | None


@router.get("/divisions", roles=tuple(Role), problems=TIMES_PROBLEMS)
async def list_divisions(
    tx: Tx,
    paging: PagingAsked,
    asked: AsOfAsked,
    parent: Annotated[str | None, Query(pattern=r"^[1-9][1-9][0-9]{10}$", description="上级区划代码")] = None,
    level: Annotated[Level | None, Query(description="级别")] = None,
    name: Annotated[str | None, Query(min_length=1, max_length=50, pattern=PLAIN, description="名称中含有")] = None,
) -> Page[DivisionOut]:
    """区划列表，按代码排序：管辖范围内的及其上级；问过去时只列 as_of 当日在用的."""
    given: dict[str, Any] = {
        "parent": None if parent is None else DivisionCode.parse(parent),
        "level": level,
        "name": name,
        "after": None if paging.after is None else paging.after[0],
        "limit": paging.limit + 1,
    }
    rows = await list_report(tx, **given) if asked is None else await divisions_then(tx, asked, **given)
    return paging.page(rows, lambda one: [one.code.value], DivisionOut.of)


@router.get("/divisions/{code}", roles=tuple(Role), problems=(DivisionMissing, *TIMES_PROBLEMS))
async def read_division(code: CodeInPath, tx: Tx, asked: AsOfAsked, response: Response) -> DivisionOut:
    """一个区划；可问过去：as_of 当日不在用，或当时尚未录入的，答未找到."""
    if asked is not None:
        found = await divisions_then(tx, asked, code=DivisionCode.parse(code))
        if not found:
            raise DivisionMissing
        return DivisionOut.of(found[0])
    division = await load_division(tx, DivisionCode.parse(code))
    set_etag(response, division.version)
    return DivisionOut.of(division)


@router.patch(
    "/divisions/{code}",
    roles=(Role.OPERATOR,),
    problems=(DivisionMissing, DivisionEndsEarly, DivisionIntoItself),
)
async def amend_division(
    code: CodeInPath, body: DivisionPatch, tx: Tx, officer: Officer, match: IfMatch, now: Now, response: Response
) -> DivisionOut:
    """改名、撤销或并入；须在管辖范围内."""
    change = DivisionChange(body.name, body.valid_to, body.superseded_by)
    division = await actions.amend(tx, DivisionCode.parse(code), change, match.check, officer.sub, now)
    set_etag(response, division.version)
    return DivisionOut.of(division)


@router.post(
    "/divisions/{code}/supersede",
    roles=SUBMITTERS,
    problems=(
        DivisionMissing,
        DivisionEnded,
        DivisionEndsEarly,
        DivisionIntoItself,
        DivisionNameless,
        DivisionNotVillage,
        FutureRefused,
    ),
)
async def supersede_division(
    code: CodeInPath, body: SuccessionBody, tx: Tx, officer: Officer, match: IfMatch, now: Now, response: Response
) -> SuccessionOut:
    """村并入另一村或改用另一代码：在册各户随之划转（任务），户编号不变，原代码仍可按日期查询；可预览."""
    if body.on > today(now):
        raise FutureRefused(on=body.on)
    asked = Succession(body.into, body.name, body.on)
    place, preview = DivisionCode.parse(code), body.preview
    done = await supersede(tx, place, asked, officer, match.check, now, is_preview=preview)
    if not preview:
        set_etag(response, done.old.version)
    return SuccessionOut(
        preview=preview,
        households=done.lying.households,
        persons=done.lying.persons,
        old=DivisionOut.of(done.old),
        new=DivisionOut.of(done.new),
        job=None if done.job is None else JobOut.of(done.job),
    )
