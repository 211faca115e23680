"""分录模板: what a kind of posting is. Each file of this gallery is one; `postings/__init__.py` lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.cooperative.domain import Entry, Ground
from shared.values import Money


def _yuan(text: str) -> str:
    return str(Money.parse(text))


Yuan = Annotated[
    str,
    Field(pattern=r"^[0-9]{1,11}(\.[0-9]{1,2})?$", description="金额（元）, decimal text", examples=["631.20"]),
    AfterValidator(_yuan),
]


class Terms(BaseModel):
    """业务要素: what an officer states; the entries follow from it. Every kind adds its own fields and its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: date = Field(description="业务日期, effective date")

    @property
    def posting_name(self) -> str:
        """The kind of posting: every kind declares a literal `posting`, by which terms are told apart."""
        return str(self.model_dump(include={"posting"})["posting"])

    @property
    def refers_to(self) -> UUID | None:
        """The earlier entry this posting builds on, if it does."""
        return None


AnyTerms = TypeVar("AnyTerms", bound=Terms)


@dataclass(frozen=True, slots=True)
class Posting(Generic[AnyTerms]):
    """分录模板: its name, its terms, and the pure function from ground and terms to entries.

    `member_leaves`: the account of which every member needs a leaf. `says_…`: what every reader must know of it.
    """

    name: str
    zh: str
    en: str
    terms: type[AnyTerms]
    propose: Callable[[Ground, AnyTerms, str], tuple[Entry, ...]]
    member_leaves: str | None = None
    says_zh: str = ""
    says_en: str = ""

    def entries(self, ground: Ground, terms: Any, draft: UUID) -> tuple[Entry, ...]:
        """The entries that follow; their keys start with the draft's id, so that one draft posts once."""
        if not isinstance(terms, self.terms):
            raise TypeError(f"terms of {self.name} expected")
        return self.propose(ground, terms, str(draft))
