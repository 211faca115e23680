"""Cases over HTTP: open in bulk, take steps one by one or in bulk, read one with its whole trail."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query
from pydantic import Field, StrictInt
from starlette.responses import Response

from services.assessment.actions import cases as actions
from services.assessment.actions.explaining import JudgementMissing, explain_kept
from services.assessment.api.judgements import JudgementOut
from services.assessment.api.texts import Remark
from services.assessment.domain.cases import (
    Actor,
    Case,
    CaseAlreadyOpen,
    CaseMissing,
    Decision,
    HouseholdElsewhere,
    HouseholdNotJudged,
    Objection,
    StepTaken,
    VerdictNotMet,
)
from services.assessment.domain.machine import (
    EvidenceWrong,
    NumberMissing,
    StepNotYours,
    StepOutOfTurn,
    StepUnknown,
)
from services.assessment.domain.publicity import Publicity
from services.assessment.procedures import PROCEDURES
from services.assessment.procedures.exit import (
    ApproverTookPart,
    DayOutOfOrder,
    MeetingCountsWrong,
    MeetingWithoutQuorum,
    NewerJudgementFails,
    NothingToExplain,
    ObjectionStillOpen,
    PublicityUnfinished,
    SamePerson,
)
from services.assessment.reports import cases as reports
from services.assessment.store import cases as store
from services.assessment.store import objections, publicity
from shared.auth import log_access
from shared.db import Transaction
from shared.errors import Problem, ScopeRefused, Stale
from shared.parameters import Parameter
from shared.values import DivisionCode, mask_name
from shared.web import (
    Body,
    DivisionField,
    IfMatch,
    Now,
    Officer,
    Out,
    Page,
    PagingAsked,
    Purpose,
    Role,
    Router,
    Tx,
    set_etag,
)

router = Router("案件")
ROUTERS = (router,)
READERS = (Role.CLERK, Role.REVIEWER, Role.APPROVER, Role.AUDITOR)
VILLAGE = (Role.CLERK, Role.REVIEWER)
STEP_TAKERS = (Role.CLERK, Role.REVIEWER, Role.APPROVER)
MOST_AT_ONCE = 500
USUAL_PURPOSE = "案件办理"
STEP_PROBLEMS: tuple[type[Problem], ...] = (
    CaseMissing,
    StepUnknown,
    StepOutOfTurn,
    StepNotYours,
    EvidenceWrong,
    NumberMissing,
    MeetingCountsWrong,
    MeetingWithoutQuorum,
    DayOutOfOrder,
    SamePerson,
    ObjectionStillOpen,
    NewerJudgementFails,
    NothingToExplain,
    ApproverTookPart,
    PublicityUnfinished,
    HouseholdNotJudged,
    Stale,
)
OPEN_PROBLEMS: tuple[type[Problem], ...] = (VerdictNotMet, CaseAlreadyOpen, HouseholdNotJudged, HouseholdElsewhere)
Kind = Literal["exit"]
Evidence = dict[Annotated[str, Field(pattern="^[a-z_]{1,40}$")], str | StrictInt | None]


def actor_of(officer: Officer) -> Actor:
    """The officer, as procedures know people."""
    return Actor(officer.sub, officer.name, frozenset(role.value for role in officer.roles), officer.scope)


def _division(
    division: Annotated[str | None, Query(pattern=r"^[0-9]{2,12}$", description="只看此区划及以下")] = None,
) -> DivisionCode | None:
    return None if division is None else DivisionCode.parse(division)


Within = Annotated[DivisionCode | None, Depends(_division)]


class FaultOut(Out):
    """一处错误."""

    code: str
    detail: str
    detail_en: str
    pointer: str | None


class RefusalOut(Out):
    """被拒原因, with the same words as a problem answer."""

    code: str
    status: int
    detail: str
    detail_en: str
    hint: str
    errors: list[FaultOut]

    @classmethod
    def of(cls, problem: Problem) -> RefusalOut:
        """The problem of one of many."""
        return cls(
            code=problem.code,
            status=problem.status,
            detail=problem.detail_zh,
            detail_en=problem.detail_en,
            hint=problem.hint,
            errors=[
                FaultOut(code=error.code, detail=error.zh, detail_en=error.en, pointer=error.pointer)
                for error in problem.errors
            ],
        )


class DecisionOut(Out):
    """决定."""

    id: UUID
    outcome: str
    effective_on: date
    document_number: str
    by: str
    by_name: str
    at: datetime

    @classmethod
    def of(cls, decision: Decision | None) -> DecisionOut | None:
        """As it was made."""
        if decision is None:
            return None
        return cls(**{name: getattr(decision, name) for name in Decision.__dataclass_fields__})


class CaseOut(Out):
    """案件, as it stands."""

    id: UUID
    kind: Kind
    household: UUID
    village: DivisionField
    judgement: UUID = Field(description="立案所依据的研判（冻结）")
    judged_version: int = Field(description="研判所依据的户信息版本")
    state: str
    state_zh: str
    state_en: str
    round: int
    opened_on: date
    opened_by: str
    publicity: UUID | None
    decision: DecisionOut | None
    version: int

    @classmethod
    def of(cls, case: Case) -> CaseOut:
        """With its state in both languages."""
        state = PROCEDURES[case.kind].state(case.state)
        return cls(
            id=case.id,
            kind=case.kind,
            household=case.household,
            village=case.village,
            judgement=case.judged.id,
            judged_version=case.judged.household_version,
            state=case.state,
            state_zh=state.zh,
            state_en=state.en,
            round=case.round,
            opened_on=case.opened_on,
            opened_by=case.opened_by,
            publicity=case.publicity,
            decision=DecisionOut.of(case.decision),
            version=case.version,
        )


class ResultOut(Out):
    """办理结果 of one of many: the case, or why it was refused."""

    subject: UUID = Field(description="所请求的户或案件")
    case: CaseOut | None
    refusal: RefusalOut | None

    @classmethod
    def of(cls, outcome: actions.Outcome) -> ResultOut:
        """One line of the answer."""
        return cls(
            subject=outcome.subject,
            case=None if outcome.case is None else CaseOut.of(outcome.case),
            refusal=None if outcome.problem is None else RefusalOut.of(outcome.problem),
        )


class ResultsOut(Out):
    """批量办理结果, in the order asked."""

    done: int
    refused: int
    results: list[ResultOut]

    @classmethod
    def of(cls, outcomes: list[actions.Outcome]) -> ResultsOut:
        """With counts."""
        refused = sum(outcome.problem is not None for outcome in outcomes)
        return cls(
            done=len(outcomes) - refused, refused=refused, results=[ResultOut.of(outcome) for outcome in outcomes]
        )


class OpenCases(Body):
    """批量立案: households that people chose."""

    kind: Kind = "exit"
    village: DivisionField
    households: Annotated[list[UUID], Field(min_length=1, max_length=MOST_AT_ONCE)]


@router.post("/cases", roles=VILLAGE, problems=(*OPEN_PROBLEMS, ScopeRefused))
async def open_cases(body: OpenCases, tx: Tx, officer: Officer, now: Now) -> ResultsOut:
    """批量立案: each on the household's newest judgement, which must say met; a result per household."""
    by = actor_of(officer)
    return ResultsOut.of(await actions.open_cases(tx, by, body.kind, body.village, body.households, now))


