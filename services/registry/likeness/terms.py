"""式: a condition on two entries, said once; printed as SQL and worked out on whole columns.

Every column is a number that is never null (0 is unknown), so that PostgreSQL and numpy decide alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

Columns = Mapping[str, Any]
"""Columns of many pairs: `a.born`, `b.born`, `fit`, `shared`."""


@dataclass(frozen=True, slots=True)
class Term:
    """式: how it is written in SQL, and what it is on columns. `&` and `|` join conditions, not bits."""

    sql: str
    run: Callable[[Columns], Any]

    def _with(self, other: Term | int, sign: str, act: Callable[[Any, Any], Any]) -> Term:
        right = other if isinstance(other, Term) else number(other)
        return Term(f"({self.sql} {sign} {right.sql})", lambda at: act(self.run(at), right.run(at)))

    def same(self, other: Term | int) -> Term:
        """Equal."""
        return self._with(other, "=", lambda one, two: one == two)

    def differs(self, other: Term | int) -> Term:
        """Not equal."""
        return self._with(other, "<>", lambda one, two: one != two)

    def __le__(self, other: Term | int) -> Term:
        return self._with(other, "<=", lambda one, two: one <= two)

    def __ge__(self, other: Term | int) -> Term:
        return self._with(other, ">=", lambda one, two: one >= two)

    def __and__(self, other: Term) -> Term:
        return self._with(other, "and", lambda one, two: one & two)

    def __or__(self, other: Term) -> Term:
        return self._with(other, "or", lambda one, two: one | two)

    def __sub__(self, other: Term | int) -> Term:
        return self._with(other, "-", lambda one, two: one - two)

    def __add__(self, other: Term | int) -> Term:
        return self._with(other, "+", lambda one, two: one + two)

    def __mul__(self, other: Term | int) -> Term:
        return self._with(other, "*", lambda one, two: one * two)

    def __floordiv__(self, other: int) -> Term:
        return self._with(other, "/", lambda one, two: one // two)

    def __mod__(self, other: int) -> Term:
        return self._with(other, "%", lambda one, two: one % two)

    def __rshift__(self, other: Term | int) -> Term:
        return self._with(other, ">>", lambda one, two: one >> two)

    def __lshift__(self, other: int) -> Term:
        return self._with(other, "<<", lambda one, two: one << two)

    def bits(self, mask: Term | int) -> Term:
        """The bits that the mask keeps."""
        return self._with(mask, "&", lambda one, two: one & two)

    def joined(self, other: Term) -> Term:
        """The bits of both."""
        return self._with(other, "|", lambda one, two: one | two)

    def apart(self, other: Term) -> Term:
        """The bits in which the two differ."""
        return self._with(other, "#", lambda one, two: one ^ two)


def number(value: int) -> Term:
    """A number."""
    return Term(str(value), lambda _: np.int64(value))


def column(name: str) -> Term:
    """A column of a pair."""
    return Term(name, lambda at: at[name])


def lowest(count: Term) -> Term:
    """So many of the lowest bits."""
    return Term(f"((1::bigint << {count.sql}) - 1)", lambda at: (np.int64(1) << count.run(at)) - 1)


def whole(term: Term) -> Term:
    """Made wide enough to be multiplied, and to shift by."""
    return Term(f"{term.sql}::integer", lambda at: np.asarray(term.run(at)).astype(np.int64))


def size(term: Term) -> Term:
    """How large, whichever the sign."""
    return Term(f"abs({term.sql})", lambda at: np.abs(term.run(at)))


def any_of(*terms: Term) -> Term:
    """At least one of them holds."""
    sql = f"({' or '.join(term.sql for term in terms)})"
    return Term(sql, lambda at: reduce(lambda one, two: one | two, (term.run(at) for term in terms)))


def all_of(*terms: Term) -> Term:
    """Each of them holds."""
    sql = f"({' and '.join(term.sql for term in terms)})"
    return Term(sql, lambda at: reduce(lambda one, two: one & two, (term.run(at) for term in terms)))
