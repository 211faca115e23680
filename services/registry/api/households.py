"""户与人 over HTTP: record, amend, list, look up. Masked by default; in clear for a stated purpose, written down
before anything is shown.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Request, Response
from pydantic import Field

from services.registry.actions import households as actions
from services.registry.actions.households import Writer, entry_of
from services.registry.api.answers import HouseholdOut, PersonOut, TimelineOut, person_out
from services.registry.api.bodies import HouseholdBody, HouseholdPatch, IdText, Reason
from services.registry.api.times import TIMES_PROBLEMS, AsOfAsked
from services.registry.domain.payouts import IncomeYearRepeated, IncomeYearWrong
from services.registry.domain.refusals import (
    DivisionUnknown,
    HouseholdMissing,
    HouseholdSuperseded,
    MemberNameless,
    NotExactlyOneHead,
    ObservationOlder,
    PersonDead,
    PersonElsewhere,
    PersonHidden,
    PersonRepeated,
    StatusNeedsDecision,
    StatusOverlap,
)
from services.registry.domain.times import AsOf, HouseholdUnknownThen
from services.registry.reports import households as reports
from services.registry.reports import past as past_reports
from services.registry.reports.timeline import changes_of_household
from services.registry.store import people
from services.registry.store.households import Record, load_household
from services.registry.store.matches import load_matches
from services.registry.store.past import load_past, past_people_with_number
from shared.auth import log_access
from shared.clock import today
from shared.crypto import KeyRing
from shared.db import Transaction, transaction
from shared.errors import Conflict
from shared.events.registry import StatusKind
from shared.values import DivisionCode, HouseholdNumber, new_id
from shared.web import (
    Body,
    DivisionField,
    HouseholdNumberField,
    IfMatch,
    Now,
    Officer,
    Out,
    Page,
    PagingAsked,
    Purpose,
    Role,
    Router,
    Tx,
    fittings_of,
    set_etag,
)

router = Router("户与人")
READERS = tuple(Role)
PAST_PROBLEMS = (HouseholdMissing, HouseholdUnknownThen, *TIMES_PROBLEMS)
WRITERS = (Role.CLERK, Role.OPERATOR, Role.SYSTEM)
IN_CLEAR = (Role.CLERK, Role.REVIEWER, Role.APPROVER, Role.AUDITOR, Role.SYSTEM)
ENTRY_PROBLEMS = (
    PersonDead,
    DivisionUnknown,
    NotExactlyOneHead,
    PersonRepeated,
    PersonElsewhere,
    PersonHidden,
    MemberNameless,
    StatusOverlap,
    ObservationOlder,
    IncomeYearWrong,
    IncomeYearRepeated,
)
DivisionAsked = Annotated[str, Query(pattern=r"^[1-9][1-9]([0-9]{10}|[0-9]{7}|[0-9]{4}|[0-9]{2})?$")]


class ListedOut(Out):
    """列表中的户: masked."""

    id: UUID
    number: HouseholdNumberField
    division: DivisionField
    group: str | None
    version: int
    masked_head: str
    headcount: int
    statuses: list[str]

    @classmethod
    def of(cls, row: reports.Listed) -> ListedOut:
        """A line of the list."""
        return cls(
            id=row.id,
            number=HouseholdNumber(row.number),
            division=DivisionCode(row.division),
            group=row.group,
            version=row.version,
            masked_head=row.masked_head,
            headcount=row.headcount,
            statuses=list(row.statuses),
        )


class FutureRefused(Conflict):
    """日期在将来: nothing is observed tomorrow."""

    code = "observation.future"
    zh = "调查日期{on}晚于今天"
    en = "Observed on {on}, which is after today"
    hint_zh = "请核对调查日期"
    hint_en = "Check the day of the visit"


def writer_of(request: Request, officer: Officer, now: datetime, observed_on: date) -> Writer:
    """Who writes, with the application's keys."""
    if observed_on > today(now):
        raise FutureRefused(on=observed_on)
    return Writer(keys_of(request), officer.sub, now, observed_on)


def keys_of(request: Request) -> KeyRing:
    """The application's key ring."""
    return fittings_of(request.app).keys


