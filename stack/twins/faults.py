"""How somebody comes to stand in the register twice: where the second entry was made, and what was written wrong.

The shares are assumptions (docs/one-person-once.md says which); what comes out is told by kind, so that a county with
other shares can read its own figure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

import polars as pl

from shared.values import citizen_id_check
from stack.twins.register import AREAS, ROW, Register, draw, mislead, written
from stack.twins.words import FEMALE, LOOKS, MALE, PREFIXES, SOUNDS, SPELLINGS, SURNAMES, VARIANTS

ID_FAULTS = {
    "equal": 0.405,
    "old": 0.02,
    "slip": 0.21,
    "cut": 0.046,
    "two slips": 0.04,
    "another": 0.019,
    "missing": 0.26,
}
FAULTS = {
    "none": 0.33, "homophone": 0.12, "variant": 0.065, "looks alike": 0.045, "dropped": 0.02, "shortened": 0.015,
    "reversed": 0.01, "other surname": 0.025, "nickname": 0.025, "sex": 0.045, "lunar": 0.07, "birth typed": 0.06,
    "day and month": 0.045, "new year": 0.025, "no birth": 0.015, "two faults": 0.085,
}  # fmt: skip
"""One each; `two faults` is one of the name and one of the birth. Half the Tibetan and Uyghur are spelled otherwise."""
NAME_FAULTS = ("homophone", "variant", "looks alike", "dropped", "shortened", "reversed", "other surname")
BIRTH_FAULTS = ("lunar", "birth typed", "day and month", "new year")
MOVES = {
    "same household": 0.15,
    "same village": 0.25,
    "other village": 0.16,
    "other county": 0.14,
    "whole household": 0.30,
}
DUPLICATES = 0.015
THRICE = 0.03
"""So many second entries are of somebody who has a second one already."""
BORROWED = 0.0003
"""So many entries carry another's valid number."""
Row = dict[str, Any]


def make_register(persons: int, seed: int) -> Register:
    """Everybody once, some twice; the second entries last, entities tell who is who."""
    chance = Random(seed)
    drawn = draw(persons, seed)
    planted = mislead(drawn, chance)
    rows = written(drawn, seed)
    base = len(rows["name"])
    rows["entity"] = list(range(base))
    for name in ("id_fault", "name_fault", "move"):
        rows[name] = [""] * base
    _borrow(rows, chance, int(base * BORROWED))
    copies = _Copies(rows, chance)
    copies.make(int(base * DUPLICATES))
    frame = pl.DataFrame({name: rows[name] for name in ROW}, schema=ROW)
    second = pl.DataFrame(copies.made, schema=ROW) if copies.made else frame.clear()
    return Register(pl.concat([frame, second]), planted)


def _borrow(rows: dict[str, list[Any]], chance: Random, count: int) -> None:
    """Another's valid number: mostly of one's own household."""
    numbers = rows["id_number"]
    for _ in range(count):
        one = chance.randrange(len(numbers) - 1)
        other = one + 1 if chance.random() < 0.7 else chance.randrange(len(numbers))
        if numbers[other] is not None and other != one:
            numbers[one] = numbers[other]


