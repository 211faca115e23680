"""统计: how many there are of each value, place by place, and 小数保护: what is not told to who may not see the rows.

A count is small from one up to, not including, the least number that a dated parameter says. The protection hides
whole columns below a place, from the top of the caller's place down: where one place beneath has a small count, all
places beneath tell nothing of that value, and so do theirs. A column that alone is hidden would follow from the number
of people, which everybody knows; so another is hidden with it. What is shown of a place is the same wherever it is
shown (ADR 0029).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from services.registry.domain import codes
from services.registry.domain.codes import CodeList
from services.registry.domain.fields import BY_NAME
from services.registry.domain.masking import is_hidden
from shared.errors import Invalid
from shared.values import DivisionCode

UNKNOWN = "unknown"
PLACES = (10**10, 10**8, 10**6, 10**3, 1)
"""Province, prefecture, county, township, village: what a code of twelve digits is divided by."""


class By(StrEnum):
    """统计项: what is counted by."""

    DIVISION = "division"
    STATUS = "status"
    CAUSE = "cause"
    AGE = "age"
    ETHNICITY = "ethnicity"
    EDUCATION = "education"
    LABOUR = "labour"
    HEALTH = "health"

    @property
    def of_households(self) -> bool:
        """Whether households are counted, else people."""
        return self in (By.STATUS, By.CAUSE)

    @property
    def may_overlap(self) -> bool:
        """Whether one household may have several of the values: then they do not add up to all."""
        return self is By.STATUS

    @property
    def is_sensitive(self) -> bool:
        """Whether a masked list hides it: a small count would tell what no row does."""
        name = FIELD_OF.get(self)
        return name is not None and is_hidden(BY_NAME[name])

    @property
    def codes(self) -> CodeList | None:
        """The list of its values."""
        return LISTS.get(self)


FIELD_OF: Mapping[By, str] = {
    By.STATUS: "statuses",
    By.CAUSE: "main_cause",
    By.AGE: "birth_on",
    By.ETHNICITY: "ethnicity",
    By.EDUCATION: "education",
    By.LABOUR: "labour",
    By.HEALTH: "health",
}
LISTS: Mapping[By, CodeList] = {
    By.STATUS: codes.STATUS,
    By.CAUSE: codes.CAUSE,
    By.ETHNICITY: codes.ETHNICITY,
    By.EDUCATION: codes.EDUCATION,
    By.LABOUR: codes.LABOUR,
    By.HEALTH: codes.HEALTH,
}


class CountsTooWide(Invalid):
    """超出管辖范围: what is protected in one place follows from the counts of a wider one and of the others in it."""

    code = "counts.too_wide"
    zh = "此项统计只能按本人管辖范围之内的区划查询"
    en = "This may be counted inside one of your own divisions alone"
    hint_zh = "请改查令牌所载的某一区划或其下级"
    hint_en = "Ask for one of the divisions in your token, or one below it"


def bands(ends: Sequence[int]) -> list[tuple[str, int, int]]:
    """年龄段: name, from and to, both included, of the last years of all bands but the last, which is open."""
    starts = [0, *(end + 1 for end in ends)]
    named = [(f"{start}-{end}", start, end) for start, end in zip(starts, ends, strict=False)]
    return [*named, (f"{starts[-1]}+", starts[-1], 200)]


@dataclass(frozen=True, slots=True)
class Cell:
    """统计数: how many of one value live in one village."""

    village: int
    value: str
    count: int


Counts = dict[str, int]


class Tree:
    """统计树: the counts of every place from one on down, each the sum of those beneath."""

    def __init__(self, root: DivisionCode, cells: Iterable[Cell], values: Sequence[str]) -> None:
        self.root = root.value
        self.values = tuple(values)
        self._level = next(at for at, unit in enumerate(PLACES) if root.value % unit == 0)
        self.counts: dict[int, Counts] = defaultdict(lambda: defaultdict(int))
        self._beneath: dict[int, set[int]] = defaultdict(set)
        for cell in cells:
            path = list(self._path(cell.village))
            for place in path:
                self.counts[place][cell.value] += cell.count
            for above, below in pairwise(path):
                self._beneath[above].add(below)

    def _path(self, village: int) -> Iterator[int]:
        last = 0
        for unit in PLACES[self._level :]:
            place = village - village % unit
            if place != last:
                yield place
            last = place

    def beneath(self, place: int) -> list[int]:
        """The places of the next level that have anybody."""
        return sorted(self._beneath.get(place, ()))

    def way_to(self, place: int) -> list[int]:
        """From the root to that place, both included."""
        return list(self._path(place))


@dataclass(frozen=True, slots=True)
class Protection:
    """小数保护: from how many on a count is told, and whether the values add up to all."""

    least: int
    adds_up: bool = True

    def is_small(self, count: int) -> bool:
        """One or more, and fewer than the least."""
        return 0 < count < self.least

    def hidden_at(self, tree: Tree, place: int) -> tuple[frozenset[str], frozenset[str]]:
        """What is not told of that place, and what is told of none of the places beneath it."""
        hidden = self._of_root(tree)
        beneath = self._of_those_beneath(tree, tree.root, hidden)
        for above, below in pairwise(tree.way_to(place)):
            hidden = self._of_those_beneath(tree, above, hidden)
            beneath = self._of_those_beneath(tree, below, hidden)
        return hidden, beneath

    def _of_root(self, tree: Tree) -> frozenset[str]:
        own = tree.counts[tree.root]
        small = {value for value, count in own.items() if self.is_small(count)}
        while small and self.adds_up and (len(small) < 2 or sum(own[value] for value in small) < self.least):
            more = _least_of(own, tree.values, small)
            if more is None:
                break
            small.add(more)
        return frozenset(small)

    def _of_those_beneath(self, tree: Tree, place: int, above: frozenset[str]) -> frozenset[str]:
        own, rows = tree.counts[place], [tree.counts[one] for one in tree.beneath(place)]
        hidden = set(above) | {value for row in rows for value, count in row.items() if self.is_small(count)}
        while hidden and self.adds_up and self._follows(own, rows, hidden, above):
            more = _least_of(own, tree.values, hidden)
            if more is None:
                break
            hidden.add(more)
        return frozenset(hidden)

    def _follows(self, own: Counts, rows: Sequence[Counts], hidden: set[str], above: frozenset[str]) -> bool:
        """Whether a small count can be worked out, by what the hidden ones of each row and column add up to. Where all
        people of the place have one value, that is shown, and follows for those beneath.
        """
        some = [value for value in hidden if own[value] or value in above]
        if len(some) == 1:
            return True
        rests = [sum(row[value] for value in some) for row in rows]
        for value in some:
            if value in above:
                continue
            for row, rest in zip(rows, rests, strict=True):
                lowest = max(0, rest + own[value] - sum(rests))
                if self.is_small(row[value]) and lowest == min(rest, own[value]):
                    return True
        return False


def _least_of(own: Counts, values: Sequence[str], hidden: set[str]) -> str | None:
    """The value with the fewest that is shown still; one that nobody has only where there is no other."""
    shown = [(own[value] == 0, own[value], value) for value in values if value not in hidden]
    return min(shown)[2] if shown else None
