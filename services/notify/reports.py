"""What can be listed: what hangs in public, and the officer's list. Read-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa

from services.notify.domain import Board, NoticeState, board_of
from services.notify.tables import notice, public_notice
from shared.db import Transaction
from shared.values import DivisionCode, Scope

# What is held and what is kept of others, as (id, value): `tuopin verify` compares the two sides of each noun.
SAID = {"notify.notice": "select id, last_day - first_day as value from notice where posted_at is not null"}
KEPT = {
    "registry.division": "select code as id, version as value from division",
    "assessment.publicity": "select publicity as id, days as value from notice",
}

MOST_ON_A_PAGE = 50
MOST_VILLAGES = 500


@dataclass(frozen=True, slots=True)
class VillageBoard:
    """一村公示栏: what hangs today, and whether anything ever hung."""

    village: DivisionCode
    hanging: tuple[Board, ...]
    has_hung: bool


async def village_board(tx: Transaction, village: DivisionCode, on: date) -> VillageBoard:
    """What a village reads today. The date decides here too: nothing is shown after its last day, however late the
    due-loop is.
    """
    hangs = sa.and_(public_notice.c.board.is_not(None), public_notice.c.last_day >= on)
    statement = sa.select(public_notice.c.notice, sa.case((hangs, public_notice.c.board)).label("board"))
    mine = statement.where(public_notice.c.village == village.value).order_by(
        hangs.desc(), public_notice.c.notice.desc()
    )
    rows = (await tx.core.execute(mine.limit(MOST_ON_A_PAGE))).all()
    hanging = tuple(board_of(row.notice, row.board) for row in rows if row.board is not None)
    return VillageBoard(village, hanging, bool(rows))


@dataclass(frozen=True, slots=True)
class VillageLine:
    """公示目录的一行: a village in which something hangs, and until when."""

    village: DivisionCode
    place_zh: str
    place_en: str
    last_day: date
    notices: int


async def villages_with_notices(
    tx: Transaction, on: date, after: int = 0, limit: int = MOST_VILLAGES
) -> list[VillageLine]:
    """Villages in which a notice hangs today, by code; names of places alone."""
    table = public_notice.c
    place = sa.func.max(table.board["place"]["zh"].astext), sa.func.max(table.board["place"]["en"].astext)
    statement = (
        sa.select(table.village, place[0], place[1], sa.func.max(table.last_day), sa.func.count())
        .where(table.board.is_not(None), table.last_day >= on, table.village > after)
        .group_by(table.village)
        .order_by(table.village)
        .limit(limit)
    )
    rows = (await tx.core.execute(statement)).all()
    return [VillageLine(DivisionCode(row[0]), row[1], row[2], row[3], row[4]) for row in rows]


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """告示清单的一行: one notice as an officer sees it; names stay on the board."""

    id: UUID
    publicity: UUID
    kind: str
    village: DivisionCode
    state: NoticeState
    unfit: str | None
    rows: int
    days: int
    asked_on: date
    created_at: datetime
    posted_at: datetime | None
    first_day: date | None
    last_day: date | None
    taken_down_at: datetime | None
    content_hash: str | None
    text_version: str | None
    version: int


async def notices_of_scope(
    tx: Transaction,
    scope: Scope,
    states: Sequence[NoticeState] = (),
    village: DivisionCode | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[NoticeLine]:
    """All notices of the caller's divisions, newest first; the database holds the scope."""
    columns = [notice.c[name] for name in NoticeLine.__dataclass_fields__ if name != "rows"]
    statement = sa.select(*columns, sa.func.jsonb_array_length(notice.c["items"]).label("rows"))
    lo, hi = (scope.ranges[0][0], scope.ranges[-1][1]) if scope else (0, 0)
    statement = statement.where(notice.c.village >= lo, notice.c.village < hi)
    if states:
        statement = statement.where(notice.c.state.in_([state.value for state in states]))
    if village is not None:
        statement = statement.where(notice.c.village >= village.lo, notice.c.village < village.hi)
    if before is not None:
        statement = statement.where(notice.c.id < before)
    rows = await tx.core.execute(statement.order_by(notice.c.id.desc()).limit(limit))
    return [_line(row) for row in rows]


async def notice_of_scope(tx: Transaction, scope: Scope, notice_id: UUID) -> tuple[NoticeLine, Board | None] | None:
    """One notice with what hung: the evidence, under scope."""
    columns = [notice.c[name] for name in NoticeLine.__dataclass_fields__ if name != "rows"]
    counted = sa.func.jsonb_array_length(notice.c["items"]).label("rows")
    row = (await tx.core.execute(sa.select(*columns, counted, notice.c.board).where(notice.c.id == notice_id))).first()
    if row is None or not scope.contains(DivisionCode(row.village)):
        return None
    return _line(row), None if row.board is None else board_of(row.id, row.board)


def _line(row: sa.Row[*tuple[object, ...]]) -> NoticeLine:
    values = {name: getattr(row, name) for name in NoticeLine.__dataclass_fields__}
    return NoticeLine(**values | {"village": DivisionCode(values["village"]), "state": NoticeState(values["state"])})
