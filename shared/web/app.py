"""The application factory: routes checked at the start, everything plugged in by a lifespan, one shape for every
refusal.
"""

from __future__ import annotations

import typing
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from shared.auth import PUBLIC, Doorkeeper
from shared.clock import Clock
from shared.crypto import KeyRing
from shared.db import create_engine
from shared.errors import Problem
from shared.settings import Settings, SettingsWrong
from shared.web.envelope import Envelope
from shared.web.health import add_health, ailments, schema_head
from shared.web.openapi import describe, notes, problem_answers
from shared.web.pages import add_pages
from shared.web.passing import Fittings, fittings_of, passing_of
from shared.web.problems import log_failure, problem_of, problem_response
from shared.web.routing import Declared, Route, Router, flat, open_tx

API_VERSION = "1.0.0"
Extra = Callable[[FastAPI, Fittings], AbstractAsyncContextManager[None]]


class RouteWrong(TypeError):
    """路由声明有误: the service does not start; says which route and why."""


def create_app(
    settings: Settings,
    routers: Sequence[Router],
    *,
    title: str,
    description: str = "",
    migrations: Path | None = None,
    extra: Extra | None = None,
) -> FastAPI:
    """An application of `settings.service`, its routes under `/<service>/v1`. Nothing is opened before its lifespan
    starts.

    `migrations`: the folder whose newest revision the database must have before it is ready. `extra`: a context
    manager for what the service itself opens (partners, lanes), run inside the lifespan.
    """
    base = f"/{settings.service}"

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as opened:
            app.state.fittings = await _fit(settings, opened)
            if extra is not None:
                await opened.enter_async_context(extra(app, app.state.fittings))
            yield

    app = FastAPI(
        title=title,
        version=API_VERSION,
        description=description,
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # exceptions would leave with their texts
    )
    app.state.schema_head = None if migrations is None else schema_head(migrations)
    app.add_middleware(Envelope, practice=settings.practice)
    for kind in (Problem, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _refuse)
    for router in routers:
        for declared in router.declared:
            _add(app, f"{base}/v1", router.tag, declared)
    _check(app)
    add_health(app)
    add_pages(app, base)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


async def _fit(settings: Settings, opened: AsyncExitStack) -> Fittings:
    """A database of the other kind (practice or real) is refused at once; one that is away is waited for by
    readiness.
    """
    keys = KeyRing.load(settings.key_ring_file)
    name = f"{settings.service}-api"
    engine = create_engine(settings.database_url, pool_size=settings.database_pool_size, application=name)
    health = create_engine(settings.database_url, pool_size=1, application=f"{name}-health")
    for one in (engine, health):
        opened.push_async_callback(one.dispose)
    if "practice" in await ailments(health, practice=settings.practice, head=None):
        raise SettingsWrong(
            "TUOPIN_PRACTICE: 演练库与正式库不得混用 / the database was made for the other kind of stack"
        )
    clock = Clock(settings.home if settings.practice else None)
    return Fittings(settings, engine, health, keys, Doorkeeper(settings), clock.now)


def _add(app: FastAPI, base: str, tag: str, declared: Declared) -> None:
    app.router.add_api_route(
        base + declared.path,
        declared.endpoint,
        methods=[declared.method],
        status_code=declared.status,
        tags=[tag],
        responses=problem_answers(declared) | dict(declared.answers),
        operation_id=declared.endpoint.__name__,
        openapi_extra=notes(declared),
        route_class_override=Route,
    )


async def _refuse(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    log_failure(problem, error)
    told = {"Allow": _methods_of(request)} if problem.status == 405 else {}
    return problem_response(problem, passing_of(request).trace.trace_id, told)


def _methods_of(request: Request) -> str:
    """All methods of this address: the router would name those of its first route alone."""
    here = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    methods = {method for route in here for method in route.methods or ()}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _check(app: FastAPI) -> None:
    """What a slip of the pen would break quietly later is refused now."""
    routes = [route for route in app.routes if isinstance(route, Route)]
    names: dict[str, str] = {}
    for route in routes:
        where = f"{'/'.join(sorted(route.methods or ()))} {route.path_format}"
        if (other := names.setdefault(route.unique_id, where)) != where:
            raise RouteWrong(f"{where}: its function has the name of the one of {other}")
        _check_one(route, where)


def _check_one(route: Route, where: str) -> None:
    takes_tx = any(part.call is open_tx for part in flat(route.dependant))
    lane = bool(route.mark.get("lane"))
    if route.is_write and lane == takes_tx:
        raise RouteWrong(f"{where}: a write takes Tx (and with it the idempotency key), or is declared lane=True")
    if route.is_write and route.rights is PUBLIC:
        raise RouteWrong(f"{where}: a public route may not write")
    if route.response_model is None and route.status_code not in (202, 204) and not route.responses.get(200):
        raise RouteWrong(f"{where}: its answer needs a type")
    if route.body_field is not None:
        for model in _models(route.body_field.field_info.annotation):
            if model.model_config.get("extra") != "forbid":
                raise RouteWrong(f"{where}: {model.__name__} accepts unknown fields; derive it from Body")


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    """All models inside an annotation."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
        for one in kind.model_fields.values():
            yield from _models(one.annotation)
    for part in typing.get_args(kind):
        yield from _models(part)


def drain(app: FastAPI) -> None:
    """No new requests are welcome: the gateway sees it at its next check."""
    fittings_of(app).is_draining = True
