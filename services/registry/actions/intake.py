"""A file becomes part of the register: handed in, read, recorded by chunks, answered. Each chunk is all or nothing.

What the file holds is found anew by whoever takes the job up: the file is kept sealed until it is done with, the cursor
moves with each chunk's commit, and what is on record already is unchanged. So it may be killed at any point.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.registry.actions.arriving import Register, Terms, arrive
from services.registry.actions.child import ChildGone, ParsingChild
from services.registry.domain.codes import text_key
from services.registry.domain.fields import BY_NAME
from services.registry.domain.payouts import refuse_odd_year
from services.registry.store import intake as store
from services.registry.store import uploads
from services.registry.store.arrivals import Asked, ChunkKeys, Numbered, Opening
from services.registry.store.doubts import Look
from services.registry.store.parameters import parameters
from services.registry.store.uploads import ANSWER, UPLOAD, Intake
from shared.auth import Officer, Role
from shared.clock import today
from shared.crypto import KeyRing
from shared.db import Transaction
from shared.errors import Conflict, Invalid, Missing, Problem
from shared.events.registry import IntakeFinished
from shared.jobs import Job, JobState, Step, submit_job
from shared.outbox import announce
from shared.values import Period, new_id

KIND = "intake"
SUBMITTERS = (Role.CLERK, Role.OPERATOR, Role.SYSTEM)
SWEEP_EVERY = 4
FRESH_AFTER = (2, 5)
AT_ONCE = 50


class IntakeMissing(Missing):
    """导入不存在."""

    code = "intake.missing"
    zh = "未找到该次导入"
    en = "There is no such intake"


class IntakeNotTried(Conflict):
    """尚不能入库: only a finished trial run whose file is still kept can be recorded."""

    code = "intake.not_tried"
    zh = "该次导入不是已完成的试运行，或其文件已清除，不能入库"
    en = "This is no finished trial run, or its file is gone, so it cannot be recorded"
    hint_zh = "请重新上传文件"
    hint_en = "Upload the file again"


class IntakeTakenUp(Conflict):
    """已经入库: a trial run is recorded once; two recordings would share its file, and one could take it away."""

    code = "intake.taken_up"
    zh = "该次试运行已由任务 {job} 入库或正在入库"
    en = "This trial run is recorded, or being recorded, by job {job}"
    hint_zh = "请查看该任务；如其被取消或失败，可再次入库"
    hint_en = "See that job; if it is cancelled or fails, the trial run can be recorded again"


class ColumnChoiceWrong(Invalid):
    """列义有误: a heading was given a field that the register does not have, or two."""

    code = "intake.column_choice"
    zh = "指定的列义无法采用：{said}"
    en = "This choice of a column cannot be used: {said}"
    hint_zh = "请写成“表头=字段名”，不读取的列写成“表头=”；字段名见试运行结果的 columns"
    hint_en = "Write heading=field, or heading= for a column not to be read; the trial run's columns name the fields"


class AnswerNotReady(Conflict):
    """回执未完成."""

    code = "intake.not_answered"
    zh = "回执工作簿尚未生成"
    en = "The answer workbook is not there yet"
    hint_zh = "请待任务结束后下载"
    hint_en = "Wait until the job has ended"


class AnswerForgotten(Missing):
    """回执已清除: a trial run that nobody recorded is kept for some days only."""

    code = "intake.answer_forgotten"
    zh = "该次试运行未入库，保存期已过，文件与回执已清除"
    en = "This trial run was never recorded; its days are over and the file and its answer are gone"
    hint_zh = "请重新上传文件"
    hint_en = "Upload the file again"


class FileUnreadable(Invalid):
    """文件无法处理: reading it ends the process that reads it, again and again."""

    code = "file.unreadable"
    zh = "处理该文件超出了内存或时间上限"
    en = "Reading this file goes beyond the limits of memory or time"
    hint_zh = "请拆分文件，或另存为新的工作簿后重试"
    hint_en = "Split the file, or save it as a new workbook, and try again"


class RowsLost(Problem):
    """行数不符: rows in must equal stored + unchanged + refused; it never happens, or we must know."""

    code = "intake.rows_lost"
    zh = "文件有{rows}行，处理了{told}行"
    en = "The file has {rows} rows, {told} were dealt with"


@dataclass(frozen=True, slots=True)
class HandedIn:
    """What an officer says of his file."""

    filename: str
    year: Period
    observed_on: date
    dry_run: bool
    system: str | None = None
    columns: Sequence[str] = ()
    """`heading=field` each; nothing after the sign: that column says nothing."""


def chosen_columns(columns: Sequence[str]) -> dict[str, str | None]:
    """Heading (as headings are compared) → field."""
    chosen: dict[str, str | None] = {}
    for one in columns:
        heading, sign, name = one.rpartition("=")
        key = text_key(heading)
        if not sign or not key or (name and name not in BY_NAME) or chosen.get(key, name or None) != (name or None):
            raise ColumnChoiceWrong(said=one[:80])
        chosen[key] = name or None
    return chosen


async def submit_intake(
    tx: Transaction, officer: Officer, keys: KeyRing, told: HandedIn, content: tuple[bytes, bytes], now: datetime
) -> Job:
    """Keep the file sealed and queue its job, in one commit. `content` is the file and its SHA-256."""
    refuse_odd_year(told.year)
    chosen = chosen_columns(told.columns)
    body, digest = content
    job = await submit_job(tx, officer, KIND, {"dry_run": told.dry_run}, job_id=new_id(), now=now)
    before = {} if told.system is None else await uploads.remembered_choices(tx, told.system, job.id)
    await uploads.insert_intake(
        tx,
        Intake(
            job=job.id,
            filename=told.filename,
            size_bytes=len(body),
            content_hash=digest,
            year=told.year,
            observed_on=told.observed_on,
            dry_run=told.dry_run,
            source=job.id,
            rows=None,
            submitted_at=now,
            answered_at=None,
            system=told.system,
            choices=before | chosen,
        ),
    )
    await uploads.keep_file(tx, keys, job.id, UPLOAD, body)
    return job


async def apply_intake(tx: Transaction, officer: Officer, job_id: UUID, state: JobState, now: datetime) -> Job:
    """Record what a trial run has read: a job of its own over the same file, under the rights of who asks for it."""
    tried = await uploads.find_intake(tx, job_id)
    if tried is None:
        raise IntakeMissing
    await uploads.hold_file(tx, tried.source)
    taken_up = await uploads.recording_of(tx, job_id)
    if taken_up is not None:
        raise IntakeTakenUp(job=taken_up)
    if not tried.dry_run or state is not JobState.DONE or not await uploads.has_file(tx, tried.source, UPLOAD):
        raise IntakeNotTried
    job = await submit_job(tx, officer, KIND, {"dry_run": False}, job_id=new_id(), now=now)
    again = replace(tried, job=job.id, dry_run=False, rows=None, submitted_at=now, answered_at=None, reading=None)
    await uploads.insert_intake(tx, again)
    return job


async def load_answer(tx: Transaction, keys: KeyRing, job_id: UUID) -> tuple[Intake, bytes]:
    """The answer workbook of a file."""
    intake = await uploads.find_intake(tx, job_id)
    if intake is None:
        raise IntakeMissing
    book = await uploads.load_file(tx, keys, job_id, ANSWER)
    if book is None:
        raise AnswerNotReady if intake.answered_at is None else AnswerForgotten
    return intake, book


async def forget_files(tx: Transaction, now: datetime, days: int) -> int:
    """One batch of files that nobody needs any more; counts, refusals and who handed it in stay on record."""
    return await uploads.forget_stale(tx, now - timedelta(days=days), AT_ONCE)


# The worker


@dataclass(frozen=True, slots=True)
class Encoded:
    """A chunk ready for the database, and what was known of its keys when it was numbered."""

    keys: ChunkKeys
    register: Register
    numbered: Numbered
    files: dict[str, tuple[list[str], bytes]]


@dataclass(slots=True)
class OpenFile:
    """A file in this worker's hands."""

    intake: Intake
    child: ParsingChild
    opening: Opening | None = None
    ahead: tuple[int, asyncio.Task[Encoded]] | None = None
    """The next chunk, numbered and sealed while the database has the one before."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was done without a transaction for the next step: the opening, a chunk's rows, or the answer workbook."""

    opening: Opening
    chunk: int
    numbered: Numbered | None = None
    files: dict[str, tuple[list[str], bytes]] | None = None
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read: made in `app.py`."""

    transaction: Callable[[Job], AbstractAsyncContextManager[Transaction]]
    """A transaction under the rights of a job's submitter."""
    maintain: Callable[[bool], Awaitable[None]]
    """Sweep the staging tables; with True, refresh statistics too."""
    keys: KeyRing
    asked: Callable[[Intake, Job], Asked]
    """What the child is asked to read."""
    memory_bytes: int
    seconds: float


