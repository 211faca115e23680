"""The scope check itself: quiet where all holds, and loud about every way of losing it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared.db import definer_function
from shared.values import DivisionCode, new_id
from stack.home import PROJECT
from stack.postgres import Postgres
from stack.provision import SERVICES, Database, make_passwords, make_roles, roles_of
from stack.provision import make_database as provision_database
from tests.contracts.scope_check import Expected, Row, check_scope, scope_faults
from tests.shared.probe import SERVICE, Probe, make_probe, migrated


def rows(division: DivisionCode) -> list[Row]:
    household = new_id()
    return [
        ("household", {"id": household, "division": division.value, "name": f"{household}"}),
        ("person", {"id": new_id(), "household_id": household, "name": "李秀英"}),
        ("parameter", {"division": division.value, "name": f"{household}"}),
        ("public_notice", {"id": new_id(), "division": division.value, "text": "王*明"}),
    ]


EXPECTED = Expected(
    rows,
    allowed={"staging": "COPY refuses a table with policies; the worker alone may touch it"},
    unforced=frozenset({"staging"}),
    open_tables=frozenset({"public_notice"}),
)


@pytest.fixture(scope="module")
async def probe(make_database: Callable[..., Database]) -> Probe:
    make_database("registry")  # a neighbour's database that must stay closed
    return await make_probe(make_database)


async def test_all_holds(probe: Probe) -> None:
    await check_scope(probe.database, EXPECTED)
    await check_scope(probe.database, EXPECTED)


BREAKS = [
    ("alter table household no force row level security", "household: row-level security is not forced"),
    ("alter table household disable row level security", "household: row-level security is off"),
    ("drop policy scope on household", "household: the own village sees 0 rows"),
    ("drop policy scope on person; create policy scope on person using (true)", "person: the neighbour sees 1 rows"),
    ("create policy more on household for select using (true)", "household: no scope sees 1 rows"),
    ("create policy more on household for insert with check (true)", "household: the neighbour could insert"),
    ("create policy more on household using (true)", "household: the neighbour could delete"),
    (
        "create policy more on household for update using (true);"
        "create policy seen on household for select using (true)",
        "household: the neighbour could change",
    ),
    ("grant select on staging to shared_api", "staging: has no policy, and yet the api may select"),
    ("create table forgotten (id int)", "forgotten: neither seeded nor excused"),
    ("create view leak as select * from household", "leak: a superuser's view"),
    ("grant execute on function household_known to public", "household_known: a definer function anybody may call"),
    ("alter function household_known reset search_path", "household_known: a definer function anybody may call"),
    ("alter table staging owner to shared_worker", "worker: its role owns a table"),
    ("grant create on schema public to shared_api", "api: its role may create in public"),
]


@asynccontextmanager
async def copied(cluster: Any, original: Probe) -> AsyncIterator[Probe]:
    """A copy of a probe that nobody is connected to, dropped at the end."""
    name = f"{original.database.name}_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(cluster.admin, ssl=False)
    try:
        await provision_database(admin, name, SERVICE, original.database.name)
        yield Probe(cluster.database(name, SERVICE))
    finally:
        await admin.execute(f"drop database if exists {name} with (force)")
        await admin.close()


@pytest.fixture(scope="module")
async def original(make_database: Callable[[str], Database]) -> Probe:
    return await make_probe(make_database)


@pytest.mark.parametrize(("statement", "fault"), BREAKS, ids=[fault for _, fault in BREAKS])
async def test_a_break_in_the_database_is_found(cluster: Any, original: Probe, statement: str, fault: str) -> None:
    async with copied(cluster, original) as broken:
        await find(broken, statement, fault)


async def find(broken: Probe, statement: str, fault: str) -> None:
    async with broken.admin() as admin:
        await admin.execute(statement)
    faults = await scope_faults(broken.database, EXPECTED)
    assert any(fault in one for one in faults), faults


ROLE_BREAKS = [
    ("alter role {0}_api bypassrls", "api: its role bypasses policies"),
    ("alter role {0}_worker superuser", "worker: its role is superuser"),
    ("grant {0}_owner to {0}_api", "api: its role is a member"),
    ("grant {0}_owner to {0}_api", "api: may set role"),
    ("alter role {0}_owner bypassrls", "owner: "),
    ("grant connect on database postgres to {0}_api", "api: may connect to database postgres"),
]


@asynccontextmanager
async def own_roles(cluster: Any) -> AsyncIterator[Probe]:
    """A database whose three logins are nobody else's, so that spoiling them disturbs no other test."""
    service = f"trial{secrets.token_hex(4)}"
    passwords = {**make_passwords((service,)), "postgres": cluster.passwords["postgres"]}
    server = Postgres(Path("unused"), cluster.port, passwords["postgres"])
    admin = await asyncpg.connect(cluster.admin, ssl=False)
    try:
        await make_roles(admin, service, passwords)
        await provision_database(admin, service, service)
        yield await migrated(Database.on(server, service, service, passwords))
    finally:
        await admin.execute(f"drop database {service} with (force)")
        for role in roles_of(service):
            await admin.execute(f"drop owned by {role}; drop role {role}")
        await admin.close()


@pytest.mark.parametrize(("statement", "fault"), ROLE_BREAKS, ids=[fault for _, fault in ROLE_BREAKS])
async def test_a_break_in_the_roles_is_found(cluster: Any, statement: str, fault: str) -> None:
    async with own_roles(cluster) as probe:
        await check_scope(probe.database, EXPECTED)
        async with probe.admin() as admin:
            await admin.execute(statement.format(probe.database.service))
        faults = await scope_faults(probe.database, EXPECTED)
    assert any(one.startswith(fault) for one in faults), faults


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"allowed": {}}, "staging: neither seeded nor excused"),
        ({"allowed": {"staging": " "}}, "staging: excused without a reason"),
        ({"allowed": {**EXPECTED.allowed, "gone": "was here"}}, "gone: named but not there"),
        ({"allowed": {**EXPECTED.allowed, "person": "no"}}, "person: excused and seeded"),
        ({"open_tables": frozenset()}, "public_notice: no scope sees 1 rows"),
        ({"unforced": frozenset()}, "staging: row-level security is off"),
        ({"rows": lambda division: rows(division)[:1]}, "person: neither seeded nor excused"),
    ],
)
async def test_a_slip_in_what_is_expected_is_found(probe: Probe, change: dict[str, Any], fault: str) -> None:
    faults = await scope_faults(probe.database, replace(EXPECTED, **change))
    assert any(fault in one for one in faults), faults


def test_a_definer_function_is_closed_by_its_maker() -> None:
    create, revoke, _ = definer_function("one()", "int", "select 1", "shared")
    assert "set search_path" in create
    assert revoke.endswith("from public")


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_has_its_tables_checked(service: str) -> None:
    """A service left out would be believed without a look."""
    own = sorted((PROJECT / "tests" / service).glob("test_*.py"))
    assert [path.name for path in own if "await check_scope(" in path.read_text()]
