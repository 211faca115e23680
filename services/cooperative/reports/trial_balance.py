"""科目余额表: what stood before, what moved, what stands, by account of the chart; all kinds of entry are counted."""

from __future__ import annotations

from dataclasses import dataclass

from services.cooperative.domain import Book, Kind, Side
from shared.db import Transaction

KINDS_COUNTED = tuple(kind.value for kind in Kind)
SQL = """
select a.code, c.zh, c.en, a.normal, count(a.member_id) as members,
       coalesce(sum(m.dr) filter (where m.period < $2), 0)::bigint as opening_dr,
       coalesce(sum(m.cr) filter (where m.period < $2), 0)::bigint as opening_cr,
       coalesce(sum(m.dr) filter (where m.period = $2), 0)::bigint as month_dr,
       coalesce(sum(m.cr) filter (where m.period = $2), 0)::bigint as month_cr
  from account a
  join chart_account c on c.chart = $3 and c.code = a.code
  left join balance_month m on m.account_id = a.id and m.period <= $2
 where a.book_id = $1 and a.unit_id = 1
 group by a.code, c.zh, c.en, a.normal order by a.code
"""


@dataclass(frozen=True, slots=True)
class TrialLine:
    """科目余额: opening and closing stand on the side where the balance lies; amounts in fen."""

    account: str
    zh: str
    en: str
    normal: Side
    opening_debit: int
    opening_credit: int
    month_debit: int
    month_credit: int

    @property
    def closing(self) -> int:
        """Debit less credit at the end of the month."""
        return self.opening_debit - self.opening_credit + self.month_debit - self.month_credit

    @property
    def closing_debit(self) -> int:
        """期末借方余额."""
        return max(self.closing, 0)

    @property
    def closing_credit(self) -> int:
        """期末贷方余额."""
        return max(-self.closing, 0)

    @property
    def is_used(self) -> bool:
        """Whether anything ever moved on it."""
        return any((self.opening_debit, self.opening_credit, self.month_debit, self.month_credit))


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """科目余额表."""

    period: int
    lines: tuple[TrialLine, ...]

    @property
    def totals(self) -> dict[str, int]:
        """Column sums, in fen."""
        columns = ("opening_debit", "opening_credit", "month_debit", "month_credit", "closing_debit", "closing_credit")
        return {column: sum(getattr(line, column) for line in self.lines) for column in columns}

    @property
    def is_balanced(self) -> bool:
        """试算平衡: each pair of columns agrees."""
        sums = self.totals
        return all(sums[f"{part}_debit"] == sums[f"{part}_credit"] for part in ("opening", "month", "closing"))


async def trial_balance(tx: Transaction, book: Book, period: int) -> TrialBalance:
    """The trial balance of one month, members' leaves summed under their account."""
    rows = await tx.driver.fetch(SQL, book.key, period, book.chart)
    return TrialBalance(period, tuple(_line(row) for row in rows))


def _line(row: dict[str, int | str]) -> TrialLine:
    before = int(row["opening_dr"]) - int(row["opening_cr"])
    return TrialLine(
        account=str(row["code"]),
        zh=str(row["zh"]),
        en=str(row["en"]),
        normal=Side.of(int(row["normal"])),
        opening_debit=max(before, 0),
        opening_credit=max(-before, 0),
        month_debit=int(row["month_dr"]),
        month_credit=int(row["month_cr"]),
    )
