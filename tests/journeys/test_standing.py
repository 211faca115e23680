"""A journey that fails and leaves the shared stack disturbed does not make the later ones fail as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.journeys.standing import Standing


class Shelf:
    """Things made one after the other."""

    def __init__(self) -> None:
        self.made = 0
        self.ended: list[int] = []
        self.fails = False

    @contextmanager
    def make(self) -> Iterator[int]:
        self.made += 1
        if self.fails:
            raise OSError("no room")
        yield self.made
        self.ended.append(self.made)


def test_it_is_one_for_all_and_not_looked_at_while_all_is_well() -> None:
    shelf = Shelf()
    one = Standing(shelf.make)
    assert [one.get(lambda _: pytest.fail("looked at")) for _ in range(3)] == [1, 1, 1]
    one.close()
    assert shelf.ended == [1]


def test_after_a_failure_it_stays_if_it_is_sound() -> None:
    shelf = Shelf()
    one = Standing(shelf.make)
    one.get(lambda _: True)
    one.is_doubted = True
    assert one.get(lambda thing: thing == 1) == 1
    assert one.get(lambda _: False) == 1  # seen to be sound, it is doubted no more
    assert shelf.ended == []


def test_after_a_failure_that_spoilt_it_comes_a_fresh_one() -> None:
    shelf = Shelf()
    one = Standing(shelf.make)
    one.get(lambda _: True)
    one.is_doubted = True
    assert one.get(lambda _: False) == 2
    assert shelf.ended == [1]


def test_what_cannot_be_opened_is_not_tried_for_each_test_anew() -> None:
    shelf = Shelf()
    shelf.fails = True
    one = Standing(shelf.make)
    for _ in range(3):
        with pytest.raises(OSError, match="no room"):
            one.get(lambda _: True)
    assert shelf.made == 1
