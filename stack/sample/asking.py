"""What a plain reader would ask about a household that was drawn as it is: its doubts, counted without the register's
own checks, one by one and with the numbers written out.

Only what drawn lives can raise stands here (somebody of sixteen with primary school, a dangerous house that nobody
monitors); what a clerk gets wrong is planted (`faults`). A doubt that neither names fails the comparison.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.registry.domain.fields import COMPONENT_OF
from stack.sample.nouns import VISITED, Home, Someone

Asked = Iterator[tuple[int, str]]
_LITTLE = ("preschool_child", "illiterate", "primary")
_HIGHER = ("technician", "college", "bachelor")
_LEAST_YUAN = {
    "transfer_minimum_living": 200,
    "transfer_family_planning": 100,
    "transfer_pension": 88,
    "transfer_special_hardship": 200,
}
_MOST_MU = {"returned_forest_mu": 200, "orchard_mu": 200, "pasture_mu": 100, "water_mu": 100}
_MOST_MU_A_HEAD = {"arable_mu": (100, 50), "forest_mu": (200, 70)}


def asked_of(home: Home) -> list[tuple[int, str]]:
    """Place of the member (0 for the household) and check, once for each thing that is asked."""
    found = [*_of_home(home)]
    for place, one in enumerate(home.members):
        found += ((place, check) for check in _of_person(home, one))
    return found


def _monitored(home: Home) -> bool:
    return "monitored" in _kinds(home)


def _kinds(home: Home) -> set[str]:
    return {kind for kind, _ in home.statuses}


def _of_person(home: Home, one: Someone) -> Iterator[str]:
    age, out = one.age_on(VISITED), one.schooling == "not_student"
    works = (one.months or 0) > 0
    if one.schooling.startswith(_HIGHER) and age < 18:
        yield "A7"
    if 16 <= age <= 22 and one.education in _LITTLE:
        yield "A8"
    if 6 <= age <= 15 and out and not _monitored(home):
        yield "A12"
    if one.labour in ("none", "lost") and works:
        yield "L6"
    if not out and works:
        yield "L8"
    able = one.labour == "skilled" or one.education in ("college", "bachelor", "master")
    if 16 <= age <= 59 and out and able and not works:
        yield "L17"


def _of_home(home: Home) -> Asked:
    questions = [*_of_living(home), *_of_land(home), *_of_income(home)]
    if _cause_is_unfounded(home):
        questions.append("M1")
    yield from ((0, check) for check in questions)


def _of_living(home: Home) -> Iterator[str]:
    if not _monitored(home):
        yield from ["C1"] * ((home.housing in ("C", "D")) + (home.water == "no"))
    unknown = (home.water is None, not home.electricity, not home.road, float(home.housing_area) == 0)
    yield from ["C6"] * sum(unknown)


def _of_land(home: Home) -> Iterator[str]:
    area = {name: float(text) for name, text in home.land.items()}
    wide = [name for name, most in _MOST_MU.items() if area.get(name, 0) > most]
    for name, (most, a_head) in _MOST_MU_A_HEAD.items():
        if area.get(name, 0) > min(most, a_head * len(home.members)):
            wide.append(name)
    given_back = area.get("returned_forest_mu", 0) > area.get("forest_mu", 0) + area.get("pasture_mu", 0)
    yield from ["F8"] * (len(wide) + (given_back and "returned_forest_mu" not in wide))


def _of_income(home: Home) -> Iterator[str]:
    a_head = _net(home) // max(1, home.headcount_on_form)
    if a_head <= 0 or a_head > 10_000_000 or (a_head < 400_000 and not home.is_poor):
        yield "F2"
    yield from ["F5"] * sum(0 < home.income.get(item, 0) < yuan * 100 for item, yuan in _LEAST_YUAN.items())
    if (home.income.get("wage_work", 0) > 0) != any((one.months or 0) > 0 for one in home.members):
        yield "L18"


def _net(home: Home) -> int:
    """As the form writes it; a wrongly computed total is carried on."""
    net = sum(-fen if COMPONENT_OF[item] == "E" else fen for item, fen in home.income.items())
    return net + (10_000 if "sums" in home.written else 0)


def _cause_is_unfounded(home: Home) -> bool:
    people = home.members
    match home.main_cause:
        case "illness":
            return all(one.health == "healthy" for one in people)
        case "schooling":
            return all(one.schooling == "not_student" for one in people)
        case "disability":
            return not any(one.health.endswith("disabled") for one in people)
        case "labour":
            return sum(one.labour in ("ordinary", "skilled") for one in people) * 4 > len(people)
    return False
