"""户类型: what a form may say of a household's statuses, and what only a decision may change (ADR 0016).

A first form carries whatever last year's register held. Of a household on record, 贫困户, 脱贫户 and 监测户 are ended
by a decision alone, and 脱贫户 is opened by one alone: leaving the mark out of a file lifts nobody out of poverty.
Nor does a form that repeats one of the three take days away from it: on those the household would not have been poor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from services.registry.domain.codes import STATUS
from services.registry.domain.household import StatusSpan
from shared.events.registry import StatusKind

ENDED_BY_DECISION: tuple[StatusKind, ...] = ("poor", "lifted", "monitored")
OPENED_BY_DECISION: StatusKind = "lifted"
TYPES: tuple[StatusKind, ...] = ("poor", "lifted", "ordinary")
"""One of these is what a household is; the others lie over it. Disputed, none of the three moves."""
CHECK_ID, CHECK_FIELD = "T7", "statuses"
EXCLUDES: dict[StatusKind, StatusKind] = {"poor": "lifted", "lifted": "poor"}

Said = tuple[tuple[StatusKind, date], ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """身份不符: a form claims other statuses than the register's.

    `kept` are those that stand against it, `begun` of them those that it repeats with a later first day (the
    register's); `is_unfounded`: it says 脱贫户 and no decision did.
    """

    kept: tuple[StatusKind, ...]
    said: tuple[StatusKind, ...]
    is_unfounded: bool
    begun: Said = ()

    @property
    def is_of_type(self) -> bool:
        """Whether it is about what the household is, not only about what lies over that."""
        return self.is_unfounded or not {"poor", "lifted"}.isdisjoint(self.kept)

    @property
    def zh(self) -> str:
        """As a doubt (T7)."""
        left_out = self._left_out
        held = [f"在册为{_zh(left_out)}"] if left_out else []
        held += [f"在册{_zh([kind])}自{since.isoformat()}起，表内起始时间晚于此" for kind, since in self.begun]
        unfounded = ["脱贫未经决定"] if self.is_unfounded else []
        return f"表内户类型为{_zh(self.said)}，{'，'.join(held + unfounded)}；在册户类型须经决定方可变更，未动"

    @property
    def en(self) -> str:
        """The same in English."""
        left_out = self._left_out
        held = [f"the register holds {_en(left_out)}"] if left_out else []
        held += [f"the register has {_en([kind])} since {since.isoformat()}, not later" for kind, since in self.begun]
        unfounded = ["no decision has lifted the household"] if self.is_unfounded else []
        said = ", ".join([f"the form says {_en(self.said)}", *held, *unfounded])
        return f"{said}; only a decision changes that, so the register's status stands"

    @property
    def _left_out(self) -> list[StatusKind]:
        repeated = dict(self.begun)
        return [kind for kind in self.kept if kind not in repeated]


def _zh(kinds: Iterable[StatusKind]) -> str:
    return "、".join(map(STATUS.label, kinds)) or "空"


def _en(kinds: Iterable[StatusKind]) -> str:
    return " and ".join(kind.replace("_", " ") for kind in kinds) or "none"


def claim_of(before: tuple[StatusSpan, ...], said: Said, on: date) -> Claim | None:
    """Where a form of that day of visit contradicts what decisions alone may change; None when it does not.

    One of the three that it lets begin later than the register does would lose the days between; where a decision
    opened it, the day is settled, and only one that begins after the visit is left out in other words.
    """
    named = dict(said)
    held = {span.kind: span for span in before if span.until is None}
    latest = {kind: max(on, span.since) if span.decided else span.since for kind, span in held.items()}
    kept = tuple(
        kind for kind in ENDED_BY_DECISION if kind in held and (kind not in named or named[kind] > latest[kind])
    )
    begun = tuple((kind, held[kind].since) for kind in kept if kind in named)
    unfounded = bool(before) and OPENED_BY_DECISION in named and OPENED_BY_DECISION not in held
    return Claim(kept, tuple(sorted(named)), unfounded, begun) if kept or unfounded else None


def merge_statuses(before: tuple[StatusSpan, ...], said: Said, on: date) -> tuple[StatusSpan, ...]:
    """What becomes of the intervals: the form opens, corrects and closes those that are not fixed.

    What begins again begins at the earliest when it last ended.
    """
    fixed = _fixed(before, claim_of(before, said, on))
    wanted = {kind: _begins(before, kind, since) for kind, since in said if kind not in fixed}
    after: list[StatusSpan] = []
    for span in before:
        if span.until is not None or span.kind in fixed:
            after.append(span)
        elif span.kind in wanted:
            after.append(replace(span, since=wanted.pop(span.kind)))
        elif span.since < on:
            after.append(replace(span, until=on))
    after.extend(StatusSpan(kind, since) for kind, since in wanted.items())
    return tuple(after)


def _fixed(before: tuple[StatusSpan, ...], claim: Claim | None) -> set[StatusKind]:
    """What this form cannot change: what a decision touched, and what it claims against the register."""
    decided = {span.kind for span in before if span.decided}
    if claim is None:
        return decided
    return decided | set(claim.kept) | (set(TYPES) if claim.is_of_type else set())


def _begins(before: tuple[StatusSpan, ...], kind: StatusKind, since: date) -> date:
    same = {kind, EXCLUDES.get(kind, kind)}
    return max([since, *(span.until for span in before if span.kind in same and span.until is not None)])
