"""What is answered of households and people: masked unless a purpose was stated and written down.

Masked, a member shows no birth date, no health, no telephone: with the masked number they would give the whole one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

from fastapi import Response
from pydantic import Field

from services.registry.api.bodies import LivingBody, money
from services.registry.domain import Household, IncomeRow, Living, Membership, Person, StatusSpan
from services.registry.domain.masking import HIDDEN_OF_PERSON, MASKED
from services.registry.domain.matches import counted
from services.registry.domain.timeline import Change
from services.registry.domain.times import AsOf
from services.registry.store.households import Record
from services.registry.store.matches import Recorded
from services.registry.store.past import Past
from shared.clock import today
from shared.web import XLSX, DivisionField, HouseholdNumberField, MoneyField, Out

A_WORKBOOK: dict[str, Any] = {"content": {XLSX: {}}}
"""What a route says that answers a workbook."""


def workbook(book: bytes, name: str) -> Response:
    """A workbook under its Chinese name, to be kept as a file."""
    return Response(
        book, media_type=XLSX, headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    )


class SpanOut(Out):
    """户状态区间."""

    kind: str
    since: date
    until: date | None
    opened_by: UUID | None
    closed_by: UUID | None


class PersonOut(Out):
    """人. `masked` tells whether identifying and sensitive fields are hidden."""

    id: UUID
    masked: bool
    name: str
    person_number: str | None
    sex: str | None
    birth_on: date | None
    id_kind: str | None
    id_number: str | None
    id_provisional: bool
    ethnicity: str | None
    political: str | None
    schooling: str | None
    education: str | None
    health: str | None
    disability_card: str | None
    disability_kind: int | None
    disability_level: int | None
    labour: str | None
    medical_cover: str | None
    serious_illness_cover: str | None
    pension_cover: str | None
    workplace: str | None
    work_months: int | None
    work_monthly_pay: MoneyField | None
    job_lost_on: date | None
    phone: str | None
    present: bool | None
    died_on: date | None = Field(None, description="死亡日期")


def person_out(person: Person, *, masked: bool) -> PersonOut:
    """A person as this caller may see him."""
    shown: dict[str, Any] = {name: getattr(person, name, None) for name in PersonOut.model_fields}
    shown |= {"masked": masked, "work_monthly_pay": money(person.work_monthly_pay_fen)}
    if masked:
        shown |= {name: None for name in HIDDEN_OF_PERSON if name in shown}
        shown["work_monthly_pay"] = None
        for name, mask in MASKED.items():
            shown[name] = None if shown[name] is None else mask(shown[name])
    return PersonOut(**shown)


class MemberOut(Out):
    """成员关系."""

    relation: str
    since: date
    until: date | None
    person: PersonOut


class IncomeOut(Out):
    """收入行."""

    year_from: date
    year_to: date
    component: str
    item: str
    source: str
    reference: str
    amount: MoneyField
    counts: MoneyField = Field(description="计入收入的金额：申报数中已有兑付凭据的部分不重复计入")
    declared_on: date | None
    paid_on: date | None
    reverses: str | None

    @classmethod
    def of(cls, row: IncomeRow, counts: int) -> IncomeOut:
        """A row as it stands, and what it counts for."""
        names = ("component", "item", "source", "reference", "declared_on", "paid_on", "reverses")
        plain = {name: getattr(row, name) for name in names}
        amounts = {"amount": money(row.fen), "counts": money(counts)}
        return cls(year_from=row.year.first, year_to=row.year.last, **amounts, **plain)


class MatchOut(Out):
    """兑付与申报的对应: the declared amount counts without what this payout documents of it (ADR 0017)."""

    payout: str = Field(description="兑付编号")
    year_from: date
    year_to: date
    component: str
    item: str
    amount: MoneyField = Field(description="申报数中由该兑付证明、不重复计入的金额")
    recorded_at: datetime
    recorded_by: str
    intake: UUID | None = Field(description="据以对应的导入")

    @classmethod
    def of(cls, one: Recorded) -> MatchOut:
        """As it is recorded."""
        return cls(**{name: getattr(one, name) for name in cls.model_fields if name != "amount"}, amount=money(one.fen))


class LivingOut(Out):
    """生活条件."""

    food_assured: str | None
    clothing_assured: str | None
    housing_level: str | None
    housing_area_m2: Decimal | None
    water_safe: str | None
    road: str | None
    electricity: str | None
    self_paid_medical: MoneyField | None
    insurance_paid: MoneyField | None
    disaster_kind: str | None
    disaster_on: date | None
    disaster_loss: MoneyField | None
    headcount_on_form: int | None
    main_cause: str | None
    other_causes: tuple[str, ...]
    arable_mu: Decimal | None
    irrigated_mu: Decimal | None
    forest_mu: Decimal | None
    returned_forest_mu: Decimal | None
    orchard_mu: Decimal | None
    pasture_mu: Decimal | None
    water_mu: Decimal | None

    @classmethod
    def of(cls, living: Living, *, masked: bool) -> LivingOut:
        """As observed; masked, causes and medical spending stay hidden."""
        shown = {
            name: money(getattr(living, f"{name}_fen")) if hasattr(living, f"{name}_fen") else getattr(living, name)
            for name in LivingBody.model_fields
        }
        if masked:
            shown |= {"self_paid_medical": None, "insurance_paid": None, "main_cause": None, "other_causes": ()}
        return cls(**shown)


class HouseholdOut(Out):
    """户."""

    id: UUID
    number: HouseholdNumberField
    division: DivisionField
    group: str | None
    registered_on: date | None
    observed_on: date
    version: int
    masked: bool = Field(description="是否已脱敏")
    headcount: int
    statuses: list[SpanOut]
    living: LivingOut
    members: list[MemberOut]
    income: list[IncomeOut]
    matches: list[MatchOut] = Field(description="哪笔兑付对应哪项申报收入")
    decisions: list[UUID]
    superseded_by: UUID | None
    closed_on: date | None = Field(None, description="注销日期：自这一天起户内无人，或已并入其他户")
    as_of: date | None = Field(None, description="真实时间：答复所按的日期；空为现在的登记情况")
    known_at: datetime | None = Field(None, description="所知时间：答复所按的时刻；空为现在的登记情况")
    members_elsewhere: int = Field(0, description="当时的成员中现居管辖范围之外、不予显示的人数（计入 headcount）")

    @classmethod
    def past(cls, past: Past, asked: AsOf, *, masked: bool) -> HouseholdOut:
        """The same as of two times; `version` is that of the image that answers, and no ETag."""
        shown = cls.of(past.record, masked=masked, matches=past.matches)
        then = {"as_of": asked.on, "known_at": asked.known_at, "members_elsewhere": past.hidden}
        return shown.model_copy(update={**then, "headcount": shown.headcount + past.hidden})

    @classmethod
    def of(cls, record: Record, *, masked: bool, matches: Sequence[Recorded] = ()) -> HouseholdOut:
        """A household as this caller may see it; masked, amounts of income stay hidden."""
        noun = record.household
        return cls(
            id=noun.id,
            number=noun.number,
            division=noun.division,
            group=noun.group,
            registered_on=noun.registered_on,
            observed_on=record.observed_on,
            version=noun.version,
            masked=masked,
            headcount=len(noun.members),
            statuses=[SpanOut.model_validate(span) for span in noun.statuses],
            living=LivingOut.of(noun.living, masked=masked),
            members=[member_out(one, masked=masked) for one in noun.members],
            income=[] if masked else [IncomeOut.of(*one) for one in counted(noun.income)],
            matches=[] if masked else [MatchOut.of(one) for one in matches],
            decisions=list(noun.decisions),
            superseded_by=noun.superseded_by,
            closed_on=noun.closed_on,
        )


def member_out(one: Membership, *, masked: bool) -> MemberOut:
    """A membership with its person."""
    return MemberOut(
        relation=one.relation, since=one.since, until=one.until, person=person_out(one.person, masked=masked)
    )


class ThroughOut(Out):
    """来源: through what it became known; one of a form, a file's row, a decision, a payout."""

    by: str = Field(description="经手人或服务")
    intake: UUID | None = Field(description="导入任务")
    row: int | None = Field(description="文件行号")
    document: str | None = Field(description="决定文号")
    payout: str | None = Field(description="兑付编号")


