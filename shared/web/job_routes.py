"""The routes that every service with jobs has: list, look, cancel. A service adds its own routes to submit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from shared import jobs
from shared.auth import Role
from shared.jobs import Job, JobEnded, JobMissing, JobState
from shared.web.fields import DivisionField, Out
from shared.web.paging import CursorInvalid, Page, PagingAsked
from shared.web.routing import Router, Tx


class JobOut(Out):
    """任务: how far it is, and how it ended."""

    id: UUID
    kind: str
    state: JobState
    submitted_by: str
    submitted_at: datetime
    divisions: list[DivisionField]
    phase: str
    done: int
    total: int | None
    cancel_asked: bool
    result: dict[str, Any] | None
    problem: dict[str, Any] | None
    ended_at: datetime | None

    @classmethod
    def of(cls, job: Job) -> JobOut:
        """As callers see it: parameters and cursor stay inside."""
        return cls(
            id=job.id,
            kind=job.kind,
            state=job.state,
            submitted_by=job.name,
            submitted_at=job.submitted_at,
            divisions=list(job.divisions),
            phase=job.phase,
            done=job.done,
            total=job.total,
            cancel_asked=job.cancel_asked,
            result=job.result,
            problem=job.problem,
            ended_at=job.ended_at,
        )


def job_router(*, read: Iterable[Role], cancel: Iterable[Role]) -> Router:
    """`GET /jobs`, `GET /jobs/{job_id}`, `POST /jobs/{job_id}/cancel`: jobs whose scope lies in the caller's."""
    router = Router("任务")

    @router.get("/jobs", roles=tuple(read))
    async def list_jobs(
        tx: Tx, paging: PagingAsked, kind: Annotated[str | None, Query(max_length=100)] = None
    ) -> Page[JobOut]:
        """最新的任务在前."""
        after = None if paging.after is None else _id(paging.after[0])
        found = await jobs.list_jobs(tx, kind=kind, after=after, limit=paging.limit + 1)
        return paging.page(found, lambda job: [str(job.id)], JobOut.of)

    @router.get("/jobs/{job_id}", roles=tuple(read), problems=(JobMissing,))
    async def read_job(job_id: UUID, tx: Tx) -> JobOut:
        """任务进度与结果."""
        return JobOut.of(await jobs.load_job(tx, job_id))

    @router.post("/jobs/{job_id}/cancel", roles=tuple(cancel), problems=(JobMissing, JobEnded))
    async def cancel_job(job_id: UUID, tx: Tx) -> JobOut:
        """排队中的立即取消；运行中的在当前一段完成后停止."""
        return JobOut.of(await jobs.cancel_job(tx, job_id))

    return router


def _id(text: Any) -> UUID:
    try:
        return UUID(text)
    except (TypeError, ValueError):
        raise CursorInvalid from None
