"""导入 over HTTP: hand in a file, look at its progress, record a trial run, fetch the answer workbook.

Progress, cancelling and the list are the job routes that every service has.
"""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from pathlib import Path as File
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import Field, StringConstraints

from services.registry.actions import intake as actions
from services.registry.actions import undo
from services.registry.actions.intake import (
    SUBMITTERS,
    AbsenceDecided,
    AbsenceMissing,
    AbsenceOfTrial,
    AnswerForgotten,
    AnswerNotReady,
    BlankWrong,
    ColumnChoiceWrong,
    DiffNotAsked,
    HandedIn,
    IntakeMissing,
    IntakeNotTried,
    IntakeTakenUp,
)
from services.registry.api.answers import A_WORKBOOK, workbook
from services.registry.api.households import FutureRefused, keys_of
from services.registry.domain.diffs import field_zh, value_zh
from services.registry.domain.modes import Blank, Decided, Mode
from services.registry.domain.payouts import IncomeYearWrong
from services.registry.reports import intakes as reports
from services.registry.store.uploads import find_intake, load_counts
from shared.auth import log_access
from shared.clock import today
from shared.jobs import JobState, load_job
from shared.values import DivisionCode, Period
from shared.web import (
    WORKBOOKS,
    Body,
    DivisionField,
    JobOut,
    Now,
    Officer,
    Out,
    Page,
    PagingAsked,
    Role,
    Router,
    Tx,
    UploadedFile,
)

router = Router("导入")
SOURCE = r"^[0-9A-Za-z_.\u4e00-\u9fff-]+$"
READERS = (*SUBMITTERS, Role.REVIEWER, Role.APPROVER, Role.AUDITOR)


class ColumnOut(Out):
    """列: what a column of the file was taken for, why, and whether that is sure; without a field it is not read."""

    sheet: str
    column: int
    heading: str
    field: str | None
    label: str | None
    unit: str | None
    why: str
    detail: str
    detail_en: str
    sure: bool


class NoteOut(Out):
    """读表说明: rows and sheets that were left out, or read though nobody sees them."""

    code: str
    detail: str
    detail_en: str
    sheet: str
    rows: list[int]
    count: int


class IntakeOut(Out):
    """导入: the file, its job, and what became of its rows so far."""

    job: JobOut
    filename: str
    sha256: str
    dry_run: bool
    year_from: date
    year_to: date
    observed_on: date
    rows: int | None
    rows_new: int
    rows_changed: int
    rows_unchanged: int
    rows_refused: int
    doubts: int
    answered_at: datetime | None
    source: str | None
    mode: Mode
    blank: Blank
    absent: int = Field(description="整村核对时名单未列的户数")
    undoes: UUID | None = Field(description="本批次所撤销的导入；此时行数按户计")
    columns: list[ColumnOut]
    notes: list[NoteOut]


class LeftAloneOut(Out):
    """未撤销的户: changed since by somebody else."""

    number: str
    changed_by: str
    changed_at: datetime


class UndoOut(Out):
    """撤销预览: what taking the batch back would do now; the first hundred of those that were changed since."""

    restored: int = Field(description="恢复到导入前的户数")
    withdrawn: int = Field(description="因本次导入才入册、将作废的户数")
    left_alone: int = Field(description="此后有变更、不予撤销的户数")
    changed_since: list[LeftAloneOut]


class DiffOut(Out):
    """变更项: one line of what a file changes; names masked, of sealed values only that they change."""

    row: int
    number: str
    masked_name: str | None = Field(description="所涉成员；关于整户的为空")
    kind: Literal["new", "changed", "left"]
    field: str | None = Field(description="字段名，或起止有变的户类型；新增的为空")
    label: str | None
    before: str | None
    after: str | None
    before_text: str | None
    after_text: str | None

    @classmethod
    def of(cls, one: reports.ChangeListed) -> DiffOut:
        """With its words."""
        plain: dict[str, Any] = {name: getattr(one, name) for name in ("row", "number", "masked_name", "kind", "field")}
        texts = {"before_text": value_zh(one.field, one.before), "after_text": value_zh(one.field, one.after)}
        return cls(**plain, label=field_zh(one.field), before=one.before, after=one.after, **texts)


class AbsenceOut(Out):
    """未列户: a household on record that a village's full list does not name, and what was decided about it."""

    household: UUID
    number: str
    division: DivisionField
    group: str | None
    masked_head: str
    headcount: int
    decision: Decided | None
    reason: str | None
    decided_by: str | None
    decided_at: datetime | None


class AbsenceBody(Body):
    """未列户处理意见: kept 仍在、moved 已迁出、merged 已并入他户、closed 应注销、unclear 待查."""

    household: UUID
    decision: Decided
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=500)]


