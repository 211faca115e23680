"""Routes that name who may call them, and the doors `Tx`, `Officer`, `Now`.

Order of one request: token → role → body under its limit → transaction with the caller's scope → claim of the
idempotency key → validation → verb → answer serialised → answer kept → commit → sent. Dependencies are coroutines
even where they wait for nothing: FastAPI sends plain functions through a thread, which costs more than all they do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Query
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared.auth import PUBLIC, Public, Rights, Role, RouteRight
from shared.auth import Officer as Caller
from shared.db import Transaction, transaction
from shared.errors import Malformed, Problem
from shared.values import Scope
from shared.web.idempotency import Replay, claim, digest_of, keep_answer
from shared.web.passing import Fittings, Passing, fittings_of, passing_of
from shared.web.uploads import limited, spooled

READS = ("GET", "HEAD")
MARK = "x-tuopin"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Responses = Mapping[int, tuple[type[Problem], ...]]


@dataclass(frozen=True, slots=True)
class Declared:
    """One route as its service wrote it down."""

    method: str
    path: str
    endpoint: Callable[..., Any]
    rights: Rights
    status: int
    problems: tuple[type[Problem], ...]
    upload: tuple[str, ...]
    lane: bool
    answers: Mapping[int | str, dict[str, Any]]


@dataclass
class Router:
    """路由表: the routes of one noun. Every one says `roles=`; leaving it out does not import."""

    tag: str
    declared: list[Declared] = field(default_factory=list)

    def get(self, path: str, *, roles: Iterable[Role] | Public, **more: Any) -> Callable[[Endpoint], Endpoint]:
        """A question."""
        return self._declare("GET", path, roles, **more)

    def post(self, path: str, *, roles: Iterable[Role] | Public, **more: Any) -> Callable[[Endpoint], Endpoint]:
        """A deed."""
        return self._declare("POST", path, roles, **more)

    def put(self, path: str, *, roles: Iterable[Role] | Public, **more: Any) -> Callable[[Endpoint], Endpoint]:
        """A noun under an id that the caller made."""
        return self._declare("PUT", path, roles, **more)

    def patch(self, path: str, *, roles: Iterable[Role] | Public, **more: Any) -> Callable[[Endpoint], Endpoint]:
        """A change of some fields."""
        return self._declare("PATCH", path, roles, **more)

    def delete(self, path: str, *, roles: Iterable[Role] | Public, **more: Any) -> Callable[[Endpoint], Endpoint]:
        """A withdrawal."""
        return self._declare("DELETE", path, roles, **more)

    def _declare(
        self,
        method: str,
        path: str,
        roles: Iterable[Role] | Public,
        *,
        status: int = 200,
        problems: Iterable[type[Problem]] = (),
        upload: tuple[str, ...] = (),
        lane: bool = False,
        answers: Mapping[int | str, dict[str, Any]] | None = None,
    ) -> Callable[[Endpoint], Endpoint]:
        """`problems`: refusals of its own beside those of every route. `upload`: the body is a file (`UploadedFile`),
        of these media types.

        `lane`: a write that takes neither `Tx` nor the claim of a key (ADR 0003). `answers`: other content than JSON.
        """
        rights = _rights(roles, path)

        def keep(endpoint: Endpoint) -> Endpoint:
            said = Declared(method, path, endpoint, rights, status, tuple(problems), upload, lane, answers or {})
            self.declared.append(said)
            return endpoint

        return keep


def _rights(roles: Iterable[Role] | Public, path: str) -> Rights:
    rights: Rights = roles if isinstance(roles, Public) else frozenset(Role(role) for role in roles)
    if rights is not PUBLIC and not rights:
        raise TypeError(f"{path}: nobody may call this route; name its roles, or PUBLIC")
    return rights


class Route(APIRoute):
    """A route inside our order of things. What it knows of itself stands in its OpenAPI entry too."""

    _known: set[str] | None = None

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, wrapped."""
        handle = super().get_route_handler()

        async def run(request: Request) -> Response:
            passing, fittings = passing_of(request), fittings_of(request.app)
            passing.route = self.path_format
            if self.rights is not PUBLIC:
                passing.officer = await fittings.doorkeeper.officer(request.headers.get("authorization"))
                passing.officer.demand(self.rights)
            self._refuse_unknown(request)
            async with AsyncExitStack() as files:
                request = await self._read(request, passing, fittings, files)
                try:
                    response = await handle(request)
                except Replay as replay:
                    return replay.response
                await keep_answer(fittings, passing, response)
                return response

        return run

    @property
    def mark(self) -> Mapping[str, Any]:
        """Its own notes: roles, upload, lane."""
        noted: Mapping[str, Any] = (self.openapi_extra or {}).get(MARK, {})
        return noted

    @property
    def rights(self) -> Rights:
        """Who may call it; without a note nobody."""
        noted = self.mark.get("roles", [])
        return PUBLIC if noted == PUBLIC.value else frozenset(Role(name) for name in noted)

    @property
    def is_write(self) -> bool:
        """Whether it changes something."""
        return not (self.methods or set()) <= set(READS)

    async def _read(self, request: Request, passing: Passing, fittings: Fittings, files: AsyncExitStack) -> Request:
        """Read what is sent, under its limit, before a transaction opens."""
        if not self.is_write:
            return request
        if self.mark.get("upload"):
            request = limited(request, fittings.settings.upload_limit_bytes)
            passing.upload = await files.enter_async_context(spooled(request))
            passing.body_digest = digest_of(request, None, passing.upload.sha256)
            return request
        request = limited(request, fittings.settings.body_limit_bytes)
        body = await request.body()
        if b"\x00" in body or b"\\u0000" in body:
            raise Malformed
        passing.body_digest = digest_of(request, body)
        return request

    def _refuse_unknown(self, request: Request) -> None:
        """A misspelt filter must not quietly mean "no filter"; a NUL is no character of any text of ours."""
        if b"\x00" in unquote_to_bytes(request.url.path) + unquote_to_bytes(request.url.query):
            raise Malformed
        unknown = sorted(set(request.query_params) - self._parameters())
        if unknown:
            raise RequestValidationError([{"type": "parameter_unknown", "loc": ("query", name)} for name in unknown])

    def _parameters(self) -> set[str]:
        if self._known is None:
            self._known = {name for part in flat(self.dependant) for name in _names(part)}
        return self._known


