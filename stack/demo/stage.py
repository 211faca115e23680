"""The demonstration's stack: a practice home of its own with ports of its own, wiped at each start, never another's."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path

from shared.clock import SHANGHAI, Clock
from stack.home import PROJECT, RECORD, Home, find, open_home
from stack.lifecycle import start, stop
from stack.problems import StackProblem
from stack.processes import LOOPBACK
from stack.supervisor import holder

MARK = "demonstration"
FIRST_BASE, BASE_STEP, BASES = 18600, 40, 50
MORNING = time(8, 0)


def morning(day: date) -> datetime:
    """Eight o'clock in Shanghai, when offices open."""
    return datetime.combine(day, MORNING, SHANGHAI)


def usual_folder() -> Path:
    """Where the demonstration leaves its papers; the stack's home is `home` in it."""
    return PROJECT / ".stack" / "demo"


def wipe(home: Path) -> None:
    """Remove a home that carries our mark. Anything else that is not empty is somebody's, and stays."""
    if not home.exists() or not any(home.iterdir()):
        return
    if not (home / MARK).exists():
        raise StackProblem(
            f"{home} is not a demonstration's home and is not touched",
            "move it away, or give another folder with --folder",
        )
    if (home / RECORD).exists() and holder(find(home).run) is not None:
        stop(find(home))
    shutil.rmtree(home)


def free_base() -> int:
    """The first port base of ours whose ports are all free."""
    for number in range(BASES):
        base = FIRST_BASE + number * BASE_STEP
        if all(_is_free(port) for port in range(base, base + 24)):
            return base
    raise StackProblem("no free ports for the demonstration", f"ports from {FIRST_BASE} are all taken")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


@contextlib.contextmanager
def practice_stack(home: Path, first_day: date, tell: object = None) -> Iterator[Home]:
    """A fresh practice stack whose time begins on the morning of `first_day`; stopped at the end, its home kept."""
    wipe(home)
    home.parent.mkdir(parents=True, exist_ok=True)
    before = os.environ.get("TUOPIN_PORT_BASE")
    os.environ["TUOPIN_PORT_BASE"] = str(free_base())
    try:
        opened = open_home(home, practice=True, practice_start=morning(first_day))
        (home / MARK).write_text("made by `tuopin demo`; wiped at its next start\n")
        start(opened, tell if callable(tell) else lambda _text: None)
        yield opened
    finally:
        if (home / RECORD).exists():
            stop(find(home))
        os.environ.pop("TUOPIN_PORT_BASE")
        if before is not None:
            os.environ["TUOPIN_PORT_BASE"] = before


def clock_of(home: Home) -> Clock:
    """The stack's domain time."""
    return Clock(home.folder)
