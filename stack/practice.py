"""A practice stack for as long as something is rehearsed on it: the demo's, and the journeys' of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from stack.home import DEMO, PROJECT, RECORD, Home, find, forget, free_port_base, open_home
from stack.jars import Progress
from stack.lifecycle import start, stop
from stack.preflight import check_machine
from stack.problems import StackProblem

DEMO_HOME = PROJECT / ".stack" / DEMO / "home"


def wipe(folder: Path) -> None:
    """Forget an earlier rehearsal's home; one that is not marked as practice is never touched."""
    if not (folder / RECORD).exists():
        return
    home = find(folder)
    if not home.practice:
        raise StackProblem(f"{folder} holds an ordinary stack, not one for practice", "choose another folder")
    stop(home)
    forget(home)


@contextmanager
def practice_stack(start_at: datetime, progress: Progress, folder: Path = DEMO_HOME) -> Iterator[Home]:
    """A fresh practice stack on free ports whose time begins at `start_at`; its data is kept to look at.

    It is stopped at the end, and ends with this process even if that is killed.
    """
    check_machine()
    wipe(folder)
    home = open_home(folder, practice=True, practice_start=start_at, port_base=free_port_base())
    try:
        start(home, progress, dies_with_us=True)
        yield home
    finally:
        stop(home)
