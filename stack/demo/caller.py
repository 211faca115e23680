"""A caller at the gateway: one person with a token, as a clerk's program would be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx

from shared.values import new_id
from stack.home import Home
from stack.problems import StackProblem
from stack.processes import LOOPBACK
from stack.tokens import make_token

TOKEN_MINUTES = 24 * 60
PAGE = 500


class Caller:
    """One officer: sends a token, an Idempotency-Key with each write, and makes a problem answer a plain word."""

    def __init__(self, home: Home, sub: str, name: str, roles: list[str], divisions: list[str]) -> None:
        token = make_token(home, sub=sub, name=name, roles=roles, divisions=divisions, minutes=TOKEN_MINUTES)
        self.sub = sub
        self._http = httpx.Client(
            base_url=f"http://{LOOPBACK}:{home.ports.gateway}",
            headers={"authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(120, connect=5),
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """The answer of a question, as JSON."""
        return self._ask("GET", path, params=query).json()

    def text(self, path: str) -> str:
        """The answer of a question, as text (a page)."""
        return self._ask("GET", path).text

    def raw(self, path: str) -> bytes:
        """The answer of a question, as bytes (a workbook)."""
        return self._ask("GET", path).content

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        """The answer of a write, as JSON; said again under the same key while the service is busy."""
        return (
            self._ask("POST", path, json=body, **more).json()
            if "files" not in more
            else self._ask("POST", path, **more).json()
        )

    def patch(self, path: str, body: Any, **more: Any) -> Any:
        """The answer of a change, as JSON."""
        return self._ask("PATCH", path, json=body, **more).json()

    def every(self, path: str, **query: Any) -> Iterator[Any]:
        """All items of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self.get(path, limit=PAGE, **query, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page.get("next")
            if not cursor:
                return

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = dict(more.pop("headers", {}))
        if method not in ("GET", "HEAD"):
            headers.setdefault("idempotency-key", str(new_id()))
        for attempt in range(40):
            answer = self._http.request(method, path, headers=headers, **more)
            if answer.status_code not in (429, 503):
                break
            time.sleep(min(2.0, 0.1 * (attempt + 1)))
        if answer.is_success:
            return answer
        raise StackProblem(f"{method} {path} was answered {answer.status_code}: {_words(answer)}", "see `tuopin logs`")


def _words(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return answer.text[:300]
    return f"{problem.get('code')} {problem.get('detail')} {problem.get('detail_en')} {problem.get('errors', '')}"[:600]
