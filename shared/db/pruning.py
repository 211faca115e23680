"""What is kept for a while only is forgotten in batches, by the worker, which alone may delete it: answers to writes
after their day in every service, and whatever else a service says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db.failures import is_passing, is_unavailable
from shared.db.transaction import Transaction, transaction
from shared.log import get_logger
from shared.values import Scope

EXPIRED = """delete from idempotency_request where (caller, key) in (
    select caller, key from idempotency_request where expires_at < clock_timestamp() limit $1)"""
AT_ONCE = 10_000

log = get_logger(__name__)

Forget = Callable[[Transaction], Awaitable[int]]
"""Forgets one batch under the full scope; how many went, 0 when nothing is left."""


async def forget_answers(tx: Transaction) -> int:
    """Answers to writes whose day is over."""
    return int((await tx.driver.execute(EXPIRED, AT_ONCE)).rpartition(" ")[2])


class Pruning:
    """清理: a loop of the worker."""

    def __init__(
        self,
        engine: AsyncEngine,
        forget: Forget = forget_answers,
        *,
        name: str = "pruning",
        every_seconds: float = 600.0,
    ) -> None:
        self.name = name
        self._engine = engine
        self._forget = forget
        self._every_seconds = every_seconds

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop; a database that is away is tried again at the next turn."""
        while not stopping.is_set():
            try:
                while await self.prune() and not stopping.is_set():
                    pass  # the next batch
            except Exception as error:
                if not (is_unavailable(error) or is_passing(error)):
                    raise
                log.warning("pruning waits for the database", loop=self.name, error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._every_seconds)

    async def prune(self) -> int:
        """Forget one batch; how many went."""
        async with transaction(self._engine, Scope.everything(), caller=self.name) as tx:
            return await self._forget(tx)
