"""What is kept for a while only: answers to writes are forgotten after their day, by the worker, which alone may
delete them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db.failures import is_passing, is_unavailable
from shared.db.transaction import transaction
from shared.log import get_logger
from shared.values import Scope

EXPIRED = """delete from idempotency_request where (caller, key) in (
    select caller, key from idempotency_request where expires_at < clock_timestamp() limit $1)"""
AT_ONCE = 10_000

log = get_logger(__name__)


class Pruning:
    """清理: a loop of the worker."""

    name = "pruning"

    def __init__(self, engine: AsyncEngine, *, every_seconds: float = 600.0) -> None:
        self._engine = engine
        self._every_seconds = every_seconds

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop; a database that is away is tried again at the next turn."""
        while not stopping.is_set():
            try:
                gone = AT_ONCE
                while gone == AT_ONCE and not stopping.is_set():
                    gone = await self.prune()
            except Exception as error:
                if not (is_unavailable(error) or is_passing(error)):
                    raise
                log.warning("pruning waits for the database", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._every_seconds)

    async def prune(self) -> int:
        """Forget one batch; how many went."""
        async with transaction(self._engine, Scope.everything()) as tx:
            return int((await tx.driver.execute(EXPIRED, AT_ONCE)).rpartition(" ")[2])
