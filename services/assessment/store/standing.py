"""What the procedures read of the judging half: newest judgements, what a list may show, the numbers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.assessment.domain.cases import CitedJudgement, ShownHousehold
from services.assessment.tables import finding, household, judgement, parameter, subject
from shared.db import Transaction
from shared.parameters import Parameter, Parameters
from shared.values import DivisionCode


async def newest_judgements(tx: Transaction, households: Iterable[UUID], pack: str) -> dict[UUID, CitedJudgement]:
    """What the newest judgement says by that pack, by household."""
    statement = (
        sa.select(subject.c.household, judgement.c.id, judgement.c.household_version, finding.c.verdict)
        .join(judgement, judgement.c.id == subject.c.judgement)
        .join(finding, sa.and_(finding.c.judgement == judgement.c.id, finding.c.pack == pack))
        .where(subject.c.household.in_(list(households)))
    )
    rows = await tx.core.execute(statement)
    return {row.household: CitedJudgement(row.id, row.household_version, row.verdict) for row in rows}


async def shown_households(tx: Transaction, households: Iterable[UUID], on: date) -> dict[UUID, ShownHousehold]:
    """What a public list may show of households, with the statuses in force on that day."""
    statement = sa.select(household).where(household.c.id.in_(list(households)), household.c.superseded_by.is_(None))
    return {row.id: _shown(row, on) for row in await tx.core.execute(statement)}


def _shown(row: sa.Row[Any], on: date) -> ShownHousehold:
    return ShownHousehold(
        id=row.id,
        number=row.number,
        village=DivisionCode(row.division),
        group=row.group,
        masked_head=row.masked_head,
        headcount=row.headcount,
        statuses=tuple(span["kind"] for span in row.statuses if _holds(span, on)),
    )


def _holds(span: dict[str, Any], on: date) -> bool:
    """A status is true from `since` up to, not including, `until`."""
    since, until = date.fromisoformat(span["since"]), span["until"]
    return since <= on and (until is None or on < date.fromisoformat(until))


async def parameters_of(tx: Transaction, keys: Iterable[str]) -> Parameters:
    """All dated values of these parameters that the scope may read."""
    rows = await tx.core.execute(sa.select(parameter).where(parameter.c.key.in_(sorted(keys))))
    return Parameters(_parameter(row) for row in rows)


def _parameter(row: sa.Row[Any]) -> Parameter:
    return Parameter(
        key=row.key,
        division=None if row.division is None else DivisionCode(row.division),
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        value=row.value,
        unit=row.unit,
        basis_zh=row.basis_zh,
        basis_en=row.basis_en,
        entered_by=row.entered_by,
        approved_by=row.approved_by,
    )
