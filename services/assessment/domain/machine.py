"""程序: the language in which a procedure is declared, and the one engine that walks it.

A procedure is data: states, and steps with who may take them, what they record, which dated numbers they use, which
guards they pass and where they lead. `take` is the only way from one state to another; it asks the declaration and has
no `if` about any state or step of its own (recipe: docs/recipes/a-procedure.md).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from services.assessment.domain.cases import (
    Actor,
    Case,
    CitedJudgement,
    Decision,
    Evidence,
    Outcome,
    Standing,
    StepTaken,
    VerdictNotMet,
    advanced,
    decided,
    opened,
    returned,
)
from shared.clock import today
from shared.errors import Conflict, FieldError, Invalid, Refused
from shared.events import Fact
from shared.events.assessment import CaseKind
from shared.parameters import Parameter
from shared.values import DivisionCode, Level

LARGEST_COUNT = 100_000
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})  # control, format, surrogate, private, unassigned


class StepUnknown(Invalid):
    """无此环节: the procedure has no such step, or it is not taken by this door."""

    code = "step.unknown"
    zh = "程序“{procedure}”没有可在此办理的环节“{step}”"
    en = "Procedure '{procedure}' has no step '{step}' that is taken here"
    hint_zh = "请从程序说明中选择环节"
    hint_en = "Choose a step from the procedure's description"


class StepOutOfTurn(Conflict):
    """环节顺序不符: the case does not stand where this step begins."""

    code = "step.out_of_turn"
    zh = "案件处于“{state}”，不能办理“{step}”"
    en = "The case is '{state_en}'; '{step_en}' does not begin there"
    hint_zh = "请按程序顺序办理"
    hint_en = "Follow the order of the procedure"


class StepNotYours(Refused):
    """无权办理: this step belongs to another role, or to a higher office."""

    code = "step.not_yours"
    zh = "“{step}”应由{who}办理"
    en = "'{step_en}' is for: {who_en}"
    hint_zh = "请交由有权人员办理"
    hint_en = "Hand it to somebody who may take it"


class NumberMissing(Conflict):
    """参数缺失: a step needs a dated number that nobody has entered for this place and day."""

    code = "step.number_missing"
    zh = "办理“{step}”所需的参数 {key} 没有有效取值"
    en = "'{step_en}' needs parameter {key}, and none is in force"
    hint_zh = "请先录入带依据的参数"
    hint_en = "Enter the parameter with its legal basis first"


class EvidenceWrong(Invalid):
    """记载有误: what a step must record is missing, unknown or impossible; `errors` says which."""

    code = "step.evidence"
    zh = "“{step}”的记载有误"
    en = "The record of '{step_en}' is not valid"
    hint_zh = "请按 errors 中的提示补正"
    hint_en = "Correct what errors lists"


@dataclass(frozen=True, slots=True)
class State:
    """状态 of a case."""

    code: str
    zh: str
    en: str
    is_final: bool = False


class EntryKind(StrEnum):
    """记载项类型."""

    DATE = "date"
    COUNT = "count"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Entry:
    """记载项: one thing that a step records."""

    name: str
    kind: EntryKind
    zh: str
    en: str
    is_required: bool = True
    longest: int = 200


@dataclass(frozen=True, slots=True)
class Attempt:
    """尝试办理: what a guard sees. It says nothing and changes nothing."""

    case: Case
    evidence: Evidence
    by: Actor
    on: date
    standing: Standing

    def day(self, name: str) -> date:
        """A date of the evidence."""
        value = self.evidence[name]
        assert isinstance(value, date), "read_evidence makes dates of dates"
        return value

    def count(self, name: str) -> int:
        """A count of the evidence."""
        value = self.evidence[name]
        assert isinstance(value, int), "read_evidence makes whole numbers of counts"
        return value

    def text(self, name: str) -> str:
        """A text of the evidence."""
        return str(self.evidence[name])


@dataclass(frozen=True, slots=True)
class Guard:
    """前提: a named condition. Its check raises a refusal by name, or returns."""

    code: str
    zh: str
    en: str
    check: Callable[[Attempt], None]


@dataclass(frozen=True, slots=True)
class Way:
    """去向: where a step leads when its condition holds (the first that does); a return or a decision, or neither.

    Without `to` the case stays where it is. `joins_publicity`: from here on it hangs with the list that it was put on.
    `undecides`: its decision came to nothing and is to be taken anew; what was done before it still holds.
    """

    to: str | None = None
    when: Callable[[Attempt], bool] | None = None
    joins_publicity: bool = False
    returned: str | None = None
    decides: Outcome | None = None
    undecides: bool = False


class Door(StrEnum):
    """办理入口: which verb takes a step. Only `case` steps can be asked for one by one or in bulk."""

    CASE = "case"
    PUBLICITY = "publicity"
    OBJECTION = "objection"
    REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Step:
    """环节: who may take it, where it begins, what it records, what must hold, where it leads.

    Without roles it is the system's alone.
    """

    code: str
    zh: str
    en: str
    froms: tuple[str, ...]
    ways: tuple[Way, ...]
    roles: tuple[str, ...] = ()
    level: Level = Level.VILLAGE
    door: Door = Door.CASE
    entries: tuple[Entry, ...] = ()
    numbers: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()


@dataclass(frozen=True, slots=True)
class Procedure:
    """程序: the declaration. It checks itself when it is made: a wrong one does not import."""

    name: CaseKind
    zh: str
    en: str
    basis: str
    pack: str
    subject_status: str
    publicity_days: str
    start: str
    states: tuple[State, ...]
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        problems = list(_faults(self))
        if problems:
            raise ValueError(f"procedure {self.name}: " + "; ".join(problems))

    def state(self, code: str) -> State:
        """A state by its code."""
        return next(state for state in self.states if state.code == code)

    def step(self, code: str, door: Door) -> Step:
        """A step by its code, if it is taken by this door."""
        for step in self.steps:
            if step.code == code and step.door is door:
                return step
        raise StepUnknown(procedure=self.name, step=code)

    @property
    def numbers(self) -> frozenset[str]:
        """Keys of the dated numbers that it rests on: each is a safeguard, which a place may only tighten."""
        return frozenset({self.publicity_days, *(key for step in self.steps for key in step.numbers)})

    def open_states(self) -> tuple[str, ...]:
        """States in which a case is still in somebody's hands."""
        return tuple(state.code for state in self.states if not state.is_final)


