"""Publicities and objections over HTTP: open a list, withdraw it, receive an objection, close it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from services.assessment.actions import objections as objection_actions
from services.assessment.actions import publicity as actions
from services.assessment.api.cases import (
    MOST_AT_ONCE,
    READERS,
    STEP_PROBLEMS,
    VILLAGE,
    CaseOut,
    Kind,
    ObjectionOut,
    ResultsOut,
    Within,
    actor_of,
)
from services.assessment.api.texts import What, Where, Who, Why
from services.assessment.domain.cases import HouseholdElsewhere, ObjectionClosed, ObjectionMisdated, ObjectionMissing
from services.assessment.domain.publicity import STATES_ZH, Publicity, PublicityMissing, PublicityOver
from services.assessment.reports import cases as reports
from services.assessment.store import publicity as store
from shared.errors import ScopeRefused
from shared.parameters import ParameterMissing
from shared.web import (
    Body,
    DivisionField,
    IfMatch,
    Now,
    Officer,
    Out,
    Page,
    PagingAsked,
    Router,
    Tx,
    set_etag,
)

lists = Router("公示")
objections = Router("异议")
ROUTERS = (lists, objections)
State = Literal["opened", "posted", "ended", "withdrawn"]


class PublicityItemOut(Out):
    """公示名单一行（开启时冻结）."""

    case: UUID
    masked_head: str
    group: str | None
    category: str
    headcount: int


class PublicityOut(Out):
    """公示."""

    id: UUID
    kind: Kind
    village: DivisionField
    state: State
    state_zh: str
    days: int
    days_basis: str
    opened_on: date
    opened_by: str
    objections_to: str
    notice: UUID | None
    posted_at: datetime | None
    first_day: date | None
    last_day: date | None
    content_hash: str | None
    taken_down_at: datetime | None
    ended_on: date | None
    withdrawn_why: str | None
    items: list[PublicityItemOut]
    version: int

    @classmethod
    def of(cls, publicity: Publicity) -> PublicityOut:
        """With its frozen list."""
        values = {name: getattr(publicity, name) for name in cls.model_fields if hasattr(publicity, name)}
        items = [PublicityItemOut.model_validate(item) for item in publicity.items]
        return cls(**values | {"state_zh": STATES_ZH[publicity.state], "items": items})


class OpenPublicity(Body):
    """开启公示: which cases of which village, and where the village may object."""

    kind: Kind = "exit"
    village: DivisionField
    cases: Annotated[list[UUID], Field(min_length=1, max_length=MOST_AT_ONCE)]
    objections_to: Where


class PublicityOpenedOut(Out):
    """开启结果: the list (none if no case was fit), and a result per case."""

    publicity: PublicityOut | None
    cases: ResultsOut


@lists.post(
    "/publicities", roles=VILLAGE, problems=(*STEP_PROBLEMS, HouseholdElsewhere, ParameterMissing, ScopeRefused)
)
async def open_publicity(
    body: OpenPublicity, tx: Tx, officer: Officer, now: Now, response: Response
) -> PublicityOpenedOut:
    """开启公示: cases that may hang are frozen into one list; the clock starts when the notice hangs."""
    wish = actions.Wish(body.kind, body.village, tuple(body.cases), body.objections_to)
    opened, outcomes = await actions.open_list(tx, actor_of(officer), wish, now)
    if opened is not None:
        set_etag(response, opened.version)
    shown = None if opened is None else PublicityOut.of(opened)
    return PublicityOpenedOut(publicity=shown, cases=ResultsOut.of(outcomes))


class PublicityLineOut(Out):
    """公示清单一行."""

    id: UUID
    kind: str
    village: DivisionField
    state: State
    state_zh: str
    days: int
    days_basis: str
    rows: int
    objections_open: int
    opened_on: date
    objections_to: str
    first_day: date | None
    last_day: date | None
    ended_on: date | None
    content_hash: str | None
    withdrawn_why: str | None
    version: int

    @classmethod
    def of(cls, line: reports.PublicityLine) -> PublicityLineOut:
        """With its state in Chinese."""
        values = {name: getattr(line, name) for name in reports.PublicityLine.__dataclass_fields__}
        return cls(**values, state_zh={state.value: zh for state, zh in STATES_ZH.items()}[line.state])


@lists.get("/publicities", roles=READERS)
async def list_publicities(
    tx: Tx, officer: Officer, paging: PagingAsked, division: Within, state: State | None = None
) -> Page[PublicityLineOut]:
    """公示清单: newest first."""
    before = None if paging.after is None else UUID(paging.after[0])
    found = await reports.publicities_of_scope(tx, officer.scope, division, state, before, paging.limit + 1)
    return paging.page(found, lambda line: [str(line.id)], PublicityLineOut.of)


@lists.get("/publicities/{publicity_id}", roles=READERS, problems=(PublicityMissing,))
async def read_publicity(publicity_id: UUID, tx: Tx, response: Response) -> PublicityOut:
    """一次公示 with its frozen list."""
    found = (await store.load_publicities(tx, [publicity_id])).get(publicity_id)
    if found is None:
        raise PublicityMissing(publicity=publicity_id)
    set_etag(response, found.version)
    return PublicityOut.of(found)


class Withdraw(Body):
    """撤回公示."""

    why: Why


@lists.post(
    "/publicities/{publicity_id}/withdrawal", roles=VILLAGE, problems=(PublicityMissing, PublicityOver, *STEP_PROBLEMS)
)
async def withdraw_publicity(
    publicity_id: UUID, body: Withdraw, tx: Tx, officer: Officer, now: Now, match: IfMatch, response: Response
) -> PublicityOut:
    """撤回公示: its days count for nothing; needs If-Match."""
    gone = await actions.withdraw_list(tx, actor_of(officer), publicity_id, body.why, now, match.check)
    set_etag(response, gone.version)
    return PublicityOut.of(gone)


class Receive(Body):
    """登记异议."""

    by: Who
    text: What
    received_on: date


class ObjectionReceived(Out):
    """异议办理结果: the objection, and its case as it now stands."""

    objection: ObjectionOut
    case: CaseOut


@objections.post("/cases/{case_id}/objections", roles=VILLAGE, problems=(ObjectionMisdated, *STEP_PROBLEMS))
async def receive_objection(case_id: UUID, body: Receive, tx: Tx, officer: Officer, now: Now) -> ObjectionReceived:
    """登记异议: from now on it holds this case, and no other of the list."""
    words = objection_actions.Words(body.by, body.text, body.received_on)
    raised, case = await objection_actions.receive(tx, actor_of(officer), case_id, words, now)
    return ObjectionReceived(objection=ObjectionOut.of(raised, shows_name=True), case=CaseOut.of(case))


class Close(Body):
    """办结异议."""

    finding: Literal["upheld", "rejected"]
    text: What


@objections.post(
    "/objections/{objection_id}/finding", roles=VILLAGE, problems=(ObjectionMissing, ObjectionClosed, *STEP_PROBLEMS)
)
async def close_objection(objection_id: UUID, body: Close, tx: Tx, officer: Officer, now: Now) -> ObjectionReceived:
    """办结异议: upheld returns the case to the meeting; rejected lets it go on."""
    closed, case = await objection_actions.close(tx, actor_of(officer), objection_id, body.finding, body.text, now)
    return ObjectionReceived(objection=ObjectionOut.of(closed), case=CaseOut.of(case))


@objections.get("/objections", roles=READERS)
async def list_objections(
    tx: Tx,
    officer: Officer,
    paging: PagingAsked,
    division: Within,
    only_open: Annotated[bool, Query(description="只看未办结")] = False,
) -> Page[ObjectionOut]:
    """异议清单: newest first; who objected is masked."""
    before = None if paging.after is None else UUID(paging.after[0])
    found = await reports.objections_of_scope(tx, officer.scope, division, only_open, before, paging.limit + 1)
    return paging.page(found, lambda one: [str(one.id)], ObjectionOut.of)
