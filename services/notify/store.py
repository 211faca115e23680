"""How notices are remembered: load, lock, save. What hung stays with the notice as evidence, under scope."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.notify.domain import Board, Division, Notice, NoticeItem, NoticeState, Unfit, board_json
from services.notify.tables import division, notice
from shared.db import Transaction
from shared.values import DivisionCode

CHUNK = 500


async def create_notices(tx: Transaction, notices: Sequence[Notice]) -> list[UUID]:
    """Keep new notices, one a publicity: those that were already known are left as they are. Ids of the new ones."""
    rows = [_row(one) for one in notices]
    statement = pg.insert(notice).on_conflict_do_nothing(index_elements=["publicity"]).returning(notice.c.id)
    return list((await tx.core.execute(statement.values(rows))).scalars())


async def lock_notices(tx: Transaction, ids: Iterable[UUID]) -> list[Notice]:
    """Notices by id, locked, in a fixed order."""
    statement = sa.select(notice).where(notice.c.id.in_(list(ids))).order_by(notice.c.id).with_for_update()
    return [_notice(row) for row in await tx.core.execute(statement)]


async def lock_notices_of(tx: Transaction, publicities: Iterable[UUID]) -> list[Notice]:
    """Notices by their publicity, locked, in a fixed order."""
    statement = sa.select(notice).where(notice.c.publicity.in_(list(publicities))).order_by(notice.c.id)
    return [_notice(row) for row in await tx.core.execute(statement.with_for_update())]


async def save_notice(tx: Transaction, changed: Notice, board: Board | None = None) -> None:
    """Keep what changed; `board` once, when it is hung."""
    values = _row(changed) | ({} if board is None else {"board": board_json(board)})
    saved = await tx.core.execute(
        sa.update(notice).where(notice.c.id == changed.id, notice.c.version == changed.version - 1).values(values)
    )
    assert saved.rowcount == 1, "the notice was locked when it was loaded"


async def publicities_in_hand(tx: Transaction) -> list[UUID]:
    """Publicities whose notice hangs or is still to be hung."""
    states = [NoticeState.CREATED.value, NoticeState.POSTED.value]
    return list((await tx.core.execute(sa.select(notice.c.publicity).where(notice.c.state.in_(states)))).scalars())


async def hung_notices(tx: Transaction) -> AsyncIterator[list[Notice]]:
    """All that ever hung, in chunks: what is said again after a lost broker."""
    last = UUID(int=0)
    while True:
        statement = sa.select(notice).where(notice.c.id > last, notice.c.posted_at.is_not(None))
        rows = (await tx.core.execute(statement.order_by(notice.c.id).limit(CHUNK))).all()
        if not rows:
            return
        yield [_notice(row) for row in rows]
        last = rows[-1].id


async def record_divisions(tx: Transaction, divisions: Sequence[Division]) -> None:
    """Names of divisions: the highest version wins."""
    if not divisions:
        return
    rows = [{"code": one.code.value, "name": one.name, "version": one.version} for one in divisions]
    insert = pg.insert(division).values(rows)
    newer = {"name": insert.excluded.name, "version": insert.excluded.version}
    await tx.core.execute(
        insert.on_conflict_do_update(
            index_elements=["code"], set_=newer, where=division.c.version < insert.excluded.version
        )
    )


async def division_names(tx: Transaction, village: DivisionCode) -> list[str] | None:
    """Names from the widest known division down to the village; None while the village's own is not known."""
    path: list[DivisionCode] = [village]
    while (parent := path[-1].parent) is not None:
        path.append(parent)
    codes = [code.value for code in path]
    rows = await tx.core.execute(sa.select(division.c.code, division.c.name).where(division.c.code.in_(codes)))
    names: dict[int, str] = {row.code: row.name for row in rows}
    if village.value not in names:
        return None
    return [names[code] for code in reversed(codes) if code in names]


def _row(one: Notice) -> dict[str, Any]:
    values = {field: getattr(one, field) for field in Notice.__dataclass_fields__}
    return values | {"village": one.village.value, "items": [asdict(item) for item in one.items]}


def _notice(row: sa.Row[Any]) -> Notice:
    values = {field: getattr(row, field) for field in Notice.__dataclass_fields__}
    return Notice(
        **values
        | {
            "village": DivisionCode(row.village),
            "items": tuple(NoticeItem(**item) for item in row.items),
            "state": NoticeState(row.state),
            "unfit": None if row.unfit is None else Unfit(row.unfit),
        }
    )
