"""Guards of the shared language."""

from __future__ import annotations

from tests.prove.breaks import Break

BREAKS = [
    Break(
        "citizen id: checksum not looked at",
        "shared/values.py",
        "if citizen_id_check(normal[:17]) != normal[17]:",
        "if len(citizen_id_check(normal[:17])) != 1:",
        "tests/shared/test_values.py::test_every_single_slip_of_a_digit_is_caught",
    ),
    Break(
        "scope: nothing sees everything",
        "shared/values.py",
        'return {"lo": "0", "hi": "0", "ranges": "{}"}',
        'return {"lo": "0", "hi": "1000000000000", "ranges": "{[0,1000000000000)}"}',
        "tests/shared/test_values.py::test_scope_fails_closed_and_says_its_bounds",
    ),
    Break(
        "publicity: one day short",
        "shared/values.py",
        "return cls(day + timedelta(days=1), day + timedelta(days=days))",
        "return cls(day + timedelta(days=1), day + timedelta(days=days - 1))",
        "tests/shared/test_values.py::test_seven_days_after_the_twenty_third",
    ),
    Break(
        "names: masking off",
        "shared/values.py",
        'return signs[0] + "*" * (len(signs) - 2) + signs[-1]',
        'return "".join(signs)',
        "tests/shared/test_values.py::test_names_are_masked",
    ),
    Break(
        "clock: moves back",
        "shared/clock.py",
        "        if to < now:",
        "        if to < now.replace(year=1):",
        "tests/shared/test_clock.py::test_practice_time_moves_forward_for_every_reader_and_never_back",
    ),
    Break(
        "facts: a name travels",
        "shared/events/registry.py",
        "    masked_head: str\n    headcount: int",
        '    masked_head: str\n    head_name: str = ""\n    headcount: int',
        "tests/contracts/test_events.py::test_nothing_identifying_travels",
    ),
]