@router.post("/households", roles=WRITERS, status=201, problems=(*ENTRY_PROBLEMS, FutureRefused))
async def record_household(
    body: HouseholdBody, tx: Tx, officer: Officer, now: Now, request: Request, response: Response
) -> HouseholdOut:
    """登记一户."""
    writer = writer_of(request, officer, now, body.observed_on)
    record = await actions.record_household(tx, body.id or new_id(), body.entry(), writer)
    return await _masked(tx, record.household.id, request, response)


@router.patch(
    "/households/{household_id}",
    roles=WRITERS,
    problems=(HouseholdMissing, HouseholdSuperseded, StatusNeedsDecision, *ENTRY_PROBLEMS, FutureRefused),
)
async def amend_household(
    household_id: UUID,
    body: HouseholdPatch,
    tx: Tx,
    officer: Officer,
    now: Now,
    match: IfMatch,
    request: Request,
    response: Response,
) -> HouseholdOut:
    """更新登记表的一部分；未写明的保持不变."""
    writer = writer_of(request, officer, now, body.observed_on)
    await actions.amend_household(tx, household_id, lambda noun: body.over(noun, entry_of(noun)), match.check, writer)
    return await _masked(tx, household_id, request, response)


async def _masked(tx: Tx, household_id: UUID, request: Request, response: Response) -> HouseholdOut:
    record = await load_household(tx, household_id, keys_of(request))
    set_etag(response, record.household.version)
    return HouseholdOut.of(record, masked=True)


@router.get("/households", roles=READERS, problems=TIMES_PROBLEMS)
async def list_households(
    tx: Tx,
    now: Now,
    paging: PagingAsked,
    asked: AsOfAsked,
    division: Annotated[DivisionAsked, Query(description="区划代码：该区划及其下级")],
    status: Annotated[StatusKind | None, Query(description="今日（或 as_of 当日）户类型")] = None,
) -> Page[ListedOut]:
    """某区划的户，按村与户编号排序；户主姓名脱敏。按 as_of 当日所在的区划列出，各页同一所知时刻."""
    code, limit = DivisionCode.parse(division), paging.limit + 1
    if asked is None:
        rows = await reports.households_of(tx, code, on=today(now), status=status, after=paging.after, limit=limit)
        return paging.page(rows, lambda row: [row.division, row.number], ListedOut.of)
    at = _first_page(asked, paging.after)
    after = None if paging.after is None else paging.after[:2]
    rows = await past_reports.households_then(tx, code, at, status=status, after=after, limit=limit)
    return paging.page(
        rows, lambda row: [row.division, row.number, at.on.isoformat(), at.known_at.isoformat()], ListedOut.of
    )


def _first_page(asked: AsOf, after: list[Any] | None) -> AsOf:
    """The two times of the first page hold for all: what is recorded between two pages changes none of them."""
    if after is None:
        return asked
    return AsOf(date.fromisoformat(after[2]), datetime.fromisoformat(after[3]))


@router.get("/households/by-number/{number}", roles=READERS, problems=PAST_PROBLEMS)
async def find_household(
    number: Annotated[str, Path(pattern=r"^[1-9][1-9][0-9]{14}$", description="16位户编号")],
    tx: Tx,
    officer: Officer,
    purpose: Purpose,
    asked: AsOfAsked,
    request: Request,
    response: Response,
) -> HouseholdOut:
    """按户编号查找；可问过去."""
    found = await reports.household_with_number(tx, HouseholdNumber.parse(number))
    if found is None:
        raise HouseholdMissing
    return await _shown(tx, found, officer, purpose, asked, request, response)


@router.get("/households/{household_id}", roles=READERS, problems=PAST_PROBLEMS)
async def read_household(
    household_id: UUID,
    tx: Tx,
    officer: Officer,
    purpose: Purpose,
    asked: AsOfAsked,
    request: Request,
    response: Response,
) -> HouseholdOut:
    """一户的登记情况；注明事由方可查看全文，查看留痕；可问过去."""
    return await _shown(tx, household_id, officer, purpose, asked, request, response)


async def _shown(
    tx: Tx,
    household_id: UUID,
    officer: Officer,
    purpose: str | None,
    asked: AsOf | None,
    request: Request,
    response: Response,
) -> HouseholdOut:
    """Masked without a purpose; with one, who sees whom is written down before anything is answered."""
    if asked is not None:
        return await _shown_past(tx, household_id, officer, purpose, asked, request)
    record = await load_household(tx, household_id, keys_of(request))
    set_etag(response, record.household.version)
    if purpose is None:
        return HouseholdOut.of(record, masked=True)
    officer.demand(frozenset(IN_CLEAR))
    await _log(tx, officer, purpose, record)
    return HouseholdOut.of(record, masked=False, matches=await load_matches(tx, record.no))


