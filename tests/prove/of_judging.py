"""Guards of judging: the fen, the day, the three values, the versions, the numbers, who may and who looked."""

from __future__ import annotations

from tests.prove.breaks import Break

CASES = "tests/assessment/test_cases_of_rules.py::test_case"
JUDGING = "tests/assessment/test_judging.py::"
API = "tests/assessment/test_api.py::"
EXIT = "services/assessment/rules/exit.yaml"
EVALUATOR = "services/assessment/domain/evaluator.py"

BREAKS = [
    Break("judging: on the line is above it (one fen)", EXIT, "when: net > required", "when: net >= required", CASES),
    Break(
        "judging: years are full a day late (one day)",
        EVALUATOR,
        "column <= frame.bound.cutoff(number + plus)",
        "column < frame.bound.cutoff(number + plus)",
        CASES,
    ),
    Break(
        "judging: all on file count, not those present",
        EXIT,
        "n: {over: members, count: present}",
        "n: {over: members, count: known(relation)}",
        CASES,
    ),
    Break(
        "judging: a refused answer is an answer",
        EVALUATOR,
        "return answered & (column != FLAG_REFUSED) if spec.kind is Kind.FLAG else answered",
        "return answered & (column <= FLAG_REFUSED) if spec.kind is Kind.FLAG else answered",
        CASES,
    ),
    Break(
        "judging: no declaration means no income",
        EXIT,
        "only_if(declared, gains - outlays)",
        "only_if(declared or not declared, gains - outlays)",
        CASES,
    ),
    Break(
        "judging: one child unknown hides another out of school",
        EVALUATOR,
        "known = None if certain is None else certain | some",
        "known = None if certain is None else certain & (some | ~some)",
        CASES,
    ),
    Break(
        "judging: what is uncertain lowers a certain band",
        "services/assessment/domain/packs.py",
        "certain += ((fail & one.bit) != 0) * np.int64(weight or 0)",
        "certain += ((fail & one.bit) != 0) * (unknown == 0) * np.int64(weight or 0)",
        CASES,
    ),
    Break(
        "judging: the country's number before the county's",
        "shared/parameters.py",
        "for place in (*_upwards(division), 0):",
        "for place in (0, *_upwards(division)):",
        "tests/shared/test_parameters.py::test_the_nearest_division_wins_and_others_fall_back_upwards",
    ),
    Break(
        "language: products may leave 64 bits",
        "services/assessment/domain/language.py",
        "if bounds[0] < -LARGEST or bounds[1] > LARGEST:",
        "if bounds[0] > bounds[1]:",
        "tests/assessment/test_language.py::test_whatever_is_not_in_the_grammar_is_refused_with_the_text_that_offends",
    ),
    Break(
        "plain judge: it asks the services which number holds",
        "stack/plain_judge.py",
        "from shared.events.registry import CircumstancesRecorded, IncomeRow, Living, Member\n",
        "from shared.events.registry import CircumstancesRecorded, IncomeRow, Living, Member\n"
        "from shared.parameters import Parameters as Parameters\n",
        "tests/contracts/test_house.py::test_the_plain_judge_shares_nothing_with_those_it_judges",
    ),
    Break(
        "judging: overtaken versions are not kept",
        "services/assessment/actions/judging.py",
        "[Told(one.fact, one.said_at) for one in heard])",
        "[Told(one.fact, one.said_at) for one in newest(heard)])",
        JUDGING + "test_two_versions_in_one_batch_are_both_kept_and_the_newest_judged",
    ),
    Break(
        "judging: every run writes everything anew",
        "services/assessment/actions/judging.py",
        "if mark != one.digest]",
        "if mark]",
        JUDGING + "test_a_run_judges_all_and_writes_only_what_is_news",
    ),
    Break(
        "judging: a moved household leaves its judgements behind",
        "services/assessment/actions/judging.py",
        "    if moves:",
        "    if not moves:",
        JUDGING + "test_a_household_that_moves_takes_all_its_judgements_along",
    ),
    Break(
        "reasons: sons in the order of the file",
        "services/assessment/domain/kinship.py",
        "order = sorted(range(len(alike)), key=lambda place: (born[place] or date.min, place))",
        "order = list(range(len(alike)))",
        "tests/assessment/test_kinship.py::test_sons_and_daughters_are_ranked_by_birth_whatever_their_order_on_file",
    ),
    Break(
        "reasons: nobody says whose answer is missing",
        "services/assessment/domain/reasons.py",
        'member = self._kin(place) if one.relation == "members" else None',
        "member = None",
        "tests/assessment/test_reasons.py::test_every_sentence_of_what_cannot_be_known_reads_back",
    ),
    Break(
        "causes: the day is always to blame",
        "services/assessment/domain/changes.py",
        "return bool(masks_differ(before.finding, again) & bit)",
        "return masks_differ(before.finding, again) >= 0 < bit",
        "tests/assessment/test_changes.py::test_a_birthday_that_does_not_matter_is_not_named",
    ),
    Break(
        "parameters: one person is enough",
        "services/assessment/actions/parameters.py",
        'if kept["entered_by"] == officer.sub:',
        'if kept["entered_by"] == "":',
        API + "test_a_number_enters_by_two_persons_and_changes_judgements_from_its_day_on",
    ),
    Break(
        "parameters: a village may shorten its days",
        "services/assessment/domain/numbers.py",
        "row.unit == above.unit and Fraction(row.value) >= Fraction(above.value)",
        "row.unit == above.unit and Fraction(row.value) >= 0",
        API + "test_a_village_may_tighten_a_safeguard_but_never_loosen_it",
    ),
    Break(
        "judging: nobody writes down who looked",
        "services/assessment/api/judgements.py",
        '    await log_access(tx, officer, purpose=purpose or USUAL_PURPOSE, noun="judgement", ids=[household_id])\n',
        "    if purpose is None:\n"
        '        await log_access(tx, officer, purpose=USUAL_PURPOSE, noun="judgement", ids=[household_id])\n',
        API + "test_a_judgement_is_read_with_reasons_numbers_and_law_and_who_looked_is_written",
    ),
    Break(
        "scope: judgements without a policy",
        "services/assessment/migrations/versions/0001_tables.py",
        '("household", "circumstance", "subject", "judgement", "finding", "run", "parameter_proposal")',
        '("household", "circumstance", "subject", "finding", "run", "parameter_proposal")',
        "tests/assessment/test_scope.py::test_no_row_leaves_its_scope",
    ),
    Break(
        "judging: packs that are loaded at once share sums that differ",
        "services/assessment/domain/evaluator.py",
        "one.where), next(self._places))",
        "one.where), len(self._known))",
        "tests/assessment/test_language.py::test_two_threads_that_load_packs_at_once_never_share_what_differs",
    ),
]
