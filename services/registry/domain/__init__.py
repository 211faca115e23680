"""What a household, a person, a membership, a status and an income are, and what follows. No I/O, no clock."""

from __future__ import annotations

from services.registry.domain.decisions import (
    Decision,
    HouseholdEntry,
    MemberEntry,
    Payout,
    amend,
    apply_decision,
    apply_payout,
    record,
)
from services.registry.domain.facts import circumstances, facts_of, recorded
from services.registry.domain.household import Household, IncomeRow, Living, Membership, Person, StatusSpan

__all__ = [
    "Decision",
    "Household",
    "HouseholdEntry",
    "IncomeRow",
    "Living",
    "MemberEntry",
    "Membership",
    "Payout",
    "Person",
    "StatusSpan",
    "amend",
    "apply_decision",
    "apply_payout",
    "circumstances",
    "facts_of",
    "record",
    "recorded",
]
