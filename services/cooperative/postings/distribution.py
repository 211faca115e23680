"""剩余盈余分配: Dr 332 盈余分配 / Cr 222 应付剩余盈余, one leg a member, one equal share each.

Parts come from the largest remainder over whole fen, ties to the lowest member number: they add up to the declared
total exactly. This is pool 2 alone (剩余盈余); pool 1 (盈余返还) is no part of it, and its memo says so.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from services.cooperative.domain import Entry, Ground, Kind, apportion, credit, debit
from services.cooperative.domain.refusals import MembersNone, SharesVanish, SurplusShort
from services.cooperative.postings.posting import Posting, Terms, Yuan
from shared.values import Money

SURPLUS = "332"
PAYABLE = "222"


class DistributionTerms(Terms):
    """分配要素."""

    posting: Literal["distribution"]
    pool: Annotated[Literal["remainder"], Field(description="剩余盈余（第二池）; patronage return is another run")]
    amount: Yuan


def propose(ground: Ground, terms: DistributionTerms, draft: str) -> tuple[Entry, ...]:
    """One entry: the surplus on one side, every member's part on the other."""
    total = Money.parse(terms.amount).fen
    members = sorted((leaf for leaf in ground.members if leaf.belongs(terms.on)), key=lambda leaf: leaf.number)
    _check(ground, terms, total, len(members))
    parts = apportion(total, {leaf.number: 1 for leaf in members})
    owed = [credit(leaf.account, parts[leaf.number]) for leaf in members]
    memo = f"剩余盈余分配（第二池，{len(members)}名成员均等；盈余返还不在本次之内）"
    legs = (debit(ground.account(SURPLUS).id, total), *owed)
    return (Entry(f"{draft}:1", Kind.NORMAL, terms.on, memo, legs),)


def _check(ground: Ground, terms: DistributionTerms, total: int, members: int) -> None:
    if not members:
        raise MembersNone(on=terms.on)
    if total < members:
        raise SharesVanish(asked=terms.amount, members=members)
    available = ground.credit_balance(SURPLUS)
    if total > available:
        raise SurplusShort(available=Money(available), asked=terms.amount)


DISTRIBUTION = Posting(
    "distribution",
    "剩余盈余分配",
    "distribution of remaining surplus",
    DistributionTerms,
    propose,
    member_leaves=PAYABLE,
    says_zh="仅分配剩余盈余（第二池），成员均等；盈余返还（第一池，按交易量，不低于可分配盈余60%）不在其内",
    says_en="This run distributes the remaining surplus (pool 2) alone, one equal share a member; patronage return"
    " (pool 1, at least 60 % of the distributable surplus by transaction volume) is no part of it",
)
