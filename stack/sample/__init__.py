"""A county's register that nobody lives in: made by a seed, written as the national form, with its answers beside it.

The answers are made without the services: faults by the hand that planted them, what drawn lives leave in doubt by a
plain reader, verdicts by the plain judge. Whoever compares opens `answers.json`; nobody else may. What the actors must
know (which county, which village, how much money) stands in `script.json`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from stack.problems import StackProblem
from stack.sample.asking import asked_of
from stack.sample.faults import Neighbour, born_for, number_of_another_household
from stack.sample.form import Book, rows_of
from stack.sample.homes import Homes, content, earn, near_the_line
from stack.sample.nouns import LINE_FEN, VISITED, YEAR, Home
from stack.sample.parting import Parting, parting_of
from stack.sample.people import People
from stack.sample.plan import Plan, Seat, make_plan
from stack.sample.truth import Verdicts, is_fit_to_exit, verdicts

SEED = 20190820


@dataclass(slots=True)
class _Answers:
    """What should come out, gathered while the rows are written."""

    households: int = 0
    persons: int = 0
    persons_stored: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)
    refused_households: set[str] = field(default_factory=set)
    faults: list[dict[str, Any]] = field(default_factory=list)
    doubted: list[tuple[int, str]] = field(default_factory=list)
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    exits: list[str] = field(default_factory=list)
    parting: Parting | None = None
    looked_into: dict[str, Any] = field(default_factory=dict)


def write_sample(
    county: str, households: int, folder: Path, *, seed: int = SEED, tell: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Write register.xlsx, register.csv and answers.json; answers the counts. `tell` hears of every 500 households."""
    random = Random(seed)
    plan = make_plan(county, households, random)
    folder.mkdir(parents=True, exist_ok=True)
    book, answers = Book(folder), _Answers()
    maker = _Maker(random, plan)
    for done, seat in enumerate(plan.seats, start=1):
        maker.write(seat, book, answers)
        if done % 500 == 0:
            tell(done)
    book.close()
    if answers.parting is None:
        raise StackProblem(f"among {households} households of {county} none can part", "ask for more of them")
    said = _as_json(county, plan, answers, book.row - book.first_row)
    _write(folder / "answers.json", said)
    told = {name: said[name] for name in ("county", "exit_village", "income_year")}
    told |= {"dividend_fen": plan.payout_fen, "parting": answers.parting.told, "looked_into": answers.looked_into}
    _write(folder / "script.json", told)
    return {name: said[name] for name in ("rows", "households", "persons", "rows_refused", "doubts_total")}


def _write(path: Path, said: dict[str, Any]) -> None:
    path.write_text(json.dumps(said, ensure_ascii=False, indent=1), encoding="utf-8")


