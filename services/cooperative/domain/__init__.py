"""What the cooperative's nouns are and what follows from them: frozen values and decisions, no I/O, no clock."""

from __future__ import annotations

from services.cooperative.domain.apportionment import apportion
from services.cooperative.domain.books import (
    Admission, Book, ChartException, Month, MonthStatus, close_month, is_period, open_month, period_after, period_before, period_of,
)  # fmt: skip
from services.cooperative.domain.charts import Account, AccountClass, Chart, ChartAccount, Guard, Side
from services.cooperative.domain.drafts import Draft, DraftState, approve, make_draft, reject
from services.cooperative.domain.entries import (
    CNY, LEGS_LIMIT, MEMO_LIMIT, Entry, Kind, Leg, Payee, Posted, bundle_hash, credit, debit, entry_number,
)  # fmt: skip
from services.cooperative.domain.ground import Earlier, Ground, MemberLeaf
from services.cooperative.domain.members import Enrolment, Household, Member, MemberRow, Span, enrol
from services.cooperative.domain.payouts import Payout, payout_of, payout_posted, payouts_of

__all__ = [
    "CNY", "LEGS_LIMIT", "MEMO_LIMIT", "Account", "AccountClass", "Admission", "Book", "Chart", "ChartAccount", "ChartException",
    "Draft", "DraftState", "Earlier", "Enrolment", "Entry", "Ground", "Guard", "Household", "Kind", "Leg", "Member", "MemberLeaf",
    "MemberRow", "Month", "MonthStatus", "Payee", "Payout", "Posted", "Side", "Span", "apportion", "approve", "bundle_hash",
    "close_month", "credit", "debit", "enrol", "entry_number", "is_period", "make_draft", "open_month", "payout_of", "payout_posted",
    "payouts_of", "period_after", "period_before", "period_of", "reject",
]  # fmt: skip
