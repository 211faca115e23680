"""`post_many` against a bare COPY of the same rows: same columns, indexes, checks, durability, door; alternating.

`python -m bench.post_many [--entries 1000] [--rounds 11]` starts a PostgreSQL of its own and prints a table and one
line of JSON. COPY fills tables without guard, policy, balance, number or chain; `post_many` keeps all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.cooperative import actions, domain, store
from services.cooperative.actions import BookWish
from services.cooperative.domain import Book, Draft, Entry, Kind, credit, debit
from shared.db import Transaction, create_engine, transaction
from shared.values import DivisionCode, Scope, new_id
from stack import provision
from stack.migrate import migrate
from stack.postgres import Postgres
from stack.processes import Child, free_ports
from stack.provision import Database

TARGET = 0.45
WIDE_TARGET = 0.4
WIDE_LEGS = 2_001
WARM_ROUNDS = 8  # the tables are filled, the plans are made for any array
COUNTY = DivisionCode.parse("623023")
SCOPE = Scope.of([COUNTY])
NOW = datetime(2019, 9, 20, 2, tzinfo=UTC)
DAY = date(2019, 8, 25)
RAW_TABLES = """
create schema raw;
create table raw.entry (like public.entry including defaults including constraints including indexes);
create table raw.leg (like public.leg including defaults including constraints including indexes)
"""


class Ground:
    """A book ready to post into, and bare tables beside it."""

    def __init__(self, engine: AsyncEngine, bare: AsyncEngine, book: Book, accounts: Sequence[int]) -> None:
        self.engine = engine
        self.bare = bare
        self.book = book
        self.accounts = accounts
        self._bare_id = 10**12
        self._bare_no = 0

    def singles(self, many: int) -> tuple[Entry, ...]:
        """Entries of two legs each."""
        places = len(self.accounts)
        return tuple(
            self._entry(debit(self.accounts[n % places], 100 + n), credit(self.accounts[(n + 1) % places], 100 + n))
            for n in range(many)
        )

    def wide(self, legs: int) -> tuple[Entry, ...]:
        """One entry of many legs, as a distribution is."""
        places = len(self.accounts)
        owed = [credit(self.accounts[n % places], 100) for n in range(legs - 1)]
        return (self._entry(debit(self.accounts[0], 100 * (legs - 1)), *owed),)

    def _entry(self, *legs: domain.Leg) -> Entry:
        return Entry(str(new_id()), Kind.NORMAL, DAY, "测试凭证", legs)

    async def copied(self, entries: tuple[Entry, ...]) -> float:
        """Seconds to COPY them, building of the rows included."""
        draft = new_id()
        began = time.perf_counter()
        headers, legs = [], []
        for entry in entries:
            self._bare_id += 1
            self._bare_no += 1
            headers.append(
                (self._bare_id, new_id(), self.book.key, entry.period, self._bare_no, entry.kind.number, entry.on,
                 entry.key, bytes(32), len(entry.legs), entry.memo, "bench", draft, None, None, "approver", NOW)
            )  # fmt: skip
            for n, leg in enumerate(entry.legs, 1):
                legs.append((self._bare_id, n, leg.account, leg.unit, leg.side.sign, leg.amount, entry.on))
        async with transaction(self.bare, SCOPE) as tx:
            await tx.driver.copy_records_to_table("entry", schema_name="raw", records=headers)
            await tx.driver.copy_records_to_table("leg", schema_name="raw", records=legs)
        return time.perf_counter() - began

    async def posted(self, entries: tuple[Entry, ...]) -> float:
        """Seconds to post them as the service's own login, under its scope, the approved draft at hand."""
        async with transaction(self.engine, SCOPE) as tx:
            draft = await approved(tx, self.book, entries)
        began = time.perf_counter()
        async with transaction(self.engine, SCOPE) as tx:
            await store.post_many(tx, self.book, draft, entries, "approver", NOW)
        return time.perf_counter() - began


