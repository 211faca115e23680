"""The papers in docs/ that are made from the code: schemas of facts, AsyncAPI, OpenAPI and the table role × route."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from shared.auth import PUBLIC, Role
from shared.bus import REPUBLISHED, Republished
from shared.crypto import new_key_ring
from shared.events import FACTS
from shared.events.papers import asyncapi, schema_of
from shared.settings import Settings
from shared.web import openapi_text, role_table
from stack.home import PROJECT
from stack.provision import SERVICES
from stack.rulebook import rulebook

DOCS = PROJECT / "docs"


def all_papers() -> Iterator[tuple[Path, str]]:
    """(path below docs/, text) of each."""
    for model in FACTS.values():
        yield Path("events") / f"{model.TYPE}.json", _json(schema_of(model))
    yield Path("asyncapi.json"), _json(asyncapi(REPUBLISHED, Republished))
    yield Path("rulebook.md"), rulebook()
    applications = {service: application(service) for service in SERVICES}
    for service, app in applications.items():
        yield Path("api") / f"{service}.json", openapi_text(app)
    yield Path("api") / "roles.md", _roles(applications)


def write_papers(docs: Path = DOCS) -> list[Path]:
    """Write those that changed; answers which."""
    changed = []
    for place, text in all_papers():
        path = docs / place
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def release_papers(docs: Path = DOCS) -> None:
    """Keep today's schemas and APIs as released: from now on they only gain."""
    for place, text in all_papers():
        if place.suffix == ".json" and place.parent.name in ("events", "api"):
            kept = docs / place.parent / "released" / place.name
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(text, encoding="utf-8")


def application(service: str) -> FastAPI:
    """A service's HTTP application as its documents need it: no database is asked."""
    app_module = importlib.import_module(f"services.{service}.app")
    settings: type[Settings] = getattr(app_module, "AppSettings", Settings)
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys.json"
        keys.touch(mode=0o600)
        keys.write_text(json.dumps(new_key_ring()))
        jwks = Path(folder) / "jwks.json"
        jwks.write_text('{"keys": []}')
        given = {
            "TUOPIN_SERVICE": service,
            "TUOPIN_HOME": folder,
            "TUOPIN_DATABASE_URL": "postgresql://nobody@127.0.0.1/none",
            "TUOPIN_KEY_RING_FILE": os.fspath(keys),
            "TUOPIN_JWKS": os.fspath(jwks),
        }
        app: FastAPI = app_module.api(settings.read(given))
    return app


def _json(paper: dict[str, Any]) -> str:
    return json.dumps(paper, ensure_ascii=False, indent=2) + "\n"


def _roles(applications: dict[str, FastAPI]) -> str:
    lines = [
        "# Who may call what",
        "",
        "Made from the routes by `tuopin papers`. ● may call; `public` carries no token.",
        "Which divisions' rows a caller sees is decided by the database, not here.",
        "",
        "| route | " + " | ".join(role.value for role in Role) + " | public |",
        "|---|" + "---|" * (len(Role) + 1),
    ]
    for app in applications.values():
        for line in role_table(app.routes):
            marks = [_mark(line.rights is not PUBLIC and role in line.rights) for role in Role]
            lines.append(f"| {line.method} {line.path} | {' | '.join(marks)} | {_mark(line.rights is PUBLIC)} |")
    return "\n".join(lines) + "\n"


def _mark(may: bool) -> str:
    return "●" if may else ""
