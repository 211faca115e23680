"""Which database errors mean what: gone for a while, try again, out of scope. Names, never texts that could carry a
row.
"""

from __future__ import annotations

import asyncpg
import sqlalchemy as sa

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
