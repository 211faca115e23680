"""兑付 → 收入: which income year a payment falls into. Under which component it counts is a dated parameter."""

from __future__ import annotations

from datetime import date, timedelta

from shared.values import Period


def income_year(paid_on: date, end: str) -> Period:
    """The income year (month and day of its last day, `09-30`) that holds the day of payment."""
    month, day = (int(part) for part in end.split("-"))
    last = date(paid_on.year, month, day)
    if paid_on > last:
        last = date(paid_on.year + 1, month, day)
    return Period(date(last.year - 1, month, day) + timedelta(days=1), last)
