"""A post office over this worker's own clone of the migrated database, empty at the start of each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from stack.provision import Database
from tests.notify.make import PostOffice


@pytest.fixture
async def office(database: Callable[[str], Database], wipe: Callable[[Database], None]) -> AsyncIterator[PostOffice]:
    own = database("notify")
    wipe(own)
    made = PostOffice.of(own)
    yield made
    await made.close()
