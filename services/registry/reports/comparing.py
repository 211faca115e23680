"""What `tuopin verify` compares: ids and versions that we say, and what we keep of others' facts."""

SAID = {
    "registry.division": "select code as id, version as value from division",
    "registry.household": "select id, version as value from household",
    "registry.circumstance": "select id, version as value from household",
}
KEPT = {
    "cooperative.payout": "select reference as id, fen as value from income"
    " where source = 'payout' and known_to = 'infinity'",
    "assessment.decision": "select id, 0 as value from decision where withdrawn_at is null and refused_because is null",
}
