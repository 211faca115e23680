"""What can be done with objections: receive one, close it with a finding. The case is what is locked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from services.assessment.actions.cases import Asked, Taker, standings_of
from services.assessment.domain.cases import (
    SYSTEM_ACTOR,
    Actor,
    Case,
    CaseMissing,
    Finding,
    Objection,
    ObjectionMissing,
    close_objection,
    receive_objection,
)
from services.assessment.domain.machine import Door
from services.assessment.domain.publicity import PublicityState
from services.assessment.store import cases
from services.assessment.store import objections as store
from shared.clock import today
from shared.db import Transaction
from shared.values import new_id


@dataclass(frozen=True, slots=True)
class Words:
    """异议登记: who objects, to what, and when it came in."""

    by: str
    text: str
    received_on: date


async def receive(tx: Transaction, by: Actor, case_id: UUID, words: Words, at: datetime) -> tuple[Objection, Case]:
    """受理异议: from now on it holds this case, and no other of the list."""
    taker = await _taker(tx, by, case_id, at)
    objection_id = new_id()
    case = taker.taken(Asked(case_id, {"objection": str(objection_id)}), Door.OBJECTION, "objection_received", {})
    hung = taker.standings[case_id].publicity
    assert hung is not None, "a case to which one may object is on a list"
    objection = Objection(
        id=objection_id,
        case=case_id,
        publicity=hung.id,
        village=case.village,
        by=words.by,
        text=words.text,
        received_on=words.received_on,
        recorded_by=by.sub,
        recorded_at=at,
    )
    await store.create_objection(tx, receive_objection(objection, hung, today(at)))
    await taker.save(tx)
    return objection, case


async def close(
    tx: Transaction, by: Actor, objection_id: UUID, finding: Finding, text: str, at: datetime
) -> tuple[Objection, Case]:
    """办结异议: upheld, the case goes back to the meeting; rejected, it goes on as soon as nothing else holds it."""
    known = await store.load_objection(tx, objection_id)
    if known is None:
        raise ObjectionMissing(objection=objection_id)
    taker = await _taker(tx, by, known.case, at)
    current = await store.load_objection(tx, objection_id)
    assert current is not None, "objections are never deleted"
    closed = close_objection(current, finding, text, by, at)
    case = taker.taken(Asked(known.case, {"objection": str(objection_id)}), Door.OBJECTION, f"objection_{finding}", {})
    await store.save_objection(tx, closed)
    case = await _gone_on(tx, taker, case)
    await taker.save(tx)
    return closed, case


async def _gone_on(tx: Transaction, taker: Taker, case: Case) -> Case:
    """The days had passed meanwhile: the case that was held goes on."""
    held = taker.standings[case.id]
    still_open = (await store.count_open(tx, [case.id])).get(case.id, 0)
    ended = held.publicity is not None and held.publicity.state is PublicityState.ENDED
    if case.state != "in_publicity" or still_open or not ended:
        return case
    freed = {case.id: replace(held, objections_open=0)}
    taker.standings = {**taker.standings, **freed}
    return taker.taken(Asked(case.id), Door.PUBLICITY, "publicity_ended", {}, by=SYSTEM_ACTOR)


async def _taker(tx: Transaction, by: Actor, case_id: UUID, at: datetime) -> Taker:
    locked = await cases.lock_cases(tx, [case_id])
    if case_id not in locked:
        raise CaseMissing(case=case_id)
    return Taker(by, at, locked, await standings_of(tx, locked.values(), at))
