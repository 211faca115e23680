"""Long work under its submitter's scope, in chunks, each with a transaction of its own that also moves the cursor.

A job keeps its submitter's sub, roles and divisions, runs under exactly those and is checked again whenever it is
taken up. A worker holds it by a lease in machine time; a killed worker's lease runs out and the next one goes on from
the cursor, so that each chunk has its effect once. Whoever lost the lease cannot commit: the cursor moves only for
the holder.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID, uuid4

import asyncpg
import sqlalchemy as sa
from prometheus_client import Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.auth import Officer, Role
from shared.db import Transaction, failure_of, is_passing, is_unavailable, transaction
from shared.errors import Conflict, Missing, Problem, Refused
from shared.log import get_logger, traceparent
from shared.metrics import REGISTRY
from shared.values import DivisionCode, Scope

MOST_ATTEMPTS = 10
LONGEST_PAUSE_SECONDS = 60.0
MOST_CHUNKS = 1_000_000

CHUNKS = Counter("job_chunks", "Chunks committed", ("kind",), registry=REGISTRY)
ENDED = Counter("jobs_ended", "Jobs by how they ended", ("kind", "state"), registry=REGISTRY)
RUNNING = Gauge("jobs_running", "Jobs this process is working on", registry=REGISTRY)

log = get_logger(__name__)


class JobState(StrEnum):
    """任务状态."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether it never changes again."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class JobMissing(Missing):
    """任务不存在."""

    code = "job.missing"
    zh = "未找到该任务"
    en = "There is no such job"


class JobEnded(Conflict):
    """任务已结束."""

    code = "job.ended"
    zh = "任务已结束，不能再取消"
    en = "The job has ended and cannot be cancelled"
    hint_zh = "请查看任务结果"
    hint_en = "See its result"


class JobRefused(Refused):
    """任务权限不符: the submitter's rights no longer fit what the job does."""

    code = "job.refused"
    zh = "提交人的角色或管辖范围与此任务不符"
    en = "The submitter's roles or divisions do not fit this job"
    hint_zh = "请由有权限的人员重新提交"
    hint_en = "Have it submitted again by somebody with the right"


class JobStuck(Problem):
    """任务停滞: tried again and again without moving on."""

    code = "job.stuck"
    zh = "任务多次尝试均无进展，已停止"
    en = "The job was tried several times without progress and has been stopped"
    hint_zh = "请把 trace_id 告诉管理员"
    hint_en = "Give the trace_id to your administrator"


class JobUncleared(Problem):
    """任务善后未完成: it came to its end, and what should follow (clearing up, telling others) failed every time."""

    code = "job.uncleared"
    zh = "任务已停止，但善后多次失败，未再重试"
    en = "The job was stopped; clearing up after it failed every time and is not tried again"
    hint_zh = "请把 trace_id 告诉管理员"
    hint_en = "Give the trace_id to your administrator"


class LeaseLost(Exception):
    """Another worker has the job now: what this chunk did is rolled back, quietly."""


@dataclass(frozen=True, slots=True)
class Job:
    """任务: submitted by somebody, run under his rights."""

    id: UUID
    kind: str
    state: JobState
    sub: str
    name: str
    roles: frozenset[Role]
    divisions: tuple[DivisionCode, ...]
    parameters: Mapping[str, Any]
    phase: str
    cursor: Any
    done: int
    total: int | None
    result: Any
    problem: Any
    cancel_asked: bool
    attempts: int
    submitted_at: datetime
    ended_at: datetime | None
    traceparent: str | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """From its row; a role that is no longer known gives no right."""
        return cls(
            state=JobState(row["state"]),
            roles=frozenset(Role(role) for role in row["roles"] if role in set(Role)),
            divisions=tuple(DivisionCode.parse(code) for code in row["divisions"]),
            **{name: row[name] for name in PLAIN},
        )

    @property
    def scope(self) -> Scope:
        """The submitter's, as it was."""
        return Scope.of(self.divisions)

    @property
    def officer(self) -> Officer:
        """The submitter."""
        return Officer(self.sub, self.name, self.roles, self.divisions)


PLAIN = (
    "id",
    "kind",
    "sub",
    "name",
    "parameters",
    "phase",
    "cursor",
    "done",
    "total",
    "result",
    "problem",
    "cancel_asked",
    "attempts",
    "submitted_at",
    "ended_at",
    "traceparent",
)
COLUMNS = ", ".join((*PLAIN, "state", "roles", "divisions"))


@dataclass(frozen=True, slots=True)
class Step:
    """What one chunk did: where to go on, how far it is, and at the end the result."""

    cursor: Any = None
    done: int = 0
    total: int | None = None
    phase: str = ""
    is_last: bool = False
    result: Mapping[str, Any] | None = None


