"""Guards of the ledger: balanced to the fen, numbered without a gap, decided by two persons, told with the posting."""

from __future__ import annotations

from tests.prove.breaks import Break

STORE = "tests/cooperative/test_store.py::"
ACTIONS = "tests/cooperative/test_actions.py::"
DOMAIN = "tests/cooperative/test_domain.py::"
GUARDS = "services/cooperative/migrations/versions/0002_ledger.py"

BREAKS = [
    Break(
        "ledger: an entry need not balance",
        GUARDS,
        "min(g.entry_id) filter (where g.first_unit = g.last_unit and g.value <> 0),",
        "min(g.entry_id) filter (where g.first_unit = g.last_unit and g.value is null),",
        STORE + "test_the_guard_refuses",
    ),
    Break(
        "ledger: numbers may have gaps",
        GUARDS,
        "and g.first = h.last_no + 1 and g.last - g.first + 1 = g.entries;",
        "and g.first > h.last_no;",
        STORE + "test_the_guard_refuses",
    ),
    Break(
        "ledger: what is posted need not be what was approved",
        GUARDS,
        "      or d.hash <> g.hash limit 1;",
        "      or d.hash is null limit 1;",
        STORE + "test_the_guard_refuses",
    ),
    Break(
        "ledger: legs may be changed afterwards",
        GUARDS,
        'IMMUTABLE = ("entry", "leg", "block", "month_close", "payout")',
        'IMMUTABLE = ("entry", "block", "month_close", "payout")',
        STORE + "test_what_is_written_stays",
    ),
    Break(
        "ledger: one person is enough for the verb",
        "services/cooperative/domain/drafts.py",
        "    if by == draft.drafted_by:",
        "    if not by:",
        DOMAIN + "test_another_person_approves_what_has_not_changed",
    ),
    Break(
        "ledger: one person is enough for the database",
        "services/cooperative/migrations/versions/0001_books.py",
        "state <> 'approved' or decided_by <> drafted_by",
        "state <> 'approved' or decided_by <> ''",
        STORE + "test_the_database_itself_wants_two_persons",
    ),
    Break(
        "ledger: a draft whose ground has moved is posted",
        "services/cooperative/domain/drafts.py",
        "    if bundle_hash(proposed_again) != draft.hash:",
        "    if not bundle_hash(proposed_again):",
        ACTIONS + "test_a_draft_whose_ground_has_moved_is_not_posted",
    ),
    Break(
        "dividend: one fen lost",
        "services/cooperative/domain/apportionment.py",
        "for number in by_remainder[:left]:",
        "for number in by_remainder[1:left]:",
        DOMAIN + "test_zhouqu",
    ),
    Break(
        "dividend: paid and nobody told",
        "services/cooperative/actions.py",
        "    await announce_many(tx, [Said(payout.household, fact) for payout, fact in paid], at=now)\n",
        "",
        ACTIONS + "test_a_fact_leaves_with_the_commit_alone",
    ),
    Break(
        "dividend: told before it is posted, and in another transaction",
        "services/cooperative/actions.py",
        "    await announce_many(tx, [Said(payout.household, fact) for payout, fact in paid], at=now)\n",
        "    async with tx.core.engine.begin() as beside:\n"
        "        driver = (await beside.get_raw_connection()).driver_connection\n"
        "        own = Transaction(beside, driver, tx.scope, tx.caller, tx.traceparent)\n"
        "        await announce_many(own, [Said(payout.household, fact) for payout, fact in paid], at=now)\n",
        ACTIONS + "test_a_fact_leaves_with_the_commit_alone",
    ),
    Break(
        "trial balance: it balances whatever stands there",
        "services/cooperative/reports/trial_balance.py",
        'return all(sums[f"{part}_debit"] == sums[f"{part}_credit"] for part',
        'return all(sums[f"{part}_debit"] >= 0 for part',
        ACTIONS + "test_one_fen_too_much_and_the_trial_balance_does_not_balance",
    ),
    Break(
        "reversal: posted with the sign of its original",
        "services/cooperative/postings/reversal.py",
        "    legs = tuple(leg.red() for leg in original.legs)\n",
        "    legs = tuple(original.legs)\n",
        "tests/cooperative/test_postings.py::test_a_reversal_is_its_original_in_red",
    ),
]
