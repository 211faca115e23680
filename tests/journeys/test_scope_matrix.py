"""Every route × role × place, and every spoilt token: asked through the gateway about something that is really there.

What must come back follows from the table role × route and from the kind of the route. Beside every refusal stands the
same request, granted: a refusal is never just a broken request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import httpx
import pytest

from shared.auth import PUBLIC, Role, RouteRight
from shared.values import DivisionCode, Scope, new_id
from shared.web import role_table
from shared.web.routing import Route
from stack.papers import application
from stack.provision import SERVICES
from tests.journeys.desk import Asked, Desk
from tests.journeys.looks import ALWAYS, FOR_A_PURPOSE, QUESTIONS, all_looks, rows_of
from tests.journeys.make import Rehearsal
from tests.journeys.recipes import RECIPES, Kind, Recipe
from tests.journeys.village import Village

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

LOOKS = "select count(*) as looks from access_log where noun = 'doubt' or action not in ('export', 'export in clear')"
"""What a worker writes while it makes a file belongs to no question that is asked meanwhile."""
OTHER_COUNTY = "623021"
NOWHERE = "none"
FOR_OTHERS = (403, "gateway.audience")


@cache
def routes() -> dict[str, RouteRight]:
    """Every route of the four services, by method and path."""
    apps = (application(service) for service in SERVICES)
    return {f"{line.method} {line.path}": line for app in apps for line in role_table(app.routes)}


@dataclass
class Matrix:
    """The places of one village's matrix, and whoever asks there."""

    desk: Desk
    village: Village
    neighbour: str

    @property
    def places(self) -> dict[str, list[str]]:
        """Divisions of each place."""
        own = self.village.code
        return {
            "own village": [own],
            "neighbour village": [self.neighbour],
            "county above": [own[:6]],
            "other county": [OTHER_COUNTY],
            NOWHERE: [],
        }

    def is_inside(self, place: str) -> bool:
        """Whether the village lies in that place."""
        scope = Scope.of(DivisionCode.parse(code) for code in self.places[place])
        return scope.contains(DivisionCode.parse(self.village.code))


@pytest.fixture(scope="module")
def matrix(told: Rehearsal) -> Iterator[Matrix]:
    with Desk(told.home) as desk:
        sql = "select division from doubt group by division order by count(*) desc, division limit 2"
        own, neighbour = (str(row["division"]) for row in told.rows("registry", sql))
        village = Village(told, desk, own)
        village.settle(36)
        yield Matrix(desk, village, neighbour)


def test_every_route_has_a_recipe() -> None:
    assert set(RECIPES) == set(routes())


def test_every_question_says_what_it_leaves_in_the_access_log() -> None:
    """Once each: those that show a person leave a row, of the others it is said why they leave none."""
    questions = {name for name, line in routes().items() if line.rights is not PUBLIC and name.startswith("GET ")}
    assert Counter(all_looks()) == Counter(questions | QUESTIONS)


def test_only_questions_take_no_idempotency_key() -> None:
    """Every other write claims its key: the routes are walked, none is trusted to remember."""
    lanes = {
        f"{method} {route.path_format}"
        for service in SERVICES
        for route in application(service).routes
        if isinstance(route, Route) and route.mark.get("lane")
        for method in route.methods or ()
    }
    assert lanes == QUESTIONS <= ALWAYS


@pytest.mark.parametrize("route", sorted(RECIPES))
def test_each_role_at_each_place(matrix: Matrix, route: str) -> None:
    line, recipe = routes()[route], RECIPES[route]
    trial = Trial(matrix, line, recipe)
    if line.rights is PUBLIC:
        trial.is_open_to_all()
        return
    first, *others = sorted(line.rights)
    asked = recipe.make(matrix.village, first)
    trial.refuses_bad_tokens(asked)
    trial.refuses_other_roles(asked)
    for role in (first, *others):
        asked = recipe.make(matrix.village, role) if role is not first else asked
        trial.refuses_other_places(asked, role)
        trial.grants(asked, role, is_first=role is first)


def test_a_division_above_is_read_and_not_written(matrix: Matrix) -> None:
    own, above = matrix.village.code, f"{matrix.village.code[:6]}000000"
    path, desk = f"/registry/v1/divisions/{above}", matrix.desk
    seen = desk.send(Asked("GET", path), desk.token("operator", [own]))
    assert seen.status_code == 200, seen.text
    asked = Asked("PATCH", path, json={"name": seen.json()["name"]}, headers={"if-match": seen.headers["etag"]})
    refused = desk.send(asked, desk.token("operator", [own]))
    assert (refused.status_code, refused.json()["code"]) == (403, "scope.refused"), refused.text
    granted = desk.send(asked, desk.token("operator", [above[:6]]))
    assert granted.status_code == 200, granted.text


