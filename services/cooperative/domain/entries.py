"""凭证 and 分录: what is proposed, how it is proven to balance, and by which bytes it is recognised again."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from services.cooperative.domain.books import period_of
from services.cooperative.domain.charts import Side
from services.cooperative.domain.refusals import EntryMisshapen, EntryUnbalanced

CNY = 1
LEGS_LIMIT = 20_000
MEMO_LIMIT = 200
_POSTGRES_EPOCH = date(2000, 1, 1)
_HEAD = struct.Struct(">hiq")
_LEG = struct.Struct(">qhhq")


class Kind(StrEnum):
    """凭证类别: every report says which of them it counts."""

    NORMAL = "normal"
    OPENING = "opening"
    CLOSING = "closing"
    REVERSAL = "reversal"
    ADJUSTMENT = "adjustment"

    @property
    def number(self) -> int:
        """How the database keeps it: 1 to 5."""
        return _KINDS.index(self) + 1

    @classmethod
    def of(cls, number: int) -> Kind:
        """From the database's number."""
        return _KINDS[number - 1]


_KINDS = tuple(Kind)


@dataclass(frozen=True, slots=True)
class Leg:
    """分录: one account, one side, a signed amount. 红字 (red ink) is a negative amount on the same side."""

    account: int
    side: Side
    amount: int
    unit: int = CNY

    @property
    def value(self) -> int:
        """What it adds to debit minus credit."""
        return self.side.sign * self.amount

    def red(self) -> Leg:
        """The same leg taken back in red ink, so that turnover is not inflated."""
        return Leg(self.account, self.side, -self.amount, self.unit)


def debit(account: int, amount: int) -> Leg:
    """借."""
    return Leg(account, Side.DEBIT, amount)


def credit(account: int, amount: int) -> Leg:
    """贷."""
    return Leg(account, Side.CREDIT, amount)


@dataclass(frozen=True, slots=True)
class Payee:
    """收款户: the household that a payment entry pays, the member it pays it as, the distribution entry it settles.

    `takes_back` is the payout that a reversal undoes.
    """

    household: UUID
    member: int
    kind: str
    settles: int
    takes_back: UUID | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """凭证: two legs or more that balance in every unit. It gets its number when it is posted, not before."""

    key: str
    kind: Kind
    on: date
    memo: str
    legs: tuple[Leg, ...]
    reverses: int | None = None
    payee: Payee | None = None

    def __post_init__(self) -> None:
        shaped = 2 <= len(self.legs) <= LEGS_LIMIT and 1 <= len(self.memo) <= MEMO_LIMIT
        if not shaped or not all(leg.amount for leg in self.legs):
            raise EntryMisshapen(memo=self.memo[:MEMO_LIMIT], limit=LEGS_LIMIT)
        differences: Counter[int] = Counter()
        for leg in self.legs:
            differences[leg.unit] += leg.value
        for unit, difference in differences.items():
            if difference:
                raise EntryUnbalanced(memo=self.memo, unit=unit, difference=difference)

    @property
    def period(self) -> int:
        """The month it is posted into."""
        return period_of(self.on)

    @property
    def debit_total(self) -> int:
        """借方合计 in minor units of account."""
        return sum(leg.amount for leg in self.legs if leg.side is Side.DEBIT)

    def body_hash(self) -> bytes:
        """What the entry says, in the bytes the database would send, so that both sides compute the same hash.

        Same key and same hash is the same entry again; same key and another hash is a conflict.
        """
        legs = b"".join(_LEG.pack(leg.account, leg.unit, leg.side.sign, leg.amount) for leg in self.legs)
        head = _HEAD.pack(self.kind.number, (self.on - _POSTGRES_EPOCH).days, self.reverses or 0)
        return sha256(head + self.memo.encode() + sha256(legs).digest()).digest()


def bundle_hash(entries: Iterable[Entry]) -> bytes:
    """What a draft freezes and the database proves again when it posts: approved and posted are the same."""
    return sha256(b"".join(entry.body_hash() for entry in entries)).digest()


def entry_number(period: int, number: int) -> str:
    """凭证号: month and gap-free number, as people write it."""
    return f"{period}-{number:05d}"


@dataclass(frozen=True, slots=True)
class Posted:
    """已记账凭证: what the ledger answers for each entry, in the order given."""

    key: int
    id: UUID
    period: int
    number: int
    fresh: bool

    @property
    def text(self) -> str:
        """凭证号."""
        return entry_number(self.period, self.number)
