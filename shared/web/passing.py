"""What a request carries from its first byte to its answer: trace, officer, transaction. And what the application
carries.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope as Connection

from shared.auth import Doorkeeper, Officer
from shared.crypto import KeyRing
from shared.db import Transaction
from shared.settings import Settings

TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
KEY = "tuopin"


@dataclass(frozen=True, slots=True)
class Trace:
    """W3C trace context and the request id that the gateway gave (or we, where there is none)."""

    trace_id: str
    span_id: str
    flags: str
    request_id: str

    @classmethod
    def of(cls, headers: Headers) -> Trace:
        """Continue the caller's trace under a span of our own; a malformed one is begun anew."""
        found = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
        trace_id, flags = (found[1], found[3]) if found else (secrets.token_hex(16), "01")
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else trace_id
        return cls(trace_id, secrets.token_hex(8), flags, request_id)

    @property
    def traceparent(self) -> str:
        """As it goes on: into the outbox, into answers."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


@dataclass(slots=True)
class Passing:
    """One request under way."""

    trace: Trace
    route: str = "none"
    officer: Officer | None = None
    tx: Transaction | None = None
    claimed: str | None = None
    body_digest: bytes = b""
    upload: Upload | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """上传文件: a body spooled to disk under a limit; gone when the request ends."""

    path: str
    size: int
    sha256: bytes
    media_type: str


@dataclass
class Fittings:
    """What an application is plugged into, opened at its start and closed at its end."""

    settings: Settings
    engine: AsyncEngine
    health_engine: AsyncEngine
    """One connection of its own: a busy pool is no reason to call the process unready."""
    keys: KeyRing
    doorkeeper: Doorkeeper
    now: Callable[[], datetime]
    is_draining: bool = field(default=False)


def passing_of(request: Request) -> Passing:
    """Of this request."""
    return cast(Passing, request.scope[KEY])


def passing_in(connection: Connection) -> Passing | None:
    """The same, where only the connection is at hand."""
    return connection.get(KEY)


def fittings_of(app: FastAPI) -> Fittings:
    """Of this application; absent before its start."""
    return cast(Fittings, app.state.fittings)