def _faults(procedure: Procedure) -> Iterator[str]:
    codes = [state.code for state in procedure.states]
    steps = [step.code for step in procedure.steps]
    for names, what in ((codes, "state"), (steps, "step")):
        yield from (f"{what} {name} declared twice" for name in set(names) if names.count(name) > 1)
    finals = {state.code for state in procedure.states if state.is_final}
    for step in procedure.steps:
        places = {*step.froms, *(way.to for way in step.ways if way.to)}
        yield from (f"step {step.code} names unknown state {place}" for place in places - set(codes))
        yield from (f"step {step.code} leaves final state {place}" for place in set(step.froms) & finals)
        if not step.ways or step.ways[-1].when is not None:
            yield f"step {step.code} has no last way without condition"
    reached = _reachable(procedure)
    yield from (f"state {code} cannot be reached" for code in codes if code not in reached)


def _reachable(procedure: Procedure) -> set[str]:
    reached = {procedure.start}
    for _ in procedure.states:
        reached |= {way.to for step in procedure.steps if reached & set(step.froms) for way in step.ways if way.to}
    return reached


def start(
    procedure: Procedure,
    case_id: UUID,
    household: UUID,
    village: DivisionCode,
    judged: CitedJudgement,
    by: Actor,
    at: datetime,
) -> tuple[Case, list[Fact]]:
    """立案: only on a judgement that says met; that judgement is frozen with the case."""
    if judged.verdict != "met":
        raise VerdictNotMet(verdict=judged.verdict)
    on = today(at)
    entry = StepTaken(1, 1, "open", procedure.start, procedure.start, by.sub, by.name, at, on, {})
    case = Case(
        id=case_id,
        kind=procedure.name,
        household=household,
        village=village,
        judged=judged,
        state=procedure.start,
        opened_on=on,
        opened_by=by.sub,
        round=1,
        round_since=on,
        version=1,
        trail=(entry,),
    )
    return case, [opened(case)]


def take(
    procedure: Procedure,
    step: Step,
    case: Case,
    evidence: Evidence,
    by: Actor,
    at: datetime,
    standing: Standing,
    decision_id: UUID | None = None,
    remark: str = "",
) -> tuple[Case, list[Fact]]:
    """办理一个环节: turn, right, guards, then the first way that holds. The only road from state to state."""
    _in_turn(procedure, step, case)
    _allowed(step, case, by)
    used = tuple(_number(step, key, standing) for key in step.numbers)
    attempt = Attempt(case, evidence, by, today(at), standing)
    for guard in step.guards:
        guard.check(attempt)
    way = next(way for way in step.ways if way.when is None or way.when(attempt))
    moved = _moved(case, step, way, attempt, at, used, remark)
    if way.decides is not None:
        assert decision_id is not None, "the verb that decides brings the decision's id"
        moved = replace(moved, decision=_decision(decision_id, way.decides, attempt, at))
    return moved, list(_said(case, moved, step, way, attempt.on))


def _in_turn(procedure: Procedure, step: Step, case: Case) -> None:
    if case.state not in step.froms:
        state = procedure.state(case.state)
        raise StepOutOfTurn(state=state.zh, state_en=state.en, step=step.zh, step_en=step.en)


def _number(step: Step, key: str, standing: Standing) -> Parameter:
    if key not in standing.numbers:
        raise NumberMissing(step=step.zh, step_en=step.en, key=key)
    return standing.numbers[key]


