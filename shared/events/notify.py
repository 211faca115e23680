"""Facts that notify speaks: which public notice hung when, with evidence."""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from shared.events.fact import Division, Fact, Topic


class NoticePosted(Fact):
    """公示张贴: the notice hangs; the publicity clock starts with this moment."""

    TOPIC: ClassVar[str] = "notify.notice.events.v1"
    TYPE: ClassVar[str] = "org.tuopin.notify.notice.posted.v1"

    publicity: UUID
    notice: UUID
    village: Division
    posted_at: datetime
    first_day: date
    last_day: date
    content_hash: str


class NoticeTakenDown(Fact):
    """公示撤下: the notice hangs no more; evidence, not a gate."""

    TOPIC: ClassVar[str] = "notify.notice.events.v1"
    TYPE: ClassVar[str] = "org.tuopin.notify.notice.taken_down.v1"

    publicity: UUID
    notice: UUID
    village: Division
    taken_down_at: datetime
    content_hash: str


FACTS: tuple[type[Fact], ...] = (NoticePosted, NoticeTakenDown)
TOPICS = (Topic(NoticePosted.TOPIC, "events", ("assessment",)),)
