"""Who is what, decided before anybody is drawn: villages, statuses, planted shortfalls, birthdays and faults."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from random import Random

from stack.problems import StackProblem
from stack.sample.faults import BIRTHDAYS, DOUBTS, REFUSALS, Birthday, Plant, number_of_another_household

DIVISIONS = Path(__file__).parents[2] / "services/registry/migrations/data/divisions.csv"
FULL_HOUSEHOLDS, FULL_POOR, FULL_PAYOUT_FEN = 20_000, 4_436, 280_000_000
_ROWS_PER_HOUSEHOLD = 3.4
_FAULTY_SHARE = 0.01
_SMALLEST = 300


@dataclass(frozen=True, slots=True)
class Village:
    """村: its code and the names above it."""

    code: str
    names: dict[str, str]


@dataclass(frozen=True, slots=True)
class Shortfalls:
    """植入的差额: how many poor households stand how far from the line (S = line × n − net, D = own dividend)."""

    above: int = 50
    exactly_on: int = 20
    below_dividend: int = 40
    same_as_dividend: int = 20
    one_fen_more: int = 20

    def scaled(self, share: float) -> Shortfalls:
        """For a smaller county, at least two of each."""
        counts = (getattr(self, one.name) for one in fields(self))
        return Shortfalls(*(max(2, round(count * share)) for count in counts))


@dataclass(slots=True)
class Seat:
    """One household to be drawn."""

    number: str
    village: Village
    status: str = "ordinary"
    dividend_fen: int = 0
    shortfall: str | None = None
    birthday: Birthday | None = None
    turns_sixty: bool = False
    fault: Plant | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """安排: every household's seat in the order of its number, and the village whose households exit."""

    seats: list[Seat]
    exit_village: str
    payout_fen: int
    members: list[str] = field(default_factory=list)


def make_plan(county: str, households: int, random: Random) -> Plan:
    """Seats for a county; the same seed makes the same plan."""
    if households < _SMALLEST:
        raise StackProblem(f"{households} households are too few to plant everything", f"ask for {_SMALLEST} or more")
    villages = villages_of(county)
    seats = _seats(villages, households, random)
    exit_village = Counter(seat.village.code for seat in seats).most_common(1)[0][0]
    share = households / FULL_HOUSEHOLDS
    poor = _choose_poor(seats, round(FULL_POOR * share), exit_village, random)
    for seat in seats:
        if seat.status != "poor":
            seat.status = random.choices(("lifted", "ordinary"), (45, 55))[0]
    payout_fen = _share_out(poor)
    _plant_shortfalls(poor, Shortfalls().scaled(share), exit_village, random)
    _plant_birthdays(seats, exit_village, random)
    _plant_faults(seats, households, exit_village, random)
    return Plan(seats, exit_village, payout_fen, [seat.number for seat in poor])


def villages_of(county: str) -> list[Village]:
    """Its villages with their names, from the divisions' own file."""
    with DIVISIONS.open(encoding="utf-8") as stream:
        known = {row["code"]: row for row in csv.DictReader(stream)}
    prefix = county[:6]
    if f"{prefix:0<12}" not in known:
        raise StackProblem(f"there is no county {county}", "give the six digits of a county, such as 623023")
    found = [code for code, row in known.items() if code.startswith(prefix) and row["level"] == "village"]
    return [Village(code, _names(code, known)) for code in sorted(found)]


def _names(code: str, known: dict[str, dict[str, str]]) -> dict[str, str]:
    parts = {"province_name": 2, "prefecture_name": 4, "county_name": 6, "township_name": 9, "village_name": 12}
    return {name: known[f"{code[:digits]:0<12}"]["name"] for name, digits in parts.items()}


def _seats(villages: Sequence[Village], households: int, random: Random) -> list[Seat]:
    sizes = Counter(random.choices(range(len(villages)), [random.uniform(0.5, 2) for _ in villages], k=households))
    return [
        Seat(f"{village.code}{serial:04d}", village)
        for place, village in enumerate(villages)
        for serial in range(1, sizes[place] + 1)
    ]


def _choose_poor(seats: list[Seat], count: int, exit_village: str, random: Random) -> list[Seat]:
    """Anywhere, and many in the village that is to exit."""
    own = [seat for seat in seats if seat.village.code == exit_village]
    chosen = random.sample(own, max(6, len(own) // 3))
    others = [seat for seat in seats if seat.village.code != exit_village]
    poor = sorted([*chosen, *random.sample(others, count - len(chosen))], key=lambda seat: seat.number)
    for seat in poor:
        seat.status = "poor"
    return poor


def _share_out(poor: list[Seat]) -> int:
    """One equal share each; the fen that are left over go to the lowest member numbers."""
    payout_fen = FULL_PAYOUT_FEN * len(poor) // FULL_POOR
    share, rest = divmod(payout_fen, len(poor))
    for place, seat in enumerate(poor):
        seat.dividend_fen = share + (1 if place < rest else 0)
    return payout_fen


def _plant_shortfalls(poor: list[Seat], counts: Shortfalls, exit_village: str, random: Random) -> None:
    own = [seat for seat in poor if seat.village.code == exit_village]
    leaving = random.sample(own, min(len(own), max(2, counts.above // 4)))
    for seat in leaving:
        seat.shortfall = "above"
    free = [seat for seat in poor if seat.shortfall is None and seat.village.code != exit_village]
    random.shuffle(free)
    for kind, count in (
        ("above", counts.above),
        ("exactly_on", counts.exactly_on),
        ("below_dividend", counts.below_dividend),
        ("same_as_dividend", counts.same_as_dividend),
        ("one_fen_more", counts.one_fen_more),
    ):
        for _ in range(count):
            free.pop().shortfall = kind


def _plant_birthdays(seats: list[Seat], exit_village: str, random: Random) -> None:
    """Three of each kind among the poor, and three who turn sixty among the lifted."""
    free = [seat for seat in seats if seat.shortfall is None and seat.village.code != exit_village]
    random.shuffle(free)
    poor = [seat for seat in free if seat.status == "poor"]
    lifted = [seat for seat in free if seat.status == "lifted"]
    for birthday in BIRTHDAYS:
        for _ in range(3):
            poor.pop().birthday = birthday
    for _ in range(3):
        lifted.pop().turns_sixty = True


def _plant_faults(seats: list[Seat], households: int, exit_village: str, random: Random) -> None:
    """As many of each kind; those that refuse stay away from the poor, all stay away from what else was planted."""
    free = [seat for seat in seats if seat.shortfall is None and seat.birthday is None and not seat.turns_sixty]
    free = [seat for seat in free if seat.village.code != exit_village]
    later = free[len(free) // 2 :]  # who carries another household's number comes after that household
    random.shuffle(free)
    each = max(1, round(households * _ROWS_PER_HOUSEHOLD * _FAULTY_SHARE / len(DOUBTS + REFUSALS)))
    for seat in random.sample(later, each):
        seat.fault = number_of_another_household
    free = [seat for seat in free if seat.fault is None]
    for fault in DOUBTS:
        for _ in range(each if fault is not number_of_another_household else 0):
            free.pop().fault = fault
    kept = [seat for seat in free if seat.status != "poor"]
    for fault in REFUSALS:
        for _ in range(each):
            kept.pop().fault = fault
