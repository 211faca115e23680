"""The plain judge: the exit standard and the risk signals in plain Python, straight from the texts of the law.

It exists to disagree. It shares no pack, evaluator or resolver with the assessment service (an import contract forbids
it); numbers are typed in again below, with their source. The demo's answer file is made by it, and a test sets it
against the service's evaluator and against the database on 100,000 hostile households. It stands under `stack` because
the demo, which compares a running stack with what should have come out, may not ask a service what is right.

None stands for "cannot be known" throughout.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from shared.events.registry import CircumstancesRecorded, IncomeRow, Living, Member

Answer = bool | None

# National rural poverty line at current prices, yuan a person and year (2015: material of Fengqing county, others to be
# confirmed by the authority).
POVERTY_LINE_YUAN: Final = {2014: 2800, 2015: 2855, 2016: 2952, 2017: 2952, 2018: 2995, 2019: 3218, 2020: 4000}

# Monitoring line, fen: about 1.5 times the poverty line (2020: 5,000 yuan in use; 2021: floor of 6,000 yuan).
MONITORING_LINE_FEN: Final = {
    2014: 420000,
    2015: 428250,
    2016: 442800,
    2017: 442800,
    2018: 449250,
    2019: 482700,
    2020: 500000,
    2021: 600000,
}

# Under which component a payout counts, whatever the register wrote beside it.
PAYOUTS: Final = {"property_dividend": "C", "surplus_dividend": "C", "patronage_return": "B"}

# Trial values of the risk pack.
RISK_POINTS: Final = {
    "rigid_spend": 3,
    "serious_illness": 3,
    "job_loss": 2,
    "disaster": 3,
    "no_labour": 2,
    "near_line": 2,
}
ATTENTION_FROM: Final = 3
HIGH_FROM: Final = 6
DISASTER_LOSS_FROM_FEN: Final = 5_000_00


@dataclass(frozen=True)
class PlainJudgement:
    """What the plain judge says: a verdict of each pack; each criterion True, False or None (cannot be known)."""

    exit: str
    risk: str
    exit_criteria: dict[str, Answer]
    risk_criteria: dict[str, Answer]

    def failed(self, pack: str) -> list[str]:
        """Criteria that do not hold."""
        criteria = self.exit_criteria if pack == "exit" else self.risk_criteria
        return [code for code, answer in criteria.items() if answer is False]

    def unknown(self, pack: str) -> list[str]:
        """Criteria that cannot be known."""
        criteria = self.exit_criteria if pack == "exit" else self.risk_criteria
        return [code for code, answer in criteria.items() if answer is None]


def judge(household: CircumstancesRecorded, on: date) -> PlainJudgement:
    """Judge one household for one day."""
    exit_criteria = judge_exit(household, on)
    risk_criteria = judge_risk(household, on)
    is_live = household.superseded_by is None
    statuses = {s.kind for s in household.statuses if s.since <= on and (s.until is None or on < s.until)}
    is_poor, is_registered = is_live and "poor" in statuses, is_live and bool(statuses)
    return PlainJudgement(
        exit=exit_verdict(exit_criteria) if is_poor else "not_applicable",
        risk=risk_verdict(risk_criteria) if is_registered else "not_applicable",
        exit_criteria=exit_criteria if is_poor else {},
        risk_criteria=risk_criteria if is_registered else {},
    )


def exit_verdict(criteria: dict[str, Answer]) -> str:
    """One criterion that does not hold is enough to stay; one that cannot be known is enough to ask first."""
    if False in criteria.values():
        return "unmet"
    return "unknown" if None in criteria.values() else "met"


def risk_verdict(criteria: dict[str, Answer]) -> str:
    """Points of the signals that are certain; what is uncertain matters only below the first band."""
    certain = sum(RISK_POINTS[code] for code, is_free in criteria.items() if is_free is False)
    possible = certain + sum(RISK_POINTS[code] for code, is_free in criteria.items() if is_free is None)
    if certain >= HIGH_FROM:
        return "high"
    if certain >= ATTENTION_FROM:
        return "attention"
    return "unknown" if possible >= ATTENTION_FROM else "none"


def age_on(born: date, on: date) -> int:
    """Full years of life: a year is full on the birthday (born on 29 February: on 1 March of common years)."""
    had_birthday = (on.month, on.day) >= (born.month, born.day)
    return on.year - born.year - (0 if had_birthday else 1)


def net_income_fen(household: CircumstancesRecorded, on: date) -> int | None:
    """A + B + C + D - E of the income year of the day judged (October to September); without declaration unknown."""
    first, last = date(on.year - 1, 10, 1), date(on.year, 9, 30)
    if (first, last) not in household.income_declared:
        return None
    total = 0
    for row in household.income:
        if (row.year_from, row.year_to) != (first, last):
            continue
        component = component_of(row)
        if component == "not_counted":
            continue
        if row.source == "payout":
            if row.paid_on is None:
                return None
            if row.paid_on > on:
                continue
        total += -row.fen if component == "E" else row.fen
    return total


def component_of(row: IncomeRow) -> str:
    """What a row counts as."""
    return PAYOUTS.get(row.item, row.component) if row.source == "payout" else row.component


def headcount(members: Iterable[Member]) -> int | None:
    """Members present on file; one whose presence is unknown makes the number unknown."""
    present = 0
    for member in members:
        if member.present is None:
            return None
        present += member.present
    return present


def judge_exit(household: CircumstancesRecorded, on: date) -> dict[str, Answer]:
    """Leaving poverty: above the line, two assurances, three guarantees, and water."""
    living = household.living
    n = headcount(household.members)
    net = net_income_fen(household, on)
    line = POVERTY_LINE_YUAN.get(on.year)
    return {
        "people": None if n is None else n >= 1,
        "income": None if n is None or net is None or line is None else net > n * line * 100,
        "food": yes(living.food_assured),
        "clothing": yes(living.clothing_assured),
        "school": everybody(is_schooled(member, on) for member in household.members),
        "medical": everybody(is_covered(member) for member in household.members),
        "housing": None if living.housing_level is None else living.housing_level in "AB",
        "water": yes(living.water_safe),
    }


def yes(answer: str | None) -> Answer:
    """A refused answer is no answer."""
    return {"yes": True, "no": False}.get(answer or "")


def everybody(answers: Iterable[Answer]) -> Answer:
    """False if it is false of one; unknown if it is unknown of one; else true."""
    doubtful = False
    for answer in answers:
        if answer is False:
            return False
        doubtful = doubtful or answer is None
    return None if doubtful else True


def unless(excused: Answer, holds: Answer) -> Answer:
    """Something must hold, unless excused."""
    if excused is True or holds is True:
        return True
    return None if excused is None or holds is None else False


def is_schooled(member: Member, on: date) -> Answer:
    """Children of six to fifteen who are present go to school, have finished junior school, or cannot by health."""
    is_child = None if member.birth_on is None else 6 <= age_on(member.birth_on, on) <= 15
    is_obliged = False if member.present is False or is_child is False else None
    if member.present and is_child:
        is_obliged = True
    excused_of_duty = None if is_obliged is None else not is_obliged
    if excused_of_duty:
        return True
    return unless(excused_of_duty, unless(cannot_study(member), studies(member, on)))


def cannot_study(member: Member) -> Answer:
    """Seriously ill, or severely disabled (levels 1 and 2); no level on file means none."""
    if member.disability_level is not None and member.disability_level <= 2:
        return True
    return None if member.health is None else member.health in ("serious", "serious_disabled")


def studies(member: Member, on: date) -> Answer:
    """In school, or (below seven) in preschool, or out of it with junior education or more."""
    if member.schooling is None:
        return None
    if member.schooling == "preschool":
        return None if member.birth_on is None else age_on(member.birth_on, on) < 7
    if member.schooling == "not_student":
        return (
            None if member.education is None else member.education not in ("preschool_child", "illiterate", "primary")
        )
    return True


def is_covered(member: Member) -> Answer:
    """Basic medical insurance of residents or of employees, for everybody present."""
    has_cover = None if member.medical_cover is None else member.medical_cover != "none"
    return unless(None if member.present is None else not member.present, has_cover)


def judge_risk(household: CircumstancesRecorded, on: date) -> dict[str, Answer]:
    """Six signals; True means free of it."""
    living, members = household.living, household.members
    n, net = headcount(members), net_income_fen(household, on)
    line = MONITORING_LINE_FEN.get(min(on.year, 2021))
    return {
        "rigid_spend": has_bearable_spend(living, net),
        "serious_illness": everybody(away_or(member, is_not_seriously_ill(member)) for member in members),
        "job_loss": everybody(away_or(member, has_not_lost_job(member, on)) for member in members),
        "disaster": is_free_of_disaster(living, on),
        "no_labour": somebody(can_work(member, on) for member in members),
        "near_line": None if n is None or net is None or line is None else net >= n * line,
    }


def has_bearable_spend(living: Living, net: int | None) -> Answer:
    """Self-paid medical spend less what insurance paid, below thirty per cent of net income."""
    if living.self_paid_medical_fen is None or living.insurance_paid_fen is None:
        return None
    burden = living.self_paid_medical_fen - living.insurance_paid_fen
    if burden <= 0:
        return True
    return None if net is None else 100 * burden < 30 * net


def away_or(member: Member, holds: Answer) -> Answer:
    """Only members present matter."""
    return unless(None if member.present is None else not member.present, holds)


def is_not_seriously_ill(member: Member) -> Answer:
    """Serious illness, with or without disability."""
    return None if member.health is None else not member.health.startswith("serious")


def has_not_lost_job(member: Member, on: date) -> bool:
    """Lost within the last 180 days, the day judged included."""
    lost = member.job_lost_on
    return lost is None or not timedelta(0) <= on - lost < timedelta(days=180)


def is_free_of_disaster(living: Living, on: date) -> Answer:
    """A disaster within the last 365 days that cost 5,000 yuan or more."""
    struck = living.disaster_on
    if struck is None or not timedelta(0) <= on - struck < timedelta(days=365):
        return True
    return None if living.disaster_loss_fen is None else living.disaster_loss_fen < DISASTER_LOSS_FROM_FEN


def can_work(member: Member, on: date) -> Answer:
    """Present, sixteen to fifty-nine, and fit for work to some degree."""
    is_fit = None if member.labour is None else member.labour in ("ordinary", "skilled", "weak")
    is_of_age = None if member.birth_on is None else 16 <= age_on(member.birth_on, on) <= 59
    parts = (member.present, is_fit, is_of_age)
    if False in parts:
        return False
    return None if None in parts else True


def somebody(answers: Iterable[Answer]) -> Answer:
    """True if it is true of one; unknown if it is unknown of one; else false."""
    doubtful = False
    for answer in answers:
        if answer is True:
            return True
        doubtful = doubtful or answer is None
    return None if doubtful else False
