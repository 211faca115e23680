"""并村改码: a village ends on a day and another code takes its place; its households follow as a job.

The division changes in the commit of the order, so that nothing new is recorded under the old code from then on; what
lies there is carried over by chunks, and whoever is killed leaves the rest to the next. The order may be given again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from services.registry.domain.division import Division, division_recorded, new_division, supersede_division
from services.registry.store import carrying as store
from services.registry.store import divisions as division_store
from services.registry.store.carrying import Carriage, Lying
from shared.auth import Officer, Role
from shared.db import Transaction
from shared.errors import ScopeRefused
from shared.jobs import Job, Step, submit_job
from shared.outbox import announce
from shared.values import DivisionCode, new_id

KIND = "carriage"
SUBMITTERS = (Role.OPERATOR,)


@dataclass(frozen=True, slots=True)
class Succession:
    """接续: which code takes the village's place, under which name if the code is new, from which day on."""

    into: DivisionCode
    name: str | None
    on: date


@dataclass(frozen=True, slots=True)
class Ordered:
    """并村改码结果: what lies under the old code, both divisions as they stand then, and the job that carries."""

    lying: Lying
    old: Division
    new: Division
    job: Job | None


async def supersede(
    tx: Transaction,
    code: DivisionCode,
    asked: Succession,
    officer: Officer,
    check: Callable[[int], None],
    now: datetime,
    *,
    is_preview: bool,
) -> Ordered:
    """End one village, begin or take the other, and queue the job; a preview only says what it would do."""
    before = await division_store.lock_division(tx, code)
    for place in (code, asked.into):
        if not tx.scope.contains(place):
            raise ScopeRefused(division=place)
    check(before.version)
    found = await division_store.find_division(tx, asked.into)
    new = found or new_division(before, asked.into, asked.name, asked.on)
    old = supersede_division(before, new, asked.on)
    lying = await store.lying_in(tx, code)
    if is_preview:
        return Ordered(lying, old, new, None)
    if found is None:
        await division_store.insert_division(tx, new, officer.sub, now)
        await announce(tx, new.code.text, division_recorded(new), at=now)
    if old != before:
        await division_store.save_division(tx, old, officer.sub, now)
        await announce(tx, code.text, division_recorded(old), at=now)
    told = {"old": code.text, "new": new.code.text, "on": asked.on.isoformat()}
    total = lying.households
    job = await submit_job(tx, officer, KIND, told, job_id=new_id(), now=now, total=total)
    return Ordered(lying, old, new, job)


class Carrier:
    """Runs the chunks: households first, then those who belong to nobody."""

    def __init__(self, chunk: int) -> None:
        self._chunk = chunk

    async def run_chunk(self, tx: Transaction, job: Job, now: datetime, _prepared: Any) -> Step:
        """What was carried lies there no more, so the next chunk is whatever still does."""
        said = job.parameters
        old, new = (DivisionCode.parse(said[name]) for name in ("old", "new"))
        carriage = Carriage(old, new, date.fromisoformat(said["on"]), job.sub)
        moved = await store.carry_households(tx, carriage, now, self._chunk)
        if moved:
            return Step(cursor={"phase": "households"}, done=job.done + moved, phase="households")
        people = await store.carry_persons(tx, carriage, now, self._chunk)
        is_last = people < self._chunk
        result = {"households": job.done} if is_last else None
        return Step(cursor={"phase": "persons"}, done=job.done, phase="persons", is_last=is_last, result=result)
