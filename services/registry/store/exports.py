"""Exports as remembered: what was asked, the lines that were read, and the file; all that holds people is sealed."""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, BinaryIO
from uuid import UUID

from services.registry.domain.exports import FileFormat, Line, Shape
from services.registry.domain.search import Sought
from services.registry.domain.times import AsOf
from shared.crypto import KeyRing
from shared.db import Transaction

LINES, FILE = "lines", "file"
PIECE_BYTES = 512 * 1024
SOUGHT = "sought"


@dataclass(frozen=True, slots=True)
class Export:
    """导出: what somebody asked for, and what became of it."""

    job: UUID
    shape: Shape
    format: FileFormat
    in_clear: bool
    purpose: str | None
    words: str
    as_of: date | None
    known_at: datetime | None
    submitted_at: datetime
    lines: int | None = None
    size_bytes: int | None = None
    finished_at: datetime | None = None

    @property
    def at(self) -> AsOf | None:
        """Of which two times, if of any."""
        return None if self.as_of is None or self.known_at is None else AsOf(self.as_of, self.known_at)


PLAIN = tuple(Export.__slots__)
NAMED = ", ".join(PLAIN)
GIVEN = PLAIN[: PLAIN.index("lines")]
INSERT = f"""insert into export ({", ".join(GIVEN)}, sought_sealed)
values ({", ".join(f"${at}" for at in range(1, len(GIVEN) + 2))})"""


async def insert_export(tx: Transaction, keys: KeyRing, export: Export, sought: Sought) -> None:
    """Its own row; its job stands already. What was sought may be a name, so it is sealed."""
    sealed = keys.seal("export", SOUGHT, export.job, json.dumps(sought.as_json(), ensure_ascii=False))
    given = [getattr(export, name) for name in GIVEN]
    await tx.driver.execute(INSERT, *given, sealed)


def _export(row: Any) -> Export:
    told = dict(row) | {"shape": Shape(row["shape"]), "format": FileFormat(row["format"])}
    return Export(**told)


async def find_export(tx: Transaction, job: UUID) -> Export | None:
    """One in the caller's scope."""
    row = await tx.driver.fetchrow(f"select {NAMED} from export where job = $1", job)
    return None if row is None else _export(row)


async def exports_of(tx: Transaction, jobs: Sequence[UUID]) -> dict[UUID, Export]:
    """Those of these jobs."""
    rows = await tx.driver.fetch(f"select {NAMED} from export where job = any($1)", list(jobs))
    return {row["job"]: _export(row) for row in rows}


async def load_sought(tx: Transaction, keys: KeyRing, job: UUID) -> Sought:
    """What it is about."""
    sealed = await tx.driver.fetchval("select sought_sealed from export where job = $1", job)
    return Sought.of(json.loads(keys.unseal("export", SOUGHT, job, sealed)))


INSERT_PIECE = "insert into export_piece (job, kind, piece, sealed) values ($1, $2, $3, $4)"


async def keep_lines(tx: Transaction, keys: KeyRing, job: UUID, piece: int, lines: Sequence[Line]) -> None:
    """One chunk's lines, sealed for their place."""
    sealed = await asyncio.to_thread(_sealed_lines, keys, job, piece, lines)
    await tx.driver.execute(INSERT_PIECE, job, LINES, piece, sealed)


def _sealed_lines(keys: KeyRing, job: UUID, piece: int, lines: Sequence[Line]) -> bytes:
    packed = zlib.compress(json.dumps(lines, ensure_ascii=False, separators=(",", ":")).encode(), 1)
    return _sealed(keys, job, LINES, piece, packed)


def _sealed(keys: KeyRing, job: UUID, kind: str, piece: int, content: bytes) -> bytes:
    return keys.seal("export_piece", kind, f"{job}/{piece}", base64.b64encode(content).decode())


def opened(keys: KeyRing, job: UUID, kind: str, piece: int, sealed: bytes) -> bytes:
    """What a piece holds."""
    return base64.b64decode(keys.unseal("export_piece", kind, f"{job}/{piece}", sealed))


async def load_piece(tx: Transaction, keys: KeyRing, job: UUID, kind: str, piece: int) -> bytes | None:
    """One piece; None behind the last."""
    query = "select sealed from export_piece where job = $1 and kind = $2 and piece = $3"
    sealed = await tx.driver.fetchval(query, job, kind, piece)
    return None if sealed is None else await asyncio.to_thread(opened, keys, job, kind, piece, sealed)


async def keep_file(tx: Transaction, keys: KeyRing, job: UUID, file: BinaryIO) -> None:
    """The bound file, piece by piece; the lines that it was bound of go."""
    async for piece, content in _pieces(file):
        sealed = await asyncio.to_thread(_sealed, keys, job, FILE, piece, content)
        await tx.driver.execute(INSERT_PIECE, job, FILE, piece, sealed)
    await drop_pieces(tx, job, [LINES])


async def _pieces(file: BinaryIO) -> AsyncIterator[tuple[int, bytes]]:
    piece = 0
    while content := await asyncio.to_thread(file.read, PIECE_BYTES):
        yield piece, content
        piece += 1


async def drop_pieces(tx: Transaction, job: UUID, kinds: Iterable[str]) -> None:
    """What is done with goes."""
    await tx.driver.execute("delete from export_piece where job = $1 and kind = any($2)", job, list(kinds))


async def save_finished(tx: Transaction, job: UUID, lines: int, size: int, now: datetime) -> None:
    """The file is there."""
    query = "update export set lines = $2, size_bytes = $3, finished_at = $4 where job = $1"
    await tx.driver.execute(query, job, lines, size, now)


async def is_kept(tx: Transaction, job: UUID) -> bool:
    """Whether the file can still be fetched."""
    query = "select exists (select 1 from export_piece where job = $1 and kind = $2 and piece = 0)"
    return bool(await tx.driver.fetchval(query, job, FILE))


STALE = """delete from export_piece where job = any(array(
  select e.job from export e where e.finished_at < $1
    and exists (select 1 from export_piece p where p.job = e.job) order by e.job limit $2))"""


async def forget_stale(tx: Transaction, before: datetime, limit: int) -> int:
    """Files that were made before; how many pieces went."""
    said = await tx.driver.execute(STALE, before, limit)
    return int(str(said).rsplit(" ", 1)[-1])
