"""Guards of the register: one head, one effect a decision and a payout, whole households, images that are kept."""

from __future__ import annotations

from tests.prove.breaks import Break

STORE = "tests/registry/test_store.py::"
INTAKE = "tests/registry/test_intake.py::"
DOUBTS = "tests/registry/test_doubts.py::"
INBOX = "tests/registry/test_inbox.py::"
GUARDS = "services/registry/migrations/versions/0002_guards.py"
CHUNK = "services/registry/store/intake.py"
INSPECTION = "services/registry/domain/inspection.py"
SETTLING = "services/registry/store/doubts.py"
ARRIVING = "services/registry/actions/arriving.py"

BREAKS = [
    Break(
        "register: a day without a head",
        GUARDS,
        "having range_agg(during) <> coalesce(range_agg(during) filter (where relation = 'head'), '{{}}'))",
        "having range_agg(during) is null)",
        STORE + "test_a_household_has_exactly_one_head_a_day",
    ),
    Break(
        "register: a person in two households in the past",
        GUARDS,
        'if {overlap("membership", "person_no", "person_no = any(persons)")} then',
        'if {overlap("membership", "person_no", "person_no <> all(persons)")} then',
        STORE + "test_a_person_in_two_households_is_refused_today_and_in_the_past",
    ),
    Break(
        "intake: unchanged rows are written again",
        CHUNK,
        'where ({_compared(columns.compared, "p")}) is distinct from ({_compared(columns.compared, "s")})\n',
        'where ({_compared(columns.compared, "p")}) is not null or p.no = s.person_no\n',
        INTAKE + "test_the_same_file_twice_changes_nothing",
    ),
    Break(
        "intake: the image before a change is not the one kept",
        CHUNK,
        "    version = p.version + 1, known_from = $2, recorded_by = $3, batch = s.job, batch_row = s.row\n"
        "  from staging_person s where s.job = $1 and p.no = s.person_no and p.no = any($4)\n"
        "  returning old.*)\n",
        "    version = p.version + 1, known_from = $2, recorded_by = $3, batch = s.job, batch_row = s.row\n"
        "  from staging_person s where s.job = $1 and p.no = s.person_no and p.no = any($4)\n"
        "  returning new.*)\n",
        INTAKE + "test_a_changed_person_is_a_new_version_with_batch_and_row",
    ),
    Break(
        "intake: a file closes payouts",
        CHUNK,
        "and known_to = 'infinity'\n  and source = 'declared'\"\"\"",
        "and known_to = 'infinity'\n  and source <> ''\"\"\"",
        INTAKE + "test_a_file_never_touches_payouts_or_decided_statuses",
    ),
    Break(
        "intake: fellows of a refused row are left out in silence",
        ARRIVING,
        "            yield Refusal(own, column, fellow, fellow_zh.format(row=row), fellow_en.format(row=row))\n",
        "            _ = Refusal(own, column, fellow, fellow_zh.format(row=row), fellow_en.format(row=row))\n",
        INTAKE + "test_a_person_on_record_out_of_scope_goes_back",
    ),
    Break(
        "intake: a person recorded out of scope is taken in",
        ARRIVING,
        "if any(identity in register.hidden_people for identity in person.identities):",
        "if all(identity in register.hidden_people for identity in (*person.identities, None)):",
        INTAKE + "test_a_person_on_record_out_of_scope_goes_back",
    ),
    Break(
        "hearing: a decision is not remembered",
        "services/registry/actions/households.py",
        "        await store.insert_decision(tx, before, paper, at)\n",
        "        assert paper.decision is decision\n",
        INBOX + "test_an_approved_exit_ends_poor_and_begins_lifted_once",
    ),
    Break(
        "hearing: a payout's second telling counts again",
        "services/registry/domain/decisions.py",
        'if any(row.source == "payout" and row.reference == reference for row in household.income):',
        'if any(row.source == "payout" and row.reference != reference for row in household.income):',
        INBOX + "test_a_payout_is_one_income_row_of_its_year_once",
    ),
    Break(
        "hearing: the payout's household is not announced anew",
        "services/registry/actions/households.py",
        '            written = Written("cooperative", at, before.observed_on)\n'
        "            await store.save_household(tx, None, before, paid, written, {})\n"
        "            await announce(tx, household_id, *facts, at=at)\n",
        '            written = Written("cooperative", at, before.observed_on)\n'
        "            await store.save_household(tx, None, before, paid, written, {})\n",
        INBOX + "test_a_payout_is_one_income_row_of_its_year_once",
    ),
    Break(
        "intake: a trial run that is being recorded loses its file",
        "services/registry/store/uploads.py",
        "where a.source = i.job and b.state in ('queued', 'running'))",
        "where a.source = i.job and b.state in ('lost'))",
        INTAKE + "test_what_is_recorded_or_still_wanted_is_not_forgotten",
    ),
    Break(
        "intake: who records a trial run does not wait for whoever forgets it",
        "services/registry/actions/intake.py",
        "    await uploads.hold_file(tx, tried.source)\n",
        "    assert tried.source is not None\n",
        INTAKE + "test_who_records_a_trial_run_while_it_is_forgotten_is_told",
    ),
    Break(
        "register: who amends a household does not hold it",
        "services/registry/store/households.py",
        'held = " for no key update" if lock else ""',
        'held = "" if lock else " for no key update"',
        "tests/registry/test_two_writers.py::test_two_writers_at_once_say_nothing_by_halves",
    ),
    Break(
        "intake: a chunk that was numbered ahead is recorded by what the register knew then",
        "services/registry/actions/intake.py",
        "if early.register.is_empty or early.register == await self._known(job, file, early.keys):",
        "if early.register.is_empty or early.register == early.register:",
        INTAKE + "test_who_leaves_a_household_in_one_chunk_is_met_in_the_next_though_that_was_read_ahead",
    ),
    Break(
        "intake: the answer to a trial run keeps its doubts to itself",
        "services/registry/actions/intake.py",
        "        await uploads.save_doubts(tx, job.id, change.claims)\n",
        "        assert change.doubts >= 0\n",
        INTAKE + "test_the_answer_shows_each_doubt_that_is_counted_recorded_or_not",
    ),
    Break(
        "register: a household moves and leaves its decisions behind",
        "services/registry/store/households.py",
        'LYING_THERE = ("membership", "status", "income", "income_match", "decision", "doubt", "deed")',
        'LYING_THERE = ("membership", "status", "income", "income_match", "doubt", "deed")',
        INBOX + "test_a_household_moves_with_all_that_hangs_on_it",
    ),
    Break(
        "access log: doubts are read without a trace",
        "services/registry/api/doubts.py",
        '    await log_access(tx, officer, purpose=purpose, noun="doubt", ids=list(ids), action=action)\n',
        "    assert officer.sub or purpose or ids or action\n",
        "tests/registry/test_api.py::"
        "test_who_reads_doubts_is_written_down_and_findings_are_for_those_who_may_see_a_household",
    ),
    Break(
        "doubts: findings about income are for everybody",
        "services/registry/api/doubts.py",
        "    return bool(officer.roles & frozenset(IN_CLEAR))\n",
        "    return bool(officer.roles | frozenset(IN_CLEAR))\n",
        "tests/registry/test_api.py::"
        "test_who_reads_doubts_is_written_down_and_findings_are_for_those_who_may_see_a_household",
    ),
    Break(
        "doubts: who answered confirms his own answer",
        "services/registry/domain/doubts.py",
        "    if doubt.found_by == by:\n",
        "    if doubt.found_by is None:\n",
        DOUBTS + "test_who_answered_cannot_confirm_and_who_was_not_asked_cannot_answer",
    ),
    Break(
        "doubts: what was found right is never asked again",
        SETTLING,
        "    when finding = 'kept' and is_same then case",
        "    when finding = 'kept' then case",
        DOUBTS + "test_what_was_found_right_stays_settled_while_the_facts_are_the_same",
    ),
    Break(
        "doubts: an accepted exception is asked at the next look",
        SETTLING,
        "    when finding = 'exception' and until >= $3::date then case",
        "    when finding = 'exception' and until < $3::date then case",
        DOUBTS + "test_an_exception_holds_whatever_the_facts_until_its_day_and_is_asked_again_then",
    ),
    Break(
        "doubts: a file settles what it does not ask",
        SETTLING,
        "    when not is_found and not is_asked then null\n",
        "    when not is_found and is_asked is null then null\n",
        DOUBTS + "test_a_file_without_a_column_neither_raises_nor_settles_what_it_does_not_ask",
    ),
    Break(
        "doubts: what a check looked at is kept by an open hash",
        "services/registry/store/fingerprints.py",
        '    return ",".join(one.hex() for one in keys.blind_indexes(KIND, said))\n',
        '    return ",".join(said for one in keys.blind_indexes(KIND, said))\n',
        DOUBTS + "test_what_a_doubt_is_about_is_kept_as_a_keyed_hash_alone",
    ),
    Break(
        "checks: a number of one village is taken for all",
        INSPECTION,
        "        places = homes.unique() if self.parameters.places([key]) else homes.head(1)\n",
        "        places = homes.head(1)\n",
        "tests/registry/test_checks.py::test_a_number_holds_from_its_day_and_in_its_place",
    ),
    Break(
        "checks: a form is asked about columns that it has not",
        INSPECTION,
        "        return (any(there) if self.in_parts else all(there)) and held == set(self.numbers)\n",
        "        return bool(there) and held == set(self.numbers)\n",
        "tests/registry/test_checks.py::test_a_sound_household_trips_nothing",
    ),
]