class CandidateOut(Out):
    """可列入的户."""

    household: UUID
    number: str
    masked_head: str
    group: str | None
    headcount: int
    village: DivisionField
    judgement: UUID


@router.get("/cases/candidates", roles=READERS)
async def list_candidates(
    tx: Tx,
    officer: Officer,
    paging: PagingAsked,
    village: Annotated[str, Query(pattern=r"^[1-9][0-9]{11}$", description="村")],
    kind: Kind = "exit",
) -> Page[CandidateOut]:
    """可列入的户: newest judgement met, no open case. People choose; the list decides nothing."""
    procedure = PROCEDURES[kind]
    after = None if paging.after is None else UUID(paging.after[0])
    found = await reports.exit_candidates(
        tx,
        officer.scope,
        DivisionCode.parse(village),
        procedure.pack,
        procedure.open_states(),
        after,
        paging.limit + 1,
    )
    return paging.page(found, lambda one: [str(one.household)], CandidateOut.model_validate)


class TakeStep(Body):
    """办理一个环节. Which entries a step has: GET /procedures/{name}."""

    step: Annotated[str, Field(pattern="^[a-z_]{1,40}$")]
    evidence: Evidence = Field(default_factory=dict, description="记载项：日期为 YYYY-MM-DD，人数为整数")
    remark: Remark = ""


