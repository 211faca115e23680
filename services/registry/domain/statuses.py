"""户类型: what a form may say of a household's statuses, and what only a decision may change (ADR 0016).

A first form carries whatever last year's register held. Of a household on record, 贫困户, 脱贫户 and 监测户 are ended
by a decision alone, and 脱贫户 is opened by one alone: leaving the mark out of a file lifts nobody out of poverty.
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

    `kept` are those that stand against it; `is_unfounded`: it says 脱贫户 and no decision did.
    """

    kept: tuple[StatusKind, ...]
    said: tuple[StatusKind, ...]
    is_unfounded: bool

    @property
    def is_of_type(self) -> bool:
        """Whether it is about what the household is, not only about what lies over that."""
        return self.is_unfounded or not {"poor", "lifted"}.isdisjoint(self.kept)

    @property
    def zh(self) -> str:
        """As a doubt (T7)."""
        held = [f"在册为{_zh(self.kept)}"] if self.kept else []
        unfounded = ["脱贫未经决定"] if self.is_unfounded else []
        return f"表内户类型为{_zh(self.said)}，{'，'.join(held + unfounded)}；在册户类型须经决定方可变更，未动"

    @property
    def en(self) -> str:
        """The same in English."""
        held = [f"the register holds {_en(self.kept)}"] if self.kept else []
        unfounded = ["no decision has lifted the household"] if self.is_unfounded else []
        said = ", ".join([f"the form says {_en(self.said)}", *held, *unfounded])
        return f"{said}; only a decision changes that, so the register's status stands"


def _zh(kinds: Iterable[StatusKind]) -> str:
    return "、".join(map(STATUS.label, kinds)) or "空"


def _en(kinds: Iterable[StatusKind]) -> str:
    return " and ".join(kind.replace("_", " ") for kind in kinds) or "none"


def claim_of(before: tuple[StatusSpan, ...], said: Said, on: date) -> Claim | None:
    """Where a form of that day of visit contradicts what decisions alone may change; None when it does not.

    A status that it lets begin after the visit (and later than the register does) is left out in other words.
    """
    named = dict(said)
    held = {span.kind: span.since for span in before if span.until is None}
    kept = tuple(
        kind for kind in ENDED_BY_DECISION if kind in held and (kind not in named or named[kind] > max(on, held[kind]))
    )
    unfounded = bool(before) and OPENED_BY_DECISION in named and OPENED_BY_DECISION not in held
    return Claim(kept, tuple(sorted(named)), unfounded) if kept or unfounded else None


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
