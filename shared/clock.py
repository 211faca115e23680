"""One clock for domain time; the machine's own time is for plumbing (leases, tokens, ages) alone.

Domain time = machine time + an offset kept in a file of the stack's home. Only a practice stack (演练) has such a
file; it is written by rename, read at every `now()`, survives kill -9 and moves forward only (ADR 0011).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
OFFSET_FILE = "clock.json"


class ClockRefused(ValueError):
    """拨钟被拒: the clock of an ordinary stack, or a move backwards. Plain text in both languages: only
    operators meet it.
    """


def today(now: datetime) -> date:
    """The date of a moment in Asia/Shanghai, where all true times (真实日期) are counted."""
    if now.tzinfo is None:
        raise ValueError("a moment needs its time zone")
    return now.astimezone(SHANGHAI).date()


class Clock:
    """时钟: domain time of one process, given as an argument to all that needs it."""

    def __init__(self, home: Path | None = None, machine: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._file = None if home is None else home / OFFSET_FILE
        self._machine = machine

    @property
    def is_practice(self) -> bool:
        """Whether this stack's time can be moved (a practice stack, 演练)."""
        return self._file is not None and self._file.exists()

    def now(self) -> datetime:
        """Domain time, aware, in UTC."""
        return self._machine() + self._offset()

    def move_to(self, to: datetime) -> None:
        """Move domain time forward to `to`; refused on an ordinary stack and backwards."""
        if self._file is None or not self._file.exists():
            raise ClockRefused(
                "此套系统不是演练环境，不能拨动业务时间 / not a practice stack: its clock may not be moved"
            )
        now = self.now()
        if to < now:
            at, asked = (one.astimezone(SHANGHAI).isoformat(timespec="seconds") for one in (now, to))
            raise ClockRefused(
                f"业务时间只能向前拨：现在 {at}，要求 {asked} / the clock only moves forward: it is {at}, asked {asked}"
            )
        _write_offset(self._file, to - self._machine())

    def _offset(self) -> timedelta:
        if self._file is None:
            return timedelta()
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return timedelta()
        return timedelta(microseconds=kept["offset_microseconds"])


def make_practice(home: Path, start: datetime) -> None:
    """Give a home a clock of its own, standing at `start` (which may lie in the past: practice
    begins where its story does).
    """
    _write_offset(home / OFFSET_FILE, start - datetime.now(UTC))


def _write_offset(file: Path, offset: timedelta) -> None:
    """Whole or not at all: a reader sees the old offset or the new one."""
    fresh = file.with_suffix(f".{os.getpid()}.new")
    with fresh.open("w", encoding="utf-8") as out:
        json.dump({"offset_microseconds": round(offset / timedelta(microseconds=1))}, out)
        out.flush()
        os.fsync(out.fileno())
    fresh.chmod(0o644)
    fresh.replace(file)
