"""全面核查 from the command line: ask for it at the gateway, tell how far it is, and what became of the doubts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from stack.demo.caller import Caller
from stack.home import Home
from stack.problems import StackProblem

POLL_SECONDS = 0.5
LONGEST_POLLS = 24 * 3600 * 2


def inspect(home: Home, division: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """The job's result; interrupted, the job goes on and its id was told."""
    caller = Caller(home, "tuopin.inspect", "运维", ["operator"], [division])
    try:
        job: dict[str, Any] = caller.post("/registry/v1/doubts/inspections", {})
        tell(f"job {job['id']}")
        told = -1
        for _ in range(LONGEST_POLLS):
            if job["state"] in ("done", "failed", "cancelled"):
                break
            if job["done"] != told:
                told = job["done"]
                tell(f"{told} of {job['total'] or '?'} households")
            time.sleep(POLL_SECONDS)
            job = caller.get(f"/registry/v1/jobs/{job['id']}")
    finally:
        caller.close()
    if job["state"] != "done":
        raise StackProblem(f"the look at {division} ended as {job['state']}: {job['problem']}", "ask for it again")
    result: dict[str, Any] = job["result"]
    return result
