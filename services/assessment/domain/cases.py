"""案件: one household's way through a procedure, with the judgement it was opened on and every step ever taken.

A case never forgets: returning it starts a new round, the old rounds stay in the trail. Separation of duties is read
from the trail (domain facts §3: `transition(actor, at, evidence, remark)`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.assessment.domain.publicity import Publicity
from shared.errors import Conflict, Invalid, Missing
from shared.events.assessment import CaseAdvanced, CaseDecided, CaseKind, CaseOpened, CaseReturned
from shared.parameters import Parameter
from shared.values import DivisionCode, Scope

Evidence = Mapping[str, str | int | date]
Outcome = Literal["exit_approved", "exit_refused"]
SYSTEM = "system"


class VerdictNotMet(Conflict):
    """判定未达标: only a household whose latest judgement says "met" may be listed."""

    code = "case.verdict_not_met"
    zh = "该户最近一次研判结论为“{verdict}”，未达到退出标准"
    en = "The latest judgement of this household says '{verdict}', not met"
    hint_zh = "请核对研判理由；情况改变并重新研判后再列入"
    hint_en = "Read the reasons of the judgement; list it when a new one says met"


class CaseAlreadyOpen(Conflict):
    """已有在办案件: one household, one open case of a kind."""

    code = "case.already_open"
    zh = "该户已有在办的同类案件 {case}"
    en = "This household already has an open case of this kind: {case}"
    hint_zh = "请在原案件上继续办理"
    hint_en = "Go on with that case"


class CaseMissing(Missing):
    """无此案件."""

    code = "case.missing"
    zh = "没有案件 {case}"
    en = "There is no case {case}"


class HouseholdNotJudged(Conflict):
    """尚无研判: nothing is known of this household here."""

    code = "case.not_judged"
    zh = "该户 {household} 没有研判，或不在您的管辖范围内"
    en = "Household {household} has not been judged, or lies outside your scope"
    hint_zh = "请核对户标识；新登记的户须等待研判"
    hint_en = "Check the id; a household just recorded is judged within moments"


class HouseholdElsewhere(Conflict):
    """户不在本村: the household belongs to another village, or is no longer of the kind that the procedure is for."""

    code = "case.household_elsewhere"
    zh = "该户现属 {village}（{statuses}），不符合本程序的对象"
    en = "The household now belongs to {village} ({statuses}) and is not one that this procedure is for"
    hint_zh = "请核对该户所在村和现有身份"
    hint_en = "Check the village and the present status of the household"


class ObjectionMissing(Missing):
    """无此异议."""

    code = "objection.missing"
    zh = "没有异议 {objection}"
    en = "There is no objection {objection}"


class ObjectionMisdated(Invalid):
    """异议日期有误: before its list was opened, or in the future."""

    code = "objection.day"
    zh = "收到日期 {day} 应在 {first} 至 {last} 之间"
    en = "It must have come in between {first} and {last}, not on {day}"
    hint_zh = "请按实际收到日期填写"
    hint_en = "Enter the day on which it really came in"


class ObjectionClosed(Conflict):
    """异议已办结: a finding is given once."""

    code = "objection.closed"
    zh = "该异议已办结"
    en = "This objection is already closed"
    hint_zh = "如有新情况，请另行登记异议"
    hint_en = "Record a new objection if there is something new"


@dataclass(frozen=True, slots=True)
class Actor:
    """经办人: who takes a step, with which roles and over which divisions."""

    sub: str
    name: str
    roles: frozenset[str]
    scope: Scope


SYSTEM_ACTOR = Actor(SYSTEM, "系统", frozenset({SYSTEM}), Scope.everything())


@dataclass(frozen=True, slots=True)
class StepTaken:
    """办理环节: one step that was taken: who, when, on what evidence, under which numbers, from where to where."""

    sequence: int
    round: int
    step: str
    before: str
    after: str
    by: str
    by_name: str
    at: datetime
    on: date
    evidence: Evidence
    numbers: tuple[Parameter, ...] = ()
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """决定: what the town decided, from when, by which document."""

    id: UUID
    outcome: Outcome
    effective_on: date
    document_number: str
    by: str
    by_name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CitedJudgement:
    """研判引用: the judgement that a case was opened on, or the newest one; its id is enough to explain it later."""

    id: UUID
    household_version: int
    verdict: str


@dataclass(frozen=True, slots=True)
class Case:
    """案件: a household in a procedure. `judged` is frozen at opening; `round_since` is the day this round began."""

    id: UUID
    kind: CaseKind
    household: UUID
    village: DivisionCode
    judged: CitedJudgement
    state: str
    opened_on: date
    opened_by: str
    round: int
    round_since: date
    version: int
    trail: tuple[StepTaken, ...]
    publicity: UUID | None = None
    decision: Decision | None = None

    def people_beside(self, *steps: str) -> frozenset[str]:
        """Everybody who recorded a step of this case other than these, in any round."""
        return frozenset(taken.by for taken in self.trail if taken.by != SYSTEM and taken.step not in steps)

    @property
    def explained(self) -> frozenset[str]:
        """Ids of newer judgements for which a person recorded why the case goes on."""
        return frozenset(str(taken.evidence["judgement"]) for taken in self.trail if taken.step == "explain")

    def last(self, step: str) -> StepTaken | None:
        """The last time `step` was taken in this round."""
        taken = [one for one in self.trail if one.step == step and one.round == self.round]
        return taken[-1] if taken else None


Finding = Literal["upheld", "rejected"]


@dataclass(frozen=True, slots=True)
class Objection:
    """异议: somebody of the village objects to one row of a list. While it is open it holds that case, and no other."""

    id: UUID
    case: UUID
    publicity: UUID
    village: DivisionCode
    by: str
    text: str
    received_on: date
    recorded_by: str
    recorded_at: datetime
    finding: Finding | None = None
    finding_text: str | None = None
    closed_by: str | None = None
    closed_at: datetime | None = None


def receive_objection(objection: Objection, hung: Publicity, on: date) -> Objection:
    """受理: it cannot be older than its list, nor come from the future."""
    if not hung.opened_on <= objection.received_on <= on:
        raise ObjectionMisdated(day=objection.received_on, first=hung.opened_on, last=on)
    return objection


def close_objection(objection: Objection, finding: Finding, text: str, by: Actor, at: datetime) -> Objection:
    """办结: with a finding and its reasons, once."""
    if objection.closed_at is not None:
        raise ObjectionClosed()
    return replace(objection, finding=finding, finding_text=text, closed_by=by.sub, closed_at=at)


@dataclass(frozen=True, slots=True)
class ShownHousehold:
    """公示所需户信息: what a list may show of a household, as registry last told it."""

    id: UUID
    number: str
    village: DivisionCode
    group: str | None
    masked_head: str
    headcount: int
    statuses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """办理依据: all that a guard may look at besides the case: loaded under lock, handed over, never fetched.

    `latest` is None where the household's newest judgement cannot be seen (it moved out of the caller's divisions);
    `strange` is the household as it now is, if that is no longer one of the case's village and status.
    """

    latest: CitedJudgement | None
    publicity: Publicity | None = None
    objections_open: int = 0
    numbers: Mapping[str, Parameter] = field(default_factory=dict)
    strange: ShownHousehold | None = None


def opened(case: Case) -> CaseOpened:
    """立案 as it is said."""
    return CaseOpened(
        case=case.id,
        kind=case.kind,
        household=case.household,
        division=case.village.text,
        judgement=case.judged.id,
        opened_on=case.opened_on,
    )


def advanced(case: Case, step: str, on: date) -> CaseAdvanced:
    """推进 as it is said."""
    return CaseAdvanced(
        case=case.id,
        kind=case.kind,
        household=case.household,
        division=case.village.text,
        step=step,
        state=case.state,
        on=on,
    )


def returned(case: Case, reason: str, on: date) -> CaseReturned:
    """退回 as it is said: the reason by its code."""
    return CaseReturned(
        case=case.id,
        kind=case.kind,
        household=case.household,
        division=case.village.text,
        reason=reason,
        state=case.state,
        on=on,
    )


def decided(case: Case) -> CaseDecided:
    """决定 as it is said, and said again under the same id when republished."""
    assert case.decision is not None, "only a decided case has a decision"
    return CaseDecided(
        decision=case.decision.id,
        case=case.id,
        kind=case.kind,
        household=case.household,
        division=case.village.text,
        version_judged=case.judged.household_version,
        outcome=case.decision.outcome,
        effective_on=case.decision.effective_on,
        document_number=case.decision.document_number,
    )
