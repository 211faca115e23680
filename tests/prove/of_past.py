"""Guards of the past: which image answers, what was believed then, and who may see it."""

from __future__ import annotations

from tests.prove.breaks import Break

PAST = "tests/registry/test_past.py::"
REPLAYED = "tests/registry/test_past_replayed.py::test_any_day_at_any_moment_is_as_the_log_says"
CHOSEN = "services/registry/tables/past.py"
POLICIES = "services/registry/migrations/versions/0011_as_it_was.py"

BREAKS = [
    Break(
        "past: what was corrected since is believed already",
        CHOSEN,
        'HELD = "known_from <= $3 and known_to > $3"',
        "HELD = \"known_from <= $3 and known_to = 'infinity'\"",
        REPLAYED,
    ),
    Break(
        "past: the newest image answers, whatever day was asked",
        CHOSEN,
        'NEAREST = "no, (observed_on <= $2) desc, abs(observed_on - $2), version desc"',
        'NEAREST = "no, (observed_on <= $2) is null, version desc"',
        REPLAYED,
    ),
    Break(
        "past: images are seen where the household lay once",
        POLICIES,
        'op.execute(f"create policy scope_read on {past} for select using ({above})")',
        'op.execute(f"create policy scope_read on {past} for select using ({scope_check()} or ({above}))")',
        PAST + "test_images_are_seen_where_the_noun_lies_now",
    ),
    Break(
        "past: what is told late is known before what it follows",
        "services/registry/actions/households.py",
        "        at = max(said_at, before.known)\n        decision = ",
        "        at = min(said_at, before.known) if said_at > before.known else said_at\n        decision = ",
        PAST + "test_what_is_told_late_is_not_known_before_what_it_follows",
    ),
    Break(
        "past: a visit that saw the same leaves the day of the one before",
        "services/registry/store/households.py",
        " or written.observed_on > before.observed_on:",
        " and written.observed_on >= before.observed_on:",
        PAST + "test_a_later_visit_that_saw_the_same_is_an_image_too",
    ),
    Break(
        "past: the past is shown in clear without a purpose",
        "services/registry/api/households.py",
        "    return HouseholdOut.past(past, asked, masked=purpose is None)\n",
        "    return HouseholdOut.past(past, asked, masked=False)\n",
        PAST + "test_the_past_is_masked_as_the_present_is_and_whoever_looks_is_written_down",
    ),
    Break(
        "past: a moment to come is answered",
        "services/registry/api/times.py",
        "    if found > now:\n",
        "    if found < found:\n",
        PAST + "test_times_that_cannot_be_asked_are_told_by_name",
    ),
    Break(
        "past: each page has a moment of its own",
        "services/registry/api/households.py",
        "    return AsOf(date.fromisoformat(after[2]), datetime.fromisoformat(after[3]))\n",
        "    return asked\n",
        PAST + "test_all_pages_of_a_list_are_of_the_moment_of_the_first",
    ),
]
