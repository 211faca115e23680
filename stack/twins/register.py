"""A register of a prefecture that nobody lives in, with people who stand in it twice and people who merely look so.

Drawn by a seed. Ages are spread, clans cluster in villages, numbers carry areas that were never issued (6299…). What
is one person is known of each row, and by which fault and which move the second entry came about.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.values import CITIZEN_ID_CHECKS, CITIZEN_ID_WEIGHTS
from stack.twins.words import FEMALE, MALE, SURNAMES, TIBETAN, UYGHUR

COUNTIES = 10
AREAS = frozenset(f"6299{at:02d}" for at in range(COUNTIES * 2))
"""Those of the ten counties, and of ten others in which people were registered first."""
VILLAGE_PEOPLE, HOME_PEOPLE = 1_500, 3.4
TODAY = np.datetime64("2019-08-20")
Ints = NDArray[np.int64]
Texts = NDArray[np.object_]


@dataclass(slots=True)
class Register:
    """The rows, and which pairs were planted to mislead (kind, row, row)."""

    rows: pl.DataFrame
    planted: dict[str, list[tuple[int, int]]]


@dataclass(slots=True)
class Drawn:
    """Columns while they are drawn; one entry each."""

    household: Ints
    village: Ints
    is_head: NDArray[np.bool_]
    male: NDArray[np.bool_]
    born: NDArray[np.datetime64]
    surname: Texts
    given: Texts
    people: Ints
    """0 Han, 1 Tibetan, 2 Uyghur."""


def draw(persons: int, seed: int) -> Drawn:
    """Households with their members, before anybody is written twice."""
    chance = np.random.default_rng(seed)
    homes = max(int(persons / HOME_PEOPLE), 20)
    villages = max(persons // VILLAGE_PEOPLE, 4)
    village = np.sort(chance.integers(0, villages, homes))
    people = np.array(chance.choice(3, villages, p=[0.88, 0.08, 0.04]))[village]
    head_age = np.concatenate([chance.uniform(24, 86, homes)])
    parts = [_part(chance, head_age, np.arange(homes), "head")]
    spouse = np.flatnonzero(chance.random(homes) < 0.74)
    parts.append(_part(chance, head_age, spouse, "spouse"))
    for rank, likely in enumerate((0.72, 0.42, 0.16, 0.05)):
        children = np.flatnonzero((chance.random(homes) < likely) & (head_age > 23 + rank * 3))
        parts.append(_part(chance, head_age, children, "child"))
    parents = np.flatnonzero((chance.random(homes) < 0.28) & (head_age < 62))
    parts.append(_part(chance, head_age, parents, "parent"))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(joined["home"], kind="stable")[:persons]
    home, relation = joined["home"][order], joined["relation"][order]
    male = joined["male"][order]
    family = _families(chance, village, villages, homes)
    stranger = (relation == 1) | ((relation == 3) & ~male)
    surname = np.where(stranger, _zipf(chance, SURNAMES, len(home)), family[home])
    given = _given(chance, home, relation, male, people[home])
    return Drawn(home, village[home], relation == 0, male, joined["born"][order], surname, given, people[home])


def _part(chance: np.random.Generator, head_age: Any, homes: Ints, relation: str) -> dict[str, Any]:
    """One member of each of these homes."""
    count, ages = len(homes), head_age[homes]
    if relation == "spouse":
        ages = np.clip(ages + chance.normal(-1, 4, count), 20, 99)
    elif relation == "child":
        ages = np.abs(ages - chance.uniform(20, 40, count))
    elif relation == "parent":
        ages = ages + chance.uniform(19, 36, count)
    born = TODAY - (ages * 365.25).astype("timedelta64[D]") - chance.integers(0, 366, count).astype("timedelta64[D]")
    share = {"head": 0.86, "spouse": 0.12, "child": 0.53, "parent": 0.42}[relation]
    code = ["head", "spouse", "child", "parent"].index(relation)
    return {"home": homes, "relation": np.full(count, code), "male": chance.random(count) < share, "born": born}


def _zipf(chance: np.random.Generator, characters: str, count: int) -> Texts:
    weights = 1 / np.arange(3, len(characters) + 3) ** 0.85
    return np.array(list(characters), dtype=object)[chance.choice(len(characters), count, p=weights / weights.sum())]


def _families(chance: np.random.Generator, village: Ints, villages: int, homes: int) -> Texts:
    """Each home's family name: of one of four clans of its village, or any."""
    clans = _zipf(chance, SURNAMES, villages * 4).reshape(villages, 4)
    which = chance.choice(5, homes, p=[0.34, 0.18, 0.11, 0.07, 0.30])
    return np.where(which == 4, _zipf(chance, SURNAMES, homes), clans[village, np.minimum(which, 3)])


