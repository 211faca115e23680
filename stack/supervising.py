"""The watcher's own process: `tuopin up` starts it."""

import asyncio

from stack.home import find
from stack.programs import prepare
from stack.supervisor import Supervisor, hold


def supervise() -> None:
    """Hold the home, make what is missing, keep everything running until told to stop."""
    home = find()
    with hold(home.run):  # before anything is prepared: a second watcher must not touch what the first one makes
        asyncio.run(Supervisor(home.run, home.log_of, prepare(home)).main())
