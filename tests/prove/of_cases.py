"""Guards of the exit procedure and of its publicities."""

from __future__ import annotations

from tests.prove.breaks import Break

CASES = "tests/assessment/test_cases.py::"
LISTS = "tests/assessment/test_publicity.py::"

BREAKS = [
    Break(
        "cases: separation of duties off",
        "services/assessment/procedures/exit.py",
        'if attempt.by.sub in attempt.case.people_beside("approve", "refuse"):',
        "if attempt.by.sub in ():",
        "tests/assessment/test_machine.py::test_no_path_around_anything",
    ),
    Break(
        "cases: who moved away is approved here",
        "services/assessment/procedures/exit.py",
        "    if strange is not None:\n",
        "    if strange is not None and not strange.number:\n",
        CASES + "test_who_no_longer_is_of_this_village_and_status_is_not_approved",
    ),
    Break(
        "cases: a household hangs on a list that is not its own",
        "services/assessment/procedures/exit.py",
        "if hung is None or attempt.case.id not in {item.case for item in hung.items}:",
        "if hung is None:",
        "tests/assessment/test_procedures.py::test_a_guard_refuses_what_would_be_granted_without_it",
    ),
    Break(
        "cases: signed before it was verified",
        "services/assessment/procedures/exit.py",
        'guards=(_day_in_round("signed_on", "verify"),),',
        "guards=(),",
        "tests/assessment/test_procedures.py::test_every_guard_of_every_step_has_something_that_it_alone_refuses",
    ),
    Break(
        "cases: only this round's people count",
        "services/assessment/domain/cases.py",
        "for taken in self.trail if taken.by != SYSTEM and taken.step not in steps",
        "for taken in self.trail if taken.round == self.round and taken.step not in steps",
        "tests/assessment/test_machine.py::test_no_path_around_anything",
    ),
    Break(
        "cases: publicity ends on its last day",
        "services/assessment/domain/publicity.py",
        "if on <= publicity.last_day:",
        "if on < publicity.last_day:",
        "tests/assessment/test_procedures.py::test_seven_days_from_23_august_end_on_the_30th",
    ),
    Break(
        "cases: half the votes are a majority",
        "services/assessment/procedures/exit.py",
        'return Fraction(attempt.count("for"), attempt.count("present")) > Fraction(majority.value)',
        'return Fraction(attempt.count("for"), attempt.count("present")) >= Fraction(majority.value)',
        "tests/assessment/test_procedures.py::test_a_majority_is_more_than_half_of_those_present",
    ),
    Break(
        "cases: a judgement out of sight counts as met",
        "services/assessment/actions/cases.py",
        "latest=newest.get(case.household),",
        "latest=newest.get(case.household, case.judged),",
        CASES + "test_a_judgement_that_cannot_be_seen_is_not_taken_for_a_good_one",
    ),
    Break(
        "cases: a village office decides for the town",
        "services/assessment/domain/machine.py",
        "if by.roles.isdisjoint(roles) or not by.scope.contains(case.village.at(step.level)):",
        "if by.roles.isdisjoint(roles):",
        CASES + "test_a_village_approver_may_not_decide_for_the_town",
    ),
    Break(
        "cases: households of the next village hang too",
        "services/assessment/actions/publicity.py",
        "        refuse_strangers(procedure, shown, self.wish.village)\n",
        "",
        LISTS + "test_a_list_is_of_one_village",
    ),
    Break(
        "cases: a rejected objection leaves its case behind",
        "services/assessment/actions/objections.py",
        "    case = await _gone_on(tx, taker, case)\n",
        "",
        LISTS + "test_an_objection_holds_one_case_alone",
    ),
    Break(
        "cases: who objected is listed by name",
        "services/assessment/api/cases.py",
        '{"by": mask_name(objection.by)}',
        '{"by": objection.by}',
        LISTS + "test_over_http_who_objects_is_kept_and_masked_in_lists",
    ),
    Break(
        "cases: a decision that came to nothing stays the case's",
        "services/assessment/domain/machine.py",
        "        return replace(moved, decision=None)\n",
        "        return moved\n",
        "tests/assessment/test_machine.py::test_no_path_around_anything",
    ),
]
