"""Judgements over HTTP: one household explained, lists and counts, runs."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query

from services.assessment.actions.explaining import (
    Explained,
    JudgementMissing,
    PackExplained,
    explain_judgement,
    explain_kept,
    measured,
)
from services.assessment.actions.runs import RunAhead, RunBehind, ask_for_run
from services.assessment.api.asked import READERS, Division
from services.assessment.domain.changes import Cause, Change
from services.assessment.domain.judging import codes_of
from services.assessment.domain.kinship import Kin
from services.assessment.domain.reasons import Kept, Measure, Reason
from services.assessment.reports import judgements as reports
from services.assessment.rules import pack as pack_of_gallery
from shared.auth import log_access
from shared.errors import Missing, ScopeRefused
from shared.parameters import Parameter
from shared.values import Money
from shared.web import (
    Body,
    DivisionField,
    JobOut,
    MoneyField,
    Now,
    Officer,
    Out,
    Page,
    PagingAsked,
    Purpose,
    Role,
    Router,
    Tx,
)

router = Router("研判")
PackName = Literal["exit", "risk"]
Verdict = Literal["met", "unmet", "none", "attention", "high", "unknown", "not_applicable"]
USUAL_PURPOSE = "研判"
VERDICTS = {
    "met": ("达到标准", "met"),
    "unmet": ("未达到标准", "not met"),
    "none": ("无明显风险", "no marked risk"),
    "attention": ("需关注", "attention"),
    "high": ("高风险", "high risk"),
    "unknown": ("无法判断", "cannot be known"),
    "not_applicable": ("不适用", "does not apply"),
}


class TextOut(Out):
    """双语文字."""

    zh: str
    en: str


class MemberOut(Out):
    """成员称谓: kinship and age, never a name."""

    kinship: TextOut
    age: int | None

    @classmethod
    def of(cls, kin: Kin) -> MemberOut:
        """As a reason names it."""
        return cls(kinship=TextOut(zh=kin.kinship_zh, en=kin.kinship_en), age=kin.age)


class GapOut(Out):
    """缺口: what is not known, and why."""

    kind: str
    field: str
    text: TextOut
    member: MemberOut | None


class LawOut(Out):
    """依据."""

    key: str
    text: TextOut


class ReasonOut(Out):
    """理由: one criterion, why it is met, unmet or unknown."""

    code: str
    name: TextOut
    state: Literal["met", "unmet", "unknown"]
    number: TextOut | None
    limit: TextOut | None
    distance: str | None
    unit: str | None
    members: list[MemberOut]
    gaps: list[GapOut]
    laws: list[LawOut]
    text: TextOut

    @classmethod
    def of(cls, one: Reason) -> ReasonOut:
        """From the domain's reason."""
        return cls(
            code=one.code,
            name=TextOut(zh=one.name_zh, en=one.name_en),
            state=one.state,
            number=_pair(one.number),
            limit=_pair(one.limit),
            distance=one.distance,
            unit=one.unit,
            members=[MemberOut.of(kin) for kin in one.members],
            gaps=[
                GapOut(
                    kind=gap.kind,
                    field=gap.field,
                    text=TextOut(zh=gap.zh, en=gap.en),
                    member=None if gap.member is None else MemberOut.of(gap.member),
                )
                for gap in one.gaps
            ],
            laws=[LawOut(key=law.key, text=TextOut(zh=law.zh, en=law.en)) for law in one.laws],
            text=TextOut(zh=one.zh, en=one.en),
        )


def _pair(told: tuple[str, str] | None) -> TextOut | None:
    return None if told is None else TextOut(zh=told[0], en=told[1])


class ParameterOut(Out):
    """参数: a number in force, with its place, dates and law."""

    key: str
    division: DivisionField | None
    valid_from: date
    valid_to: date | None
    value: str
    unit: str
    basis: TextOut
    entered_by: str
    approved_by: str

    @classmethod
    def of(cls, row: Parameter) -> ParameterOut:
        """From its row."""
        return cls(
            key=row.key,
            division=row.division,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            value=row.value,
            unit=row.unit,
            basis=TextOut(zh=row.basis_zh, en=row.basis_en),
            entered_by=row.entered_by,
            approved_by=row.approved_by,
        )


class CauseOut(Out):
    """变化原因."""

    kind: str
    text: TextOut
    field: str | None
    before: str | None
    after: str | None
    member: MemberOut | None
    amount: MoneyField | None
    on: date | None

    @classmethod
    def of(cls, one: Cause) -> CauseOut:
        """From the domain's cause."""
        return cls(
            kind=one.kind,
            text=TextOut(zh=one.zh, en=one.en),
            field=one.field,
            before=one.before,
            after=one.after,
            member=None if one.member is None else MemberOut.of(one.member),
            amount=None if one.fen is None else Money(one.fen),
            on=one.on,
        )


class ChangeOut(Out):
    """变化: a criterion whose state is another than in the judgement before."""

    code: str
    name: TextOut
    before: str
    after: str
    causes: list[CauseOut]

    @classmethod
    def of(cls, one: Change) -> ChangeOut:
        """From the domain's change."""
        return cls(
            code=one.code,
            name=TextOut(zh=one.name_zh, en=one.name_en),
            before=one.before,
            after=one.after,
            causes=[CauseOut.of(cause) for cause in one.causes],
        )


