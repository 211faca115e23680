"""会计科目表: which accounts a book may have, as dated data. The rows stand in `migrations/data/charts.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.cooperative.domain.refusals import ChartNotInForce, ExceptionNeedless
from shared.parameters import Parameter


class Side(StrEnum):
    """借贷方向: the value of a leg is its side's sign times its amount."""

    DEBIT = "debit"
    CREDIT = "credit"

    @property
    def sign(self) -> int:
        """借 +1, 贷 −1: also how the database keeps it."""
        return 1 if self is Side.DEBIT else -1

    @classmethod
    def of(cls, sign: int) -> Side:
        """From the database's sign."""
        return cls.DEBIT if sign > 0 else cls.CREDIT


class Guard(StrEnum):
    """余额守卫: which balance of an account may never fall below zero; held by the database."""

    NONE = "none"
    DEBIT = "debit"
    CREDIT = "credit"

    @classmethod
    def of(cls, number: int) -> Guard:
        """From the database's number: 0, 1, 2."""
        return (cls.NONE, cls.DEBIT, cls.CREDIT)[number]


class AccountClass(StrEnum):
    """科目类别: 资产, 负债, 所有者权益, 成本, 损益."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    COST = "cost"
    PROFIT_AND_LOSS = "profit_and_loss"


@dataclass(frozen=True, slots=True)
class ChartAccount:
    """科目: one line of a chart. `optional` ones are accounts that the rule allows a cooperative to add."""

    code: str
    zh: str
    en: str
    account_class: AccountClass
    normal: Side
    guard: Guard
    by_member: bool
    optional: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """会计科目表: the accounts of one accounting system. When it is the law is said by dated parameters."""

    code: str
    zh: str
    en: str
    basis: str
    accounts: tuple[ChartAccount, ...] = ()


def check_chart(chart: Chart, in_force: Parameter | None, opened_on: date, exception: str | None) -> None:
    """A book on another chart than the law's of its opening day needs a reason, which is recorded and printed."""
    lawful = in_force is not None and in_force.value == chart.code
    if lawful and exception is not None:
        raise ExceptionNeedless(chart=chart.code, opened_on=opened_on)
    if not lawful and exception is None:
        raise ChartNotInForce(chart=chart.code, basis=chart.basis, opened_on=opened_on)


@dataclass(frozen=True, slots=True)
class Account:
    """账户: a chart account of one book; with a member it is that member's own leaf (明细账户)."""

    id: int
    code: str
    unit: int
    normal: Side
    guard: Guard
    member: int | None = None
