"""Questions about files that were handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from shared.db import Transaction

Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that goes back."""

    no: int
    row: int
    column: str | None
    code: str
    detail: str
    detail_en: str

    def shown(self, make: Callable[..., Out]) -> Out:
        """In the shape of an answer."""
        return make(row=self.row, column=self.column, code=self.code, detail=self.detail, detail_en=self.detail_en)


async def refusals_of(tx: Transaction, job: UUID, *, after: Sequence[int] | None, limit: int) -> list[Refused]:
    """By row of the file."""
    row, no = after or (-1, -1)
    rows = await tx.driver.fetch(
        'select no, row, "column", code, detail_zh, detail_en from intake_refusal'
        " where job = $1 and (row, no) > ($2, $3) order by row, no limit $4",
        job,
        row,
        no,
        limit,
    )
    return [Refused(*record) for record in rows]
