"""导入 over HTTP: hand in a file, look at its progress, record a trial run, fetch the answer workbook.

Progress, cancelling and the list are the job routes that every service has.
"""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from pathlib import Path as File
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from services.registry.actions import intake as actions
from services.registry.actions.intake import (
    SUBMITTERS,
    AnswerForgotten,
    AnswerNotReady,
    ColumnChoiceWrong,
    HandedIn,
    IntakeMissing,
    IntakeNotTried,
    IntakeTakenUp,
)
from services.registry.api.answers import A_WORKBOOK, workbook
from services.registry.api.households import FutureRefused, keys_of
from services.registry.domain.payouts import IncomeYearWrong
from services.registry.reports import intakes as reports
from services.registry.store.uploads import find_intake, load_counts
from shared.auth import log_access
from shared.clock import today
from shared.jobs import JobState, load_job
from shared.values import Period
from shared.web import WORKBOOKS, JobOut, Now, Officer, Out, Page, PagingAsked, Role, Router, Tx, UploadedFile

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
    columns: list[ColumnOut]
    notes: list[NoteOut]


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
    problems=(FutureRefused, IncomeYearWrong, ColumnChoiceWrong),
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
) -> JobOut:
    """上传工作簿（xlsx、xls 或 csv）；以原始字节为请求体."""
    observed = observed_on or today(now)
    if observed > today(now):
        raise FutureRefused(on=observed)
    told = HandedIn(filename, Period(year_from, year_to), observed, dry_run, source, columns or ())
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
