"""One clock: Shanghai's days, practice time that only moves forward and outlives kill -9."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import OFFSET_FILE, Clock, ClockRefused, make_practice, today

START = datetime(2019, 8, 20, 0, 0, tzinfo=UTC)


def test_a_day_begins_in_shanghai() -> None:
    assert today(datetime(2019, 8, 19, 15, 59, 59, tzinfo=UTC)) == date(2019, 8, 19)
    assert today(datetime(2019, 8, 19, 16, 0, 0, tzinfo=UTC)) == date(2019, 8, 20)
    with pytest.raises(ValueError, match="time zone"):
        today(datetime(2019, 8, 19))  # noqa: DTZ001


def test_an_ordinary_clock_is_the_machines_and_cannot_be_moved(tmp_path: Path) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    clock = Clock(tmp_path, machine=lambda: moment)
    assert clock.now() == moment
    assert not clock.is_practice
    with pytest.raises(ClockRefused):
        clock.move_to(moment + timedelta(days=1))
    assert clock.now() == moment


def test_practice_time_moves_forward_for_every_reader_and_never_back(tmp_path: Path) -> None:
    make_practice(tmp_path, START)
    ours, theirs = Clock(tmp_path), Clock(tmp_path)
    assert START <= ours.now() < START + timedelta(hours=1)
    ours.move_to(START + timedelta(days=9))
    assert START + timedelta(days=9) <= theirs.now() < START + timedelta(days=9, hours=1)
    with pytest.raises(ClockRefused):
        theirs.move_to(START)
    assert Clock(tmp_path).now() >= START + timedelta(days=9)


def test_the_offset_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    make_practice(tmp_path, START)
    assert [file.name for file in tmp_path.iterdir()] == [OFFSET_FILE]
