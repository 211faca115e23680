"""How each route of the four services is asked about something real, and what its scope makes of the asker's place.

A route without a recipe fails the matrix. A recipe makes one request about a noun of one village; whoever sends it gets
it granted, or refused for a reason that the kind of the route tells beforehand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tests.journeys.desk import Asked
from tests.journeys.village import DAY, MEETING, Village
from tests.registry.sheets import citizen_id


class Kind(Enum):
    """What somebody gets who has the role and not the place."""

    NOUN = "404: it is not there for him"
    WRITE = "403 scope.refused: he writes into another division"
    LIST = "2xx, and what lies elsewhere is not in it"
    BULK = "2xx, and each line of what lies elsewhere is refused"
    JOB = "2xx at any place, whose rows alone it will touch; 403 without a place"
    SHARED = "2xx: law, charts and whatever lies above all; it is nobody's"
    PUBLIC = "2xx without a token"


Make = Callable[[Village, str], Asked]
Shows = Callable[[Village, Any], bool]
Part = Callable[[Village], Any]
WHOLE = 500
HANDS = ("clerk", "operator", "system")


@dataclass(frozen=True)
class Recipe:
    """`make(village, role)`: the request. `shows`: whether an answer holds the seeded noun.

    `is_spent`: each grant needs a request of its own. `is_slow`: one place a role is granted, not all that may be.
    `town`: roles whose deed is a township's, not a village's; a village's is refused as `low` says.
    """

    kind: Kind
    make: Make
    shows: Shows | None = None
    is_spent: bool = False
    is_slow: bool = False
    town: tuple[str, ...] = ()
    low: str = "step.not_yours"


RECIPES: dict[str, Recipe] = {}


def recipe(route: str, kind: Kind, shows: Shows | None = None, **more: Any) -> Callable[[Make], Make]:
    """Write down the recipe of one route."""

    def keep(make: Make) -> Make:
        assert route not in RECIPES, f"two recipes for {route}"
        RECIPES[route] = Recipe(kind, make, shows, **more)
        return make

    return keep


def _get(route: str, kind: Kind, path: Part | None = None, shows: Shows | None = None, **query: Any) -> None:
    """A question; what is a function of the village is worked out when asked."""

    def make(village: Village, _role: str) -> Asked:
        told = {name: value(village) if callable(value) else value for name, value in query.items()}
        return Asked("GET", path(village) if path else route, query=told)

    recipe(f"GET {route}", kind, shows)(make)


def names(part: Part) -> Shows:
    """An answer that names this noun; `part` makes it, if it is not there yet."""
    return lambda village, answer: str(part(village)) in json.dumps(answer)


def _here(village: Village) -> str:
    return village.code


# ── registry ──────────────────────────────────────────────────────────────────────────────────────────────────────────

REGISTRY = "/registry/v1"


def _household(village: Village) -> str:
    return str(village.once("household", village.a_household))


def _number(village: Village) -> str:
    return str(village.once("household's number", lambda: _read(village)["number"]))


def _read(village: Village) -> dict[str, Any]:
    read: dict[str, Any] = village.desk.ask(
        "clerk", village.code, "GET", f"{REGISTRY}/households/{_household(village)}"
    )
    return read


def _shown(village: Village) -> str:
    """A household whose full fields somebody of its village has looked at: its audit has a row."""
    path = f"{REGISTRY}/households/{_household(village)}"
    read = village.desk.ask("clerk", village.code, "GET", path, query={"purpose": "check"})
    return str(read["id"])


def _list(village: Village) -> str:
    """A village's full list that leaves all but one household out."""
    return str(village.once("list", village.a_list))


def _intake(village: Village) -> str:
    return str(village.once("tried intake", village.a_tried_intake))


def _export(village: Village) -> str:
    return str(village.once("export", village.an_export))


def _doubt(village: Village) -> str:
    return str(village.once("doubt", village.a_doubt)["id"])


def _etag(village: Village, role: str, path: str) -> dict[str, str]:
    answer = village.desk.send(Asked("GET", path), village.desk.token(role, [village.code]))
    assert answer.status_code == 200, answer.text
    return {"if-match": answer.headers["etag"]}