def _given(chance: np.random.Generator, home: Ints, relation: Ints, male: Any, people: Ints) -> Texts:
    """Own names; brothers often share their first character, and Tibetan and Uyghur names have words."""
    count = len(home)
    pool = [np.where(male, _zipf(chance, MALE, count), _zipf(chance, FEMALE, count)) for _ in range(2)]
    generation = _zipf(chance, MALE, int(home.max()) + 1)[home]
    first = np.where((relation == 2) & (chance.random(count) < 0.4), generation, pool[0])
    single = chance.random(count) < 0.24
    han = np.where(single, pool[1], first + pool[1])
    words = [np.array(TIBETAN, dtype=object)[chance.integers(0, len(TIBETAN), count)] for _ in range(2)]
    tibetan = np.where(chance.random(count) < 0.3, words[0], words[0] + words[1])
    fathers = np.array(UYGHUR, dtype=object)[chance.integers(0, len(UYGHUR), int(home.max()) + 1)][home]
    own = np.array(UYGHUR, dtype=object)[chance.integers(0, len(UYGHUR), count)]
    return np.where(people == 0, han, np.where(people == 1, tibetan, own + "·" + fathers))


def names_of(drawn: Drawn) -> Texts:
    """Whole names; those of Tibetans and Uyghurs have no family's."""
    return np.where(drawn.people == 0, drawn.surname + drawn.given, drawn.given)


def mislead(drawn: Drawn, chance: Random, share: float = 1.0) -> dict[str, list[tuple[int, int]]]:
    """Plant people who look like others and are not; how many of each kind, a million."""
    count = len(drawn.household)
    wanted = {
        "twins": 2_150, "father and child": 2_550, "cousins": 4_000, "same name, village and birth": 250,
        "same name and birth elsewhere": 800, "same name, village and year": 3_000,
    }  # fmt: skip
    planted: dict[str, list[tuple[int, int]]] = {}
    taken: set[int] = set()
    for kind, million in wanted.items():
        pairs: list[tuple[int, int]] = []
        for _ in range(int(million * share * count / 1e6 * 30)):
            if len(pairs) >= million * share * count / 1e6:
                break
            pair = _pair_for(kind, drawn, chance)
            if pair is not None and not taken & set(pair):
                taken |= set(pair)
                _make_alike(kind, drawn, *pair, chance)
                pairs.append(pair)
        planted[kind] = pairs
    return planted


def _pair_for(kind: str, drawn: Drawn, chance: Random) -> tuple[int, int] | None:
    """Two who may be made to look alike in this way."""
    count = len(drawn.household)
    one = chance.randrange(count - 1)
    if kind in ("twins", "father and child"):
        two = one + 1
        if drawn.household[one] != drawn.household[two] or drawn.people[one]:
            return None
        years = abs(int((drawn.born[one] - drawn.born[two]).astype(int))) / 365
        alike = not drawn.is_head[one] and years < 12 if kind == "twins" else 18 < years < 45
        return (one, two) if alike else None
    two = chance.randrange(count)
    if kind != "same name and birth elsewhere":
        two = min(max(one + chance.randrange(-600, 600), 0), count - 1)
    same_village = drawn.village[one] == drawn.village[two]
    if drawn.household[one] == drawn.household[two] or same_village == (kind == "same name and birth elsewhere"):
        return None
    if drawn.people[one] or drawn.people[two]:
        return None
    return one, two


