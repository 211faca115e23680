"""The exit machine, walked exhaustively against a small model of its own.

Two views of the same world are walked in step: the machine, and a model written from the law's text as plain facts
("a meeting passed", "the household agreed", "the days are over"), which knows no state and no step of the machine.
Every move is tried in every reachable world; both must agree on what is allowed. The worlds are finite (days are
counted relative to the last day of the list), so the walk ends by itself and covers sequences of any length.

A third view reads the trail alone, as an auditor would. And each guard is taken out in turn: the walk must notice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from services.assessment.domain.cases import SYSTEM_ACTOR, Actor, Case, CitedJudgement, Standing, StepTaken
from services.assessment.domain.machine import Door, Procedure, Step, StepUnknown, Way, read_evidence, start, take
from services.assessment.domain.publicity import (
    Publicity,
    PublicityItem,
    PublicityState,
    Term,
    end,
    open_publicity,
    posted,
    withdraw,
)
from services.assessment.procedures import EXIT
from services.assessment.procedures.exit import MEETING_MAJORITY, MEETING_QUORUM, PUBLICITY_DAYS
from shared.errors import Problem
from shared.parameters import Parameter
from shared.values import DivisionCode, Scope, new_id

VILLAGE = DivisionCode.parse("522630101201")
TOWN = Scope.of([DivisionCode.parse("522630101")])
FIRST_DAY = date(2019, 8, 20)
DAYS = 2
MOST_OBJECTIONS = 2


def moment(day: int) -> datetime:
    return datetime(2019, 8, 20, 2, tzinfo=UTC) + timedelta(days=day)


def parameter(key: str, value: str, unit: str) -> Parameter:
    return Parameter(key, None, date(2016, 4, 23), None, value, unit, "依据", "basis", "loaded", "loaded")  # type: ignore[arg-type]


NUMBERS = {
    MEETING_QUORUM: parameter(MEETING_QUORUM, "2/3", "share"),
    MEETING_MAJORITY: parameter(MEETING_MAJORITY, "1/2", "share"),
    PUBLICITY_DAYS: parameter(PUBLICITY_DAYS, str(DAYS), "days"),
}
ANNA = Actor("anna", "安", frozenset({"clerk", "reviewer", "approver"}), TOWN)
BERT = Actor("bert", "白", frozenset({"clerk", "reviewer", "approver"}), TOWN)
CLERK = Actor("clerk", "陈", frozenset({"clerk"}), TOWN)
OTHER_CLERK = Actor("dora", "丁", frozenset({"clerk"}), TOWN)
VILLAGER = Actor("villager", "村", frozenset({"approver"}), Scope.of([VILLAGE]))
PEOPLE = (ANNA, BERT)


# ---- the machine's world ----


@dataclass(frozen=True)
class World:
    """What the verbs would have in their hands: the case, its list, open objections, the newest judgement, the day."""

    case: Case
    publicity: Publicity | None = None
    objections_open: int = 0
    latest: CitedJudgement = field(default_factory=lambda: CitedJudgement(new_id(), 1, "met"))
    day: int = 0

    @property
    def standing(self) -> Standing:
        return Standing(self.latest, self.publicity, self.objections_open, NUMBERS)


def first_world(procedure: Procedure) -> World:
    judged = CitedJudgement(new_id(), 1, "met")
    case, _ = start(procedure, new_id(), new_id(), VILLAGE, judged, CLERK, moment(0))
    return World(case, latest=judged)


def step_in(procedure: Procedure, world: World, door: Door, code: str, by: Actor, **evidence: object) -> World:
    step = procedure.step(code, door)
    read = read_evidence(step, evidence)
    case, _ = take(procedure, step, world.case, read, by, moment(world.day), world.standing, decision_id=new_id())
    return replace(world, case=case)


Move = Callable[[Procedure, World], World]


def meeting(by: Actor, present: int, votes_for: int) -> Move:
    def move(procedure: Procedure, world: World) -> World:
        counts = {"due": 30, "present": present, "for": votes_for, "against": 0}
        return step_in(procedure, world, Door.CASE, "meeting", by, held_on=on(world), **counts)

    return move


def on(world: World) -> str:
    return (FIRST_DAY + timedelta(days=world.day)).isoformat()


def verify(by: Actor) -> Move:
    return lambda procedure, world: step_in(
        procedure, world, Door.CASE, "verify", by, verified_on=on(world), village_by="王", team_by="李"
    )


def consent(by: Actor) -> Move:
    return lambda procedure, world: step_in(
        procedure, world, Door.CASE, "consent", by, signed_on=on(world), document="认字1号"
    )


def refusal(by: Actor) -> Move:
    return lambda procedure, world: step_in(
        procedure, world, Door.CASE, "refusal", by, refused_on=on(world), why="不同意"
    )


def decide(code: str, by: Actor) -> Move:
    def move(procedure: Procedure, world: World) -> World:
        why = {"why": "理由"} if code == "refuse" else {}
        decided = {"document_number": "镇发1号", "effective_on": on(world)}
        return step_in(procedure, world, Door.CASE, code, by, **decided, **why)

    return move


def explain(by: Actor) -> Move:
    return lambda procedure, world: step_in(
        procedure, world, Door.CASE, "explain", by, judgement=str(world.latest.id), why="核实后情况未变"
    )


def publish(by: Actor) -> Move:
    def move(procedure: Procedure, world: World) -> World:
        item = PublicityItem(world.case.id, "王*明", None, "poor", 4)
        day = FIRST_DAY + timedelta(days=world.day)
        hung, _ = open_publicity(new_id(), "exit", VILLAGE, Term(DAYS, "依据"), [item], "村委会", by.sub, day)
        return step_in(procedure, replace(world, publicity=hung), Door.PUBLICITY, "publish", by)

    return move


def post(procedure: Procedure, world: World) -> World:
    if world.publicity is None or world.publicity.posted_at is not None or world.publicity.is_over:
        raise Problem()
    return replace(world, publicity=posted(world.publicity, new_id(), moment(world.day), "hash"))


def days_end(procedure: Procedure, world: World) -> World:
    """What the due-loop does: end the list, and let the case go on unless something holds it."""
    if world.publicity is None:
        raise Problem()
    ended, _ = end(world.publicity, FIRST_DAY + timedelta(days=world.day))
    return go_on(procedure, replace(world, publicity=ended))


def go_on(procedure: Procedure, world: World) -> World:
    try:
        return step_in(procedure, world, Door.PUBLICITY, "publicity_ended", SYSTEM_ACTOR)
    except Problem:
        return world


def withdraw_list(by: Actor) -> Move:
    def move(procedure: Procedure, world: World) -> World:
        if world.publicity is None:
            raise Problem()
        gone, _ = withdraw(world.publicity, "有误", FIRST_DAY + timedelta(days=world.day))
        world = replace(world, publicity=gone)
        try:
            return step_in(procedure, world, Door.PUBLICITY, "publicity_withdrawn", by, why="有误")
        except Problem:
            return world

    return move


def object_to(by: Actor) -> Move:
    def move(procedure: Procedure, world: World) -> World:
        if world.objections_open >= MOST_OBJECTIONS:
            raise Problem()
        taken = step_in(procedure, world, Door.OBJECTION, "objection_received", by, objection="1")
        return replace(taken, objections_open=world.objections_open + 1)

    return move


def close(finding: str, by: Actor) -> Move:
    def move(procedure: Procedure, world: World) -> World:
        if not world.objections_open:
            raise Problem()
        taken = step_in(procedure, world, Door.OBJECTION, f"objection_{finding}", by, objection="1")
        return go_on(procedure, replace(taken, objections_open=world.objections_open - 1))

    return move


def judged_again(verdict: str) -> Move:
    return lambda procedure, world: replace(world, latest=CitedJudgement(new_id(), 2, verdict))


def next_day(procedure: Procedure, world: World) -> World:
    return replace(world, day=world.day + 1)


def mark(procedure: Procedure, world: World) -> World:
    return step_in(procedure, world, Door.REGISTER, "mark", SYSTEM_ACTOR, household_version="3")


def register_refuses(procedure: Procedure, world: World) -> World:
    decision = world.case.decision
    answer = {"decision": str(decision.id) if decision else "none", "reason": "decision.nothing_to_exit"}
    return step_in(procedure, world, Door.REGISTER, "register_refused", SYSTEM_ACTOR, **answer)


# ---- the model: what the law says, in facts ----


@dataclass(frozen=True)
class Model:
    """The same world as plain facts. It knows no state and no step."""

    met: bool = False
    verified: bool = False
    agreed: bool = False
    listed_on: bool = False  # the case is on a list that was not withdrawn, and was not returned since
    list_posted: bool = False
    list_over: str = ""
    left: int = 0  # days until the list may end; 0 or less = may end
    days_passed: bool = False
    objections: int = 0
    judged: str = "met"
    people: frozenset[str] = frozenset({"clerk"})
    outcome: str = ""
    has_list: bool = False


def model_meeting(model: Model, by: Actor, present: int, votes_for: int) -> Model | None:
    if model.outcome or model.met or model.objections or not takes_part(by) or present < 20:
        return None
    people = model.people | {by.sub}
    return replace(model, met=votes_for * 2 > present, people=people)


def takes_part(by: Actor) -> bool:
    return bool(by.roles & {"clerk", "reviewer"})


def model_verify(model: Model, by: Actor) -> Model | None:
    if model.outcome or not model.met or model.verified or not takes_part(by):
        return None
    return replace(model, verified=True, people=model.people | {by.sub})


def model_consent(model: Model, by: Actor) -> Model | None:
    if model.outcome or not model.verified or model.agreed or not takes_part(by):
        return None
    return replace(model, agreed=True, people=model.people | {by.sub})


def back_to_review(model: Model, by: Actor) -> Model:
    cleared = replace(model, met=False, verified=False, agreed=False, listed_on=False, days_passed=False)
    return replace(cleared, people=model.people | {by.sub})


def model_refusal(model: Model, by: Actor) -> Model | None:
    if model.outcome or not model.verified or model.listed_on or not takes_part(by):
        return None
    return back_to_review(model, by)


def model_publish(model: Model, by: Actor) -> Model | None:
    if model.outcome or not model.agreed or model.listed_on or model.objections or not takes_part(by):
        return None
    fresh = replace(model, listed_on=True, has_list=True, list_posted=False, list_over="", left=0)
    return replace(fresh, people=model.people | {by.sub})


def model_post(model: Model) -> Model | None:
    if not model.has_list or model.list_over or model.list_posted:
        return None
    return replace(model, list_posted=True, left=DAYS + 1)


def model_days_end(model: Model) -> Model | None:
    if not model.has_list or model.list_over or not model.list_posted or model.left > 0:
        return None
    return pass_days(replace(model, list_over="ended"))


def pass_days(model: Model) -> Model:
    """The days count for a case once its list has ended and nothing holds it."""
    done = model.listed_on and model.list_over == "ended" and not model.objections
    return replace(model, days_passed=model.days_passed or done)


def model_withdraw(model: Model, by: Actor) -> Model | None:
    if not model.has_list or model.list_over:
        return None
    gone = replace(model, list_over="withdrawn")
    if model.outcome or not model.listed_on or not takes_part(by):
        return gone
    return replace(gone, listed_on=False, people=model.people | {by.sub})


def model_object(model: Model, by: Actor) -> Model | None:
    if model.outcome or not model.listed_on or model.objections >= MOST_OBJECTIONS or not takes_part(by):
        return None
    return replace(model, objections=model.objections + 1, people=model.people | {by.sub})


def model_close(model: Model, finding: str, by: Actor) -> Model | None:
    if model.outcome or not model.objections or not takes_part(by):
        return None
    closed = replace(model, objections=model.objections - 1, people=model.people | {by.sub})
    return back_to_review(closed, by) if finding == "upheld" else pass_days(closed)


def model_explain(model: Model, by: Actor) -> Model | None:
    if model.outcome or not model.judged.startswith("unmet") or not takes_part(by):
        return None
    return replace(model, judged="unmet, explained", people=model.people | {by.sub})


def model_approve(model: Model, by: Actor) -> Model | None:
    """The heart of it: no approval around meeting, verification, consent, days, objection, judgement, second person."""
    proper = model.met and model.verified and model.agreed and model.days_passed and not model.objections
    second = by.sub not in model.people and "approver" in by.roles and by is not VILLAGER
    if model.outcome or not proper or model.judged == "unmet" or not second:
        return None
    return replace(model, outcome="approved")


def model_refuse(model: Model, by: Actor) -> Model | None:
    hanging = model.listed_on and not model.days_passed
    second = by.sub not in model.people and "approver" in by.roles and by is not VILLAGER
    if model.outcome or hanging or model.objections or not second:
        return None
    return replace(model, outcome="refused")


def model_register_refuses(model: Model) -> Model | None:
    """The decision came to nothing; all before it holds, and the town decides again."""
    return replace(model, outcome="") if model.outcome == "approved" else None


def model_mark(model: Model) -> Model | None:
    return replace(model, outcome="marked") if model.outcome == "approved" else None


def model_day(model: Model) -> Model:
    return replace(model, left=max(model.left - 1, 0))


MOVES: dict[str, tuple[Move, Callable[[Model], Model | None]]] = {
    "post": (post, model_post),
    "days end": (days_end, model_days_end),
    "next day": (next_day, model_day),
    "mark": (mark, model_mark),
    "register refuses": (register_refuses, model_register_refuses),
    "judged met": (judged_again("met"), lambda model: replace(model, judged="met")),
    "judged unmet": (judged_again("unmet"), lambda model: replace(model, judged="unmet")),
    "villager approves": (decide("approve", VILLAGER), lambda model: model_approve(model, VILLAGER)),
    "clerk approves": (decide("approve", OTHER_CLERK), lambda model: model_approve(model, OTHER_CLERK)),
    "villager verifies": (verify(VILLAGER), lambda model: model_verify(model, VILLAGER)),
}


def moves_of(by: Actor) -> dict[str, tuple[Move, Callable[[Model], Model | None]]]:
    return {
        "meeting passes": (meeting(by, 20, 11), lambda model: model_meeting(model, by, 20, 11)),
        "meeting splits evenly": (meeting(by, 20, 10), lambda model: model_meeting(model, by, 20, 10)),
        "meeting one short of quorum": (meeting(by, 19, 19), lambda model: model_meeting(model, by, 19, 19)),
        "verify": (verify(by), lambda model: model_verify(model, by)),
        "consent": (consent(by), lambda model: model_consent(model, by)),
        "refusal": (refusal(by), lambda model: model_refusal(model, by)),
        "publish": (publish(by), lambda model: model_publish(model, by)),
        "withdraw": (withdraw_list(by), lambda model: model_withdraw(model, by)),
        "object": (object_to(by), lambda model: model_object(model, by)),
        "uphold": (close("upheld", by), lambda model: model_close(model, "upheld", by)),
        "reject": (close("rejected", by), lambda model: model_close(model, "rejected", by)),
        "explain": (explain(by), lambda model: model_explain(model, by)),
        "approve": (decide("approve", by), lambda model: model_approve(model, by)),
        "refuse": (decide("refuse", by), lambda model: model_refuse(model, by)),
    }


for person in PEOPLE:
    MOVES |= {f"{name} by {person.sub}": pair for name, pair in moves_of(person).items()}


# ---- the walk ----


@dataclass
class Walk:
    """What the walk found: how many worlds and tries, and the first disagreements with the path that led there."""

    worlds: int = 0
    tries: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)


def walk(procedure: Procedure, most_differences: int = 5) -> Walk:
    """Breadth first over pairs (machine, model) until nothing new is found or enough disagreements are."""
    found = Walk()
    frontier: deque[tuple[World, Model, tuple[str, ...]]] = deque([(first_world(procedure), Model(), ())])
    seen = {key_of(frontier[0][0], frontier[0][1])}
    while frontier and len(found.differences) < most_differences:
        world, model, path = frontier.popleft()
        found.worlds += 1
        for name, after_world, after_model in tried(procedure, world, model, found, path):
            key = key_of(after_world, after_model)
            if key not in seen:
                seen.add(key)
                frontier.append((after_world, after_model, (*path, name)))
        found.differences += audit(world.case, path)
        found.outcomes[world.case.state] = found.outcomes.get(world.case.state, 0) + 1
    return found


def tried(
    procedure: Procedure, world: World, model: Model, found: Walk, path: tuple[str, ...]
) -> Iterator[tuple[str, World, Model]]:
    for name, (move, rule) in MOVES.items():
        found.tries += 1
        expected = rule(model)
        try:
            happened = move(procedure, world)
        except Problem:
            happened = None
        if (happened is None) != (expected is None):
            found.differences.append(f"{' > '.join((*path, name))}: machine {happened is not None}")
        elif happened is not None and expected is not None:
            if (happened.case.state == "publicity_passed") != (expected.days_passed and not expected.outcome):
                found.differences.append(f"{' > '.join((*path, name))}: ready for the town: {happened.case.state}")
            if (happened.case.decision is not None) != bool(expected.outcome):
                found.differences.append(f"{' > '.join((*path, name))}: decision {happened.case.decision}")
            yield name, happened, expected


def key_of(world: World, model: Model) -> tuple[object, ...]:
    """Equal keys behave alike from here on: days are counted from the list's last, names of ids do not matter."""
    hung = world.publicity
    day = FIRST_DAY + timedelta(days=world.day)
    left = None if hung is None or hung.last_day is None else max((hung.last_day - day).days, -1)
    own = hung is not None and hung.id == world.case.publicity
    explained = str(world.latest.id) in world.case.explained
    machine = (world.case.state, hung and hung.state, left, own, world.objections_open, world.latest.verdict, explained)
    return (*machine, world.case.people_beside("approve", "refuse") & {"anna", "bert"}, model)


