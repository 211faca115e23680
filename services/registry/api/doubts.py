"""疑点 over HTTP: the list, one with its history, giving out, written findings, the second person's word, counts, and
the work list as a workbook. Nothing here changes what the register holds. A doubt tells of a household: who reads it is
written down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Response
from pydantic import Field, StringConstraints

from services.registry.actions import doubts as actions
from services.registry.actions.doubts import Asked, Outcome
from services.registry.actions.inspecting import SUBMITTERS, submit_inspection
from services.registry.api.answers import A_WORKBOOK, workbook
from services.registry.api.households import IN_CLEAR, READERS, DivisionAsked
from services.registry.domain.doubts import Answer, Doubt, DoubtFinding, DoubtState, Taken
from services.registry.domain.fields import BY_NAME, Privacy
from services.registry.domain.refusals import (
    DoubtAssignedElsewhere,
    DoubtClosed,
    DoubtMissing,
    DoubtSamePerson,
    DoubtWithoutFinding,
    ExceptionUndated,
)
from services.registry.reports import doubts as reports
from services.registry.reports.doubts import By, DoubtListed, DoubtsAsked, WorkLine
from shared.auth import Officer as Caller
from shared.auth import log_access
from shared.clock import today
from shared.errors import Invalid, Problem
from shared.values import DivisionCode
from shared.web import (
    Body,
    DivisionField,
    IfMatch,
    JobOut,
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

router = Router("统计与疑点")
FINDERS = (Role.CLERK, Role.REVIEWER, Role.APPROVER)
"""Who goes and looks: the village's clerk, and who may answer for others."""
SECOND = (Role.REVIEWER, Role.APPROVER)
"""Who gives doubts out and confirms findings: the township's and the county's officers."""
USUAL_PURPOSE = "疑点核查"
MOST_AT_ONCE = 500
MOST_LINES = 50_000
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Written = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=500)]


class WorkListTooLong(Invalid):
    """清单过长."""

    code = "doubt.list_too_long"
    zh = "符合条件的疑点超过{most}条，不能一次导出"
    en = "More than {most} doubts match, too many for one work list"
    hint_zh = "请按村、规则或核查人分别导出"
    hint_en = "Export by village, check or assignee"


class DoubtOut(Out):
    """疑点: to be checked on the spot; never a verdict."""

    id: UUID
    household: UUID
    person: UUID | None = Field(description="所涉成员；关于整户的为空")
    check_id: str
    severity: str
    field: str
    detail: str
    detail_en: str
    opened_at: datetime
    intake: UUID | None
    row: int | None
    division: DivisionField
    state: DoubtState
    version: int
    assignee: str | None
    finding: str | None = Field(description="kept 属实、corrected 已更正、exception 例外；自行关闭的另有说明")
    until: date | None = Field(description="例外有效期止")
    found_by: str | None
    closed_at: datetime | None
    closed_by: str | None

    @classmethod
    def of(cls, one: DoubtListed, *, in_clear: bool) -> DoubtOut:
        """A line of the list. Who may not see a household in clear reads what is asked, not what was found."""
        zh, en = (one.detail_zh, one.detail_en) if in_clear else _without_findings(one)
        other = {"intake": "batch", "row": "batch_row"}
        told = ("detail", "detail_en")
        plain = {name: getattr(one, other.get(name, name)) for name in DoubtOut.model_fields if name not in told}
        shown: dict[str, Any] = plain | {"division": DivisionCode(one.division), "state": DoubtState(one.state)}
        return cls(**shown, detail=zh, detail_en=en)


def _without_findings(one: DoubtListed) -> tuple[str, str]:
    """A finding about income or cover tells of both; its check's question does not."""
    # The frames' library comes with the checks: an api process loads it when it is first needed.
    from services.registry.checks import QUESTIONS

    field, check = BY_NAME.get(one.field), QUESTIONS.get(one.check_id)
    if check is None or (field is not None and field.privacy in (Privacy.PLAIN, Privacy.PERSONAL)):
        return one.detail_zh, one.detail_en
    return check.zh, check.en


def _sees(officer: Caller) -> bool:
    return bool(officer.roles & frozenset(IN_CLEAR))