@dataclass(slots=True)
class _Copies:
    """Second entries of people who stand there already."""

    rows: dict[str, list[Any]]
    chance: Random
    made: list[Row] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)
    moved: int = 0

    def make(self, wanted: int) -> None:
        base, moves = len(self.rows["name"]), list(MOVES)
        members: dict[int, list[int]] = {}
        for at, home in enumerate(self.rows["household_no"]):
            members.setdefault(home, []).append(at)
        households = int(wanted * MOVES["whole household"])
        while len(self.made) < households:
            self._move_home(members[self.rows["household_no"][self.chance.randrange(base)]])
        while len(self.made) < wanted:
            move = self.chance.choices(moves[:-1], [MOVES[one] for one in moves[:-1]])[0]
            at = self.chance.randrange(base)
            place = self._place(at, move)
            if at not in self.taken and place is not None:
                self._copy(at, move, *place)
                if self.chance.random() < THRICE:
                    self._again(at, moves[:-1])

    def _again(self, at: int, moves: list[str]) -> None:
        """A third entry, somewhere else."""
        move = self.chance.choice(moves)
        if place := self._place(at, move):
            self._copy(at, move, *place)

    def _move_home(self, home: list[int]) -> None:
        """A household that moved, and was entered anew as a whole."""
        if len(home) < 2 or self.taken & set(home):
            return
        self.moved += 1
        number = 10_000_000 + self.moved
        division = self.rows["division"][self.chance.randrange(len(self.rows["name"]))]
        for at in home:
            self._copy(at, "whole household", number, division)

    def _place(self, at: int, move: str) -> tuple[int, int] | None:
        """Another household to be entered in."""
        division = self.rows["division"][at]
        if move == "same household":
            return self.rows["household_no"][at], division
        for _ in range(400):
            other = self.chance.randrange(len(self.rows["name"]))
            if move == "same village":
                other = min(max(at + self.chance.randrange(-900, 900), 0), len(self.rows["name"]) - 1)
            there = self.rows["division"][other]
            same_county = there // 10**6 == division // 10**6
            fits = {"same village": there == division, "other village": same_county and there != division}
            if fits.get(move, not same_county) and self.rows["household_no"][other] != self.rows["household_no"][at]:
                return self.rows["household_no"][other], there
        return None

    def _copy(self, at: int, move: str, household: int, division: int) -> None:
        self.taken.add(at)
        row = {name: self.rows[name][at] for name in ROW}
        row |= {"household_no": household, "division": division, "move": move}
        row["is_head"] = bool(row["is_head"]) and move == "whole household"
        people = self.rows["people"][at]
        kind = self.chance.choices(list(FAULTS), list(FAULTS.values()))[0]
        if people and self.chance.random() < 0.5:
            kind = "spelled otherwise"
        row["name_fault"] = _write_wrong(kind, row, people, self.chance)
        row["id_fault"] = "missing"
        if row["id_number"] is not None:
            row["id_fault"] = self.chance.choices(list(ID_FAULTS), list(ID_FAULTS.values()))[0]
            row["id_number"], row["id_fault"] = _number_wrong(row["id_fault"], row["id_number"], self.chance)
        self._phone(row)
        self.made.append(row)

    def _phone(self, row: Row) -> None:
        drawn = self.chance.random()
        if drawn < 0.3:
            row["phone"] = None
        elif drawn < 0.55:
            row["phone"] = f"197{self.chance.randrange(10**8):08d}"


def _number_wrong(fault: str, number: str, chance: Random) -> tuple[str | None, str]:
    """The number as it was written the second time, and what was done in truth."""
    if fault == "missing":
        return None, fault
    if fault == "old":
        return (number[:6] + number[8:17], fault) if number[6:8] == "19" else (number, "equal")
    if fault == "slip":
        return _slip(number, chance), fault
    if fault == "two slips":
        return _slip(_slip(number, chance), chance), fault
    if fault == "cut":
        return number[:15] + "000", fault
    if fault == "another":
        seventeen = chance.choice(sorted(AREAS)) + number[6:14] + f"{chance.randrange(1, 1000):03d}"
        return seventeen + citizen_id_check(seventeen), fault
    return number, fault


def _slip(number: str, chance: Random) -> str:
    """One digit wrong (mostly), two neighbours exchanged, or one left out."""
    drawn = chance.random()
    while True:
        at = chance.randrange(min(17, len(number) - 1))
        if drawn < 0.6:
            slipped = number[:at] + chance.choice("0123456789") + number[at + 1 :]
        elif drawn < 0.85:
            slipped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
        else:
            slipped = number[:at] + number[at + 1 :]
        if slipped != number:
            return slipped


