"""Serve until told to stop: not ready first, then wait for the gateway to look away, then finish what is under way."""

from __future__ import annotations

import asyncio
import signal
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.errors import Malformed
from shared.web.app import drain
from shared.web.passing import Trace
from shared.web.problems import problem_response

FINISH_SECONDS = 20
BACKLOG = 512


class ProblemProtocol(HttpToolsProtocol):
    """What cannot be read as HTTP never becomes a request; it is answered in our shape all the same."""

    def send_400_response(self, msg: str) -> None:
        """One problem, and the connection ends: nobody knows where the next request would begin."""
        trace = Trace.of(Headers())
        answer = problem_response(
            Malformed(), trace.trace_id, {"X-Request-Id": trace.request_id, "Connection": "close"}
        )
        lines = [b"HTTP/1.1 400 Bad Request", *(name + b": " + value for name, value in answer.raw_headers)]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()


class DrainingServer(uvicorn.Server):
    """Told to stop once it drains; told twice it stops at once."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, drain_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain_seconds = drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = False

    async def serve(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Remember the loop that a signal must reach."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)  # type: ignore[arg-type]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self._told or self._loop is None or not self.started:
            super().handle_exit(sig, frame)
            return
        self._told = True
        drain(self._app)
        self._loop.call_soon_threadsafe(
            self._loop.call_later, self._drain_seconds, super().handle_exit, signal.Signals(sig), frame
        )


def serve(app: FastAPI, host: str, port: int, *, drain_seconds: float = 0.0) -> None:
    """Run until SIGTERM or SIGINT. The gateway writes the access log; ours has the route instead of the path."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=ProblemProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    DrainingServer(config, app, drain_seconds).run()
