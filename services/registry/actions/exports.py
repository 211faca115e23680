"""What is listed or sought leaves as a file: asked for, read chunk by chunk under the rights of who asked, bound, kept
sealed for some days (ADR 0028). Whom it shows in clear is written down with each chunk, before the file is there.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, BinaryIO
from uuid import UUID

from services.registry.actions.binding import Batch, bound, bound_here
from services.registry.domain.exports import Asked, Drawn, FileFormat, Line, Paper, Shape, columns_of, lines_of
from services.registry.domain.household import Household
from services.registry.domain.search import Sought
from services.registry.domain.times import AsOf
from services.registry.forms.binding import Binding
from services.registry.reports import search
from services.registry.reports.divisions import names_of
from services.registry.store import exports as store
from services.registry.store.exports import LINES, Export
from services.registry.store.households import load_households
from services.registry.store.past import load_pasts
from shared.auth import Officer, PurposeMissing, Role, log_access
from shared.clock import today
from shared.crypto import KeyRing
from shared.db import Transaction
from shared.errors import Conflict, Missing, Refused
from shared.jobs import Job, JobRefused, JobState, Step, submit_job
from shared.values import new_id

KIND = "export"
ASKERS = tuple(Role)
USUAL_PURPOSE = "登记表导出"
AT_ONCE = 50


class ExportMissing(Missing):
    """导出不存在."""

    code = "export.missing"
    zh = "未找到该次导出"
    en = "There is no such export"


class ExportNotReady(Conflict):
    """导出未完成."""

    code = "export.not_ready"
    zh = "导出文件尚未生成"
    en = "The exported file is not there yet"
    hint_zh = "请待任务结束后下载"
    hint_en = "Wait until the job has ended"


class ExportForgotten(Missing):
    """导出已清除: a file that was exported is kept for some days only."""

    code = "export.forgotten"
    zh = "导出文件保存期已过，已清除"
    en = "The days of the exported file are over; it is gone"
    hint_zh = "请重新导出"
    hint_en = "Export it again"


class ExportOfAnother(Refused):
    """他人的导出: people in clear are fetched by whoever stated the purpose."""

    code = "export.of_another"
    zh = "含个人信息全文的导出文件只能由提交人本人下载"
    en = "A file that shows people in clear is fetched by whoever asked for it, nobody else"
    hint_zh = "请自行提交导出"
    hint_en = "Ask for an export of your own"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an officer asks for."""

    sought: Sought
    shape: Shape
    format: FileFormat
    in_clear: bool
    purpose: str | None
    at: AsOf | None


async def submit_export(
    tx: Transaction, officer: Officer, keys: KeyRing, wanted: Wanted, in_clear: frozenset[Role], now: datetime
) -> Job:
    """Queue it under the officer's own rights. People in clear, or asked for by name or number, need a role that may
    see them, and a purpose.
    """
    if wanted.in_clear or wanted.sought.is_of_names:
        officer.demand(in_clear)
        if wanted.purpose is None:
            raise PurposeMissing
    if wanted.at is not None:
        wanted.sought.refuse_past()
    job = await submit_job(tx, officer, KIND, {}, job_id=new_id(), now=now)
    export = Export(
        job=job.id,
        shape=wanted.shape,
        format=wanted.format,
        in_clear=wanted.in_clear,
        purpose=wanted.purpose,
        words=wanted.sought.words,
        as_of=None if wanted.at is None else wanted.at.on,
        known_at=None if wanted.at is None else wanted.at.known_at,
        submitted_at=now,
    )
    await store.insert_export(tx, keys, export, wanted.sought)
    return job


async def fetch_export(tx: Transaction, officer: Officer, job: Job) -> Export:
    """The export whose file somebody fetches; that he did is written down."""
    export = await store.find_export(tx, job.id)
    if export is None:
        raise ExportMissing
    if export.in_clear and officer.sub != job.sub:
        raise ExportOfAnother
    if export.finished_at is None:
        raise ExportNotReady
    if not await store.is_kept(tx, job.id):
        raise ExportForgotten
    purpose = export.purpose or USUAL_PURPOSE
    await log_access(tx, officer, purpose=purpose, noun="export", ids=[job.id], action="download")
    return export


async def forget_files(tx: Transaction, now: datetime, days: int) -> int:
    """One batch of files whose days are over; what was exported, for whom and what for stays on record."""
    return await store.forget_stale(tx, now - timedelta(days=days), AT_ONCE)


# The worker


@dataclass(frozen=True, slots=True)
class Reading:
    """How exports are read: made in `app.py`."""

    transaction: Callable[[Job], AbstractAsyncContextManager[Transaction]]
    """A transaction under the rights of a job's submitter."""
    keys: KeyRing
    in_clear: frozenset[Role]
    households: int
    """How many a chunk has."""
    seconds: float
    """How long binding may take once the last line is read."""
    is_practice: bool


