"""What can be listed and counted of judgements. All read the caller's rows alone: scope is the database's affair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.db import Transaction
from shared.values import DivisionCode


@dataclass(frozen=True, slots=True)
class JudgedHousehold:
    """已研判的户: a line of a list, without circumstances."""

    household: UUID
    number: str | None
    division: DivisionCode
    group: str | None
    masked_head: str | None
    household_version: int
    judged_on: date
    verdict: str
    previous: str | None
    score: int | None
    pack_hash: str
    fail: int
    unknown: int
    judgement: UUID
    figures: list[int | None]


LIST = """
select subject.household, household.number, subject.division, household."group", household.masked_head,
       judgement.household_version, judgement.judged_on, finding.verdict, finding.previous, finding.score,
       finding.pack_hash, finding.fail, finding.unknown, finding.judgement, finding.figures
  from subject
  join judgement on judgement.id = subject.judgement
  join finding on finding.judgement = subject.judgement and finding.pack = $1
  left join household on household.id = subject.household
 where subject.division >= $2 and subject.division < $3
   and ($4::text is null or finding.verdict = $4)
   and ($5::bigint is null or (subject.division, subject.household) > ($5, $6::uuid))
 order by subject.division, subject.household
 limit $7
"""


async def judged_households(
    tx: Transaction,
    pack: str,
    division: DivisionCode,
    verdict: str | None,
    after: tuple[int, UUID] | None,
    limit: int,
) -> list[JudgedHousehold]:
    """Households of a division by what a pack says of them now, in the order of villages."""
    code, household = after or (None, None)
    rows = await tx.driver.fetch(LIST, pack, division.lo, division.hi, verdict, code, household, limit)
    return [JudgedHousehold(**{**row, "division": DivisionCode(row["division"])}) for row in rows]


@dataclass(frozen=True, slots=True)
class VerdictCount:
    """结论计数: households of one division below with one verdict."""

    division: DivisionCode
    name: str | None
    verdict: str
    households: int


COUNT = """
select counted.code as division, division.name, counted.verdict, counted.households
  from (select (subject.division / $4) * $4 as code, finding.verdict, count(*) as households
          from subject join finding on finding.judgement = subject.judgement and finding.pack = $1
         where subject.division >= $2 and subject.division < $3
         group by 1, 2) as counted
  left join division on division.code = counted.code
 order by counted.code, counted.verdict
"""
_STEPS = {"province": 10**8, "prefecture": 10**6, "county": 10**3, "township": 1, "village": 1}


async def verdicts_by_division(tx: Transaction, pack: str, division: DivisionCode) -> list[VerdictCount]:
    """How many households stand under which verdict, for each division directly below."""
    rows = await tx.driver.fetch(COUNT, pack, division.lo, division.hi, _STEPS[division.level])
    return [VerdictCount(**{**row, "division": DivisionCode(row["division"])}) for row in rows]


@dataclass(frozen=True, slots=True)
class PastJudgement:
    """历次研判: one line of a household's history."""

    id: UUID
    version: int
    household_version: int
    judged_on: date
    judged_at: datetime
    run: UUID | None
    verdicts: Mapping[str, str]


HISTORY = """
select judgement.id, judgement.version, judgement.household_version, judgement.judged_on, judgement.judged_at,
       judgement.run, array_agg(finding.pack order by finding.pack) as packs,
       array_agg(finding.verdict order by finding.pack) as verdicts
  from judgement join finding on finding.judgement = judgement.id
 where judgement.household = $1 and ($2::bigint is null or judgement.version < $2)
 group by judgement.id
 order by judgement.version desc
 limit $3
"""


async def judgements_of_household(
    tx: Transaction, household: UUID, before: int | None, limit: int
) -> list[PastJudgement]:
    """A household's judgements, newest first."""
    return [_past(row) for row in await tx.driver.fetch(HISTORY, household, before, limit)]


def _past(row: Mapping[str, Any]) -> PastJudgement:
    plain = {name: row[name] for name in ("id", "version", "household_version", "judged_on", "judged_at", "run")}
    return PastJudgement(**plain, verdicts=dict(zip(row["packs"], row["verdicts"], strict=True)))


@dataclass(frozen=True, slots=True)
class Run:
    """批量研判: what was asked, and how far it came."""

    id: UUID
    division: DivisionCode
    judged_on: date
    asked_by: str
    asked_at: datetime
    ended_at: datetime | None
    outcome: str | None
    judged: int
    changed: int


RUN = "select id, division, judged_on, asked_by, asked_at, ended_at, outcome, judged, changed from run"


async def runs(tx: Transaction, after: UUID | None, limit: int) -> list[Run]:
    """Runs, newest first (ids are born in order)."""
    rows = await tx.driver.fetch(f"{RUN} where ($1::uuid is null or id < $1) order by id desc limit $2", after, limit)
    return [_run(row) for row in rows]


async def run_by_id(tx: Transaction, run: UUID) -> Run | None:
    """One run."""
    row = await tx.driver.fetchrow(f"{RUN} where id = $1", run)
    return None if row is None else _run(row)


def _run(row: Mapping[str, Any]) -> Run:
    return Run(**{**row, "division": DivisionCode(row["division"])})
