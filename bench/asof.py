"""A household, a village's list and a county's counts as of two times, each against the same question about now.

`python -m bench.asof [--persons 100000] [--households 400]` starts a PostgreSQL of its own (durable), hands a small
file in, multiplies its rows by SQL as `bench.lookup` does, gives every household and every person four older images, a
year apart, and asks through the whole route (no network, no client library) now and then in turn, one caller. Prints
medians, their ratios and one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg

from bench.intake import COUNTY, Bench
from bench.lookup import STEP, grow
from services.registry.tables import household, person

TARGET = 2.0
IMAGES = 4
THEN = {"as_of": "2017-06-30", "known_at": "2018-06-30"}
"""Between the second and the third image."""
Ask = Callable[[str, dict[str, str]], Awaitable[None]]


def older(table: Any) -> str:
    """Four superseded images of each row, seen and known a year apart from 2015 on."""
    over = {
        "version": "k",
        "known_from": "make_timestamptz(2014 + k, 8, 1, 0, 0, 0)",
        "observed_on": "make_date(2014 + k, 8, 1)",
    }
    names = [column.name for column in table.columns if column.computed is None]
    told = ", ".join(over.get(name, f't."{name}"') for name in names)
    quoted = ", ".join(f'"{name}"' for name in names)
    return (
        f"insert into {table.name}_history ({quoted}, known_to)"
        f" select {told}, make_timestamptz(2015 + k, 8, 1, 0, 0, 0) from {table.name} t, generate_series(1, {IMAGES}) k"
    )


async def aged(bench: Bench) -> list[dict[str, Any]]:
    """The register with a past; some of the file's own households (the copies' sealed fields cannot be opened)."""
    admin = await asyncpg.connect(bench.made[0].admin, ssl=False)
    try:
        await admin.execute("set session_replication_role = replica")
        for table in (household, person):
            await admin.execute(older(table))
            await admin.execute(f"update {table.name} set version = {IMAGES + 1}")
        for table in ("membership", "status", "income"):
            await admin.execute(f"update {table} set known_from = '2015-08-01'")
        await admin.execute("update membership set during = daterange('2015-08-01', null)")
        await admin.execute("vacuum analyze")
        await admin.execute("checkpoint")
        rows = await admin.fetch(
            f"select id, division from household where no < {STEP} order by sha256(no::text::bytea) limit 2000"
        )
        return [dict(row) for row in rows]
    finally:
        await admin.close()


def asking(app: Any, token: str) -> Ask:
    """The whole application, called as its server calls it."""
    headers = [(b"authorization", f"Bearer {token}".encode())]
    asked = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": ""}

    async def ask(path: str, given: dict[str, str]) -> None:
        said: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        full = f"/registry/v1{path}"
        place = {"path": full, "raw_path": full.encode(), "query_string": urlencode(given).encode()}
        more = {"headers": headers, "asgi": {"version": "3.0"}, "client": ("127.0.0.1", 1), "server": ("bench", 80)}
        await app({**asked, **place, **more, "state": {}}, receive, send)
        assert said[0]["status"] == 200, said

    return ask


async def compared(ask: Ask, questions: list[tuple[str, dict[str, str]]]) -> tuple[float, float]:
    """Median milliseconds now and then, asked in turn."""
    taken: tuple[list[float], list[float]] = ([], [])
    for path, given in questions:
        for times, kept in zip(({}, THEN), taken, strict=True):
            began = time.perf_counter()
            await ask(path, {**given, **times})
            kept.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken[0]), statistics.median(taken[1])


async def measure(wanted: int, households: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tuopin-bench-") as home:
        folder = Path(home)
        await asyncio.to_thread(folder.chmod, 0o755)
        async with Bench(folder).running() as bench:
            standing = await grow(bench, wanted)
            found = await aged(bench)
            ask = asking(bench.app, bench.token())
            random.Random(7).shuffle(found)
            kinds = {
                "household": [(f"/households/{one['id']}", {}) for one in found[:households]],
                "village_list": [("/households", {"division": str(one["division"])}) for one in found[:60]],
                "county_counts": [("/reports/households", {"division": COUNTY})] * 7,
            }
            result: dict[str, Any] = {
                "bench": "asof",
                "persons": standing,
                "images_a_noun": IMAGES + 1,
                "load_before": round(os.getloadavg()[0], 1),
            }
            for kind, questions in kinds.items():
                await compared(ask, questions[:20])
                now, then = await compared(ask, questions)
                result |= {f"{kind}_now_ms": round(now, 2), f"{kind}_then_ms": round(then, 2)}
                result[f"{kind}_ratio"] = round(then / now, 2)
            result["load_after"] = round(os.getloadavg()[0], 1)
            result["target_ratio"] = TARGET
            result["household_reached"] = result["household_ratio"] <= TARGET
            return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=100_000)
    parser.add_argument("--households", type=int, default=400)
    asked = parser.parse_args()
    result = asyncio.run(measure(asked.persons, asked.households))
    for name, value in result.items():
        print(f"{name:32} {value}")
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
