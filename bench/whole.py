"""The whole embedded stack: how long until all is up (first start, later start), and how much memory it holds at rest.

`python -m bench.whole` uses a practice stack of its own and prints a table and one line of JSON.
"""

import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from stack.home import Home, free_port_base, open_home
from stack.lifecycle import start, stop
from stack.programs import kafka_of
from stack.status import status_of

UP_SECONDS = 10
MEMORY_MB = 1300
REST_SECONDS = 20
LATER_STARTS = 3


def timed_start(home: Home) -> float:
    began = time.monotonic()
    start(home, lambda _text: None)
    return time.monotonic() - began


async def memory_by_program(home: Home) -> dict[str, int]:
    status = await status_of(home, queues=False)
    return {name: row["memory_mb"] for name, row in status.programs.items() if row["memory_mb"]}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tuopin-bench-") as folder:
        Path(folder).chmod(0o755)
        home = open_home(
            Path(folder) / "home", practice=True, practice_start=datetime.now(UTC), port_base=free_port_base()
        )
        kafka_of(home, print)  # fetching and training belong to the installation
        try:
            first = timed_start(home)
            stop(home)
            later = []
            for _ in range(LATER_STARTS):
                later.append(timed_start(home))
                if len(later) < LATER_STARTS:
                    stop(home)
            time.sleep(REST_SECONDS)
            memory = asyncio.run(memory_by_program(home))
        finally:
            stop(home)
    report(first, sorted(later)[len(later) // 2], memory)


def report(first: float, later: float, memory: dict[str, int]) -> None:
    total = sum(memory.values())
    print(f"{'first start, databases made':34}{first:>10.1f} s")
    print(f"{'later start (target < 10 s)':34}{later:>10.1f} s")
    for name, megabytes in memory.items():
        print(f"{name:34}{megabytes:>10} MB")
    print(f"{'all at rest (target < 1300 MB)':34}{total:>10} MB")
    result = {
        "first_start_seconds": round(first, 1),
        "start_seconds": round(later, 1),
        "start_reached": later < UP_SECONDS,
        "memory_mb": total,
        "memory_reached": total < MEMORY_MB,
        "programs": len(memory),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
