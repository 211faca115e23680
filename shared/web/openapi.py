"""The written-down API of a service: stable operation ids, every refusal declared, roles beside each route, one file
in the docs.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.utils import get_dependant
from fastapi.openapi.utils import get_openapi

from shared.auth import PUBLIC, KeysUnavailable, RoleRefused
from shared.errors import Invalid, Malformed, Problem, Stale, TooLarge, Unauthenticated
from shared.web.idempotency import KeyMissing, KeyReused, StillRunning
from shared.web.paging import CursorInvalid
from shared.web.problems import MEDIA_TYPE, TITLES, Crowded, DatabaseUnavailable, MediaRefused, ProblemOut
from shared.web.routing import MARK, Declared, flat
from shared.web.versions import VersionMalformed, VersionMissing, seen_version

EVERY_ROUTE: tuple[type[Problem], ...] = (
    Malformed,
    CursorInvalid,
    Invalid,
    Problem,
    DatabaseUnavailable,
    KeysUnavailable,
    Crowded,
)
WITH_TOKEN: tuple[type[Problem], ...] = (Unauthenticated, RoleRefused)
EVERY_WRITE: tuple[type[Problem], ...] = (KeyMissing, KeyReused, StillRunning, TooLarge, MediaRefused)
WITH_VERSION: tuple[type[Problem], ...] = (Stale, VersionMissing, VersionMalformed)
REFERENCE = {"$ref": "#/components/schemas/Problem"}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "每次办理一个新键；重发同一请求沿用原键",
    "schema": {"type": "string", "minLength": 8, "maxLength": 128, "pattern": "^[!-~]{8,128}$"},
}


def problem_answers(declared: Declared) -> dict[int | str, dict[str, Any]]:
    """The refusals that a route may answer, by status."""
    kinds = [*EVERY_ROUTE, *declared.problems]
    if declared.rights is not PUBLIC:
        kinds += WITH_TOKEN
    if declared.method != "GET":
        kinds += EVERY_WRITE
    if any(part.call is seen_version for part in flat(get_dependant(path=declared.path, call=declared.endpoint))):
        kinds += WITH_VERSION
    by_status: dict[int, set[str]] = defaultdict(set)
    for kind in kinds:
        by_status[kind.status].add(kind.code)
    return {status: _answer(status, codes) for status, codes in sorted(by_status.items())}


def _answer(status: int, codes: Iterable[str]) -> dict[str, Any]:
    listed = "、".join(f"`{code}`" for code in sorted(codes))
    return {"description": f"{TITLES.get(status, '错误')}：{listed}", "content": {MEDIA_TYPE: {"schema": REFERENCE}}}


def notes(declared: Declared) -> dict[str, Any]:
    """What a route says of itself beside FastAPI's own: roles, idempotency key, the kinds of file it takes."""
    is_public = declared.rights is PUBLIC
    roles: Any = PUBLIC.value if declared.rights is PUBLIC else sorted(role.value for role in declared.rights)
    noted: dict[str, Any] = {MARK: {"roles": roles, "upload": bool(declared.upload), "lane": declared.lane}}
    noted["security"] = [] if is_public else [{"token": []}]
    if declared.method != "GET" and not declared.lane:
        noted["parameters"] = [IDEMPOTENCY_KEY]
    if declared.upload:
        file = {"schema": {"type": "string", "format": "binary"}}
        noted["requestBody"] = {"required": True, "content": dict.fromkeys(declared.upload, file)}
    return noted


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; needs neither database nor network."""
    if app.openapi_schema is None:
        written = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        parts = written.setdefault("components", {})
        schemas = parts.setdefault("schemas", {})
        schemas |= _problem_schemas()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
        app.openapi_schema = written
    return app.openapi_schema


def _problem_schemas() -> dict[str, Any]:
    schema = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), "Problem": schema}


def openapi_text(app: FastAPI) -> str:
    """The same as the text that is committed under `docs/api/` and compared by a test."""
    written: Mapping[str, Any] = describe(app)
    return json.dumps(written, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
