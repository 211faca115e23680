"""期初: the balances with which a book opens.

The surplus brought in under 332 stands after patronage return (盈余返还): at least 60 % of the distributable surplus
goes back by transaction volume first (《农民专业合作社法》第四十四条). What this book distributes is the second pool
alone, so the officer must state that the first has been dealt with; the memo says it for every later reader.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.cooperative.domain import Entry, Ground, Kind, Leg, Side, period_of
from services.cooperative.domain.refusals import OpeningLate, OpeningTwice
from services.cooperative.postings.posting import Posting, Terms, Yuan
from shared.values import Money

MEMO = "期初余额（332为盈余返还后的剩余盈余）"


class OpeningLine(BaseModel):
    """期初分录: one account's balance on its side."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: Annotated[str, Field(pattern=r"^[0-9]{3,12}$", description="科目编号")]
    side: Literal["debit", "credit"]
    amount: Yuan


class OpeningTerms(Terms):
    """期初要素."""

    posting: Literal["opening"]
    surplus_stands: Annotated[
        Literal["after_patronage_return"],
        Field(description="332 holds what is left after patronage return (返还后)"),
    ]
    lines: Annotated[list[OpeningLine], Field(min_length=2, max_length=200)]


def propose(ground: Ground, terms: OpeningTerms, draft: str) -> tuple[Entry, ...]:
    """One entry in the book's first month, once."""
    if ground.opening is not None:
        raise OpeningTwice(number=ground.opening)
    if period_of(terms.on) != ground.book.first_period:
        raise OpeningLate(period=ground.book.first_period)
    legs = tuple(_leg(ground, line) for line in terms.lines)
    return (Entry(f"{draft}:1", Kind.OPENING, terms.on, MEMO, legs),)


def _leg(ground: Ground, line: OpeningLine) -> Leg:
    side = Side.DEBIT if line.side == "debit" else Side.CREDIT
    return Leg(ground.account(line.account).id, side, Money.parse(line.amount).fen)


OPENING = Posting(
    "opening",
    "期初",
    "opening balances",
    OpeningTerms,
    propose,
    says_zh="332盈余分配的期初余额为盈余返还之后的剩余盈余",
    says_en="The opening balance of 332 is what remains after patronage return",
)
