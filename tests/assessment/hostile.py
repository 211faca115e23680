"""Households made to hurt: every border met to the fen and to the day, nulls, refusals, absent members, odd payouts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import BaseModel

from shared.events.registry import CircumstancesRecorded, IncomeRow, Living, Member, StatusSpan
from stack.plain_judge import MONITORING_LINE_FEN, POVERTY_LINE_YUAN

VILLAGE: Final = "623023101201"
AGE_BORDERS: Final = (6, 7, 16, 60)
NOBODY: Final = UUID(int=0)
# Weighted towards what passes, so that whole households can pass; every other value stays common.
SCHOOLINGS: Final = ("primary", "primary", "junior_7", "junior_9", "senior_1", "preschool", "not_student", None)
EDUCATIONS: Final = ("illiterate", "primary", "junior", "senior", None)
HEALTHS: Final = ("healthy",) * 12 + ("chronic", "disabled", "serious", "serious_disabled", None)
LABOURS: Final = ("ordinary", "skilled", "weak", "lost", "none", "none", None)
COVERS: Final = ("resident",) * 14 + ("employee", "both", "none", None)
YES_NOS: Final = ("yes",) * 14 + ("no", "refused", None)
HOUSINGS: Final = ("A",) * 8 + ("B",) * 6 + ("C", "D", "none", None)
STATUSES: Final = ("poor",) * 9 + ("lifted", "monitored", "ordinary")
PRESENCES: Final = (True,) * 30 + (False,) * 3 + (None,)
RELATIONS: Final = ("spouse", "son", "son", "daughter", "father", "mother", "grandson", "other")


Model = TypeVar("Model", bound=BaseModel)


def built(model: type[Model], **values: object) -> Model:
    """An instance without validation: a hundred thousand households in seconds. The values are of the right types."""
    one = model.__new__(model)
    object.__setattr__(one, "__dict__", values)
    return one


def years_before(day: date, years: int) -> date:
    """The same calendar day `years` earlier, as a birthday would fall."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return date(day.year - years, 3, 1)


