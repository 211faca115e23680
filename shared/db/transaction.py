"""One transaction a door. Core and the driver share it, the scope is its first statement, and it is closed for good
at its end.

SQLAlchemy begins lazily: a driver statement before the first of Core would run outside the transaction and survive a
rollback. So the door begins itself, on the driver, in one message with the scope, and tells SQLAlchemy that it has:
two trips to the server that every request makes are saved, and Core's own way to them, which cost more than both.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import sqlalchemy as sa
from asyncpg.transaction import Transaction as Begun
from asyncpg.transaction import TransactionState
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.db.failures import is_unavailable
from shared.db.turns import LONGEST_WAIT_SECONDS, turn
from shared.values import Scope

Row = TypeVar("Row")

BEGIN = (
    "begin; select set_config('tuopin.lo', {lo}, true), set_config('tuopin.hi', {hi}, true),"
    " set_config('tuopin.scope', {ranges}, true), set_config('tuopin.caller', {caller}, true)"
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
        pool_timeout=LONGEST_WAIT_SECONDS,
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
    async with turn(engine):
        core, door = await _begin(engine, scope, caller)
        tx = Transaction(core, door.driver, scope, caller, traceparent)
        try:
            yield tx
            await door.commit()
        except BaseException:
            if door.is_in_doubt:
                await core.invalidate()
            raise
        finally:
            tx.close()
            await core.close()


class _Door(Begun):  # type: ignore[misc]  # the driver has no types
    """门: the driver's own transaction, for its savepoints, begun in one message with the scope.

    Its COMMIT looks at the answer: where an error was swallowed, PostgreSQL rolls back and says so, and the driver
    would not.
    """

    def __init__(self, core: AsyncConnection) -> None:
        connection = core.sync_connection
        assert connection is not None, "a connection of the pool is open"
        self._adapter: Any = connection.connection.dbapi_connection
        self.driver: asyncpg.Connection = connection.connection.driver_connection
        super().__init__(self.driver, None, readonly=False, deferrable=False)

    @property
    def is_in_doubt(self) -> bool:
        """Whether a message was under way when it ended: nobody knows in which state the connection is."""
        return self._state is TransactionState.FAILED

    async def open(self, first: str) -> None:
        """Begin; `first` says it."""
        self._state = TransactionState.FAILED
        if self._connection.is_in_transaction():
            raise asyncpg.InterfaceError("the connection came from the pool within a transaction")
        await self._connection.execute(first)
        self._connection._top_xact = self._adapter._transaction = self
        self._state = TransactionState.STARTED

    async def commit(self) -> None:
        """For good, or LostWork."""
        self._connection._top_xact = self._adapter._transaction = None
        self._state = TransactionState.FAILED
        try:
            told = await self._connection.execute("commit")
        except asyncpg.PostgresError:
            self._state = TransactionState.ROLLEDBACK
            raise
        self._state = TransactionState.COMMITTED
        if told != "COMMIT":
            raise LostWork("a database error was swallowed; catch it inside a savepoint")


async def _begin(engine: AsyncEngine, scope: Scope, caller: str) -> tuple[AsyncConnection, _Door]:
    """A pooled connection may be dead, all of them after a restart of the server; another try is free before the first
    statement.
    """
    settings = {**scope.settings(), "caller": caller}
    first = BEGIN.format_map({name: _literal(text) for name, text in settings.items()})
    pool = engine.sync_engine.pool
    tries = pool.size() + 1 if isinstance(pool, sa.pool.QueuePool) else 1
    for left in reversed(range(tries)):
        core = await engine.connect()
        try:
            door = _Door(core)
            await door.open(first)
        except BaseException as error:
            await core.invalidate()
            await core.close()
            if not left or not is_unavailable(error):
                raise
        else:
            return core, door
    raise AssertionError("the last attempt returns or raises")


def _literal(text: str) -> str:
    """Any text as SQL, by its bytes: a message of several statements takes no parameters, and nothing in here can end
    the literal.
    """
    return f"convert_from('\\x{text.encode().hex()}', 'UTF8')"


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