def flat(dependant: Dependant) -> Iterator[Dependant]:
    """A route and all that it depends on."""
    yield dependant
    for one in dependant.dependencies:
        yield from flat(one)


def _names(dependant: Dependant) -> set[str]:
    known: set[str] = set()
    for parameter in dependant.query_params:
        kind = parameter.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            known |= set(kind.model_fields)
        else:
            known.add(parameter.alias)
    return known


async def open_tx(request: Request) -> AsyncIterator[Transaction]:
    """The door: scope of the caller, claim of the key, one commit before the answer leaves."""
    passing, fittings = passing_of(request), fittings_of(request.app)
    scope, caller = (passing.officer.scope, passing.officer.sub) if passing.officer else (Scope.nothing(), "")
    route = request.scope["route"]
    async with transaction(fittings.engine, scope, caller=caller, traceparent=passing.trace.traceparent) as tx:
        passing.tx = tx
        if route.is_write:
            await claim(tx, fittings, request, passing)
        yield tx


async def _officer(request: Request) -> Caller:
    officer = passing_of(request).officer
    if officer is None:
        raise RuntimeError("a public route has no officer")
    return officer


async def _now(request: Request) -> datetime:
    return fittings_of(request.app).now()


async def _purpose(
    purpose: Annotated[
        str | None, Query(min_length=2, max_length=200, description="查看个人信息的事由（留痕）")
    ] = None,
) -> str | None:
    return purpose


Tx = Annotated[Transaction, Depends(open_tx, scope="function")]
Officer = Annotated[Caller, Depends(_officer)]
Now = Annotated[datetime, Depends(_now)]
Purpose = Annotated[str | None, Depends(_purpose)]


def role_table(routes: Iterable[Any]) -> list[RouteRight]:
    """The table role × route of an application, as its documents and its tests show it."""
    own = (route for route in routes if isinstance(route, Route))
    lines = [
        RouteRight(method, route.path_format, route.name, route.rights)
        for route in own
        for method in route.methods or ()
    ]
    return sorted(lines, key=lambda line: (line.path, line.method))
