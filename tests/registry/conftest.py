"""A registry over this worker's own clone of the migrated database, without people at the start of each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from stack.provision import Database
from tests.registry.ground import Ground


@pytest.fixture
async def ground(
    database: Callable[[str], Database], wipe: Callable[[Database], None], tmp_path: Path
) -> AsyncIterator[Ground]:
    own = database("registry")
    wipe(own)
    await _forget(own)
    made = Ground.of(own, tmp_path)
    async with made.running():
        yield made
    await made.close()


async def _forget(database: Database) -> None:
    """The migration announced the divisions; a test begins with nothing to say."""
    admin = await asyncpg.connect(database.admin, ssl=False)
    try:
        await admin.execute("delete from outbox")
        await admin.execute("alter database " + database.name + " set tuopin.practice = 'on'")
    finally:
        await admin.close()
