"""What is held and what is kept of others, as (id, value): `tuopin verify` compares the two sides of each noun."""

from __future__ import annotations

SAID = {
    "assessment.decision": "select decision as id, 0 as value from case_file where decision is not null",
    "assessment.publicity": "select id, days as value from publicity",
}
KEPT = {
    "registry.division": "select code as id, version as value from division",
    "registry.household": "select id, version as value from household",
    "registry.circumstance": "select household as id, circumstance_version as value from subject",
    "notify.notice": "select notice as id, last_day - first_day as value from publicity where notice is not null",
}
