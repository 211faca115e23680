"""导出 over HTTP: ask for a file of what a list or a search shows, look how far it is, fetch it.

Progress and cancelling are the job routes that every service has. Masked unless a purpose is stated; who is seen in
clear is written down before the file is there, and every fetching of it too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime
from urllib.parse import quote
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from services.registry.actions import exports as actions
from services.registry.actions.exports import (
    ASKERS,
    ExportForgotten,
    ExportMissing,
    ExportNotReady,
    ExportOfAnother,
    Wanted,
)
from services.registry.api.bodies import Reason
from services.registry.api.households import IN_CLEAR, keys_of
from services.registry.api.search import SoughtBody
from services.registry.api.times import TIMES_PROBLEMS, AsOfAsked
from services.registry.domain.exports import FileFormat, Shape
from services.registry.domain.search import NotSoughtInThePast
from services.registry.store import exports as store
from services.registry.store.exports import FILE, Export
from shared.auth import Officer as Caller
from shared.auth import PurposeMissing
from shared.db import transaction
from shared.jobs import Job, list_jobs, load_job
from shared.web import XLSX, Body, JobOut, Now, Officer, Out, Page, PagingAsked, Router, Tx, fittings_of

router = Router("查询与导出")
MEDIA = {
    FileFormat.XLSX: XLSX,
    FileFormat.CSV: "text/csv; charset=utf-8",
    FileFormat.PARQUET: "application/vnd.apache.parquet",
}
PIECES_AT_ONCE = 8


class ExportBody(Body):
    """导出要求: what, in which file, and whether in clear."""

    sought: SoughtBody
    shape: Shape = Field(Shape.PERSONS, description="每行一户，或每行一人（登记表版式）")
    format: FileFormat = Field(FileFormat.XLSX, description="文件格式")
    in_clear: bool = Field(False, description="是否含个人信息全文；须注明事由")
    purpose: Reason | None = Field(None, description="事由")


class ExportOut(Out):
    """导出: what was asked for, and what became of it."""

    job: JobOut
    shape: Shape
    format: FileFormat
    in_clear: bool
    purpose: str | None
    sought: str = Field(description="查询条件，不含个人信息")
    as_of: date | None
    known_at: datetime | None
    lines: int | None
    size_bytes: int | None
    finished_at: datetime | None

    @classmethod
    def of(cls, job: Job, export: Export) -> ExportOut:
        """With its job."""
        names = ("shape", "format", "in_clear", "purpose", "as_of", "known_at", "lines", "size_bytes", "finished_at")
        told = {name: getattr(export, name) for name in names}
        return cls(job=JobOut.of(job), sought=export.words, **told)


@router.post("/exports", roles=ASKERS, status=202, problems=(PurposeMissing, NotSoughtInThePast, *TIMES_PROBLEMS))
async def submit_export(
    body: ExportBody, tx: Tx, officer: Officer, now: Now, asked: AsOfAsked, request: Request
) -> JobOut:
    """导出名单（xlsx、csv 或 Parquet）：默认脱敏；含全文须有相应角色并注明事由，逐户留痕；可问过去."""
    wanted = Wanted(body.sought.sought(keys_of(request)), body.shape, body.format, body.in_clear, body.purpose, asked)
    return JobOut.of(await actions.submit_export(tx, officer, keys_of(request), wanted, frozenset(IN_CLEAR), now))


@router.get("/exports", roles=ASKERS)
async def list_exports(tx: Tx, paging: PagingAsked) -> Page[ExportOut]:
    """谁在何时为何导出过哪些名单，最新的在前；范围全部在本人管辖之内的."""
    after = None if paging.after is None else UUID(paging.after[0])
    jobs = await list_jobs(tx, kind=actions.KIND, after=after, limit=paging.limit + 1)
    exports = await store.exports_of(tx, [job.id for job in jobs])
    return paging.page(jobs, lambda job: [str(job.id)], lambda job: ExportOut.of(job, exports[job.id]))


@router.get("/exports/{job_id}", roles=ASKERS, problems=(ExportMissing,))
async def read_export(job_id: UUID, tx: Tx) -> ExportOut:
    """一次导出的条件、进度与行数."""
    export = await store.find_export(tx, job_id)
    if export is None:
        raise ExportMissing
    return ExportOut.of(await load_job(tx, job_id), export)


@router.get(
    "/exports/{job_id}/file",
    roles=ASKERS,
    problems=(ExportMissing, ExportNotReady, ExportForgotten, ExportOfAnother),
    answers={200: {"content": {kind: {} for kind in MEDIA.values()}, "description": "导出的文件"}},
)
async def fetch_export(job_id: UUID, tx: Tx, officer: Officer, request: Request) -> Response:
    """导出的文件；含全文的只能由提交人下载；下载留痕."""
    if await store.find_export(tx, job_id) is None:
        raise ExportMissing
    export = await actions.fetch_export(tx, officer, await load_job(tx, job_id))
    name = f"登记表-{export.submitted_at:%Y%m%d}-{str(job_id)[-6:]}.{export.format}"
    return StreamingResponse(
        _content(request, officer, export),
        media_type=MEDIA[export.format],
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
            "Content-Length": str(export.size_bytes),
        },
    )


async def _content(request: Request, officer: Caller, export: Export) -> AsyncIterator[bytes]:
    """Piece by piece, a few a transaction: a slow reader holds no connection for long, and no whole file in memory."""
    keys, engine, piece = keys_of(request), fittings_of(request.app).engine, 0
    while True:
        held: list[bytes] = []
        async with transaction(engine, officer.scope, caller=officer.sub) as tx:
            while len(held) < PIECES_AT_ONCE:
                content = await store.load_piece(tx, keys, export.job, FILE, piece + len(held))
                if content is None:
                    break
                held.append(content)
        for content in held:
            yield content
        if len(held) < PIECES_AT_ONCE:
            return
        piece += len(held)
