"""冲销: a new entry that takes an earlier one back in red ink: same sides, negative amounts, dated in an open month.

The original stays untouched. An entry is reversed once, a reversal never: the original transaction is posted afresh. A
payment that is taken back announces a payout with a negative amount.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from services.cooperative.domain import Earlier, Entry, Ground, Kind, Payee
from services.cooperative.domain.refusals import ReversalEarly, ReversalOfReversal, ReversedAlready
from services.cooperative.postings.posting import Posting, Terms


class ReversalTerms(Terms):
    """冲销要素."""

    posting: Literal["reversal"]
    entry: UUID = Field(description="被冲销的凭证, the entry that is taken back")
    reason: Annotated[str, Field(min_length=2, max_length=100, description="冲销原因")]

    @property
    def refers_to(self) -> UUID | None:
        """The original."""
        return self.entry


def propose(ground: Ground, terms: ReversalTerms, draft: str) -> tuple[Entry, ...]:
    """One entry in red ink."""
    original = ground.needed()
    if original.kind is Kind.REVERSAL:
        raise ReversalOfReversal(number=original.text)
    if original.reversed_by is not None:
        raise ReversedAlready(number=original.text)
    if terms.on < original.on:
        raise ReversalEarly(on=terms.on, original_on=original.on)
    memo = f"冲销{original.text}：{terms.reason}"
    legs = tuple(leg.red() for leg in original.legs)
    return (Entry(f"{draft}:1", Kind.REVERSAL, terms.on, memo, legs, reverses=original.key, payee=_payee(original)),)


def _payee(original: Earlier) -> Payee | None:
    payout = original.payout
    if payout is None:
        return None
    return Payee(payout.household, payout.member, payout.kind, payout.settles, takes_back=payout.id)


REVERSAL = Posting("reversal", "冲销", "reversal", ReversalTerms, propose)
