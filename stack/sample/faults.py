"""The faults that clerks make, planted where they are known: what each should be answered with is written down here.

A doubt is counted by check and row; a refusal names the rows that are marked. Nothing in here asks the register's own
checks: the answers would agree with themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from shared.values import citizen_id_check
from stack.sample.nouns import VISITED, Home, Someone


@dataclass(frozen=True, slots=True)
class Planted:
    """植入的错误: the members that are marked (by place in the household) with the code or check that should answer."""

    kind: str
    refuses: bool
    marks: tuple[tuple[int, str], ...]
    elsewhere: tuple[tuple[str, int, str], ...] = field(default=())


Plant = Callable[[Home, "Neighbour | None"], Planted]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A member of another household, whose number somebody else will carry too."""

    number: str
    place: int
    person: Someone


def _find(home: Home, *relations: str) -> tuple[int, Someone]:
    return next((place, one) for place, one in enumerate(home.members) if one.relation in relations)


def _doubt(kind: str, check: str, *places: int) -> Planted:
    return Planted(kind, False, tuple((place, check) for place in places))


def number_of_another_household(home: Home, neighbour: Neighbour | None) -> Planted:
    """I1: the daughter-in-law is still on her parents' form."""
    assert neighbour is not None
    place, one = _find(home, "daughter_in_law")
    known = neighbour.person
    one.name, one.id_number, one.born, one.sex = known.name, known.id_number, known.born, known.sex
    one.schooling, one.education, one.labour, one.health, one.card = (
        "not_student",
        "junior",
        "ordinary",
        "healthy",
        None,
    )
    return replace(
        _doubt("number_of_another_household", "I1", place), elsewhere=((neighbour.number, neighbour.place, "I1"),)
    )


def number_short(home: Home, _: Neighbour | None) -> Planted:
    """I2: a digit forgotten."""
    place, one = _find(home, "spouse")
    one.id_number = one.id_number[:17]
    return _doubt("number_short", "I2", place)


def checksum(home: Home, _: Neighbour | None) -> Planted:
    """I3: a slip of the last digit."""
    place, one = _find(home, "son")
    first, right = one.id_number[:17], citizen_id_check(one.id_number[:17])
    wrong = next(digit for digit in "5678123" if digit != right)
    one.id_number = first + wrong
    return _doubt("checksum", "I3", place)


def card(home: Home, _: Neighbour | None) -> Planted:
    """I4: a class of disability that does not exist."""
    place, one = _find(home, "father")
    one.health, one.card = "disabled", one.id_number + "93"
    return _doubt("card", "I4", place)


def relation_and_sex(home: Home, _: Neighbour | None) -> Planted:
    """I10: a son entered as daughter."""
    place, one = _find(home, "son")
    one.relation = "daughter"
    return _doubt("relation_and_sex", "I10", place)


def headcount(home: Home, _: Neighbour | None) -> Planted:
    """I13: the form counts one more."""
    home.headcount_on_form += 1
    return _doubt("headcount", "I13", 0)


def birth(home: Home, _: Neighbour | None) -> Planted:
    """I18: born a day before the number says so."""
    place, one = _find(home, "spouse")
    one.born -= timedelta(days=1)
    return _doubt("birth", "I18", place)


def child_labour(home: Home, _: Neighbour | None) -> Planted:
    """L1: a toddler with labour."""
    place, one = _find(home, "grandson")
    one.labour = "ordinary"
    return _doubt("child_labour", "L1", place)


def months(home: Home, _: Neighbour | None) -> Planted:
    """L10: thirteen months of work in a year."""
    place, one = _find(home, "son")
    one.workplace, one.months, one.pay_fen = "甘肃省兰州市城关区", 13, 300_000
    return _doubt("months", "L10", place)


def sums(home: Home, _: Neighbour | None) -> Planted:
    """F1: a total that its items do not make."""
    home.written["sums"] = "1"
    return _doubt("sums", "F1", 0)


def no_cover(home: Home, _: Neighbour | None) -> Planted:
    """C4: nobody asked about medical cover."""
    place, one = _find(home, "spouse")
    one.medical = None
    return _doubt("no_cover", "C4", place)


