"""Look-ups in a large register, each as a request makes it: exact by sealed id number, and by name (its beginning, the
given name, pinyin, initials; a page of twenty, counted exactly): index, policies, access log, commit.

`python -m bench.lookup [--persons 1000000] [--lookups 3000]` starts a PostgreSQL of its own (durable), hands a small
file in, multiplies its rows by SQL (households, persons, memberships and statuses with their indexes; no incomes, which
a look-up does not touch), seals the sought ones anew for their rows, and asks: through the door alone and through the
whole route (no network, no client library), by one caller and by sixteen in a closed loop. A name of the small file
stands in the large register some hundred times; numbers of who is found by name are not there to be opened (20 people:
half a millisecond). All callers, the
application and the database share the machine. Prints a table and one line of JSON.
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

import asyncpg

from bench.intake import COUNTY, HEADER, TARGET_LOOKUP_MS, Bench, file_of, persons
from services.registry.actions.likeness import key_persons
from services.registry.likeness import name_keys
from services.registry.store.people import people_with_number
from services.registry.tables import household, membership, person, status
from services.registry.tables.likeness import likeness
from shared.auth import Officer, Role
from shared.crypto import KeyRing
from shared.db import create_engine, transaction
from shared.values import DivisionCode, Scope, citizen_id_check

CALLERS = 16
STEP = 10_000_000
"""Between the inside keys of one copy of the file and those of the next."""
PATH = "/registry/v1/people/search"
SEARCH = "/registry/v1/search/people"
TARGET_SEARCH_MS = 100.0
Look = Callable[[str], Awaitable[None]]


def copies(table: Any, over: dict[str, str]) -> str:
    """The table's rows, as often as asked, with what must differ written over."""
    names = [column.name for column in table.columns if column.computed is None]
    told = ", ".join(over.get(name, f't."{name}"') for name in names)
    quoted = ", ".join(f'"{name}"' for name in names)
    return (
        f"insert into {table.name} ({quoted}) overriding system value select {told}"
        f" from {table.name} t, generate_series(1, $1::int) k where t.no < {STEP} order by k, t.no"
    )


NO, OF_PERSON, OF_HOUSEHOLD = (f"t.{name} + k * {STEP}::bigint" for name in ("no", "person_no", "household_no"))
DRAWN = "substr(t.identity_index, 1, 3) || sha256((t.no || ' ' || k)::bytea)"
COPIES = (
    copies(
        household,
        {
            "no": NO,
            "id": "uuidv7()",
            "number": "t.division::text || lpad((right(t.number, 4)::int + 2 * k)::text, 4, '0')",
        },
    ),
    copies(
        person,
        {
            "no": NO,
            "household_no": OF_HOUSEHOLD,
            "id": "uuidv7()",
            "pseudonym": "gen_random_uuid()",
            "identity_index": DRAWN,
            "id_number_index": DRAWN,
            "phone_index": DRAWN,
            **dict.fromkeys(("id_number_sealed", "phone_sealed", "disability_card_sealed"), "null"),
        },
    ),
    copies(membership, {"no": NO, "person_no": OF_PERSON, "household_no": OF_HOUSEHOLD}),
    copies(status, {"no": NO, "household_no": OF_HOUSEHOLD}),
    copies(likeness, {"person_no": OF_PERSON, "household_no": OF_HOUSEHOLD}).replace("t.no", "t.person_no"),
)


async def grow(bench: Bench, wanted: int) -> int:
    """A small file through the front door, then its rows multiplied; answers how many persons stand there."""
    villages = await bench.villages()
    lines = persons(2 * len(villages), villages)
    await bench.hand_in(file_of(lines, as_workbook=False), "登记表.csv")
    admin = await asyncpg.connect(bench.made[0].admin, ssl=False)
    async with transaction(bench.engine, Scope.everything()) as tx:
        everybody = [row["no"] for row in await tx.driver.fetch("select no from person")]
        await key_persons(tx, bench.keys, everybody)
    try:
        await admin.execute("set session_replication_role = replica; set maintenance_work_mem = '256MB'")
        for query in COPIES:
            await admin.execute(query, round(wanted / len(lines)))
        await admin.execute("vacuum analyze")
        await admin.execute("checkpoint")
        return int(await admin.fetchval("select count(*) from person"))
    finally:
        await admin.close()


async def sealed_anew(bench: Bench, keys: KeyRing, count: int) -> list[str]:
    """Numbers of persons all over the register, sealed and indexed for their very rows."""
    numbers: list[str] = []
    admin = await asyncpg.connect(bench.made[0].admin, ssl=False)
    try:
        await admin.execute("set session_replication_role = replica")
        rows = await admin.fetch(
            f"select no, id, phone_sealed is null as mute from person where no >= {STEP} and not id_provisional"
            " order by sha256(no::text::bytea) limit $1",
            count,
        )
        for at, row in enumerate(rows):
            seventeen = f"628{at // 500:03d}19600101{at % 500 * 2:03d}"
            number = seventeen + citizen_id_check(seventeen)
            index = keys.blind_index("citizen_id", number)
            numbers.append(number)
            sealed = keys.seal("person", "id_number", row["id"], number)
            phone = None if row["mute"] else keys.seal("person", "phone", row["id"], "13800000000")
            await admin.execute(
                "update person set identity_index = $2, id_number_index = $2, id_number_sealed = $3,"
                " phone_sealed = $4, disability_card_sealed = null where no = $1",
                row["no"],
                index,
                sealed,
                phone,
            )
    finally:
        await admin.close()
    random.Random(5).shuffle(numbers)
    return numbers


