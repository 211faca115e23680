"""An office over this worker's own clone of the migrated database, empty at the start of each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from stack.provision import Database
from tests.assessment.make import Office


@pytest.fixture
async def office(database: Callable[[str], Database], wipe: Callable[[Database], None]) -> AsyncIterator[Office]:
    own = database("assessment")
    wipe(own)
    made = Office.of(own)
    yield made
    await made.close()
