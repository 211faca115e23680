"""What officers send of a household and its members, and how it becomes a form (HouseholdEntry)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from services.registry.domain import Household, HouseholdEntry, IncomeRow, Living, MemberEntry, Person
from services.registry.domain import codes as lists
from services.registry.domain.codes import CodeList
from services.registry.domain.fields import COMPONENT_OF, INCOME_ITEM_NAMES
from services.registry.domain.payouts import refuse_odd_year, refuse_repeated_years
from services.registry.domain.refusals import MemberNameless
from shared.events.fact import YesNo
from shared.events.registry import (
    Cause,
    DisasterKind,
    Education,
    Health,
    HousingLevel,
    Labour,
    MedicalCover,
    PensionCover,
    Relation,
    Schooling,
    StatusKind,
)
from shared.values import CitizenId, Money, Period, new_id
from shared.web import Body, DivisionField, HouseholdNumberField, MoneyField


def coded(codes: CodeList) -> tuple[AfterValidator, WithJsonSchema]:
    """A code of this list; its values stand in the schema."""

    def check(text: str) -> str:
        if text not in codes.names:
            raise PydanticCustomError("code_unknown", "not a code of the list")
        return text

    schema = {"type": "string", "enum": list(codes.names), "description": codes.zh}
    return AfterValidator(check), WithJsonSchema(schema)


def _item(text: str) -> str:
    if text not in COMPONENT_OF:
        raise PydanticCustomError("code_unknown", "not an income item")
    return text


Ethnicity = Annotated[str, *coded(lists.ETHNICITY)]
Political = Annotated[str, *coded(lists.POLITICAL)]
IdKind = Annotated[str, *coded(lists.ID_KIND)]
Road = Annotated[str, *coded(lists.ROAD)]
Item = Annotated[str, AfterValidator(_item), WithJsonSchema({"type": "string", "enum": list(INCOME_ITEM_NAMES)})]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$"),
    AfterValidator(lambda text: unicodedata.normalize("NFC", text)),
]
Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
IdText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40, pattern=r"^[0-9A-Za-z０-９Ｘｘ \-]+$"),
    AfterValidator(CitizenId.normal),
]
Phone = Annotated[str, StringConstraints(pattern=r"^[0-9]{5,20}$")]
PersonNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,40}$")]
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=2, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Area = Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2)]


class MemberBody(Body):
    """成员: with `id` of somebody on record, what is left out stays as it is; without, a new member."""

    id: UUID | None = Field(None, description="人标识；离线采集可由客户端生成")
    relation: Relation
    name: Name | None = None
    person_number: PersonNumber | None = None
    sex: Annotated[str | None, WithJsonSchema({"enum": ["male", "female", None]}), Field(pattern="^(fe)?male$")] = None
    birth_on: date | None = None
    id_kind: IdKind | None = None
    id_number: IdText | None = None
    ethnicity: Ethnicity | None = None
    political: Political | None = None
    schooling: Schooling | None = None
    education: Education | None = None
    health: Health | None = None
    disability_card: IdText | None = None
    labour: Labour | None = None
    medical_cover: MedicalCover | None = None
    serious_illness_cover: YesNo = None
    pension_cover: PensionCover | None = None
    workplace: Text | None = None
    work_months: Annotated[int, Field(ge=0, le=12)] | None = None
    work_monthly_pay: MoneyField | None = None
    job_lost_on: date | None = None
    phone: Phone | None = None
    present: bool | None = None

    def person(self, known: Person | None) -> Person:
        """The person that it describes: what it names over what is on record."""
        given = self.model_dump(exclude_unset=True, exclude={"id", "relation", "work_monthly_pay"})
        if "work_monthly_pay" in self.model_fields_set:
            given["work_monthly_pay_fen"] = None if self.work_monthly_pay is None else self.work_monthly_pay.fen
        if "disability_card" in given:
            given |= _card(self.disability_card)
        if known is not None:
            return replace(known, **{name: value for name, value in given.items() if not _emptied(name, value)})
        if self.name is None:
            raise MemberNameless
        return Person(id=self.id or new_id(), pseudonym=new_pseudonym(), **given)


def _emptied(name: str, value: object) -> bool:
    return name == "name" and value is None


def _card(card: str | None) -> dict[str, int | None]:
    """Class and level stand in the card's number, where it is well-formed."""
    found = re.match(r"^[0-9]{17}[0-9X]([1-7])([1-4])", card or "")
    return {
        "disability_kind": int(found[1]) if found else None,
        "disability_level": int(found[2]) if found else None,
    }


def new_pseudonym() -> UUID:
    """Random throughout: it must not tell when a person was recorded."""
    return uuid4()


