"""A speaker and a listener that exist only here: each a database with the plumbing, a state noun and an event noun."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from aiokafka import AIOKafkaProducer
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import bus
from shared.db import FULL_SCOPE, Transaction, create_engine, grant, plumbing_access, plumbing_tables, transaction
from shared.events import Fact, Topic
from shared.hearing import Consumer, Ears, Heard, Withdrawal, Withdraws, newest
from shared.outbox import Backoff, Pace, Relay, Said, connector
from shared.recovery import Holding
from shared.values import Scope, new_id
from stack.jars import ensure_jars
from stack.kafka import Kafka, ensure_aot_cache
from stack.processes import Child, die_with_parent, free_ports
from stack.provision import Database

SERVICE = "shared"
LOGINS = ("owner", "api", "worker", "admin")
NOON = datetime(2019, 9, 20, 4, 0, tzinfo=UTC)
QUICK = Pace(soonest=0.005, latest=0.02, standby=0.05, publish=5.0, drain=3.0, measure=0.2)
TIMES = bus.GroupTimes(session_ms=6_000, heartbeat_ms=300)

metadata = sa.MetaData()
plumbing_tables(metadata)
farm = sa.Table(
    "farm",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("crop", sa.Text, nullable=False),
)
payment = sa.Table(
    "payment",
    metadata,
    sa.Column("number", sa.BigInteger, sa.Identity(always=True)),
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("farm", pg.UUID, nullable=False),
    sa.Column("fen", sa.BigInteger, nullable=False),
)
# Without any key: an effect that came twice shows as a second row.
effect = sa.Table(
    "effect",
    metadata,
    sa.Column("number", sa.BigInteger, sa.Identity(always=True)),
    sa.Column("farm", pg.UUID, nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
)
NOUNS = ("farm", "payment", "effect")
EVERYTHING = "select, insert, update, delete"
ACCESS = [
    *plumbing_access(SERVICE),
    *(one for table in NOUNS for one in grant(table, SERVICE, api=EVERYTHING, worker=f"{EVERYTHING}, maintain")),
]


class FarmRecorded(Fact):
    """试验田: a state fact."""

    TYPE: ClassVar[str] = "org.tuopin.test.farm.recorded.v1"

    farm: UUID
    version: int
    crop: str


class Stepped(Fact):
    """一步: an event of which each counts, in order."""

    TYPE: ClassVar[str] = "org.tuopin.test.farm.stepped.v1"

    farm: UUID
    step: int
    poison: bool = False
    padding: str = ""


class Paid(Fact):
    """支付: an event with a business id."""

    TYPE: ClassVar[str] = "org.tuopin.test.farm.paid.v1"

    payment: UUID
    farm: UUID
    fen: int


@dataclass
class Language:
    """Topics of one test, with the fact classes bound to them."""

    run: str
    state: Topic
    events: Topic
    farm_recorded: type[FarmRecorded]
    stepped: type[Stepped]
    paid: type[Paid]

    @property
    def topics(self) -> list[Topic]:
        return [self.state, self.events]


async def make_language(bootstrap: str, partitions: int = 3) -> Language:
    language = language_of(secrets.token_hex(5), partitions)
    await bus.ensure_topics(bootstrap, language.topics)
    return language


def language_of(run: str, partitions: int) -> Language:
    """The same language again, for another process of the same test."""
    state = Topic(f"test{run}.farm.state.v1", "state", (), partitions)
    events = Topic(f"test{run}.farm.events.v1", "events", (), partitions)
    return Language(
        run,
        state,
        events,
        type("FarmRecorded", (FarmRecorded,), {"TOPIC": state.name, "__module__": __name__}),
        type("Stepped", (Stepped,), {"TOPIC": events.name, "__module__": __name__}),
        type("Paid", (Paid,), {"TOPIC": events.name, "__module__": __name__}),
    )


@dataclass
class Side:
    """One database with its logins."""

    database: Database
    engines: list[AsyncEngine] = field(default_factory=list)

    def engine(self, login: str = "worker", pool_size: int = 4) -> AsyncEngine:
        engine = create_engine(getattr(self.database, login), pool_size=pool_size)
        self.engines.append(engine)
        return engine

    async def close(self) -> None:
        for engine in self.engines:
            await engine.dispose()
        await self._on_server(f"drop database {self.database.name} with (force)")

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.database.admin, ssl=False)
        try:
            yield connection
        finally:
            await connection.close()

    async def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.admin() as admin:
            return [tuple(row) for row in await admin.fetch(query, *values)]

    async def number(self, query: str, *values: Any) -> int:
        return int((await self.rows(query, *values))[0][0])

    async def run(self, statement: str, *values: Any) -> None:
        async with self.admin() as admin:
            await admin.execute(statement, *values)

    async def terminate(self, pattern: str = "%") -> None:
        """End the sessions of this database whose application name is like the pattern."""
        await self.run(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name like $2"
            " and pid <> pg_backend_pid()",
            self.database.name,
            pattern,
        )

    async def back_up(self) -> str:
        """A copy of the database as it stands now."""
        copy = f"{self.database.name}_{secrets.token_hex(3)}"
        await self._replace(copy, self.database.name)
        return copy

    async def restore(self, copy: str) -> None:
        """The database as it was then; whoever is connected is thrown out."""
        await self._replace(self.database.name, copy)

    async def _replace(self, name: str, template: str) -> None:
        await self._on_server(
            f"drop database if exists {name} with (force)",
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{template}'",
            f"create database {name} template {template} strategy file_copy",
            f"alter database {name} owner to {SERVICE}_owner",
            f"revoke all on database {name} from public",  # as a real restore leaves it
            f"grant connect, temporary on database {name} to {SERVICE}_owner, {SERVICE}_worker",
            f"grant connect on database {name} to {SERVICE}_api",
        )

    async def _on_server(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.database.admin, database="postgres", ssl=False)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def relay(self, bootstrap: str, **more: Any) -> Relay:
        return Relay(connector(self.database.worker, "test-relay"), bootstrap, "/test", pace=QUICK, **more)


_templates: dict[str, Database] = {}
_numbers = itertools.count(1)


async def make_side(make_database: Callable[..., Database]) -> Side:
    """A fresh side: a copy of one that was made and migrated once."""
    if SERVICE not in _templates:
        _templates[SERVICE] = make_database(SERVICE)
        await _migrate(_templates[SERVICE])
    template = _templates[SERVICE]
    name = f"{template.name}_side_{next(_numbers)}"
    logins = {login: getattr(template, login).replace(template.name, name) for login in LOGINS}
    side = Side(Database(name=name, service=SERVICE, **logins))
    await side.restore(template.name)
    return side


async def _migrate(database: Database) -> None:
    engine = create_engine(database.owner, pool_size=1)
    async with engine.begin() as connection:
        await connection.execute(sa.text(FULL_SCOPE))
        await connection.execute(sa.text("create table alembic_version (version_num varchar(32) primary key)"))
        await connection.run_sync(metadata.create_all)
        for statement in ACCESS:
            await connection.exec_driver_sql(statement)
    await engine.dispose()


# --- the speaker -----------------------------------------------------------------------------------------------------


async def plant(tx: Transaction, language: Language, farm_id: UUID, crop: str) -> FarmRecorded:
    """Change a farm under its lock; answers what is to be announced."""
    version = await tx.driver.fetchval(
        "insert into farm (id, version, crop) values ($1, 1, $2)"
        " on conflict (id) do update set version = farm.version + 1, crop = excluded.crop returning version",
        farm_id,
        crop,
    )
    return language.farm_recorded(farm=farm_id, version=version, crop=crop)


async def pay(tx: Transaction, language: Language, payment_id: UUID, farm_id: UUID, fen: int) -> Paid:
    await tx.driver.execute("insert into payment (id, farm, fen) values ($1, $2, $3)", payment_id, farm_id, fen)
    return language.paid(payment=payment_id, farm=farm_id, fen=fen)


def holdings(language: Language) -> list[Holding]:
    async def farms(tx: Transaction, epoch: int) -> AsyncIterator[Sequence[Said]]:
        while rows := await tx.driver.fetch(
            "update farm set version = greatest(version + 1, $1) where id in"
            " (select id from farm where version < $1 order by id limit 50) returning id, version, crop",
            epoch,
        ):
            yield [
                Said(row["id"], language.farm_recorded(farm=row["id"], version=row["version"], crop=row["crop"]))
                for row in rows
            ]

    async def payments(tx: Transaction, epoch: int) -> AsyncIterator[Sequence[Said]]:
        rows = await tx.driver.fetch("select id, farm, fen from payment order by number")
        yield [Said(row["farm"], language.paid(payment=row["id"], farm=row["farm"], fen=row["fen"])) for row in rows]

    return [Holding("farm", (language.state,), farms), Holding("payment", (language.events,), payments)]


# --- the listener ----------------------------------------------------------------------------------------------------


async def keep_farms(tx: Transaction, heard: list[Heard[FarmRecorded]]) -> None:
    rows = [(one.fact.farm, one.fact.version, one.fact.crop) for one in newest(heard)]
    await tx.driver.execute(
        "insert into farm (id, version, crop) select * from unnest($1::uuid[], $2::bigint[], $3::text[])"
        " on conflict (id) do update set version = excluded.version, crop = excluded.crop"
        " where farm.version < excluded.version",
        *(list(column) for column in zip(*rows, strict=True)),
    )


class Poisoned(Exception):
    """This fact can never be applied."""


@dataclass
class Steps:
    """The verb of the listener; the poison can be taken out, as a corrected program would."""

    cured: bool = False

    async def __call__(self, tx: Transaction, heard: list[Heard[Stepped]]) -> None:
        if any(one.fact.poison for one in heard) and not self.cured:
            raise Poisoned
        await tx.driver.execute(
            "insert into effect (farm, step) select farm, step"
            " from unnest($1::uuid[], $2::int[]) with ordinality as one(farm, step, place) order by place",
            [one.fact.farm for one in heard],
            [one.fact.step for one in heard],
        )


async def keep_payments(tx: Transaction, heard: list[Heard[Paid]]) -> None:
    await tx.driver.execute(
        "insert into payment (id, farm, fen) select * from unnest($1::uuid[], $2::uuid[], $3::bigint[])"
        " on conflict (id) do nothing",
        [one.fact.payment for one in heard],
        [one.fact.farm for one in heard],
        [one.fact.fen for one in heard],
    )


async def drop_farms(tx: Transaction, withdrawal: Withdrawal) -> None:
    held = [row["id"] for row in await tx.driver.fetch("select id from farm")]
    await tx.driver.execute("delete from farm where id = any($1::uuid[])", await withdrawal.unnamed(tx, held))


async def drop_payments(tx: Transaction, withdrawal: Withdrawal) -> None:
    held = [row["id"] for row in await tx.driver.fetch("select id from payment")]
    await tx.driver.execute("delete from payment where id = any($1::uuid[])", await withdrawal.unnamed(tx, held))


def ears(language: Language, steps: Steps | None = None, name: str | None = None) -> Ears:
    return Ears(
        name or f"test.{language.run}",
        {
            language.farm_recorded: keep_farms,
            language.stepped: steps or Steps(),
            language.paid: keep_payments,
        },
        {
            language.state.name: Withdraws(drop_farms),
            language.events.name: Withdraws(drop_payments, identity=lambda fact: getattr(fact, "payment", None)),
        },
        catalogue=language.topics,
    )


def consumer(engine: AsyncEngine, bootstrap: str, hears: Ears, instance: str | None = None) -> Consumer:
    return Consumer(engine, bootstrap, hears, instance, times=TIMES, backoff=Backoff(0.05, 0.2))


# --- running ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(*loops: Any) -> AsyncIterator[None]:
    """The loops work while the block lasts."""
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(loop.run(stopping)) for loop in loops]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait(tasks, timeout=20)
        for task in tasks:
            assert task.done(), f"{task} did not stop"
            with suppress(asyncio.CancelledError):
                task.result()


async def until(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 30.0) -> None:
    """Wait for something that must come; the bound only keeps a failing test from hanging."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, f"never came: {what}"
        await asyncio.sleep(0.03)


