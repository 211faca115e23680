"""Invented households written into the national form, the way that many hands fill it in: spellings vary by village."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import xlsxwriter

from services.registry.domain.fields import BY_NAME, COMPONENT_OF, FIELDS, INCOME_ITEM_NAMES, Kind, Level
from stack.sample.nouns import YEAR, Home, Someone

COLUMNS = tuple(field.name for field in FIELDS if not (field.into == "medical_cover" or field.into == "pension_cover"))
TITLE = "农村住户登记表"
_DATES = ("{0:%Y-%m-%d}", "{0.year}.{0.month}.{0.day}", "{0:%Y%m%d}", "{0.year}年{0.month}月{0.day}日")
_OF_HOUSEHOLD = tuple(name for name in COLUMNS if BY_NAME[name].level is not Level.PERSON)


def yuan(fen: int) -> str:
    """Fen as yuan with two decimals."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


class Hand:
    """笔迹: how one village writes: its dates, and whether household cells stand once or on every row."""

    def __init__(self, village: str) -> None:
        self._dates = _DATES[int(village[-3:]) % len(_DATES)]
        self.repeats = int(village[-3:]) % 7 == 0
        self.short_relations = int(village[-3:]) % 5 == 0

    def day(self, day: date | None) -> str:
        """A date in this hand."""
        return "" if day is None else self._dates.format(day)


def label(name: str, code: str | None) -> str:
    """The form's word for a code; what is not known is not filled in."""
    codes = BY_NAME[name].codes
    assert codes is not None, name
    return "" if code is None else codes.label(code)


def rows_of(home: Home, names: dict[str, str]) -> Iterator[dict[str, str]]:
    """The household's rows: field name → cell."""
    hand = Hand(home.village)
    about = _about(home, hand, names)
    if not home.members:
        yield about
    for place, one in enumerate(home.members):
        cells = about if place == 0 or hand.repeats else {"number": home.number}
        yield cells | _person(home, place, one, hand) | one.written


def _about(home: Home, hand: Hand, names: dict[str, str]) -> dict[str, str]:
    since = {kind: hand.day(day) for kind, day in home.statuses}
    disaster = home.disaster or (None, None, None)
    return {
        "number": home.number,
        "division": home.village,
        "group": home.group,
        **names,
        "registered_on": hand.day(home.registered_on),
        "statuses": "、".join(label("statuses", kind) for kind, _ in home.statuses),
        "poor_since": since.get("poor", ""),
        "lifted_since": since.get("lifted", ""),
        "monitored_since": since.get("monitored", ""),
        "minimum_living_since": since.get("minimum_living", ""),
        "special_hardship_since": since.get("special_hardship", ""),
        "main_cause": label("main_cause", home.main_cause),
        "other_causes": "、".join(label("other_causes", cause) for cause in home.other_causes),
        "headcount_on_form": str(home.headcount_on_form),
        "food_assured": label("food_assured", home.food),
        "clothing_assured": label("clothing_assured", home.clothing),
        "housing_level": label("housing_level", home.housing),
        "housing_area_m2": home.housing_area,
        "water_safe": label("water_safe", home.water),
        "road": label("road", home.road),
        "electricity": label("electricity", home.electricity),
        "self_paid_medical_fen": yuan(home.self_paid_fen),
        "insurance_paid_fen": yuan(home.insurance_fen),
        "disaster_kind": label("disaster_kind", disaster[0]),
        "disaster_on": hand.day(disaster[1]),
        "disaster_loss_fen": "" if disaster[2] is None else yuan(disaster[2]),
        **home.land,
        **_income(home, hand),
        **{name: text for name, text in home.written.items() if name in BY_NAME},
    }


def _income(home: Home, hand: Hand) -> dict[str, str]:
    """Items as they are, totals as the form has them computed (or, where a fault says so, computed wrongly)."""
    sums = dict.fromkeys("ABCDE", 0)
    for item, fen in home.income.items():
        sums[COMPONENT_OF[item]] += fen
    sums["A"] += 10_000 if "sums" in home.written else 0
    net = sums["A"] + sums["B"] + sums["C"] + sums["D"] - sums["E"]
    return {
        "income_year_from": hand.day(YEAR[0]),
        "income_year_to": hand.day(YEAR[1]),
        **{item: yuan(home.income[item]) for item in INCOME_ITEM_NAMES if item in home.income},
        **{f"declared_{one.lower()}_fen": yuan(fen) for one, fen in sums.items()},
        "declared_net_fen": yuan(net),
        "declared_per_capita_fen": yuan(net // max(1, home.headcount_on_form)),
    }


def _person(home: Home, place: int, one: Someone, hand: Hand) -> dict[str, str]:
    relation = label("relation", one.relation)
    if hand.short_relations and one.relation in ("son", "daughter", "father", "mother"):
        relation = relation.removeprefix("之")
    return {
        "person_number": f"{home.number}{place + 1:02d}",
        "name": one.name,
        "sex": label("sex", one.sex),
        "birth_on": hand.day(one.born),
        "id_kind": "居民身份证",
        "id_number": one.id_number,
        "relation": relation,
        "ethnicity": label("ethnicity", one.ethnicity),
        "political": label("political", one.political),
        "schooling": label("schooling", one.schooling),
        "education": label("education", one.education),
        "health": label("health", one.health),
        "disability_card": one.card or "",
        "labour": label("labour", one.labour),
        "medical_cover": label("medical_cover", one.medical),
        "serious_illness_cover": label("serious_illness_cover", one.serious),
        "pension_cover": label("pension_cover", one.pension),
        "workplace": one.workplace or "",
        "work_months": "" if one.months is None else str(one.months),
        "work_monthly_pay_fen": "" if one.pay_fen is None else yuan(one.pay_fen),
        "job_lost_on": hand.day(one.job_lost_on),
        "phone": one.phone or "",
        "present": label("present", "present" if one.present else "away"),
    }


class Book:
    """登记表: the same rows into a workbook and a text table, one at a time."""

    first_row = 3

    def __init__(self, folder: Path) -> None:
        self.row = self.first_row
        self._text = (folder / "register.csv").open("w", encoding="utf-8-sig", newline="")
        self._csv = csv.writer(self._text)
        self._book: Any = xlsxwriter.Workbook(folder / "register.xlsx", {"constant_memory": True})
        self._page = self._book.add_worksheet("登记表")
        self._line(0, [TITLE])
        self._line(1, [_heading(name) for name in COLUMNS])

    def _line(self, line: int, cells: list[str]) -> None:
        self._csv.writerow(cells + [""] * (len(COLUMNS) - len(cells)))
        for column, cell in enumerate(cells):
            if cell:
                self._page.write_string(line, column, cell)

    def add(self, row: dict[str, str]) -> int:
        """Write one row; answers its number in the file."""
        number = self.row
        self._line(number - 1, [row.get(name, "") for name in COLUMNS])
        self.row += 1
        return number

    def close(self) -> None:
        """Finish both files."""
        self._text.close()
        self._book.close()


def _heading(name: str) -> str:
    field = BY_NAME[name]
    return f"{field.zh}（{field.unit}）" if field.unit and field.kind in (Kind.MONEY, Kind.AREA) else field.zh
