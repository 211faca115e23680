"""Which knobs, and what is plugged into what."""

from __future__ import annotations

from services.cooperative.store.reference import load_reference_rows
from shared.db import Transaction


async def load(tx: Transaction) -> None:
    """Reference rows, after each migration."""
    await load_reference_rows(tx)