async def _log(
    tx: Tx, officer: Caller, purpose: str, seen: Iterable[DoubtListed | WorkLine], action: str = "read"
) -> None:
    ids = dict.fromkeys(str(one) for row in seen for one in (row.household, row.person) if one is not None)
    await log_access(tx, officer, purpose=purpose, noun="doubt", ids=list(ids), action=action)


class StepOut(Out):
    """疑点经过: who did what and when; the reason is what was written then."""

    what: str
    at: datetime
    by: str
    assignee: str | None
    finding: str | None
    reason: str | None
    until: date | None


class DoubtWithHistoryOut(DoubtOut):
    """疑点及其经过."""

    history: list[StepOut]


class StepFaultOut(Out):
    """未办原因, with the same words as a problem answer."""

    code: str
    status: int
    detail: str
    detail_en: str
    hint: str


class StepResultOut(Out):
    """办理结果 of one of many: the doubt as it is now, or why it was refused."""

    subject: UUID
    doubt: DoubtOut | None
    refusal: StepFaultOut | None


class StepResultsOut(Out):
    """批量办理结果, in the order asked."""

    done: int
    refused: int
    results: list[StepResultOut]


class DoubtCountsOut(Out):
    """疑点数, by one thing."""

    division: DivisionField
    by: By
    total: int
    counts: dict[str, int]


async def _asked(
    now: Now,
    division: Annotated[DivisionAsked, Query(description="区划代码：该区划及其下级")],
    check: Annotated[str | None, Query(pattern=r"^[A-Z][0-9]{1,3}$", description="校验规则编号")] = None,
    household: Annotated[UUID | None, Query(description="户标识")] = None,
    state: Annotated[list[DoubtState] | None, Query(max_length=4, description="状态；默认为未关闭的")] = None,
    assignee: Annotated[str | None, Query(min_length=1, max_length=100, description="核查人")] = None,
    min_age_days: Annotated[int | None, Query(ge=0, le=36_500, description="发现至今至少几天")] = None,
    max_age_days: Annotated[int | None, Query(ge=0, le=36_500, description="发现至今至多几天")] = None,
) -> DoubtsAsked:
    since, before = reports.opened_within(now, min_age_days, max_age_days)
    return DoubtsAsked(
        DivisionCode.parse(division),
        check_id=check,
        household=household,
        states=tuple(one.value for one in state or ()),
        assignee=assignee,
        opened_from=since,
        opened_before=before,
    )


AskedFor = Annotated[DoubtsAsked, Depends(_asked)]


@router.get("/doubts", roles=READERS)
async def list_doubts(
    tx: Tx, officer: Officer, paging: PagingAsked, purpose: Purpose, asked: AskedFor
) -> Page[DoubtOut]:
    """疑点清单，先发现的在前，默认为未关闭的；查看留痕."""
    after = None if paging.after is None else paging.after[0]
    rows = await reports.doubts_of(tx, asked, after=after, limit=paging.limit + 1)
    await _log(tx, officer, purpose or USUAL_PURPOSE, rows[: paging.limit])
    return paging.page(rows, lambda one: [one.no], lambda one: DoubtOut.of(one, in_clear=_sees(officer)))


@router.get("/reports/doubts", roles=READERS)
async def count_doubts(
    tx: Tx, now: Now, asked: AskedFor, by: Annotated[By, Query(description="按什么计数")] = "check"
) -> DoubtCountsOut:
    """疑点数：按规则、村、状态、时长或核查人."""
    counts = await reports.doubts_by(tx, asked, by, now)
    return DoubtCountsOut(division=asked.division, by=by, total=sum(counts.values()), counts=counts)


@router.get(
    "/doubts/work-list",
    roles=READERS,
    problems=(WorkListTooLong,),
    answers={200: A_WORKBOOK | {"description": "疑点清单工作簿"}},
)
async def export_doubts(tx: Tx, officer: Officer, now: Now, asked: AskedFor) -> Response:
    """疑点清单（xlsx）：按村、户排列，姓名脱敏；导出留痕."""
    lines = await reports.work_list(tx, asked, limit=MOST_LINES + 1)
    if len(lines) > MOST_LINES:
        raise WorkListTooLong(most=f"{MOST_LINES:,}")
    await _log(tx, officer, "疑点核查清单", lines, action="export")
    said = [f"导出人：{officer.name}（{officer.sub}）", f"导出时间：{now.isoformat()}", f"区划：{asked.division.text}"]
    book = await asyncio.to_thread(_book, lines, said, in_clear=_sees(officer))
    return workbook(book, f"疑点清单-{asked.division.text}.xlsx")


