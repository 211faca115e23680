"""Questions about files that were handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from services.registry.domain.places import ROW_BITS, row_of
from shared.db import Transaction

Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that goes back."""

    no: int
    line: int
    sheet: str | None
    column: str | None
    code: str
    detail: str
    detail_en: str

    def shown(self, make: Callable[..., Out]) -> Out:
        """In the shape of an answer."""
        said = {"column": self.column, "code": self.code, "detail": self.detail, "detail_en": self.detail_en}
        return make(row=row_of(self.line), sheet=self.sheet, **said)


async def refusals_of(tx: Transaction, job: UUID, *, after: Sequence[int] | None, limit: int) -> list[Refused]:
    """By sheet and row of the file."""
    row, no = after or (-1, -1)
    rows = await tx.driver.fetch(
        "select r.no, r.row, i.reading->'sheets'->>(r.row >> $5), r.\"column\", r.code, r.detail_zh, r.detail_en"
        " from intake_refusal r join intake i on i.job = r.job"
        " where r.job = $1 and (r.row, r.no) > ($2, $3) order by r.row, r.no limit $4",
        job,
        row,
        no,
        limit,
        ROW_BITS,
    )
    return [Refused(*record) for record in rows]