def audit(case: Case, path: tuple[str, ...]) -> Iterator[str]:
    """An auditor's reading of the trail alone: whoever was approved went the whole way, in order."""
    if case.decision is None or case.decision.outcome != "exit_approved":
        return
    needed = ["meeting", "verify", "consent", "publish", "publicity_ended", "approve"]
    order = [last_of(case, step) for step in needed]
    if any(taken is None for taken in order):
        yield f"{' > '.join(path)}: approved without {needed[order.index(None)]}"
        return
    line = [taken.sequence for taken in order if taken is not None]
    if line != sorted(line):
        yield f"{' > '.join(path)}: out of order {line}"
    days = {taken.step: taken.on for taken in order if taken is not None}
    if (days["publicity_ended"] - days["publish"]).days <= DAYS:
        yield f"{' > '.join(path)}: hung too short"
    if case.decision.by in {taken.by for taken in case.trail if taken.step not in ("approve", "mark")}:
        yield f"{' > '.join(path)}: decided by one who took part"


def last_of(case: Case, step: str) -> StepTaken | None:
    return next((taken for taken in reversed(case.trail) if taken.step == step), None)


def test_no_path_around_anything() -> None:
    found = walk(EXIT)
    assert found.differences == []
    assert set(found.outcomes) == {state.code for state in EXIT.states}, "the walk must have been everywhere"
    assert found.worlds > 1_000
    assert found.tries == found.worlds * len(MOVES)


