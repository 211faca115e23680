"""Every operation of every service, asked what its own document allows and what it does not, with tokens that are good.

Whatever comes back was declared: a status, a content type and a shape of the document, and never a 5xx. Each operation
first succeeds once on something that is really there; half of what is made up is about that same noun.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from shared.auth import PUBLIC
from shared.values import new_id
from stack.papers import application
from stack.provision import SERVICES
from tests.journeys.desk import Asked, Desk
from tests.journeys.make import Rehearsal
from tests.journeys.recipes import RECIPES
from tests.journeys.test_scope_matrix import routes
from tests.journeys.village import Village

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

EXAMPLES = 8
UPLOADS = 3  # each is a job that a worker must end
DECLARED: list[CheckFunction] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
GENERATED = {"generation": {"allow-x00": False, "deterministic": True, "with-security-parameters": False}}


@cache
def operations() -> dict[str, APIOperation[Any, Any, Any, Any]]:
    """All of them, by method and path, as the services' documents declare them."""
    found = {}
    for service in SERVICES:
        config = schemathesis.Config.from_dict(GENERATED)
        schema = schemathesis.openapi.from_dict(application(service).openapi(), config=config)
        for one in schema.get_all_operations():
            assert isinstance(one, Ok), one
            operation = one.ok()
            found[f"{operation.method.upper()} {operation.path}"] = operation
    return found


@dataclass(frozen=True)
class Town:
    """Who asks, and about which village."""

    desk: Desk
    village: Village

    def headers(self, route: str, role: str) -> dict[str, str]:
        """A token of the county and a new key; public routes are asked without."""
        given = {"idempotency-key": str(new_id())}
        if routes()[route].rights is not PUBLIC:
            given["authorization"] = f"Bearer {self.desk.token(role, [self.village.code[:6]])}"
        return given


@pytest.fixture(scope="module")
def town(told: Rehearsal) -> Iterator[Town]:
    with Desk(told.home) as desk:
        sql = "select division from household group by division order by count(*) desc, division desc limit 1"
        [row] = told.rows("registry", sql)
        village = Village(told, desk, str(row["division"]))
        village.settle(20)
        yield Town(desk, village)
        told.quiet()


def test_every_operation_is_asked() -> None:
    assert set(operations()) == set(RECIPES)


@pytest.mark.parametrize("route", sorted(RECIPES))
def test_operation_keeps_its_document(town: Town, route: str) -> None:
    operation, rights = operations()[route], routes()[route].rights
    role = "" if rights is PUBLIC else min(rights).value
    asked = RECIPES[route].make(town.village, role)
    _succeeds(town, route, role, asked)
    seeded = _path_parameters(operation.path, asked.path)
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        for known in {str(seeded): seeded, "nothing known": {}}.values():
            _fuzz(town, route, role, mode, known)


def _succeeds(town: Town, route: str, role: str, asked: Asked) -> None:
    """The seeded request: a 2xx of the declared shape."""
    operation = operations()[route]
    token = None if routes()[route].rights is PUBLIC else town.desk.token(role, [town.village.code[:6]])
    answer = town.desk.send(asked, token)
    assert answer.is_success, f"{answer.status_code} {answer.text[:600]}"
    case = operation.Case(path_parameters=_path_parameters(operation.path, asked.path), query=dict(asked.query))
    case.validate_response(answer, checks=DECLARED)


def _fuzz(town: Town, route: str, role: str, mode: GenerationMode, known: Mapping[str, str]) -> None:
    operation = operations()[route]
    examples = UPLOADS if "intakes" in route and "POST" in route else EXAMPLES

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=dict(known) or None))
    def ask(case: Case[Any]) -> None:
        answer = case.call(base_url=town.desk.gateway, headers=town.headers(route, role))
        case.validate_response(answer, checks=DECLARED)

    try:
        ask()
    except Unsatisfiable:  # with the noun known there may be nothing left that could be wrong
        assert (mode, bool(known) or _asks_nothing(operation)) == (GenerationMode.NEGATIVE, True)


def _asks_nothing(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    return not (list(operation.query) or list(operation.path_parameters) or list(operation.body))


def _path_parameters(template: str, path: str) -> dict[str, str]:
    """What the recipe put into the path."""
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
    found = re.fullmatch(pattern, path)
    assert found, f"{path} is not of {template}"
    return found.groupdict()


def test_an_undeclared_answer_is_noticed(town: Town) -> None:
    """The checks themselves: another status, type or shape than the document's fails."""
    case = operations()["GET /registry/v1/jobs"].Case()
    page: dict[str, Any] = {"items": [], "next": None}
    unlike = {
        "shape": (200, "application/json", b'{"items": [{"id": "no job"}], "next": null}'),
        "status": (418, "application/json", json.dumps(page).encode()),
        "type": (200, "text/html", b"<p>"),
        "failure": (500, "application/problem+json", b"{}"),
    }
    for status, kind, content in unlike.values():
        with pytest.raises((Failure, FailureGroup)):
            case.validate_response(_answer(town, status, kind, content), checks=DECLARED)
    case.validate_response(_answer(town, 200, "application/json", json.dumps(page).encode()), checks=DECLARED)


def _answer(town: Town, status: int, kind: str, content: bytes) -> schemathesis.Response:
    return schemathesis.Response(
        status_code=status,
        headers={"content-type": [kind]},
        content=content,
        request=requests.Request("GET", town.desk.gateway + "/registry/v1/jobs").prepare(),
        elapsed=0.0,
        verify=True,
    )
