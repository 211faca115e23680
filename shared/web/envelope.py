"""The outermost layer: trace and request id in, headers and measures out, and no exception past it.

Plain ASGI. It sees every answer, also those of unknown routes and of a failed commit. An exception that got further
would be logged by the server with its message, and a message may carry a person.
"""

from __future__ import annotations

import time

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.log import get_logger, traceparent
from shared.metrics import REGISTRY
from shared.web.passing import KEY, Passing, Trace
from shared.web.problems import Crowded, log_failure, problem_of, problem_response

REQUESTS = Counter("http_requests", "Answers by route and status", ("method", "route", "status"), registry=REGISTRY)
SECONDS = Histogram(
    "http_request_seconds",
    "Time to the last byte",
    ("method", "route"),
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
QUIET = {"livez", "readyz", "metrics"}
ALWAYS_SERVED = {f"/{route}" for route in QUIET}
MOST_AT_ONCE = 400

log = get_logger(__name__)


class AnswerBroken(RuntimeError):
    """An answer failed after its first byte: the connection is cut, so that nobody takes the half for the whole."""


class Envelope:
    """信封: middleware around everything."""

    def __init__(self, app: ASGIApp, *, practice: bool) -> None:
        self._app = app
        self._practice = practice
        self._at_once = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passing = scope[KEY] = Passing(Trace.of(Headers(scope=scope)))
        kept = traceparent.set(passing.trace.traceparent)
        try:
            with structlog.contextvars.bound_contextvars(
                request_id=passing.trace.request_id, trace_id=passing.trace.trace_id
            ):
                await self._serve(scope, receive, send, passing)
        finally:
            traceparent.reset(kept)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, passing: Passing) -> None:
        began, status = time.perf_counter(), 0
        is_head = scope["method"] == "HEAD"  # a question whose answer stays away: asked, checked and logged like a GET
        asked = {**scope, "method": "GET"} if is_head else scope

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._mark(MutableHeaders(scope=message), passing.trace)
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        self._at_once += 1
        try:
            if self._at_once > MOST_AT_ONCE and scope["path"] not in ALWAYS_SERVED:
                raise Crowded
            await self._app(asked, receive, send_on)
        except Exception as error:  # noqa: BLE001  the last place: told without its texts, answered in our shape
            problem = problem_of(error)
            log_failure(problem, error)
            if status:
                raise AnswerBroken from None
            await problem_response(problem, passing.trace.trace_id)(asked, receive, send_on)
        finally:
            self._at_once -= 1
            _measure(scope["method"], passing, status, time.perf_counter() - began)

    def _mark(self, headers: MutableHeaders, trace: Trace) -> None:
        headers["X-Request-Id"] = trace.request_id
        headers["Traceparent"] = trace.traceparent
        headers.setdefault("Cache-Control", "no-store")
        headers.setdefault("X-Content-Type-Options", "nosniff")
        if self._practice:
            headers["Tuopin-Practice"] = "1"


def _measure(method: str, passing: Passing, status: int, seconds: float) -> None:
    """By the route's template: a path or a query may carry what must not be logged."""
    known = method if method in METHODS else "OTHER"
    REQUESTS.labels(known, passing.route, str(status)).inc()
    SECONDS.labels(known, passing.route).observe(seconds)
    if passing.route not in QUIET:
        sub = passing.officer.sub if passing.officer else None
        log.info("request", method=known, route=passing.route, status=status, ms=round(seconds * 1000, 1), sub=sub)
