"""Guards of files as they come: layouts, digits, hostile archives, what somebody says of a column."""

from __future__ import annotations

from tests.prove.breaks import Break

BAG = "tests/registry/test_workbooks.py::"
HOSTILE = "tests/registry/test_hostile.py::"

MODES = "tests/registry/test_modes.py::"

UNDO = "tests/registry/test_undo.py::"
DIFF = "tests/registry/test_diff.py::"

BREAKS = [
    Break(
        "files: what somebody changed since is overwritten by an undo",
        "services/registry/actions/undo.py",
        "    stuck = {marks[no] for no in since}",
        "    stuck = {marks[no] for no in since if no < 0}",
        UNDO + "test_what_somebody_changed_since_is_listed_and_left_alone",
    ),
    Break(
        "files: an undone image tells the past",
        "services/registry/tables/past.py",
        '" and (undone_by is null or known_to > $3)"',
        '" and (undone_by is null or known_to > known_from)"',
        UNDO + "test_a_file_that_is_taken_back_leaves_what_was_before_and_the_past_keeps_both",
    ),
    Break(
        "files: a file is undone twice",
        "services/registry/actions/undo.py",
        "    if taken_up is not None:",
        "    if taken_up == job_id:",
        UNDO + "test_a_file_that_is_taken_back_leaves_what_was_before_and_the_past_keeps_both",
    ),
    Break(
        "files: an undo forgets the members that left",
        "services/registry/store/undo.py",
        '    _reopen("membership", "person_no, relation, during"),',
        '    _reopen("membership", "person_no, relation, during").replace("closed_batch = $1 and", "false and"),',
        UNDO + "test_whatever_a_file_did_its_undo_reads_as_before",
    ),
    Break(
        "files: a diff tells a name in clear",
        "services/registry/store/diffs.py",
        "case f.key when 'name' then s.masked_name else",
        "case f.key when 'name' then s.name else",
        DIFF + "test_the_trial_runs_diff_is_what_recording_changes",
    ),
    Break(
        "files: a diff leaves out who leaves his household",
        "services/registry/store/diffs.py",
        "any($2)) m\njoin {HOMES} h on h.household_no = m.household_no",
        "any($2) and false) m\njoin {HOMES} h on h.household_no = m.household_no",
        DIFF + "test_the_trial_runs_diff_is_what_recording_changes",
    ),
    Break(
        "files: a diff is kept for ever",
        "services/registry/actions/intake.py",
        "await drop_diffs(tx, await uploads.changes_listed_before(tx, before, AT_ONCE))",
        "await uploads.changes_listed_before(tx, before, AT_ONCE)",
        DIFF + "test_the_trial_runs_diff_is_what_recording_changes",
    ),
    Break(
        "files: an empty cell of a correction erases",
        "services/registry/store/intake.py",
        "elif columns.blank is Blank.KEEP or name in NEVER_ERASED:",
        "elif name in NEVER_ERASED:",
        MODES + "test_an_empty_cell_keeps_what_is_on_record_unless_erasing_is_asked_for",
    ),
    Break(
        "files: whom a correction does not name leaves his household",
        "services/registry/store/intake.py",
        "CURRENT_MEMBERS if columns.blank is None else NAMED_MEMBERS",
        "CURRENT_MEMBERS",
        MODES + "test_a_list_of_number_name_and_one_column_corrects_that_column_and_nothing_else",
    ),
    Break(
        "files: a correction makes a second head",
        "services/registry/actions/amending.py",
        'list(relations.values()).count("head") != 1',
        'list(relations.values()).count("head") < 1',
        MODES + "test_a_new_head_takes_both_rows",
    ),
    Break(
        "files: a corrected number is taken from somebody else",
        "services/registry/actions/amending.py",
        "if any(identity in register.people for identity in row.identities):",
        "if not row.identities:",
        MODES + "test_a_number_is_corrected_unless_it_is_somebody_elses",
    ),
    Break(
        "files: what only adds changes what is on record",
        "services/registry/actions/arriving.py",
        "if known is not None and terms.mode is Mode.CREATE and not known.withdrawn:",
        "if known is None and terms.mode is Mode.CREATE:",
        MODES + "test_what_only_adds_leaves_households_on_record_alone",
    ),
    Break(
        "files: a refused household counts as left out of its village's list",
        "services/registry/forms/reading.py",
        'numbers=rows["household"].unique(),',
        'numbers=kept.households["number"],',
        MODES + "test_whom_the_list_of_a_village_leaves_out_is_listed_and_left_as_it_is",
    ),
    Break(
        "files: a household left out is decided about twice",
        "services/registry/actions/intake.py",
        "if held[household] not in (None, Decided.UNCLEAR):",
        "if held[household] not in (None, *Decided):",
        MODES + "test_what_became_of_a_household_left_out_is_written_down_once",
    ),
    Break(
        "files: digits of nobody are guessed",
        "services/registry/forms/layout.py",
        "    if source is not None:\n        found |=",
        '    source = source or "card"\n    if source is not None:\n        found |=',
        BAG + "test_digits_are_asked_about_in_the_words_of_each_system",
    ),
    Break(
        "files: totals become rows",
        "services/registry/forms/layout.py",
        "if any(_TOTAL.match(text) for text in texts[:3]):",
        "if any(_TOTAL.match(text) for text in texts[:0]):",
        BAG + "test_a_file_of_the_bag_reads_as_its_answer_says",
    ),
    Break(
        "files: a hidden sheet is passed over in silence",
        "services/registry/forms/layout.py",
        "        if sheet.marks.hidden:",
        "        if sheet.marks.hidden and sheet.is_text:",
        BAG + "test_a_file_of_the_bag_reads_as_its_answer_says",
    ),
    Break(
        "files: 万元 are read as 元",
        "services/registry/forms/layout.py",
        "        if factor != 1:",
        "        if factor == 0:",
        BAG + "test_a_file_of_the_bag_reads_as_its_answer_says",
    ),
    Break(
        "files: an answer forgets the unit above its table",
        "services/registry/forms/answer.py",
        "return is_member and said.unit_factor == one.meaning.unit_factor and",
        "return is_member and said.unit_factor != 0 and",
        BAG + "test_an_answer_in_another_unit_keeps_its_unit",
    ),
    Break(
        "files: a household in one of two sheets is taken",
        "services/registry/forms/reading.py",
        '    return [refusal(without, "number", _NO_HOME),',
        '    return [refusal(without.head(0), "number", _NO_HOME),',
        BAG + "test_each_household_stands_once_in_the_sheet_of_households_and_has_members",
    ),
    Break(
        "files: a choice is remembered for other places",
        "services/registry/store/uploads.py",
        "and j.divisions = (select divisions from job where id = $2) and",
        "and",
        BAG + "test_a_column_is_shown_corrected_and_remembered_for_its_source_and_place",
    ),
    Break(
        "files: a path may climb out of the archive",
        "services/registry/forms/archive.py",
        'if ".." in steps or',
        'if "..." in steps or',
        HOSTILE + "test_a_hostile_file_ends_in_a_clear_refusal",
    ),
    Break(
        "files: entities are not looked for",
        "services/registry/forms/archive.py",
        'if b"<!DOCTYPE" in start or b"<!ENTITY" in start:',
        'if b"<!DOCTYPE" in start[:0]:',
        HOSTILE + "test_a_hostile_file_ends_in_a_clear_refusal",
    ),
    Break(
        "files: what nobody sees is kept in a name",
        "services/registry/forms/cells.py",
        "control = composed.str.contains(UNSEEN).fill_null(False)",
        'control = composed.str.contains(r"[\\x00-\\x1f]").fill_null(False)',
        HOSTILE + "test_a_hostile_cell_ends_in_a_marked_row",
    ),
    Break(
        "files: far columns of an old workbook are read",
        "services/registry/forms/legacy.py",
        "            if column >= limits.columns:",
        "            if column >= limits.columns * 1000:",
        HOSTILE + "test_a_hostile_file_ends_in_a_clear_refusal",
    ),
]
