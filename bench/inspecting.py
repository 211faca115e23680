"""All data checks over a register, as the job does it: read, open what is sealed, ask, hold, save the doubts.

`python -m bench.inspecting [--households 27000]` starts a PostgreSQL of its own, hands a file in through the API,
forgets the doubts that it left, and has the whole county looked at: once with every doubt new, once with none. What the
checks alone cost in memory is `bench.checks`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from bench.intake import Bench, file_of, persons, processor_seconds
from services.registry import app as registry_app
from shared.jobs import JobRunner

TARGET_SECONDS_A_MILLION = 300
"""The catalogue's 30 s are for the checks in memory; a job that also reads and writes may take ten times that."""


async def looked(bench: Bench) -> dict[str, Any]:
    """Seconds of one look, and what it made of the doubts."""
    headers = {"Authorization": f"Bearer {bench.token()}", "Idempotency-Key": f"bench-{time.time_ns()}"}
    answer = await bench.client.post("/registry/v1/doubts/inspections", json={}, headers=headers)
    answer.raise_for_status()
    jobs = registry_app.of_the_register(bench.settings, bench.engine, bench.keys)
    runner = JobRunner(bench.engine, jobs, lambda: datetime.now(UTC), lease_seconds=600)
    began, spent = time.perf_counter(), processor_seconds()
    while await runner.run_one():
        pass
    seconds = time.perf_counter() - began
    cpu = {f"cpu_{who}": round(after - spent[who], 1) for who, after in processor_seconds().items()}
    job = (await bench.client.get(f"/registry/v1/jobs/{answer.json()['id']}", headers=headers)).json()
    assert job["state"] == "done", job
    return {"seconds": round(seconds, 2), **cpu, **job["result"]}


async def measure(households: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tuopin-bench-") as home:
        folder = Path(home)
        await asyncio.to_thread(folder.chmod, 0o755)
        async with Bench(folder).running() as bench:
            lines = persons(households, await bench.villages())
            _, found = await bench.hand_in(file_of(lines, as_workbook=False), "登记表.csv")
            assert found["job"]["state"] == "done", found["job"]
            admin = await asyncpg.connect(bench.made[0].admin, ssl=False)
            try:
                await admin.execute("truncate doubt, doubt_event; analyze")
            finally:
                await admin.close()
            first, again = await looked(bench), await looked(bench)
            a_million = first["seconds"] / found["rows"] * 1e6
            return {
                "bench": "inspecting",
                "persons": found["rows"],
                "first": first,
                "again": again,
                "persons_a_second": round(found["rows"] / first["seconds"]),
                "seconds_a_million": round(a_million),
                "reached": a_million < TARGET_SECONDS_A_MILLION,
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--households", type=int, default=27_000)
    result = asyncio.run(measure(parser.parse_args().households))
    for name, value in result.items():
        print(f"{name:32} {value}")
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
