"""The demonstration's time: its mornings in Shanghai, and the clock of its practice stack."""

from __future__ import annotations

from datetime import date, datetime, time

from shared.clock import SHANGHAI, Clock
from stack.home import Home

MORNING = time(8, 0)


def morning(day: date) -> datetime:
    """Eight o'clock in Shanghai, when offices open."""
    return datetime.combine(day, MORNING, SHANGHAI)


def clock_of(home: Home) -> Clock:
    """The stack's domain time."""
    return Clock(home.folder)
