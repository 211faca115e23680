"""Questions about doubts: which wait, for whom, how long; what became of one; how many, by what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from services.registry.domain.doubts import DoubtState
from shared.db import Transaction
from shared.values import DivisionCode

AGE_BANDS = ((0, 7), (7, 30), (30, 90), (90, None))
"""Days since a doubt was opened, as the counts show them: from, and up to but not including."""
WAITING = tuple(state.value for state in DoubtState if state is not DoubtState.CLOSED)
By = Literal["check", "village", "state", "age", "assignee"]


@dataclass(frozen=True, slots=True)
class DoubtsAsked:
    """Which doubts a list, a count or an export is about; None is no filter. Without states, those that wait."""

    division: DivisionCode
    check_id: str | None = None
    household: UUID | None = None
    states: tuple[str, ...] = ()
    assignee: str | None = None
    opened_before: datetime | None = None
    opened_from: datetime | None = None

    @property
    def parameters(self) -> tuple[object, ...]:
        """$1 to $8 of the condition below."""
        states = list(self.states or WAITING)
        found = (self.check_id, self.household, states, self.assignee, self.opened_from, self.opened_before)
        return (self.division.lo, self.division.hi, *found)


WHERE = """d.division >= $1 and d.division < $2 and ($3::text is null or d.check_id = $3)
  and ($4::uuid is null or h.id = $4) and d.state = any($5::text[]) and ($6::text is null or d.assignee = $6)
  and ($7::timestamptz is null or d.opened_at >= $7) and ($8::timestamptz is null or d.opened_at < $8)"""
OPEN_ALONE = "(d.closed_at is null or 'closed' = any($5::text[]))"
"""Said so that the index of those that wait may be used."""


@dataclass(frozen=True, slots=True)
class DoubtListed:
    """A doubt in a list, with the household and the member that it is about."""

    id: UUID
    no: int
    household: UUID
    person: UUID | None
    division: int
    check_id: str
    severity: str
    field: str
    detail_zh: str
    detail_en: str
    opened_at: datetime
    batch: UUID | None
    batch_row: int | None
    state: str
    version: int
    assignee: str | None
    finding: str | None
    until: object
    found_by: str | None
    closed_at: datetime | None
    closed_by: str | None


FROM = "from doubt d join household h on h.no = d.household_no left join person p on p.no = d.person_no"
LISTED = """d.id, d.no, h.id as household, p.id as person, d.division, d.check_id, d.severity, d.field, d.detail_zh,
  d.detail_en, d.opened_at, d.batch, d.batch_row, d.state, d.version, d.assignee, d.finding, d.until, d.found_by,
  d.closed_at, d.closed_by"""
LIST = f"select {LISTED} {FROM} where {WHERE} and {OPEN_ALONE} and d.no > $9 order by d.no limit $10"


async def doubts_of(tx: Transaction, asked: DoubtsAsked, *, after: int | None, limit: int) -> list[DoubtListed]:
    """Those that were asked for, oldest first."""
    rows = await tx.driver.fetch(LIST, *asked.parameters, after or 0, limit)
    return [DoubtListed(**row) for row in rows]


async def doubts_with(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, DoubtListed]:
    """These doubts, those of them in scope."""
    rows = await tx.driver.fetch(f"select {LISTED} {FROM} where d.id = any($1)", list(ids))
    return {row["id"]: DoubtListed(**row) for row in rows}


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step in a doubt's history."""

    what: str
    at: datetime
    by: str
    assignee: str | None
    finding: str | None
    reason: str | None
    until: object


HISTORY = """select what, at, by, assignee, finding, reason, until from (
  select 0 as no, 'opened' as what, opened_at as at, recorded_by as by, null::text as assignee, null::text as finding,
    null::text as reason, null::date as until from doubt where id = $1
  union all
  select e.no, e.what, e.at, e.by, e.assignee, e.finding, e.reason, e.until
  from doubt_event e join doubt d on d.no = e.doubt_no where d.id = $1) steps order by no"""


async def history_of(tx: Transaction, doubt: UUID) -> list[StepTaken]:
    """Everything that became of it: who, when, what; the first step is that it was opened."""
    return [StepTaken(**row) for row in await tx.driver.fetch(HISTORY, doubt)]


def _band(at: int) -> str:
    start, end = AGE_BANDS[at]
    return f"{start}+" if end is None else f"{start}-{end - 1}"


def _age() -> str:
    """The band's place, of the domain's own now ($9)."""
    whens = " ".join(
        f"when d.opened_at > $9::timestamptz - interval '{end} days' then '{_band(at)}'"
        for at, (_, end) in enumerate(AGE_BANDS)
        if end is not None
    )
    return f"case {whens} else '{_band(len(AGE_BANDS) - 1)}' end"


KEYS: dict[By, str] = {
    "check": "d.check_id",
    "village": "d.division::text",
    "state": "d.state",
    "age": _age(),
    "assignee": "coalesce(d.assignee, '')",
}


async def doubts_by(tx: Transaction, asked: DoubtsAsked, by: By, now: datetime) -> dict[str, int]:
    """How many, by check, village, state, age or assignee."""
    key = KEYS[by]
    query = f"""select {key} as key, count(*) as doubts {FROM} where {WHERE} and {OPEN_ALONE}
      and $9::timestamptz is not null group by 1 order by 1"""
    rows = await tx.driver.fetch(query, *asked.parameters, now)
    return {row["key"]: row["doubts"] for row in rows}


@dataclass(frozen=True, slots=True)
class WorkLine:
    """A line of the work list: whom to look for, masked, where, and what to ask."""

    doubt: UUID
    household: UUID
    person: UUID | None
    village: str
    number: str
    group: str | None
    masked_head: str
    masked_person: str | None
    check_id: str
    field: str
    detail_zh: str
    state: str
    assignee: str | None
    finding: str | None
    until: object
    opened_at: datetime


WORK = f"""select d.id as doubt, h.id as household, p.id as person, v.name as village, h.number, h."group",
  coalesce((select q.masked_name from membership m join person q on q.no = m.person_no where m.household_no = h.no
    and m.known_to = 'infinity' and upper_inf(m.during) and m.relation = 'head'), '') as masked_head,
  p.masked_name as masked_person, d.check_id, d.field, d.detail_zh, d.state, d.assignee, d.finding, d.until, d.opened_at
{FROM} join division v on v.code = d.division where {WHERE} and {OPEN_ALONE}
order by d.division, h.number, d.no limit $9"""


async def work_list(tx: Transaction, asked: DoubtsAsked, *, limit: int) -> list[WorkLine]:
    """By village and household, as somebody walks."""
    return [WorkLine(**row) for row in await tx.driver.fetch(WORK, *asked.parameters, limit)]


def opened_within(now: datetime, at_least_days: int | None, at_most_days: int | None) -> tuple[datetime | None, ...]:
    """Ages in whole days as moments: not opened after the first, not before the second."""
    before = None if at_least_days is None else now - timedelta(days=at_least_days)
    since = None if at_most_days is None else now - timedelta(days=at_most_days)
    return since, before
