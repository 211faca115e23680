"""全面核查: all checks over all households of a division, as a job; each doubt becomes what the household's own form
would have made of it.

Households are read and asked without a lock; a chunk's commit holds them and takes only what was found of those that
are still as they were read. Whoever was changed meanwhile is read and asked again there. So nobody waits for the
checks, and it may be killed at any point: the cursor moves with each commit.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from services.registry.actions.doubts import findings_of
from services.registry.actions.households import entry_of
from services.registry.actions.intake import SUBMITTERS
from services.registry.domain import HouseholdEntry
from services.registry.store import households as household_store
from services.registry.store import inspections as store
from services.registry.store.doubts import Found, Look, save_doubts_of_many
from services.registry.store.inspections import Standing
from services.registry.store.parameters import parameters
from shared.auth import Officer
from shared.clock import today
from shared.crypto import KeyRing
from shared.db import Transaction
from shared.errors import ScopeRefused
from shared.jobs import Job, Step, submit_job
from shared.parameters import Parameters
from shared.values import DivisionCode, new_id

__all__ = ["KIND", "SUBMITTERS", "Inspector", "submit_inspection"]
KIND = "inspection"
BEGINNING = (date.min, 0)


async def submit_inspection(tx: Transaction, officer: Officer, division: DivisionCode | None, now: datetime) -> Job:
    """Queue it under the officer's own rights: over one division inside his scope, or over all of it."""
    if division is not None and not tx.scope.contains(division):
        raise ScopeRefused(division=division)
    places = [division] if division is not None else list(officer.divisions)
    return await submit_job(tx, officer, KIND, {"divisions": [one.text for one in places]}, job_id=new_id(), now=now)


@dataclass(frozen=True, slots=True)
class Looked:
    """所见: households of one day's visits with what was found in each, and which checks were asked."""

    found: Mapping[UUID, Sequence[Found]]
    asked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was read and asked without a lock."""

    households: Sequence[Standing]
    looked: Sequence[Looked]
    total: int | None


class Inspector:
    """Prepares and runs the chunks."""

    def __init__(
        self, of_submitter: Callable[[Job], AbstractAsyncContextManager[Transaction]], keys: KeyRing, chunk: int
    ) -> None:
        self._of_submitter = of_submitter
        self._keys = keys
        self._chunk = chunk

    async def prepare(self, job: Job) -> Prepared:
        """The next households, read and asked."""
        place, after, _ = _at(job)
        async with self._of_submitter(job) as tx:
            total = None if job.cursor is not None else await _total(tx, job)
            households = await store.next_households(tx, place, after, self._chunk)
            entries, numbers = await self._read(tx, households), await parameters(tx)
        return Prepared(households, await self._ask(households, entries, numbers), total)

    async def _read(self, tx: Transaction, households: Sequence[Standing]) -> dict[UUID, HouseholdEntry]:
        found = await household_store.load_households(tx, [one.id for one in households], self._keys)
        return {id_: entry_of(record.household) for id_, record in found.items()}

    async def _ask(
        self, households: Iterable[Standing], entries: Mapping[UUID, HouseholdEntry], numbers: Parameters
    ) -> list[Looked]:
        """All that were visited on one day at once."""
        looked = []
        for on, group in groupby(sorted(households, key=_visit), key=_visit):
            ids = [one.id for one in group if one.id in entries]
            found, asked = await asyncio.to_thread(findings_of, self._keys, [entries[id_] for id_ in ids], on, numbers)
            looked.append(Looked(dict(zip(ids, found, strict=True)), asked))
        return looked

    async def run_chunk(self, tx: Transaction, job: Job, now: datetime, prepared: Prepared) -> Step:
        """Hold them, look again at those that were changed meanwhile, and save what is in doubt of each."""
        place, _, counts = _at(job)
        held = {one.id: one for one in await store.hold_households(tx, [one.no for one in prepared.households])}
        same = {one.id for one in prepared.households if held.get(one.id) == one}
        changed = [one for id_, one in held.items() if id_ not in same]
        again = await self._ask(changed, await self._read(tx, changed), await parameters(tx)) if changed else []
        look = Look(job.sub, now, today(now))
        for one in (*(_only(one, same) for one in prepared.looked), *again):
            if one.found:
                counts["opened"] += await save_doubts_of_many(tx, one.found, one.asked, look)
        counts.update(await store.turns_of(tx, now, [one.no for one in held.values()]))
        counts["households"] += len(prepared.households)
        return _step(job, place, prepared, counts, is_done=len(prepared.households) < self._chunk)


def _visit(one: Standing) -> date:
    return one.observed_on


def _only(looked: Looked, ids: set[UUID]) -> Looked:
    return Looked({id_: found for id_, found in looked.found.items() if id_ in ids}, looked.asked)


def _at(job: Job) -> tuple[DivisionCode, tuple[date, int], Counter[str]]:
    """Which of its divisions is under way, after which household, and what was counted so far."""
    cursor: dict[str, Any] = job.cursor or {"place": 0, "counts": {}}
    place = DivisionCode.parse(job.parameters["divisions"][cursor["place"]])
    after = (date.fromisoformat(cursor["on"]), int(cursor["no"])) if "on" in cursor else BEGINNING
    return place, after, Counter(cursor["counts"])


async def _total(tx: Transaction, job: Job) -> int:
    return sum([await store.count_households(tx, DivisionCode.parse(one)) for one in job.parameters["divisions"]])


def _step(job: Job, place: DivisionCode, prepared: Prepared, counts: Counter[str], *, is_done: bool) -> Step:
    """A division is done with when it gave fewer than were asked for; the job is, with its last one."""
    at, places = (job.cursor or {"place": 0})["place"], job.parameters["divisions"]
    cursor: dict[str, Any] = {"place": at, "counts": dict(counts)}
    if not is_done:
        last = prepared.households[-1]
        cursor |= {"on": last.observed_on.isoformat(), "no": last.no}
    else:
        cursor["place"] = at + 1
    is_last = cursor["place"] >= len(places)
    result = {name: counts[name] for name in ("households", "opened", "reopened", "changed", "closed")}
    return Step(
        cursor=cursor,
        done=counts["households"],
        total=prepared.total,
        phase=place.text,
        is_last=is_last,
        result=result if is_last else None,
    )
