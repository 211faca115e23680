"""Facts that registry speaks: divisions, households, circumstances, finished intakes."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.fact import Division, Fact, Fen, Part, Topic, Version, YesNo

StatusKind = Literal["poor", "lifted", "monitored", "minimum_living", "special_hardship", "ordinary"]
Relation = Literal[
    "head", "spouse", "son", "daughter", "daughter_in_law", "son_in_law", "grandson", "granddaughter",
    "daughters_son", "daughters_daughter", "father", "mother", "wifes_father", "wifes_mother", "husbands_father",
    "husbands_mother", "grandfather", "grandmother", "mothers_father", "mothers_mother", "sibling", "siblings_wife",
    "uncle", "nephew", "niece", "great_grandchild", "other",
]  # fmt: skip
Schooling = Literal[
    "not_student", "preschool", "primary", "junior_7", "junior_8", "junior_9", "senior_1", "senior_2", "senior_3",
    "vocational_1", "vocational_2", "vocational_3", "college_1", "college_2", "college_3", "technician_1",
    "technician_2", "technician_3", "technician_4", "bachelor_1", "bachelor_2", "bachelor_3", "bachelor_4",
    "bachelor_5", "postgraduate",
]  # fmt: skip
Education = Literal["preschool_child", "illiterate", "primary", "junior", "senior", "college", "bachelor", "master"]
Health = Literal["healthy", "chronic", "serious", "disabled", "serious_disabled", "chronic_disabled"]
Labour = Literal["ordinary", "skilled", "weak", "lost", "none"]
MedicalCover = Literal["resident", "employee", "both", "none"]
PensionCover = Literal["resident", "employee", "both", "none"]
HousingLevel = Literal["A", "B", "C", "D", "none"]
Cause = Literal[
    "illness", "disability", "schooling", "disaster", "land", "water", "skill", "labour", "capital", "traffic",
    "motivation", "marriage", "funeral", "other",
]  # fmt: skip
DisasterKind = Literal["flood", "drought", "landslide", "earthquake", "hail", "frost", "fire", "pest", "other"]
Component = Literal["A", "B", "C", "D", "E"]
IncomeSource = Literal["declared", "payout"]


class DivisionRecorded(Fact):
    """区划: a division as it now stands."""

    TOPIC: ClassVar[str] = "registry.division.state.v1"
    TYPE: ClassVar[str] = "org.tuopin.registry.division.recorded.v1"

    version: Version
    code: Division
    name: str
    level: Literal["province", "prefecture", "county", "township", "village"]
    parent: Division | None
    valid_from: date
    valid_to: date | None = None
    superseded_by: Division | None = None


class StatusSpan(Part):
    """户状态区间: true from `since` up to, not including, `until`; `decision` names the decision that opened it."""

    kind: StatusKind
    since: date
    until: date | None = None
    decision: UUID | None = None


class RefusedDecision(Part):
    """未能执行的决定: the household is no longer as the decision takes it to be; the reason is a code of registry's."""

    decision: UUID
    reason: str


class HouseholdRecorded(Fact):
    """户: what the other services may know of a household; the head's name is already masked for publication."""

    TOPIC: ClassVar[str] = "registry.household.state.v1"
    TYPE: ClassVar[str] = "org.tuopin.registry.household.recorded.v1"

    household: UUID
    version: Version
    number: Annotated[str, Field(pattern=r"^[0-9]{16}$")]
    division: Division
    group: str | None
    statuses: tuple[StatusSpan, ...]
    masked_head: str
    headcount: int
    superseded_by: UUID | None = None
    decisions: tuple[UUID, ...] = ()
    decisions_refused: tuple[RefusedDecision, ...] = ()