class AbsencesBody(Body):
    """未列户处理意见，一次多户."""

    items: Annotated[list[AbsenceBody], Field(min_length=1, max_length=500)]


class AbsencesOut(Out):
    """未列户数: how many the list left out, and how many wait for a decision."""

    absent: int
    open: int


class RefusalOut(Out):
    """退回的行."""

    sheet: str | None
    row: int
    column: str | None
    code: str
    detail: str
    detail_en: str


@router.post(
    "/intakes",
    roles=SUBMITTERS,
    status=202,
    upload=WORKBOOKS,
    problems=(FutureRefused, IncomeYearWrong, ColumnChoiceWrong, BlankWrong),
)
async def submit_intake(
    file: UploadedFile,
    tx: Tx,
    officer: Officer,
    now: Now,
    request: Request,
    filename: Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^/\\\x00-\x1f]+$")],
    year_from: Annotated[date, Query(description="收入年度起（文件未写明时采用）")],
    year_to: Annotated[date, Query(description="收入年度止")],
    observed_on: Annotated[date | None, Query(description="调查日期，默认今天")] = None,
    dry_run: Annotated[bool, Query(description="试运行：只检查并计数，不入库")] = True,
    source: Annotated[
        str | None,
        Query(max_length=40, pattern=SOURCE, description="来源系统，决定数字代码的含义：card、report、gbt2261 …"),
    ] = None,
    columns: Annotated[
        list[str] | None,
        Query(max_length=100, description="指定列义，表头=字段名；不读取的列写“表头=”；同一来源下次沿用"),
    ] = None,
    mode: Annotated[
        Mode,
        Query(
            description="record 登记；create 只新增；update 更正在册的户与人，只动文件有的列；"
            "replace-village 整村核对，名单未列的户列出待处理"
        ),
    ] = Mode.RECORD,
    blank: Annotated[
        Blank | None,
        Query(description="空白单元格：keep 保留原值（更正的默认）；erase 清除（其他方式均如此）"),
    ] = None,
    diff: Annotated[bool, Query(description="逐项列出变更（原值、新值），见 diff 与回执的“变更”页")] = False,
) -> JobOut:
    """上传工作簿（xlsx、xls 或 csv）；以原始字节为请求体."""
    observed = observed_on or today(now)
    if observed > today(now):
        raise FutureRefused(on=observed)
    year = Period(year_from, year_to)
    told = HandedIn(filename, year, observed, dry_run, source, columns or (), mode, blank, diff)
    content = (await asyncio.to_thread(File(file.path).read_bytes), file.sha256)
    return JobOut.of(await actions.submit_intake(tx, officer, keys_of(request), told, content, now))


@router.get("/intakes/{job_id}", roles=READERS, problems=(IntakeMissing,))
async def read_intake(job_id: UUID, tx: Tx) -> IntakeOut:
    """进度与各类行数."""
    intake = await find_intake(tx, job_id)
    if intake is None:
        raise IntakeMissing
    counts = await load_counts(tx, job_id)
    told = intake.reading or {}
    return IntakeOut(
        job=JobOut.of(await load_job(tx, job_id)),
        filename=intake.filename,
        sha256=intake.content_hash.hex(),
        dry_run=intake.dry_run,
        year_from=intake.year.first,
        year_to=intake.year.last,
        observed_on=intake.observed_on,
        answered_at=intake.answered_at,
        source=intake.system,
        mode=intake.mode,
        blank=intake.blank,
        undoes=intake.undoes,
        absent=(await reports.count_absences(tx, job_id))[0],
        columns=[ColumnOut(**one) for one in told.get("columns", [])],
        notes=[NoteOut(**one) for one in told.get("notes", [])],
        **{**counts, "rows": intake.rows},
    )


@router.post(
    "/intakes/{job_id}/apply", roles=SUBMITTERS, status=202, problems=(IntakeMissing, IntakeNotTried, IntakeTakenUp)
)
async def apply_intake(job_id: UUID, tx: Tx, officer: Officer, now: Now) -> JobOut:
    """将试运行过的文件入库."""
    state = JobState.FAILED
    if await find_intake(tx, job_id) is not None:
        state = (await load_job(tx, job_id)).state
    return JobOut.of(await actions.apply_intake(tx, officer, job_id, state, now))


@router.get("/intakes/{job_id}/refusals", roles=READERS, problems=(IntakeMissing,))
async def list_refusals(job_id: UUID, tx: Tx, paging: PagingAsked) -> Page[RefusalOut]:
    """退回的行及原因，按文件行号."""
    if await find_intake(tx, job_id) is None:
        raise IntakeMissing
    rows = await reports.refusals_of(tx, job_id, after=paging.after, limit=paging.limit + 1)
    return paging.page(rows, lambda one: [one.line, one.no], lambda one: one.shown(RefusalOut))