_get(
    f"{REGISTRY}/divisions",
    Kind.LIST,
    None,
    names(_here),
    level="village",
    parent=lambda v: f"{v.code[:9]}000",
    limit=WHOLE,
)
_get(f"{REGISTRY}/access-log", Kind.LIST, None, lambda _, page: bool(page["items"]), seen=_shown)
_get(f"{REGISTRY}/divisions/{{code}}", Kind.NOUN, lambda v: f"{REGISTRY}/divisions/{v.code}")
_get(f"{REGISTRY}/doubts", Kind.LIST, None, lambda _, page: bool(page["items"]), division=_here)
_get(f"{REGISTRY}/doubts/work-list", Kind.SHARED, None, None, division=_here)
_get(f"{REGISTRY}/doubts/{{doubt_id}}", Kind.NOUN, lambda v: f"{REGISTRY}/doubts/{_doubt(v)}")
_get(f"{REGISTRY}/reports/doubts", Kind.LIST, None, lambda _, counts: counts["total"] > 0, division=_here)
_get(f"{REGISTRY}/households", Kind.LIST, None, names(_household), division=_here, limit=WHOLE)
_get(
    f"{REGISTRY}/households/by-number/{{number}}", Kind.NOUN, lambda v: f"{REGISTRY}/households/by-number/{_number(v)}"
)
_get(f"{REGISTRY}/households/{{household_id}}", Kind.NOUN, lambda v: f"{REGISTRY}/households/{_household(v)}")
_get(
    f"{REGISTRY}/households/{{household_id}}/timeline",
    Kind.NOUN,
    lambda v: f"{REGISTRY}/households/{_household(v)}/timeline",
)
_get(f"{REGISTRY}/exports", Kind.LIST, None, names(_export), limit=WHOLE)
_get(f"{REGISTRY}/exports/{{job_id}}", Kind.NOUN, lambda v: f"{REGISTRY}/exports/{_export(v)}")
_get(f"{REGISTRY}/exports/{{job_id}}/file", Kind.NOUN, lambda v: f"{REGISTRY}/exports/{_export(v)}/file")
_get(f"{REGISTRY}/intakes/{{job_id}}", Kind.NOUN, lambda v: f"{REGISTRY}/intakes/{_intake(v)}")
_get(f"{REGISTRY}/intakes/{{job_id}}/answer", Kind.NOUN, lambda v: f"{REGISTRY}/intakes/{_intake(v)}/answer")
_get(f"{REGISTRY}/intakes/{{job_id}}/diff", Kind.NOUN, lambda v: f"{REGISTRY}/intakes/{_intake(v)}/diff")
_get(f"{REGISTRY}/intakes/{{job_id}}/undo", Kind.NOUN, lambda v: f"{REGISTRY}/intakes/{_list(v)}/undo")
_get(f"{REGISTRY}/intakes/{{job_id}}/refusals", Kind.NOUN, lambda v: f"{REGISTRY}/intakes/{_intake(v)}/refusals")
_get(f"{REGISTRY}/intakes/{{job_id}}/absences", Kind.NOUN, lambda v: f"{REGISTRY}/intakes/{_list(v)}/absences")
_get(f"{REGISTRY}/jobs", Kind.LIST, None, names(_intake), limit=WHOLE)
_get(f"{REGISTRY}/jobs/{{job_id}}", Kind.NOUN, lambda v: f"{REGISTRY}/jobs/{_intake(v)}")
_get(
    f"{REGISTRY}/reports/counts",
    Kind.LIST,
    None,
    lambda _, counts: counts["all"]["total"] > 0,
    division=_here,
    by="education",
)
_get(f"{REGISTRY}/reports/households", Kind.LIST, None, lambda _, counts: counts["households"] > 0, division=_here)


@recipe(f"PATCH {REGISTRY}/divisions/{{code}}", Kind.NOUN, is_spent=True)
def _amend_division(village: Village, _role: str) -> Asked:
    path = f"{REGISTRY}/divisions/{village.code}"
    return Asked("PATCH", path, json={"name": "改名村"}, headers=_etag(village, "operator", path))