class Member(Part):
    """成员情况 under a pseudonymous id that is used for nothing else; no name, no id number."""

    pseudonym: UUID
    relation: Relation
    sex: Literal["male", "female"] | None
    birth_on: date | None
    present: Annotated[bool | None, Field(description="在户: counts into the household's n; null = unknown")]
    schooling: Schooling | None = None
    education: Education | None = None
    health: Health | None = None
    disability_kind: Annotated[int | None, Field(ge=1, le=7)] = None
    disability_level: Annotated[int | None, Field(ge=1, le=4)] = None
    labour: Labour | None = None
    medical_cover: MedicalCover | None = None
    serious_illness_cover: YesNo = None
    pension_cover: PensionCover | None = None
    work_months: Annotated[int | None, Field(ge=0, le=12)] = None
    work_monthly_pay_fen: Fen | None = None
    job_lost_on: date | None = None


class Living(Part):
    """生活条件 and shocks of the household, as last observed."""

    food_assured: YesNo = None
    clothing_assured: YesNo = None
    housing_level: HousingLevel | None = None
    housing_area_m2: Annotated[str | None, Field(pattern=r"^[0-9]+(\.[0-9]{1,2})?$")] = None
    water_safe: YesNo = None
    road: Literal["earth", "gravel", "hardened"] | None = None
    electricity: YesNo = None
    self_paid_medical_fen: Annotated[Fen | None, Field(description="合规自付医疗支出 of the income year")] = None
    insurance_paid_fen: Annotated[Fen | None, Field(description="理赔收入 of the income year")] = None
    disaster_kind: DisasterKind | None = None
    disaster_on: date | None = None
    disaster_loss_fen: Fen | None = None
    headcount_on_form: int | None = None
    main_cause: Cause | None = None
    other_causes: tuple[Cause, ...] = ()


class IncomeRow(Part):
    """收入行: one sub-item of one income year. E is an outlay and counts against the sum."""

    year_from: Annotated[date, Field(description="first day of the income year it belongs to")]
    year_to: Annotated[date, Field(description="last day of that income year")]
    component: Component
    item: Annotated[str, Field(description="sub-item code of the field catalogue, e.g. wage_work, property_dividend")]
    source: IncomeSource
    fen: Fen
    paid_on: date | None = None


class CircumstancesRecorded(Fact):
    """户情况: with the same version as HouseholdRecorded, alone enough to judge."""

    TOPIC: ClassVar[str] = "registry.circumstance.state.v1"
    TYPE: ClassVar[str] = "org.tuopin.registry.circumstance.recorded.v1"

    household: UUID
    version: Version
    division: Division
    statuses: tuple[StatusSpan, ...]
    members: tuple[Member, ...]
    living: Living
    income: tuple[IncomeRow, ...]
    income_declared: Annotated[
        tuple[tuple[date, date], ...],
        Field(description="income years (first, last day) for which a declaration was made; none = income unknown"),
    ] = ()
    superseded_by: UUID | None = None


class IntakeFinished(Fact):
    """导入完成: counts of one workbook's intake. Rows in = stored + unchanged + refused."""

    TOPIC: ClassVar[str] = "registry.intake.events.v1"
    TYPE: ClassVar[str] = "org.tuopin.registry.intake.finished.v1"

    job: UUID
    divisions: tuple[Division, ...]
    dry_run: bool
    rows: int
    rows_new: int
    rows_changed: int
    rows_unchanged: int
    rows_refused: int
    doubts: int
    outcome: Literal["done", "cancelled", "failed"]


FACTS: tuple[type[Fact], ...] = (DivisionRecorded, HouseholdRecorded, CircumstancesRecorded, IntakeFinished)
TOPICS = (
    Topic(DivisionRecorded.TOPIC, "state", ("assessment", "cooperative", "notify")),
    Topic(HouseholdRecorded.TOPIC, "state", ("assessment", "cooperative", "notify")),
    Topic(CircumstancesRecorded.TOPIC, "state", ("assessment",)),
    Topic(IntakeFinished.TOPIC, "events", ("notify",)),
)
