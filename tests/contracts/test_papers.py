"""The papers in docs/ are what the code says; the APIs only ever gain."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from shared.events import FACTS
from stack.papers import DOCS, all_papers
from tests.contracts.gains import lost_routes

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


@pytest.mark.parametrize("place", APIS, ids=str)
def test_the_api_only_gains(place: Path) -> None:
    released = DOCS / "api" / "released" / place.name
    assert lost_routes(json.loads(released.read_text(encoding="utf-8")), json.loads(PAPERS[place])) == []


Change = Callable[[dict[str, Any]], Any]
HOUSEHOLDS = "/registry/v1/households"


def schema(paper: dict[str, Any], name: str) -> Any:
    return paper["components"]["schemas"][name]


def route(paper: dict[str, Any], method: str, path: str = HOUSEHOLDS) -> Any:
    return paper["paths"][path][method]


def parameter(paper: dict[str, Any], name: str) -> Any:
    return next(one for one in route(paper, "get")["parameters"] if one["name"] == name)


LOSSES: dict[str, Change] = {
    "gone: get /registry/v1/households": lambda paper: paper["paths"][HOUSEHOLDS].pop("get"),
    "no longer answers 201": lambda paper: route(paper, "post")["responses"].pop("201"),
    "no longer application/json": lambda paper: route(paper, "post")["responses"]["201"]["content"].clear(),
    "newly demands shoe_size": lambda paper: route(paper, "get")["parameters"].append(
        {"name": "shoe_size", "in": "query", "required": True, "schema": {"type": "string"}}
    ),
    "gone: status": lambda paper: route(paper, "get")["parameters"].remove(parameter(paper, "status")),
    "?limit: maximum 500 became 100": lambda paper: parameter(paper, "limit")["schema"].update(maximum=100),
    "refused to clerk": lambda paper: route(paper, "post")["x-tuopin"]["roles"].remove("clerk"),
    "→ 201: gone: headcount": lambda paper: schema(paper, "HouseholdOut")["properties"].pop("headcount"),
    ".headcount: integer became string": lambda paper: schema(paper, "HouseholdOut")["properties"]["headcount"].update(
        type="string"
    ),
    "no longer promised: version": lambda paper: schema(paper, "HouseholdOut")["required"].remove("version"),
    ".statuses[]: gone: since": lambda paper: schema(paper, "SpanOut")["properties"].pop("since"),
    ".until: format": lambda paper: schema(paper, "SpanOut")["properties"]["until"]["anyOf"][0].update(format="uri"),
    "post /registry/v1/households: gone: group": lambda paper: schema(paper, "HouseholdBody")["properties"].pop(
        "group"
    ),
    "newly demands group": lambda paper: schema(paper, "HouseholdBody")["required"].append("group"),
    ".members[].relation: no longer takes son": lambda paper: schema(paper, "MemberBody")["properties"]["relation"][
        "enum"
    ].remove("son"),
    ".members: maxItems 100 became 2": lambda paper: schema(paper, "HouseholdBody")["properties"]["members"].update(
        maxItems=2
    ),
    ".number: pattern": lambda paper: schema(paper, "HouseholdBody")["properties"]["number"].update(pattern="^1"),
}
GAINS: dict[str, Change] = {
    "a route": lambda paper: paper["paths"].update({f"{HOUSEHOLDS}/new": paper["paths"][HOUSEHOLDS]}),
    "a parameter": lambda paper: route(paper, "get")["parameters"].append(
        {"name": "shoe_size", "in": "query", "required": False, "schema": {"type": "string"}}
    ),
    "a role": lambda paper: route(paper, "post")["x-tuopin"]["roles"].append("auditor"),
    "a field that is answered": lambda paper: schema(paper, "HouseholdOut")["properties"].update(
        hat={"type": "string"}
    ),
    "a field that may be sent": lambda paper: schema(paper, "HouseholdBody")["properties"].update(
        hat={"type": "string"}
    ),
    "a code": lambda paper: schema(paper, "MemberBody")["properties"]["relation"]["enum"].append("friend"),
    "a wider limit": lambda paper: parameter(paper, "limit")["schema"].update(maximum=1000),
}


def changed(change: Change) -> list[str]:
    """What today's document of the register loses by this change."""
    text = PAPERS[Path("api/registry.json")]
    paper = json.loads(text)
    change(paper)
    assert paper != json.loads(text), "the change changes nothing"
    return lost_routes(json.loads(text), paper)


@pytest.mark.parametrize("words", LOSSES)
def test_a_loss_is_noticed(words: str) -> None:
    assert any(words in fault for fault in changed(LOSSES[words])), changed(LOSSES[words])


@pytest.mark.parametrize("words", GAINS)
def test_a_gain_is_no_loss(words: str) -> None:
    assert changed(GAINS[words]) == []
