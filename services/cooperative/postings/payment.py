"""兑付: Dr 222 应付剩余盈余 / Cr 102 银行存款, one entry a household, all in one batch.

Each household has an entry of its own so that one bounced payment can be reversed alone. What is paid is what the
distribution still owes the member; a dividend that was reversed is owed again and is paid by the next run.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from services.cooperative.domain import Earlier, Entry, Ground, Kind, MemberLeaf, Payee, credit, debit
from services.cooperative.domain.refusals import DistributionMissing, NothingOwed
from services.cooperative.postings.distribution import DISTRIBUTION, PAYABLE
from services.cooperative.postings.posting import Posting, Terms

BANK = "102"
KIND = "surplus_dividend"


class PaymentTerms(Terms):
    """兑付要素: `on` is the day the money was paid."""

    posting: Literal["payment"]
    distribution: UUID = Field(description="盈余分配凭证, the distribution entry that is settled")

    @property
    def refers_to(self) -> UUID | None:
        """The distribution."""
        return self.distribution


def propose(ground: Ground, terms: PaymentTerms, draft: str) -> tuple[Entry, ...]:
    """One entry for each member to whom something is still owed, by member number."""
    distribution = ground.needed()
    if distribution.posting != DISTRIBUTION.name or distribution.reversed_by is not None or terms.on < distribution.on:
        raise DistributionMissing(number=distribution.text)
    owed = _owed(distribution)
    bank = ground.account(BANK).id
    entries = tuple(
        _entry(distribution, leaf, owed[leaf.account], bank, terms, draft)
        for leaf in sorted(ground.members, key=lambda leaf: leaf.number)
        if owed.get(leaf.account, 0) > 0
    )
    if not entries:
        raise NothingOwed(number=distribution.text)
    return entries


def _owed(distribution: Earlier) -> dict[int, int]:
    """What the distribution credited to each account, less what was paid from it."""
    return {
        leg.account: -leg.value - distribution.paid.get(leg.account, 0) for leg in distribution.legs if leg.value < 0
    }


def _entry(distribution: Earlier, leaf: MemberLeaf, fen: int, bank: int, terms: PaymentTerms, draft: str) -> Entry:
    payee = Payee(leaf.household, leaf.member, KIND, distribution.key)
    memo = f"兑付剩余盈余（分配凭证{distribution.text}，成员{leaf.number}）"
    return Entry(
        f"{draft}:{leaf.number}",
        Kind.NORMAL,
        terms.on,
        memo,
        (debit(leaf.account, fen), credit(bank, fen)),
        payee=payee,
    )


PAYMENT = Posting("payment", "兑付", "payment", PaymentTerms, propose, member_leaves=PAYABLE)