async def spawn(module: str, *arguments: str) -> asyncio.subprocess.Process:
    """A process of its own that ends with the test run, even if that is killed."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"tests.shared.{module}", *arguments, preexec_fn=die_with_parent(signal.SIGKILL)
    )


async def say(side: Side, language: Language, facts: Sequence[tuple[UUID, Fact]]) -> None:
    """Announce facts in one transaction, as the api's login."""
    from shared.outbox import announce_many

    engine = create_engine(side.database.api, pool_size=1)
    async with transaction(engine, Scope.everything()) as tx:
        await announce_many(tx, [Said(key, fact) for key, fact in facts], at=NOON)
    await engine.dispose()


async def publish(bootstrap: str, records: Sequence[dict[str, Any]]) -> None:
    """Put records on the broker as they are: what no relay would send."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        for record in records:
            await producer.send_and_wait(**record)
    finally:
        await producer.stop()


def record_of(fact: Fact, key: UUID | str, **changes: Any) -> dict[str, Any]:
    """A Kafka record of a fact, as the relay would send it."""
    envelope = bus.Envelope(
        changes.pop("event_id", None) or new_id(), "/test", fact.TYPE, str(key), NOON, getattr(fact, "version", None)
    )
    return {
        "topic": fact.TOPIC,
        "key": str(key).encode(),
        "value": fact.model_dump_json().encode(),
        "headers": bus.encode(envelope),
        **changes,
    }


class Broker:
    """A Kafka of one test's own, to be stopped, killed and wiped."""

    def __init__(self, home: Path) -> None:
        jars = ensure_jars(print)
        self._home = home
        port, controller = free_ports(2)
        self._kafka = Kafka(home / "kafka", port, controller, jars, ensure_aot_cache(jars, print))
        self._child: Child | None = None

    @property
    def bootstrap(self) -> str:
        return self._kafka.bootstrap

    async def start(self) -> None:
        await asyncio.to_thread(self._kafka.prepare)
        self._child = Child(self._kafka.program(), self._home / "kafka.log")
        await self._child.until_up()

    def kill(self) -> None:
        if self._child is not None:
            self._child.process.kill()
            self._child.process.wait()
            self._child = None

    def wipe(self) -> None:
        """The disk is lost."""
        import shutil

        self.kill()
        shutil.rmtree(self._home / "kafka", ignore_errors=True)
