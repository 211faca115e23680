"""Guards of what life does to households: previews, days, heads, statuses, and what is closed."""

from __future__ import annotations

from tests.prove.breaks import Break

SURGERY = "tests/registry/test_surgery.py::"
RULES = "services/registry/domain/surgery.py"
VERBS = "services/registry/actions/surgery.py"
COMINGS = "tests/registry/test_comings.py::"

INSPECTING = "tests/registry/test_inspecting.py::"

CARRYING = "tests/registry/test_carrying.py::"

BREAKS = [
    Break(
        "comings: a number is taken from whoever holds it",
        "services/registry/actions/comings.py",
        "    if any(one.id != person for one in holders.values()):\n",
        "    if any(one.id == person for one in holders.values()):\n",
        "tests/registry/test_bind_id.py::test_a_number_that_somebody_holds_is_not_taken_from_him",
    ),
    Break(
        "comings: who has a valid number is given another one",
        "services/registry/domain/comings.py",
        "    if _is_whole(one.person):\n",
        "    if _is_whole(one.person) and household.version < 0:\n",
        "tests/registry/test_bind_id.py::test_the_same_person_before_and_after",
    ),
    Break(
        "divisions: the old code answers for no day any more",
        "services/registry/store/carrying.py",
        "set division = $2, observed_on = greatest(observed_on, $3), version",
        "set division = $2, observed_on = least(observed_on, $3), version",
        CARRYING + "test_a_village_is_merged_and_its_households_follow",
    ),
    Break(
        "divisions: who belongs to nobody stays behind",
        "services/registry/actions/carrying.py",
        "        people = await store.carry_persons(tx, carriage, now, self._chunk)\n",
        "        people = 0 if self._chunk else await store.carry_persons(tx, carriage, now, self._chunk)\n",
        CARRYING + "test_a_village_is_merged_and_its_households_follow",
    ),
    Break(
        "divisions: a village follows into another's scope",
        "services/registry/actions/carrying.py",
        "        if not tx.scope.contains(place):\n",
        "        if not tx.scope.contains(place) and place == code:\n",
        CARRYING + "test_who_may_order_it",
    ),
    Break(
        "inspection: what was found of a household as it was is saved of it as it is",
        "services/registry/actions/inspecting.py",
        "if held.get(one.id) == one}",
        "if one.id in held}",
        INSPECTING + "test_who_was_changed_between_reading_and_saving_is_read_again",
    ),
    Break(
        "inspection: whoever happens to be looked at together decides whose number it is",
        "services/registry/actions/doubts.py",
        'rows.filter(rows["check"] != REPEATED)',
        'rows.filter(rows["check"] != "")',
        INSPECTING + "test_a_number_of_another_household_is_in_doubt_once_and_not_for_its_holder",
    ),
    Break(
        "inspection: a division outside the scope",
        "services/registry/actions/inspecting.py",
        "    if division is not None and not tx.scope.contains(division):\n",
        "    if division is not None and not tx.scope.contains(division) and not officer.sub:\n",
        INSPECTING + "test_it_looks_where_its_submitter_may_and_nowhere_else",
    ),
    Break(
        "surgery: a preview is done",
        VERBS,
        "            if order.is_preview:\n                raise _TakenBack\n",
        "            if order.is_preview and not touched:\n                raise _TakenBack\n",
        SURGERY + "test_a_preview_says_what_the_deed_then_says_and_changes_nothing",
    ),
    Break(
        "surgery: a merger lifts out of poverty",
        RULES,
        "span.kind in ENDED_BY_DECISION and span.kind not in held for span",
        "span.kind not in ENDED_BY_DECISION and span.kind not in held for span",
        SURGERY + "test_a_merger_lifts_nobody_out_of_poverty",
    ),
    Break(
        "surgery: the other household may have changed since it was seen",
        VERBS,
        "    if other.household.version != into_version:\n",
        "    if other.household.version < 0 < into_version:\n",
        SURGERY + "test_what_cannot_be_done_is_told_by_name_and_changes_nothing",
    ),
    Break(
        "surgery: a closed household is worked on",
        RULES,
        "    if household.closed_on is not None:\n",
        "    if household.closed_on is not None and household.version < 0:\n",
        SURGERY + "test_with_the_last_member_the_household_is_closed",
    ),
    Break(
        "surgery: a file brings a closed household back",
        "services/registry/store/intake.py",
        "(superseded_by is not null or closed_on is not null) and not withdrawn",
        "(superseded_by is not null) and not withdrawn",
        SURGERY + "test_with_the_last_member_the_household_is_closed",
    ),
    Break(
        "surgery: the version that was seen is not asked for",
        VERBS,
        "    order.check(found[order.household].household.version)\n",
        "    _ = found[order.household].household.version\n",
        SURGERY + "test_of_two_deeds_at_once_one_wins_and_the_other_is_told",
    ),
    Break(
        "comings: a household is emptied by a wedding",
        "services/registry/domain/comings.py",
        "    if not others:\n        raise LastMember",
        "    if not others and household.version < 0:\n        raise LastMember",
        COMINGS + "test_a_household_is_not_emptied_by_a_wedding",
    ),
    Break(
        "comings: a form names the dead",
        "services/registry/actions/households.py",
        "    if dead := [one for one in died if one is not None]:\n",
        "    if dead := [one for one in died if one is not None and one.year < 1900]:\n",
        COMINGS + "test_the_dead_belong_to_no_household_whoever_names_them",
    ),
    Break(
        "comings: a file names the dead",
        "services/registry/actions/arriving.py",
        "        if register.dead and any(",
        "        if not register.dead and any(",
        COMINGS + "test_the_dead_belong_to_no_household_whoever_names_them",
    ),
    Break(
        "comings: who died is forgotten when he had come and gone before",
        "services/registry/store/households.py",
        "        died = next((day for day in days if day is not None), None)\n",
        "        died = days[0]\n",
        COMINGS + "test_who_has_died_or_found_another_home_does_not_come_back",
    ),
    Break(
        "comings: a household that stood again was never closed between",
        "services/registry/reports/past.py",
        " and not coalesce(b.gaps_then @> $2::date, false)",
        "",
        COMINGS + "test_what_comes_back_later_was_closed_between",
    ),
    Break(
        "comings: who left home was away ever since the last visit",
        "services/registry/store/people.py",
        "        return self.persons_on or self.observed_on\n",
        "        return min(self.persons_on or self.observed_on, self.observed_on)\n",
        COMINGS + "test_who_is_away_belongs_to_the_household_and_is_not_present",
    ),
]
