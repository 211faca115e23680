"""The kinds of entry that a book knows, in one explicit list: a new file here and a line below is a new posting."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from services.cooperative.postings.distribution import DISTRIBUTION, DistributionTerms
from services.cooperative.postings.opening import OPENING, OpeningTerms
from services.cooperative.postings.payment import PAYMENT, PaymentTerms
from services.cooperative.postings.posting import Posting, Terms
from services.cooperative.postings.reversal import REVERSAL, ReversalTerms

POSTINGS: dict[str, Posting[Any]] = {posting.name: posting for posting in (OPENING, DISTRIBUTION, PAYMENT, REVERSAL)}

AnyPostingTerms = Annotated[
    OpeningTerms | DistributionTerms | PaymentTerms | ReversalTerms, Field(discriminator="posting")
]
_READER: TypeAdapter[OpeningTerms | DistributionTerms | PaymentTerms | ReversalTerms] = TypeAdapter(AnyPostingTerms)


def read_terms(kept: dict[str, Any]) -> OpeningTerms | DistributionTerms | PaymentTerms | ReversalTerms:
    """Terms as a draft keeps them."""
    return _READER.validate_python(kept)


__all__ = ["POSTINGS", "AnyPostingTerms", "Posting", "Terms", "read_terms"]
