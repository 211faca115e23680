"""Guards of likeness: what may be a key, one definition in two forms, and a queue that asks instead of merging."""

from __future__ import annotations

from tests.prove.breaks import Break

ROOM = "services/registry/likeness/"
KEYS = "tests/registry/test_likeness_keys.py::"
LEVELS = "tests/registry/test_likeness.py::"

BREAKS = [
    Break(
        "likeness: a number that fails is kept as a key",
        ROOM + "numbers.py",
        "        and citizen_id_check(number[:17]) == number[17]\n",
        "",
        KEYS + "test_every_single_slip_is_seen_and_leads_back_to_the_number",
    ),
    Break(
        "likeness: a placeholder is a number like any other",
        ROOM + "numbers.py",
        "        and number[:2] in _provinces()\n",
        "",
        KEYS + "test_placeholders_lead_nowhere",
    ),
    Break(
        "likeness: two neighbours exchanged are not looked for",
        ROOM + "numbers.py",
        "        for at in range(17):\n            yield plain[:at] + plain[at + 1]",
        "        for at in range(0):\n            yield plain[:at] + plain[at + 1]",
        KEYS + "test_every_single_slip_is_seen_and_leads_back_to_the_number",
    ),
    Break(
        "likeness: the statement counts oneself among one's kin",
        ROOM + "sql.py",
        'and m.household_no <> 0 and m.person_no <> e.{but}',
        'and m.household_no <> 0',
        LEVELS + "test_a_register_is_scored_alike_as_a_whole_and_person_by_person",
    ),
    Break(
        "likeness: a cadre's telephone brings everybody together",
        ROOM + "scoring.py",
        'pl.col("len") > PHONE_CAP',
        'pl.col("len") > 10 * PHONE_CAP',
        LEVELS + "test_a_cadres_telephone_brings_nobody_together",
    ),
    Break(
        "likeness: one number under unlike entries is proposed as one person",
        ROOM + "pack.py",
        'return Queue.ID_CONFLICT if id_level',
        'return Queue.POSSIBLE if id_level',
        LEVELS + "test_one_number_under_unlike_entries_is_asked_whose_it_is",
    ),
    Break(
        "likeness: an explanation leaves out where a pair began",
        ROOM + "words.py",
        '*_START[stratum], float(pair["start_weight"])',
        '*_START[stratum], 0.0',
        LEVELS + "test_a_pair_is_explained_in_words_whose_bits_sum_to_its_score",
    ),
]  # fmt: skip
