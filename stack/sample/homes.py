"""Households as they live in mountain villages: who lives together, how they live, what they earn."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from stack.sample.nouns import LINE_FEN, Home, Someone
from stack.sample.people import People

SHAPES = (
    (12, ("head", "spouse", "son", "daughter")),
    (10, ("head", "spouse", "son")),
    (9, ("head", "spouse", "son", "father", "mother")),
    (8, ("head", "spouse", "daughter", "son", "mother")),
    (7, ("head", "spouse")),
    (6, ("head", "spouse", "son_grown", "daughter_in_law", "grandson", "granddaughter")),
    (5, ("head", "daughter", "mother")),
    (5, ("elder",)),
    (4, ("elder", "elder_spouse")),
    (3, ("head", "son", "father")),
    (2, ("head", "spouse", "son", "son", "daughter", "grandmother")),
)
WIDE = ("head", "spouse", "son_grown", "daughter_in_law", "daughter", "grandson", "father")


class Homes:
    """Draws households that are sound in every field: a check finds nothing in them."""

    def __init__(self, random: Random, people: People) -> None:
        self._random = random
        self.people = people

    def draw(self, number: str, group: str, status: str, *, wide: bool = False) -> Home:
        """A household of that status."""
        random = self._random
        shape = WIDE if wide else random.choices([one for _, one in SHAPES], [weight for weight, _ in SHAPES])[0]
        members = self._members(shape)
        registered = date(random.randint(2014, 2018), random.randint(1, 12), random.randint(1, 28))
        home = Home(number, group, registered, self._statuses(status, registered), members)
        self._living(home)
        net = net_per_head(status, random) * home.present
        earn(home, net, random)
        home.headcount_on_form = len(members)
        return home

    def _members(self, shape: tuple[str, ...]) -> list[Someone]:
        random, people = self._random, self.people
        tibetan, surname = random.random() < 0.33, people.surname()
        head_age = random.randint(66, 84) if shape[0] == "elder" else random.randint(44, 52)
        ages = {
            "head": head_age,
            "elder": head_age,
            "spouse": head_age - random.randint(-2, 4),
            "elder_spouse": head_age - 2,
            "son_grown": random.randint(21, 23),
            "daughter_in_law": random.randint(21, 23),
            "grandson": random.randint(0, 2),
            "granddaughter": random.randint(0, 2),
            "father": head_age + random.randint(21, 27),
            "mother": head_age + random.randint(20, 25),
            "grandmother": head_age + 42,
        }
        members = []
        for part in shape:
            relation = {"elder": "head", "elder_spouse": "spouse", "son_grown": "son"}.get(part, part)
            age = random.randint(4, 20) if part in ("son", "daughter") else ages[part]
            sex = {"head": "male", "spouse": "female"}.get(relation)
            if relation == "head" and "spouse" not in shape and "elder_spouse" not in shape:
                sex = random.choice(("male", "female"))
            own = (
                surname if relation not in ("spouse", "daughter_in_law", "mother", "grandmother") else people.surname()
            )
            members.append(people.draw(relation, age, tibetan=tibetan, surname=own, sex=sex))
        self._away(members)
        return members

    def _away(self, members: list[Someone]) -> None:
        """Some grown children have moved their registration out."""
        for one in members[2:]:
            if one.relation in ("son", "daughter") and one.schooling == "not_student" and self._random.random() < 0.03:
                one.present = False

    def _statuses(self, status: str, registered: date) -> list[tuple[str, date]]:
        random = self._random
        if status == "lifted":
            since = date(random.randint(2015, 2018), 12, 31)
            statuses = [("lifted", max(since, registered + timedelta(days=30)))]
            if random.random() < 0.05:
                statuses.append(("monitored", date(2019, 3, random.randint(1, 28))))
        else:
            statuses = [(status, registered)]
        if status != "ordinary" and random.random() < 0.25:
            statuses.append(("minimum_living", registered + timedelta(days=200)))
        return statuses

    def _living(self, home: Home) -> None:
        random = self._random
        home.housing_area = f"{random.randint(40, 180)}.{random.choice(('00', '50'))}"
        home.housing = random.choices(("A", "B", "C", "D"), (60, 32, 6, 2))[0]
        home.water = random.choices(("yes", "no", None), (93, 6, 1))[0]
        home.food, home.clothing = (random.choices(("yes", "no", "refused", None), (96, 2, 1, 1))[0] for _ in range(2))
        home.road = random.choices(("hardened", "gravel", "earth"), (70, 20, 10))[0]
        home.self_paid_fen = random.choice(
            (0, 0, 0, random.randint(100, 3000) * 100, random.randint(3000, 30_000) * 100)
        )
        home.insurance_fen = home.self_paid_fen * random.choice((0, 0, 30, 60)) // 100
        if random.random() < 0.02:
            home.disaster = (
                "flood",
                date(2019, random.randint(1, 7), random.randint(1, 28)),
                random.randint(5, 200) * 10_000,
            )
        if random.random() < 0.02:
            self._lose_job(home)
        home.land = {
            "arable_mu": f"{random.randint(1, 12)}.{random.randint(0, 99):02d}",
            "irrigated_mu": f"0.{random.randint(0, 99):02d}",
            "forest_mu": f"{random.randint(0, 30)}.{random.randint(0, 99):02d}",
            "returned_forest_mu": f"{random.randint(0, 5)}.{random.randint(0, 99):02d}",
        }
        if home.is_poor or random.random() < 0.3:
            causes = random.sample(("illness", "skill", "capital", "labour", "traffic", "disability"), 2)
            home.main_cause, home.other_causes = causes[0], tuple(causes[1 : 1 + random.randint(0, 1)])

    def _lose_job(self, home: Home) -> None:
        """Lost in early summer: inside the half year that counts, on the day of the visit and on the last day alike."""
        for one in home.members:
            if one.labour in ("ordinary", "skilled") and one.months is None:
                one.job_lost_on = date(2019, random_month(self._random), self._random.randint(1, 28))
                return


def random_month(random: Random) -> int:
    """May to July."""
    return random.randint(5, 7)


def net_per_head(status: str, random: Random) -> int:
    """Net income a head in fen, as it goes with a status."""
    if status == "poor":
        return random.randint(140_000, 420_000)
    return random.randint(340_000 if status == "lifted" else 420_000, 1_500_000)


def earn(home: Home, net_fen: int, random: Random) -> None:
    """Items that make exactly this net income (A + B + C + D − E)."""
    whole = max(0, net_fen // 100)
    crops = whole * random.randint(10, 25) // 100
    livestock = whole * random.randint(5, 20) // 100
    items = {
        "business_crops": crops * 100,
        "business_livestock": livestock * 100,
        "cost_crops": crops * 30,
        "cost_livestock": livestock * 40,
        "transfer_land_fertility": whole * 3 // 100 * 100,
        "transfer_public_forest": whole * 2 // 100 * 100,
        "property_land_transfer": whole * random.randint(0, 4) // 100 * 100,
    }
    if any(kind == "minimum_living" for kind, _ in home.statuses):
        items["transfer_minimum_living"] = whole * 12 // 100 * 100
    if any(one.age_on(date(2019, 8, 20)) >= 60 for one in home.members):
        items["transfer_pension"] = whole * 8 // 100 * 100
    rest = net_fen - sum(-fen if item.startswith("cost_") else fen for item, fen in items.items())
    works = any(one.months for one in home.members)
    items["wage_work" if works else "transfer_family_support"] = rest
    home.income = {item: fen for item, fen in items.items() if fen}


def content(home: Home) -> None:
    """Everything but the income as the exit standard asks for it, and known."""
    home.food = home.clothing = home.water = "yes"
    home.housing = "A"
    for one in home.members:
        one.present, one.medical = True, "resident"
        age = one.age_on(date(2019, 8, 20))
        if 6 <= age <= 15 and one.schooling == "not_student":
            one.schooling, one.education = "primary", None


def near_the_line(home: Home, short_by_fen: int, random: Random) -> None:
    """A net income that falls short of the line by exactly so much (above it when negative)."""
    content(home)
    earn(home, LINE_FEN * home.present - short_by_fen, random)
