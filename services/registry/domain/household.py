"""The nouns of the register: household, membership, person, status span, living conditions, income row. Frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from uuid import UUID

from shared.events.registry import IncomeSource, Relation, StatusKind
from shared.values import DivisionCode, HouseholdNumber, Period


@dataclass(frozen=True, slots=True)
class StatusSpan:
    """户状态区间: true from `since` up to, not including, `until`; which decisions opened and closed it, if any."""

    kind: StatusKind
    since: date
    until: date | None = None
    opened_by: UUID | None = None
    closed_by: UUID | None = None

    @property
    def decided(self) -> bool:
        """Whether a decision touched it: then a form never changes it again."""
        return self.opened_by is not None or self.closed_by is not None

    def holds_on(self, day: date) -> bool:
        """Whether the household has this status on that day."""
        return self.since <= day and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class Living:
    """生活条件: what was seen on the last visit or declared for the year; None is unknown."""

    food_assured: str | None = None
    clothing_assured: str | None = None
    housing_level: str | None = None
    housing_area_m2: Decimal | None = None
    water_safe: str | None = None
    road: str | None = None
    electricity: str | None = None
    self_paid_medical_fen: int | None = None
    insurance_paid_fen: int | None = None
    disaster_kind: str | None = None
    disaster_on: date | None = None
    disaster_loss_fen: int | None = None
    headcount_on_form: int | None = None
    main_cause: str | None = None
    other_causes: tuple[str, ...] = ()
    arable_mu: Decimal | None = None
    irrigated_mu: Decimal | None = None
    forest_mu: Decimal | None = None
    returned_forest_mu: Decimal | None = None
    orchard_mu: Decimal | None = None
    pasture_mu: Decimal | None = None
    water_mu: Decimal | None = None
    declared_a_fen: int | None = None
    declared_b_fen: int | None = None
    declared_c_fen: int | None = None
    declared_d_fen: int | None = None
    declared_e_fen: int | None = None
    declared_net_fen: int | None = None
    declared_per_capita_fen: int | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """成员: one person. Numbers and telephone are in clear here only between reading and sealing; `repr` hides them."""

    id: UUID
    pseudonym: UUID = field(repr=False)
    name: str = field(repr=False)
    person_number: str | None = field(default=None, repr=False)
    sex: str | None = None
    birth_on: date | None = field(default=None, repr=False)
    id_kind: str | None = None
    id_number: str | None = field(default=None, repr=False)
    id_provisional: bool = False
    ethnicity: str | None = None
    political: str | None = None
    schooling: str | None = None
    education: str | None = None
    health: str | None = None
    disability_card: str | None = field(default=None, repr=False)
    disability_kind: int | None = None
    disability_level: int | None = None
    labour: str | None = None
    medical_cover: str | None = None
    serious_illness_cover: str | None = None
    pension_cover: str | None = None
    workplace: str | None = None
    work_months: int | None = None
    work_monthly_pay_fen: int | None = None
    job_lost_on: date | None = None
    phone: str | None = field(default=None, repr=False)
    present: bool | None = None
    died_on: date | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Membership:
    """家庭成员关系: a person belongs to a household from `since` up to, not including, `until`; a head is 户主."""

    person: Person
    relation: Relation
    since: date
    until: date | None = None

    @property
    def open(self) -> bool:
        """Whether it has not ended."""
        return self.until is None


@dataclass(frozen=True, slots=True)
class IncomeRow:
    """收入行: one sub-item of one income year. `reference` is the payout id, or the item of a declaration.

    `declared_on` is the day of the form that declared it; None for a payout, and in a form that is just coming in.
    """

    year: Period
    component: str
    item: str
    source: IncomeSource
    reference: str
    fen: int
    paid_on: date | None = None
    reverses: str | None = None
    declared_on: date | None = None


@dataclass(frozen=True, slots=True)
class Household:
    """户: who lives together, where, with which statuses, in what circumstances, on what income."""

    id: UUID
    number: HouseholdNumber
    division: DivisionCode
    version: int
    group: str | None = None
    registered_on: date | None = None
    statuses: tuple[StatusSpan, ...] = ()
    living: Living = field(default_factory=Living)
    memberships: tuple[Membership, ...] = ()
    income: tuple[IncomeRow, ...] = ()
    decisions: tuple[UUID, ...] = ()
    refused: tuple[tuple[UUID, str], ...] = ()
    superseded_by: UUID | None = None
    closed_on: date | None = None
    gaps: tuple[tuple[date, date], ...] = ()
    """曾注销的期间: closed from the first day up to, not including, the second, on which it stood again."""

    @property
    def members(self) -> tuple[Membership, ...]:
        """The memberships that have not ended."""
        return tuple(one for one in self.memberships if one.open)

    @property
    def heads(self) -> tuple[Membership, ...]:
        """Those of them with relation 户主: exactly one in a household that stands."""
        return tuple(one for one in self.members if one.relation == "head")

    def status_on(self, day: date) -> tuple[StatusKind, ...]:
        """The statuses that hold on a day."""
        return tuple(span.kind for span in self.statuses if span.holds_on(day))
