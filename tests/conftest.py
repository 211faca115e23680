"""The real PostgreSQL and the real Kafka, started once for a whole test run, with the services' own logins.

They start when a test first asks (under xdist: in the controller, which hands its workers the addresses) and end with
the run, even if it is killed. Every service has one migrated template; each worker clones its own database from it.
"""

import asyncio
import itertools
import json
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stack import provision
from stack.jars import ensure_jars
from stack.jobs import has_revisions
from stack.kafka import Kafka, ensure_aot_cache
from stack.migrate import migrate
from stack.postgres import Postgres
from stack.processes import Child, free_ports
from stack.provision import Database

HANDED_OVER = "TUOPIN_TEST_STACK"
# A test that forgets to name a home of its own must not find somebody's running stack: here there is none, nor can be.
os.environ["TUOPIN_HOME"] = "/proc/no-stack-of-a-test"
os.environ.pop("TUOPIN_PORT_BASE", None)
BARE_SERVICE = "shared"  # the roles of databases that belong to no service: shared_owner, shared_api, shared_worker
TEMPLATE_LOCK = 7_041_003


@dataclass(frozen=True)
class Cluster:
    """The test run's database server, with the passwords of all logins."""

    host: str
    port: int
    admin: str
    passwords: dict[str, str]

    def database(self, name: str, service: str) -> Database:
        server = Postgres(Path("unused"), self.port, self.passwords["postgres"])
        return Database.on(server, name, service, self.passwords)


class TestStack:
    """What of the stack this test run has started so far."""

    __test__ = False

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._folder: Path | None = None
        self._cluster: Cluster | None = None
        self._bootstrap: str | None = None
        self.reference_tables: dict[str, set[str]] = {}
        if handed := os.environ.get(HANDED_OVER):
            given = json.loads(handed)
            self._cluster, self._bootstrap = Cluster(**given["cluster"]), given["bootstrap"]

    @property
    def cluster(self) -> Cluster:
        if self._cluster is None:
            self._cluster = self._start_postgres()
        return self._cluster

    @property
    def bootstrap(self) -> str:
        if self._bootstrap is None:
            self._bootstrap = self._start_kafka()
        return self._bootstrap

    def hand_over(self) -> None:
        """Start both and leave their addresses to the workers that inherit our environment."""
        os.environ[HANDED_OVER] = json.dumps({"cluster": asdict(self.cluster), "bootstrap": self.bootstrap})

    def folder(self) -> Path:
        """A folder of our own making, which the unprivileged user of the database may enter."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="tuopin-tests-"))
            self._folder.chmod(0o755)
        return self._folder

    def stop(self) -> None:
        for child in reversed(self._children):
            child.stop(signal.SIGQUIT if child.program.name == "postgres" else signal.SIGKILL)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start_postgres(self) -> Cluster:
        (port,) = free_ports(1)
        passwords = provision.make_passwords((*provision.SERVICES, BARE_SERVICE))
        server = Postgres(self.folder() / "postgres", port, passwords["postgres"], durable=False)
        server.prepare()
        self._start(server.program())
        cluster = Cluster("127.0.0.1", port, server.dsn(), passwords)
        run(_make_logins(cluster))
        return cluster

    def _start_kafka(self) -> str:
        port, controller_port = free_ports(2)
        jars = ensure_jars(print)
        kafka = Kafka(self.folder() / "kafka", port, controller_port, jars, ensure_aot_cache(jars, print))
        kafka.prepare()
        self._start(kafka.program())
        return kafka.bootstrap

    def _start(self, program: Any) -> None:
        child = Child(program, self.folder() / f"{program.name}.log")
        self._children.append(child)
        run(child.until_up())


T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run it on a loop of its own in a thread of its own, so that it works inside and outside of a running loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _make_logins(cluster: Cluster) -> None:
    connection = await asyncpg.connect(cluster.admin, ssl=False)
    try:
        await provision.close_to_strangers(connection, "postgres", "template1")
        for service in (*provision.SERVICES, BARE_SERVICE):
            await provision.make_roles(connection, service, cluster.passwords)
    finally:
        await connection.close()


async def _clone(cluster: Cluster, name: str, service: str) -> Database:
    """A clone of the service's migrated template, which is made by whoever needs it first."""
    template = f"{service}_template"
    connection = await asyncpg.connect(cluster.admin, ssl=False)
    try:
        await connection.execute("select pg_advisory_lock($1)", TEMPLATE_LOCK)
        if not await connection.fetchval("select datistemplate from pg_database where datname = $1", template):
            await connection.execute(f"drop database if exists {template}")
            await provision.make_database(connection, template, service)
            await migrate(service, cluster.database(template, service).owner)
            await connection.execute(f"alter database {template} is_template true allow_connections false")
        await connection.execute("select pg_advisory_unlock($1)", TEMPLATE_LOCK)
        await provision.make_database(connection, name, service, template)
        return cluster.database(name, service)
    finally:
        await connection.close()


