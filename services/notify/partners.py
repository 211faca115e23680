"""Where notices go. One class a partner, one error family: try again, or never.

The first partner is our own public page. Its board is a table of this very database, so hanging and taking down are
part of the verb's transaction (rule 4 of the house forbids calls to machines that are not ours): a notice hangs if and
only if its fact leaves. Its statements stand here because the board is the partner's memory.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.notify.domain import Board, Notice, Unfit, board_json, unfit_for_public
from services.notify.tables import public_notice
from shared.db import Transaction


class PartnerError(Exception):
    """告示渠道错误: it did not go out."""


class TryAgain(PartnerError):
    """稍后重试: it may go out later; due work is put off and tried again, ever more slowly."""


class Never(PartnerError):
    """不能发出: it will not go out however often it is tried."""

    def __init__(self, unfit: Unfit) -> None:
        super().__init__(unfit.value)
        self.unfit = unfit


class PublicPage:
    """公示页: the village's page, readable without a token. It refuses what a village may not be shown."""

    name = "public_page"

    def accept(self, notice: Notice, categories: Mapping[str, str]) -> None:
        """The last look before it hangs."""
        unfit = unfit_for_public(notice, categories)
        if unfit is not None:
            raise Never(unfit)

    async def hang(self, tx: Transaction, board: Board) -> None:
        """From the commit on, everybody can read it. Hung twice it hangs once."""
        row = {"village": board.village.value, "last_day": board.last_day, "board": board_json(board)}
        insert = pg.insert(public_notice).values(notice=board.notice, **row)
        await tx.core.execute(insert.on_conflict_do_nothing(index_elements=["notice"]))

    async def take_down(self, tx: Transaction, notice: Notice) -> None:
        """From the commit on, nothing of it can be read: the row that stays only says that something hung here."""
        down = sa.update(public_notice).where(public_notice.c.notice == notice.id).values(board=sa.null())
        await tx.core.execute(down)