class Hostile:
    """A seeded maker of households for one judging day."""

    def __init__(self, seed: int, on: date) -> None:
        self.random = Random(seed)
        self.on = on
        self.year = (date(on.year - 1, 10, 1), date(on.year, 9, 30))
        self.line = POVERTY_LINE_YUAN[on.year] * 100
        self.monitoring = MONITORING_LINE_FEN[on.year]

    def household(self, serial: int) -> CircumstancesRecorded:
        """One household; its income is aimed at a border of the rules more often than not."""
        draw = self.random
        members = tuple(self.member(place) for place in range(draw.choice((0, 1, 1, 2, 3, 4, 5))))
        n = sum(1 for member in members if member.present)
        net = draw.choice((self.line, self.line, self.line, self.monitoring)) * n + draw.choice(
            (-1, 0, 1, 1, draw.randint(-300_000, 300_000), draw.randint(0, 900_000), draw.randint(0, 900_000))
        )
        return built(
            CircumstancesRecorded,
            household=UUID(int=serial + 1),
            version=1,
            division=VILLAGE,
            statuses=self.statuses(),
            members=members,
            living=self.living(net),
            income=tuple(self.income(net)),
            income_declared=self.declared(),
            superseded_by=NOBODY if draw.random() < 0.01 else None,
        )

    def member(self, place: int) -> Member:
        """A member whose birthday often lies on the day judged, the day before or the day after."""
        draw = self.random
        has_lost_job = draw.random() < 0.08
        return built(
            Member,
            pseudonym=NOBODY,
            relation="head" if place == 0 else draw.choice(RELATIONS),
            sex=draw.choice(("male", "female", None)),
            birth_on=self.birth(),
            present=draw.choice((True, True, False, None, None) if has_lost_job else PRESENCES),
            schooling=draw.choice(SCHOOLINGS),
            education=draw.choice(EDUCATIONS),
            health=draw.choice(HEALTHS),
            disability_kind=None,
            disability_level=draw.choice((None,) * 12 + (1, 2, 3, 4)),
            labour=draw.choice(LABOURS),
            medical_cover=draw.choice(COVERS),
            serious_illness_cover=draw.choice(YES_NOS),
            pension_cover=draw.choice(COVERS),
            work_months=None,
            work_monthly_pay_fen=None,
            job_lost_on=self.near(180) if has_lost_job else None,
        )

    def birth(self) -> date | None:
        draw = self.random
        chance = draw.random()
        if chance < 0.02:
            return None
        if chance < 0.5:
            return years_before(self.on, draw.choice(AGE_BORDERS)) + timedelta(days=draw.choice((-1, 0, 1)))
        return years_before(self.on, draw.randint(16, 90)) - timedelta(days=draw.randint(0, 364))

    def near(self, days: int) -> date:
        """A day at the border of a period that looks back, at its near end, or anywhere."""
        draw = self.random
        back = draw.choice((days - 1, days, days + 1, 0, -1, draw.randint(-50, 500)))
        return self.on - timedelta(days=back)

    def living(self, net: int) -> Living:
        draw = self.random
        paid, insured = draw.choice((0, 0, 300_000, draw.randint(0, 2_000_000))), draw.choice((0, 0, 100_000))
        if draw.random() < 0.4:
            paid = max(0, net * 30 // 100 + insured + draw.choice((-1, 0, 1)))
        struck = self.near(365) if draw.random() < 0.3 else None
        return built(
            Living,
            food_assured=draw.choice(YES_NOS),
            clothing_assured=draw.choice(YES_NOS),
            housing_level=draw.choice(HOUSINGS),
            housing_area_m2=None,
            water_safe=draw.choice(YES_NOS),
            road=None,
            electricity=draw.choice(YES_NOS),
            self_paid_medical_fen=draw.choice((paid,) * 15 + (None,)),
            insurance_paid_fen=draw.choice((insured,) * 15 + (None,)),
            disaster_kind=None if struck is None else "flood",
            disaster_on=struck,
            disaster_loss_fen=draw.choice((499_999, 500_000, 500_001, 10, None)),
            headcount_on_form=draw.randint(0, 9),
            main_cause=None,
            other_causes=(),
        )

    def income(self, net: int) -> list[IncomeRow]:
        """Rows that add up to `net` on the day judged, among others that do not count."""
        draw = self.random
        outlay = draw.choice((0, 0, draw.randint(1, 500_000)))
        parts = [draw.randint(0, 600_000) for _ in range(draw.randint(0, 2))]
        paid = draw.choice((0, 0, 0, 63_120, 63_119))
        rest = net + outlay - sum(parts) - paid
        rows = [self.declared_row(draw.choice("ABCD"), fen) for fen in (*parts, rest)]
        if outlay:
            rows.append(self.declared_row("E", outlay))
        if paid:
            rows.append(self.payout(draw.choice(("property_dividend", "other_payout")), paid, draw.choice((0, 1, 30))))
        if draw.random() < 0.3:
            rows.append(self.payout("property_dividend", 700_000, -draw.choice((1, 2))))
        if draw.random() < 0.1:
            rows.append(self.declared_row("A", 5_000_000, years=1))
        if draw.random() < 0.1:
            rows.append(self.payout("patronage_return", -1, 5, component="E"))
        if draw.random() < 0.02:
            rows.append(self.payout("property_dividend", 1, None))
        return rows

    def declared_row(self, component: str, fen: int, years: int = 0) -> IncomeRow:
        first, last = self.year
        return built(
            IncomeRow,
            year_from=years_before(first, years),
            year_to=years_before(last, years),
            component=component,
            item="wage_work",
            source="declared",
            fen=fen,
            paid_on=None,
        )

    def payout(self, item: str, fen: int, days_ago: int | None, component: str = "C") -> IncomeRow:
        """A payment `days_ago`; one with a negative number lies ahead and does not count yet."""
        return built(
            IncomeRow,
            year_from=self.year[0],
            year_to=self.year[1],
            component=component,
            item=item,
            source="payout",
            fen=fen,
            paid_on=None if days_ago is None else self.on - timedelta(days=days_ago),
        )

    def declared(self) -> tuple[tuple[date, date], ...]:
        first, last = self.year
        other = (years_before(first, 1), years_before(last, 1))
        return self.random.choice((((first, last),),) * 10 + (((first, last), other), (other,), ()))

    def statuses(self) -> tuple[StatusSpan, ...]:
        """One status that may begin or end on the day judged or beside it."""
        draw = self.random
        since = self.on - timedelta(days=draw.choice((400,) * 6 + (0, -1)))
        until = draw.choice((None,) * 6 + (self.on, self.on + timedelta(days=1)))
        return (built(StatusSpan, kind=draw.choice(STATUSES), since=since, until=until, decision=None),)


def households(seed: int, count: int, on: date) -> list[CircumstancesRecorded]:
    """`count` hostile households for one judging day."""
    make: Callable[[int], CircumstancesRecorded] = Hostile(seed, on).household
    return [make(serial) for serial in range(count)]


def as_rows(facts: list[CircumstancesRecorded], relation: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """What the database is given: hid and the columns as they were told."""
    rows: list[tuple[Any, ...]] = []
    for hid, fact in enumerate(facts):
        rows += [(hid, *(one[column] for column in columns)) for one in told(fact, relation)]
    return rows


def told(fact: CircumstancesRecorded, relation: str) -> list[dict[str, Any]]:
    match relation:
        case "household":
            return [vars(fact.living) | {"superseded": fact.superseded_by is not None}]
        case "declarations":
            return [{"first_day": first, "last_day": last} for first, last in fact.income_declared]
        case _:
            return [vars(one) for one in getattr(fact, relation)]
