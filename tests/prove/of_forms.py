"""Guards of reading a file and of what may become of a household."""

from __future__ import annotations

from tests.prove.breaks import Break

FORMS = "tests/registry/test_forms.py::"
DOMAIN = "tests/registry/test_domain.py::"

BREAKS = [
    Break(
        "forms: a refused member goes alone",
        "services/registry/forms/reading.py",
        'return frame.join(refused.select("household").unique(), on="household", how="anti", maintain_order="left")',
        'return frame.join(refused.select("row").unique(), on="row", how="anti", maintain_order="left")',
        FORMS + "test_what_cannot_be_recorded_truthfully_sends_the_household_back",
    ),
    Break(
        "forms: a bad cell becomes a blank",
        "services/registry/forms/cells.py",
        "return text.is_not_null() & values.is_null()",
        "return text.is_null() & values.is_not_null()",
        FORMS + "test_no_date_is_guessed",
    ),
    Break(
        "forms: the next village is let in",
        "services/registry/forms/reading.py",
        "outside = numbered.filter((village % 1000 != 0) & ~inside)",
        "outside = numbered.filter((village % 1000 == 0) & ~inside)",
        FORMS + "test_a_village_clerks_file_that_names_the_next_village_is_refused_row_by_row",
    ),
    Break(
        "forms: sizes inside an archive not looked at",
        "services/registry/forms/archive.py",
        "if entry.file_size > _RATIO_FLOOR and ratio > limits.packed_ratio:",
        "if entry.file_size < 0 and ratio > limits.packed_ratio:",
        FORMS + "test_a_hostile_file_ends_in_a_clear_refusal_within_bounds",
    ),
    Break(
        "forms: numbers eaten by a format are kept",
        "services/registry/forms/archive.py",
        "        if float(found[1]) <= EXACT:",
        "        if float(found[1]) >= 0:",
        FORMS + "test_a_hostile_cell_ends_in_a_marked_row",
    ),
    Break(
        "answer book: formulas come back live",
        "services/registry/forms/answer.py",
        "page.write_string(line, column, text[:32_000], style)",
        "page.write_formula(line, column, text[:32_000], style)",
        FORMS + "test_the_answer_has_the_reason_beside_the_cell_and_nothing_live",
    ),
    Break(
        "check I3: checksum off",
        "services/registry/domain/numbers.py",
        "held[held] = checks[sums % 11] == digits[:, 17]",
        "held[held] = checks[sums % 11] != 0",
        "tests/registry/test_checks.py::test_a_check_finds_exactly_what_its_case_says",
    ),
    Break(
        "domain: two heads",
        "services/registry/domain/decisions.py",
        "    if heads != 1:",
        "    if heads < 1:",
        DOMAIN + "test_a_household_without_exactly_one_head_is_refused",
    ),
    Break(
        "domain: a payout counts twice",
        "services/registry/domain/decisions.py",
        'if any(row.source == "payout" and row.reference == reference for row in household.income):',
        'if any(row.source == "declared" and row.reference == reference for row in household.income):',
        DOMAIN + "test_a_payout_becomes_one_income_row_once",
    ),
    Break(
        "domain: a decision counts twice",
        "services/registry/domain/decisions.py",
        "    if decision.id in household.decisions or",
        "    if decision.id in household.decisions[1:] or",
        DOMAIN + "test_a_refused_exit_changes_no_status_but_is_heard_back",
    ),
    Break(
        "domain: a form undoes a decision",
        "services/registry/domain/statuses.py",
        "decided = {span.kind for span in before if span.decided}",
        "decided = {span.kind for span in before[:0] if span.decided}",
        DOMAIN + "test_a_form_cannot_undo_a_decision",
    ),
    Break(
        "domain: a form lifts a household out of poverty",
        "services/registry/domain/statuses.py",
        "unfounded = bool(before) and OPENED_BY_DECISION in named and OPENED_BY_DECISION not in held",
        "unfounded = bool(before) and OPENED_BY_DECISION in named and OPENED_BY_DECISION in held",
        DOMAIN + "test_only_a_decision_ends_poor_lifted_or_monitored_or_lifts_a_household",
    ),
    Break(
        "domain: a form shortens the past of a status",
        "services/registry/domain/statuses.py",
        "max(on, span.since) if span.decided else span.since",
        "max(on, span.since) if span.since <= on else span.since",
        DOMAIN + "test_only_a_decision_ends_poor_lifted_or_monitored_or_lifts_a_household",
    ),
    Break(
        "intake: a file shortens the past of a status",
        "services/registry/store/intake.py",
        "case when h.opened_by is not null then v.observed_on end",
        "case when h.opened_by is null then v.observed_on end",
        "tests/registry/test_intake.py::test_of_statuses_a_file_says_what_domain_would_say",
    ),
    Break(
        "intake: two recordings share one file",
        "services/registry/actions/intake.py",
        "    if taken_up is not None:\n",
        "    if taken_up is not None and taken_up == job_id:\n",
        "tests/registry/test_intake.py::test_a_trial_run_is_recorded_once_whoever_asks",
    ),
    Break(
        "intake: a recording that was cancelled takes the file along",
        "services/registry/actions/intake.py",
        "if intake.dry_run else is_of_trial and not is_done",
        "if intake.dry_run else is_of_trial and is_done and not is_done",
        "tests/registry/test_intake.py::test_a_trial_run_whose_recording_was_cancelled_can_be_recorded_again",
    ),
    Break(
        "intake: a file ends 贫困户 by leaving it out",
        "services/registry/store/intake.py",
        "  where upper_inf(h.during) and h.kind = any($2)\n    and (n.kind is null or",
        "  where upper_inf(h.during) and h.kind = any($2)\n    and (",
        "tests/registry/test_intake.py::test_of_statuses_a_file_says_what_domain_would_say",
    ),
    Break(
        "matches: a form from before the payment includes it",
        "services/registry/domain/matches.py",
        "and after < payout.paid_on <= declared.declared_on",
        "and after < payout.paid_on",
        "tests/registry/test_matches.py::test_the_day_of_payment_the_fen_and_the_item_are_the_limits",
    ),
    Break(
        "matches: a bounced payment still documents",
        "services/registry/store/matches.py",
        "select from held r where r.reverses = p.reference",
        "select from held r where r.reverses = p.item",
        "tests/registry/test_matches.py::test_a_form_that_also_declares_the_dividend_counts_it_once",
    ),
    Break(
        "matches: what was declared and paid travels twice",
        "services/registry/store/outgoing.py",
        "'fen', i.fen - coalesce(m.fen, 0), 'paid_on'",
        "'fen', i.fen - coalesce(m.fen * 0, 0), 'paid_on'",
        "tests/registry/test_matches.py::test_a_file_that_repeats_the_amount_after_the_payment_is_news_once",
    ),
    Break(
        "facts: the head's name unmasked",
        "services/registry/domain/facts.py",
        '"masked_head": mask_name(household.heads[0].person.name) if household.heads else "",',
        '"masked_head": household.heads[0].person.name if household.heads else mask_name(""),',
        DOMAIN + "test_no_fact_carries_what_identifies",
    ),
    Break(
        "domain: a decision that cannot hold is counted as applied",
        "services/registry/domain/decisions.py",
        "after = replace(after, refused=(*household.refused, (decision.id, refusal.code)))",
        "after = replace(after, decisions=(*household.decisions, *[decision.id for _ in refusal.code[:1]]))",
        DOMAIN + "test_an_exit_that_cannot_hold_changes_nothing_and_says_why",
    ),
]
