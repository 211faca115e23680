"""Databases and logins: one database a service, three logins each, nobody allowed anywhere else.

`_owner` migrates, `_api` and `_worker` own nothing; none is a superuser, bypasses policies or belongs to another.
No default privileges are set: a migration grants what it makes.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from stack.postgres import Postgres

SERVICES = ("registry", "assessment", "cooperative", "notify")
KINDS = ("owner", "api", "worker")
# One lock number for provisioning: two commands at once must not create the same role twice.
PROVISION_LOCK = 7_041_001


def roles_of(service: str) -> tuple[str, str, str]:
    return f"{service}_owner", f"{service}_api", f"{service}_worker"


def make_passwords(services: tuple[str, ...] = SERVICES) -> dict[str, str]:
    """A password for every login, and one for the superuser under the name `postgres`."""
    names = ["postgres", *(role for service in services for role in roles_of(service))]
    return {name: secrets.token_urlsafe(24) for name in names}


@dataclass(frozen=True)
class Database:
    """A service's database and the addresses of its logins. `admin` is the superuser's."""

    name: str
    service: str
    owner: str
    api: str
    worker: str
    admin: str

    @classmethod
    def on(cls, server: Postgres, name: str, service: str, passwords: Mapping[str, str]) -> "Database":
        owner, api, worker = (server.dsn(name, role, passwords[role]) for role in roles_of(service))
        return cls(name, service, owner, api, worker, server.dsn(name))


async def provision(server: Postgres, passwords: Mapping[str, str], *, practice: bool) -> None:
    """Make every service's logins and database, or bring existing ones to what they should be."""
    connection = await asyncpg.connect(server.dsn(), ssl=False)
    try:
        await connection.execute("select pg_advisory_lock($1)", PROVISION_LOCK)
        await close_to_strangers(connection, "postgres", "template1")
        for service in SERVICES:
            await make_roles(connection, service, passwords)
            await make_database(connection, service, service)
            await mark_kind(connection, service, practice=practice)
    finally:
        await connection.close()


async def mark_kind(connection: asyncpg.Connection, database: str, *, practice: bool) -> None:
    """Every session of this database can see whether it was made for practice."""
    await connection.execute(f"alter database {database} set tuopin.practice = '{'on' if practice else 'off'}'")


async def make_roles(connection: asyncpg.Connection, service: str, passwords: Mapping[str, str]) -> None:
    for role in roles_of(service):
        if not await connection.fetchval("select true from pg_roles where rolname = $1", role):
            await connection.execute(f"create role {role}")
        await connection.execute(
            f"alter role {role} login nosuperuser nobypassrls nocreatedb nocreaterole noreplication noinherit"
            f" password '{_literal(passwords[role])}'"
        )


async def make_database(connection: asyncpg.Connection, name: str, service: str, template: str = "template1") -> None:
    """A database owned by the service's owner, closed to everyone but its three logins."""
    owner, api, worker = roles_of(service)
    if not await connection.fetchval("select true from pg_database where datname = $1", name):
        # A copy of files is four times quicker than the default, and a template with no sessions allows it.
        await connection.execute(f"create database {name} template {template} owner {owner} strategy file_copy")
    await close_to_strangers(connection, name)
    await connection.execute(f"grant connect on database {name} to {owner}, {api}, {worker}")
    await connection.execute(f"grant temporary on database {name} to {owner}, {worker}")


async def close_to_strangers(connection: asyncpg.Connection, *databases: str) -> None:
    for database in databases:
        await connection.execute(f"revoke all on database {database} from public")


def _literal(text: str) -> str:
    return text.replace("'", "''")
