"""The evaluator against a loop over validated objects; a million by fifty criteria; a run with stored reasons.

`python -m bench.evaluator [--households 20000] [--million 1000000]` starts a PostgreSQL of its own and prints a table
and one line of JSON. The loop validates each household with pydantic and judges it in plain Python; the evaluator has
columns, or starts from the bytes that the service keeps. Both judge the same households by the same two packs and must
agree. In memory CPU seconds are compared: both sides are one thread, and the machine may be shared.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.assessment import app, inbox
from services.assessment.actions.runs import ask_for_run
from services.assessment.domain.catalogue import Batch, Packed, decode, encode
from services.assessment.domain.evaluator import Bound
from services.assessment.domain.numbers import resolve
from services.assessment.domain.packs import Outcome, Pack, evaluate_all, load
from services.assessment.rules import packs
from shared.auth import Officer, Role
from shared.db import create_engine, transaction
from shared.events.registry import CircumstancesRecorded
from shared.hearing import Heard, Record
from shared.jobs import JobRunner
from shared.parameters import Parameters, read_parameters
from shared.values import DivisionCode, Scope, new_id
from stack import plain_judge, provision
from stack.migrate import migrate
from stack.postgres import Postgres
from stack.processes import Child, free_ports
from stack.provision import Database

RATIO_TARGET = 100
MILLION_TARGET_SECONDS = 60
CRITERIA = 50
ROUNDS = 5
VILLAGE = DivisionCode.parse("623023101201")
COUNTY = DivisionCode.parse("623023")
ON = date(2019, 8, 20)
NOW = datetime(2019, 8, 20, 2, tzinfo=UTC)
YEAR = ("2018-10-01", "2019-09-30")
PARAMETERS = Path(app.__file__).parent / "migrations" / "data" / "parameters.csv"
RELATIONS = ("spouse", "son", "daughter", "father", "mother")


def household(draw: random.Random) -> dict[str, Any]:
    """A plausible household as it travels."""
    members = [member(draw, place) for place in range(draw.choice((1, 2, 3, 4, 4, 5, 6)))]
    items = [("A", "wage_work"), ("B", "planting"), ("C", "land_transfer"), ("D", "pension"), ("E", "planting_cost")]
    return {
        "household": str(new_id()),
        "version": 1,
        "division": VILLAGE.text,
        "statuses": [{"kind": draw.choice(("poor", "lifted", "ordinary")), "since": "2014-01-01"}],
        "members": members,
        "living": {
            "food_assured": "yes",
            "clothing_assured": "yes",
            "housing_level": draw.choice("AABBC"),
            "water_safe": draw.choice(("yes", "yes", "yes", "no", None)),
            "self_paid_medical_fen": draw.choice((0, 0, 250_000)),
            "insurance_paid_fen": 0,
        },
        "income": [
            {
                "year_from": YEAR[0],
                "year_to": YEAR[1],
                "component": component,
                "item": item,
                "source": "declared",
                "fen": draw.randint(0, 900_000),
            }
            for component, item in items
        ],
        "income_declared": [YEAR],
    }


def member(draw: random.Random, place: int) -> dict[str, Any]:
    born = ON - timedelta(days=draw.randint(0, 80 * 365))
    return {
        "pseudonym": str(new_id()),
        "relation": "head" if place == 0 else draw.choice(RELATIONS),
        "sex": draw.choice(("male", "female")),
        "birth_on": born.isoformat(),
        "present": draw.random() < 0.95,
        "schooling": draw.choice(("not_student", "primary", "junior_8", None)),
        "education": draw.choice(("primary", "junior")),
        "health": draw.choice(("healthy",) * 9 + ("serious",)),
        "labour": draw.choice(("ordinary", "none", "weak")),
        "medical_cover": draw.choice(("resident",) * 19 + ("none",)),
    }


def fifty() -> Pack:
    """A pack of fifty criteria over members, income and living, no two alike."""
    saying = {"zh": "按成员计{number}人，限{limit}人", "en": "{number} members, limit {limit}"}
    aggregates = {
        f"aged_{years}": {
            "over": "members",
            "all": f"age < {years} or labour in (ordinary, weak) or health == serious",
            "where": "present",
        }
        for years in range(10, 42)
    }
    earned = {
        f"earned_{component.lower()}": {"over": "income", "sum": "fen", "where": f"component == {component}"}
        for component in "ABCDE"
    }
    whens = [*aggregates]
    whens += [f"earned_{one} > {bound}" for one in "abcde" for bound in (100_000, 400_000)]
    whens += ["water_safe", "food_assured", "clothing_assured", "housing_level in (A, B)", "n > 0", "n < 6"]
    whens += ["self_paid_medical_fen < 100000", "earned_a + earned_b > earned_e"]
    criteria = [
        {
            "code": f"criterion_{place}",
            "name": {"zh": f"标准{place}", "en": f"criterion {place}"},
            "when": when,
            "law": ["standard_exit"],
            "number": "n",
            "limit": "1",
            "say": {"met": [saying], "unmet": [saying]},
        }
        for place, when in enumerate(whens)
    ]
    assert len(criteria) == CRITERIA
    return load(
        {
            "id": "fifty",
            "title": {"zh": "五十条", "en": "fifty"},
            "about": {"zh": "测量用", "en": "for measuring"},
            "parameters": {},
            "applies": "not superseded",
            "aggregates": {"n": {"over": "members", "count": "present"}, **aggregates, **earned},
            "criteria": criteria,
            "verdict": {"kind": "all"},
        }
    )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, and what came out."""
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def loop(told: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """What most would write: validate each household, judge it in plain Python."""
    found = []
    for one in told:
        judged = plain_judge.judge(CircumstancesRecorded.model_validate(one), ON)
        found.append((judged.exit, judged.risk))
    return found


def evaluated(batch: Batch, bounds: Sequence[Bound]) -> list[Outcome]:
    """The service's way."""
    return evaluate_all(list(zip(packs(), bounds, strict=True)), batch)


def in_memory(told: Sequence[dict[str, Any]], million: int) -> dict[str, Any]:
    table = Parameters(read_parameters(PARAMETERS))
    bounds = [resolve(rules, table, VILLAGE, ON).bound for rules in packs()]
    packed = [encode(CircumstancesRecorded.model_validate(one)) for one in told]
    batch = decode(packed)
    outcomes = evaluated(batch, bounds)
    rounds = []
    for _ in range(ROUNDS):
        whole, _ = timed(lambda: evaluated(decode(packed), bounds))
        alone, _ = timed(lambda: evaluated(batch, bounds))
        rounds.append((whole, alone))
    plain, verdicts = timed(lambda: loop(told))
    said = [[rules.verdicts[one] for one in outcome.verdict] for rules, outcome in zip(packs(), outcomes, strict=True)]
    assert list(zip(*said, strict=True)) == verdicts, "evaluator and loop disagree"
    whole, alone = (statistics.median(one[place] for one in rounds) for place in (0, 1))
    seconds, households = fifty_over(packed, million)
    return {
        "households": len(told),
        "loop_seconds": round(plain, 3),
        "evaluator_seconds": round(alone, 4),
        "evaluator_from_bytes_seconds": round(whole, 4),
        "ratio": round(plain / alone),
        "ratio_from_bytes": round(plain / whole),
        "target": RATIO_TARGET,
        "reached": plain / alone >= RATIO_TARGET,
        "fifty_criteria_households": households,
        "fifty_criteria_seconds": round(seconds, 2),
    }


def fifty_over(packed: Sequence[Packed], million: int) -> tuple[float, int]:
    """A million households by fifty criteria, from bytes to masks, in pieces as a run takes them."""
    rules, bound = fifty(), Bound(ON, {})
    times = million // len(packed)
    began = time.process_time()
    for _ in range(times):
        rules.evaluate(decode(packed), bound)
    return time.process_time() - began, times * len(packed)


# --- a run on the database -------------------------------------------------------------------------------------------


def heard(told: dict[str, Any]) -> Heard[CircumstancesRecorded]:
    fact = CircumstancesRecorded.model_validate(told)
    place = Record(fact.TOPIC, 0, 0, str(fact.household).encode(), b"", (), 0)
    return Heard(fact, str(fact.household), new_id(), NOW, None, None, place)


async def on_database(folder: Path, told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    (port,) = free_ports(1)
    passwords = provision.make_passwords()
    server = Postgres(folder / "postgres", port, passwords["postgres"])
    server.prepare()
    child = Child(server.program(), folder / "postgres.log")
    try:
        await child.until_up()
        await provision.provision(server, passwords, practice=False)
        database = Database.on(server, "assessment", "assessment", passwords)
        await migrate("assessment", database.owner)
        return await stored(database, told)
    finally:
        child.stop()


async def stored(database: Database, told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    worker, api, owner = (create_engine(login) for login in (database.worker, database.api, database.owner))
    facts = [heard(one) for one in told]
    began = time.perf_counter()
    for first in range(0, len(facts), 500):
        async with transaction(worker, Scope.everything()) as tx:
            await inbox.judge_circumstances(tx, facts[first : first + 500])
    hearing = time.perf_counter() - began
    gc.collect()
    gc.freeze()  # the households that this program holds as objects are no part of a worker's heap
    nothing_new = await run(api, worker)
    async with transaction(owner, Scope.everything()) as tx:  # another line: every judgement is news
        await tx.driver.execute("update parameter set value = '321900' where key = 'poverty_line' and value = '321800'")
    all_new = await run(api, worker)
    async with transaction(worker, Scope.everything()) as tx:
        judgements = await tx.driver.fetchval("select count(*) from judgement")
    assert judgements == 2 * len(facts), "a run over changed numbers writes a judgement a household"
    for engine in (worker, api, owner):
        await engine.dispose()
    million = all_new / len(facts) * 1_000_000
    return {
        "heard_and_judged_per_second": round(len(facts) / hearing),
        "run_nothing_new_seconds": round(nothing_new, 2),
        "run_all_new_seconds": round(all_new, 2),
        "million_with_stored_reasons_seconds_extrapolated": round(million, 1),
        "million_target_seconds": MILLION_TARGET_SECONDS,
        "million_reached": million < MILLION_TARGET_SECONDS,
    }


async def run(api: AsyncEngine, worker: AsyncEngine) -> float:
    """Seconds from asking to done, as the worker does it."""
    officer = Officer("wang", "王强", frozenset({Role.REVIEWER}), (COUNTY,))
    async with transaction(api, officer.scope, caller=officer.sub) as tx:
        job: UUID = (await ask_for_run(tx, officer, COUNTY, ON, NOW)).id
    runner = JobRunner(worker, app.jobs(), lambda: NOW)
    began = time.perf_counter()
    assert await runner.run_one(), f"run {job} was not taken up"
    return time.perf_counter() - began


def show(result: dict[str, Any]) -> None:
    many = f"{result['households']:,} households, two packs"
    print(f"{many:52}{'seconds':>12}")
    print(f"{'validate and judge in a loop':52}{result['loop_seconds']:>12}")
    print(f"{'evaluator, from bytes':52}{result['evaluator_from_bytes_seconds']:>12}")
    print(f"{'evaluator alone':52}{result['evaluator_seconds']:>12}")
    print(f"{'ratio (target ≥ 100), from bytes':52}{result['ratio']:>6}{result['ratio_from_bytes']:>6}")
    print(f"{result['fifty_criteria_households']:,} x 50 criteria, bytes to masks".ljust(52), end="")
    print(f"{result['fifty_criteria_seconds']:>12}")
    print(f"{'a run on the database, nothing new':52}{result['run_nothing_new_seconds']:>12}")
    print(f"{'a run on the database, all new and stored':52}{result['run_all_new_seconds']:>12}")
    print(f"{'that for 1,000,000 (extrapolated, target < 60)':52}", end="")
    print(f"{result['million_with_stored_reasons_seconds_extrapolated']:>12}")
    print(json.dumps(result))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--households", type=int, default=20_000)
    arguments.add_argument("--million", type=int, default=1_000_000)
    given = arguments.parse_args()
    draw = random.Random(2019)
    told = [household(draw) for _ in range(given.households)]
    result = {"bench": "evaluator", **in_memory(told, given.million)}
    with tempfile.TemporaryDirectory(prefix="tuopin-bench-") as folder:
        Path(folder).chmod(0o755)  # the database runs as an unprivileged user, who must reach its part
        result |= asyncio.run(on_database(Path(folder), told))
    show({**result, "at": datetime.now(UTC).isoformat(timespec="seconds")})


if __name__ == "__main__":
    main()