class _Maker:
    """Draws household after household."""

    def __init__(self, random: Random, plan: Plan) -> None:
        self._random = random
        self._plan = plan
        self._homes = Homes(random, People(random))
        self._people = self._homes.people
        self._daughters: list[tuple[Neighbour, int]] = []

    def write(self, seat: Seat, book: Book, answers: _Answers) -> None:
        """One household: drawn, planted, written, judged."""
        home = self._drawn(seat)
        neighbour, neighbour_row = self._neighbour(seat)
        planted = seat.fault(home, neighbour) if seat.fault is not None else None
        rows = [book.add(row) for row in rows_of(home, seat.village.names)]
        answers.households += 1
        answers.persons += len(home.members)
        if planted is not None:
            codes = {rows[place]: code for place, code in planted.marks}
            answers.faults += [
                {"row": row, "kind": planted.kind, "number": home.number, "refuses": planted.refuses} for row in codes
            ]
            if planted.refuses:
                answers.refused_households.add(home.number)
                answers.refused += [
                    {"row": row, "number": home.number, "code": codes.get(row, "household.refused")} for row in rows
                ]
                return
            answers.doubted += codes.items()
            answers.looked_into = answers.looked_into or {
                "row": rows[planted.marks[0][0]],
                "check": planted.marks[0][1],
            }
            if neighbour_row is not None and planted.elsewhere:
                answers.doubted += [(neighbour_row, check) for _, _, check in planted.elsewhere]
                answers.faults.append(
                    {"row": neighbour_row, "kind": planted.kind, "number": planted.elsewhere[0][0], "refuses": False}
                )
        answers.doubted += ((rows[place], check) for place, check in asked_of(home))
        answers.persons_stored += len(home.members)
        exits = home.village == self._plan.exit_village and seat.status == "poor" and is_fit_to_exit(home)
        if exits:
            answers.exits.append(home.number)
        answers.verdicts[home.number] = verdicts(home, seat.dividend_fen, exits=exits)
        if planted is None:
            self._remember_daughters(home, rows)
            if answers.parting is None and seat.status == "ordinary":
                answers.parting = parting_of(home)

    def _drawn(self, seat: Seat) -> Home:
        group = f"{'一二三四五六'[self._random.randrange(6)]}组"
        home = self._homes.draw(seat.number, group, seat.status, wide=seat.fault is not None)
        if seat.shortfall is not None:
            near_the_line(home, self._short_by(seat), self._random)
        if seat.birthday is not None:
            self._plant_birthday(home, seat)
        if seat.turns_sixty:
            self._plant_sixty(home)
        return home

    def _short_by(self, seat: Seat) -> int:
        """S in fen."""
        dividend = seat.dividend_fen
        return {
            "above": -self._random.randint(1, 60_000),
            "exactly_on": 0,
            "below_dividend": self._random.choice((1, dividend - 1, self._random.randint(2, dividend - 2))),
            "same_as_dividend": dividend,
            "one_fen_more": dividend + 1,
        }[seat.shortfall or ""]

    def _plant_birthday(self, home: Home, seat: Seat) -> None:
        """A household that meets everything but for one child, whose age decides."""
        assert seat.birthday is not None
        child = self._people.draw("son", 10, tibetan=False, surname="王")
        child.born = born_for(seat.birthday.age, self._random.randint(1, 50))
        child.id_number = self._people.number(child.born, child.sex)
        child.schooling, child.education = seat.birthday.schooling, seat.birthday.education
        child.labour, child.health, child.card, child.months, child.pension = "none", "healthy", None, None, "none"
        child.workplace, child.pay_fen, child.job_lost_on = None, None, None
        home.members = [one for one in home.members if one.relation in ("head", "spouse")]
        content(home)
        home.members.append(child)
        home.headcount_on_form = len(home.members)
        earn(home, (LINE_FEN + 100_000) * home.present, self._random)

    def _plant_sixty(self, home: Home) -> None:
        """Somebody who lives alone just above the poverty line, and stops being labour on a sixtieth birthday."""
        [*_, head] = [one for one in home.members if one.relation == "head"]
        head.born = born_for(60, self._random.randint(1, 50))
        head.id_number = self._people.number(head.born, head.sex)
        head.schooling, head.labour, head.health, head.card = "not_student", "ordinary", "healthy", None
        head.education, head.job_lost_on, head.present, head.pension = "primary", None, True, "resident"
        home.members, home.headcount_on_form = [head], 1
        home.disaster, home.self_paid_fen, home.insurance_fen = None, 0, 0
        content(home)
        earn(home, LINE_FEN + 50_000, self._random)

    def _neighbour(self, seat: Seat) -> tuple[Neighbour | None, int | None]:
        if seat.fault is not number_of_another_household:
            return None, None
        return self._daughters.pop(self._random.randrange(len(self._daughters)))

    def _remember_daughters(self, home: Home, rows: list[int]) -> None:
        for place, one in enumerate(home.members):
            if one.relation == "daughter" and one.age_on(VISITED) >= 17 and len(self._daughters) < 200:
                self._daughters.append((Neighbour(home.number, place, one), rows[place]))


def _as_json(county: str, plan: Plan, answers: _Answers, rows: int) -> dict[str, Any]:
    dividends = {seat.number: seat.dividend_fen for seat in plan.seats if seat.dividend_fen}
    changed = [
        {"number": number, "pack": pack, "before": said.before[pack], "after": said.after[pack], "cause": cause}
        for number, said in answers.verdicts.items()
        for pack, cause in said.causes.items()
    ]
    return {
        "county": county,
        "income_year": [day.isoformat() for day in YEAR],
        "rows": rows,
        "households": answers.households,
        "persons": answers.persons,
        "rows_refused": len(answers.refused),
        "households_stored": len(answers.verdicts),
        "persons_stored": answers.persons_stored,
        "refused": answers.refused,
        "faults": answers.faults,
        "doubts": dict(sorted(Counter(check for _, check in answers.doubted).items())),
        "doubts_total": len(answers.doubted),
        "doubted": [{"row": row, "check": check} for row, check in sorted(answers.doubted)],
        "exit_village": plan.exit_village,
        "exits": answers.exits,
        "members": [
            {"number": number, "member_number": place, "fen": dividends[number]}
            for place, number in enumerate(plan.members, start=1)
        ],
        "payout_fen": plan.payout_fen,
        "net_fen": {number: said.net_fen for number, said in answers.verdicts.items()},
        "before": {number: said.before for number, said in answers.verdicts.items()},
        "after": {number: said.after for number, said in answers.verdicts.items()},
        "changed": changed,
        "parting": answers.parting.becomes if answers.parting else None,
        "looked_into": answers.looked_into,
    }


__all__ = ["SEED", "write_sample"]
