"""Cases that officers can read and sign: a model household and what is different about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from services.assessment.rules import PACKS
from shared.events.registry import CircumstancesRecorded
from shared.values import DivisionCode, Money, new_id
from tests.assessment.make import VILLAGE, YEAR, make_household, make_income, make_living, make_member

FOLDER = Path(__file__).parent / "cases"
ASKED = {
    "head", "child", "members", "living", "net", "income", "income_more", "payout", "declared", "status", "statuses",
    "merged",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """案例: a name, a place and a day, what is given and what is expected."""

    pack: str
    name: str
    covers: tuple[str, ...]
    place: DivisionCode
    on: date
    given: dict[str, Any]
    expected: dict[str, Any]
    says: dict[str, str]

    def household(self) -> CircumstancesRecorded:
        """The model household with its differences."""
        assert set(self.given) <= ASKED, f"{self.name}: {set(self.given) - ASKED} means nothing"
        more: dict[str, Any] = {}
        if "status" in self.given:
            more["status"] = self.given["status"]
        if "statuses" in self.given:
            more["statuses"] = self.given["statuses"]
        if "declared" in self.given:
            more["declared"] = [tuple(years) for years in self.given["declared"]]
        return make_household(
            division=self.place,
            members=_members(self.given),
            living=make_living(**self.given.get("living", {})),
            income=_income(self.given),
            superseded_by=new_id() if self.given.get("merged") else None,
            **more,
        )


def _members(given: dict[str, Any]) -> list[Any]:
    told = given.get("members", [given.get("head", {})])
    if "child" in given:
        told = [*told, {"relation": "son", "labour": "none"} | given["child"]]
    return [make_member(**({"relation": "head"} if place == 0 else {}) | one) for place, one in enumerate(told)]


def _income(given: dict[str, Any]) -> list[Any]:
    rows = given.get("income", [{"component": "A", "yuan": given.get("net", "3218.01")}])
    rows = [*rows, *given.get("income_more", [])]
    if "payout" in given:
        rows.append({"component": "C"} | given["payout"])
    return [_row(dict(row)) for row in rows]


def _row(row: dict[str, Any]) -> Any:
    first, last = row.pop("year", YEAR)
    return make_income(Money.parse(row.pop("yuan")).fen, year_from=first, year_to=last, **row)


def cases(pack: str) -> list[Case]:
    """All cases of a pack."""
    told = yaml.safe_load((FOLDER / f"{pack}.yaml").read_text(encoding="utf-8"))
    return [
        Case(
            pack=pack,
            name=one["name"],
            covers=tuple(one["covers"]),
            place=DivisionCode.parse(one.get("place", VILLAGE.text)),
            on=one["date"],
            given=one["given"],
            expected=one["expected"],
            says=one.get("says", {}),
        )
        for one in told
    ]


ALL = [case for pack in PACKS for case in cases(pack)]
