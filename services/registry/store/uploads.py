"""Files of an intake as remembered: in pieces, sealed for their place, gone when they are done with."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.registry.domain.modes import Blank, Mode
from services.registry.domain.statuses import CHECK_FIELD, CHECK_ID
from services.registry.store.arrivals import Refusal
from services.registry.store.claims import Claimed
from services.registry.store.doubts import Seen
from services.registry.tables.intake import COUNTS
from shared.crypto import KeyRing
from shared.db import Transaction, lock
from shared.values import Period

PIECE_BYTES = 512 * 1024
UPLOAD, ANSWER = "upload", "answer"


@dataclass(frozen=True, slots=True)
class Intake:
    """导入: a file that was handed in, and what was said of it."""

    job: UUID
    filename: str
    size_bytes: int
    content_hash: bytes
    year: Period
    observed_on: date
    dry_run: bool
    source: UUID
    rows: int | None
    submitted_at: datetime
    answered_at: datetime | None
    system: str | None = None
    choices: dict[str, str | None] = field(default_factory=dict)
    """What somebody has said that a heading means: field, or nothing."""
    reading: dict[str, Any] | None = None
    """How it was read; nothing until then."""
    mode: Mode = Mode.RECORD
    blank: Blank = Blank.ERASE
    diff: bool = False
    """Whether its changes are listed field by field."""
    undoes: UUID | None = None
    """The batch that it takes back."""


INSERT = """insert into intake (job, filename, size_bytes, content_hash, year_from, year_to, observed_on, dry_run,
  source, submitted_at, system, choices, mode, blank, diff, undoes)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"""


async def insert_intake(tx: Transaction, intake: Intake) -> None:
    """The file's own row; its job stands already."""
    await tx.driver.execute(
        INSERT,
        intake.job,
        intake.filename,
        intake.size_bytes,
        intake.content_hash,
        intake.year.first,
        intake.year.last,
        intake.observed_on,
        intake.dry_run,
        intake.source,
        intake.submitted_at,
        intake.system,
        json.dumps(intake.choices, ensure_ascii=False),
        intake.mode.value,
        intake.blank.value,
        intake.diff,
        intake.undoes,
    )


REMEMBERED = """select i.choices from intake i join job j on j.id = i.job
where i.system = $1 and j.divisions = (select divisions from job where id = $2) and i.job <> $2
order by i.submitted_at desc, i.job desc limit 1"""


async def remembered_choices(tx: Transaction, system: str, job: UUID) -> dict[str, str | None]:
    """What was said of the headings of this source when its last file came for the same places."""
    found: dict[str, str | None] | None = await tx.driver.fetchval(REMEMBERED, system, job)
    return found or {}


async def find_intake(tx: Transaction, job: UUID) -> Intake | None:
    """One file in the caller's scope."""
    row = await tx.driver.fetchrow("select * from intake where job = $1", job)
    if row is None:
        return None
    plain: dict[str, Any] = {name: row[name] for name in Intake.__slots__ if name in row}
    means = {"mode": Mode(row["mode"]), "blank": Blank(row["blank"])}
    return Intake(**plain | means, year=Period(row["year_from"], row["year_to"]))


async def keep_file(tx: Transaction, keys: KeyRing, job: UUID, kind: str, content: bytes) -> None:
    """In sealed pieces: a file holds numbers in clear."""
    pieces = [content[at : at + PIECE_BYTES] for at in range(0, len(content), PIECE_BYTES)] or [b""]
    rows = await asyncio.to_thread(_sealed, keys, job, kind, pieces)
    await tx.driver.executemany("insert into intake_file (job, kind, piece, sealed) values ($1, $2, $3, $4)", rows)


def _sealed(keys: KeyRing, job: UUID, kind: str, pieces: Sequence[bytes]) -> list[tuple[UUID, str, int, bytes]]:
    return [
        (job, kind, at, keys.seal("intake_file", kind, f"{job}/{at}", base64.b64encode(piece).decode()))
        for at, piece in enumerate(pieces)
    ]


