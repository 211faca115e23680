"""Questions about files that were handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class ChangeListed:
    """One line of a file's diff."""

    no: int
    row: int
    number: str
    masked_name: str | None
    kind: str
    field: str | None
    before: str | None
    after: str | None


DIFF = """select no, row, number, masked_name, kind, field, before, after from intake_change
where job = $1 and no > $2 and ($3::text is null or kind = $3) and ($4::text is null or field = $4)
order by no limit $5"""


async def diff_of(
    tx: Transaction, job: UUID, *, kind: str | None, field: str | None, after: Sequence[int] | None, limit: int
) -> list[ChangeListed]:
    """In the order of the file's chunks: what is new, what changes field by field, who leaves."""
    (no,) = after or (-1,)
    return [ChangeListed(**row) for row in await tx.driver.fetch(DIFF, job, no, kind, field, limit)]


@dataclass(frozen=True, slots=True)
class AbsenceListed:
    """A household that a village's list left out, and what was decided about it."""

    no: int
    household: UUID
    number: str
    division: int
    group: str | None
    masked_head: str
    headcount: int
    decision: str | None
    reason: str | None
    decided_by: str | None
    decided_at: datetime | None


ABSENCES = """select a.no, h.id as household, h.number, h.division, h."group",
  coalesce((select p.masked_name from membership m join person p on p.no = m.person_no where m.household_no = h.no
    and m.known_to = 'infinity' and upper_inf(m.during) and m.relation = 'head'), '') as masked_head,
  (select count(*) from membership m where m.household_no = h.no and m.known_to = 'infinity'
    and upper_inf(m.during))::int as headcount, a.decision, a.reason, a.decided_by, a.decided_at
from absence a join household h on h.no = a.household_no
where a.job = $1 and a.no > $2 and (not $3 or a.decision is null or a.decision = 'unclear') order by a.no limit $4"""


async def absences_of(
    tx: Transaction, job: UUID, *, is_open: bool, after: Sequence[int] | None, limit: int
) -> list[AbsenceListed]:
    """By village and number, those in the caller's scope now."""
    (no,) = after or (-1,)
    return [AbsenceListed(**row) for row in await tx.driver.fetch(ABSENCES, job, no, is_open, limit)]


async def count_absences(tx: Transaction, job: UUID) -> tuple[int, int]:
    """How many households the list left out, and how many of them nobody has decided about."""
    row = await tx.driver.fetchrow(
        "select count(*), count(*) filter (where decision is null or decision = 'unclear') from absence where job = $1",
        job,
    )
    return row[0], row[1]


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
