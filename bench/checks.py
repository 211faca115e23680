"""All data checks over a county's persons in memory, against a plain loop over people and homes.

`python -m bench.checks [--persons 1000000]` draws the sample's county, repeats it until there are as many persons, and
asks every check of all of them. The loop is the sample's own plain reader: thirteen of the checks, household by
household. Numbers of repeated people are made anew in memory, so that nobody stands twice; none of them is stored.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import polars as pl

from services.registry.checks import checks_with
from services.registry.domain.inspection import Check, Frames
from services.registry.forms import Limits, read_file
from shared.parameters import Parameters, read_parameters
from shared.values import Scope, citizen_id_check
from stack.home import PROJECT
from stack.sample import write_sample
from stack.sample.asking import asked_of
from stack.sample.homes import Homes
from stack.sample.nouns import VISITED
from stack.sample.people import People

COUNTY, HOUSEHOLDS, PLAIN_HOMES = "623023", 5_000, 5_000
TARGET_SECONDS = 30
PARAMETERS = PROJECT / "services/registry/migrations/data/parameters.csv"


def drawn() -> Frames:
    """The sample's frames, as the checks are given them."""
    taken: list[Frames] = []

    def take(frames: Frames) -> pl.DataFrame:
        taken.append(frames)
        return pl.DataFrame(schema={"row": pl.UInt32, "field": pl.String, "zh": pl.String, "en": pl.String})

    with tempfile.TemporaryDirectory(prefix="tuopin-bench-") as folder:
        write_sample(COUNTY, HOUSEHOLDS, Path(folder))
        look = Check("X0", "doubt", "？", "?", ("relation",), take)
        limits = replace(Limits(), file_bytes=10**9)
        read_file(Path(folder) / "register.csv", checks=[look], scope=Scope.everything(), on=VISITED, limits=limits)
    return taken[0]


def repeated(frames: Frames, persons: int) -> Frames:
    """The same lives again and again, each time as other people."""
    times = -(-persons // frames.persons.height)
    return replace(
        frames,
        persons=pl.concat(_again(frames.persons, at) for at in range(times)),
        households=pl.concat(_again(frames.households, at) for at in range(times)),
    )


def _again(frame: pl.DataFrame, at: int) -> pl.DataFrame:
    shift = at * 1_000_000
    again = frame.with_columns(
        pl.col("row").cast(pl.UInt32) + shift,
        pl.format("{}-{}", pl.lit(at), "household").alias("household"),
    )
    if "id_number" not in frame.columns or not at:
        return again
    numbers = [None if one is None or len(one) != 18 else _another(one, at) for one in frame["id_number"]]
    return again.with_columns(pl.Series("id_number", numbers, dtype=pl.String))


def _another(number: str, at: int) -> str:
    seventeen = f"62{9000 + at:04d}{number[6:17]}"
    return seventeen + citizen_id_check(seventeen)


def plain_seconds() -> tuple[float, int]:
    """The plain reader over so many homes; seconds of the processor, and how many people they hold."""
    chance = random.Random(1)
    homes = Homes(chance, People(chance))
    drawn_homes = [homes.draw(f"{COUNTY}100200{at:04d}", "一组", "ordinary") for at in range(PLAIN_HOMES)]
    began = time.process_time()
    for home in drawn_homes:
        asked_of(home)
    return time.process_time() - began, sum(len(home.members) for home in drawn_homes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=1_000_000)
    asked = parser.parse_args()
    checks = checks_with(Parameters(read_parameters(PARAMETERS)))
    frames = repeated(drawn(), asked.persons)
    began, cpu = time.perf_counter(), time.process_time()
    found = {check.id: check.run(frames).height for check in checks}
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    plain, people = plain_seconds()
    persons = frames.persons.height
    ratio = (plain / people) / (cpu_seconds / persons)
    print(f"{len(checks)} checks, {persons:,} persons, {sum(found.values()):,} findings")
    print(f"{'wall (target < 30 s a million)':36}{seconds:>10.1f} s")
    print(f"{'processor':36}{cpu_seconds:>10.1f} s")
    print(f"{'plain loop, 13 checks, CPU a million':36}{plain / people * 1e6:>10.1f} s")
    result = {
        "checks": len(checks),
        "persons": persons,
        "findings": sum(found.values()),
        "seconds": round(seconds, 2),
        "seconds_a_million": round(seconds / persons * 1e6, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "plain_over_checks_cpu": round(ratio, 2),
        "reached": seconds / persons * 1e6 < TARGET_SECONDS,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
