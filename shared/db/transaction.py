"""One transaction a door. Core and the driver share it, the scope is its first statement, and it is closed for good
at its end.

SQLAlchemy begins lazily, so the scope goes through Core first: a driver statement before it would run outside the
transaction and survive a rollback.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction, create_async_engine

from shared.values import Scope

Row = TypeVar("Row")

SCOPE = sa.text(
    "select set_config('tuopin.lo', :lo, true), set_config('tuopin.hi', :hi, true),"
    " set_config('tuopin.scope', :ranges, true), set_config('tuopin.caller', :caller, true)"
)
VERIFYING_TLS = ("verify-ca", "verify-full")


class LostWork(RuntimeError):
    """A database error was caught and swallowed: PostgreSQL would answer COMMIT with ROLLBACK and no exception at
    all.
    """


class Transaction:
    """事务: what a door hands to a verb. Usable until the door closes it; a reference kept longer is refused."""

    __slots__ = ("_core", "_driver", "caller", "scope", "traceparent")

    def __init__(
        self, core: AsyncConnection, driver: asyncpg.Connection, scope: Scope, caller: str, traceparent: str | None
    ) -> None:
        self._core: AsyncConnection | None = core
        self._driver: asyncpg.Connection | None = driver
        self.scope = scope
        self.caller = caller
        self.traceparent = traceparent
        """W3C trace context of the request or fact that is being served; the outbox carries it on."""

    @property
    def core(self) -> AsyncConnection:
        """The SQLAlchemy Core connection."""
        if self._core is None:
            raise RuntimeError("this transaction is over: open another one")
        return self._core

    @property
    def driver(self) -> asyncpg.Connection:
        """The asyncpg connection, in the same transaction: hot paths, and savepoints by `driver.transaction()`."""
        if self._driver is None:
            raise RuntimeError("this transaction is over: open another one")
        return self._driver

    def close(self) -> None:
        """From now on the connection may be somebody else's."""
        self._core = self._driver = None


def create_engine(
    url: str,
    *,
    pool_size: int = 8,
    application: str = "tuopin",
    lock_timeout_ms: int = 3_000,
    statement_timeout_ms: int = 60_000,
) -> AsyncEngine:
    """An engine for `postgresql://login:password@host:port/database[?sslmode=…]`; nothing is connected yet.

    Waiting for a lock, a statement or a free connection is bounded: the caller is told to try again instead of hanging.
    """
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    mode = parsed.query.get("sslmode", "disable")
    server_settings = {
        "application_name": application,
        "jit": "off",
        "lock_timeout": str(lock_timeout_ms),
        "statement_timeout": str(statement_timeout_ms),
        "idle_in_transaction_session_timeout": "60000",
        "timezone": "UTC",
    }
    return create_async_engine(
        parsed.difference_update_query(["sslmode"]),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        hide_parameters=True,
        connect_args={"ssl": _tls(str(mode)), "timeout": 5, "server_settings": server_settings},
    )


def _tls(mode: str) -> ssl.SSLContext | str | bool:
    """The embedded server has no TLS; asyncpg's default attempt costs half a connect."""
    if mode == "disable":
        return False
    if mode not in VERIFYING_TLS:
        return mode
    context = ssl.create_default_context()
    context.check_hostname = mode == "verify-full"
    return context


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, scope: Scope, *, caller: str = "", traceparent: str | None = None
) -> AsyncIterator[Transaction]:
    """Begin, set scope and caller, hand over, commit. Any exception rolls back; only doors call this."""
    core, begun = await _begin(engine, scope, caller)
    driver = (await core.get_raw_connection()).driver_connection
    assert driver is not None, "a connection that has begun has its driver"
    tx = Transaction(core, driver, scope, caller, traceparent)
    try:
        yield tx
        await _still_sound(tx)
        await begun.commit()
    finally:
        tx.close()
        await core.close()


async def _begin(engine: AsyncEngine, scope: Scope, caller: str) -> tuple[AsyncConnection, AsyncTransaction]:
    """A pooled connection may be dead; before the first statement a second try is free."""
    settings = {**scope.settings(), "caller": caller}
    for last in (False, True):
        core = await engine.connect()
        try:
            begun = await core.begin()
            await core.execute(SCOPE, settings)
        except sa.exc.DBAPIError as error:
            await core.close()
            if last or not error.connection_invalidated:
                raise
        except BaseException:
            await core.close()
            raise
        else:
            return core, begun
    raise AssertionError("the second attempt returns or raises")


async def _still_sound(tx: Transaction) -> None:
    try:
        await tx.driver.execute("select 1")
    except asyncpg.InFailedSQLTransactionError as error:
        raise LostWork("a database error was swallowed; catch it inside a savepoint") from error


def into(kind: type[Row], row: Mapping[str, Any] | sa.Row[*tuple[Any, ...]]) -> Row:
    """A frozen dataclass from a row whose columns carry the names of its fields."""
    columns = dict(row._mapping if isinstance(row, sa.Row) else row)
    return kind(**columns)


def lock_number(name: str) -> int:
    """The signed bigint that PostgreSQL wants for a named advisory lock."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


async def lock(tx: Transaction, name: str) -> None:
    """Hold a named lock until the transaction ends (waits at most the lock timeout)."""
    await tx.driver.execute("select pg_advisory_xact_lock($1)", lock_number(name))


async def try_lock(driver: asyncpg.Connection, name: str) -> bool:
    """Take a named lock for as long as this session lives; False if somebody else holds it."""
    return bool(await driver.fetchval("select pg_try_advisory_lock($1)", lock_number(name)))
