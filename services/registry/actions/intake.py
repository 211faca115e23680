"""A file becomes part of the register: handed in, read, recorded by chunks, answered. Each chunk is all or nothing.

What the file holds is found anew by whoever takes the job up: the file is kept sealed until it is done with, the cursor
moves with each chunk's commit, and what is on record already is unchanged. So it may be killed at any point.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.registry.actions.amending import amend
from services.registry.actions.arriving import Register, Terms, arrive
from services.registry.actions.child import ChildGone, ParsingChild
from services.registry.actions.doubts import Corrected, look_again
from services.registry.actions.households import entry_of
from services.registry.domain.codes import text_key
from services.registry.domain.fields import BY_NAME, INCOME_ITEM_NAMES
from services.registry.domain.modes import Blank, Decided, Mode, meaning_of_blank
from services.registry.domain.payouts import refuse_odd_year
from services.registry.store import absences, uploads
from services.registry.store import intake as store
from services.registry.store.absences import Absent
from services.registry.store.arrivals import Asked, AskedChecks, ChunkKeys, Numbered, Opening
from services.registry.store.diffs import drop_diffs, load_diff, save_diff
from services.registry.store.doubts import Look, Seen, save_seen_doubts
from services.registry.store.households import load_households
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
LOOKED_AT_ONCE = 500
MOST_LISTED = 50_000
"""Lines of a diff that an answer workbook holds; all of them can be asked for, page by page."""


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


class BlankWrong(Invalid):
    """空白的含义有误: a form that is recorded whole says what it leaves empty."""

    code = "intake.blank"
    zh = "只有更正（mode=update）可以选择空白单元格保留原值"
    en = "Empty cells can keep what is on record in corrections alone (mode=update)"
    hint_zh = "请用 mode=update，或去掉 blank=keep"
    hint_en = "Use mode=update, or leave out blank=keep"


class DiffNotAsked(Conflict):
    """未要求列出变更."""

    code = "intake.diff_not_asked"
    zh = "该次导入没有要求列出变更"
    en = "The changes of this file were not asked for"
    hint_zh = "请重新上传并加 diff=true"
    hint_en = "Hand it in again with diff=true"


class AbsenceOfTrial(Conflict):
    """试运行的未列户: a trial run shows them; they are decided about once the list is recorded."""

    code = "absence.of_trial"
    zh = "试运行只列出名单未列的户，入库后才能登记处理意见"
    en = "A trial run only shows households that the list leaves out; decide once it is recorded"
    hint_zh = "请先将该次试运行入库"
    hint_en = "Record the trial run first"


class AbsenceMissing(Missing):
    """不在未列户中."""

    code = "absence.missing"
    zh = "户 {household} 不在该次名单的未列户中"
    en = "Household {household} is not among those that this list leaves out"


class AbsenceDecided(Conflict):
    """未列户已处理: decided once; only an unclear one is decided again."""

    code = "absence.decided"
    zh = "户 {household} 已有处理意见"
    en = "Household {household} has been decided about"
    hint_zh = "如情况有变，请按户的变动办理，或以新的名单重新核对"
    hint_en = "If things have changed, use the household's own verbs, or hand in a new list"


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
    mode: Mode = Mode.RECORD
    blank: Blank | None = None
    diff: bool = False


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
    blank = meaning_of_blank(told.mode, told.blank)
    if blank is None:
        raise BlankWrong
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
            mode=told.mode,
            blank=blank,
            diff=told.diff,
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


async def decide_absences(
    tx: Transaction, officer: Officer, job_id: UUID, decided: Sequence[tuple[UUID, Decided, str]], now: datetime
) -> None:
    """What became of households that a village's list left out: written down once, and again while it is unclear. The
    register is changed by its own verbs alone.
    """
    intake = await uploads.find_intake(tx, job_id)
    if intake is None:
        raise IntakeMissing
    if intake.dry_run:
        raise AbsenceOfTrial
    held = await absences.lock_absences(tx, job_id, [household for household, _, _ in decided])
    for household, _, _ in decided:
        if household not in held:
            raise AbsenceMissing(household=household)
        if held[household] not in (None, Decided.UNCLEAR):
            raise AbsenceDecided(household=household)
    await absences.save_decided(tx, job_id, decided, officer.sub, now)


async def forget_files(tx: Transaction, now: datetime, days: int) -> int:
    """One batch of files that nobody needs any more, and of changes that were listed for them; counts, refusals and who
    handed it in stay on record.
    """
    before = now - timedelta(days=days)
    await drop_diffs(tx, await uploads.changes_listed_before(tx, before, AT_ONCE))
    return await uploads.forget_stale(tx, before, AT_ONCE)


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

    intake: Intake
    opening: Opening
    chunk: int
    numbered: Numbered | None = None
    files: dict[str, tuple[list[str], bytes]] | None = None
    answer: bytes | None = None
    absent: Sequence[Absent] = ()


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


class _TakenBack(Exception):
    """The end of a trial of corrections: everything back, nothing wrong."""


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
            return Prepared(file.intake, opening, 0)
        if chunk > opening.chunks:
            absent = await self._absent(job, file)
            return Prepared(file.intake, opening, chunk, answer=await self._answer(job, file, absent), absent=absent)
        if chunk in FRESH_AFTER or chunk % SWEEP_EVERY == 0:
            await self._reading.maintain(chunk in FRESH_AFTER)
        encoded = await self._current(job, file, opening, chunk)
        if chunk < opening.chunks:
            file.ahead = chunk + 1, asyncio.create_task(self._encoded(job, file, opening, chunk + 1))
        return Prepared(file.intake, opening, chunk, encoded.numbered, encoded.files)

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
            register = await _register(tx, keys, file.intake)
            amends = file.intake.mode is Mode.UPDATE
            drawn = ([], []) if amends else await store.draw_numbers(tx, *_unknown(keys, register))
        terms = Terms(file.intake.observed_on, "division" in opening.fields, opening.headings, file.intake.mode)
        numbered = amend(keys, register, terms) if amends else arrive(keys, register, terms, _iterators(drawn))
        return Encoded(keys, register, numbered, await file.child.encode(job.id, chunk, numbered))

    async def _known(self, job: Job, file: OpenFile, keys: ChunkKeys) -> Register:
        async with self._reading.transaction(job) as tx:
            return await _register(tx, keys, file.intake)

    async def _absent(self, job: Job, file: OpenFile) -> list[Absent]:
        """Of a village's full list, whom it leaves out."""
        if file.intake.mode is not Mode.REPLACE_VILLAGE:
            return []
        villages, numbers = await file.child.listed()
        async with self._reading.transaction(job) as tx:
            await store.hasten(tx)
            return await absences.absent_from(tx, villages, numbers)

    async def _answer(self, job: Job, file: OpenFile, absent: Sequence[Absent]) -> bytes:
        async with self._reading.transaction(job) as tx:
            refusals = await uploads.load_refusals(tx, job.id)
            doubts = await uploads.load_doubts(tx, job.id)
            counts = await uploads.load_counts(tx, job.id)
            changes = await load_diff(tx, job.id, MOST_LISTED) if file.intake.diff else []
        told: dict[str, Any] = {LABELS[name]: count for name, count in counts.items()}
        if file.intake.mode is Mode.REPLACE_VILLAGE:
            told["名单未列的户"] = len(absent)
        if len(changes) == MOST_LISTED:
            told["变更页"] = f"只列前{MOST_LISTED}项，其余见接口"
        return await file.child.answer(refusals, doubts, told, [one.line for one in absent], changes)

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
        told = (opening.household_columns, opening.person_columns, opening.sealed_columns)
        items = tuple(name for name in INCOME_ITEM_NAMES if name in opening.fields)
        columns = store.Columns(*told, items, prepared.intake.blank if prepared.intake.mode is Mode.UPDATE else None)
        await store.hasten(tx)
        await store.stage(tx, job.id, prepared.files or {})
        change = await store.classify(tx, job.id, columns)
        if prepared.intake.diff:
            await save_diff(tx, job.id, change, columns)
        await uploads.save_doubts(tx, job.id, change.claims)
        look = Look(job.sub, now, today(now), job.id)
        seen: list[Seen] = []
        if columns.blank is not None:
            seen = await self._correct(tx, job, change, columns, look, prepared)
        elif not job.parameters["dry_run"]:
            await store.apply(tx, job.id, change, job.sub, now, columns)
            await store.settle_doubts(tx, change, look, opening.asked)
        await store.unstage(tx, job.id)
        return {
            "rows": change.rows_new + change.rows_changed + change.rows_unchanged,
            "rows_new": change.rows_new,
            "rows_changed": change.rows_changed,
            "rows_unchanged": change.rows_unchanged,
            "rows_refused": 0,
            "doubts": change.doubts + len(seen),
        }

    async def _correct(
        self, tx: Transaction, job: Job, change: store.Change, columns: store.Columns, look: Look, prepared: Prepared
    ) -> list[Seen]:
        """Corrections are recorded, then their households are looked at whole; of a trial run all of it is taken back:
        only what was found is kept, for its answer.
        """
        seen: list[Seen] = []
        with suppress(_TakenBack):
            async with tx.driver.transaction():
                await store.apply(tx, job.id, change, look.by, look.now, columns)
                seen, households, asked = await self._looked(tx, job, prepared)
                if job.parameters["dry_run"]:
                    raise _TakenBack
                await store.settle_doubts(tx, change, look, AskedChecks())
                await save_seen_doubts(tx, households, seen, asked, look)
        await uploads.save_seen(tx, job.id, seen)
        return seen

    async def _looked(self, tx: Transaction, job: Job, prepared: Prepared) -> tuple[list[Seen], list[int], AskedChecks]:
        homes, rows = await store.staged_rows(tx, job.id)
        numbers = await parameters(tx)
        seen: list[Seen] = []
        asked, on, spoken = AskedChecks(), prepared.intake.observed_on, frozenset(prepared.opening.fields)
        for at in range(0, len(homes), LOOKED_AT_ONCE):
            part = homes[at : at + LOOKED_AT_ONCE]
            records = await load_households(tx, [id_ for id_, _, _ in part], self._reading.keys)
            corrected = [
                Corrected(no, entry_of(records[id_].household), records[id_].persons, row, rows)
                for id_, no, row in part
            ]
            found, asked = await asyncio.to_thread(look_again, self._reading.keys, corrected, on, numbers, spoken)
            seen.extend(found)
        return seen, [no for _, no, _ in homes], asked

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
        await absences.save_absences(tx, job.id, prepared.absent)
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


async def _register(tx: Transaction, keys: ChunkKeys, intake: Intake) -> Register:
    """What the register knows of the chunk's keys, under the submitter's scope."""
    await store.hasten(tx)
    numbers = [household.number for household in keys.households]
    households = await store.known_households(tx, numbers)
    real = [identity for person in keys.persons for identity in person.identities]
    own = [identity for person in keys.persons for identity in person.provisional]
    people = await store.known_people(tx, [*real, *own])
    said = {one.division for one in keys.households if one.division is not None}
    divisions = said | {one.division for one in households.values()}
    amended = [one.no for one in households.values()] if intake.mode is Mode.UPDATE else []
    return Register(
        households=households,
        hidden_numbers=frozenset(await store.hidden_numbers(tx, numbers, households)),
        people=people,
        hidden_people=frozenset(await store.hidden_identities(tx, real, people)),
        villages=frozenset(await store.villages_in_force(tx, sorted(divisions), intake.observed_on)),
        members=await store.known_members(tx, amended) if amended else {},
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
