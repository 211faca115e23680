"""What can be listed of cases, publicities and objections. Read-only; the database holds the scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.assessment.domain.cases import Objection
from services.assessment.tables import case_file, finding, household, objection, publicity, publicity_item, subject
from shared.db import Transaction
from shared.values import DivisionCode, Scope


@dataclass(frozen=True, slots=True)
class CaseLine:
    """案件清单的一行."""

    id: UUID
    kind: str
    household: UUID
    number: str | None
    masked_head: str | None
    group: str | None
    village: DivisionCode
    state: str
    round: int
    opened_on: date
    publicity: UUID | None
    outcome: str | None
    objections_open: int
    version: int


@dataclass(frozen=True, slots=True)
class Filters:
    """案件清单的筛选."""

    division: DivisionCode | None = None
    states: tuple[str, ...] = ()
    household: UUID | None = None
    publicity: UUID | None = None


async def cases_of_scope(
    tx: Transaction, scope: Scope, filters: Filters, after: UUID | None, limit: int
) -> list[CaseLine]:
    """Cases of the caller's divisions, in the order in which they were opened."""
    statement = _with_household(_case_columns()).where(*_within(case_file.c.division, scope, filters.division))
    if filters.states:
        statement = statement.where(case_file.c.state.in_(filters.states))
    if filters.household is not None:
        statement = statement.where(case_file.c.household == filters.household)
    if filters.publicity is not None:
        statement = statement.where(case_file.c.publicity == filters.publicity)
    if after is not None:
        statement = statement.where(case_file.c.id > after)
    rows = await tx.core.execute(statement.order_by(case_file.c.id).limit(limit))
    return [_line(row) for row in rows]


async def cases_by_state(tx: Transaction, scope: Scope, division: DivisionCode | None) -> dict[str, int]:
    """How many cases stand where."""
    statement = sa.select(case_file.c.state, sa.func.count()).where(*_within(case_file.c.division, scope, division))
    return {row[0]: row[1] for row in await tx.core.execute(statement.group_by(case_file.c.state))}


@dataclass(frozen=True, slots=True)
class Candidate:
    """可列入的户: its newest judgement says met, and no case of it is open. People choose; the list decides nothing."""

    household: UUID
    number: str
    masked_head: str
    group: str | None
    headcount: int
    village: DivisionCode
    judgement: UUID


async def exit_candidates(
    tx: Transaction,
    scope: Scope,
    village: DivisionCode,
    pack: str,
    open_states: Sequence[str],
    after: UUID | None,
    limit: int,
) -> list[Candidate]:
    """Households of a village whose newest judgement says met by that pack, without an open case."""
    is_open = sa.exists().where(case_file.c.household == household.c.id, case_file.c.state.in_(open_states))
    statement = (
        sa.select(household, subject.c.judgement)
        .join(subject, subject.c.household == household.c.id)
        .join(finding, sa.and_(finding.c.judgement == subject.c.judgement, finding.c.pack == pack))
        .where(finding.c.verdict == "met", household.c.superseded_by.is_(None), ~is_open)
        .where(*_within(household.c.division, scope, village))
    )
    if after is not None:
        statement = statement.where(household.c.id > after)
    rows = await tx.core.execute(statement.order_by(household.c.id).limit(limit))
    return [
        Candidate(
            household=row.id,
            number=row.number,
            masked_head=row.masked_head,
            group=row.group,
            headcount=row.headcount,
            village=DivisionCode(row.division),
            judgement=row.judgement,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class PublicityLine:
    """公示清单的一行."""

    id: UUID
    kind: str
    village: DivisionCode
    state: str
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


async def publicities_of_scope(
    tx: Transaction, scope: Scope, division: DivisionCode | None, state: str | None, before: UUID | None, limit: int
) -> list[PublicityLine]:
    """Publicities of the caller's divisions, newest first."""
    statement = _publicity_columns().where(*_within(publicity.c.village, scope, division))
    if state is not None:
        statement = statement.where(publicity.c.state == state)
    if before is not None:
        statement = statement.where(publicity.c.id < before)
    rows = await tx.core.execute(statement.order_by(publicity.c.id.desc()).limit(limit))
    return [_publicity_line(row) for row in rows]


async def objections_of_scope(
    tx: Transaction, scope: Scope, division: DivisionCode | None, only_open: bool, before: UUID | None, limit: int
) -> list[Objection]:
    """Objections of the caller's divisions, newest first."""
    statement = sa.select(objection).where(*_within(objection.c.village, scope, division))
    if only_open:
        statement = statement.where(objection.c.closed_at.is_(None))
    if before is not None:
        statement = statement.where(objection.c.id < before)
    rows = await tx.core.execute(statement.order_by(objection.c.id.desc()).limit(limit))
    return [_objection(row) for row in rows]


def _objection(row: sa.Row[Any]) -> Objection:
    own = {name: getattr(row, name) for name in OBJECTION}
    return Objection(**own, case=row.case_id, by=row.raised_by, village=DivisionCode(row.village))


OBJECTION = tuple(name for name in Objection.__dataclass_fields__ if name not in ("case", "by", "village"))


def _case_columns() -> list[Any]:
    open_count = (
        sa.select(sa.func.count())
        .where(objection.c.case_id == case_file.c.id, objection.c.closed_at.is_(None))
        .scalar_subquery()
    )
    own = ("id", "kind", "household", "state", "round", "opened_on", "publicity", "outcome", "version")
    shown = household.c.number, household.c.masked_head, household.c["group"]
    return [*(case_file.c[name] for name in own), case_file.c.division, *shown, open_count.label("objections_open")]


def _with_household(columns: Sequence[Any]) -> sa.Select[Any]:
    """Outer: a household that moved out of the caller's divisions is not shown, its case is."""
    return sa.select(*columns).select_from(case_file.outerjoin(household, household.c.id == case_file.c.household))


def _line(row: sa.Row[Any]) -> CaseLine:
    values = {name: getattr(row, name) for name in CaseLine.__dataclass_fields__ if name != "village"}
    return CaseLine(**values, village=DivisionCode(row.division))


def _publicity_columns() -> sa.Select[Any]:
    rows = sa.select(sa.func.count()).where(publicity_item.c.publicity == publicity.c.id).scalar_subquery()
    still_open = (
        sa.select(sa.func.count())
        .where(objection.c.publicity == publicity.c.id, objection.c.closed_at.is_(None))
        .scalar_subquery()
    )
    own = [publicity.c[name] for name in PublicityLine.__dataclass_fields__ if name not in ("rows", "objections_open")]
    return sa.select(*own, rows.label("rows"), still_open.label("objections_open"))


def _publicity_line(row: sa.Row[Any]) -> PublicityLine:
    values = {name: getattr(row, name) for name in PublicityLine.__dataclass_fields__}
    return PublicityLine(**values | {"village": DivisionCode(row.village)})


def _within(column: sa.ColumnElement[int], scope: Scope, division: DivisionCode | None) -> list[sa.ColumnElement[bool]]:
    """The outer bounds of the scope for the index; the policy holds the exact truth."""
    lo, hi = (scope.ranges[0][0], scope.ranges[-1][1]) if scope else (0, 0)
    wanted = [column >= lo, column < hi]
    return wanted if division is None else [*wanted, column >= division.lo, column < division.hi]