class PackOut(Out):
    """一个规则包的结论与理由."""

    pack: str
    pack_hash: str
    title: TextOut
    applies_to: TextOut
    verdict: Verdict
    verdict_text: TextOut
    previous: Verdict | None
    score: int | None
    failed: list[str]
    unknown: list[str]
    reasons: list[ReasonOut]
    changes: list[ChangeOut]
    applicability: list[CauseOut]
    parameters: list[ParameterOut]
    parameters_missing: list[str]

    @classmethod
    def of(cls, one: PackExplained) -> PackOut:
        """From the explanation."""
        shape, finding = one.pack.shape, one.finding
        zh, en = VERDICTS[finding.verdict]
        rows = one.numbers.rows
        return cls(
            pack=one.pack.id,
            pack_hash=finding.pack_hash,
            title=TextOut(zh=shape.title.zh, en=shape.title.en),
            applies_to=TextOut(zh=shape.about.zh, en=shape.about.en),
            verdict=finding.verdict,
            verdict_text=TextOut(zh=zh, en=en),
            previous=one.previous,
            score=finding.score,
            failed=list(finding.failed(one.pack)),
            unknown=list(finding.doubtful(one.pack)),
            reasons=[ReasonOut.of(reason) for reason in one.reasons],
            changes=[ChangeOut.of(change) for change in one.changes],
            applicability=[CauseOut.of(cause) for cause in one.applicability],
            parameters=[ParameterOut.of(row) for row in rows.values() if row is not None],
            parameters_missing=[key for key, row in rows.items() if row is None],
        )


class JudgementOut(Out):
    """研判: one household, by one version of its circumstances, for one day. `id` null: made for this answer alone."""

    id: UUID | None
    household: UUID
    number: str | None
    division: DivisionField
    version: int | None
    household_version: int
    judged_on: date
    packs: list[PackOut]

    @classmethod
    def of(cls, one: Explained) -> JudgementOut:
        """From the explanation."""
        return cls(
            id=one.id,
            household=one.household,
            number=one.number,
            division=one.division,
            version=one.version,
            household_version=one.household_version,
            judged_on=one.judged_on,
            packs=[PackOut.of(part) for part in one.packs],
        )


Version = Annotated[int | None, Query(ge=1, le=2**62, description="户情况版本；不填为最新研判")]


@router.get("/households/{household_id}/judgement", roles=READERS, problems=(JudgementMissing,))
async def read_judgement(
    household_id: UUID, tx: Tx, officer: Officer, purpose: Purpose, version: Version = None
) -> JudgementOut:
    """研判与理由: the standing judgement of a household, or that of any version heard; who looked is written down."""
    found = await explain_judgement(tx, household_id, version)
    await log_access(tx, officer, purpose=purpose or USUAL_PURPOSE, noun="judgement", ids=[household_id])
    return JudgementOut.of(found)


class PastJudgementOut(Out):
    """历次研判."""

    id: UUID
    version: int
    household_version: int
    judged_on: date
    judged_at: datetime
    run: UUID | None
    verdicts: dict[str, str]


@router.get("/households/{household_id}/judgements", roles=READERS)
async def list_past_judgements(household_id: UUID, tx: Tx, paging: PagingAsked) -> Page[PastJudgementOut]:
    """历次研判: every judgement ever made of a household, newest first."""
    before = None if paging.after is None else int(paging.after[0])
    rows = await reports.judgements_of_household(tx, household_id, before, paging.limit + 1)
    return paging.page(rows, key=lambda row: [row.version], shape=PastJudgementOut.model_validate)


class JudgedOut(Out):
    """研判名单一行."""

    household: UUID
    number: str | None
    division: DivisionField
    group: str | None
    masked_head: str | None
    household_version: int
    judged_on: date
    verdict: Verdict
    previous: Verdict | None
    score: int | None
    failed: list[str]
    unknown: list[str]

    @classmethod
    def of(cls, row: reports.JudgedHousehold, pack: str) -> JudgedOut:
        """Criteria by code: reasons are read one household at a time, with access written down."""
        rules = pack_of_gallery(pack)
        plain = {name: getattr(row, name) for name in cls.model_fields if name not in ("failed", "unknown")}
        return cls(**plain, failed=list(codes_of(rules, row.fail)), unknown=list(codes_of(rules, row.unknown)))


@router.get("/judgements", roles=READERS)
async def list_judgements(
    tx: Tx, paging: PagingAsked, division: Division, pack: PackName = "exit", verdict: Verdict | None = None
) -> Page[JudgedOut]:
    """研判名单: households of a division by their standing verdict, village by village."""
    after = None if paging.after is None else (int(paging.after[0]), UUID(str(paging.after[1])))
    rows = await reports.judged_households(tx, pack, division, verdict, after, paging.limit + 1)
    return paging.page(
        rows,
        key=lambda row: [row.division.value, str(row.household)],
        shape=lambda row: JudgedOut.of(row, pack),
    )