def _make_alike(kind: str, drawn: Drawn, one: int, two: int, chance: Random) -> None:
    """Change the second so that he looks like the first."""
    drawn.surname[two] = drawn.surname[one]
    day = np.timedelta64(chance.randrange(-150, 150), "D")
    if kind in ("twins", "cousins", "father and child"):
        first = drawn.given[one][0]
        drawn.given[two] = first + chance.choice([one for one in MALE + FEMALE if one != first])
    else:
        drawn.given[two], drawn.male[two] = drawn.given[one], drawn.male[one]
    if kind in ("twins", "same name, village and birth", "same name and birth elsewhere"):
        drawn.born[two] = drawn.born[one]
    elif kind != "father and child":
        drawn.born[two] = drawn.born[one] + day


def numbers_of(area: Ints, born: Any, male: Any, chance: np.random.Generator) -> Texts:
    """A number for each, none twice: the order counts who was born there that day, from a place drawn at random."""
    days = born.astype("datetime64[D]")
    groups = pl.DataFrame({"area": area, "born": days.astype(np.int64), "male": male})
    counted = groups.select(pl.int_range(pl.len()).over("area", "born", "male")).to_series().to_numpy()
    start = (days.astype(np.int64) * 7919 + area * 104_729 + int(chance.integers(0, 500))) % 500
    order = (start + counted) % 500 * 2 + male
    years = days.astype("datetime64[Y]").astype(int) + 1970
    months = days.astype("datetime64[M]").astype(int) % 12 + 1
    day = (days - days.astype("datetime64[M]")).astype(int) + 1
    whole = (area * 10**8 + years * 10_000 + months * 100 + day) * 1_000 + order
    digits = whole[:, None] // 10 ** np.arange(16, -1, -1, dtype=np.int64) % 10
    checks = np.array(list(CITIZEN_ID_CHECKS), dtype=object)[digits @ np.array(CITIZEN_ID_WEIGHTS) % 11]
    return np.asarray(np.char.mod("%d", whole).astype(object) + checks, dtype=object)


def written(drawn: Drawn, seed: int) -> dict[str, list[Any]]:
    """Everybody's row as the first office wrote it, sound in nearly every field."""
    chance = np.random.default_rng(seed + 1)
    count = len(drawn.household)
    county = drawn.village % COUNTIES
    area = 629900 + np.where(chance.random(count) < 0.88, county, chance.integers(0, COUNTIES * 2, count))
    numbers = numbers_of(area, drawn.born, drawn.male.astype(np.int64), chance)
    numbers[chance.random(count) < 0.025] = None
    homes = int(drawn.household.max()) + 1
    phones = np.char.mod("199%08d", chance.permutation(10**7)[: homes + count]).astype(object)
    own = chance.random(count)
    phone = np.where(own < 0.35, phones[drawn.household], phones[homes:])
    phone[own > 0.62] = None
    cadre = chance.random(count) < 0.004
    phone[cadre] = np.char.mod("1980000%04d", drawn.village[cadre] % 10_000).astype(object)
    names = names_of(drawn)
    return {
        "household_no": (drawn.household + 1).tolist(),
        "division": (629_900_100_000 + county * 1_000_000 + drawn.village // COUNTIES + 200).tolist(),
        "name": names.tolist(), "id_number": numbers.tolist(), "birth_on": drawn.born.astype(object).tolist(),
        "sex": np.where(drawn.male, "male", "female").tolist(), "phone": phone.tolist(),
        "is_head": drawn.is_head.tolist(), "people": drawn.people.tolist(),
    }  # fmt: skip


ROW: dict[str, Any] = {
    "household_no": pl.Int64, "division": pl.Int64, "name": pl.String, "id_number": pl.String, "birth_on": pl.Date,
    "sex": pl.String, "phone": pl.String, "is_head": pl.Boolean, "entity": pl.Int64, "id_fault": pl.String,
    "name_fault": pl.String, "move": pl.String,
}  # fmt: skip