class ChangeOut(Out):
    """变更: one thing that became known, in words."""

    known_at: datetime = Field(description="所知时间：登记簿得知的时刻")
    true_since: date = Field(description="真实时间：自哪一天起如此")
    kind: str
    zh: str
    en: str
    through: ThroughOut

    @classmethod
    def of(cls, one: Change) -> ChangeOut:
        """With both times and the source in the sentence."""
        known, (zh, en), (through_zh, through_en) = today(one.known_at), one.words, one.source.words
        source = one.source
        return cls(
            known_at=one.known_at,
            true_since=one.true_since,
            kind=one.kind,
            zh=f"{known}得知，{one.true_since}起：{zh}（{through_zh}）",
            en=f"{known} known, true since {one.true_since}: {en} ({through_en})",
            through=ThroughOut(
                by=source.by, intake=source.batch, row=source.row, document=source.document, payout=source.payout
            ),
        )


class TimelineOut(Out):
    """户的沿革: every status and membership that is held to be true, past ones too; and what became known when."""

    household: UUID
    statuses: list[SpanOut]
    members: list[MemberOut]
    changes: list[ChangeOut] = Field(description="按得知的先后：何时得知、自何时起、何事、经由何处")

    @classmethod
    def of(cls, noun: Household, spans: tuple[StatusSpan, ...], changes: Sequence[Change]) -> TimelineOut:
        """Masked: a timeline names nobody and tells no amount."""
        return cls(
            household=noun.id,
            statuses=[SpanOut.model_validate(span) for span in spans],
            members=[member_out(one, masked=True) for one in noun.memberships],
            changes=[ChangeOut.of(one) for one in changes],
        )
