"""Guards of files as they come: layouts, digits, hostile archives, what somebody says of a column."""

from __future__ import annotations

from tests.prove.breaks import Break

BAG = "tests/registry/test_workbooks.py::"
HOSTILE = "tests/registry/test_hostile.py::"

BREAKS = [
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