def _book(lines: Sequence[WorkLine], said: Sequence[str], *, in_clear: bool) -> bytes:
    from services.registry.checks import QUESTIONS
    from services.registry.forms.worklist import write_work_list

    questions = {name: check.zh for name, check in QUESTIONS.items()}
    return write_work_list((_cells(line, questions, in_clear=in_clear) for line in lines), said)


def _cells(line: WorkLine, questions: dict[str, str], *, in_clear: bool) -> list[str | None]:
    who = [line.village, line.number, line.group, line.masked_head, line.masked_person]
    detail = line.detail_zh if in_clear else None
    what = [line.check_id, questions.get(line.check_id), BY_NAME[line.field].zh, detail]
    answer = [STATES[line.state], line.assignee, FINDINGS.get(line.finding or "")]
    until = None if line.until is None else str(line.until)
    return [*who, *what, *answer, until, today(line.opened_at).isoformat(), str(line.doubt)]


STATES = {"open": "待核查", "assigned": "已分派", "found": "待复核", "closed": "已关闭"}
FINDINGS = {
    "kept": "属实",
    "corrected": "已更正",
    "exception": "例外",
    "no_longer_found": "资料变化，不再存疑",
    "decided": "已有决定",
}


@router.get("/doubts/{doubt_id}", roles=READERS, problems=(DoubtMissing,))
async def read_doubt(
    doubt_id: UUID, tx: Tx, officer: Officer, purpose: Purpose, response: Response
) -> DoubtWithHistoryOut:
    """一条疑点及其经过；查看留痕."""
    found = (await reports.doubts_with(tx, [doubt_id])).get(doubt_id)
    if found is None:
        raise DoubtMissing
    set_etag(response, found.version)
    await _log(tx, officer, purpose or USUAL_PURPOSE, [found])
    told = [StepOut.model_validate(step) for step in await reports.history_of(tx, doubt_id)]
    shown = DoubtOut.of(found, in_clear=_sees(officer))
    history = told if _sees(officer) else [step.model_copy(update={"reason": None}) for step in told]
    return DoubtWithHistoryOut(**{name: getattr(shown, name) for name in DoubtOut.model_fields}, history=history)


class AssignBody(Body):
    """分派: to whom, by the subject of his token."""

    assignee: Text = Field(description="核查人（令牌主体）")


class FindingBody(Body):
    """核查结论: what was found out, why, and for an exception until when."""

    finding: DoubtFinding
    reason: Written = Field(description="核查经过与依据")
    until: date | None = Field(None, description="例外有效期止")

    @property
    def answer(self) -> Answer:
        """As the domain takes it."""
        return Answer(self.finding, self.reason, self.until)


class ConfirmBody(Body):
    """复核: agreed closes the doubt, otherwise it goes back."""

    agreed: bool
    remark: Written | None = Field(None, description="复核意见")


class SeenBody(Body):
    """所见疑点: its id and the version that was seen."""

    id: UUID
    version: int = Field(ge=1, le=2**53)


class AssignManyBody(AssignBody):
    """批量分派."""

    doubts: Annotated[list[SeenBody], Field(min_length=1, max_length=MOST_AT_ONCE)]


class FindingLineBody(SeenBody, FindingBody):
    """批量结论的一条."""


class FindManyBody(Body):
    """批量结论: each doubt has its own."""

    findings: Annotated[list[FindingLineBody], Field(min_length=1, max_length=MOST_AT_ONCE)]


STEP_PROBLEMS = (DoubtMissing, DoubtClosed)
FIND_PROBLEMS = (*STEP_PROBLEMS, DoubtAssignedElsewhere, ExceptionUndated)


