"""Running one process of one service: what `tuopin api SERVICE` and `tuopin worker SERVICE` do."""

import asyncio
import contextlib
import importlib
import os
import signal
from types import ModuleType
from typing import Any

import asyncpg

from shared import log
from shared.settings import Settings
from stack.problems import StackProblem
from stack.programs import built_doors


def app_of(service: str) -> ModuleType:
    return importlib.import_module(f"services.{service}.app")


def settings_of(app: ModuleType) -> Settings:
    """The service's own settings class if it has one; read once, passed in."""
    kind = getattr(app, "AppSettings", Settings)
    settings = kind.read()
    assert isinstance(settings, Settings)
    return settings


async def require_same_kind(database_url: str, *, practice: bool) -> None:
    """A database made for practice refuses an ordinary start, and the reverse."""
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        marked = await connection.fetchval("select current_setting('tuopin.practice', true)")
    finally:
        await connection.close()
    if (marked == "on") != practice:
        raise StackProblem(
            f"this database is {'for practice' if marked == 'on' else 'an ordinary one'} and the start is not",
            "start the process as what its database is: TUOPIN_PRACTICE must agree",
        )


def require_built(service: str, kind: str) -> None:
    """Not every version has every process."""
    if kind not in built_doors(service):
        raise StackProblem(f"the {kind} process of {service} is not built in this version", "choose another service")


def serve(kind: str, service: str) -> None:
    """One of a service's two processes, until told to stop."""
    require_built(service, kind)
    if kind == "api":
        serve_api(service)
    else:
        serve_worker(service)


def serve_api(service: str) -> None:
    """On a private port; TUOPIN_DRAIN_SECONDS is how long a gateway may take to look away before it stops."""
    from shared.web import serve  # imported here: a worker does without it

    app = app_of(service)
    settings = settings_of(app)
    log.configure(service, "api", settings.log_level)
    asyncio.run(require_same_kind(settings.database_url, practice=settings.practice))
    drain_seconds = float(os.environ.get("TUOPIN_DRAIN_SECONDS", "0"))
    serve(app.api(settings), settings.host, settings.port, drain_seconds=drain_seconds)


def serve_worker(service: str) -> None:
    import uvloop  # imported here: only a running process needs it

    app = app_of(service)
    settings = settings_of(app)
    log.configure(service, "worker", settings.log_level)
    uvloop.run(_work(app, settings))


async def _work(app: Any, settings: Settings) -> None:
    """Until told to stop; then the worker is cancelled and ends in its own order."""
    await require_same_kind(settings.database_url, practice=settings.practice)
    work = asyncio.ensure_future(app.worker(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work
