"""Bodies under a limit. Small ones are read whole; a file is spooled to disk while it is hashed, before any
transaction opens.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.types import Message, Receive

from shared.errors import TooLarge
from shared.web.passing import Upload, passing_of

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WORKBOOKS = (XLSX, "text/csv", "application/octet-stream")
"""What a route for workbooks says it takes."""
ROWS = ("application/json", "application/x-ndjson")
"""What a route for rows in bulk says it takes: one array, or one object a line."""


def limited(request: Request, limit_bytes: int) -> Request:
    """The same request, which refuses to read more than the limit, announced or not."""
    told = request.headers.get("content-length", "")
    refused = TooLarge(limit=_shown(limit_bytes))
    if told.isdecimal() and int(told) > limit_bytes:
        raise refused
    return Request(request.scope, _counted(request.receive, limit_bytes, refused))


def _counted(receive: Receive, limit_bytes: int, refused: TooLarge) -> Receive:
    read = 0

    async def receive_counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit_bytes:
            raise refused
        return message

    return receive_counted


def _shown(size: int) -> str:
    return f"{size // 2**20} MiB" if size >= 2**20 else f"{size // 2**10} KiB"


@asynccontextmanager
async def spooled(request: Request, folder: Path | None = None) -> AsyncIterator[Upload]:
    """Write the body to a file of our own as it comes. The file has no name: a kill leaves nothing of it either."""
    digest, size = hashlib.sha256(), 0
    with tempfile.TemporaryFile(dir=folder) as out:
        async for piece in request.stream():
            digest.update(piece)
            size += len(piece)
            out.write(piece)
        out.flush()
        media_type = request.headers.get("content-type", "application/octet-stream").partition(";")[0].strip().lower()
        yield Upload(f"/proc/self/fd/{out.fileno()}", size, digest.digest(), media_type)


async def _uploaded(request: Request) -> Upload:
    upload = passing_of(request).upload
    if upload is None:
        raise RuntimeError("only a route declared with upload=True receives a file")
    return upload


UploadedFile = Annotated[Upload, Depends(_uploaded)]
