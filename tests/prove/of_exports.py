"""Guards of what leaves the register as a file."""

from __future__ import annotations

from tests.prove.breaks import Break

EXPORTS = "tests/registry/test_exports.py::"
AGAIN = "tests/registry/test_exports_read_again.py::"
PROTECTED = "tests/registry/test_counts_protected.py::"
SEARCH = "tests/registry/test_search.py::"
LOOKING = "services/registry/api/search.py"
COUNTS = "services/registry/domain/counts.py"
VERBS = "services/registry/actions/exports.py"
WRITING = "services/registry/forms/binding.py"

BREAKS = [
    Break(
        "exports: text that looks like a formula is live",
        WRITING,
        "    return FORCED + text if text.startswith(LIVE) else text",
        "    return FORCED + text if text.startswith(LIVE[:1]) else text",
        EXPORTS + "test_no_cell_is_live_and_the_file_says_who_and_when",
    ),
    Break(
        "exports: people are shown in clear without a role",
        VERBS,
        "        officer.demand(in_clear)\n",
        "        officer.demand(frozenset(ASKERS))\n",
        EXPORTS + "test_in_clear_needs_a_role_and_a_purpose_and_leaves_a_line",
    ),
    Break(
        "exports: who was seen in clear is not written down",
        VERBS,
        "        if export.in_clear:\n            await self._log",
        "        if not export.in_clear:\n            await self._log",
        EXPORTS + "test_in_clear_needs_a_role_and_a_purpose_and_leaves_a_line",
    ),
    Break(
        "exports: anybody of the place fetches people in clear",
        VERBS,
        "    if export.in_clear and officer.sub != job.sub:",
        "    if export.in_clear and officer.sub == '':",
        EXPORTS + "test_who_stated_the_purpose_fetches_it_each_time_in_writing_until_its_days_end",
    ),
    Break(
        "exports: a masked list shows numbers",
        "services/registry/domain/exports.py",
        "            if not asked.in_clear and value is not None and field.name in MASKED:",
        "            if not asked.in_clear and value is not None and field.name == 'name':",
        EXPORTS + "test_masked_it_tells_nobody_and_is_no_form",
    ),
    Break(
        "exports: a masked list can be handed in under the form's heading",
        "services/registry/forms/cells.py",
        "    if not bool(starred.any()):\n",
        "    if not bool(starred.any()) or column.wrong:\n",
        EXPORTS + "test_under_the_right_heading_a_masked_list_goes_back",
    ),
    Break(
        "exports: large amounts lose their last fen",
        WRITING,
        "EXACT_FEN = 10**11\n",
        "EXACT_FEN = 10**16\n",
        AGAIN + "test_amounts_are_never_rounded",
    ),
    Break(
        "search: by name without a right to see people",
        LOOKING,
        "    if in_clear or sought.is_of_names:\n",
        "    if in_clear:\n",
        SEARCH + "test_masked_unless_in_clear_and_always_written_down",
    ),
    Break(
        "search: a cursor is good for another question",
        LOOKING,
        '        told = body.model_dump(mode="json", exclude={"cursor", "limit", "purpose", "count"})',
        '        told = body.model_dump(mode="json", include={"sort"})',
        SEARCH + "test_page_by_page_everybody_once_in_order",
    ),
    Break(
        "search: a file of persons who were sought has all of their households",
        VERBS,
        "        if asked.in_part:\n",
        "        if asked.in_part and not sought.is_of_names:\n",
        SEARCH + "test_whom_a_search_found_leaves_as_a_file_that_is_no_form",
    ),
    Break(
        "counts: what is small is told",
        COUNTS,
        "        return 0 < count < self.least\n",
        "        return 0 < count < self.least - 1\n",
        PROTECTED + "test_no_small_count_is_shown_or_follows",
    ),
    Break(
        "counts: one hidden column follows from the number of people",
        COUNTS,
        "        if len(some) == 1:\n            return True\n",
        "        if len(some) == 1:\n            return False\n",
        PROTECTED + "test_no_small_count_is_shown_or_follows",
    ),
    Break(
        "counts: what is hidden above is told beneath",
        COUNTS,
        "        hidden = set(above) | {value for row",
        "        hidden = {value for row",
        PROTECTED + "test_no_small_count_is_shown_or_follows",
    ),
    Break(
        "counts: everybody is told small counts",
        "services/registry/api/counts.py",
        "    if officer.roles & frozenset(IN_CLEAR) or not by.is_sensitive:",
        "    if officer.roles or not by.is_sensitive:",
        "tests/registry/test_counts.py::test_small_counts_are_told_to_those_alone_who_may_see_the_rows",
    ),
    Break(
        "exports: a file in the form's own words changes what was said in others",
        "services/registry/store/intake.py",
        "s.source_values is not null and {0}.source_values is distinct from s.source_values",
        "{0}.source_values is distinct from s.source_values",
        EXPORTS + "test_what_was_exported_in_clear_comes_back_unchanged",
    ),
]
