"""记账依据: what a posting may look at when it decides; read again under the book's lock when it is approved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from services.cooperative.domain.books import Book
from services.cooperative.domain.charts import Account
from services.cooperative.domain.entries import Kind, Leg, entry_number
from services.cooperative.domain.payouts import Payout
from services.cooperative.domain.refusals import AccountMissing, EntryMissing


@dataclass(frozen=True, slots=True)
class MemberLeaf:
    """成员及其明细账户: a member of the book, and the member's own leaf of the account asked for."""

    member: int
    number: int
    household: UUID
    account: int
    joined_on: date
    left_on: date | None = None

    def belongs(self, on: date) -> bool:
        """Whether it is a member on that day (the day of leaving no longer counts)."""
        return self.joined_on <= on and (self.left_on is None or on < self.left_on)


@dataclass(frozen=True, slots=True)
class Earlier:
    """已有凭证: the entry that a payment settles or a reversal takes back, with what was paid under it so far."""

    key: int
    id: UUID
    period: int
    number: int
    kind: Kind
    posting: str
    on: date
    legs: tuple[Leg, ...]
    reversed_by: str | None = None
    payout: Payout | None = None
    paid: Mapping[int, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """凭证号."""
        return entry_number(self.period, self.number)


@dataclass(frozen=True, slots=True)
class Ground:
    """记账依据."""

    book: Book
    accounts: Mapping[str, Account]
    balances: Mapping[str, int]
    members: tuple[MemberLeaf, ...] = ()
    earlier: Earlier | None = None
    opening: str | None = None

    def account(self, code: str) -> Account:
        """The book's account of that code (not a member's leaf)."""
        if code not in self.accounts:
            raise AccountMissing(account=code)
        return self.accounts[code]

    def credit_balance(self, code: str) -> int:
        """贷方余额 of an account in fen."""
        return -self.balances.get(self.account(code).code, 0)

    def needed(self) -> Earlier:
        """The earlier entry; a posting that refers to one cannot do without."""
        if self.earlier is None:
            raise EntryMissing(entry="")
        return self.earlier