def without(step_code: str, guard_code: str) -> Procedure:
    """The exit procedure with one guard taken out of one step."""
    steps = tuple(
        replace(step, guards=tuple(guard for guard in step.guards if guard.code != guard_code))
        if step.code == step_code
        else step
        for step in EXIT.steps
    )
    assert steps != EXIT.steps, "the guard must have been there"
    return replace(EXIT, steps=steps)


@pytest.mark.parametrize(
    ("step", "guard"),
    [
        ("meeting", "quorum"),
        ("meeting", "no_objection_open"),
        ("publish", "no_objection_open"),
        ("publicity_ended", "list_ended"),
        ("publicity_ended", "no_objection_open"),
        ("explain", "explains_the_newest"),
        ("approve", "second_person"),
        ("approve", "no_objection_open"),
        ("approve", "judgement_stands"),
        ("refuse", "second_person"),
        ("refuse", "no_objection_open"),
    ],
)
def test_the_walk_notices_a_missing_guard(step: str, guard: str) -> None:
    assert walk(without(step, guard), most_differences=1).differences


def altered(code: str, **changes: object) -> Procedure:
    steps = tuple(replace(step, **changes) if step.code == code else step for step in EXIT.steps)  # type: ignore[arg-type]
    return replace(EXIT, steps=steps)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("verify", {"froms": ("listed", "reviewed")}),
        ("consent", {"froms": ("reviewed", "verified")}),
        ("publish", {"froms": ("verified", "agreed")}),
        ("approve", {"froms": ("publicity_passed", "in_publicity")}),
        ("approve", {"roles": ("clerk", "approver")}),
        ("approve", {"level": EXIT.step("meeting", Door.CASE).level}),
        ("meeting", {"ways": (Way("reviewed"),)}),
        ("objection_upheld", {"ways": (Way(),)}),
        ("refusal", {"ways": (Way("agreed"),)}),
    ],
)
def test_the_walk_notices_a_short_cut(code: str, changes: dict[str, object]) -> None:
    assert walk(altered(code, **changes), most_differences=1).differences


