"""Is it alive, is it ready, how is it doing. Kafka is no part of an api's readiness: the outbox decouples them."""

from __future__ import annotations

import ast
import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI
from prometheus_client import Gauge
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as PlainRoute

from shared.metrics import REGISTRY, exposition
from shared.web.passing import fittings_of, passing_of

PING_SECONDS = 1.0
STATE = sa.text(
    "select current_setting('tuopin.practice', true) as practice, (select version_num from alembic_version) as version"
)
READY = Gauge("ready", "1 while requests are welcome", registry=REGISTRY)


def schema_head(migrations: Path) -> str | None:
    """The newest revision that this code knows, read from the files: Alembic itself would slow down every start."""
    made: dict[str, str | None] = dict(_revisions(migrations))
    heads = made.keys() - made.values()
    if len(heads) > 1:
        raise ValueError(f"{migrations} has {len(heads)} newest revisions: {', '.join(sorted(heads))}")
    return next(iter(heads), None)


def _revisions(migrations: Path) -> Iterator[tuple[str, str | None]]:
    for path in (migrations / "versions").glob("*.py"):
        names: dict[str, Any] = {}
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                names |= {target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)}
        yield names["revision"], names["down_revision"]


async def ailments(engine: AsyncEngine, *, practice: bool, head: str | None) -> list[str]:
    """What keeps this process from serving, by short codes; empty when nothing does."""
    try:
        async with asyncio.timeout(PING_SECONDS), engine.connect() as connection:
            found = (await connection.execute(STATE)).one()
    except (OSError, TimeoutError, sa.exc.SQLAlchemyError):
        return ["database"]
    wrong = []
    if head is not None and found.version != head:
        wrong.append("schema")
    if found.practice is not None and (found.practice == "on") != practice:
        wrong.append("practice")
    return wrong


async def _live(request: Request) -> Response:
    passing_of(request).route = "livez"
    return JSONResponse({"status": "live"})


async def _ready(request: Request) -> Response:
    passing_of(request).route = "readyz"
    fittings = fittings_of(request.app)
    began = time.perf_counter()
    wrong = ["draining"] if fittings.is_draining else []
    wrong += await ailments(
        fittings.health_engine, practice=fittings.settings.practice, head=request.app.state.schema_head
    )
    READY.set(not wrong)
    status = {
        "status": "not ready" if wrong else "ready",
        "why": wrong,
        "ms": round((time.perf_counter() - began) * 1e3),
    }
    return JSONResponse(status, 503 if wrong else 200, {"Retry-After": "2"} if wrong else None)


async def _metrics(request: Request) -> Response:
    passing_of(request).route = "metrics"
    body, media_type = exposition()
    return Response(body, media_type=media_type)


def add_health(app: FastAPI) -> None:
    """At the root of the process; the gateway does not forward them."""
    for path, answer in (("/livez", _live), ("/readyz", _ready), ("/metrics", _metrics)):
        app.router.routes.append(PlainRoute(path, answer, methods=["GET"]))
