"""Invented people and households, before they are written into a form. Mutable: faults are planted into them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

VISITED = date(2019, 8, 20)
JUDGED_AGAIN = date(2019, 10, 15)
PAID = date(2019, 9, 20)
MARKED = date(2019, 8, 31)
YEAR = (date(2018, 10, 1), date(2019, 9, 30))
LINE_FEN = 321_800


@dataclass(slots=True)
class Someone:
    """虚构的人: one person; codes are those of the field catalogue. `written` holds cells spoilt on purpose."""

    name: str
    relation: str
    sex: str
    born: date
    id_number: str
    ethnicity: str = "han"
    political: str = "masses"
    schooling: str = "not_student"
    education: str | None = "primary"
    health: str = "healthy"
    card: str | None = None
    labour: str = "ordinary"
    medical: str | None = "resident"
    serious: str | None = "yes"
    pension: str | None = "resident"
    workplace: str | None = None
    months: int | None = None
    pay_fen: int | None = None
    job_lost_on: date | None = None
    phone: str | None = None
    present: bool = True
    written: dict[str, str] = field(default_factory=dict)

    def age_on(self, day: date) -> int:
        """Full years."""
        return day.year - self.born.year - ((day.month, day.day) < (self.born.month, self.born.day))


@dataclass(slots=True)
class Home:
    """虚构的户: one household with everything that its form says."""

    number: str
    group: str
    registered_on: date
    statuses: list[tuple[str, date]]
    members: list[Someone]
    main_cause: str | None = None
    other_causes: tuple[str, ...] = ()
    food: str | None = "yes"
    clothing: str | None = "yes"
    housing: str | None = "A"
    housing_area: str = "90.00"
    water: str | None = "yes"
    road: str = "hardened"
    electricity: str = "yes"
    self_paid_fen: int = 0
    insurance_fen: int = 0
    disaster: tuple[str, date, int] | None = None
    land: dict[str, str] = field(default_factory=dict)
    income: dict[str, int] = field(default_factory=dict)
    headcount_on_form: int = 0
    written: dict[str, str] = field(default_factory=dict)

    @property
    def village(self) -> str:
        """The twelve digits."""
        return self.number[:12]

    @property
    def present(self) -> int:
        """How many count."""
        return sum(one.present for one in self.members)

    @property
    def is_poor(self) -> bool:
        """贫困户."""
        return any(kind == "poor" for kind, _ in self.statuses)
