"""Starting and stopping a whole stack from the outside: `tuopin up` and `tuopin down`."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from stack import preflight
from stack.home import PROJECT, Home
from stack.jars import Progress
from stack.problems import StackProblem
from stack.processes import LOOPBACK, die_with_parent, tail
from stack.programs import kafka_of
from stack.supervisor import holder, refuse_running, rotate

LONGEST_START_SECONDS = 300
LONGEST_STOP_SECONDS = 90
LONGEST_LOOK_SECONDS = 15

# Watchers that this very process started: a rehearsal's, a test's. Reaped when they are stopped.
_started: dict[Path, subprocess.Popen[bytes]] = {}


def start(home: Home, progress: Progress, *, dies_with_us: bool = False) -> dict[str, Any]:
    """Check, start the watcher detached, wait until everything is up; answers the programs' states.

    With `dies_with_us` the stack ends in order when the caller's process ends, however that comes about.
    """
    preflight.check(home)
    kafka_of(home, progress)  # fetches and trains in front of the user, where it can be seen
    refuse_running(home.run)  # that took a while: somebody else may have started it
    if earlier := _started.pop(home.folder, None):
        earlier.wait()  # its lock is free: it was killed, or stopped by another process
    rotate(home.log_of("watcher"))
    (home.run / "state.json").unlink(missing_ok=True)
    with home.log_of("watcher").open("ab") as log:
        watcher = _started[home.folder] = subprocess.Popen(
            [sys.executable, "-m", "stack", "supervise"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=PROJECT,
            env={**os.environ, "TUOPIN_HOME": str(home.folder)},
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM) if dies_with_us else None,  # noqa: PLW1509 - one prctl, no locks
        )
    rows = wait_until_up(home, lambda: watcher.poll() is None, progress)
    wait_until_reached(home, [name.removesuffix("-api") for name in rows if name.endswith("-api")])
    return rows


def wait_until_reached(home: Home, services: list[str]) -> None:
    """The gateway looks after each service every two seconds: until its next look it answers 503 for one that is up."""
    deadline = time.monotonic() + LONGEST_LOOK_SECONDS
    while unreached := [name for name in services if not _is_reached(home, name)]:
        if time.monotonic() > deadline:
            raise StackProblem(
                f"the gateway does not reach {', '.join(unreached)}",
                "`tuopin logs gateway` shows why; the rest runs on",
            )
        time.sleep(0.05)


def _is_reached(home: Home, service: str) -> bool:
    gateway = http.client.HTTPConnection(LOOPBACK, home.ports.gateway, timeout=3)
    with contextlib.closing(gateway), contextlib.suppress(OSError, http.client.HTTPException):
        gateway.request("GET", f"/{service}/docs")
        return gateway.getresponse().status == http.HTTPStatus.OK
    return False


def wait_until_up(home: Home, alive: Callable[[], bool], progress: Progress) -> dict[str, Any]:
    deadline = time.monotonic() + LONGEST_START_SECONDS
    told: set[str] = set()
    while alive() and time.monotonic() < deadline:
        rows = read_states(home)
        for name, row in rows.items():
            if row["state"] in ("up", "done") and name not in told:
                told.add(name)
                progress(f"{name} is {row['state']}")
        if rows and len(told) == len(rows):
            return rows
        if failing := [name for name, row in rows.items() if row["state"] == "failing"]:
            _complain(home, failing)
        time.sleep(0.05)
    if not alive():
        refuse_running(home.run)  # another start was quicker
        raise StackProblem(
            f"the watcher ended while starting:\n{tail(home.log_of('watcher'), 15)}", "mend that, then start again"
        )
    rows = read_states(home)
    _complain(home, [name for name, row in rows.items() if row["state"] not in ("up", "done")])
    return rows


def _complain(home: Home, names: list[str]) -> None:
    logs = "\n".join(f"--- {name} ---\n{tail(home.log_of(name), 8)}" for name in names)
    raise StackProblem(
        f"not up: {', '.join(names)} (the rest runs on, and these are tried again)\n{logs}",
        "mend it; `tuopin status` shows when it is up, `tuopin logs NAME` shows more, `tuopin down` stops all",
    )


def read_states(home: Home) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        rows = json.loads((home.run / "state.json").read_text())
        assert isinstance(rows, dict)
        return rows
    return {}


def stop(home: Home) -> bool:
    """Ask the watcher to stop everything in order and wait for its end; answers whether it was running."""
    pid = holder(home.run)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + LONGEST_STOP_SECONDS
    while holder(home.run) is not None:
        if time.monotonic() > deadline:
            raise StackProblem(
                f"the watcher {pid} does not end", f"`kill -9 {pid}` ends it and all its programs; data is safe"
            )
        time.sleep(0.05)
    if ours := _started.pop(home.folder, None):
        ours.wait()  # it let go of its lock: it is ending
    else:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(10)
    return True
