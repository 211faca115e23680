"""Guards of the stack's own running: plain words, patience, one at a time, and what its measures tell."""

from __future__ import annotations

from tests.prove.breaks import Break

PREFLIGHT = "tests/stack/test_preflight.py::"

BREAKS = [
    Break(
        "command: what the system refuses is told by a trace",
        "stack/problems.py",
        "        if isinstance(one, OSError):\n",
        "        if isinstance(one, OSError) and len(one.args) > 9:\n",
        PREFLIGHT + "test_what_the_system_refuses_is_told_plainly",
    ),
    Break(
        "set-up: a small disk is found out half way",
        "stack/bootstrap.py",
        "    if free < NEEDED_BYTES:\n",
        "    if free < 0:\n",
        PREFLIGHT + "test_a_machine_that_will_not_do_is_named_before_anything_is_fetched",
    ),
    Break(
        "watcher: pauses beyond ten seconds",
        "stack/supervisor.py",
        "    return min(doubled * random.uniform(1, 1.3), LONGEST_PAUSE_SECONDS)\n",
        "    return min(doubled, LONGEST_PAUSE_SECONDS) * random.uniform(1, 1.3)\n",
        "tests/stack/test_supervisor.py::test_pauses_double_and_end_at_ten_seconds",
    ),
    Break(
        "stack: a worker stops beside its api",
        "stack/programs.py",
        'stops_before=(f"{service}-worker", "kafka") if kind == "api" else ("kafka",)',
        'stops_before=("kafka",) if kind == "api" else ("kafka",)',
        "tests/stack/test_supervisor.py::test_the_stack_stops_from_the_door_inwards",
    ),
    Break(
        "demonstration: a second one beside the first",
        "stack/home.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if refusal is None else fcntl.LOCK_NB))",
        "fcntl.flock(descriptor, fcntl.LOCK_SH | (0 if refusal is None else fcntl.LOCK_NB))",
        "tests/stack/test_demo.py::test_a_second_demonstration_in_the_same_folder_is_refused_and_the_first_goes_on",
    ),
    Break(
        "papers: a field that is no longer answered goes unnoticed",
        "tests/contracts/gains.py",
        '                yield f"{where}: gone: {name}"\n',
        "                continue\n",
        "tests/contracts/test_papers.py::test_a_loss_is_noticed",
    ),
]