async def _shown_past(
    tx: Tx, household_id: UUID, officer: Officer, purpose: str | None, asked: AsOf, request: Request
) -> HouseholdOut:
    """No ETag: whoever changes a household says which version of today he saw."""
    past = await load_past(tx, household_id, asked, keys_of(request))
    if purpose is not None:
        officer.demand(frozenset(IN_CLEAR))
        await _log(tx, officer, purpose, past.record)
    return HouseholdOut.past(past, asked, masked=purpose is None)


async def _log(tx: Tx, officer: Officer, purpose: str, record: Record) -> None:
    ids = [record.household.id, *(one.person.id for one in record.household.members)]
    await log_access(tx, officer, purpose=purpose, noun="household", ids=ids)


@router.get("/households/{household_id}/timeline", roles=READERS, problems=(HouseholdMissing,))
async def read_timeline(household_id: UUID, tx: Tx, request: Request) -> TimelineOut:
    """户的沿革：逐项写明何时得知、自何时起、何事、经由何处；姓名脱敏，不写金额."""
    record = await load_household(tx, household_id, keys_of(request))
    changes = await changes_of_household(tx, household_id)
    return TimelineOut.of(record.household, record.household.statuses, changes)


# People, found by number: a POST, so that the number stands in no address and no log


class ElsewhereBody(Body):
    """证件号码查询."""

    id_number: IdText
    purpose: Reason = Field(description="查询事由")


class NumberBody(ElsewhereBody):
    """证件号码查询，可显示全文."""

    in_clear: bool = Field(False, description="是否显示全文")


class FoundPersonOut(Out):
    """查到的人与其所在户."""

    person: PersonOut
    household: UUID | None
    relation: str | None


class FoundOut(Out):
    """查询结果."""

    found: list[FoundPersonOut]


class CountiesOut(Out):
    """该证件号码在各县登记的人次: a count and a county, nothing else."""

    counties: dict[str, int]


@router.post("/people/search", roles=IN_CLEAR, lane=True, problems=TIMES_PROBLEMS)
async def search_people(body: NumberBody, officer: Officer, asked: AsOfAsked, request: Request) -> FoundOut:
    """按证件号码精确查找，每次查询都留痕（不重放旧答复）；可问过去."""
    async with transaction(fittings_of(request.app).engine, officer.scope, caller=officer.sub) as tx:
        return await _search(tx, body, officer, asked, keys_of(request))


async def _search(tx: Transaction, body: NumberBody, officer: Officer, asked: AsOf | None, keys: KeyRing) -> FoundOut:
    indexes = keys.blind_indexes("citizen_id", body.id_number)
    action = "search in clear" if body.in_clear else "search"
    if asked is None:
        met = await people.people_with_number(tx, indexes, keys, officer, body.purpose, action)
    else:
        met = await past_people_with_number(tx, indexes, asked, keys)
        ids = [one.person.id for one in met]
        await log_access(tx, officer, purpose=body.purpose, noun="person", ids=ids, action=action)
    return FoundOut(found=[_found(one, masked=not body.in_clear) for one in met])


def _found(met: people.Met, *, masked: bool) -> FoundPersonOut:
    shown = person_out(met.person, masked=masked)
    return FoundPersonOut(person=shown, household=met.household, relation=met.relation)


@router.post("/people/elsewhere", roles=IN_CLEAR, lane=True)
async def count_elsewhere(body: ElsewhereBody, officer: Officer, request: Request) -> CountiesOut:
    """该证件号码在全省各县是否已登记：只答县与人次，每次查询都留痕."""
    indexes = keys_of(request).blind_indexes("citizen_id", body.id_number)
    async with transaction(fittings_of(request.app).engine, officer.scope, caller=officer.sub) as tx:
        await log_access(tx, officer, purpose=body.purpose, noun="person", ids=[], action="ask elsewhere")
        return CountiesOut(counties=await reports.counties_with_number(tx, indexes))
