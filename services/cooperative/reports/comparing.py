"""What is held and what is kept of others, as (id, value): `tuopin verify` compares the two sides of each noun."""

from __future__ import annotations

SAID = {"cooperative.payout": "select id, fen as value from payout"}
KEPT = {
    "registry.division": "select code as id, version as value from division",
    "registry.household": "select id, version as value from household",
}