class Exports:
    """导出任务: reads chunks, then binds them; a file of many chunks in a process of its own."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def prepare(self, job: Job) -> BinaryIO | None:
        """When all lines are read: the file."""
        if job.cursor is None or not job.cursor["is_read"]:
            return None
        async with self._reading.transaction(job) as tx:
            export = await self._export(tx, job)
            asked, _ = await self._asked(tx, export)
        paper = Paper(
            number=job.id,
            by=job.name,
            sub=job.sub,
            at=export.submitted_at,
            words=export.words,
            in_clear=export.in_clear,
            purpose=export.purpose,
            lines=job.cursor["lines"],
            as_of=export.as_of,
            known_at=export.known_at,
            is_practice=self._reading.is_practice,
        )
        binding = Binding(export.format, columns_of(asked), paper)
        batches = self._batches(job, job.cursor["pieces"])
        if job.cursor["pieces"] <= 1:
            return await bound_here(binding, [batch async for batch in batches])
        return await bound(binding, batches, self._reading.seconds)

    async def _batches(self, job: Job, pieces: int) -> AsyncIterator[Batch]:
        for piece in range(pieces):
            async with self._reading.transaction(job) as tx:
                packed = await store.load_piece(tx, self._reading.keys, job.id, LINES, piece)
            assert packed is not None, "each chunk has kept its lines"
            yield await asyncio.to_thread(_unpacked, packed)

    async def _export(self, tx: Transaction, job: Job) -> Export:
        export = await store.find_export(tx, job.id)
        if export is None:
            raise ExportMissing
        if export.in_clear and not job.roles & self._reading.in_clear:
            raise JobRefused
        return export

    async def _asked(self, tx: Transaction, export: Export) -> tuple[Asked, Sought]:
        sought = await store.load_sought(tx, self._reading.keys, export.job)
        return Asked(export.shape, export.in_clear, sought.is_of_persons), sought

    async def run_chunk(self, tx: Transaction, job: Job, now: datetime, prepared: BinaryIO | None) -> Step:
        """One step in one commit: some households, or the file."""
        if prepared is not None:
            with prepared:
                return await self._finish(tx, job, now, prepared)
        return await self._read(tx, job, now)

    async def _read(self, tx: Transaction, job: Job, now: datetime) -> Step:
        export = await self._export(tx, job)
        asked, sought = await self._asked(tx, export)
        cursor: dict[str, Any] = job.cursor or {"after": None, "pieces": 0, "lines": 0, "is_read": False}
        total = job.total
        if total is None and export.at is None:
            total = await search.count_households(tx, sought, today(now))
        found = await self._next(tx, export, sought, cursor["after"], now)
        if not found:
            return Step({**cursor, "is_read": True}, job.done, job.done, "binding")
        drawn = await self._drawn(tx, export, found)
        if asked.in_part:
            only = await search.people_of_households(tx, sought, today(now), [one.household.id for one in drawn])
            drawn = [replace(one, only=only) for one in drawn]
        lines = await asyncio.to_thread(_lines, drawn, asked)
        if export.in_clear:
            await self._log(tx, job, export, drawn)
        await store.keep_lines(tx, self._reading.keys, job.id, cursor["pieces"], lines)
        last = found[-1]
        cursor = {
            "after": [last.division, last.number],
            "pieces": cursor["pieces"] + 1,
            "lines": cursor["lines"] + len(lines),
            "is_read": False,
        }
        return Step(cursor, job.done + len(found), total, "reading")

    async def _next(
        self, tx: Transaction, export: Export, sought: Sought, after: list[Any] | None, now: datetime
    ) -> list[search.Found]:
        limit = self._reading.households
        if export.at is not None:
            return await search.households_sought_then(tx, sought, export.at, after=after, limit=limit)
        return await search.households_sought(tx, sought, today(now), after=after, limit=limit)

    async def _drawn(self, tx: Transaction, export: Export, found: Sequence[search.Found]) -> list[Drawn]:
        """The households in their order; sealed fields are opened only where they will be shown or masked."""
        ids, keys = [one.id for one in found], self._reading.keys
        told: dict[UUID, tuple[Household, int]] = {}
        if export.at is None:
            records = await load_households(tx, ids, keys)
            told = {id_: (record.household, 0) for id_, record in records.items()}
        else:
            pasts = await load_pasts(tx, ids, export.at, keys)
            told = {id_: (past.record.household, past.hidden) for id_, past in pasts.items()}
        villages = await names_of(tx, {one.division for one in found})
        return [
            Drawn(told[one.id][0], villages.get(one.division, ""), told[one.id][1]) for one in found if one.id in told
        ]

    async def _log(self, tx: Transaction, job: Job, export: Export, drawn: Sequence[Drawn]) -> None:
        """Who sees whom: every household of the chunk, and its people where they are shown."""
        ids: list[UUID] = []
        for one in drawn:
            ids.append(one.household.id)
            ids.extend(member.person.id for member in one.household.members)
        purpose = export.purpose or USUAL_PURPOSE
        await log_access(tx, job.officer, purpose=purpose, noun="household", ids=ids, action="export in clear")

    async def _finish(self, tx: Transaction, job: Job, now: datetime, file: BinaryIO) -> Step:
        export = await self._export(tx, job)
        lines = job.cursor["lines"]
        await store.keep_file(tx, self._reading.keys, job.id, file)
        size = file.tell()
        await store.save_finished(tx, job.id, lines, size, now)
        purpose = export.purpose or USUAL_PURPOSE
        await log_access(tx, job.officer, purpose=purpose, noun="export", ids=[job.id], action="export")
        result = {"lines": lines, "size_bytes": size}
        return Step(job.cursor, job.done, job.done, "done", is_last=True, result=result)

    async def on_end(self, tx: Transaction, job: Job, state: JobState) -> None:
        """What was read for a file that is not made goes."""
        if state is not JobState.DONE:
            await store.drop_pieces(tx, job.id, [LINES])


def _lines(drawn: Sequence[Drawn], asked: Asked) -> list[Line]:
    columns = columns_of(asked)
    return [line for one in drawn for line in lines_of(one, columns, asked)]


def _unpacked(packed: bytes) -> Batch:
    lines: Batch = json.loads(zlib.decompress(packed))
    return lines