async def load_file(tx: Transaction, keys: KeyRing, job: UUID, kind: str) -> bytes | None:
    """The whole file, or None when it is gone."""
    rows = await tx.driver.fetch(
        "select piece, sealed from intake_file where job = $1 and kind = $2 order by piece", job, kind
    )
    return await asyncio.to_thread(_opened, keys, job, kind, rows) if rows else None


def _opened(keys: KeyRing, job: UUID, kind: str, rows: Sequence[Any]) -> bytes:
    texts = (keys.unseal("intake_file", kind, f"{job}/{row['piece']}", row["sealed"]) for row in rows)
    return b"".join(base64.b64decode(text) for text in texts)


async def drop_file(tx: Transaction, job: UUID, kind: str) -> None:
    """A file that is done with goes."""
    await tx.driver.execute("delete from intake_file where job = $1 and kind = $2", job, kind)


STALE = """select i.job from intake i join job j on j.id = i.job
where coalesce(i.answered_at, i.submitted_at) < $1 and j.state in ('done', 'failed', 'cancelled')
  and exists (select 1 from intake_file f where f.job = i.job and (f.kind = 'upload' or i.dry_run))
  and not exists (select 1 from intake a join job b on b.id = a.job
    where a.source = i.job and b.state in ('queued', 'running'))
  and ($3::uuid[] is null or i.job = any($3)) order by i.job limit $2"""
FORGET = """delete from intake_file f using intake i
where i.job = f.job and f.job = any($1) and (f.kind = 'upload' or i.dry_run)"""


LISTED_LONG_AGO = """select i.job from intake i join job j on j.id = i.job
where i.diff and coalesce(i.answered_at, i.submitted_at) < $1 and j.state in ('done', 'failed', 'cancelled')
  and exists (select 1 from intake_change c where c.job = i.job) order by i.job limit $2"""


async def changes_listed_before(tx: Transaction, before: datetime, limit: int) -> list[UUID]:
    """Ended files whose changes are still listed."""
    return [row["job"] for row in await tx.driver.fetch(LISTED_LONG_AGO, before, limit)]


async def forget_stale(tx: Transaction, before: datetime, limit: int) -> int:
    """Files of ended jobs that nobody took up since: the upload, of a trial run its answer too; how many.

    Looked at again once each is held, as `apply_intake` holds it: what somebody records now is not taken away.
    """
    seen = [row["job"] for row in await tx.driver.fetch(STALE, before, limit, None)]
    for job in seen:
        await hold_file(tx, job)
    stale = [row["job"] for row in await tx.driver.fetch(STALE, before, limit, seen)] if seen else []
    await tx.driver.execute(FORGET, stale)
    return len(stale)


async def hold_file(tx: Transaction, job: UUID) -> None:
    """Until the commit, nobody else forgets this file or takes it up."""
    await lock(tx, f"intake:{job}")


async def recording_of(tx: Transaction, trial: UUID) -> UUID | None:
    """The job that records this trial run or has recorded it, whoever submitted it; none where it failed."""
    found: UUID | None = await tx.driver.fetchval("select recording_of($1)", trial)
    return found


async def save_reading(tx: Transaction, job: UUID, rows: int, told: dict[str, Any]) -> None:
    """How many rows the file has, and how it was read."""
    await tx.driver.execute(
        "update intake set rows = $2, reading = $3 where job = $1", job, rows, json.dumps(told, ensure_ascii=False)
    )


async def save_answered(tx: Transaction, job: UUID, now: datetime) -> None:
    """The answer workbook is there."""
    await tx.driver.execute("update intake set answered_at = $2 where job = $1", job, now)


