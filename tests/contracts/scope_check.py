"""Scope and roles of one service's database, table by table, tried with its own logins on real rows.

The tables come from `pg_class`, so a new one that nobody seeded or excused fails. A service writes one function that
answers the rows of one division (parents first, every table at least once, fresh natural keys at each call) and calls
`check_scope`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg

from shared.db import ALLOWED_PLUMBING
from shared.values import DivisionCode, Scope, new_id
from stack.provision import Database

Row = tuple[str, dict[str, Any]]
Rows = Callable[[DivisionCode], Sequence[Row]]

LOGINS = ("api", "worker")
HOME = DivisionCode.parse("522630100201")
NEIGHBOUR = DivisionCode.parse("522630100202")
CALLER = "scope-check"
TABLES = """select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition order by 1"""


@dataclass(frozen=True)
class Expected:
    """What a service says of its tables. `allowed`: not filtered by division, each with its reason, plumbing included
    by itself.

    `unforced`: of those, the ones without any policy (staging, because COPY refuses one); the api may not touch them.
    `open_tables`: readable by everybody, written in scope alone. `guarded`: tables whose own triggers refuse even a
    lone insert.
    """

    rows: Rows
    allowed: Mapping[str, str] = field(default_factory=dict)
    unforced: frozenset[str] = frozenset()
    open_tables: frozenset[str] = frozenset()
    guarded: frozenset[str] = frozenset()

    @property
    def excused(self) -> dict[str, str]:
        """All tables outside the scope, with reasons."""
        return {**ALLOWED_PLUMBING, **self.allowed}

    def set_of(self, division: DivisionCode) -> list[Row]:
        """The service's rows of one division and the plumbing's own scoped row."""
        return [*self.rows(division), ("job", job_row(division))]


def job_row(division: DivisionCode) -> dict[str, Any]:
    """The one plumbing table that has a scope."""
    return {
        "id": new_id(),
        "kind": "scope check",
        "sub": CALLER,
        "name": CALLER,
        "roles": ["clerk"],
        "divisions": [division.text],
        "scope": [asyncpg.Range(division.lo, division.hi)],
        "submitted_at": datetime(2019, 8, 20, tzinfo=UTC),
    }


async def scope_faults(database: Database, expected: Expected) -> list[str]:
    """Everything that is wrong, in words; empty when all holds."""
    async with _connected(database.admin) as admin:
        tables = {row["name"]: row for row in await admin.fetch(TABLES)}
        faults = _unaccounted(tables, expected)
        faults += [fault for table in tables.values() for fault in _unprotected(table, expected)]
        seeded = expected.set_of(HOME)
        known = [row for row in seeded if row[0] in tables]
        for table, values in known:
            await _insert(admin, table, values)
        for login in LOGINS:
            async with _connected(getattr(database, login)) as own:
                faults += [f"{login}: {fault}" for fault in await _login_faults(admin, own, known, expected)]
        faults += await _cluster_faults(database, admin)
    return faults


async def check_scope(database: Database, expected: Expected) -> None:
    """Fail with the whole list."""
    faults = await scope_faults(database, expected)
    assert not faults, "\n".join(["scope does not hold:", *faults])


def _unaccounted(tables: Mapping[str, Any], expected: Expected) -> list[str]:
    seeded = {table for table, _ in expected.set_of(HOME)}
    excused = set(expected.excused)
    faults = [
        f"{table}: neither seeded nor excused with a reason" for table in sorted(tables.keys() - seeded - excused)
    ]
    faults += [f"{table}: excused and seeded, decide" for table in sorted(seeded & excused)]
    faults += [f"{table}: named but not there" for table in sorted((seeded | set(expected.allowed)) - tables.keys())]
    faults += [f"{table}: excused without a reason" for table, why in expected.excused.items() if not why.strip()]
    return faults


def _unprotected(table: Mapping[str, Any], expected: Expected) -> list[str]:
    bare = expected.unforced | {"alembic_version"}
    if table["name"] in bare:
        return []
    wanted = (("enabled", "row-level security is off"), ("forced", "row-level security is not forced on the owner"))
    return [f"{table['name']}: {words}" for name, words in wanted if not table[name]]


async def _login_faults(
    admin: asyncpg.Connection, own: asyncpg.Connection, seeded: Sequence[Row], expected: Expected
) -> list[str]:
    faults = await _role_faults(own, expected)
    for table, values in seeded:
        faults += [f"{table}: {fault}" for fault in await _read_faults(own, table, values, expected)]
        faults += [f"{table}: {fault}" for fault in await _change_faults(own, table, values)]
    fresh = expected.set_of(HOME)
    for table, values in fresh:
        if table not in expected.guarded:
            faults += [f"{table}: {fault}" for fault in await _insert_faults(own, table, values)]
        await _insert(admin, table, values)
    return faults


# Rows


async def _read_faults(own: asyncpg.Connection, table: str, values: dict[str, Any], expected: Expected) -> list[str]:
    if not await _may(own, table, "select"):
        return []
    where, given = _where(values)
    query = f"select count(*) from {table} where {where}"
    faults = []
    for name, scope, wanted in _views(table, expected):
        seen = await _tried(own, scope, query, given)
        if seen != wanted:
            faults.append(f"{name} sees {seen} rows instead of {wanted}")
    bare = await own.fetchval(query, *given)
    if bare != (1 if table in expected.open_tables else 0):
        faults.append(f"a session without any setting sees {bare} rows")
    return faults


def _views(table: str, expected: Expected) -> list[tuple[str, Scope, int]]:
    elsewhere = int(table in expected.open_tables)
    return [
        ("the own village", Scope.of([HOME]), 1),
        ("everything", Scope.everything(), 1),
        ("the neighbour", Scope.of([NEIGHBOUR]), elsewhere),
        ("no scope", Scope.nothing(), elsewhere),
    ]


async def _change_faults(own: asyncpg.Connection, table: str, values: dict[str, Any]) -> list[str]:
    where, given = _where(values)
    faults = []
    for deed, statement in await _changes(own, table, where):
        for name, scope in (("the neighbour", Scope.of([NEIGHBOUR])), ("no scope", Scope.nothing())):
            done = await _tried(own, scope, statement, given)
            if done != 0:
                faults.append(f"{name} could {deed} it ({done})")
        done = await _tried(own, Scope.of([HOME]), statement, given)
        if done == 0:
            faults.append(f"the own village could not {deed} it, so the refusals prove nothing")
    return faults


async def _changes(own: asyncpg.Connection, table: str, where: str) -> list[tuple[str, str]]:
    """The changes that this login has a privilege for; a missing privilege is the best refusal."""
    changes = []
    if await _may(own, table, "delete"):
        changes.append(
            ("delete", f"with gone as (delete from {table} where {where} returning 1) select count(*) from gone")
        )
    columns = (
        "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0"
        " and not attisdropped and attidentity = '' and attgenerated = ''"
    )
    for row in await own.fetch(columns, table):
        column = row["attname"]
        if await own.fetchval("select has_column_privilege($1::text, $2::text, 'update')", table, column):
            change = f"update {table} set {column} = {column} where {where} returning 1"
            changes.append(("change", f"with changed as ({change}) select count(*) from changed"))
            break
    return changes


async def _insert_faults(own: asyncpg.Connection, table: str, values: dict[str, Any]) -> list[str]:
    if not await own.fetchval("select has_any_column_privilege($1::text, 'insert')", table):
        return []
    insert, given = _insert_statement(table, values)
    faults = []
    for name, scope in (("the neighbour", Scope.of([NEIGHBOUR])), ("no scope", Scope.nothing())):
        told = await _tried(own, scope, insert, given)
        if told is None:
            faults.append(f"{name} could insert a row of another division")
    told = await _tried(own, Scope.of([HOME]), insert, given)
    if told is not None:
        faults.append(f"the own village could not insert it ({told}), so the refusals prove nothing")
    return faults


async def _tried(own: asyncpg.Connection, scope: Scope, statement: str, given: Sequence[Any]) -> Any:
    """The value of a statement under a scope, or the kind of its error; undone in any case."""
    within = own.transaction()
    await within.start()
    try:
        settings = scope.settings()
        await own.fetchval(
            "select set_config('tuopin.lo', $1, true), set_config('tuopin.hi', $2, true),"
            " set_config('tuopin.scope', $3, true), set_config('tuopin.caller', $4, true)",
            settings["lo"],
            settings["hi"],
            settings["ranges"],
            CALLER,
        )
        return await own.fetchval(statement, *given)
    except asyncpg.PostgresError as error:
        return f"{type(error).__name__} {error.sqlstate}"
    finally:
        await within.rollback()


def _where(values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """A row by all that was given of it, whichever of it is the key."""
    conditions = [f"{name} is not distinct from ${number}" for number, name in enumerate(values, 1)]
    return " and ".join(conditions), list(values.values())


def _insert_statement(table: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    return f"insert into {table} ({', '.join(values)}) values ({places})", list(values.values())


async def _insert(admin: asyncpg.Connection, table: str, values: Mapping[str, Any]) -> None:
    statement, given = _insert_statement(table, values)
    await admin.execute(statement, *given)


async def _may(own: asyncpg.Connection, table: str, privilege: str) -> bool:
    return bool(await own.fetchval("select has_table_privilege($1::text, $2::text)", table, privilege))


# Roles


ROLE = """select rolsuper as "is superuser", rolbypassrls as "bypasses policies", rolcreaterole as "makes roles",
    rolcreatedb as "makes databases", rolreplication as "replicates",
    exists (select from pg_auth_members where member = r.oid) as "is a member of another role",
    exists (select from pg_class where relowner = r.oid) as "owns a table",
    exists (select from pg_proc where proowner = r.oid) as "owns a function",
    exists (select from pg_namespace where nspowner = r.oid) as "owns a schema",
    exists (select from pg_database where datdba = r.oid) as "owns a database",
    has_schema_privilege(r.oid, 'public', 'create') as "may create in public"
    from pg_roles r where rolname = current_user"""
OPEN_FUNCTIONS = """select p.proname as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.prosecdef and (has_function_privilege('public', p.oid, 'execute')
        or not exists (select from unnest(p.proconfig) one where one like 'search_path=%'))"""
OPEN_VIEWS = """select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_roles r on r.oid = c.relowner where n.nspname = 'public' and c.relkind in ('v', 'm') and r.rolsuper
    and not coalesce('security_invoker=true' = any(c.reloptions), false)"""


async def _role_faults(own: asyncpg.Connection, expected: Expected) -> list[str]:
    row = await own.fetchrow(ROLE)
    faults = [f"its role {words}" for words, is_so in row.items() if is_so]
    login = await own.fetchval("select current_user")
    if login.endswith("_api"):
        for table in sorted(expected.unforced):
            rights = [right for right in ("select", "insert", "update", "delete") if await _may(own, table, right)]
            faults += [f"{table}: has no policy, and yet the api may {right}" for right in rights]
    owner = f"{login.rpartition('_')[0]}_owner"
    for statement in (f"set role {owner}", "set session authorization postgres"):
        if await _tried(own, Scope.everything(), statement, ()) is None:
            faults.append(f"may {statement}")
    return faults


async def _cluster_faults(database: Database, admin: asyncpg.Connection) -> list[str]:
    """Definer functions and views that would leak, the owner's own powers, and the doors of the other databases."""
    faults = [
        f"{row['name']}: a definer function anybody may call, or without a search path"
        for row in await admin.fetch(OPEN_FUNCTIONS)
    ]
    faults += [f"{row['name']}: a superuser's view bypasses the policies" for row in await admin.fetch(OPEN_VIEWS)]
    owner = await admin.fetchrow(
        "select rolsuper, rolbypassrls from pg_roles where rolname = $1", f"{database.service}_owner"
    )
    if owner is None or owner["rolsuper"] or owner["rolbypassrls"]:
        faults.append("owner: is missing, a superuser, or bypasses policies")
    others = await admin.fetch(
        "select datname from pg_database join pg_roles r on r.oid = datdba where datallowconn and r.rolname <> $1",
        f"{database.service}_owner",
    )
    if not others:
        faults.append("no other database to be kept out of, so that is not proven")
    for login in LOGINS:
        for row in others:
            if await _may_enter(getattr(database, login), row["datname"]):
                faults.append(f"{login}: may connect to database {row['datname']}")
    return faults


async def _may_enter(dsn: str, name: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, database=name, ssl=False)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidAuthorizationSpecificationError):
        return False
    except asyncpg.InvalidCatalogNameError:
        return False  # dropped meanwhile by another test
    await connection.close()
    return True


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn, ssl=False)
    try:
        yield connection
    finally:
        await connection.close()