@dataclass(frozen=True)
class Trial:
    """One route before the matrix. What a refusal is checked on is what is granted afterwards."""

    matrix: Matrix
    line: RouteRight
    recipe: Recipe

    def is_open_to_all(self) -> None:
        """Without a token, and with one of nowhere."""
        asked = self.recipe.make(self.matrix.village, "")
        for token in (None, self.matrix.desk.token("clerk", [])):
            answer = self.matrix.desk.send(asked, token)
            assert answer.is_success, answer.text

    def refuses_bad_tokens(self, asked: Asked) -> None:
        """None, expired, another audience: at the gateway, and at the service itself."""
        desk, county = self.matrix.desk, self.matrix.places["county above"]
        service = self.line.path.split("/")[1]
        for role in sorted(self._rights):
            for base in (desk.gateway, desk.behind(service)):
                for token in (None, desk.expired(role, county)):
                    answer = desk.send(asked, token, base)
                    assert answer.status_code == 401, f"{base}: {answer.text[:300]}"
                answer = desk.send(asked, desk.for_others(role, county), base)
                found = (answer.status_code, answer.json()["code"])
                assert found[0] == 401 or found == FOR_OTHERS, f"{base}: {answer.text[:300]}"

    def refuses_other_roles(self, asked: Asked) -> None:
        """Whatever their place."""
        for role in sorted({*Role} - self._rights):
            for place in self.matrix.places:
                self._says(self._send(asked, role, place), 403, "role.refused", f"{role} at {place}")

    def refuses_other_places(self, asked: Asked, role: Role) -> None:
        """As the kind of the route says."""
        for place in self.matrix.places:
            if not self._is_granted(role, place):
                self._is_refused(self._send(asked, role, place), role, place)

    def grants(self, asked: Asked | None, role: Role, *, is_first: bool) -> None:
        """The request that was refused to the others, and one like it at every other place that has the right.

        The very first is looked at more closely: the key of a write, what a question leaves in the access log.
        """
        granted = [place for place in self.matrix.places if self._is_granted(role, place)]
        assert granted, f"{role} can never do this"
        for place in granted[:1] if self.recipe.is_slow else granted:
            asked = asked or self.recipe.make(self.matrix.village, role)
            answer = self._send_closely(asked, role, place) if is_first else self._send(asked, role, place)
            is_first = False
            assert answer.is_success, f"{role} at {place}: {answer.status_code} {answer.text[:600]}"
            if self.recipe.shows is not None:
                assert self.recipe.shows(self.matrix.village, answer.json()), f"{role} at {place}: {answer.text[:600]}"
            asked = None if self.recipe.is_spent else asked

    @property
    def _route(self) -> str:
        return f"{self.line.method} {self.line.path}"

    def _send_closely(self, asked: Asked, role: Role, place: str) -> httpx.Response:
        is_question = asked.method == "GET" or self._route in QUESTIONS
        return (self._look if is_question else self._write)(asked, role, place)

    def _write(self, asked: Asked, role: Role, place: str) -> httpx.Response:
        """Without a key it is refused; the same again under one key is the first answer, and no second deed."""
        keyless, keyed = (
            replace(asked, headers={**asked.headers, "idempotency-key": key}) for key in ("", str(new_id()))
        )
        self._says(self._send(keyless, role, place), 400, "idempotency.key_missing", f"{role} at {place}")
        first, again = (self._send(keyed, role, place) for _ in range(2))
        if first.is_success:
            replayed = (again.status_code, again.content, again.headers.get("idempotency-replayed"))
            assert replayed == (first.status_code, first.content, "true"), f"{role} at {place}: {again.text[:300]}"
        return first

    def _look(self, asked: Asked, role: Role, place: str) -> httpx.Response:
        """Whoever sees somebody is written down; who sees nobody is not."""
        before = self._looks()
        answer = self._send(asked, role, place)
        assert self._looks() - before == rows_of(self._route), f"{role} at {place}"
        if self._route in FOR_A_PURPOSE:
            before = self._looks()
            shown = self._send(replace(asked, query={**asked.query, "purpose": "核查"}), Role.CLERK, place)
            assert shown.is_success, shown.text[:300]
            assert shown.json()["masked"] is False, shown.text[:300]
            assert self._looks() - before == rows_of(self._route, in_clear=True), f"clerk at {place}"
        return answer

    def _looks(self) -> int:
        service = self.line.path.split("/")[1]
        [row] = self.matrix.village.told.rows(service, LOOKS)
        return int(row["looks"])

    @property
    def _rights(self) -> frozenset[Role]:
        assert self.line.rights is not PUBLIC
        return frozenset(self.line.rights)

    def _send(self, asked: Asked, role: Role, place: str) -> httpx.Response:
        desk = self.matrix.desk
        return desk.send(asked, desk.token(role.value, self.matrix.places[place]))

    def _is_granted(self, role: Role, place: str) -> bool:
        if self.recipe.kind is Kind.SHARED or (self.recipe.kind is Kind.JOB and place != NOWHERE):
            return True
        return self.matrix.is_inside(place) and not self._is_too_low(role, place)

    def _is_too_low(self, role: Role, place: str) -> bool:
        return role.value in self.recipe.town and place == "own village"

    def _is_refused(self, answer: httpx.Response, role: Role, place: str) -> None:
        what = f"{role} at {place}"
        match self.recipe.kind:
            case Kind.LIST | Kind.BULK:
                assert answer.status_code == 200, f"{what}: {answer.status_code} {answer.text[:300]}"
                assert self.recipe.shows is not None
                assert not self.recipe.shows(self.matrix.village, answer.json()), f"{what}: {answer.text[:600]}"
            case Kind.NOUN if self._is_too_low(role, place):
                self._says(answer, 403, self.recipe.low, what)
            case Kind.NOUN:
                self._says(answer, 404, None, what)
            case Kind.WRITE:
                self._says(answer, 403, "scope.refused", what)
            case Kind.JOB:
                self._says(answer, 403, "job.refused", what)
            case _:
                pytest.fail(f"{what}: {self.recipe.kind} is refused to nobody")

    def _says(self, answer: httpx.Response, status: int, code: str | None, what: str) -> None:
        assert answer.status_code == status, f"{what}: {answer.status_code} {answer.text[:600]}"
        assert code is None or answer.json()["code"] == code, f"{what}: {answer.text[:300]}"
