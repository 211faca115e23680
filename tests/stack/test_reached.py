"""Up means reached: the gateway answers 503 for a service that is up already until it has looked at it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from stack import lifecycle
from stack.home import Home, Ports
from stack.problems import StackProblem
from stack.processes import LOOPBACK


@contextmanager
def a_gateway(*answers: int) -> Iterator[tuple[int, list[str]]]:
    """Answers these in turn, the last one for ever; tells its port and what was asked."""
    asked: list[str] = []

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(answers[min(len(asked), len(answers)) - 1])
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer((LOOPBACK, 0), Answering)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()


def test_it_waits_until_the_gateway_sends_to_the_service(tmp_path: Path) -> None:
    with a_gateway(503, 503, 200) as (port, asked):
        lifecycle.wait_until_reached(Home(tmp_path, Ports(port), True), ["registry"])
    assert asked == ["/registry/docs"] * 3


def test_one_that_is_never_reached_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "LONGEST_LOOK_SECONDS", 0)
    with a_gateway(503) as (port, _), pytest.raises(StackProblem, match="does not reach notify"):
        lifecycle.wait_until_reached(Home(tmp_path, Ports(port), True), ["notify"])