class MeasureOut(Out):
    """量值: what a criterion found, and against what; money in yuan."""

    code: str
    state: Literal["met", "unmet", "unknown"]
    number: str | None
    limit: str | None
    unit: str

    @classmethod
    def of(cls, one: Measure) -> MeasureOut:
        """From the domain's measure."""
        return cls(code=one.code, state=one.state, number=one.number, limit=one.limit, unit=one.unit)


class MeasuredOut(Out):
    """研判量值一行: a household's standing judgement by one pack, with what it measured."""

    household: UUID
    number: str | None
    division: DivisionField
    judgement: UUID
    household_version: int
    judged_on: date
    verdict: Verdict
    measures: list[MeasureOut]

    @classmethod
    async def of(cls, tx: Tx, row: reports.JudgedHousehold) -> MeasuredOut:
        """Measured by the pack that it was judged by, be it one of old."""
        found = await measured(tx, row.pack_hash, Kept(row.fail, row.unknown, tuple(row.figures)))
        plain = {name: getattr(row, name) for name in cls.model_fields if name != "measures"}
        return cls(**plain, measures=[MeasureOut.of(one) for one in found])


@router.get("/judgements/measures", roles=READERS)
async def list_measures(
    tx: Tx,
    officer: Officer,
    paging: PagingAsked,
    division: Division,
    purpose: Purpose,
    pack: PackName = "exit",
    verdict: Verdict | None = None,
) -> Page[MeasuredOut]:
    """研判量值: the numbers (income, spending) behind a division's standing verdicts; who looked is written down."""
    after = None if paging.after is None else (int(paging.after[0]), UUID(str(paging.after[1])))
    rows = await reports.judged_households(tx, pack, division, verdict, after, paging.limit + 1)
    told = {row.household: await MeasuredOut.of(tx, row) for row in rows}
    page = paging.page(
        rows, key=lambda row: [row.division.value, str(row.household)], shape=lambda row: told[row.household]
    )
    ids = [one.household for one in page.items]
    await log_access(tx, officer, purpose=purpose or USUAL_PURPOSE, noun="judgement", ids=ids)
    return page


@router.get("/judgements/{judgement_id}", roles=READERS, problems=(JudgementMissing,))
async def read_past_judgement(judgement_id: UUID, tx: Tx, officer: Officer, purpose: Purpose) -> JudgementOut:
    """一次研判及其理由: one of a household's judgements, explained as on its day; who looked is written down."""
    found = await explain_kept(tx, judgement_id)
    await log_access(tx, officer, purpose=purpose or USUAL_PURPOSE, noun="judgement", ids=[found.household])
    return JudgementOut.of(found)


class VerdictCountOut(Out):
    """结论计数."""

    division: DivisionField
    name: str | None
    verdict: Verdict
    households: int


class VerdictCountsOut(Out):
    """结论统计: for each division directly below."""

    pack: str
    counts: list[VerdictCountOut]


@router.get("/verdicts", roles=READERS)
async def count_verdicts(tx: Tx, division: Division, pack: PackName = "exit") -> VerdictCountsOut:
    """结论统计: how many households stand under which verdict, for each division directly below."""
    rows = await reports.verdicts_by_division(tx, pack, division)
    return VerdictCountsOut(pack=pack, counts=[VerdictCountOut.model_validate(row) for row in rows])


# --- runs ------------------------------------------------------------------------------------------------------------


class RunAsked(Body):
    """所求的批量研判: without a day it is today."""

    division: DivisionField
    judged_on: date | None = None


class RunMissing(Missing):
    """批量研判不存在."""

    code = "run.missing"
    zh = "未找到该批量研判"
    en = "There is no such run"


class RunOut(Out):
    """批量研判: its own record, kept when the job is gone."""

    id: UUID
    division: DivisionField
    judged_on: date
    asked_by: str
    asked_at: datetime
    ended_at: datetime | None
    outcome: str | None
    judged: int
    changed: int


@router.post("/runs", roles=(Role.REVIEWER, Role.APPROVER), status=202, problems=(RunAhead, RunBehind, ScopeRefused))
async def start_run(body: RunAsked, tx: Tx, officer: Officer, now: Now) -> JobOut:
    """批量研判: judge every household of a division for one day; a job, under the asker's own rights."""
    return JobOut.of(await ask_for_run(tx, officer, body.division, body.judged_on, now))


@router.get("/runs", roles=READERS)
async def list_runs(tx: Tx, paging: PagingAsked) -> Page[RunOut]:
    """批量研判清单, newest first."""
    after = None if paging.after is None else UUID(str(paging.after[0]))
    rows = await reports.runs(tx, after, paging.limit + 1)
    return paging.page(rows, key=lambda row: [str(row.id)], shape=RunOut.model_validate)


@router.get("/runs/{run_id}", roles=READERS, problems=(RunMissing,))
async def read_run(run_id: UUID, tx: Tx) -> RunOut:
    """一次批量研判."""
    found = await reports.run_by_id(tx, run_id)
    if found is None:
        raise RunMissing
    return RunOut.model_validate(found)
