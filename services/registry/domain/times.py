"""两个时间: what was true on a day, as the register believed it at a moment (ADR 0020)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from shared.errors import Invalid, Malformed, Missing


class KnownAtAhead(Invalid):
    """所知时刻在将来: nobody knows yet what will be known."""

    code = "known_at.future"
    zh = "所知时刻{asked}晚于现在"
    en = "known_at {asked} lies ahead of now"
    hint_zh = "known_at 只能是现在或过去；要看将来某日的情况请用 as_of"
    hint_en = "known_at is now or in the past; ask about a day to come with as_of"


class KnownAtMalformed(Malformed):
    """所知时刻格式有误: neither a day nor a moment with its offset."""

    code = "known_at.malformed"
    zh = "所知时刻应为日期，或带时区的时刻"
    en = "known_at must be a day, or a moment with its offset"
    hint_zh = "例如 2025-06-01（该日终了）或 2025-06-01T12:00:00+08:00"
    hint_en = "For example 2025-06-01 (the end of that day) or 2025-06-01T12:00:00+08:00"


class HouseholdUnknownThen(Missing):
    """当时未登记: at that moment the register held nothing to be true of this household on that day."""

    code = "household.unknown_then"
    zh = "截至该时刻，登记簿对该户在{on}的情况一无所知"
    en = "At that moment the register knew nothing of this household on {on}"
    hint_zh = "请改用较晚的 as_of 或 known_at；沿革（timeline）写明何时得知何事"
    hint_en = "Ask for a later as_of or known_at; the timeline says what became known when"


@dataclass(frozen=True, slots=True)
class AsOf:
    """截至: `on` is the day on which it was true, `known_at` the moment at which the register believed it."""

    on: date
    known_at: datetime
