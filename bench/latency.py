"""A changed household until its new verdict can be read, through the gateway, every hop real.

`python -m bench.latency [--changes 200]` uses a practice stack of its own: a clerk amends one household after the
other, and asks for the judgement until it speaks of the new version. The baseline is the same change and one look at
the register alone, in the same run. Prints a table and one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from stack.demo.caller import Caller
from stack.home import Home
from stack.practice import practice_stack

START = date(2019, 8, 20)
VILLAGE = "623023100201"
TARGET_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
WARM_UP = 10


def household(serial: int) -> dict[str, Any]:
    """A household of one, as an officer records it."""
    return {
        "number": f"{VILLAGE}{serial:04d}",
        "division": VILLAGE,
        "observed_on": START.isoformat(),
        "statuses": [{"kind": "poor", "since": "2014-03-01"}],
        "living": {"housing_level": "A"},
        "income": [{"year_from": "2018-10-01", "year_to": "2019-09-30", "items": {"wage_work": "9000.00"}}],
        "members": [
            {"relation": "head", "name": f"测{serial}", "sex": "female", "birth_on": "1980-03-05", "present": True}
        ],
    }


def change(clerk: Caller, noun: dict[str, Any], turn: int) -> dict[str, Any]:
    """The house is looked at again; answers the household as it now stands."""
    body = {"observed_on": START.isoformat(), "living": {"housing_level": "B" if turn % 2 else "C"}}
    answer: dict[str, Any] = clerk.patch(
        f"/registry/v1/households/{noun['id']}", body, headers={"if-match": f'"{noun["version"]}"'}
    )
    return answer


def until_judged(clerk: Caller, noun: dict[str, Any]) -> None:
    """Ask until the judgement speaks of this version."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        page = clerk.get("/assessment/v1/judgements", division=VILLAGE, pack="exit", limit=50)
        if any(row["household"] == noun["id"] and row["household_version"] >= noun["version"] for row in page["items"]):
            return
        time.sleep(0.005)
    raise SystemExit(f"no judgement of version {noun['version']} within {PATIENCE_SECONDS:.0f} s")


def measure(home: Home, changes: int) -> tuple[list[float], list[float]]:
    """(seconds until the verdict, seconds until the register alone answers), one a change."""
    clerk = Caller(home, "clerk.zhao", "赵", ["clerk"], ["623023"])
    nouns = [clerk.post("/registry/v1/households", household(serial)) for serial in range(1, 11)]
    for noun in nouns:
        until_judged(clerk, noun)
    judged, recorded = [], []
    for turn in range(changes + WARM_UP):
        place = turn % len(nouns)
        began = time.perf_counter()
        nouns[place] = change(clerk, nouns[place], turn // len(nouns))
        clerk.get(f"/registry/v1/households/{nouns[place]['id']}")
        recorded.append(time.perf_counter() - began)
        until_judged(clerk, nouns[place])
        judged.append(time.perf_counter() - began)
    clerk.close()
    return judged[WARM_UP:], recorded[WARM_UP:]


def tail(seconds: list[float]) -> float:
    """p95."""
    return statistics.quantiles(seconds, n=20)[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tuopin-bench-") as folder:
        Path(folder).chmod(0o755)
        start = datetime.combine(START, datetime.min.time(), UTC)
        with practice_stack(start, lambda _text: None, Path(folder) / "home") as home:
            judged, recorded = measure(home, asked.changes)
    for name, seconds in (("changed and recorded", recorded), ("changed and judged", judged)):
        print(f"{name:24} p50 {statistics.median(seconds) * 1000:7.1f} ms   p95 {tail(seconds) * 1000:7.1f} ms")
    print(f"{'target':24} p95 {TARGET_SECONDS * 1000:.0f} ms")
    result = {
        "changes": asked.changes,
        "recorded_p95_ms": round(tail(recorded) * 1000, 1),
        "judged_p50_ms": round(statistics.median(judged) * 1000, 1),
        "judged_p95_ms": round(tail(judged) * 1000, 1),
        "ratio_to_recorded": round(statistics.median(judged) / statistics.median(recorded), 2),
        "latency_reached": tail(judged) < TARGET_SECONDS,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