def _allowed(step: Step, case: Case, by: Actor) -> None:
    """The role, and an office that covers the whole division of the step's level (a village clerk is no township)."""
    roles = step.roles or ("system",)
    if by.roles.isdisjoint(roles) or not by.scope.contains(case.village.at(step.level)):
        who = "、".join(ROLES_ZH[role] for role in roles)
        raise StepNotYours(
            step=step.zh,
            step_en=step.en,
            who=f"{LEVELS_ZH[step.level]}{who}",
            who_en=f"{', '.join(roles)} of the {step.level}",
        )


ROLES_ZH = {"clerk": "经办人", "reviewer": "审核人", "approver": "审批人", "system": "系统"}
LEVELS_ZH = {Level.VILLAGE: "村级", Level.TOWNSHIP: "乡镇", Level.COUNTY: "县级"}


def _moved(
    case: Case, step: Step, way: Way, attempt: Attempt, at: datetime, used: tuple[Parameter, ...], remark: str
) -> Case:
    """The case with one more line in its trail; a return begins a new round, unless only the decision fell away."""
    by, on = attempt.by, attempt.on
    taken = StepTaken(
        sequence=len(case.trail) + 1,
        round=case.round,
        step=step.code,
        before=case.state,
        after=way.to or case.state,
        by=by.sub,
        by_name=by.name,
        at=at,
        on=on,
        evidence=dict(attempt.evidence),
        numbers=used,
        remark=remark,
    )
    moved = replace(case, state=taken.after, version=case.version + 1, trail=(*case.trail, taken))
    if way.undecides:
        return replace(moved, decision=None)
    if way.returned is not None:
        return replace(moved, round=case.round + 1, round_since=on, publicity=None)
    hung = attempt.standing.publicity
    return replace(moved, publicity=hung.id) if way.joins_publicity and hung is not None else moved


def _decision(decision_id: UUID, outcome: Outcome, attempt: Attempt, at: datetime) -> Decision:
    return Decision(
        id=decision_id,
        outcome=outcome,
        effective_on=attempt.day("effective_on"),
        document_number=attempt.text("document_number"),
        by=attempt.by.sub,
        by_name=attempt.by.name,
        at=at,
    )


def _said(before: Case, after: Case, step: Step, way: Way, on: date) -> Iterator[Fact]:
    """One fact a step at most: decided, returned, or gone on. What only adds to the trail is nobody else's news."""
    if way.decides is not None:
        yield decided(after)
    elif way.returned is not None:
        yield returned(after, way.returned, on)
    elif after.state != before.state:
        yield advanced(after, step.code, on)


def read_evidence(step: Step, given: Mapping[str, object]) -> dict[str, str | int | date]:
    """Read what the officer sent against what the step declares: every fault at once, each with its pointer."""
    read: dict[str, str | int | date] = {}
    errors = [
        FieldError("unknown", f"没有记载项“{name}”", f"there is no entry '{name}'", pointer=f"/evidence/{name}")
        for name in given
        if name not in {entry.name for entry in step.entries}
    ]
    for entry in step.entries:
        value = given.get(entry.name)
        if value is None and not entry.is_required:
            continue
        try:
            read[entry.name] = _READERS[entry.kind](entry, value)
        except ValueError:
            errors.append(_entry_error(entry))
    if errors:
        raise EvidenceWrong(step=step.zh, step_en=step.en, errors=errors)
    return read


def _entry_error(entry: Entry) -> FieldError:
    zh, en = _DEMANDS[entry.kind]
    return FieldError(
        "value",
        f"{entry.zh}：{zh.format(longest=entry.longest)}",
        f"{entry.en}: {en.format(longest=entry.longest)}",
        pointer=f"/evidence/{entry.name}",
    )


_DEMANDS = {
    EntryKind.DATE: ("必填，应为日期（如 2019-08-20）", "required, a date such as 2019-08-20"),
    EntryKind.COUNT: ("必填，应为0至100000的整数", "required, a whole number from 0 to 100000"),
    EntryKind.TEXT: (
        "必填，不超过{longest}字，不含控制字符",
        "required, at most {longest} characters, no control characters",
    ),
}


def _read_date(entry: Entry, value: object) -> date:
    if not isinstance(value, str) or len(value) != 10:
        raise ValueError(entry.name)
    return date.fromisoformat(value)


def _read_count(entry: Entry, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_COUNT:
        raise ValueError(entry.name)
    return value


def _read_text(entry: Entry, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(entry.name)
    return clean_text(value, entry.longest)


def clean_text(value: str, longest: int) -> str:
    """A text as it is kept: NFC, outer blanks gone, not empty, no control or direction characters; else ValueError."""
    text = unicodedata.normalize("NFC", value).strip()
    hidden = any(unicodedata.category(char) in HIDDEN and char != "\n" for char in text)
    if not text or len(text) > longest or hidden:
        raise ValueError(value)
    return text


_READERS: Mapping[EntryKind, Callable[[Entry, object], str | int | date]] = {
    EntryKind.DATE: _read_date,
    EntryKind.COUNT: _read_count,
    EntryKind.TEXT: _read_text,
}
