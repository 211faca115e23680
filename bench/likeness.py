"""Comparing everybody with everybody, and one new person with a large register.

`python -m bench.likeness [--persons 1000000] [--lookups 400]` draws a register in which some stand twice, makes its
keys (said apart: that is done when people are written), and then measures two things. A process of its own, which reads
the keys from a file, finds and weighs all pairs; its baseline is joining the same keys on number and household alone. A
PostgreSQL of its own holds keys, probes and counts under their policies, and the worker's login asks for one person's
pairs, and in turn, as the baseline, who has his number. Prints a table and one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
import polars as pl

from bench.intake import Bench
from services.registry.likeness import KEY_COLUMNS, pack, sql
from services.registry.likeness.levels import RULES
from services.registry.likeness.scoring import candidates, scored
from shared.db import create_engine, transaction
from shared.values import Scope
from stack.twins.faults import make_register
from stack.twins.judging import keyed

TARGET_SECONDS, TARGET_MB, TARGET_ONE_MS = 30, 2_000, 5
SEED = 8
COLUMNS = ("person_no", "household_no", "division", *KEY_COLUMNS, "head_key")
BY_NUMBER = "select person_no, household_no, division, name_key from likeness where id_key = $1 and id_key <> 0"


def whole(folder: Path) -> dict[str, Any]:
    """All pairs of the keys in this folder; runs in a process of its own, whose memory is its peak."""
    keys, probes = pl.read_parquet(folder / "keys.parquet"), pl.read_parquet(folder / "probes.parquet")
    began, spent = time.perf_counter(), time.process_time()
    candidates(keys, probes.clear(), tuple(rule for rule in RULES if rule.name in ("id", "household")))
    baseline = time.process_time() - spent
    began, spent = time.perf_counter(), time.process_time()
    pairs = candidates(keys, probes)
    blocked = time.perf_counter() - began
    kept = scored(keys, pairs, pack(), least=pack().possible)
    seconds, cpu = time.perf_counter() - began, time.process_time() - spent
    return {
        "pairs_weighed": pairs.height, "pairs_kept": kept.height, "finding_seconds": round(blocked, 1),
        "whole_seconds": round(seconds, 1), "whole_cpu_seconds": round(cpu, 1),
        "whole_cpu_over_joining_by_number_and_household": round(cpu / baseline, 1),
        "whole_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }  # fmt: skip


async def load(bench: Bench, keys: pl.DataFrame, probes: pl.DataFrame) -> None:
    """Keys as the register holds them, counted and analysed."""
    admin = await asyncpg.connect(bench.made[0].admin, ssl=False)
    try:
        rows = keys.select(COLUMNS)
        for part in rows.iter_slices(50_000):
            await admin.copy_records_to_table("likeness", records=part.iter_rows(), columns=COLUMNS)
        named = ["person_no", "key", "kind"]
        await admin.copy_records_to_table("likeness_probe", records=probes.iter_rows(), columns=named)
        for statement in sql.refresh_frequencies():
            await admin.execute(statement)
        await admin.execute("vacuum analyze likeness, likeness_probe, likeness_frequency")
        await admin.execute("checkpoint")
    finally:
        await admin.close()


async def ask(bench: Bench, asked: list[tuple[int, int]]) -> dict[str, Any]:
    """One person's pairs and who has his number, in turn; each in a transaction of its own, as the worker does it."""
    engine = create_engine(bench.made[0].worker, pool_size=1, statement_timeout_ms=0)
    taken: dict[str, list[float]] = {"one": [], "number": []}
    found = 0
    for at, (person, number) in enumerate(asked):
        for name, statement, given in (("number", BY_NUMBER, number), ("one", sql.of_persons(), [person])):
            began = time.perf_counter()
            async with transaction(engine, Scope.everything(), caller="bench") as tx:
                if name == "one":
                    await tx.driver.execute(sql.FOR_PERSONS)
                rows = await tx.driver.fetch(statement, given)
            if at >= len(asked) // 5:  # before that, caches and the statement's plan warm up
                taken[name].append((time.perf_counter() - began) * 1000)
                found += len(rows) if name == "one" else 0
    await engine.dispose()
    result: dict[str, Any] = {"pairs_of_one": round(found / len(taken["one"]), 1)}
    for name, times in taken.items():
        times.sort()
        result[f"{name}_p50_ms"] = round(statistics.median(times), 2)
        result[f"{name}_p95_ms"] = round(times[int(len(times) * 0.95)], 2)
    result["one_over_number_p95"] = round(result["one_p95_ms"] / result["number_p95_ms"], 1)
    return result


async def in_postgres(keys: pl.DataFrame, probes: pl.DataFrame, lookups: int) -> dict[str, Any]:
    """The second measurement."""
    chosen = keys.sample(lookups, seed=SEED).select("person_no", "id_key").rows()
    with tempfile.TemporaryDirectory(prefix="tuopin-bench-") as home:
        folder = Path(home)
        await asyncio.to_thread(folder.chmod, 0o755)
        async with Bench(folder).running() as bench:
            await load(bench, keys, probes)
            return await ask(bench, chosen)


def in_a_process(keys: pl.DataFrame, probes: pl.DataFrame) -> dict[str, Any]:
    """The first measurement."""
    with tempfile.TemporaryDirectory(prefix="tuopin-bench-") as home:
        keys.drop("pinyin", "initials").write_parquet(Path(home) / "keys.parquet")
        probes.write_parquet(Path(home) / "probes.parquet")
        command = [sys.executable, "-m", "bench.likeness", "--within", home]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        result: dict[str, Any] = json.loads(done.stdout)
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=100_000)
    parser.add_argument("--lookups", type=int, default=400)
    parser.add_argument("--within", type=Path, help="weigh the keys of this folder, and nothing else")
    asked = parser.parse_args()
    if asked.within:
        print(json.dumps(whole(asked.within)))
        return
    register = make_register(asked.persons, SEED)
    spent = time.process_time()
    keys, probes = keyed(register)
    result: dict[str, Any] = {"bench": "likeness", "persons": keys.height, "load_before": round(os.getloadavg()[0], 1)}
    result |= {"keys_cpu_seconds": round(time.process_time() - spent, 1), "probes": probes.height}
    result |= in_a_process(keys, probes) | asyncio.run(in_postgres(keys, probes, asked.lookups))
    million = result["persons"] / 1e6
    result["whole_reached"] = result["whole_seconds"] < TARGET_SECONDS * million
    result["memory_reached"] = result["whole_peak_mb"] < TARGET_MB
    result["one_reached"] = result["one_p95_ms"] < TARGET_ONE_MS
    for name, value in result.items():
        print(f"{name:48} {value}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