def test_a_day_too_few_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The days belong to the publicity: a list that ends on its last day must be found out."""
    early = next(name for name in MOVES if name == "days end")

    def hasty(procedure: Procedure, world: World) -> World:
        if world.publicity is None or world.publicity.last_day is None or world.publicity.is_over:
            raise Problem()
        day = FIRST_DAY + timedelta(days=world.day)
        if day < world.publicity.last_day:
            raise Problem()
        over = replace(world.publicity, state=PublicityState.ENDED, ended_on=day)
        return go_on(procedure, replace(world, publicity=over))

    monkeypatch.setitem(MOVES, early, (hasty, MOVES[early][1]))
    assert walk(EXIT, most_differences=1).differences


# ---- the language itself ----


def step(code: str, froms: tuple[str, ...], *ways: Way) -> Step:
    return Step(code, code, code, froms=froms, ways=ways)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"start": "nowhere"}, "cannot be reached"),
        ({"steps": (*EXIT.steps, step("leap", ("listed",), Way("moon")))}, "unknown state moon"),
        ({"steps": (*EXIT.steps, step("undo", ("marked",), Way("listed")))}, "leaves final state marked"),
        ({"steps": (*EXIT.steps, step("meeting", ("listed",), Way("listed")))}, "step meeting declared twice"),
        ({"steps": (*EXIT.steps, step("void", ("listed",)))}, "no last way"),
        ({"states": (*EXIT.states, EXIT.states[0])}, "state listed declared twice"),
    ],
)
def test_a_wrong_declaration_does_not_import(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        replace(EXIT, **changes)  # type: ignore[arg-type]


def test_inner_steps_are_not_taken_by_the_case_door() -> None:
    for code in ("publish", "publicity_ended", "objection_upheld", "mark", "register_refused"):
        with pytest.raises(StepUnknown):
            EXIT.step(code, Door.CASE)


def test_ids_of_one_world_differ() -> None:
    world = first_world(EXIT)
    assert isinstance(world.case.id, UUID)
    assert world.case.id != world.case.household
