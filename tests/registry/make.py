"""Plain builders: forms as the domain knows them and as officers send them."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

from services.registry.domain import HouseholdEntry, IncomeRow, Living, MemberEntry, Person
from shared.values import HouseholdNumber, Period, new_id
from tests.registry.ground import VILLAGE
from tests.registry.sheets import citizen_id

DAY = date(2019, 8, 20)
YEAR = Period(date(2018, 10, 1), date(2019, 9, 30))


def make_person(name: str = "李秀英", order: int = 2, born: str = "1980-03-05", **more: Any) -> Person:
    number = citizen_id(born.replace("-", ""), order)
    given: dict[str, Any] = {"sex": "female", "birth_on": date.fromisoformat(born), "id_kind": "citizen_id"}
    given |= {"id_number": number, "present": True, "labour": "ordinary", "health": "healthy"}
    given |= {"id": new_id(), "pseudonym": uuid4(), "name": name} | more
    return Person(**given)


def make_entry(serial: int = 1, order: int = 2, members: int = 2, **more: Any) -> HouseholdEntry:
    """李秀英 and her children; `order` keeps their numbers apart from other households'."""
    people = [MemberEntry(make_person(order=order), "head")]
    for child in range(members - 1):
        person = make_person(f"王小{'明红强'[child]}", order + child, f"2010-0{child + 1}-12", sex=None, labour="none")
        people.append(MemberEntry(person, "other"))
    given: dict[str, Any] = {
        "group": "二组",
        "statuses": (("poor", date(2014, 3, 1)),),
        "living": Living(housing_level="A", water_safe="yes"),
        "income": (IncomeRow(YEAR, "A", "wage_work", "declared", "wage_work", 900_000),),
    }
    number = HouseholdNumber(f"{VILLAGE.text}{serial:04d}")
    return HouseholdEntry(number=number, division=VILLAGE, members=tuple(people), **(given | more))


def household_body(serial: int = 1, order: int = 2, **more: Any) -> dict[str, Any]:
    """A household as an officer sends it."""
    head: dict[str, Any] = {
        "relation": "head",
        "name": "李秀英",
        "sex": "female",
        "birth_on": "1980-03-05",
        "id_kind": "citizen_id",
    }
    head |= {"id_number": citizen_id("19800305", order), "phone": "13812345678", "health": "serious", "present": True}
    son: dict[str, Any] = {
        "relation": "son",
        "name": "王小明",
        "sex": "male",
        "birth_on": "2010-01-12",
        "id_kind": "citizen_id",
    }
    son |= {"id_number": citizen_id("20100112", order + 1), "health": "healthy", "present": True, "labour": "none"}
    body: dict[str, Any] = {
        "number": f"{VILLAGE.text}{serial:04d}",
        "division": VILLAGE.text,
        "observed_on": "2019-08-20",
        "group": "二组",
        "statuses": [{"kind": "poor", "since": "2014-03-01"}],
        "living": {"housing_level": "A", "self_paid_medical": "3200.00", "main_cause": "illness"},
        "income": [{"year_from": "2018-10-01", "year_to": "2019-09-30", "items": {"wage_work": "9000.00"}}],
        "members": [head, son],
    }
    return body | more
