"""What is hidden of small counts cannot be worked out from all that is shown, at every level at once."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.registry.domain.counts import Cell, Protection, Tree, bands
from shared.values import DivisionCode

ROOT = DivisionCode.parse("623023")
VILLAGES = [623023100200, 623023100201, 623023101200, 623023101201, 623023101202, 623023102200]
VALUES = ("healthy", "chronic", "serious", "disabled")
LEAST = 5
counts = st.lists(st.sampled_from((0, 0, 1, 2, 4, 5, 9, 40)), min_size=len(VILLAGES) * 4, max_size=len(VILLAGES) * 4)


def tree_of(numbers: list[int]) -> Tree:
    cells = [Cell(*key, count) for key, count in zip(product(VILLAGES, VALUES), numbers, strict=True)]
    return Tree(ROOT, cells, VALUES)


class Onlooker:
    """Who asks for every table that he may ask for: of each place, and of all places beneath it."""

    def __init__(self, tree: Tree, protection: Protection) -> None:
        self.tree = tree
        self.hidden: dict[tuple[int, str], bool] = {}
        for place in (tree.root, *(one for one in tree.counts if one != tree.root)):
            own, beneath = protection.hidden_at(tree, place)
            for value in VALUES:
                self._sees(place, value, value in own)
                for one in tree.beneath(place):
                    self._sees(one, value, value in beneath)

    def _sees(self, place: int, value: str, hidden: bool) -> None:
        """A place tells the same of itself wherever it is told of."""
        assert self.hidden.setdefault((place, value), hidden) is hidden

    @property
    def small(self) -> set[tuple[int, str]]:
        return {key for key in self.hidden if 0 < self.tree.counts[key[0]][key[1]] < LEAST}

    @property
    def said_by_all(self) -> set[tuple[int, str]]:
        """Where a place is shown to be all of one value, so are those beneath: no count of theirs tells that."""
        found = set()
        for above, value in product(self.tree.counts, VALUES):
            if (
                self.tree.counts[above][value] == sum(self.tree.counts[above].values())
                and not self.hidden[above, value]
            ):
                found |= {(place, value) for place in self.tree.counts if above in self.tree.way_to(place)}
        return found

    def worked_out(self) -> set[tuple[int, str]]:
        """What follows from the sums by themselves: of how many people each place has, of the places beneath."""
        unknown = sorted(key for key, hidden in self.hidden.items() if hidden)
        at = {key: column for column, key in enumerate(unknown)}
        rows = []
        for place in self.tree.counts:
            rows.append({at[place, value]: 1.0 for value in VALUES if (place, value) in at})
            for value in VALUES if self.tree.beneath(place) else ():
                row = {at[one, value]: 1.0 for one in self.tree.beneath(place) if (one, value) in at}
                if (place, value) in at:
                    row[at[place, value]] = -1.0
                rows.append(row)
        if not unknown:
            return set()
        matrix = np.zeros((len(rows), len(unknown)))
        for line, row in enumerate(rows):
            for column, factor in row.items():
                matrix[line, column] = factor
        _, sizes, basis = np.linalg.svd(matrix)
        free = basis[int((sizes > 1e-9).sum()) :]
        return {key for key, column in at.items() if not len(free) or np.abs(free[:, column]).max() < 1e-9}


@settings(max_examples=300, deadline=None)
@given(numbers=counts)
def test_no_small_count_is_shown_or_follows(numbers: list[int]) -> None:
    tree = tree_of(numbers)
    onlooker = Onlooker(tree, Protection(LEAST))
    assert all(onlooker.hidden[key] for key in onlooker.small)
    assert not onlooker.small & onlooker.worked_out() - onlooker.said_by_all


def test_a_column_alone_would_follow_from_the_number_of_people() -> None:
    """The guard's other half: with the small counts alone hidden, an onlooker has them all."""
    numbers = [40, 9, 3, 0] + [40, 9, 9, 0] * 5
    tree = tree_of(numbers)
    protected = Onlooker(tree, Protection(LEAST))
    assert protected.small == {(VILLAGES[0], "serious")}
    assert protected.worked_out().isdisjoint(protected.small)
    bare = Onlooker(tree, Protection(LEAST, adds_up=False))
    assert bare.worked_out() >= bare.small


def test_what_nobody_could_take_amiss_is_shown() -> None:
    """Zeros and large counts are no secret; where nothing is small nothing is hidden."""
    tree = tree_of([40, 9, 0, 5] * len(VILLAGES))
    assert not any(Onlooker(tree, Protection(LEAST)).hidden.values())
    assert Protection(LEAST).hidden_at(tree_of([40, 9, 5, 0] + [40, 3, 5, 0] * 5), tree.root)[0] == frozenset()


@pytest.mark.parametrize(
    ("ends", "named"), [([6, 15, 59, 79], ["0-6", "7-15", "16-59", "60-79", "80+"]), ([59], ["0-59", "60+"])]
)
def test_bands_of_age_cover_every_age_once(ends: list[int], named: list[str]) -> None:
    found = bands(ends)
    assert [name for name, _, _ in found] == named
    assert [age for _, first, last in found for age in range(first, last + 1)] == list(range(201))
