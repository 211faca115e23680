"""What may become of a doubt: assigned, answered by a written finding, closed by a second person, asked again.

No step of it touches what the register holds: a finding is a paper, a correction comes by a form like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.registry.domain.refusals import (
    DoubtAssignedElsewhere,
    DoubtClosed,
    DoubtSamePerson,
    DoubtWithoutFinding,
    ExceptionUndated,
)


class DoubtState(StrEnum):
    """疑点状态: asked, given to somebody, answered and waiting for the second person, closed."""

    OPEN = "open"
    ASSIGNED = "assigned"
    FOUND = "found"
    CLOSED = "closed"


class DoubtFinding(StrEnum):
    """核查结论: 属实 (the data is right), 已更正 (it was wrong), 例外 (right for a reason, until a day)."""

    KEPT = "kept"
    CORRECTED = "corrected"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True)
class Doubt:
    """疑点: a question that a check asks about a household or one member of it, and how far its answer is."""

    no: int
    id: UUID
    household_no: int
    check_id: str
    state: DoubtState
    version: int
    assignee: str | None = None
    finding: str | None = None
    reason: str | None = None
    until: date | None = None
    found_by: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """书面结论: what somebody found out on the spot, why, and for an exception until when."""

    finding: DoubtFinding
    reason: str
    until: date | None = None


@dataclass(frozen=True, slots=True)
class DoubtStep:
    """疑点经过: one step of a doubt, kept for ever."""

    what: str
    assignee: str | None = None
    finding: str | None = None
    reason: str | None = None
    until: date | None = None


Taken = tuple[Doubt, DoubtStep]


def assign(doubt: Doubt, to: str) -> Taken:
    """It is somebody's to look into; a finding that waits for its second person is not given away again."""
    _refuse_closed(doubt)
    if doubt.state is DoubtState.FOUND:
        raise DoubtClosed(state=doubt.state.value)
    after = _next(doubt, state=DoubtState.ASSIGNED, assignee=to)
    return after, DoubtStep("assigned", assignee=to)


def find(doubt: Doubt, answer: Answer, by: str, *, may_answer_for_others: bool, today: date) -> Taken:
    """The written answer, by whoever it was given to; a new one replaces one that still waits."""
    _refuse_closed(doubt)
    if doubt.assignee not in (None, by) and not may_answer_for_others:
        raise DoubtAssignedElsewhere
    if (answer.finding is DoubtFinding.EXCEPTION) != (answer.until is not None and answer.until > today):
        raise ExceptionUndated
    said: dict[str, Any] = {"finding": answer.finding.value, "reason": answer.reason, "until": answer.until}
    after = _next(doubt, state=DoubtState.FOUND, found_by=by, **said)
    return after, DoubtStep("found", assignee=doubt.assignee, **said)


def confirm(doubt: Doubt, by: str, remark: str | None, *, agreed: bool) -> Taken:
    """The second person: agreed closes it, otherwise it goes back to be looked into again."""
    _refuse_closed(doubt)
    if doubt.state is not DoubtState.FOUND:
        raise DoubtWithoutFinding
    if doubt.found_by == by:
        raise DoubtSamePerson
    if agreed:
        return _next(doubt, state=DoubtState.CLOSED), _step("closed", doubt, remark)
    state = DoubtState.OPEN if doubt.assignee is None else DoubtState.ASSIGNED
    after = _next(doubt, state=state, finding=None, reason=None, until=None, found_by=None)
    return after, _step("returned", doubt, remark)


def _refuse_closed(doubt: Doubt) -> None:
    if doubt.state is DoubtState.CLOSED:
        raise DoubtClosed(state=doubt.state.value)


def _next(doubt: Doubt, **changed: Any) -> Doubt:
    return replace(doubt, version=doubt.version + 1, **changed)


def _step(what: str, doubt: Doubt, remark: str | None) -> DoubtStep:
    return DoubtStep(what, assignee=doubt.assignee, finding=doubt.finding, reason=remark, until=doubt.until)
