"""Which database errors mean what: gone for a while, try again, out of scope. Names, never texts that could carry a
row.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import sqlalchemy as sa

from shared.errors import Busy, Problem

FRAMES = 12

UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,
    ConnectionError,
    TimeoutError,
)
PASSING = (
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
    asyncpg.InvalidCachedStatementError,
)


def driver_error(error: BaseException | None) -> BaseException | None:
    """The driver's own error beneath SQLAlchemy's wrapping; any other error is returned as it is."""
    if isinstance(error, sa.exc.DBAPIError):
        inner = error.orig
        return inner.__cause__ if inner is not None and inner.__cause__ is not None else inner
    return error


def is_unavailable(error: BaseException) -> bool:
    """Whether the database could not be reached or dropped the session: nothing is wrong with the request."""
    if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
        return True
    inner = driver_error(error)
    return isinstance(inner, UNAVAILABLE) or isinstance(error, sa.exc.TimeoutError)


def is_passing(error: BaseException) -> bool:
    """Whether the same statement may well succeed a moment later (a lock, a deadlock, a plan made old by a
    migration).
    """
    return isinstance(driver_error(error), PASSING)


def is_out_of_scope(error: BaseException) -> bool:
    """Whether a policy refused a write. A missing grant has the same SQLSTATE but is our mistake, hence the text."""
    inner = driver_error(error)
    return isinstance(inner, asyncpg.InsufficientPrivilegeError) and "row-level security policy" in inner.args[0]


# Not there yet, or no room: an operator mends it; giving work up meanwhile would only make more of it.
_BLOCKING_CLASSES = ("08", "28", "40", "53", "55", "57", "58", "3D", "3F")
_BLOCKING_STATES = ("42P01", "42703", "42883")  # a table, column or function that the migration has not made yet


def is_transient(error: BaseException) -> bool:
    """Whether the same work may go through later unchanged: loops wait and keep the order."""
    if isinstance(error, Busy | OSError | TimeoutError) or is_unavailable(error) or is_passing(error):
        return True
    inner = driver_error(error)
    if not isinstance(inner, asyncpg.PostgresError):
        return False
    state = str(inner.sqlstate or "")
    return state[:2] in _BLOCKING_CLASSES or state in _BLOCKING_STATES


def reason(error: BaseException) -> tuple[str, str]:
    """Code and detail of a failure that is kept with a row: names and places, never values of a row."""
    if isinstance(error, Problem):
        return error.code, _where(error)
    inner = driver_error(error)
    if isinstance(inner, asyncpg.PostgresError):
        names = (inner.sqlstate, inner.table_name, inner.column_name, inner.constraint_name)
        return f"database.{inner.sqlstate}", " ".join(str(name) for name in names if name)
    return f"failed.{type(error).__name__}", _where(error)


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    last = frames[-1]
    return f"{type(error).__name__} at {last.filename.rpartition('/')[2]}:{last.lineno} in {last.name}"


def failure_of(error: BaseException) -> dict[str, Any]:
    """An exception for a log, without its texts (they may hold a row): kinds along its causes, SQLSTATE and
    constraint, the innermost frames.
    """
    inner = driver_error(error)
    told: dict[str, Any] = {"errors": [type(one).__qualname__ for one in _causes(error)], "frames": _frames(error)}
    if isinstance(inner, asyncpg.PostgresError):
        told |= {name: getattr(inner, name, None) for name in ("sqlstate", "table_name", "constraint_name")}
    return told


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < FRAMES:
        yield error
        error, seen = error.__cause__ or error.__context__, seen + 1


def _frames(error: BaseException) -> list[str]:
    own = (Path(prefix).as_posix() for prefix in sys.path if prefix)
    prefixes = sorted((prefix.rstrip("/") + "/" for prefix in own), key=len, reverse=True)

    def short(file: str) -> str:
        return next((file[len(prefix) :] for prefix in prefixes if file.startswith(prefix)), file)

    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return [f"{short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
