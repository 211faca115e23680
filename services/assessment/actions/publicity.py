"""What can be done with publicities: open, hear that the notice hangs, end when the days have passed, withdraw."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from uuid import UUID

from services.assessment.actions.cases import (
    Asked,
    Check,
    Outcome,
    Taker,
    any_version,
    refuse_strangers,
    standings_of,
)
from services.assessment.domain.cases import (
    SYSTEM_ACTOR,
    Actor,
    Case,
    CaseMissing,
    HouseholdNotJudged,
    ShownHousehold,
    Standing,
)
from services.assessment.domain.machine import Door, take
from services.assessment.domain.publicity import (
    Publicity,
    PublicityItem,
    PublicityMissing,
    PublicityState,
    Term,
    end,
    ended_fact,
    open_publicity,
    opened_fact,
    posted,
    taken_down,
    withdraw,
)
from services.assessment.procedures import PROCEDURES
from services.assessment.store import cases, standing
from services.assessment.store import publicity as store
from shared import due
from shared.clock import SHANGHAI, today
from shared.db import Transaction
from shared.errors import Problem, ScopeRefused
from shared.events.assessment import CaseKind, PublicityOpened
from shared.events.notify import NoticePosted, NoticeTakenDown
from shared.hearing import Heard, NotYet
from shared.outbox import Said, announce
from shared.values import DivisionCode, new_id

END = "end_publicity"


@dataclass(frozen=True, slots=True)
class Wish:
    """公示申请: which cases of which village are to hang, and where the village may object."""

    kind: CaseKind
    village: DivisionCode
    cases: tuple[UUID, ...]
    objections_to: str


async def open_list(tx: Transaction, by: Actor, wish: Wish, at: datetime) -> tuple[Publicity | None, list[Outcome]]:
    """开启公示: cases that may hang are frozen into one list; each of the others is told why not.

    Without a single fit case nothing is opened.
    """
    if not by.scope.contains(wish.village):
        raise ScopeRefused(division=wish.village)
    locked = await cases.lock_cases(tx, wish.cases)
    shown = await standing.shown_households(tx, {case.household for case in locked.values()}, today(at))
    standings = await standings_of(tx, locked.values(), at)
    lister = _Lister(wish, await _term(tx, wish, at), by, at, locked, shown, standings)
    items, refused = lister.sorted()
    if not items:
        return None, [Outcome(one, problem=refused[one]) for one in dict.fromkeys(wish.cases)]
    opened, facts = lister.opened(items)
    on_list = {case_id: replace(one, publicity=opened) for case_id, one in standings.items()}
    taker = Taker(by, at, locked, on_list)
    hung = {one.case: taker.take(Asked(one.case), Door.PUBLICITY, "publish", {}) for one in items}
    await store.create_publicity(tx, opened)
    await taker.save(tx)
    await announce(tx, opened.id, *facts, at=at)
    return opened, [hung.get(one) or Outcome(one, problem=refused[one]) for one in dict.fromkeys(wish.cases)]


async def _term(tx: Transaction, wish: Wish, at: datetime) -> Term:
    """How many days the list must hang: the dated number of that village."""
    key = PROCEDURES[wish.kind].publicity_days
    number = (await standing.parameters_of(tx, [key])).at(key, wish.village, today(at))
    return Term(int(number.value), number.basis_zh)


@dataclass(frozen=True)
class _Lister:
    """Sorts cases into those that may hang and those that may not."""

    wish: Wish
    term: Term
    by: Actor
    at: datetime
    cases: Mapping[UUID, Case]
    shown: Mapping[UUID, ShownHousehold]
    standings: Mapping[UUID, Standing]

    def sorted(self) -> tuple[list[PublicityItem], dict[UUID, Problem]]:
        items: list[PublicityItem] = []
        refused: dict[UUID, Problem] = {}
        for case_id in dict.fromkeys(self.wish.cases):
            try:
                items.append(self._item(case_id))
            except Problem as problem:
                refused[case_id] = problem
        return items, refused

    def opened(self, items: Sequence[PublicityItem]) -> tuple[Publicity, list[PublicityOpened]]:
        return open_publicity(
            new_id(),
            self.wish.kind,
            self.wish.village,
            self.term,
            items,
            self.wish.objections_to,
            self.by.sub,
            today(self.at),
        )

    def _item(self, case_id: UUID) -> PublicityItem:
        """Its line on the list, if the procedure lets it hang: tried on a list of its own, which is thrown away."""
        case = self.cases.get(case_id)
        if case is None or case.kind != self.wish.kind:
            raise CaseMissing(case=case_id)
        shown = self.shown.get(case.household)
        if shown is None:
            raise HouseholdNotJudged(household=case.household)
        procedure = PROCEDURES[case.kind]
        refuse_strangers(procedure, shown, self.wish.village)
        item = PublicityItem(case.id, shown.masked_head, shown.group, procedure.subject_status, shown.headcount)
        trial = replace(self.standings[case.id], publicity=self.opened([item])[0])
        take(procedure, procedure.step("publish", Door.PUBLICITY), case, {}, self.by, self.at, trial)
        return item


async def note_posted(tx: Transaction, heard: Sequence[Heard[NoticePosted]]) -> None:
    """公示张贴: from now on the days are counted; the due-loop ends the list the morning after the last."""
    told = {one.fact.publicity: one for one in heard}
    for publicity in await _all_locked(tx, told):
        fact = told[publicity.id].fact
        hung = posted(publicity, fact.notice, fact.posted_at, fact.content_hash)
        if hung == publicity:
            continue
        await store.save_publicity(tx, hung)
        if hung.state is PublicityState.POSTED:
            await due.schedule(tx, END, hung.id, ends_at(hung))


def ends_at(publicity: Publicity) -> datetime:
    """Midnight after its last day, where the village lies."""
    assert publicity.last_day is not None, "its days are counted once it hangs"
    return datetime.combine(publicity.last_day + timedelta(days=1), time(), SHANGHAI)


async def note_taken_down(tx: Transaction, heard: Sequence[Heard[NoticeTakenDown]]) -> None:
    """公示撤下: kept as evidence."""
    told = {one.fact.publicity: one for one in heard}
    for publicity in await _all_locked(tx, told):
        down = taken_down(publicity, told[publicity.id].fact.taken_down_at)
        if down != publicity:
            await store.save_publicity(tx, down)


async def _all_locked(tx: Transaction, ids: Mapping[UUID, object]) -> list[Publicity]:
    found = await store.lock_publicities(tx, ids)
    if len(found) < len(ids):
        raise NotYet("publicity not known here")
    return found


async def end_publicities(tx: Transaction, ids: Sequence[str], now: datetime) -> None:
    """公示期满: end the lists whose days are over; a case with an open objection stays where it is."""
    for publicity in await store.lock_publicities(tx, [UUID(one) for one in ids]):
        if publicity.state is not PublicityState.POSTED:
            continue
        ended, facts = end(publicity, today(now))
        await store.save_publicity(tx, ended)
        await announce(tx, ended.id, *facts, at=now)
        taker = await _taker_on(tx, ended, SYSTEM_ACTOR, now)
        for case_id in taker.before:
            taker.take(Asked(case_id), Door.PUBLICITY, "publicity_ended", {})
        await taker.save(tx)


async def withdraw_list(
    tx: Transaction, by: Actor, publicity_id: UUID, why: str, at: datetime, check: Check = any_version
) -> Publicity:
    """撤回公示: its days count for nothing; its cases may be published anew."""
    found = await store.lock_publicities(tx, [publicity_id])
    if not found:
        raise PublicityMissing(publicity=publicity_id)
    check(found[0].version)
    gone, facts = withdraw(found[0], why, today(at))
    await store.save_publicity(tx, gone)
    await due.call_off(tx, END, gone.id)
    await announce(tx, gone.id, *facts, at=at)
    taker = await _taker_on(tx, gone, by, at)
    for case_id in taker.before:
        taker.taken(Asked(case_id, {"why": why}), Door.PUBLICITY, "publicity_withdrawn", {})
    await taker.save(tx)
    return gone


async def _taker_on(tx: Transaction, publicity: Publicity, by: Actor, at: datetime) -> Taker:
    """All cases that still hang on a list, locked, with what guards may look at."""
    hanging = {case.id: case for case in await cases.lock_cases_on(tx, publicity.id) if case.state == "in_publicity"}
    standings = await standings_of(tx, hanging.values(), at)
    return Taker(by, at, hanging, {one: replace(held, publicity=publicity) for one, held in standings.items()})


async def publicities_again(tx: Transaction, epoch: int) -> AsyncIterator[list[Said]]:
    """Say every publicity again under its own id, and the end of those that are over."""
    async for chunk in store.all_publicities(tx):
        over = [one for one in chunk if one.is_over]
        yield [Said(one.id, opened_fact(one)) for one in chunk] + [Said(one.id, ended_fact(one)) for one in over]
