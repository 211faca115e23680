"""Questions about divisions."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from services.registry.domain.division import Division
from services.registry.tables import division
from shared.db import Transaction
from shared.values import DivisionCode, Level


async def list_divisions(
    tx: Transaction,
    *,
    parent: DivisionCode | None,
    level: Level | None,
    name: str | None,
    after: int | None,
    limit: int,
) -> list[Division]:
    """Those in or above the scope, by code."""
    query = sa.select(division).order_by(division.c.code).limit(limit)
    if parent is not None:
        query = query.where(division.c.parent == parent.value)
    if level is not None:
        query = query.where(division.c.level == level.value)
    if name is not None:
        query = query.where(division.c.name.contains(name, autoescape=True))
    if after is not None:
        query = query.where(division.c.code > after)
    return [Division.of(row) for row in (await tx.core.execute(query)).mappings()]


async def names_of(tx: Transaction, codes: Iterable[int]) -> dict[int, str]:
    """What these places are called today."""
    rows = await tx.driver.fetch("select code, name from division where code = any($1)", list(codes))
    return {row["code"]: row["name"] for row in rows}
