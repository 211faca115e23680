"""A tiny service that exists only here: enough tables to try every kind of policy, made by its owner as a migration
would.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import (
    FULL_SCOPE,
    access_report,
    create_engine,
    definer_function,
    grant,
    open_to_all,
    plumbing_access,
    plumbing_tables,
    reference,
    scoped,
    scoped_through,
)
from shared.values import DivisionCode, Scope, new_id
from stack.provision import Database

SERVICE = "shared"
VILLAGE = DivisionCode.parse("522630100201")
NEXT_VILLAGE = DivisionCode.parse("522630100202")
TOWNSHIP = DivisionCode.parse("522630100")
COUNTY = DivisionCode.parse("522630")
OTHER_COUNTY = DivisionCode.parse("623023")
OTHER_VILLAGE = DivisionCode.parse("623023101201")

metadata = sa.MetaData()
plumbing = plumbing_tables(metadata)
household = sa.Table(
    "household",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("division", sa.BigInteger, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("1")),
)
person = sa.Table(
    "person",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("household_id", pg.UUID, sa.ForeignKey("household.id", deferrable=True), nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
)
parameter = sa.Table(
    "parameter",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("division", sa.BigInteger),
    sa.Column("name", sa.Text, nullable=False),
)
public_notice = sa.Table(
    "public_notice",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("division", sa.BigInteger, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)
# no policy: COPY refuses a table that has one
staging = sa.Table("staging", metadata, sa.Column("job", pg.UUID, nullable=False), sa.Column("line", sa.Text))

EVERYTHING = "select, insert, update, delete"


def access(service: str) -> list[str]:
    """Policies and grants, as a service's migration writes them."""
    return [
        *plumbing_access(service),
        *access_report(service),
        *scoped("household"),
        *scoped_through("person", "household", key="household_id"),
        *reference("parameter"),
        *open_to_all("public_notice"),
        *grant("staging", service, worker=EVERYTHING),
        *(
            statement
            for table in ("household", "person", "parameter", "public_notice")
            for statement in grant(table, service, api=EVERYTHING, worker=EVERYTHING)
        ),
        *definer_function(
            "household_known(sought text)",
            "boolean",
            "select exists (select from household where name = sought)",
            service,
            to=("worker",),
        ),
    ]


@dataclass(frozen=True)
class Probe:
    """The probe's database, once migrated."""

    database: Database

    @asynccontextmanager
    async def engine(
        self, login: str = "api", *, pool_size: int = 8, lock_timeout_ms: int = 3_000
    ) -> AsyncIterator[AsyncEngine]:
        engine = create_engine(getattr(self.database, login), pool_size=pool_size, lock_timeout_ms=lock_timeout_ms)
        try:
            yield engine
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.database.admin, ssl=False)
        try:
            yield connection
        finally:
            await connection.close()


async def make_probe(make_database: Callable[[str], Database]) -> Probe:
    return await migrated(make_database(SERVICE))


async def migrated(database: Database) -> Probe:
    """The probe's tables in an empty database."""
    probe = Probe(database)
    async with probe.engine("owner", pool_size=1) as owner, owner.begin() as connection:
        await connection.execute(sa.text(FULL_SCOPE))
        await connection.execute(sa.text("create table alembic_version (version_num varchar(32) primary key)"))
        await connection.execute(sa.text("insert into alembic_version values ('0001')"))
        await connection.run_sync(metadata.create_all)
        for statement in access(database.service):
            await connection.exec_driver_sql(statement)
    return probe


async def add_household(connection: asyncpg.Connection, division: DivisionCode, name: str) -> UUID:
    identity = new_id()
    await connection.execute(
        "insert into household (id, division, name) values ($1, $2, $3)", identity, division.value, name
    )
    return identity


def scope_of(*codes: DivisionCode) -> Scope:
    return Scope.of(codes)
