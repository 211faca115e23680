"""Guards of the demonstration: a day at a time, quiet only when it is, what is planted fails what it is planted for."""

from __future__ import annotations

from tests.prove.breaks import Break

DEMO = "tests/stack/test_demo.py::"

BREAKS = [
    Break(
        "demo: the clock leaps over the days",
        "stack/demo/story.py",
        "            here += timedelta(days=1)\n",
        "            here = day\n",
        DEMO + "test_the_clock_goes_a_day_at_a_time_and_each_day_is_waited_for",
    ),
    Break(
        "demo: quiet while a fact is between two services",
        "stack/demo/quiet.py",
        "if before is not None and look.is_quiet and before.is_quiet and look.ends == before.ends:",
        "if before is not None and look.is_quiet and before.is_quiet:",
        DEMO + "test_quiet_is_said_when_nothing_is_under_way_twice_running",
    ),
    Break(
        "demo: what was put aside is waited past",
        "stack/demo/quiet.py",
        "            if look.parked or look.dead:\n",
        "            if look.parked and look.dead:\n",
        DEMO + "test_what_was_put_aside_ends_the_waiting_with_a_word",
    ),
    Break(
        "sample: whom the dividend is to lift lacks something else",
        "stack/sample/homes.py",
        "    content(home)\n    earn(home, LINE_FEN * home.present - short_by_fen, random)\n",
        "    earn(home, LINE_FEN * home.present - short_by_fen, random)\n",
        "tests/stack/test_sample.py::test_whom_a_dividend_is_to_lift_or_not_fails_the_line_alone_or_nothing",
    ),
]