class InspectionBody(Body):
    """全面核查: of one division and all below it; left out, of all that the caller may see."""

    division: DivisionField | None = None


@router.post("/doubts/inspections", roles=SUBMITTERS, status=202)
async def inspect(body: InspectionBody, tx: Tx, officer: Officer, now: Now) -> JobOut:
    """对在册各户重新运行全部校验：新疑点提出，不再存疑的关闭，事实变化的重新提出；只动疑点，进度与取消见任务."""
    return JobOut.of(await submit_inspection(tx, officer, body.division, now))


@router.post("/doubts/assign", roles=SECOND)
async def assign_doubts(body: AssignManyBody, tx: Tx, officer: Officer, now: Now) -> StepResultsOut:
    """批量分派；逐条答复."""
    take = actions.assigning(body.assignee)
    asked = [Asked(one.id, one.version, take) for one in body.doubts]
    return await _results(tx, await actions.step_doubts(tx, asked, officer.sub, now))


@router.post("/doubts/findings", roles=FINDERS)
async def find_doubts(body: FindManyBody, tx: Tx, officer: Officer, now: Now) -> StepResultsOut:
    """批量录入核查结论；逐条答复."""
    asked = [Asked(one.id, one.version, actions.answering(one.answer, officer, now)) for one in body.findings]
    return await _results(tx, await actions.step_doubts(tx, asked, officer.sub, now))


@router.post("/doubts/{doubt_id}/assign", roles=SECOND, problems=STEP_PROBLEMS)
async def assign_doubt(
    doubt_id: UUID, body: AssignBody, tx: Tx, officer: Officer, now: Now, match: IfMatch, response: Response
) -> DoubtOut:
    """分派核查人."""
    return await _step(tx, doubt_id, match.check, actions.assigning(body.assignee), (officer.sub, now), response)


@router.post("/doubts/{doubt_id}/finding", roles=FINDERS, problems=FIND_PROBLEMS)
async def find_doubt(
    doubt_id: UUID, body: FindingBody, tx: Tx, officer: Officer, now: Now, match: IfMatch, response: Response
) -> DoubtOut:
    """录入核查结论：属实、已更正、例外；须另一人复核."""
    take = actions.answering(body.answer, officer, now)
    return await _step(tx, doubt_id, match.check, take, (officer.sub, now), response)


@router.post(
    "/doubts/{doubt_id}/confirm", roles=SECOND, problems=(*STEP_PROBLEMS, DoubtWithoutFinding, DoubtSamePerson)
)
async def confirm_doubt(
    doubt_id: UUID, body: ConfirmBody, tx: Tx, officer: Officer, now: Now, match: IfMatch, response: Response
) -> DoubtOut:
    """复核结论：同意即关闭，否则退回；录入结论的人不能复核."""
    take = actions.confirming(officer, body.remark, agreed=body.agreed)
    return await _step(tx, doubt_id, match.check, take, (officer.sub, now), response)


async def _step(
    tx: Tx,
    doubt_id: UUID,
    check: Callable[[int], None],
    take: Callable[[Doubt], Taken],
    who: tuple[str, datetime],
    response: Response,
) -> DoubtOut:
    await actions.step_doubt(tx, doubt_id, check, take, *who)
    found = (await reports.doubts_with(tx, [doubt_id]))[doubt_id]
    set_etag(response, found.version)
    return DoubtOut.of(found, in_clear=True)


async def _results(tx: Tx, outcomes: Sequence[Outcome]) -> StepResultsOut:
    done = [one.subject for one in outcomes if one.problem is None]
    found = await reports.doubts_with(tx, done)
    results = [
        StepResultOut(
            subject=one.subject,
            doubt=None if one.problem else DoubtOut.of(found[one.subject], in_clear=True),
            refusal=None if one.problem is None else _fault(one.problem),
        )
        for one in outcomes
    ]
    return StepResultsOut(done=len(done), refused=len(outcomes) - len(done), results=results)


def _fault(problem: Problem) -> StepFaultOut:
    return StepFaultOut(
        code=problem.code,
        status=problem.status,
        detail=problem.detail_zh,
        detail_en=problem.detail_en,
        hint=problem.hint,
    )