async def _make_bare(cluster: Cluster, name: str, service: str) -> Database:
    connection = await asyncpg.connect(cluster.admin, ssl=False)
    try:
        await provision.make_database(connection, name, service)
        return cluster.database(name, service)
    finally:
        await connection.close()


async def _filled_tables(database: Database) -> set[str]:
    """Tables that hold rows in a fresh clone: what migrations loaded, which stays between tests."""
    connection = await asyncpg.connect(database.admin, ssl=False)
    try:
        tables = await _tables(connection)
        return {table for table in tables if await connection.fetchval(f"select exists (select from {table})")}
    finally:
        await connection.close()


async def _wipe(database: Database, kept: set[str]) -> None:
    connection = await asyncpg.connect(database.admin, ssl=False)
    try:
        doomed = [f"delete from {table};" for table in await _tables(connection) if table not in kept]
        await connection.execute("set session_replication_role = replica;" + "".join(doomed))
    finally:
        await connection.close()


async def _tables(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')"
    )
    return [row["name"] for row in rows]


async def _make_topic(bootstrap: str, topic: NewTopic) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics([topic])
        assert all(code == 0 for _name, code, *_ in answer.topic_errors), answer
    finally:
        await admin.close()


def pytest_configure(config: pytest.Config) -> None:
    started = TestStack()
    config.stash[STACK] = started
    is_controller = bool(getattr(config.option, "numprocesses", None)) and not hasattr(config, "workerinput")
    if is_controller and not config.option.collectonly and HANDED_OVER not in os.environ:
        started.hand_over()


def pytest_unconfigure(config: pytest.Config) -> None:
    if STACK in config.stash:
        config.stash[STACK].stop()


STACK = pytest.StashKey[TestStack]()


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Cluster:
    return pytestconfig.stash[STACK].cluster


@pytest.fixture(scope="session")
def kafka_bootstrap(pytestconfig: pytest.Config) -> str:
    return pytestconfig.stash[STACK].bootstrap


@pytest.fixture(scope="session")
def make_topic(kafka_bootstrap: str) -> Callable[..., str]:
    """Make a fresh topic and answer its name."""

    def make(partitions: int = 1, compacted: bool = False, name: str | None = None) -> str:
        named = name or f"test.{secrets.token_hex(6)}"
        settings = {"cleanup.policy": "compact" if compacted else "delete"}
        run(_make_topic(kafka_bootstrap, NewTopic(named, partitions, 1, topic_configs=settings)))
        return named

    return make


@pytest.fixture(scope="session")
def database(pytestconfig: pytest.Config, worker_id: str) -> Callable[[str], Database]:
    """This worker's own database of a service, migrated, the same for the whole run."""
    stack = pytestconfig.stash[STACK]
    made: dict[str, Database] = {}

    def get(service: str) -> Database:
        if service not in made:
            made[service] = _clone_of(stack, f"{service}_{worker_id}", service)
        return made[service]

    return get


@pytest.fixture(scope="session")
def make_database(pytestconfig: pytest.Config, worker_id: str) -> Callable[..., Database]:
    """A fresh database at every call: empty for `shared`, a clone of the migrated template for a service."""
    stack = pytestconfig.stash[STACK]
    numbers = itertools.count(1)

    def make(service: str = BARE_SERVICE) -> Database:
        name = f"fresh_{worker_id}_{next(numbers)}_{service}"
        if service == BARE_SERVICE:
            return run(_make_bare(stack.cluster, name, service))
        return _clone_of(stack, name, service)

    return make


@pytest.fixture(scope="session")
def wipe(pytestconfig: pytest.Config) -> Callable[[Database], None]:
    """Empty every table of a database, except those that its migrations filled."""
    stack = pytestconfig.stash[STACK]

    def empty(database: Database) -> None:
        run(_wipe(database, stack.reference_tables.get(database.name, set())))

    return empty


def _clone_of(stack: TestStack, name: str, service: str) -> Database:
    assert has_revisions(service), f"services/{service}/migrations/versions holds no revision"
    database = run(_clone(stack.cluster, name, service))
    stack.reference_tables[name] = run(_filled_tables(database))
    return database
