"""`make bench`: run every named speed, one after another, and keep what they printed with the date and the machine.

Each module of this folder is one command; its last line is JSON with `reached`. Worse than the target is said, not
rewritten: the run fails only if a measurement could not be made.
"""

import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stack.home import PROJECT

KEPT = PROJECT / ".stack" / "bench"


def names() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def machine() -> dict[str, Any]:
    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    load = os.getloadavg()[0]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 1e9),
        "load": round(load, 1),
        "python": platform.python_version(),
    }


def measure(name: str) -> dict[str, Any]:
    """Run one; its output goes to the screen as well as into what is kept."""
    print(f"--- {name}", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    print(done.stdout, end="", flush=True)
    kept: dict[str, Any] = {"name": name, "seconds": round(time.monotonic() - began, 1), "output": done.stdout}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        print(done.stderr[-2000:], file=sys.stderr)
        return {**kept, "failed": done.stderr[-2000:]}
    return {**kept, "result": json.loads(lines[-1])}


def verdict(run: dict[str, Any]) -> str:
    if "failed" in run:
        return "could not be measured"
    missed = [key for key, value in run["result"].items() if key.endswith("reached") and not value]
    return f"worse than target ({', '.join(missed)})" if missed else "target reached"


def main() -> None:
    wanted = sys.argv[1:] or names()
    moment = datetime.now(UTC)
    runs = [measure(name) for name in wanted]
    whole = {"at": moment.isoformat(timespec="seconds"), "machine": machine(), "runs": runs}
    KEPT.mkdir(parents=True, exist_ok=True)
    kept = KEPT / f"{moment:%Y%m%dT%H%M%SZ}.json"
    kept.write_text(json.dumps(whole, indent=1) + "\n")
    print("---")
    for run in runs:
        print(f"{run['name']:<16} {verdict(run)}")
    print(f"kept in {kept}")
    sys.exit(any("failed" in run for run in runs))


main()