@router.post("/cases/{case_id}/steps", roles=STEP_TAKERS, problems=STEP_PROBLEMS)
async def take_step(
    case_id: UUID, body: TakeStep, tx: Tx, officer: Officer, now: Now, match: IfMatch, response: Response
) -> CaseOut:
    """办理一个环节: needs If-Match with the version that was seen."""
    by = actor_of(officer)
    case = await actions.take_step(tx, by, case_id, body.step, body.evidence, now, body.remark, match.check)
    set_etag(response, case.version)
    return CaseOut.of(case)


class OneOfMany(Body):
    """批量办理中的一件: what is recorded of this case alone, and the version that was seen."""

    case: UUID
    evidence: Evidence = Field(default_factory=dict)
    version: Annotated[int, Field(ge=1)] | None = None


class TakeSteps(Body):
    """批量办理: the same step of many cases."""

    step: Annotated[str, Field(pattern="^[a-z_]{1,40}$")]
    evidence: Evidence = Field(default_factory=dict, description="各案共同的记载项")
    cases: Annotated[list[OneOfMany], Field(min_length=1, max_length=MOST_AT_ONCE)]
    remark: Remark = ""


@router.post("/cases/steps", roles=STEP_TAKERS, problems=STEP_PROBLEMS)
async def take_steps(body: TakeSteps, tx: Tx, officer: Officer, now: Now) -> ResultsOut:
    """批量办理: a result per case; one that is refused changes nothing of the others."""
    asked = [
        actions.Asked(
            one.case, one.evidence, actions.any_version if one.version is None else actions.exactly(one.version)
        )
        for one in body.cases
    ]
    outcomes = await actions.take_steps(tx, actor_of(officer), body.step, asked, body.evidence, now, body.remark)
    return ResultsOut.of(outcomes)


class CaseLineOut(Out):
    """案件清单一行."""

    id: UUID
    kind: str
    household: UUID
    number: str | None
    masked_head: str | None
    group: str | None
    village: DivisionField
    state: str
    state_zh: str
    state_en: str
    round: int
    opened_on: date
    publicity: UUID | None
    outcome: str | None
    objections_open: int
    version: int

    @classmethod
    def of(cls, line: reports.CaseLine) -> CaseLineOut:
        """With its state in both languages."""
        state = PROCEDURES[line.kind].state(line.state)
        values = {name: getattr(line, name) for name in reports.CaseLine.__dataclass_fields__}
        return cls(**values, state_zh=state.zh, state_en=state.en)


@router.get("/cases", roles=READERS)
async def list_cases(
    tx: Tx,
    officer: Officer,
    paging: PagingAsked,
    division: Within,
    state: Annotated[list[str] | None, Query(description="只看这些状态", max_length=20)] = None,
    household: UUID | None = None,
    publicity: UUID | None = None,
) -> Page[CaseLineOut]:
    """案件清单: in the order in which they were opened."""
    filters = reports.Filters(division, tuple(state or ()), household, publicity)
    after = None if paging.after is None else UUID(paging.after[0])
    lines = await reports.cases_of_scope(tx, officer.scope, filters, after, paging.limit + 1)
    return paging.page(lines, lambda line: [str(line.id)], CaseLineOut.of)


class StateCount(Out):
    """一种状态的案件数."""

    state: str
    cases: int


@router.get("/cases/counts", roles=READERS)
async def count_cases(tx: Tx, officer: Officer, division: Within) -> list[StateCount]:
    """各状态案件数."""
    counts = await reports.cases_by_state(tx, officer.scope, division)
    return [StateCount(state=state, cases=count) for state, count in sorted(counts.items())]


class NumberOut(Out):
    """所用参数: the dated number with its legal basis, as it was used."""

    key: str
    value: str
    unit: str
    division: DivisionField | None
    valid_from: date
    valid_to: date | None
    basis_zh: str
    basis_en: str

    @classmethod
    def of(cls, number: Parameter) -> NumberOut:
        """As it was used."""
        return cls(**{name: getattr(number, name) for name in cls.model_fields})


