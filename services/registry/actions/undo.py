"""A recorded file is taken back whole, by a batch of its own: shown first, done in parts, resumed when killed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.registry.actions.intake import LABELS, OUTCOMES, IntakeMissing
from services.registry.store import undo as store
from services.registry.store import uploads
from services.registry.store.arrivals import Refusal
from services.registry.store.undo import Since, Undo
from services.registry.store.uploads import Intake
from shared.auth import Officer
from shared.db import Transaction
from shared.errors import Conflict
from shared.events.registry import IntakeFinished
from shared.jobs import Job, JobState, Step, submit_job
from shared.outbox import announce
from shared.values import new_id

KIND = "undo"
LOOKED_AT = 2_000
SHOWN = 100
CHANGED_SINCE = (
    "undo.changed_since",
    "户 {number} 此后由 {by} 于 {at:%Y-%m-%d %H:%M} 变更，未撤销",
    "household {number} was changed since by {by} ({at:%Y-%m-%d %H:%M}) and is left as it is",
)
TIED = (
    "undo.tied",
    "户 {number} 与此后有变更的户之间有成员调整，未撤销",
    "household {number} exchanged a member with one that was changed since, and is left as it is",
)
NOTHING_READ: dict[str, Any] = {"sheets": [], "columns": [], "notes": []}


class IntakeNotUndoable(Conflict):
    """不能撤销: nothing of it is recorded, it is still at work, or it is itself an undo."""

    code = "intake.not_undoable"
    zh = "该次导入是试运行、尚未结束，或本身就是撤销，不能撤销"
    en = "This intake is a trial run, has not ended, or is an undo itself: it cannot be undone"
    hint_zh = "请等待任务结束；要恢复已撤销的内容，请重新导入文件"
    hint_en = "Wait until it has ended; to have undone rows again, hand the file in again"


class IntakeUndone(Conflict):
    """已撤销: a batch is taken back once."""

    code = "intake.undone"
    zh = "该次导入已由任务 {job} 撤销或正在撤销"
    en = "This intake is undone, or being undone, by job {job}"
    hint_zh = "请查看该任务；如其被取消或失败，可再次撤销其余的户"
    hint_en = "See that job; if it is cancelled or fails, the rest can be undone again"


@dataclass(frozen=True, slots=True)
class Preview:
    """撤销预览: how many households would be restored or withdrawn, and which are left alone."""

    restored: int
    withdrawn: int
    left: int
    shown: Sequence[Since]


async def _undoable(tx: Transaction, job_id: UUID, state: JobState) -> Intake:
    batch = await uploads.find_intake(tx, job_id)
    if batch is None:
        raise IntakeMissing
    if batch.dry_run or batch.undoes is not None or not state.is_final:
        raise IntakeNotUndoable
    taken_up = await store.undoing_of(tx, job_id)
    if taken_up is not None:
        raise IntakeUndone(job=taken_up)
    return batch


async def preview_undo(tx: Transaction, job_id: UUID, state: JobState) -> Preview:
    """What taking it back would do now."""
    await _undoable(tx, job_id, state)
    marks = await store.touched_by(tx, job_id)
    since: dict[int, Since] = {}
    order = sorted(marks)
    for at in range(0, len(order), LOOKED_AT):
        since |= await store.changed_since(tx, job_id, order[at : at + LOOKED_AT])
    clean = _clean(marks, since)
    made = await store.made_by(tx, job_id, clean)
    return Preview(len(clean) - made, made, len(marks) - len(clean), list(since.values())[:SHOWN])


def _clean(marks: dict[int, int], since: dict[int, Since]) -> list[int]:
    """Neither changed since nor tied to one that was."""
    stuck = {marks[no] for no in since}
    return [no for no, mark in marks.items() if mark not in stuck]


async def submit_undo(tx: Transaction, officer: Officer, job_id: UUID, state: JobState, now: datetime) -> Job:
    """Queue the batch that takes it back, under the rights of who asks for it."""
    await uploads.hold_file(tx, job_id)
    batch = await _undoable(tx, job_id, state)
    job = await submit_job(tx, officer, KIND, {"undoes": str(job_id)}, job_id=new_id(), now=now)
    fresh: dict[str, Any] = {"rows": None, "submitted_at": now, "answered_at": None, "reading": None}
    undoing = replace(batch, job=job.id, source=job.id, undoes=job_id, diff=False, **fresh)
    await uploads.insert_intake(tx, undoing)
    return job


async def run_undo(tx: Transaction, job: Job, now: datetime, _: Any) -> Step:
    """The plan first, then a part of whole households with each commit."""
    undo = Undo(UUID(job.parameters["undoes"]), job.id, job.sub, now)
    if job.cursor is None:
        marks = await store.touched_by(tx, undo.batch)
        parts = await store.save_plan(tx, undo, marks)
        await store.take_back_doubts(tx, undo, marks)
        await uploads.save_reading(tx, job.id, len(marks), NOTHING_READ)
        return Step({"part": 1, "parts": parts}, 0, len(marks), "undoing", is_last=not parts, result=_counts(0, 0))
    part, parts = job.cursor["part"], job.cursor["parts"]
    marks = await store.planned(tx, job.id, part)
    since = await store.changed_since(tx, undo.batch, sorted(marks))
    clean = _clean(marks, since)
    await store.take_back(tx, undo, clean)
    left = sorted(set(marks) - set(clean))
    await store.save_outcome(tx, job.id, clean, left)
    await uploads.save_refusals(tx, job.id, part, await _told(tx, left, since))
    counts = _counts(len(clean), len(left))
    await uploads.save_chunk(tx, job.id, part, counts, now)
    result = await uploads.load_counts(tx, job.id)
    done = job.done + counts["rows"]
    return Step({"part": part + 1, "parts": parts}, done, job.total, "undoing", is_last=part == parts, result=result)


def _counts(undone: int, left: int) -> dict[str, int]:
    return dict.fromkeys(LABELS, 0) | {"rows": undone + left, "rows_changed": undone, "rows_refused": left}


async def _told(tx: Transaction, left: Sequence[int], since: dict[int, Since]) -> list[Refusal]:
    """Why each of them is left alone; a household of the register has no row of the file."""
    numbers = await store.numbers_of(tx, left)
    told = []
    for no in left:
        changed = since.get(no)
        code, zh, en = CHANGED_SINCE if changed is not None else TIED
        said: dict[str, Any] = {"number": numbers[no]}
        said |= {} if changed is None else {"by": changed.by, "at": changed.at}
        told.append(Refusal(0, None, code, zh.format(**said), en.format(**said)))
    return told


async def undo_ended(tx: Transaction, job: Job, state: JobState) -> None:
    """Say how it ended, as of every batch."""
    finished = IntakeFinished(
        job=job.id,
        divisions=tuple(code.text for code in job.divisions),
        dry_run=False,
        outcome=OUTCOMES[state],
        **await uploads.load_counts(tx, job.id),
    )
    await announce(tx, job.id, finished, at=await uploads.moment_of(tx, job.id))