def cause_twice(home: Home, _: Neighbour | None) -> Planted:
    """M2: the second cause is the first."""
    home.main_cause, home.other_causes = "illness", ("illness",)
    return _doubt("cause_twice", "M2", 0)


def _refusal(kind: str, code: str, *places: int) -> Planted:
    return Planted(kind, True, tuple((place, code) for place in places))


def no_head(home: Home, _: Neighbour | None) -> Planted:
    """I7: nobody is the head."""
    home.members[0].relation = "other"
    return _refusal("no_head", "I7", 0)


def two_heads(home: Home, _: Neighbour | None) -> Planted:
    """I8: husband and wife both."""
    home.members[1].relation = "head"
    return _refusal("two_heads", "I8", 0, 1)


def nobody(home: Home, _: Neighbour | None) -> Planted:
    """I12: a household without anybody."""
    home.members.clear()
    return _refusal("nobody", "I12", 0)


def impossible_date(home: Home, _: Neighbour | None) -> Planted:
    """A day that no calendar has."""
    place, one = _find(home, "grandson")
    one.written["birth_on"] = f"{one.born.year}-02-30"
    return _refusal("impossible_date", "date.unreadable", place)


def unknown_code(home: Home, _: Neighbour | None) -> Planted:
    """A word that the list does not have."""
    home.members[0].written["health"] = "还行"
    return _refusal("unknown_code", "code.unknown", 0)


def formula(home: Home, _: Neighbour | None) -> Planted:
    """A cell that wants to be computed."""
    home.members[1].written["name"] = "=HYPERLINK(A1)"
    return _refusal("formula", "cell.formula", 1)


def damaged_number(home: Home, _: Neighbour | None) -> Planted:
    """Digits eaten by a number format."""
    one = home.members[1]
    one.written["id_number"] = f"{one.id_number[0]}.{one.id_number[1:6]}E+17"
    return _refusal("damaged_number", "id.damaged", 1)


def no_name(home: Home, _: Neighbour | None) -> Planted:
    """A person without name."""
    home.members[1].written["name"] = ""
    return _refusal("no_name", "cell.missing", 1)


def cells_differ(home: Home, _: Neighbour | None) -> Planted:
    """The household's group said differently on another row."""
    home.members[2].written["group"] = "九十九组"
    return _refusal("cells_differ", "household.cells_differ", 2)


def short_household_number(home: Home, _: Neighbour | None) -> Planted:
    """A household number of fifteen digits on all its rows."""
    home.number = home.number[:12] + home.number[13:]
    return _refusal("short_household_number", "digits.wrong", *range(len(home.members)))


def member_twice(home: Home, _: Neighbour | None) -> Planted:
    """The same person on two rows."""
    home.members.append(replace(home.members[-1], written={}))
    return _refusal("member_twice", "person.repeated", len(home.members) - 1)


def amount_in_words(home: Home, _: Neighbour | None) -> Planted:
    """An amount that is no number."""
    home.members[0].written["business_crops"] = "三千左右"
    return _refusal("amount_in_words", "money.unreadable", 0)


DOUBTS: tuple[Plant, ...] = (
    number_of_another_household, number_short, checksum, card, relation_and_sex, headcount, birth, child_labour, months,
    sums, no_cover, cause_twice,
)  # fmt: skip
REFUSALS: tuple[Plant, ...] = (
    no_head, two_heads, nobody, impossible_date, unknown_code, formula, damaged_number, no_name, cells_differ,
    short_household_number, member_twice, amount_in_words,
)  # fmt: skip


# --- birthdays --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Birthday:
    """植入的生日: who becomes how old between the visit and the last judgement, and what that changes."""

    kind: str
    age: int
    schooling: str
    education: str | None


BIRTHDAYS = (
    Birthday("six_and_not_in_school", 6, "not_student", "preschool_child"),
    Birthday("seven_and_still_in_preschool", 7, "preschool", None),
    Birthday("sixteen_and_no_longer_obliged", 16, "not_student", "primary"),
)


def born_for(age: int, step: int) -> date:
    """The birth date of somebody who becomes that old `step` days after the visit."""
    day = VISITED + timedelta(days=step)
    return day.replace(year=day.year - age)