async def save_chunk(tx: Transaction, job: UUID, chunk: int, counts: dict[str, int], now: datetime) -> None:
    """What became of a chunk's rows: the table itself refuses counts that do not add up."""
    await tx.driver.execute(
        f"insert into intake_chunk (job, chunk, {', '.join(COUNTS)}, recorded_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        job,
        chunk,
        *(counts[name] for name in COUNTS),
        now,
    )


async def save_refusals(tx: Transaction, job: UUID, chunk: int, refusals: Sequence[Refusal]) -> None:
    """Rows that go back, each with its reason."""
    if not refusals:
        return
    columns = [list(column) for column in zip(*refusals, strict=True)]
    await tx.driver.execute(
        'insert into intake_refusal (job, chunk, row, "column", code, detail_zh, detail_en)'
        ' select $1, $2, row, "column", code, zh, en'
        ' from unnest($3::int[], $4::text[], $5::text[], $6::text[], $7::text[]) as r(row, "column", code, zh, en)',
        job,
        chunk,
        *columns,
    )


async def load_refusals(tx: Transaction, job: UUID) -> list[Refusal]:
    """All of a file's rows that go back."""
    rows = await tx.driver.fetch(
        'select row, "column", code, detail_zh, detail_en from intake_refusal where job = $1 order by row, no', job
    )
    return [Refusal(*row) for row in rows]


SAVE_DOUBTS = """insert into intake_doubt (job, row, field, check_id, detail_zh, detail_en)
select $1, row, field, check_id, detail_zh, detail_en from staging_doubt where job = $1
union all
select $1, row, $2, $3, zh, en from unnest($4::int[], $5::text[], $6::text[]) as c(row, zh, en)"""


async def save_doubts(tx: Transaction, job: UUID, claims: Sequence[Claimed]) -> None:
    """What the staged chunk leaves in doubt, recorded or not, new or known: as many as are counted."""
    rows = [(one.row, one.claim.zh, one.claim.en) for one in claims]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 3
    await tx.driver.execute(SAVE_DOUBTS, job, CHECK_FIELD, CHECK_ID, *columns)


async def save_seen(tx: Transaction, job: UUID, seen: Sequence[Seen]) -> None:
    """What was found when the corrected households were looked at whole."""
    rows = [(one.row, one.field, one.check_id, one.detail_zh, one.detail_en) for one in seen]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 5
    await tx.driver.execute(
        "insert into intake_doubt (job, row, field, check_id, detail_zh, detail_en)"
        " select $1, * from unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::text[])",
        job,
        *columns,
    )


async def load_doubts(tx: Transaction, job: UUID) -> list[tuple[int, str, str, str, str]]:
    """What this file left in doubt: row, field, check, zh, en."""
    rows = await tx.driver.fetch(
        "select row, field, check_id, detail_zh, detail_en from intake_doubt where job = $1 order by row, no", job
    )
    return [tuple(row) for row in rows]


async def drop_doubts(tx: Transaction, job: UUID) -> None:
    """The answer workbook has them now; what was recorded stands among the register's open doubts."""
    await tx.driver.execute("delete from intake_doubt where job = $1", job)


async def load_counts(tx: Transaction, job: UUID) -> dict[str, int]:
    """Sums over the chunks that are done."""
    sums = ", ".join(f"coalesce(sum({name}), 0)::int as {name}" for name in COUNTS)
    row = await tx.driver.fetchrow(f"select {sums} from intake_chunk where job = $1", job)
    return dict(row)


async def has_file(tx: Transaction, job: UUID, kind: str) -> bool:
    """Whether the file is still kept."""
    query = "select exists (select 1 from intake_file where job = $1 and kind = $2)"
    return bool(await tx.driver.fetchval(query, job, kind))


async def moment_of(tx: Transaction, job: UUID) -> datetime:
    """The last moment at which something of it was recorded."""
    found: datetime = await tx.driver.fetchval(
        "select greatest(i.submitted_at, i.answered_at, (select max(recorded_at) from intake_chunk where job = $1))"
        " from intake i where i.job = $1",
        job,
    )
    return found
