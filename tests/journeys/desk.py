"""Officers of every role and place at the gateway of a told stack, with tokens good and bad."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from joserfc import jwt

from shared.values import new_id
from stack.home import Home
from stack.processes import LOOPBACK
from stack.tokens import ALGORITHM, AUDIENCE, ISSUER, signing_key

MINUTES = 240


@dataclass(frozen=True)
class Asked:
    """One request, which any officer may send: what it carries does not depend on who sends it."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Desk:
    """Sends requests as anybody; every token is signed by the stack's own key."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._key = signing_key(home)
        self._tokens: dict[tuple[str, tuple[str, ...]], str] = {}
        self._http = httpx.Client(timeout=httpx.Timeout(60, connect=5))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    @property
    def gateway(self) -> str:
        """Where everybody asks."""
        return f"http://{LOOPBACK}:{self.home.ports.gateway}"

    def behind(self, service: str) -> str:
        """The service itself, which checks tokens again."""
        return f"http://{LOOPBACK}:{self.home.ports.api(service)}"

    def token(self, role: str, divisions: Sequence[str], **claims: Any) -> str:
        """A token of this role and these divisions; `claims` spoil it."""
        key = (role, tuple(divisions))
        if claims or key not in self._tokens:
            made = self._signed(role, divisions, claims)
            if claims:
                return made
            self._tokens[key] = made
        return self._tokens[key]

    def expired(self, role: str, divisions: Sequence[str]) -> str:
        """One that was good an hour ago."""
        now = int(time.time())
        return self.token(role, divisions, iat=now - 7200, exp=now - 3600)

    def for_others(self, role: str, divisions: Sequence[str]) -> str:
        """One that was made for another audience."""
        return self.token(role, divisions, aud="elsewhere")

    def send(self, asked: Asked, token: str | None, base: str | None = None) -> httpx.Response:
        """Send it; a write under a key of its own."""
        headers = dict(asked.headers)
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if asked.method != "GET":
            headers.setdefault("idempotency-key", str(new_id()))
        return self._http.request(
            asked.method, (base or self.gateway) + asked.path,
            params=dict(asked.query), json=asked.json, content=asked.content, headers=headers,
        )  # fmt: skip

    def ask(self, role: str, place: str, method: str, path: str, json: Any = None, **more: Any) -> Any:
        """What an officer with every right gets: anything but success fails here, with the problem's words."""
        answer = self.send(Asked(method, path, json=json, **more), self.token(role, [place]))
        assert answer.is_success, f"{role} of {place}: {method} {path} → {answer.status_code} {answer.text[:600]}"
        return answer.json()

    def _signed(self, role: str, divisions: Sequence[str], claims: Mapping[str, Any]) -> str:
        now = int(time.time())
        given: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": f"{role}.of.{'.'.join(divisions) or 'nowhere'}",
            "name": "经办人",
            "roles": [role],
            "divisions": list(divisions),
            "iat": now,
            "exp": now + MINUTES * 60,
        }
        header = {"alg": ALGORITHM, "kid": self._key.kid, "typ": "JWT"}
        return jwt.encode(header, given | dict(claims), self._key, algorithms=[ALGORITHM])