Prepare = Callable[[Job], Awaitable[Any]]
RunChunk = Callable[[Transaction, Job, datetime, Any], Awaitable[Step]]
OnEnd = Callable[[Transaction, Job, JobState], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class JobKind:
    """任务种类: how one kind of long work is done.

    `prepare` runs before each chunk without a transaction (parsing in a child process); `run_chunk(tx, job, now,
    prepared)` does one chunk in the door's transaction under the submitter's scope; `on_end` clears up in the
    transaction that ends the job, under the same scope, whichever way it ends. When `on_end` fails as often as a chunk
    may, the job ends without it (`job.uncleared`): nothing is retried for ever.
    """

    name: str
    roles: frozenset[Role]
    run_chunk: RunChunk
    prepare: Prepare | None = None
    on_end: OnEnd | None = None


class Jobs:
    """The kinds that a service knows, registered in its `app.py`."""

    def __init__(self) -> None:
        self.kinds: dict[str, JobKind] = {}

    def register(
        self,
        name: str,
        run_chunk: RunChunk,
        *,
        roles: Iterable[Role],
        prepare: Prepare | None = None,
        on_end: OnEnd | None = None,
    ) -> None:
        """Add one kind; `roles` are those whose jobs may run."""
        if name in self.kinds:
            raise ValueError(f"job kind {name!r} is registered already")
        self.kinds[name] = JobKind(name, frozenset(roles), run_chunk, prepare, on_end)


# Requests


SUBMIT = f"""insert into job
    (id, kind, sub, name, roles, divisions, scope, parameters, total, traceparent, submitted_at)
    values ($1, $2, $3, $4, $5, $6, $7::text::int8multirange, $8, $9, $10, $11)
    returning {COLUMNS}"""


async def submit_job(
    tx: Transaction,
    officer: Officer,
    kind: str,
    parameters: Mapping[str, Any],
    *,
    job_id: UUID,
    now: datetime,
    total: int | None = None,
) -> Job:
    """Queue a job under the officer's own rights; without divisions there is nothing that it could see."""
    if not officer.scope:
        raise JobRefused
    row = await tx.driver.fetchrow(
        SUBMIT,
        job_id,
        kind,
        officer.sub,
        officer.name,
        sorted(officer.roles),
        [code.text for code in officer.divisions],
        officer.scope.settings()["ranges"],
        json.dumps(dict(parameters)),
        total,
        tx.traceparent,
        now,
    )
    return Job.of(row)


async def load_job(tx: Transaction, job_id: UUID) -> Job:
    """One job whose scope lies in the caller's."""
    row = await tx.driver.fetchrow(f"select {COLUMNS} from job where id = $1", job_id)
    if row is None:
        raise JobMissing
    return Job.of(row)


async def list_jobs(tx: Transaction, *, kind: str | None, after: UUID | None, limit: int) -> list[Job]:
    """Newest first (ids are born in order); `limit` rows after that id."""
    rows = await tx.driver.fetch(
        f"select {COLUMNS} from job where ($1::text is null or kind = $1) and ($2::uuid is null or id < $2)"
        " order by id desc limit $3",
        kind,
        after,
        limit,
    )
    return [Job.of(row) for row in rows]


CANCEL = f"""update job set cancel_asked = true,
    state = case when state = 'queued' then 'cancelled' else state end,
    ended_at = case when state = 'queued' then clock_timestamp() end
    where id = $1 and state in ('queued', 'running')
    returning {COLUMNS}"""


async def cancel_job(tx: Transaction, job_id: UUID) -> Job:
    """Ask it to stop: at once while it waits, after the chunk in hand while it runs. Asking twice is no error."""
    row = await tx.driver.fetchrow(CANCEL, job_id)
    if row is not None:
        return Job.of(row)
    job = await load_job(tx, job_id)
    if job.state is JobState.CANCELLED:
        return job
    raise JobEnded


# The worker


TAKE = f"""update job set state = 'running', lease = $1, leased_until = clock_timestamp() + $2, attempts = attempts + 1
    where id = (
        select id from job
        where kind = any($3) and not_before <= clock_timestamp()
            and (state = 'queued' or state = 'running' and leased_until < clock_timestamp())
        order by created_at for update skip locked limit 1)
    returning scope::text as scope_text, {COLUMNS}"""
BEAT = """update job set leased_until = clock_timestamp() + $3
    where id = $1 and lease = $2 and state = 'running' returning cancel_asked"""
MOVE = """update job set cursor = $3, done = $4, total = coalesce($5, total), phase = $6, attempts = 0,
    leased_until = clock_timestamp() + $7
    where id = $1 and lease = $2 and state = 'running' returning cancel_asked"""
FINISH = """update job set state = $3, result = $4, problem = $5, cursor = $6,
    done = $7, total = coalesce($8, total), phase = $9, lease = null, leased_until = null, ended_at = clock_timestamp()
    where id = $1 and lease = $2 and state = 'running' returning id"""
RELEASE = """update job set leased_until = clock_timestamp() - interval '1 second',
    not_before = clock_timestamp() + $3, attempts = attempts - $4
    where id = $1 and lease = $2 and state = 'running'"""


@dataclass(slots=True)
class Held:
    """A job in this worker's hands."""

    job: Job
    kind: JobKind
    lease: UUID
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the job is to stop before its next chunk: cancelled, or the lease is gone."""


class JobRunner:
    """One worker's loop: takes a job, does its chunks, gives it back when told to stop."""

    name = "jobs"

    def __init__(
        self,
        engine: AsyncEngine,
        jobs: Jobs,
        now: Callable[[], datetime],
        *,
        lease_seconds: float = 30.0,
        poll_seconds: float = 1.0,
    ) -> None:
        self._engine = engine
        self._kinds = jobs.kinds
        self._now = now
        self._lease = timedelta(seconds=lease_seconds)
        self._poll_seconds = poll_seconds
        self._stopping = asyncio.Event()
        self._dropped: list[Held] = []

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop: the chunk in hand is finished, the rest left to others. A database that is away is waited
        for.
        """
        self._stopping = stopping
        pause = self._poll_seconds
        while not self._stopping.is_set():
            try:
                worked = await self.run_one()
                pause = 0.0 if worked else self._poll_seconds
            except Exception as error:
                if not (is_unavailable(error) or is_passing(error)):
                    raise
                pause = min(max(pause, self._poll_seconds) * 2, LONGEST_PAUSE_SECONDS)
                log.warning("jobs wait for the database", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def run_one(self) -> bool:
        """Take one job and work on it until it ends or is taken away; False when there is none."""
        held = await self._take()
        if held is None:
            return False
        kept = traceparent.set(held.job.traceparent)
        beating = asyncio.create_task(self._beat(held))
        RUNNING.inc()
        try:
            await self._work(held)
        except LeaseLost:
            log.warning("job went to another worker", kind=held.kind.name, job=str(held.job.id))
        except Exception:
            self._dropped.append(held)
            raise
        finally:
            RUNNING.dec()
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating
            traceparent.reset(kept)
        return True

    async def _take(self) -> Held | None:
        """The next job that waits, or whose worker was killed; what we had to drop ourselves is free at once."""
        lease = uuid4()
        async with transaction(self._engine, Scope.everything()) as tx:
            for held in self._dropped:
                await tx.driver.execute(RELEASE, held.job.id, held.lease, timedelta(), 0)
            row = await tx.driver.fetchrow(TAKE, lease, self._lease, list(self._kinds))
        self._dropped.clear()
        if row is None:
            return None
        job = Job.of(row)
        held = Held(job, self._kinds[job.kind], lease)
        if not job.roles & held.kind.roles or job.scope.settings()["ranges"] != row["scope_text"]:
            await self._finish(held, JobState.FAILED, problem=JobRefused(), scope=Scope.everything())
            return await self._take()
        if job.attempts > MOST_ATTEMPTS:
            await self._finish(held, JobState.FAILED, problem=JobStuck())
            return await self._take()
        return held

    async def _work(self, held: Held) -> None:
        for _ in range(MOST_CHUNKS):
            if held.job.cancel_asked:
                await self._finish(held, JobState.CANCELLED)
                return
            if self._stopping.is_set():
                await self._give_back(held, 0.0, uncounted=1)
                return
            try:
                await self._chunk(held)
            except LeaseLost:
                raise
            except Exception as error:  # noqa: BLE001  a job's failure is the job's own, told in its row
                if await self._failed(held, error):
                    return
            if held.job.state.is_final:
                return
        await self._finish(held, JobState.FAILED, problem=JobStuck())

    async def _chunk(self, held: Held) -> None:
        """Prepare without a transaction, then one chunk, its cursor and its facts in one commit."""
        prepared = await self._prepared(held)
        if held.stop.is_set():
            held.job = await self._look(held)
            return
        job = held.job
        async with transaction(self._engine, job.scope, caller=job.sub, traceparent=job.traceparent) as tx:
            step = await held.kind.run_chunk(tx, job, self._now(), prepared)
            if step.is_last:
                await self._end(tx, held, JobState.DONE, step=step)
            else:
                await self._move(tx, held, step)
        CHUNKS.labels(held.kind.name).inc()

    async def _prepared(self, held: Held) -> Any:
        """Given up at once when the job is cancelled meanwhile."""
        if held.kind.prepare is None:
            return None
        preparing = asyncio.ensure_future(held.kind.prepare(held.job))
        told = asyncio.create_task(held.stop.wait())
        try:
            await asyncio.wait({preparing, told}, return_when=asyncio.FIRST_COMPLETED)
            return await preparing if preparing.done() else None
        finally:
            for task in (preparing, told):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    async def _move(self, tx: Transaction, held: Held, step: Step) -> None:
        moved = await tx.driver.fetchrow(
            MOVE, held.job.id, held.lease, _json(step.cursor), step.done, step.total, step.phase, self._lease
        )
        if moved is None:
            raise LeaseLost
        held.job = replace(_at(held.job, step), attempts=0, cancel_asked=moved["cancel_asked"])

    async def _look(self, held: Held) -> Job:
        """The job as it is now, if it is still ours."""
        async with transaction(self._engine, Scope.everything()) as tx:
            row = await tx.driver.fetchrow(
                f"select {COLUMNS} from job where id = $1 and lease = $2", held.job.id, held.lease
            )
        if row is None:
            raise LeaseLost
        return Job.of(row)

    async def _finish(
        self, held: Held, state: JobState, *, problem: Problem | None = None, scope: Scope | None = None
    ) -> None:
        """End it without a chunk. Clearing up that fails is tried again later, and given up after MOST_ATTEMPTS."""
        job, within = held.job, scope or held.job.scope
        try:
            async with transaction(self._engine, within, caller=job.sub, traceparent=job.traceparent) as tx:
                await self._end(tx, held, state, problem=problem)
        except LeaseLost:
            raise
        except Exception as error:
            if is_unavailable(error) or is_passing(error):
                raise
            log.error("job could not be cleared up", kind=held.kind.name, job=str(job.id), **failure_of(error))
            if job.attempts <= MOST_ATTEMPTS:
                await self._give_back(held, min(2.0**job.attempts, LONGEST_PAUSE_SECONDS))
                return
            async with transaction(self._engine, within, caller=job.sub, traceparent=job.traceparent) as tx:
                await self._end(tx, held, JobState.FAILED, problem=JobUncleared(), clears_up=False)

    async def _end(
        self,
        tx: Transaction,
        held: Held,
        state: JobState,
        *,
        step: Step | None = None,
        problem: Problem | None = None,
        clears_up: bool = True,
    ) -> None:
        """In the transaction of the last chunk, or in one of its own."""
        job, at = held.job, step or Step(held.job.cursor, held.job.done, held.job.total, held.job.phase)
        told = None if problem is None else _told(problem)
        values = (_json(at.result), _json(told), _json(at.cursor), at.done, at.total, at.phase)
        if await tx.driver.fetchval(FINISH, job.id, held.lease, state.value, *values) is None:
            raise LeaseLost
        if clears_up and held.kind.on_end is not None:
            await held.kind.on_end(tx, job, state)
        held.job = replace(_at(job, at), state=state, result=at.result)
        ENDED.labels(held.kind.name, state.value).inc()
        log.info(
            "job ended", kind=held.kind.name, job=str(job.id), state=state.value, code=problem.code if problem else None
        )

    async def _failed(self, held: Held, error: Exception) -> bool:
        """A refusal ends the job, a passing trouble or an unforeseen one gives it back for a while; True: leave it."""
        if is_unavailable(error) or is_passing(error):
            raise error
        if isinstance(error, Problem) and error.status < 500:
            await self._finish(held, JobState.FAILED, problem=error)
            return True
        log.error("job chunk failed", kind=held.kind.name, job=str(held.job.id), **failure_of(error))
        await self._give_back(held, min(2.0**held.job.attempts, LONGEST_PAUSE_SECONDS))
        return True

    async def _give_back(self, held: Held, pause_seconds: float, *, uncounted: int = 0) -> None:
        """For somebody else; a graceful stop does not count as an attempt."""
        async with transaction(self._engine, Scope.everything()) as tx:
            pause = timedelta(seconds=pause_seconds)
            await tx.driver.execute(RELEASE, held.job.id, held.lease, pause, uncounted)

    async def _beat(self, held: Held) -> None:
        """Keep the lease while a chunk takes long; tell it to stop when somebody asks or the lease is gone."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                async with transaction(self._engine, Scope.everything()) as tx:
                    row = await tx.driver.fetchrow(BEAT, held.job.id, held.lease, self._lease)
            except (OSError, TimeoutError, sa.exc.SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError):
                continue
            if row is None or row["cancel_asked"]:
                held.stop.set()


def _at(job: Job, step: Step) -> Job:
    total = job.total if step.total is None else step.total
    return replace(job, cursor=step.cursor, done=step.done, total=total, phase=step.phase)


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _told(problem: Problem) -> dict[str, Any]:
    told = {"code": problem.code, "detail": problem.detail_zh, "detail_en": problem.detail_en, "hint": problem.hint}
    return told | ({"errors": [error.as_json() for error in problem.errors]} if problem.errors else {})
