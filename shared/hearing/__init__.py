"""听取: facts of others wake verbs of ours. Dedupe, apply, park, replay; exact effects whatever dies in between.

A service's `inbox.py` declares `HEARS` (fact → verb); its `app.worker()` makes one `Consumer` a projection.
"""

from shared.hearing.consumer import Consumer, FencedOut
from shared.hearing.effects import Outcome, replay, stages, take_in
from shared.hearing.failures import is_transient
from shared.hearing.heard import Apply, Ears, Heard, Hears, NotYet, Record, Withdrawal, Withdraws, newest
from shared.hearing.parked import ask_again
from shared.hearing.positions import WentBack

__all__ = [
    "Apply",
    "Consumer",
    "Ears",
    "FencedOut",
    "Heard",
    "Hears",
    "NotYet",
    "Outcome",
    "Record",
    "WentBack",
    "Withdrawal",
    "Withdraws",
    "ask_again",
    "is_transient",
    "newest",
    "replay",
    "stages",
    "take_in",
]