class LivingBody(Body):
    """生活条件: what is left out stays as it is."""

    food_assured: YesNo = None
    clothing_assured: YesNo = None
    housing_level: HousingLevel | None = None
    housing_area_m2: Area | None = None
    water_safe: YesNo = None
    road: Road | None = None
    electricity: YesNo = None
    self_paid_medical: MoneyField | None = None
    insurance_paid: MoneyField | None = None
    disaster_kind: DisasterKind | None = None
    disaster_on: date | None = None
    disaster_loss: MoneyField | None = None
    headcount_on_form: Annotated[int, Field(ge=0, le=100)] | None = None
    main_cause: Cause | None = None
    other_causes: Annotated[tuple[Cause, ...], Field(max_length=2)] | None = None
    arable_mu: Area | None = None
    irrigated_mu: Area | None = None
    forest_mu: Area | None = None
    returned_forest_mu: Area | None = None
    orchard_mu: Area | None = None
    pasture_mu: Area | None = None
    water_mu: Area | None = None

    def over(self, known: Living) -> Living:
        """What it names over what is on record."""
        given: dict[str, Any] = {}
        for name in self.model_fields_set:
            value = getattr(self, name)
            if name in MONEY_OF_LIVING:
                given[f"{name}_fen"] = None if value is None else value.fen
            else:
                given[name] = (value or ()) if name == "other_causes" else value
        return replace(known, **given)


MONEY_OF_LIVING = ("self_paid_medical", "insurance_paid", "disaster_loss")
assert all(name in {one.name for one in fields(Living)} for name in LivingBody.model_fields.keys() - MONEY_OF_LIVING)


class StatusBody(Body):
    """户类型 and since when."""

    kind: StatusKind
    since: date


YEAR_ORDER = {"zh": "收入年度止不晚于起", "en": "the income year ends before it begins"}


class IncomeBody(Body):
    """收入 of one income year, by sub-item; a year that is named is declared anew as a whole."""

    year_from: date
    year_to: date
    items: Annotated[dict[Item, MoneyField], Field(max_length=100)]

    @model_validator(mode="after")
    def _in_order(self) -> IncomeBody:
        if self.year_to <= self.year_from:
            raise PydanticCustomError("value_invalid", "the income year ends before it begins", YEAR_ORDER)
        return self

    def rows(self) -> list[IncomeRow]:
        """As rows; a declaration of nothing is one row of 0, so that it is known."""
        year = Period(self.year_from, self.year_to)
        amounts = {item: amount.fen for item, amount in self.items.items() if amount.fen} or {INCOME_ITEM_NAMES[0]: 0}
        return [
            IncomeRow(year, COMPONENT_OF[item], item, "declared", item, fen) for item, fen in sorted(amounts.items())
        ]


class HouseholdBody(Body):
    """一户的登记表."""

    id: UUID | None = Field(None, description="户标识；离线采集可由客户端生成")
    number: HouseholdNumberField
    division: DivisionField
    observed_on: date = Field(description="调查日期")
    group: Text | None = None
    registered_on: date | None = None
    statuses: Annotated[tuple[StatusBody, ...], Field(max_length=6)] = ()
    living: LivingBody = LivingBody()
    income: Annotated[tuple[IncomeBody, ...], Field(max_length=10)] = ()
    members: Annotated[tuple[MemberBody, ...], Field(min_length=1, max_length=100)]

    def entry(self) -> HouseholdEntry:
        """As the form that domain knows."""
        return HouseholdEntry(
            number=self.number,
            division=self.division,
            members=tuple(MemberEntry(one.person(None), one.relation) for one in self.members),
            group=self.group,
            registered_on=self.registered_on,
            statuses=tuple((one.kind, one.since) for one in self.statuses),
            living=self.living.over(Living()),
            income=_rows(self.income),
        )


class HouseholdPatch(Body):
    """登记表的一部分: what is left out stays as it is; `members`, `statuses` name all of them."""

    observed_on: date = Field(description="调查日期")
    division: DivisionField | None = None
    group: Text | None = None
    registered_on: date | None = None
    statuses: Annotated[tuple[StatusBody, ...], Field(max_length=6)] | None = None
    living: LivingBody | None = None
    income: Annotated[tuple[IncomeBody, ...], Field(max_length=10)] | None = None
    members: Annotated[tuple[MemberBody, ...], Field(min_length=1, max_length=100)] | None = None

    def over(self, household: Household, entry: HouseholdEntry) -> HouseholdEntry:
        """The whole form: what it names over what is on record."""
        named = self.model_fields_set
        changes: dict[str, Any] = {name: getattr(self, name) for name in ("group", "registered_on") if name in named}
        if self.division is not None:
            changes["division"] = self.division
        if self.statuses is not None:
            changes["statuses"] = tuple((one.kind, one.since) for one in self.statuses)
        if self.living is not None:
            changes["living"] = self.living.over(entry.living)
        if self.income is not None:
            changes["income"] = _rows(self.income)
        if self.members is not None:
            known = {one.person.id: one.person for one in household.memberships}
            changes["members"] = tuple(
                MemberEntry(one.person(known.get(one.id) if one.id else None), one.relation) for one in self.members
            )
        return replace(entry, **changes)


def _rows(income: Sequence[IncomeBody]) -> tuple[IncomeRow, ...]:
    years = [Period(one.year_from, one.year_to) for one in income]
    for year in years:
        refuse_odd_year(year)
    refuse_repeated_years(years)
    return tuple(row for one in income for row in one.rows())


def money(fen: int | None) -> Money | None:
    """Fen as the answer shows it."""
    return None if fen is None else Money(fen)
