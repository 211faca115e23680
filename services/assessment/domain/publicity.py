"""公示: a village's list, frozen when it opens, hung for so many days. A noun of its own: one list carries many cases.

The clock starts when notify says the notice hangs, not when we asked for it. Posted on 23 August, seven days are 24 to
30 August; the list ends on the 31st at the earliest. Basis: 厅字〔2016〕16号, 在村内公示无异议后公告退出.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from shared.clock import today
from shared.errors import Conflict, Invalid, Missing
from shared.events.assessment import CaseKind, PublicityEnded, PublicityOpened
from shared.events.assessment import PublicityItem as ItemOnTheWire
from shared.values import DivisionCode, Period


class PublicityEmpty(Invalid):
    """空名单: there is nobody to publish."""

    code = "publicity.empty"
    zh = "公示名单为空"
    en = "The public list would be empty"
    hint_zh = "请至少选择一个已获户主同意的案件"
    hint_en = "Choose at least one case to which its household has agreed"


class PublicityMissing(Missing):
    """无此公示."""

    code = "publicity.missing"
    zh = "没有公示 {publicity}"
    en = "There is no publicity {publicity}"


class PublicityNotPosted(Conflict):
    """尚未张贴: the clock has not started."""

    code = "publicity.not_posted"
    zh = "公示尚未张贴，期限未开始计算"
    en = "The notice has not been posted, its days have not begun"
    hint_zh = "请等待公示页面张贴"
    hint_en = "Wait until the public page hangs"


class PublicityRunning(Conflict):
    """公示期未满: its last day is not over."""

    code = "publicity.running"
    zh = "公示期至 {last_day} 届满，尚不能结束"
    en = "The notice hangs until the end of {last_day} and may not end before"
    hint_zh = "请在 {last_day} 次日起办理"
    hint_en = "Come back from the day after {last_day}"


class PublicityOver(Conflict):
    """公示已结束: nothing more can happen to it."""

    code = "publicity.over"
    zh = "该公示已结束或已撤回"
    en = "This publicity has ended or was withdrawn"
    hint_zh = "如需再次公示，请重新开启"
    hint_en = "Open a new one to publish again"


class PublicityState(StrEnum):
    """公示状态."""

    OPENED = "opened"
    POSTED = "posted"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"


STATES_ZH = {
    PublicityState.OPENED: "待张贴",
    PublicityState.POSTED: "公示中",
    PublicityState.ENDED: "公示期满",
    PublicityState.WITHDRAWN: "已撤回",
}


@dataclass(frozen=True, slots=True)
class PublicityItem:
    """公示名单一行, frozen at opening: what the village may read of a household, and nothing else."""

    case: UUID
    masked_head: str
    group: str | None
    category: str
    headcount: int


@dataclass(frozen=True, slots=True)
class Publicity:
    """公示: which list hangs in which village, for how many days, and what became of it."""

    id: UUID
    kind: CaseKind
    village: DivisionCode
    days: int
    days_basis: str
    opened_on: date
    opened_by: str
    objections_to: str
    items: tuple[PublicityItem, ...]
    state: PublicityState = PublicityState.OPENED
    notice: UUID | None = None
    posted_at: datetime | None = None
    first_day: date | None = None
    last_day: date | None = None
    content_hash: str | None = None
    taken_down_at: datetime | None = None
    ended_on: date | None = None
    withdrawn_why: str | None = None
    version: int = 1

    @property
    def is_over(self) -> bool:
        """Whether it has ended, either way."""
        return self.state in (PublicityState.ENDED, PublicityState.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Term:
    """公示期限: how many days, and by which document."""

    days: int
    basis: str


def open_publicity(
    publicity_id: UUID,
    kind: CaseKind,
    village: DivisionCode,
    term: Term,
    items: Sequence[PublicityItem],
    objections_to: str,
    by: str,
    on: date,
) -> tuple[Publicity, list[PublicityOpened]]:
    """Freeze the list and ask for it to be hung. The order of the rows is by group and name, never by case id."""
    if not items:
        raise PublicityEmpty()
    ordered = tuple(sorted(items, key=lambda item: (item.group or "", item.masked_head, item.case)))
    opened = Publicity(publicity_id, kind, village, term.days, term.basis, on, by, objections_to, ordered)
    return opened, [opened_fact(opened)]


def opened_fact(publicity: Publicity) -> PublicityOpened:
    """The fact as it was said at opening; republishing says it again under the same id."""
    return PublicityOpened(
        publicity=publicity.id,
        kind=publicity.kind,
        village=publicity.village.text,
        days=publicity.days,
        opened_on=publicity.opened_on,
        objections_to=publicity.objections_to,
        items=tuple(
            ItemOnTheWire(
                case=item.case,
                masked_head=item.masked_head,
                group=item.group,
                category=item.category,
                headcount=item.headcount,
            )
            for item in publicity.items
        ),
    )


def ended_fact(publicity: Publicity) -> PublicityEnded:
    """The fact of its end, days passed or withdrawn."""
    assert publicity.ended_on is not None, "only what is over has an end"
    return PublicityEnded(
        publicity=publicity.id,
        village=publicity.village.text,
        ended_on=publicity.ended_on,
        reason="days_passed" if publicity.state is PublicityState.ENDED else "withdrawn",
    )


def posted(publicity: Publicity, notice: UUID, at: datetime, content_hash: str) -> Publicity:
    """The notice hangs: the days are counted from our own reading of the moment. Heard again, it changes nothing."""
    if publicity.posted_at is not None:
        return publicity
    span = Period.after(today(at), publicity.days)
    hung = replace(
        publicity,
        notice=notice,
        posted_at=at,
        first_day=span.first,
        last_day=span.last,
        content_hash=content_hash,
        version=publicity.version + 1,
    )
    return hung if publicity.is_over else replace(hung, state=PublicityState.POSTED)


def taken_down(publicity: Publicity, at: datetime) -> Publicity:
    """The notice hangs no more: evidence, not a gate."""
    if publicity.taken_down_at is not None:
        return publicity
    return replace(publicity, taken_down_at=at, version=publicity.version + 1)


def end(publicity: Publicity, on: date) -> tuple[Publicity, list[PublicityEnded]]:
    """The days have passed: the gate for approval opens. Refused before the day after the last one."""
    if publicity.is_over:
        raise PublicityOver()
    if publicity.last_day is None:
        raise PublicityNotPosted()
    if on <= publicity.last_day:
        raise PublicityRunning(last_day=publicity.last_day.isoformat())
    ended = replace(publicity, state=PublicityState.ENDED, ended_on=on, version=publicity.version + 1)
    return ended, [ended_fact(ended)]


def withdraw(publicity: Publicity, why: str, on: date) -> tuple[Publicity, list[PublicityEnded]]:
    """Taken back before its end, for a stated reason: its days count for nothing."""
    if publicity.is_over:
        raise PublicityOver()
    state = PublicityState.WITHDRAWN
    withdrawn = replace(publicity, state=state, ended_on=on, withdrawn_why=why, version=publicity.version + 1)
    return withdrawn, [ended_fact(withdrawn)]
