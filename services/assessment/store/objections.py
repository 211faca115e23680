"""How objections are remembered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.assessment.domain.cases import Objection
from services.assessment.tables.cases import objection
from shared.db import Transaction
from shared.values import DivisionCode

FINDING = ("finding", "finding_text", "closed_by", "closed_at")


async def create_objection(tx: Transaction, received: Objection) -> None:
    """Keep a new one."""
    await tx.core.execute(sa.insert(objection).values(_row(received)))


async def load_objection(tx: Transaction, objection_id: UUID) -> Objection | None:
    """One by its id; its case is what is locked."""
    row = (await tx.core.execute(sa.select(objection).where(objection.c.id == objection_id))).first()
    return None if row is None else _objection(row)


async def save_objection(tx: Transaction, closed: Objection) -> None:
    """Keep its finding; once."""
    same = objection.c.id == closed.id, objection.c.closed_at.is_(None)
    finding = {name: value for name, value in _row(closed).items() if name in FINDING}
    saved = await tx.core.execute(sa.update(objection).where(*same).values(finding))
    assert saved.rowcount == 1, "its case was locked when it was loaded"


async def objections_of(tx: Transaction, case_id: UUID) -> list[Objection]:
    """All objections to a case, in the order in which they came in."""
    statement = sa.select(objection).where(objection.c.case_id == case_id)
    return [_objection(row) for row in await tx.core.execute(statement.order_by(objection.c.recorded_at))]


async def count_open(tx: Transaction, cases: Iterable[UUID]) -> dict[UUID, int]:
    """How many objections are open, by case; cases without any are not there."""
    statement = (
        sa.select(objection.c.case_id, sa.func.count())
        .where(objection.c.case_id.in_(list(cases)), objection.c.closed_at.is_(None))
        .group_by(objection.c.case_id)
    )
    return {row[0]: row[1] for row in await tx.core.execute(statement)}


def _row(one: Objection) -> dict[str, Any]:
    return {
        "id": one.id,
        "case_id": one.case,
        "publicity": one.publicity,
        "village": one.village.value,
        "raised_by": one.by,
        "text": one.text,
        "received_on": one.received_on,
        "recorded_by": one.recorded_by,
        "recorded_at": one.recorded_at,
        "finding": one.finding,
        "finding_text": one.finding_text,
        "closed_by": one.closed_by,
        "closed_at": one.closed_at,
    }


def _objection(row: sa.Row[Any]) -> Objection:
    return Objection(
        id=row.id,
        case=row.case_id,
        publicity=row.publicity,
        village=DivisionCode(row.village),
        by=row.raised_by,
        text=row.text,
        received_on=row.received_on,
        recorded_by=row.recorded_by,
        recorded_at=row.recorded_at,
        finding=row.finding,
        finding_text=row.finding_text,
        closed_by=row.closed_by,
        closed_at=row.closed_at,
    )
