"""Guards of one person once: keys that follow, mergers that can be taken back, findings that two persons make."""

from __future__ import annotations

from tests.prove.breaks import Break

KEYS = "tests/registry/test_person_keys.py::"
HOUSEHOLDS = "services/registry/store/households.py"
INTAKE = "services/registry/store/intake.py"
LIKENESS = "services/registry/store/likeness.py"

BREAKS = [
    Break(
        "pairs: who leaves keeps the keys of his household",
        HOUSEHOLDS,
        "        touched.add(gone)\n",
        "        touched.discard(gone)\n",
        KEYS + "test_keys_follow_a_name_a_head_a_place_and_a_leave",
    ),
    Break(
        "pairs: a file's people get no keys",
        INTAKE,
        "    await note_persons(tx, change.persons_written, now)\n",
        "    await note_persons(tx, change.persons_written[:0], now)\n",
        KEYS + "test_a_file_s_people_have_the_same_keys_as_a_form_s",
    ),
    Break(
        "pairs: a household follows another head and its people's keys do not",
        LIKENESS,
        "  and l.household_no = any(array(select household_no from likeness where person_no = any($1)))\n",
        "  and l.household_no = any(array(select -household_no from likeness where person_no = any($1)))\n",
        KEYS + "test_keys_follow_a_name_a_head_a_place_and_a_leave",
    ),
    Break(
        "pairs: a mended number keeps its probes",
        LIKENESS,
        'FORGET_PROBES = "delete from likeness_probe where person_no = any($1)"',
        'FORGET_PROBES = "delete from likeness_probe where -person_no = any($1)"',
        KEYS + "test_a_damaged_number_has_probes_until_it_is_mended",
    ),
]
