"""The test run's own PostgreSQL: who gets in, as whom it runs, what the logins may not do."""

import os
import pwd
from collections.abc import Callable

import asyncpg
import psutil
import pytest

from stack.provision import Database, roles_of
from tests.conftest import Cluster


async def test_superuser_gets_in_with_the_password_and_not_without(cluster: Cluster) -> None:
    connection = await asyncpg.connect(cluster.admin, ssl=False)
    assert int(await connection.fetchval("show server_version_num")) // 10000 == 18
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(cluster.admin, password="wrong", ssl=False)


async def test_every_way_in_asks_for_a_scram_password(cluster: Cluster) -> None:
    connection = await asyncpg.connect(cluster.admin, ssl=False)
    rules = await connection.fetch("select auth_method from pg_hba_file_rules")
    stored = await connection.fetch("select rolpassword from pg_authid where rolcanlogin")
    await connection.close()
    assert {rule["auth_method"] for rule in rules} == {"scram-sha-256"}
    assert stored
    assert all(row["rolpassword"].startswith("SCRAM-SHA-256$") for row in stored)


async def test_server_runs_as_nobody_when_we_are_root(cluster: Cluster) -> None:
    connection = await asyncpg.connect(cluster.admin, ssl=False)
    backend = psutil.Process(await connection.fetchval("select pg_backend_pid()"))
    owner = backend.username()
    await connection.close()
    assert owner == ("nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)


async def test_logins_are_plain_and_stay_in_their_own_database(make_database: Callable[..., Database]) -> None:
    mine = make_database()
    connection = await asyncpg.connect(mine.admin, ssl=False)
    rows = await connection.fetch(
        "select rolname, rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication as mighty,"
        " exists (select from pg_auth_members m where m.member = r.oid or m.roleid = r.oid) as member"
        " from pg_roles r where rolname = any($1)",
        list(roles_of("shared")),
    )
    await connection.close()
    assert {row["rolname"] for row in rows} == set(roles_of("shared"))
    assert not any(row["mighty"] or row["member"] for row in rows)


async def test_a_login_of_another_service_may_not_connect(
    make_database: Callable[..., Database], cluster: Cluster
) -> None:
    mine = make_database()
    stranger = cluster.database(mine.name, "registry").worker
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
        await asyncpg.connect(stranger, ssl=False)
    connection = await asyncpg.connect(mine.worker, ssl=False)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("set role shared_owner")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("create table mine (id int)")
    await connection.close()


async def test_wipe_empties_a_database(
    make_database: Callable[..., Database], wipe: Callable[[Database], None]
) -> None:
    mine = make_database()
    connection = await asyncpg.connect(mine.owner, ssl=False)
    await connection.execute("create table note (id int); insert into note values (1)")
    wipe(mine)
    assert await connection.fetchval("select count(*) from note") == 0
    await connection.close()