@router.get(
    "/intakes/{job_id}/answer",
    roles=SUBMITTERS,
    problems=(IntakeMissing, AnswerNotReady, AnswerForgotten),
    answers={200: A_WORKBOOK | {"description": "回执工作簿"}},
)
async def fetch_answer(job_id: UUID, tx: Tx, officer: Officer, request: Request) -> Response:
    """回执工作簿：退回的行连同原因，以及疑点；下载留痕."""
    intake, book = await actions.load_answer(tx, keys_of(request), job_id)
    await log_access(tx, officer, purpose="导入回执", noun="intake", ids=[job_id], action="download")
    return workbook(book, f"回执-{File(intake.filename).stem}.xlsx")


UNDO_PROBLEMS = (IntakeMissing, undo.IntakeNotUndoable, undo.IntakeUndone)


async def _state_of(tx: Tx, job_id: UUID) -> JobState:
    if await find_intake(tx, job_id) is None:
        raise IntakeMissing
    return (await load_job(tx, job_id)).state


@router.get("/intakes/{job_id}/undo", roles=SUBMITTERS, problems=UNDO_PROBLEMS)
async def preview_undo(job_id: UUID, tx: Tx) -> UndoOut:
    """预览撤销整批导入：恢复、作废、因此后有变更而不动的户."""
    shown = await undo.preview_undo(tx, job_id, await _state_of(tx, job_id))
    since = [LeftAloneOut(number=one.number, changed_by=one.by, changed_at=one.at) for one in shown.shown]
    return UndoOut(restored=shown.restored, withdrawn=shown.withdrawn, left_alone=shown.left, changed_since=since)


@router.post("/intakes/{job_id}/undo", roles=SUBMITTERS, status=202, problems=UNDO_PROBLEMS)
async def undo_intake(job_id: UUID, tx: Tx, officer: Officer, now: Now) -> JobOut:
    """撤销整批导入：以新的批次恢复导入前的内容；此后他人变更过的户不动，列在该批次的退回中."""
    return JobOut.of(await undo.submit_undo(tx, officer, job_id, await _state_of(tx, job_id), now))


@router.get("/intakes/{job_id}/diff", roles=SUBMITTERS, problems=(IntakeMissing, DiffNotAsked))
async def list_diff(
    job_id: UUID,
    tx: Tx,
    officer: Officer,
    paging: PagingAsked,
    kind: Annotated[Literal["new", "changed", "left"] | None, Query(description="新增、变更或离户")] = None,
    field: Annotated[str | None, Query(max_length=60, description="只看某一字段")] = None,
) -> Page[DiffOut]:
    """逐项变更：新增的户与人，变更的字段（原值、新值），离户的人；查看留痕."""
    intake = await find_intake(tx, job_id)
    if intake is None:
        raise IntakeMissing
    if not intake.diff:
        raise DiffNotAsked
    rows = await reports.diff_of(tx, job_id, kind=kind, field=field, after=paging.after, limit=paging.limit + 1)
    await log_access(tx, officer, purpose="导入变更", noun="intake", ids=[job_id], action="read")
    return paging.page(rows, lambda one: [one.no], DiffOut.of)


@router.get("/intakes/{job_id}/absences", roles=READERS, problems=(IntakeMissing,))
async def list_absences(
    job_id: UUID,
    tx: Tx,
    paging: PagingAsked,
    open: Annotated[bool, Query(description="只列尚无处理意见或待查的")] = False,  # noqa: A002
) -> Page[AbsenceOut]:
    """整村核对时名单未列的户，待人处理；户主姓名脱敏."""
    if await find_intake(tx, job_id) is None:
        raise IntakeMissing
    rows = await reports.absences_of(tx, job_id, is_open=open, after=paging.after, limit=paging.limit + 1)
    return paging.page(rows, lambda one: [one.no], _absence)


def _absence(one: reports.AbsenceListed) -> AbsenceOut:
    plain: dict[str, Any] = {name: getattr(one, name) for name in AbsenceOut.model_fields}
    return AbsenceOut(**plain | {"division": DivisionCode(one.division)})


@router.post(
    "/intakes/{job_id}/absences",
    roles=SUBMITTERS,
    problems=(IntakeMissing, AbsenceMissing, AbsenceDecided, AbsenceOfTrial),
)
async def decide_absences(job_id: UUID, body: AbsencesBody, tx: Tx, officer: Officer, now: Now) -> AbsencesOut:
    """登记未列户的处理意见；不改动登记簿，迁出、并户、注销另行办理."""
    decided = [(one.household, one.decision, one.reason) for one in body.items]
    await actions.decide_absences(tx, officer, job_id, decided, now)
    absent, waiting = await reports.count_absences(tx, job_id)
    return AbsencesOut(absent=absent, open=waiting)
