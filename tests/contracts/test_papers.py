"""The papers in docs/ are what the code says; the APIs only ever gain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from shared.events import FACTS
from stack.papers import DOCS, all_papers

PAPERS = dict(all_papers())
APIS = [place for place in PAPERS if place.parent == Path("api") and place.suffix == ".json"]


@pytest.mark.parametrize("place", PAPERS, ids=str)
def test_the_committed_paper_is_the_codes(place: Path) -> None:
    assert (DOCS / place).read_text(encoding="utf-8") == PAPERS[place], "run `tuopin papers`"


def test_no_paper_is_left_over() -> None:
    assert {file.name for file in (DOCS / "events").glob("*.json")} == {f"{name}.json" for name in FACTS}
    assert {file.name for file in (DOCS / "api").glob("*.json")} == {place.name for place in APIS}


@pytest.mark.parametrize("place", APIS, ids=str)
def test_the_openapi_paper_is_valid(place: Path) -> None:
    validate(json.loads(PAPERS[place]))


def lost(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What a caller of the old API would miss in the new one."""
    faults = []
    for path, methods in old["paths"].items():
        for method, said in methods.items():
            now = new["paths"].get(path, {}).get(method)
            if now is None:
                faults.append(f"gone: {method} {path}")
                continue
            faults += [
                f"{method} {path}: no longer answers {status}"
                for status in said["responses"]
                if status.startswith("2") and status not in now["responses"]
            ]
            asked = {one["name"] for one in said.get("parameters", [])}
            faults += [
                f"{method} {path}: newly demands {one['name']}"
                for one in now.get("parameters", [])
                if one.get("required") and one["name"] not in asked
            ]
    return faults


@pytest.mark.parametrize("place", APIS, ids=str)
def test_the_api_only_gains(place: Path) -> None:
    released = DOCS / "api" / "released" / place.name
    assert lost(json.loads(released.read_text(encoding="utf-8")), json.loads(PAPERS[place])) == []


def test_a_loss_is_noticed() -> None:
    old: dict[str, Any] = {"paths": {"/v1/x": {"get": {"responses": {"200": {}}, "parameters": []}}}}
    assert lost(old, {"paths": {}})
    assert lost(old, {"paths": {"/v1/x": {"get": {"responses": {"201": {}}}}}})
    demanding = {"responses": {"200": {}}, "parameters": [{"name": "y", "required": True}]}
    assert lost(old, {"paths": {"/v1/x": {"get": demanding}}})
    assert not lost(old, {"paths": {**old["paths"], "/v1/z": {}}})
