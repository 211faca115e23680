"""Migrations: from empty, equal to the tables, repeatable, one line of revisions, as the owner."""

import asyncio
import importlib
from collections.abc import Callable

import asyncpg
import pytest

from stack.jobs import has_revisions
from stack.migrate import differences, metadata_of, migrate, script_of
from stack.provision import SERVICES, Database

BUILT = [service for service in SERVICES if has_revisions(service)]


@pytest.mark.parametrize("service", BUILT)
async def test_migrations_tell_the_whole_truth(service: str, database: Callable[[str], Database]) -> None:
    assert await differences(service, database(service).admin) == []


@pytest.mark.parametrize("service", BUILT)
async def test_a_difference_would_be_noticed(service: str, make_database: Callable[..., Database]) -> None:
    mine = make_database(service)
    table = next(iter(metadata_of(service).sorted_tables))
    connection = await asyncpg.connect(mine.admin, ssl=False)
    await connection.execute(f'alter table "{table.name}" add column unforeseen integer')
    await connection.close()
    (found,) = await differences(service, mine.admin)
    assert "unforeseen" in repr(found)


@pytest.mark.parametrize("service", BUILT)
async def test_migrating_again_changes_nothing_and_two_at_once_wait(
    service: str, make_database: Callable[..., Database]
) -> None:
    mine = make_database(service)
    before = await contents(mine)
    head = script_of(service).get_current_head()
    first, second = await asyncio.gather(migrate(service, mine.owner), migrate(service, mine.owner))
    assert first == second == head
    assert await contents(mine) == before


async def contents(database: Database) -> dict[str, int]:
    """How many rows each table holds, reference rows included."""
    connection = await asyncpg.connect(database.admin, ssl=False)
    names = await connection.fetch("select relname from pg_stat_user_tables where schemaname = 'public'")
    counts = {row[0]: await connection.fetchval(f'select count(*) from "{row[0]}"') for row in names}
    await connection.close()
    assert counts
    return counts


@pytest.mark.parametrize("service", BUILT)
async def test_everything_belongs_to_the_owner_and_the_others_own_nothing(
    service: str, database: Callable[[str], Database]
) -> None:
    connection = await asyncpg.connect(database(service).admin, ssl=False)
    owners = await connection.fetch(
        "select distinct pg_get_userbyid(relowner) as owner from pg_class"
        " where relnamespace = 'public'::regnamespace union"
        " select distinct pg_get_userbyid(proowner) from pg_proc where pronamespace = 'public'::regnamespace"
    )
    await connection.close()
    assert {row["owner"] for row in owners} == {f"{service}_owner"}


@pytest.mark.parametrize("service", BUILT)
def test_revisions_are_one_line_and_only_go_forward(service: str) -> None:
    script = script_of(service)
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1
    for revision in script.walk_revisions():
        assert not revision.is_merge_point
        assert not hasattr(revision.module, "downgrade") or "downgrade" not in vars(revision.module)


@pytest.mark.parametrize("service", BUILT)
def test_the_folder_of_migrations_is_no_package(service: str) -> None:
    """With an `__init__` the contract of the rooms would break."""
    assert importlib.import_module(f"services.{service}.migrations").__file__ is None
