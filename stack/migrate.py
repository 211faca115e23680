"""`tuopin migrate SERVICE`: Alembic's revisions, then the reference rows, as the service's owner with the full scope.

The services hold revisions alone; the environment that runs them is this module, so that all four are run alike.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db import create_engine, transaction
from shared.values import Scope

# One lock number for migrations: jobs started at once wait for one another.
MIGRATION_LOCK = 7_041_002
SCOPE = sa.text(
    "select set_config('tuopin.lo', :lo, false), set_config('tuopin.hi', :hi, false),"
    " set_config('tuopin.scope', :ranges, false)"
)


def migrations_of(service: str) -> Path:
    return Path(__file__).parents[1] / "services" / service / "migrations"


async def migrate(service: str, owner_dsn: str) -> str:
    """Bring a service's database to the newest revision and load its reference rows; answers the revision."""
    # Waiting for another migration, or for a long one to end, is not an error here: no time limits.
    engine = create_engine(
        owner_dsn, pool_size=2, application=f"{service}-migrate", lock_timeout_ms=0, statement_timeout_ms=0
    )
    try:
        async with engine.connect() as connection:
            await connection.execute(sa.text("select pg_advisory_lock(:number)"), {"number": MIGRATION_LOCK})
            await connection.execute(SCOPE, Scope.everything().settings())
            await connection.commit()
            await connection.run_sync(lambda sync: _upgrade(service, sync))
            await connection.commit()
            await _load_reference_rows(service, engine)
            return await _revision(connection)
    finally:
        await engine.dispose()


def script_of(service: str) -> ScriptDirectory:
    return ScriptDirectory(str(migrations_of(service)))


def metadata_of(service: str) -> sa.MetaData:
    metadata = importlib.import_module(f"services.{service}.tables").metadata
    assert isinstance(metadata, sa.MetaData)
    return metadata


def _upgrade(service: str, connection: sa.Connection) -> None:
    script = script_of(service)

    def steps(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("heads", revision)

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(
            connection=connection, target_metadata=metadata_of(service), transaction_per_migration=True
        )
        with environment.begin_transaction():
            environment.run_migrations()


async def _load_reference_rows(service: str, engine: AsyncEngine) -> None:
    if importlib.util.find_spec(f"services.{service}.app") is None:
        return
    load = getattr(importlib.import_module(f"services.{service}.app"), "load", None)
    if load is None:
        return
    async with transaction(engine, Scope.everything()) as tx:
        await load(tx)


async def _revision(connection: AsyncConnection) -> str:
    return str(await connection.scalar(sa.text("select version_num from alembic_version")))


async def differences(service: str, dsn: str) -> list[Any]:
    """Where the migrated database and the service's tables disagree; empty when the migrations tell the whole truth."""
    engine = create_engine(dsn, pool_size=1)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(lambda sync: _differences(service, sync))
    finally:
        await engine.dispose()


def _differences(service: str, connection: sa.Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
    return list(compare_metadata(context, metadata_of(service)))
