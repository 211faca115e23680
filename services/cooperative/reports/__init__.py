"""What can be counted or listed: read-only, one function a question, each within the caller's scope."""

from services.cooperative.reports.books import BookLine, MemberLine, books, members
from services.cooperative.reports.drafts import DraftLine, draft_entries, drafts, waiting_drafts
from services.cooperative.reports.entries import EntryLine, LegLine, entries, entry
from services.cooperative.reports.faults import Fault, ledger_faults
from services.cooperative.reports.payouts import PayoutLine, payout_total, payouts
from services.cooperative.reports.trial_balance import KINDS_COUNTED, TrialBalance, TrialLine, trial_balance

__all__ = [
    "KINDS_COUNTED",
    "BookLine",
    "DraftLine",
    "EntryLine",
    "Fault",
    "LegLine",
    "MemberLine",
    "PayoutLine",
    "TrialBalance",
    "TrialLine",
    "books",
    "draft_entries",
    "drafts",
    "entries",
    "entry",
    "ledger_faults",
    "members",
    "payout_total",
    "payouts",
    "trial_balance",
    "waiting_drafts",
]