@recipe(f"POST {REGISTRY}/divisions/{{code}}/supersede", Kind.NOUN, is_spent=True, town=HANDS, low="scope.refused")
def _supersede(village: Village, _role: str) -> Asked:
    """Only shown: the village of the matrix stays."""
    path = f"{REGISTRY}/divisions/{village.code}"
    body = {"into": village.neighbour, "on": DAY, "preview": True}
    return Asked("POST", f"{path}/supersede", json=body, headers=_etag(village, "operator", path))


@recipe(f"POST {REGISTRY}/households", Kind.WRITE, is_spent=True)
def _record(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{REGISTRY}/households", json=village.household_body())


@recipe(f"PATCH {REGISTRY}/households/{{household_id}}", Kind.NOUN, is_spent=True)
def _amend(village: Village, role: str) -> Asked:
    path = f"{REGISTRY}/households/{village.once('amended household', village.a_household)}"
    return Asked("PATCH", path, json={"observed_on": DAY, "group": "三组"}, headers=_etag(village, role, path))


def _family(village: Village) -> tuple[str, str, str]:
    """A household on record since January, of a head and her son: its path, and the two."""
    body = village.household_body() | {"observed_on": "2019-01-10"}
    own = "周" + "".join("零一二三四五六七八九"[int(digit)] for digit in body["number"][-4:])  # no two of one name meet
    body["members"] = [*body["members"], {"relation": "son", "name": own, "sex": "male"}]
    made = village.desk.ask("clerk", village.code, "POST", f"{REGISTRY}/households", body)
    head, son = (one["person"]["id"] for one in made["members"])
    return f"{REGISTRY}/households/{made['id']}", head, son


def _deed(village: Village, role: str, verb: str, path: str, **body: Any) -> Asked:
    return Asked("POST", f"{path}/{verb}", json={"on": DAY, **body}, headers=_etag(village, role, path))


@recipe(f"POST {REGISTRY}/households/{{household_id}}/birth", Kind.NOUN, is_spent=True)
def _birth(village: Village, role: str) -> Asked:
    path, _, _ = _family(village)
    return _deed(village, role, "birth", path, child={"relation": "grandson", "name": "周小天", "sex": "male"})


@recipe(f"POST {REGISTRY}/households/{{household_id}}/death", Kind.NOUN, is_spent=True)
def _death(village: Village, role: str) -> Asked:
    path, head, son = _family(village)
    return _deed(village, role, "death", path, person=head, head=son)


@recipe(f"POST {REGISTRY}/households/{{household_id}}/change-head", Kind.NOUN, is_spent=True)
def _change_head(village: Village, role: str) -> Asked:
    path, head, son = _family(village)
    return _deed(village, role, "change-head", path, head=son, relations={head: "mother"})


@recipe(f"POST {REGISTRY}/households/{{household_id}}/split", Kind.NOUN, is_spent=True)
def _split(village: Village, role: str) -> Asked:
    path, _, son = _family(village)
    return _deed(village, role, "split", path, number=village.household_body()["number"], head=son)


@recipe(f"POST {REGISTRY}/households/{{household_id}}/merge", Kind.NOUN, is_spent=True)
def _merge(village: Village, role: str) -> Asked:
    path, head, son = _family(village)
    into, _, _ = _family(village)
    relations = {head: "sibling", son: "nephew"}
    return _deed(village, role, "merge", path, into=into.rsplit("/", 1)[1], into_version=1, relations=relations)


@recipe(f"POST {REGISTRY}/households/{{household_id}}/marry-in", Kind.NOUN, is_spent=True)
def _marry_in(village: Village, role: str) -> Asked:
    path, head, _ = _family(village)
    bride = {"relation": "spouse", "name": f"郑{head[-4:]}", "sex": "male"}
    return _deed(village, role, "marry-in", path, member=bride, spouse=head)


@recipe(f"POST {REGISTRY}/households/{{household_id}}/adopt-in", Kind.NOUN, is_spent=True)
def _adopt_in(village: Village, role: str) -> Asked:
    """Out of another household of the village, in one deed."""
    path, _, _ = _family(village)
    other, _, son = _family(village)
    origin = {"household": other.rsplit("/", 1)[1], "version": 1}
    return _deed(village, role, "adopt-in", path, member={"id": son, "relation": "son"}, origin=origin)


def _of_the_son(verb: str, **body: Any) -> None:
    """A verb that says something of one member who is no head."""

    def make(village: Village, role: str) -> Asked:
        path, _, son = _family(village)
        return _deed(village, role, verb, path, person=son, **body)

    recipe(f"POST {REGISTRY}/households/{{household_id}}/{verb}", Kind.NOUN, is_spent=True)(make)


_of_the_son("marry-out")
_of_the_son("adopt-out")
_of_the_son("leave", reason="work")
_of_the_son("return")


@recipe(f"POST {REGISTRY}/households/{{household_id}}/bind-id", Kind.NOUN, is_spent=True)
def _bind_id(village: Village, role: str) -> Asked:
    path, _, son = _family(village)
    number = citizen_id("20080405", next(village.serials) % 500 * 2 + 1)
    return _deed(village, role, "bind-id", path, person=son, id_number=number)


@recipe(f"POST {REGISTRY}/households/{{household_id}}/move", Kind.NOUN, is_spent=True, town=HANDS, low="scope.refused")
def _move(village: Village, role: str) -> Asked:
    path, _, _ = _family(village)
    return _deed(village, role, "move", path, division=village.neighbour)


@recipe(f"POST {REGISTRY}/households/{{household_id}}/close", Kind.NOUN, is_spent=True)
def _close(village: Village, role: str) -> Asked:
    path, _, _ = _family(village)
    return _deed(village, role, "close", path, reason="mistaken")


@recipe(f"POST {REGISTRY}/households/{{household_id}}/reopen", Kind.NOUN, is_spent=True)
def _reopen(village: Village, role: str) -> Asked:
    path, _, _ = _family(village)
    closing = {"on": DAY, "reason": "mistaken"}
    village.desk.ask("clerk", village.code, "POST", f"{path}/close", closing, headers={"If-Match": "*"})
    return _deed(village, role, "reopen", path)


@recipe(f"POST {REGISTRY}/exports", Kind.JOB, is_spent=True)
def _ask_export(village: Village, _role: str) -> Asked:
    """Whoever has any place may ask; the file has what he may see."""
    return Asked("POST", f"{REGISTRY}/exports", json={"sought": {"division": village.code}, "shape": "households"})


@recipe(f"POST {REGISTRY}/intakes", Kind.JOB, is_spent=True)
def _upload(village: Village, _role: str) -> Asked:
    """Whoever has any place may hand in a file; its rows of other places come back (the next recipes' intake)."""
    return village.intake()


@recipe(f"POST {REGISTRY}/intakes/{{job_id}}/apply", Kind.NOUN, is_spent=True, is_slow=True)
def _apply(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{REGISTRY}/intakes/{village.a_tried_intake()}/apply")


@recipe(f"POST {REGISTRY}/doubts/inspections", Kind.JOB, is_spent=True)
def _inspect(_village: Village, _role: str) -> Asked:
    """Whoever has any place may have it looked at."""
    return Asked("POST", f"{REGISTRY}/doubts/inspections", json={})


@recipe(f"POST {REGISTRY}/intakes/{{job_id}}/absences", Kind.NOUN, is_spent=True, is_slow=True)
def _decide_absence(village: Village, _role: str) -> Asked:
    """An unclear one may be decided again, so one list serves all."""
    path = f"{REGISTRY}/intakes/{_list(village)}/absences"
    (first, *_) = village.desk.ask("clerk", village.code, "GET", path)["items"]
    item = {"household": first["household"], "decision": "unclear", "reason": "待入户核实"}
    return Asked("POST", path, json={"items": [item]})


@recipe(f"POST {REGISTRY}/intakes/{{job_id}}/undo", Kind.NOUN, is_spent=True, is_slow=True)
def _undo(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{REGISTRY}/intakes/{village.a_list()}/undo")


@recipe(f"POST {REGISTRY}/jobs/{{job_id}}/cancel", Kind.NOUN, is_spent=True)
def _cancel(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{REGISTRY}/jobs/{village.a_waiting_job('registry')}/cancel")


KEPT = {"finding": "kept", "reason": "入户核查，与实际一致"}


def _seen(doubt: dict[str, Any]) -> dict[str, Any]:
    return {"id": doubt["id"], "version": doubt["version"]}


def _all_taken(_village: Village, answer: Any) -> bool:
    return bool(answer["results"]) and answer["refused"] == 0


@recipe(f"POST {REGISTRY}/doubts/assign", Kind.BULK, _all_taken, is_spent=True)
def _assign_many(village: Village, _role: str) -> Asked:
    body = {"assignee": "clerk.of.village", "doubts": [_seen(village.a_doubt())]}
    return Asked("POST", f"{REGISTRY}/doubts/assign", json=body)


@recipe(f"POST {REGISTRY}/doubts/findings", Kind.BULK, _all_taken, is_spent=True)
def _find_many(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{REGISTRY}/doubts/findings", json={"findings": [_seen(village.a_doubt()) | KEPT]})


@recipe(f"POST {REGISTRY}/doubts/{{doubt_id}}/assign", Kind.NOUN, is_spent=True)
def _assign(village: Village, role: str) -> Asked:
    path = f"{REGISTRY}/doubts/{village.a_doubt()['id']}"
    return Asked("POST", f"{path}/assign", json={"assignee": "clerk.of.village"}, headers=_etag(village, role, path))


@recipe(f"POST {REGISTRY}/doubts/{{doubt_id}}/finding", Kind.NOUN, is_spent=True)
def _find_out(village: Village, role: str) -> Asked:
    path = f"{REGISTRY}/doubts/{village.a_doubt()['id']}"
    return Asked("POST", f"{path}/finding", json=KEPT, headers=_etag(village, role, path))


@recipe(f"POST {REGISTRY}/doubts/{{doubt_id}}/confirm", Kind.NOUN, is_spent=True)
def _confirm(village: Village, role: str) -> Asked:
    """A clerk has answered; whoever confirms is another person."""
    path = f"{REGISTRY}/doubts/{village.a_doubt()['id']}"
    village.desk.ask("clerk", village.code, "POST", f"{path}/finding", KEPT, headers={"if-match": "*"})
    return Asked("POST", f"{path}/confirm", json={"agreed": True}, headers=_etag(village, role, path))


def _asked_person(village: Village) -> dict[str, Any]:
    return village.once("person looked for", lambda: _recorded_person(village))  # type: ignore[no-any-return]


def _recorded_person(village: Village) -> dict[str, Any]:
    body = village.household_body()
    village.desk.ask("clerk", village.code, "POST", f"{REGISTRY}/households", body)
    return {"id_number": body["members"][0]["id_number"], "purpose": "核对身份"}


@recipe(f"POST {REGISTRY}/people/search", Kind.LIST, lambda _, answer: bool(answer["found"]))
def _search(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{REGISTRY}/people/search", json=_asked_person(village))


@recipe(f"POST {REGISTRY}/search/people", Kind.LIST, lambda _, answer: bool(answer["items"]))
def _search_people(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{REGISTRY}/search/people", json={"sought": {"division": village.code}})


@recipe(f"POST {REGISTRY}/search/households", Kind.LIST, lambda _, answer: bool(answer["items"]))
def _search_households(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{REGISTRY}/search/households", json={"sought": {"division": village.code}})


@recipe(f"POST {REGISTRY}/people/elsewhere", Kind.SHARED)
def _elsewhere(village: Village, _role: str) -> Asked:
    """It answers a count and a county, to everybody alike: that is what it is for."""
    return Asked("POST", f"{REGISTRY}/people/elsewhere", json=_asked_person(village))


# ── assessment ────────────────────────────────────────────────────────────────────────────────────────────────────────

ASSESSMENT = "/assessment/v1"


def _case(village: Village) -> str:
    return str(village.once("listed case", lambda: village.a_case()["id"]))


def _explained(village: Village) -> str:
    """A household whose reasons somebody of its village has read."""
    household = _household(village)
    village.desk.ask("clerk", village.code, "GET", f"{ASSESSMENT}/households/{household}/judgement")
    return household


def _judgement(village: Village) -> str:
    path = f"{ASSESSMENT}/households/{_household(village)}/judgements"
    return str(village.desk.ask("clerk", village.code, "GET", path)["items"][0]["id"])


def _publicity(village: Village) -> str:
    return str(village.once("publicity", village.a_publicity)["id"])


def _run(village: Village) -> str:
    return str(village.once("run", village.a_run))


def _objection(village: Village) -> str:
    return str(village.once("objection", village.an_objection))


_get(f"{ASSESSMENT}/access-log", Kind.LIST, None, lambda _, page: bool(page["items"]), seen=_explained)
_get(f"{ASSESSMENT}/cases", Kind.LIST, None, names(_case), division=_here, limit=WHOLE)
_get(f"{ASSESSMENT}/cases/counts", Kind.LIST, None, lambda v, counts: bool(_case(v) and counts), division=_here)
_get(f"{ASSESSMENT}/cases/{{case_id}}", Kind.NOUN, lambda v: f"{ASSESSMENT}/cases/{_case(v)}")
_get(f"{ASSESSMENT}/cases/candidates", Kind.LIST, None, names(_household), village=_here, limit=WHOLE)
_get(
    f"{ASSESSMENT}/households/{{household_id}}/judgement",
    Kind.NOUN,
    lambda v: f"{ASSESSMENT}/households/{_household(v)}/judgement",
)
_get(
    f"{ASSESSMENT}/households/{{household_id}}/judgements",
    Kind.LIST,
    lambda v: f"{ASSESSMENT}/households/{_household(v)}/judgements",
    lambda _, page: bool(page["items"]),
)
_get(f"{ASSESSMENT}/judgements", Kind.LIST, None, names(_household), division=_here, limit=WHOLE)
_get(f"{ASSESSMENT}/judgements/measures", Kind.LIST, None, names(_household), division=_here, limit=WHOLE)
_get(f"{ASSESSMENT}/judgements/{{judgement_id}}", Kind.NOUN, lambda v: f"{ASSESSMENT}/judgements/{_judgement(v)}")
_get(f"{ASSESSMENT}/verdicts", Kind.LIST, None, lambda _, answer: bool(answer["counts"]), division=_here)
_get(f"{ASSESSMENT}/objections", Kind.LIST, None, names(_objection), division=_here, limit=WHOLE)
_get(f"{ASSESSMENT}/publicities", Kind.LIST, None, names(_publicity), division=_here, limit=WHOLE)
_get(f"{ASSESSMENT}/publicities/{{publicity_id}}", Kind.NOUN, lambda v: f"{ASSESSMENT}/publicities/{_publicity(v)}")
_get(f"{ASSESSMENT}/packs", Kind.SHARED)
_get(f"{ASSESSMENT}/parameters", Kind.SHARED, division=_here)
_get(f"{ASSESSMENT}/procedures", Kind.SHARED)
_get(f"{ASSESSMENT}/procedures/{{name}}", Kind.SHARED, lambda _: f"{ASSESSMENT}/procedures/exit")
_get(f"{ASSESSMENT}/runs", Kind.LIST, None, names(_run), limit=WHOLE)
_get(f"{ASSESSMENT}/runs/{{run_id}}", Kind.NOUN, lambda v: f"{ASSESSMENT}/runs/{_run(v)}")
_get(f"{ASSESSMENT}/jobs", Kind.LIST, None, names(_run), limit=WHOLE)
_get(f"{ASSESSMENT}/jobs/{{job_id}}", Kind.NOUN, lambda v: f"{ASSESSMENT}/jobs/{_run(v)}")


def _all_done(_village: Village, answer: Any) -> bool:
    assert answer["done"] + answer["refused"] == 1, answer
    return bool(answer["done"])


def _is_opened(_village: Village, answer: Any) -> bool:
    assert (answer["publicity"] is not None) == bool(answer["cases"]["done"]), answer
    return answer["publicity"] is not None


@recipe(f"POST {ASSESSMENT}/cases", Kind.WRITE, _all_done, is_spent=True)
def _open_cases(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{ASSESSMENT}/cases", json={"village": village.code, "households": [village.a_household()]})


def _a_step(role: str) -> dict[str, Any]:
    """A village meets; a town refuses."""
    if role == "approver":
        decided = {"document_number": "舟东政发〔2019〕32号", "effective_on": DAY, "why": "材料不全"}
        return {"step": "refuse", "evidence": decided}
    return {"step": "meeting", "evidence": MEETING}


@recipe(f"POST {ASSESSMENT}/cases/steps", Kind.BULK, _all_done, is_spent=True, town=("approver",))
def _steps(village: Village, role: str) -> Asked:
    body = {**_a_step(role), "cases": [{"case": village.a_case()["id"]}]}
    return Asked("POST", f"{ASSESSMENT}/cases/steps", json=body)


@recipe(f"POST {ASSESSMENT}/cases/{{case_id}}/steps", Kind.NOUN, is_spent=True, town=("approver",))
def _step(village: Village, role: str) -> Asked:
    path = f"{ASSESSMENT}/cases/{village.a_case()['id']}"
    return Asked("POST", f"{path}/steps", json=_a_step(role), headers=_etag(village, "clerk", path))


@recipe(f"POST {ASSESSMENT}/cases/{{case_id}}/objections", Kind.NOUN)
def _object(village: Village, _role: str) -> Asked:
    case = village.once("posted case", village.a_posted_case)
    body = {"by": "钱某", "text": "家中有车", "received_on": DAY}
    return Asked("POST", f"{ASSESSMENT}/cases/{case}/objections", json=body)


@recipe(f"POST {ASSESSMENT}/objections/{{objection_id}}/finding", Kind.NOUN, is_spent=True)
def _find(village: Village, _role: str) -> Asked:
    path = f"{ASSESSMENT}/objections/{village.an_objection()}/finding"
    return Asked("POST", path, json={"finding": "rejected", "text": "经核实不属实"})


@recipe(f"POST {ASSESSMENT}/publicities", Kind.WRITE, _is_opened, is_spent=True)
def _publish(village: Village, _role: str) -> Asked:
    body = {"village": village.code, "cases": [village.an_agreed_case()], "objections_to": "乡政府 0941-0000000"}
    return Asked("POST", f"{ASSESSMENT}/publicities", json=body)


@recipe(f"POST {ASSESSMENT}/publicities/{{publicity_id}}/withdrawal", Kind.NOUN, is_spent=True)
def _withdraw(village: Village, role: str) -> Asked:
    path = f"{ASSESSMENT}/publicities/{village.a_publicity()['id']}"
    village.told.quiet()  # that it hangs is a new version
    return Asked("POST", f"{path}/withdrawal", json={"why": "名单有误"}, headers=_etag(village, role, path))


@recipe(f"POST {ASSESSMENT}/parameters", Kind.WRITE, is_spent=True)
def _propose(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{ASSESSMENT}/parameters", json=village.proposal())


@recipe(f"POST {ASSESSMENT}/parameters/{{proposal_id}}/approve", Kind.NOUN, is_spent=True)
def _approve_number(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{ASSESSMENT}/parameters/{village.a_proposal()}/approve")


@recipe(f"POST {ASSESSMENT}/runs", Kind.WRITE)
def _start_run(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{ASSESSMENT}/runs", json={"division": village.code})


@recipe(f"POST {ASSESSMENT}/jobs/{{job_id}}/cancel", Kind.NOUN, is_spent=True)
def _cancel_run(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{ASSESSMENT}/jobs/{village.a_waiting_job('assessment')}/cancel")


# ── cooperative ───────────────────────────────────────────────────────────────────────────────────────────────────────

COOPERATIVE = "/cooperative/v1"
BOOK = f"{COOPERATIVE}/books/{{book_id}}"


def _told(village: Village) -> dict[str, str]:
    return village.once("told book", village.a_told_book)  # type: ignore[no-any-return]


def _of_book(tail: str = "") -> Callable[[Village], str]:
    return lambda village: f"{COOPERATIVE}/books/{_told(village)['book']}{tail}"


_get(f"{COOPERATIVE}/charts", Kind.SHARED)
_get(BOOK, Kind.NOUN, _of_book())
_get(f"{BOOK}/drafts", Kind.NOUN, _of_book("/drafts"))
_get(f"{BOOK}/entries", Kind.NOUN, _of_book("/entries"))
_get(f"{BOOK}/entries/{{entry_id}}", Kind.NOUN, lambda v: _of_book(f"/entries/{_told(v)['entry']}")(v))
_get(f"{BOOK}/members", Kind.NOUN, _of_book("/members"))
_get(f"{BOOK}/months", Kind.NOUN, _of_book("/months"))
_get(f"{BOOK}/payouts", Kind.NOUN, _of_book("/payouts"))
_get(f"{BOOK}/payouts/total", Kind.NOUN, _of_book("/payouts/total"))
_get(f"{BOOK}/trial-balance", Kind.NOUN, _of_book("/trial-balance"), period=201908)
_get(f"{COOPERATIVE}/drafts/{{draft_id}}", Kind.NOUN, lambda v: f"{COOPERATIVE}/drafts/{_told(v)['draft']}")
_get(
    f"{COOPERATIVE}/drafts/{{draft_id}}/entries",
    Kind.NOUN,
    lambda v: f"{COOPERATIVE}/drafts/{_told(v)['draft']}/entries",
)


_get(f"{COOPERATIVE}/books", Kind.LIST, None, names(lambda village: _told(village)["book"]), limit=WHOLE)


@recipe(f"POST {COOPERATIVE}/books", Kind.WRITE, is_spent=True)
def _open_book(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{COOPERATIVE}/books", json=village.book_body())


@recipe(f"POST {BOOK}/members", Kind.NOUN)
def _enter(village: Village, _role: str) -> Asked:
    headers = {"content-type": "application/x-ndjson"}
    return Asked("POST", f"{_of_book('/members')(village)}", content=village.members(), headers=headers)


@recipe(f"POST {BOOK}/months/{{period}}/open", Kind.NOUN, is_spent=True)
def _open_month(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{COOPERATIVE}/books/{village.a_book()}/months/201909/open")


@recipe(f"POST {BOOK}/months/{{period}}/close", Kind.NOUN, is_spent=True)
def _close_month(village: Village, _role: str) -> Asked:
    months = f"{COOPERATIVE}/books/{village.a_book()}/months"
    village.desk.ask("accountant", village.code, "POST", f"{months}/201909/open")
    return Asked("POST", f"{months}/201908/close")


@recipe(f"POST {BOOK}/drafts", Kind.NOUN)
def _draft(village: Village, _role: str) -> Asked:
    book = village.once("book with drafts", village.a_book)
    return Asked("POST", f"{COOPERATIVE}/books/{book}/drafts", json={"terms": village.opening()})


@recipe(f"POST {COOPERATIVE}/drafts/{{draft_id}}/approve", Kind.NOUN, is_spent=True)
def _approve(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{COOPERATIVE}/drafts/{village.a_draft()}/approve")


@recipe(f"POST {COOPERATIVE}/drafts/{{draft_id}}/reject", Kind.NOUN, is_spent=True)
def _reject(village: Village, _role: str) -> Asked:
    return Asked("POST", f"{COOPERATIVE}/drafts/{village.a_draft()}/reject", json={"reason": "金额有误"})


# ── notify ────────────────────────────────────────────────────────────────────────────────────────────────────────────

NOTIFY = "/notify/v1"


def _notice(village: Village) -> str:
    return str(village.once("notice", village.a_notice))


def _page(village: Village) -> str:
    assert _notice(village)
    return f"{NOTIFY}/public/notices/{village.code}"


_get(f"{NOTIFY}/notices", Kind.LIST, None, names(_notice), division=_here, limit=WHOLE)
_get(f"{NOTIFY}/notices/{{notice_id}}", Kind.NOUN, lambda v: f"{NOTIFY}/notices/{_notice(v)}")
_get(f"{NOTIFY}/public/notices", Kind.PUBLIC)
_get(f"{NOTIFY}/public/notices.json", Kind.PUBLIC)
_get(f"{NOTIFY}/public/notices/{{village}}", Kind.PUBLIC, _page)
_get(f"{NOTIFY}/public/notices/{{village}}.json", Kind.PUBLIC, lambda v: f"{_page(v)}.json")
