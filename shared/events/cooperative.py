"""Facts that cooperative speaks: what was paid."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.fact import Division, Fact, Fen, Topic

PayoutKind = Literal["surplus_dividend", "patronage_return"]


class PayoutPosted(Fact):
    """兑付: money left the cooperative for a household (negative when a payment is reversed). Once per payout id."""

    TOPIC: ClassVar[str] = "cooperative.payout.events.v1"
    TYPE: ClassVar[str] = "org.tuopin.cooperative.payout.posted.v1"

    payout: UUID
    kind: PayoutKind
    household: UUID
    division: Annotated[Division, Field(description="of the book that paid")]
    fen: Fen
    paid_on: date
    book: UUID
    entry_number: str
    reverses: Annotated[UUID | None, Field(description="the payout that this one takes back")] = None


FACTS: tuple[type[Fact], ...] = (PayoutPosted,)
TOPICS = (Topic(PayoutPosted.TOPIC, "events", ("registry", "notify")),)