def _write_wrong(kind: str, row: Row, people: int, chance: Random) -> str:
    """Apply a fault; answers what was done in truth, since not every name can suffer every fault."""
    if kind == "two faults":
        done = [_write_wrong(chance.choice(one), row, people, chance) for one in (NAME_FAULTS, BIRTH_FAULTS)]
        return kind if "none" not in done else next((one for one in done if one != "none"), "none")
    if kind == "sex":
        row["sex"] = "female" if row["sex"] == "male" else "male"
    elif kind in _BIRTHS:
        row["birth_on"] = _BIRTHS[kind](row["birth_on"], chance)
    elif kind in _NAMES:
        name = _NAMES[kind](row["name"], chance)
        if name is None or name == row["name"]:
            return "none"
        row["name"] = name
    return kind


def _groups(*lists: list[str]) -> dict[str, list[str]]:
    """To each character the others of its groups."""
    others: dict[str, list[str]] = {}
    for group in (group for groups in lists for group in groups):
        for one in group:
            others.setdefault(one, []).extend(other for other in group if other != one)
    return others


_SOUNDS, _LOOKS, _VARIANTS = _groups(SOUNDS), _groups(LOOKS), _groups(VARIANTS)


def _other(groups: dict[str, list[str]]) -> Callable[[str, Random], str | None]:
    """One character of the name by another of its group."""

    def change(name: str, chance: Random) -> str | None:
        places = [at for at, one in enumerate(name) if groups.get(one)]
        if not places:
            return None
        at = chance.choice(places)
        return name[:at] + chance.choice(groups[name[at]]) + name[at + 1 :]

    return change


def _spelled_otherwise(name: str, chance: Random) -> str | None:
    for group in chance.sample(SPELLINGS, len(SPELLINGS)):
        ways = group.split("/")
        for way in ways:
            if way in name:
                return name.replace(way, chance.choice([one for one in ways if one != way]), 1)
    return None


def _dropped(name: str, chance: Random) -> str | None:
    """A character left out, never the family's."""
    if "·" in name:
        return name.split("·")[0]
    at = chance.randrange(1, max(len(name), 2))
    return name[:at] + name[at + 1 :] if len(name) >= 3 else None


def _shortened(name: str, _: Random) -> str | None:
    """The own name alone."""
    return name.split("·")[0] if "·" in name else name[1:] if len(name) == 3 else None


def _reversed(name: str, _: Random) -> str | None:
    return name[1:] + name[0] if len(name) in (2, 3) else None


def _surname(name: str, chance: Random) -> str | None:
    return chance.choice(SURNAMES) + name[1:] if "·" not in name and len(name) in (2, 3) else None


def _nickname(name: str, chance: Random) -> str | None:
    return (chance.choice(PREFIXES) + name[-1]) if chance.random() < 0.5 else name[0] + chance.choice(MALE + FEMALE)


_NAMES: dict[str, Callable[[str, Random], str | None]] = {
    "homophone": _other(_SOUNDS), "looks alike": _other(_LOOKS), "variant": _other(_VARIANTS), "dropped": _dropped,
    "shortened": _shortened, "reversed": _reversed, "other surname": _surname, "nickname": _nickname,
    "spelled otherwise": _spelled_otherwise,
}  # fmt: skip


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _exchanged(born: date, chance: Random) -> date:
    return _day(born.year, born.day, born.month) or _typed(born, chance)


def _typed(born: date, chance: Random) -> date:
    """One digit of the date wrong."""
    text = f"{born:%Y%m%d}"
    while True:
        at = chance.choice((2, 3, 3, 4, 5, 5, 6, 7, 7))
        wrong = text[:at] + chance.choice("0123456789") + text[at + 1 :]
        other = _day(int(wrong[:4]), int(wrong[4:6]), int(wrong[6:]))
        if other is not None and other != born and 1900 < other.year < 2021:
            return other


_BIRTHS: dict[str, Callable[[date, Random], date | None]] = {
    "lunar": lambda born, chance: born - timedelta(days=chance.randrange(18, 53)),
    "birth typed": _typed,
    "day and month": _exchanged,
    "new year": lambda born, _: date(born.year, 1, 1),
    "no birth": lambda _born, _chance: None,
}
