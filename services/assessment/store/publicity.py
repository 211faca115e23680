"""How publicities are remembered: the list frozen at opening, and what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.assessment.domain.publicity import Publicity, PublicityItem, PublicityState
from services.assessment.tables.cases import publicity, publicity_item
from shared.db import Transaction
from shared.values import DivisionCode

CHUNK = 200
ROW = tuple(name for name in Publicity.__dataclass_fields__ if name != "items")


async def create_publicity(tx: Transaction, opened: Publicity) -> None:
    """Keep a new publicity with its frozen list."""
    await tx.core.execute(sa.insert(publicity).values(_row(opened)))
    rows = [
        {
            "publicity": opened.id,
            "place": place,
            "case_id": item.case,
            "masked_head": item.masked_head,
            "group_name": item.group,
            "category": item.category,
            "headcount": item.headcount,
        }
        for place, item in enumerate(opened.items, 1)
    ]
    await tx.core.execute(sa.insert(publicity_item), rows)


async def load_publicities(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, Publicity]:
    """Publicities by id."""
    return {one.id: one for one in await _publicities(tx, _by_id(ids))}


async def publicities_of_case(tx: Transaction, case_id: UUID) -> list[Publicity]:
    """Every list that a case ever hung on, in order."""
    lists = sa.select(publicity_item.c.publicity).where(publicity_item.c.case_id == case_id)
    return await _publicities(tx, sa.select(publicity).where(publicity.c.id.in_(lists)).order_by(publicity.c.id))


async def lock_publicities(tx: Transaction, ids: Iterable[UUID]) -> list[Publicity]:
    """Publicities by id, locked in a fixed order."""
    return await _publicities(tx, _by_id(ids).with_for_update())


async def save_publicity(tx: Transaction, changed: Publicity) -> None:
    """Keep what became of it. Its list never changes."""
    same = publicity.c.id == changed.id, publicity.c.version == changed.version - 1
    saved = await tx.core.execute(sa.update(publicity).where(*same).values(_row(changed)))
    assert saved.rowcount == 1, "the publicity was locked when it was loaded"


async def all_publicities(tx: Transaction) -> AsyncIterator[list[Publicity]]:
    """All of them, in chunks: what is said again after a lost broker."""
    last = UUID(int=0)
    while True:
        statement = sa.select(publicity).where(publicity.c.id > last).order_by(publicity.c.id).limit(CHUNK)
        found = await _publicities(tx, statement)
        if not found:
            return
        yield found
        last = found[-1].id


def _by_id(ids: Iterable[UUID]) -> sa.Select[Any]:
    return sa.select(publicity).where(publicity.c.id.in_(list(ids))).order_by(publicity.c.id)


async def _publicities(tx: Transaction, statement: sa.Select[Any]) -> list[Publicity]:
    rows = (await tx.core.execute(statement)).all()
    items = await _items(tx, [row.id for row in rows])
    return [_publicity(row, items[row.id]) for row in rows]


async def _items(tx: Transaction, ids: Sequence[UUID]) -> Mapping[UUID, tuple[PublicityItem, ...]]:
    found: dict[UUID, list[PublicityItem]] = defaultdict(list)
    if ids:
        statement = sa.select(publicity_item).where(publicity_item.c.publicity.in_(ids))
        for row in await tx.core.execute(statement.order_by(publicity_item.c.publicity, publicity_item.c.place)):
            found[row.publicity].append(
                PublicityItem(row.case_id, row.masked_head, row.group_name, row.category, row.headcount)
            )
    return {one: tuple(found[one]) for one in ids}


def _row(one: Publicity) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ROW} | {"village": one.village.value, "state": one.state.value}


def _publicity(row: sa.Row[Any], items: tuple[PublicityItem, ...]) -> Publicity:
    values = {name: getattr(row, name) for name in ROW}
    return Publicity(
        **values | {"village": DivisionCode(row.village), "state": PublicityState(row.state), "items": items}
    )
