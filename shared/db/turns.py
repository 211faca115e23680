"""先来后到: callers of one engine get its connections in the order in which they asked.

SQLAlchemy's async pool gives a connection that comes back to whoever asks first, which need not be who waited: callers
that ask again without a pause took each one, while others waited their five seconds and were sent away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

LONGEST_WAIT_SECONDS = 5.0

_turns: WeakKeyDictionary[sa.Engine, asyncio.Semaphore] = WeakKeyDictionary()


@asynccontextmanager
async def turn(engine: AsyncEngine) -> AsyncIterator[None]:
    """Hold one of the engine's connections' worth; first come, first served. Whoever waits too long is told so."""
    pool = engine.sync_engine.pool
    assert isinstance(pool, sa.pool.QueuePool), "create_engine makes no other"
    turns = _turns.setdefault(engine.sync_engine, asyncio.Semaphore(pool.size()))
    try:
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            await turns.acquire()
    except TimeoutError:
        raise sa.exc.TimeoutError("no connection came free in time") from None
    try:
        yield
    finally:
        turns.release()