class StepTakenOut(Out):
    """办理环节: who, when, on what evidence, under which numbers."""

    sequence: int
    round: int
    step: str
    step_zh: str
    step_en: str
    before: str
    after: str
    by: str
    by_name: str
    at: datetime
    on: date
    evidence: dict[str, str | int]
    numbers: list[NumberOut]
    remark: str

    @classmethod
    def of(cls, case: Case, taken: StepTaken) -> StepTakenOut:
        """One line of the trail."""
        words = {step.code: (step.zh, step.en) for step in PROCEDURES[case.kind].steps} | {"open": ("立案", "opened")}
        evidence = {
            name: value.isoformat() if isinstance(value, date) else value for name, value in taken.evidence.items()
        }
        zh, en = words[taken.step]
        return cls(
            sequence=taken.sequence,
            round=taken.round,
            step=taken.step,
            step_zh=zh,
            step_en=en,
            before=taken.before,
            after=taken.after,
            by=taken.by,
            by_name=taken.by_name,
            at=taken.at,
            on=taken.on,
            evidence=evidence,
            numbers=[NumberOut.of(number) for number in taken.numbers],
            remark=taken.remark,
        )


class NoticeOut(Out):
    """公示情况 of this case: when its list hung, by which evidence, and this household's line on it."""

    publicity: UUID
    state: str
    days: int
    days_basis: str
    opened_on: date
    objections_to: str
    notice: UUID | None
    posted_at: datetime | None
    first_day: date | None
    last_day: date | None
    content_hash: str | None
    taken_down_at: datetime | None
    ended_on: date | None
    withdrawn_why: str | None
    masked_head: str
    group: str | None
    category: str
    headcount: int

    @classmethod
    def of(cls, case_id: UUID, hung: Publicity) -> NoticeOut:
        """The list's dates, and one line of it."""
        [line] = [item for item in hung.items if item.case == case_id]
        own = {name: getattr(hung, name) for name in cls.model_fields if hasattr(hung, name)}
        shown = {name: getattr(line, name) for name in ("masked_head", "group", "category", "headcount")}
        return cls(**own | {"publicity": hung.id, "state": hung.state.value} | shown)


class ObjectionOut(Out):
    """异议. Who objected is shown whole for a stated purpose alone."""

    id: UUID
    case: UUID
    publicity: UUID
    by: str
    text: str
    received_on: date
    recorded_by: str
    recorded_at: datetime
    finding: str | None
    finding_text: str | None
    closed_by: str | None
    closed_at: datetime | None

    @classmethod
    def of(cls, objection: Objection, *, shows_name: bool = False) -> ObjectionOut:
        """Masked, unless a purpose was stated."""
        values = {name: getattr(objection, name) for name in cls.model_fields}
        return cls(**values | ({} if shows_name else {"by": mask_name(objection.by)}))


class CaseDetail(CaseOut):
    """案件全貌: what an auditor asks: on which judgement, which meeting, which notice, which objections, who, when."""

    judged: JudgementOut | None = Field(description="立案所依据的研判及其理由、参数和依据；户已迁出管辖范围则为空")
    steps_possible: list[str]
    trail: list[StepTakenOut]
    notices: list[NoticeOut]
    objections: list[ObjectionOut]


@router.get("/cases/{case_id}", roles=READERS, problems=(CaseMissing,))
async def read_case(case_id: UUID, tx: Tx, officer: Officer, response: Response, purpose: Purpose = None) -> CaseDetail:
    """案件全貌: who looked is written down; with a stated purpose, who objected is shown by name."""
    case = await store.load_case(tx, case_id)
    if case is None:
        raise CaseMissing(case=case_id)
    raised = await objections.objections_of(tx, case_id)
    seen = [case_id, case.household, *(one.id for one in raised)]
    await log_access(tx, officer, purpose=purpose or USUAL_PURPOSE, noun="case", ids=seen)
    set_etag(response, case.version)
    return await _detail(tx, case, raised, shows_names=purpose is not None)


async def _detail(tx: Transaction, case: Case, raised: list[Objection], *, shows_names: bool) -> CaseDetail:
    hung = await publicity.publicities_of_case(tx, case.id)
    return CaseDetail(
        **CaseOut.of(case).model_dump(),
        judged=await _judged(tx, case),
        steps_possible=[step.code for step in PROCEDURES[case.kind].steps if case.state in step.froms],
        trail=[StepTakenOut.of(case, taken) for taken in case.trail],
        notices=[NoticeOut.of(case.id, one) for one in hung],
        objections=[ObjectionOut.of(one, shows_name=shows_names) for one in raised],
    )


async def _judged(tx: Transaction, case: Case) -> JudgementOut | None:
    """The frozen judgement, as it reads today and in ten years."""
    try:
        return JudgementOut.of(await explain_kept(tx, case.judged.id))
    except JudgementMissing:
        return None
