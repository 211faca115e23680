"""A worker's jobs in a process of their own, which stops dead at a named point so that a test can kill it there.

Run as `python -m tests.registry.job_process SETTINGS_FILE POINT MARK_FILE`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from services.registry import app as registry_app
from services.registry.actions import inspecting
from services.registry.actions.child import ParsingChild
from services.registry.app import AppSettings
from services.registry.store import carrying as carrying_store
from services.registry.store import exports, uploads
from services.registry.store import intake as store
from shared.clock import Clock
from shared.crypto import KeyRing
from shared.db import create_engine
from shared.jobs import JobRunner

LEASE_SECONDS = 1.0
Verb = Callable[..., Awaitable[Any]]


def stop_after(owner: Any, name: str, mark: Path, occurrence: int) -> None:
    """When the verb has done its work for the n-th time, the process is under way and goes no further."""
    verb: Verb = getattr(owner, name)
    done = 0

    async def stopped(*arguments: Any, **named: Any) -> Any:
        nonlocal done
        answer = await verb(*arguments, **named)
        done += 1
        if done == occurrence:
            await asyncio.to_thread(mark.touch)
            await asyncio.sleep(3600)
        return answer

    setattr(owner, name, stopped)


POINTS: dict[str, tuple[Any, str, int]] = {
    "parse": (ParsingChild, "opening", 1),
    "encode": (ParsingChild, "encode", 2),
    "stage": (store, "stage", 2),
    "check": (store, "classify", 2),
    "upsert": (store, "apply", 2),
    "answer book": (uploads, "keep_file", 1),
    "carried": (carrying_store, "carry_households", 2),
    "inspected": (inspecting, "save_doubts_of_many", 2),
    "export read": (exports, "keep_lines", 2),
    "export bound": (exports, "keep_file", 1),
}
"""Where it stops. The second chunk is the one that is torn, so that the first is on record already."""


async def main(settings: AppSettings, worker_url: str) -> None:
    engine = create_engine(worker_url, pool_size=4)
    keys = KeyRing.load(settings.key_ring_file)
    jobs = registry_app.of_files(registry_app.workbooks(settings, engine, keys))
    jobs.kinds |= registry_app.of_the_register(settings, engine, keys).kinds
    jobs.kinds |= registry_app.of_lists(settings, engine, keys).kinds
    runner = JobRunner(engine, jobs, Clock(settings.home).now, lease_seconds=LEASE_SECONDS, poll_seconds=0.1)
    await runner.run(asyncio.Event())


if __name__ == "__main__":
    file, where, marked = sys.argv[1:]
    given = AppSettings.model_validate_json(Path(file).read_text(encoding="utf-8"))
    torn, named, nth = POINTS[where]
    stop_after(torn, named, Path(marked), nth)
    asyncio.run(main(given, given.database_url))
