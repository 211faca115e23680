"""The jobs of a start: logins and databases, migrations, topics. Each can be repeated at any time."""

import asyncio
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from stack.home import PROJECT, Home, find
from stack.problems import StackProblem
from stack.processes import LOOPBACK, port_answers
from stack.programs import postgres_of
from stack.provision import SERVICES, Database, provision

# Modules that bring SQLAlchemy, Alembic or a service along are imported by the job that needs them: a start that has
# nothing to migrate must not wait for them.


BROKER_SECONDS = 60


def run_job(name: str) -> None:
    """What the watcher starts once: `migrations` or `topics`; its result is the log's last line."""
    told = asyncio.run({"migrations": provision_and_migrate, "topics": _topics_of}[name](find()))
    sys.stdout.write(f"  {told}\n")


async def _topics_of(home: Home) -> str:
    """Started together with the broker, and ready when it is: what has to be read is read meanwhile."""
    from shared import bus, events  # noqa: F401 - read now

    for _ in range(BROKER_SECONDS * 20):
        if port_answers(home.ports.kafka):
            break
        await asyncio.sleep(0.05)
    return await make_topics(f"{LOOPBACK}:{home.ports.kafka}", 1)


async def provision_and_migrate(home: Home) -> str:
    """Bring every service's database to this version, unless it was brought to exactly this one before."""
    server, passwords = postgres_of(home), home.passwords()
    await provision(server, passwords, practice=home.practice)
    done = []
    for service in SERVICES:
        if not has_revisions(service):
            continue
        database = Database.on(server, service, service, passwords)
        version = fingerprint(service)
        if await _noted(database) == version:
            done.append(f"{service} as before")
            continue
        done.append(await migrate_service(service, database.owner))
        await _note(database, version)
    return f"migrated: {', '.join(done) or 'nothing, no service has a revision'}"


async def migrate_service(service: str, owner_dsn: str) -> str:
    from stack.migrate import migrate

    if not has_revisions(service):
        raise StackProblem(f"{service} has no migrations in this version", "choose another service")
    return f"{service} is at {await migrate(service, owner_dsn)}"


async def make_topics(bootstrap: str, replicas: int) -> str:
    from shared.bus import ensure_topics
    from shared.events import TOPICS

    made = await ensure_topics(bootstrap, TOPICS, replicas)
    return f"{len(TOPICS)} topics in place, {len(made)} of them new"


def has_revisions(service: str) -> bool:
    return any((PROJECT / "services" / service / "migrations" / "versions").glob("*.py"))


def fingerprint(service: str) -> str:
    """Everything that revisions and reference rows are made from: the service's files and the shared ones."""
    digest = hashlib.sha256()
    for path in _files(service):
        digest.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _files(service: str) -> Iterator[Path]:
    for folder in (PROJECT / "services" / service, PROJECT / "shared"):
        yield from sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


async def _noted(database: Database) -> str | None:
    """What this database was last brought to. The note is no part of a dump: a restored database is migrated anew."""
    connection = await asyncpg.connect(database.admin, ssl=False)
    try:
        noted = await connection.fetchval(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = current_database()"
        )
        return None if noted is None else str(noted)
    finally:
        await connection.close()


async def _note(database: Database, version: str) -> None:
    connection = await asyncpg.connect(database.admin, ssl=False)
    try:
        await connection.execute(f"comment on database {database.name} is '{version}'")
    finally:
        await connection.close()