class Workbooks:
    """导入任务: prepares and runs the chunks of one file at a time."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._open: dict[UUID, OpenFile] = {}

    async def prepare(self, job: Job) -> Prepared:
        """Everything heavy: the file opened, a chunk numbered and sealed, the answer workbook written."""
        file = await self._file(job)
        opening = await self._opening(job, file)
        chunk = 0 if job.cursor is None else int(job.cursor["chunk"])
        if chunk == 0:
            return Prepared(opening, 0)
        if chunk > opening.chunks:
            return Prepared(opening, chunk, answer=await self._answer(job, file))
        if chunk in FRESH_AFTER or chunk % SWEEP_EVERY == 0:
            await self._reading.maintain(chunk in FRESH_AFTER)
        encoded = await self._current(job, file, opening, chunk)
        if chunk < opening.chunks:
            file.ahead = chunk + 1, asyncio.create_task(self._encoded(job, file, opening, chunk + 1))
        return Prepared(opening, chunk, encoded.numbered, encoded.files)

    async def _file(self, job: Job) -> OpenFile:
        held = self._open.get(job.id)
        if held is not None:
            return held
        async with self._reading.transaction(job) as tx:
            intake = await uploads.find_intake(tx, job.id)
            content = None if intake is None else await uploads.load_file(tx, self._reading.keys, intake.source, UPLOAD)
            numbers = tuple(await parameters(tx))
        if intake is None or content is None:
            raise IntakeMissing
        reading = self._reading
        asked = replace(reading.asked(intake, job), parameters=numbers)
        child = ParsingChild(content, asked, reading.keys, reading.memory_bytes, reading.seconds)
        self._open[job.id] = OpenFile(intake, child)
        return self._open[job.id]

    async def _opening(self, job: Job, file: OpenFile) -> Opening:
        """A child that dies over a file twice has met a file beyond its limits; once, it may have been killed."""
        if file.opening is None:
            try:
                file.opening = await file.child.opening()
            except ChildGone as gone:
                self._close(job.id)
                if job.attempts > 1:
                    raise FileUnreadable from gone
                raise
            except BaseException:
                self._close(job.id)
                raise
        return file.opening

    async def _current(self, job: Job, file: OpenFile, opening: Opening, chunk: int) -> Encoded:
        """This chunk: as it was worked out ahead, if that still holds."""
        ahead, file.ahead = file.ahead, None
        try:
            early = None if ahead is None else await ahead[1]
            if early is not None and ahead is not None and ahead[0] == chunk:
                if early.register.is_empty or early.register == await self._known(job, file, early.keys):
                    return early
                return await self._encoded(job, file, opening, chunk, early.keys)
            return await self._encoded(job, file, opening, chunk)
        except BaseException:
            self._close(job.id)
            raise

    async def _encoded(
        self, job: Job, file: OpenFile, opening: Opening, chunk: int, keys: ChunkKeys | None = None
    ) -> Encoded:
        """Number and seal one chunk; it also runs ahead, while the database has the chunk before. Whatever it knew of
        the register then is asked again when its turn comes, unless it knew nothing: what somebody has recorded since
        meets a unique index, and the chunk is done again.
        """
        keys = keys or await file.child.keys_of(chunk)
        async with self._reading.transaction(job) as tx:
            register = await _register(tx, keys, file.intake.observed_on)
            drawn = await store.draw_numbers(tx, *_unknown(keys, register))
        terms = Terms(file.intake.observed_on, "division" in opening.fields, opening.headings)
        numbered = arrive(keys, register, terms, _iterators(drawn))
        return Encoded(keys, register, numbered, await file.child.encode(job.id, chunk, numbered))

    async def _known(self, job: Job, file: OpenFile, keys: ChunkKeys) -> Register:
        async with self._reading.transaction(job) as tx:
            return await _register(tx, keys, file.intake.observed_on)

    async def _answer(self, job: Job, file: OpenFile) -> bytes:
        async with self._reading.transaction(job) as tx:
            refusals = await uploads.load_refusals(tx, job.id)
            doubts = await uploads.load_doubts(tx, job.id)
            counts = await uploads.load_counts(tx, job.id)
        return await file.child.answer(refusals, doubts, {LABELS[name]: count for name, count in counts.items()})

    async def run_chunk(self, tx: Transaction, job: Job, now: datetime, prepared: Prepared) -> Step:
        """One step in one commit: the reading, a chunk, or the answer."""
        if prepared.chunk == 0:
            return await self._begin(tx, job, now, prepared)
        if prepared.answer is not None:
            return await self._finish(tx, job, now, prepared)
        numbered = prepared.numbered or Numbered()
        counts = await self._record(tx, job, now, prepared)
        counts["rows_refused"] = len(numbered.refusals)
        counts["rows"] += len(numbered.refusals)
        await uploads.save_refusals(tx, job.id, prepared.chunk, numbered.refusals)
        await uploads.save_chunk(tx, job.id, prepared.chunk, counts, now)
        return self._step(job, prepared, job.done + counts["rows"])

    async def _begin(self, tx: Transaction, job: Job, now: datetime, prepared: Prepared) -> Step:
        opening = prepared.opening
        refused = opening.rows_refused
        await uploads.save_reading(tx, job.id, opening.rows, opening.told)
        await uploads.save_refusals(tx, job.id, 0, opening.refusals)
        counts = dict.fromkeys(LABELS, 0) | {"rows": refused, "rows_refused": refused}
        await uploads.save_chunk(tx, job.id, 0, counts, now)
        return self._step(job, prepared, refused)

    async def _record(self, tx: Transaction, job: Job, now: datetime, prepared: Prepared) -> dict[str, int]:
        opening = prepared.opening
        columns = store.Columns(opening.household_columns, opening.person_columns, opening.sealed_columns)
        await store.hasten(tx)
        await store.stage(tx, job.id, prepared.files or {})
        change = await store.classify(tx, job.id, columns)
        await uploads.save_doubts(tx, job.id, change.claims)
        if not job.parameters["dry_run"]:
            await store.apply(tx, job.id, change, job.sub, now, columns)
            await store.settle_doubts(tx, change, Look(job.sub, now, today(now), job.id), opening.asked)
        await store.unstage(tx, job.id)
        return {
            "rows": change.rows_new + change.rows_changed + change.rows_unchanged,
            "rows_new": change.rows_new,
            "rows_changed": change.rows_changed,
            "rows_unchanged": change.rows_unchanged,
            "rows_refused": 0,
            "doubts": change.doubts,
        }

    def _step(self, job: Job, prepared: Prepared, done: int) -> Step:
        following = prepared.chunk + 1
        recording = "trying" if job.parameters["dry_run"] else "recording"
        phase = recording if following <= prepared.opening.chunks else "answering"
        return Step(cursor={"chunk": following}, done=done, total=prepared.opening.rows, phase=phase)

    async def _finish(self, tx: Transaction, job: Job, now: datetime, prepared: Prepared) -> Step:
        counts = await uploads.load_counts(tx, job.id)
        if counts["rows"] != prepared.opening.rows:
            raise RowsLost(rows=prepared.opening.rows, told=counts["rows"])
        await uploads.keep_file(tx, self._reading.keys, job.id, ANSWER, prepared.answer or b"")
        await uploads.save_answered(tx, job.id, now)
        return Step(
            cursor=job.cursor, done=job.done, total=prepared.opening.rows, phase="done", is_last=True, result=counts
        )

    async def on_end(self, tx: Transaction, job: Job, state: JobState) -> None:
        """Say how it ended; the file goes, unless a trial run may still be recorded, for the first time or again."""
        self._close(job.id)
        intake = await uploads.find_intake(tx, job.id)
        if intake is None:
            return
        await uploads.drop_doubts(tx, job.id)
        is_done, is_of_trial = state is JobState.DONE, intake.source != job.id
        may_be_recorded = is_done if intake.dry_run else is_of_trial and not is_done
        if not may_be_recorded:
            await uploads.drop_file(tx, intake.source, UPLOAD)
        counts = await uploads.load_counts(tx, job.id)
        finished = IntakeFinished(
            job=job.id,
            divisions=tuple(code.text for code in job.divisions),
            dry_run=intake.dry_run,
            outcome=OUTCOMES[state],
            **counts,
        )
        await announce(tx, job.id, finished, at=await uploads.moment_of(tx, job.id))

    def _close(self, job_id: UUID) -> None:
        held = self._open.pop(job_id, None)
        if held is not None:
            if held.ahead is not None:
                held.ahead[1].cancel()
            held.child.end()

    def close(self) -> None:
        """This worker stops: its children go, others read the files anew."""
        for job_id in list(self._open):
            self._close(job_id)


LABELS = {
    "rows": "行数",
    "rows_new": "新增",
    "rows_changed": "变更",
    "rows_unchanged": "未变",
    "rows_refused": "退回",
    "doubts": "疑点",
}
OUTCOMES: dict[JobState, Any] = {
    JobState.DONE: "done",
    JobState.CANCELLED: "cancelled",
    JobState.FAILED: "failed",
}


async def _register(tx: Transaction, keys: ChunkKeys, on: date) -> Register:
    """What the register knows of the chunk's keys, under the submitter's scope."""
    await store.hasten(tx)
    numbers = [household.number for household in keys.households]
    households = await store.known_households(tx, numbers)
    real = [identity for person in keys.persons for identity in person.identities]
    own = [identity for person in keys.persons for identity in person.provisional]
    people = await store.known_people(tx, [*real, *own])
    divisions = {household.division for household in keys.households} | {one.division for one in households.values()}
    return Register(
        households=households,
        hidden_numbers=frozenset(await store.hidden_numbers(tx, numbers, households)),
        people=people,
        hidden_people=frozenset(await store.hidden_identities(tx, real, people)),
        villages=frozenset(await store.villages_in_force(tx, sorted(divisions), on)),
    )


def _unknown(keys: ChunkKeys, register: Register) -> tuple[int, int]:
    """At most how many numbers are needed for what is new."""
    households = sum(household.number not in register.households for household in keys.households)
    persons = sum(
        not any(key in register.people for key in person.provisional)
        and (not person.identities or not any(_free(register, key, person.number) for key in person.identities))
        for person in keys.persons
    )
    return households, persons


def _free(register: Register, identity: bytes, number: str) -> bool:
    """Whether that identity will be met as the same person in this household."""
    holder = register.people.get(identity)
    home = register.households.get(number)
    return holder is not None and (holder.household_no is None or (home is not None and holder.household_no == home.no))


def _iterators(drawn: tuple[list[int], list[int]]) -> tuple[Iterator[int], Iterator[int]]:
    return iter(drawn[0]), iter(drawn[1])
