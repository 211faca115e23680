"""How the cooperative is remembered: load, lock, save. One file a noun."""

from services.cooperative.store.books import (
    close_month,
    load_book,
    load_months,
    lock_book,
    lock_month,
    save_book,
    save_month,
)
from services.cooperative.store.drafts import load_draft, lock_draft, save_decision, save_draft
from services.cooperative.store.heard import (
    forget_divisions,
    forget_households,
    load_division_codes,
    load_household_ids,
    save_divisions,
    save_households,
)
from services.cooperative.store.ledger import load_ground, post_many
from services.cooperative.store.members import load_households, load_members, lock_members, open_leaves, save_members
from services.cooperative.store.payouts import payouts_to_say_again, save_payouts
from services.cooperative.store.reference import load_charts, load_parameters, load_reference_rows

__all__ = [
    "close_month",
    "forget_divisions",
    "forget_households",
    "load_book",
    "load_charts",
    "load_division_codes",
    "load_draft",
    "load_ground",
    "load_household_ids",
    "load_households",
    "load_members",
    "load_months",
    "load_parameters",
    "load_reference_rows",
    "lock_book",
    "lock_draft",
    "lock_members",
    "lock_month",
    "open_leaves",
    "payouts_to_say_again",
    "post_many",
    "save_book",
    "save_decision",
    "save_divisions",
    "save_draft",
    "save_households",
    "save_members",
    "save_month",
    "save_payouts",
]
