"""A real Envoy in front of a small server that tells what reached it."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from gateway.template import Gateway, Limit, render
from stack import envoy
from stack.processes import LOOPBACK, Child, Program, free_ports
from stack.provision import SERVICES

GENEROUS = Limit(10_000, 10_000)
EC_KEY = ECKey.generate_key("P-256", parameters={"kid": "ec", "alg": "ES256", "use": "sig"})
RSA_KEY = RSAKey.generate_key(2048, parameters={"kid": "rsa", "alg": "RS256", "use": "sig"})
JWKS = json.dumps({"keys": [EC_KEY.as_dict(private=False), RSA_KEY.as_dict(private=False)]})


def token(key: Any = EC_KEY, algorithm: str = "ES256", minutes: int = 5, **changed: Any) -> str:
    """A good token, or one that differs in the given claims (None leaves a claim out)."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {
        "iss": "tuopin",
        "aud": "tuopin",
        "sub": "officer-1",
        "name": "officer one",
        "roles": ["clerk"],
        "divisions": ["522630"],
        "exp": int((now + timedelta(minutes=minutes)).timestamp()),
    }
    claims = {name: value for name, value in (claims | changed).items() if value is not None}
    return jwt.encode({"alg": algorithm, "kid": key.kid}, claims, key, algorithms=[algorithm])


def bearer(text: str | None = None) -> dict[str, str]:
    return {"authorization": f"Bearer {text or token()}"}


class Upstream:
    """An HTTP/1.1 server that answers with what it was sent; its path says how it shall behave."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.is_ready = True
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, path, _version = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if path == "/readyz":
            self._write(writer, 200 if self.is_ready else 503, b"{}")
            return
        self.requests.append({"method": method, "path": path, "headers": headers, "body": len(body)})
        if "/stream" in path:
            await self._stream(writer)
            return
        if "wait=" in path:
            await asyncio.sleep(float(path.rpartition("wait=")[2]))
        if "/problem" in path:
            self._write(writer, 409, b'{"code":"household.closed"}', "application/problem+json")
            return
        self._write(writer, 200, json.dumps(self.requests[-1]).encode())
        await writer.drain()

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for number in range(3):
            writer.write(f"data: {number}\n\n".encode())
            await writer.drain()
            await asyncio.sleep(0.9)

    @staticmethod
    def _write(writer: asyncio.StreamWriter, status: int, body: bytes, kind: str = "application/json") -> None:
        head = (
            f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)


@dataclass
class Running:
    """A gateway that runs, its upstream, and a client that speaks to it."""

    upstream: Upstream
    child: Child
    client: httpx.AsyncClient
    admin_port: int
    port: int

    async def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    def access_log(self) -> Sequence[dict[str, Any]]:
        lines = self.child.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@asynccontextmanager
async def running_gateway(folder: Path, **changed: Any) -> AsyncIterator[Running]:
    """Start Envoy with the product's own template; only limits and times are made small where a test says so."""
    upstream = Upstream()
    await upstream.start()
    port, admin_port = free_ports(2)
    gateway = Gateway(
        upstreams=dict.fromkeys(SERVICES, (LOOPBACK, upstream.port)),
        address=LOOPBACK,
        port=port,
        admin_port=admin_port,
        jwks=JWKS,
        per_address=GENEROUS,
        per_caller=GENEROUS,
    )
    config = folder / "envoy.json"
    config.write_text(render(replace(gateway, **changed)))
    child = Child(_program(config, admin_port), folder / "envoy.log")
    client = httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", timeout=20)
    try:
        await child.until_up()
        await _until_healthy(client)
        yield Running(upstream, child, client, admin_port, port)
    finally:
        await client.aclose()
        child.stop()
        await upstream.stop()


def _program(config: Path, admin_port: int) -> Program:
    async def probe() -> bool:
        return await envoy.answers_200(admin_port, "/ready")

    command = (str(envoy.binary()), "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "-l", "warning")
    return Program(name="gateway", argv=command, probe=probe)


async def _until_healthy(client: httpx.AsyncClient) -> None:
    """The gateway sends nothing to a host before its first good health check."""
    for _ in range(100):
        answers = [await client.get(f"/{service}/docs") for service in SERVICES]
        if all(answer.status_code == 200 for answer in answers):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the upstreams did not become healthy")
