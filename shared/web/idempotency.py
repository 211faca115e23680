"""Exactly one effect for a write that is sent again: the claim, the effect and the first answer commit together.

The key belongs to its caller; the hash covers method, path, query and body; the answer is kept sealed, and errors are
not kept.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import timedelta

import asyncpg
from starlette.requests import Request
from starlette.responses import Response

from shared.db import Transaction
from shared.errors import Conflict, Malformed
from shared.web.passing import Fittings, Passing

KEY_FORM = re.compile(r"[\x21-\x7e]{8,128}")
KEPT_HEADERS = ("location", "etag")
REPLAYED = "Idempotency-Replayed"

CLAIM = """insert into idempotency_request as kept (caller, key, request_hash, expires_at)
    values ($1, $2, $3, clock_timestamp() + $4)
    on conflict (caller, key) do update
        set request_hash = excluded.request_hash, answer = null, expires_at = excluded.expires_at
    where kept.expires_at < clock_timestamp()
    returning true"""
LOOK = "select request_hash, answer from idempotency_request where caller = $1 and key = $2"
KEEP = "update idempotency_request set answer = $3 where caller = $1 and key = $2"


class KeyMissing(Malformed):
    """缺少幂等键."""

    code = "idempotency.key_missing"
    zh = "写请求须携带 Idempotency-Key（8至128个可见字符）"
    en = "A write needs an Idempotency-Key of 8 to 128 visible characters"
    hint_zh = "每次办理生成一个新键；重发同一请求时沿用原键"
    hint_en = "Make a new key for each deed; keep it when sending the same request again"


class KeyReused(Conflict):
    """幂等键已用于另一请求."""

    code = "idempotency.key_reused"
    zh = "此 Idempotency-Key 已用于另一请求"
    en = "This Idempotency-Key was used for another request"
    hint_zh = "请为新的办理生成新键"
    hint_en = "Make a new key for a new deed"


class StillRunning(Conflict):
    """同一请求仍在处理."""

    code = "idempotency.in_progress"
    zh = "同一请求仍在处理中"
    en = "The same request is still being carried out"
    hint_zh = "请稍后用同一个键重试"
    hint_en = "Try again shortly with the same key"


class Replay(Exception):
    """重放: not a failure, but the end of this transaction; carries the first answer."""

    def __init__(self, response: Response) -> None:
        self.response = response
        super().__init__("replayed")


def digest_of(request: Request, body: bytes | None, body_digest: bytes = b"") -> bytes:
    """The hash of what is asked; an upload brings the digest of its spooled body instead of the body."""
    head = (request.method, request.url.path, request.url.query)
    parts = [*(part.encode() for part in head), body_digest or hashlib.sha256(body or b"").digest()]
    return hashlib.sha256(b"\n".join(parts)).digest()


async def claim(tx: Transaction, fittings: Fittings, request: Request, passing: Passing) -> None:
    """Take the key for this transaction; a twin is waited for, its answer given again, another request refused."""
    key = request.headers.get("idempotency-key", "")
    if not KEY_FORM.fullmatch(key):
        raise KeyMissing
    keep = timedelta(hours=fittings.settings.idempotency_hours)
    try:
        fresh = await tx.driver.fetchval(CLAIM, tx.caller, key, passing.body_digest, keep)
    except asyncpg.LockNotAvailableError:
        raise StillRunning(retry_after_seconds=2) from None
    if fresh:
        passing.claimed = key
        return
    first = await tx.driver.fetchrow(LOOK, tx.caller, key)
    if first is None or first["answer"] is None:
        raise StillRunning(retry_after_seconds=2)
    if first["request_hash"] != passing.body_digest:
        raise KeyReused
    raise Replay(_opened(fittings, tx.caller, key, first["answer"]))


async def keep_answer(fittings: Fittings, passing: Passing, response: Response) -> None:
    """Store the answer, serialised but not yet sent, in the transaction that it tells of."""
    if passing.claimed is None:
        return
    if passing.tx is None or not isinstance(response.body, bytes):
        raise TypeError("a write may not stream its answer")
    tx, key = passing.tx, passing.claimed
    written = {
        "status": response.status_code,
        "headers": {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
        "media_type": response.headers.get("content-type"),
        "body": base64.b64encode(response.body).decode(),
    }
    answer = fittings.keys.seal("idempotency_request", "answer", f"{tx.caller}\n{key}", json.dumps(written))
    await tx.driver.execute(KEEP, tx.caller, key, answer)


def _opened(fittings: Fittings, caller: str, key: str, answer: bytes) -> Response:
    written = json.loads(fittings.keys.unseal("idempotency_request", "answer", f"{caller}\n{key}", answer))
    headers = {**written["headers"], REPLAYED: "true"}
    if written["media_type"]:
        headers["content-type"] = written["media_type"]
    return Response(base64.b64decode(written["body"]), written["status"], headers)