async def approved(tx: Transaction, book: Book, entries: tuple[Entry, ...]) -> Draft:
    """What a second person has approved."""
    draft = domain.make_draft(new_id(), book, "bench", {}, entries, "accountant", NOW)
    await store.save_draft(tx, draft)
    decided = domain.approve(draft, entries, "approver", NOW)
    await store.save_decision(tx, decided)
    return decided


async def make_ground(database: Database) -> Ground:
    admin = await asyncpg.connect(database.admin, ssl=False)
    await admin.execute(RAW_TABLES)
    await admin.close()
    engine = create_engine(database.api)
    wish = BookWish(new_id(), COUNTY, "测试合作社", date(2019, 8, 20), "cooperative_2021", "测量所用账簿")
    async with transaction(engine, SCOPE) as tx:
        book = await actions.open_book(tx, SCOPE, wish, "accountant", NOW)
        rows = await tx.driver.fetch("select id from account where book_id = $1 and guard = 0 order by id", book.key)
    return Ground(engine, create_engine(database.admin), book, [row["id"] for row in rows])


async def alternate(ground: Ground, entries: Sequence[tuple[Entry, ...]]) -> list[tuple[float, float]]:
    """Pairs of (copied, posted), the first rounds left out."""
    pairs = [(await ground.copied(batch), await ground.posted(batch)) for batch in entries]
    return pairs[WARM_ROUNDS:]


async def measure(folder: Path, many: int, rounds: int) -> dict[str, Any]:
    (port,) = free_ports(1)
    passwords = provision.make_passwords()
    server = Postgres(folder / "postgres", port, passwords["postgres"])
    server.prepare()
    child = Child(server.program(), folder / "postgres.log")
    try:
        await child.until_up()
        await provision.provision(server, passwords, practice=False)
        database = Database.on(server, "cooperative", "cooperative", passwords)
        await migrate("cooperative", database.owner)
        ground = await make_ground(database)
        narrow = await alternate(ground, [ground.singles(many) for _ in range(WARM_ROUNDS + rounds)])
        wide = await alternate(ground, [ground.wide(WIDE_LEGS) for _ in range(WARM_ROUNDS + rounds)])
        await ground.engine.dispose()
        await ground.bare.dispose()
    finally:
        child.stop()
    return summary(narrow, wide, many)


def summary(narrow: Sequence[tuple[float, float]], wide: Sequence[tuple[float, float]], many: int) -> dict[str, Any]:
    ratio, wide_ratio = (statistics.median(copied / posted for copied, posted in pairs) for pairs in (narrow, wide))
    return {
        "bench": "post_many",
        "entries": many,
        "rounds": len(narrow),
        "copy_per_second": round(many / statistics.median(copied for copied, _ in narrow)),
        "post_many_per_second": round(many / statistics.median(posted for _, posted in narrow)),
        "ratio": round(ratio, 3),
        "target": TARGET,
        "reached": ratio >= TARGET,
        "wide_legs": WIDE_LEGS,
        "wide_ratio": round(wide_ratio, 3),
        "wide_target": WIDE_TARGET,
        "wide_reached": wide_ratio >= WIDE_TARGET,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def show(result: dict[str, Any]) -> None:
    print(f"{'':34}{'entries a second':>18}")
    print(f"{'COPY into unguarded tables':34}{result['copy_per_second']:>18,}")
    print(f"{'post_many':34}{result['post_many_per_second']:>18,}")
    print(f"{'ratio (target ≥ 0.45)':34}{result['ratio']:>18}")
    print(f"{'one entry of 2,001 legs (≥ 0.4)':34}{result['wide_ratio']:>18}")
    print(json.dumps(result))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entries", type=int, default=1_000)
    arguments.add_argument("--rounds", type=int, default=11)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="tuopin-bench-") as folder:
        Path(folder).chmod(0o755)  # the database runs as an unprivileged user, who must reach its part
        show(asyncio.run(measure(Path(folder), given.entries, given.rounds)))


if __name__ == "__main__":
    main()