async def timed(look: Look, numbers: list[str], callers: int) -> tuple[list[float], float]:
    """Milliseconds of each look-up, sorted, and look-ups a second; a closed loop."""
    taken: list[float] = []
    waiting = iter(numbers)

    async def caller() -> None:
        for number in waiting:
            began = time.perf_counter()
            await look(number)
            taken.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0)  # as over a network: whoever waits for a connection of the pool comes first

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return sorted(taken), len(taken) / (time.perf_counter() - began)


def by_door(engine: Any, keys: KeyRing) -> Look:
    """Without HTTP: what the database and its door take."""
    scope = Scope.of([DivisionCode.parse(COUNTY)])
    officer = Officer("bench", "bench", frozenset({Role.CLERK}), (DivisionCode.parse(COUNTY),))

    async def look(number: str) -> None:
        async with transaction(engine, scope, caller="bench") as tx:
            indexes = keys.blind_indexes("citizen_id", number)
            met = await people_with_number(tx, indexes, keys, officer, "bench", "search")
        assert len(met) == 1, number

    return look


NAME_AT = HEADER.index("姓名")


def asked_names(villages: list[str], count: int) -> list[str]:
    """Questions by name, of five kinds in turn."""
    drawn = [line[NAME_AT] for line in persons(2 * len(villages), villages)]
    asked = []
    for at in range(count):
        name = drawn[at * 7 % len(drawn)]
        read = name_keys(name)
        by_sound = ({"pinyin": read.pinyin}, {"initials": read.initials})
        kinds = ({"name": name}, {"name": name[:2]}, {"name": name[1:]}, *by_sound)
        asked.append(json.dumps(kinds[at % len(kinds)], ensure_ascii=False))
    return asked


def by_search(app: Any, token: str) -> Look:
    """The whole route; the question is the conditions as JSON."""

    def body(question: str) -> dict[str, Any]:
        sought = {"division": COUNTY} | json.loads(question)
        return {"sought": sought, "limit": 20, "sort": "pinyin", "purpose": "入户核查"}

    return _by_route(app, token, SEARCH, body, b'"items":[{')


def by_route(app: Any, token: str) -> Look:
    """The whole application, called as its server calls it."""
    return _by_route(app, token, PATH, lambda number: {"id_number": number, "purpose": "入户核查"}, b'"found":[{')


def _by_route(app: Any, token: str, path: str, body_of: Callable[[str], dict[str, Any]], expected: bytes) -> Look:
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
    asked = {"type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": path, "root_path": ""}
    more = {"raw_path": path.encode(), "query_string": b"", "headers": headers, "asgi": {"version": "3.0"}}

    async def look(question: str) -> None:
        body, said = json.dumps(body_of(question)).encode(), []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        await app({**asked, **more, "client": ("127.0.0.1", 1), "server": ("bench", 80), "state": {}}, receive, send)
        assert said[0]["status"] == 200, said
        assert expected in said[1]["body"], question

    return look


async def measure(wanted: int, lookups: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tuopin-bench-") as home:
        folder = Path(home)
        await asyncio.to_thread(folder.chmod, 0o755)
        async with Bench(folder).running() as bench:
            began = time.perf_counter()
            standing = await grow(bench, wanted)
            numbers = await sealed_anew(bench, bench.keys, lookups)
            result: dict[str, Any] = {
                "bench": "lookup",
                "persons": standing,
                "growing_seconds": round(time.perf_counter() - began, 1),
                "load_before": round(os.getloadavg()[0], 1),
            }
            engine = create_engine(bench.made[0].api, pool_size=CALLERS)
            for name, look, questions in (
                ("door", by_door(engine, bench.keys), numbers),
                ("route", by_route(bench.app, bench.token()), numbers),
                ("name", by_search(bench.app, bench.token()), asked_names(await bench.villages(), lookups)),
            ):
                await timed(look, questions[:200], CALLERS)
                for callers in (1, CALLERS):
                    spent = time.process_time()
                    taken, rate = await timed(look, questions, callers)
                    spent = time.process_time() - spent
                    key = f"{name}_{callers}"
                    result[f"{key}_p50_ms"] = round(statistics.median(taken), 2)
                    result[f"{key}_p95_ms"] = round(taken[int(len(taken) * 0.95)], 2)
                    result[f"{key}_a_second"] = round(rate)
                    result[f"{key}_cpu_ms_of_ours"] = round(spent / len(taken) * 1000, 2)
            await engine.dispose()
            result["load_after"] = round(os.getloadavg()[0], 1)
            result["target_p95_ms"] = TARGET_LOOKUP_MS
            result["door_reached"] = result[f"door_{CALLERS}_p95_ms"] < TARGET_LOOKUP_MS
            result["target_name_p95_ms"] = TARGET_SEARCH_MS
            result["name_reached"] = result[f"name_{CALLERS}_p95_ms"] < TARGET_SEARCH_MS
            result["route_reached"] = result[f"route_{CALLERS}_p95_ms"] < TARGET_LOOKUP_MS
            return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=100_000)
    parser.add_argument("--lookups", type=int, default=2_000)
    asked = parser.parse_args()
    result = asyncio.run(measure(asked.persons, asked.lookups))
    for name, value in result.items():
        print(f"{name:32} {value}")
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
