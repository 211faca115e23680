"""兑付对应: which money paid documents which amount declared, so that no yuan counts twice (ADR 0017).

A payout documents what the same household declared for the same income year under the same sub-item, on a form of the
day of payment or later: an earlier form cannot have known of it. Both rows stay; the declared one counts for what is
left of it. A payout that was reversed documents nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from services.registry.domain.household import IncomeRow


@dataclass(frozen=True, slots=True)
class Match:
    """收入对应: so many fen of a declared row are the money of a payout."""

    declared: IncomeRow
    payout: IncomeRow
    fen: int


def matches_of(income: Sequence[IncomeRow]) -> list[Match]:
    """All matches among a household's rows, earlier payments first; what is not matched is left out."""
    reversed_ = {row.reverses for row in income if row.reverses is not None}
    paid = sorted(
        (row for row in income if _documents(row) and row.reference not in reversed_),
        key=lambda row: (row.paid_on, row.reference),
    )
    found = []
    for declared in income:
        left = declared.fen if declared.source == "declared" else 0
        for payout in paid:
            fen = min(left, payout.fen) if _is_about(payout, declared) else 0
            if fen > 0:
                found.append(Match(declared, payout, fen))
                left -= fen
    return found


def counted(income: Sequence[IncomeRow]) -> list[tuple[IncomeRow, int]]:
    """Each row with what it counts for: a declared one without what payouts document of it."""
    matched: dict[IncomeRow, int] = {}
    for one in matches_of(income):
        matched[one.declared] = matched.get(one.declared, 0) + one.fen
    return [(row, row.fen - matched.get(row, 0)) for row in income]


def restated(before: Iterable[IncomeRow], entry: IncomeRow, on: date) -> IncomeRow:
    """A declared row as it is to stand after a form of that day: the one on record where the form says nothing new.

    Said again after a payment, the same amount is news: from now on it includes the payment.
    """
    if entry.declared_on is not None:
        return entry  # not of this form: taken over from the register
    again = replace(entry, declared_on=on)
    held = next((row for row in before if replace(row, declared_on=on) == again), None)
    if held is None or held.declared_on is None:
        return again
    since = held.declared_on
    is_news = held.fen > 0 and any(_documents(row) and _is_about(row, again, after=since) for row in before)
    return again if is_news else held


def _documents(row: IncomeRow) -> bool:
    return row.source == "payout" and row.reverses is None and row.fen > 0


def _is_about(payout: IncomeRow, declared: IncomeRow, after: date = date.min) -> bool:
    assert payout.paid_on is not None, "a payout has its day"
    return (
        (payout.year.first, payout.item) == (declared.year.first, declared.item)
        and declared.declared_on is not None
        and after < payout.paid_on <= declared.declared_on
    )
