"""`?as_of=2024-12-31&known_at=2025-06-01`: the two times of every read that the register answers (ADR 0020)."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated

from fastapi import Depends, Query

from services.registry.domain.times import AsOf, KnownAtAhead, KnownAtMalformed
from shared.clock import SHANGHAI, today
from shared.web import Now

TIMES_PROBLEMS = (KnownAtAhead, KnownAtMalformed)


async def _as_of(
    now: Now,
    as_of: Annotated[date | None, Query(description="真实时间：按这一天的情况答复；只写 known_at 时为今天")] = None,
    known_at: Annotated[
        str | None,
        Query(
            max_length=40,
            description="所知时间：按登记簿在这一时刻的所知答复。日期（该日终了）或带时区的时刻；只写 as_of 时为现在",
        ),
    ] = None,
) -> AsOf | None:
    if as_of is None and known_at is None:
        return None
    return AsOf(today(now) if as_of is None else as_of, now if known_at is None else _moment(known_at, now))


def _moment(text: str, now: datetime) -> datetime:
    """A day means its end: what was recorded on that day counts. Today means now."""
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))  # an unescaped plus arrives as a space
    except ValueError:
        raise KnownAtMalformed from None
    is_day = len(text) <= len("2025-06-01")
    if is_day:
        found = datetime.combine(found, time.max, SHANGHAI)
        found = now if today(now) == today(found) else found
    if found.tzinfo is None:
        raise KnownAtMalformed
    if found > now:
        raise KnownAtAhead(asked=text)
    return found


AsOfAsked = Annotated[AsOf | None, Depends(_as_of)]
"""Which two times are asked for; None is the register as it stands."""
