"""How the register is remembered: guards broken on purpose, races, history, intervals; as the worker's own login."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import asyncpg
import pytest

from services.registry.actions.households import Writer, amend_household, entry_of, record_household
from services.registry.domain import Household, HouseholdEntry, MemberEntry
from services.registry.domain.refusals import PersonElsewhere
from services.registry.store.households import load_household, lock_household
from services.registry.tables import metadata
from shared.db import Transaction, transaction
from shared.values import Scope, new_id
from tests.registry.ground import COUNTY, NOW, VILLAGE, Ground
from tests.registry.make import DAY, make_entry, make_person

SCOPE = Scope.of([COUNTY])
EVERYTHING = Scope.everything()


def writer(ground: Ground, on: date = DAY, by: str = "li") -> Writer:
    return Writer(ground.keys, by, NOW, on)


async def record(ground: Ground, entry: HouseholdEntry) -> Household:
    async with transaction(ground.api_engine, SCOPE, caller="li") as tx:
        return (await record_household(tx, new_id(), entry, writer(ground))).household


def anyone(_: int) -> None:
    """No version is asked for."""


MEMBER = """insert into membership (person_no, household_no, division, relation, during, known_from, recorded_by)
select p.no, h.no, h.division, $3, $4::text::daterange, now(), 'test' from person p, household h
where p.id = $1 and h.number = $2"""


async def broken(
    ground: Ground, deed: Callable[[Transaction], Awaitable[Any]], scope: Scope = EVERYTHING
) -> str | None:
    """The name of the guard that refused the deed; None when nothing did."""
    try:
        async with transaction(ground.engine, scope) as tx:
            await deed(tx)
    except asyncpg.PostgresError as error:
        return str(getattr(error, "constraint_name", None))
    return None


async def test_a_person_in_two_households_is_refused_today_and_in_the_past(ground: Ground) -> None:
    first, second = await record(ground, make_entry(1, 2)), await record(ground, make_entry(2, 12))
    child = first.members[1].person.id
    number = second.number.text

    async def today(tx: Transaction) -> None:
        await tx.driver.execute(MEMBER, child, number, "other", "[2019-08-21,)")

    async def past(tx: Transaction) -> None:
        await tx.driver.execute(MEMBER, child, number, "other", "[2019-08-21,2019-08-25)")

    async def before(tx: Transaction) -> None:
        await tx.driver.execute(MEMBER, child, number, "head", "[2018-01-01,2018-02-01)")

    assert await broken(ground, today) == "membership_current"
    assert await broken(ground, past) == "guard_one_household"
    assert await broken(ground, before) is None, "the guard refuses overlaps, not everything"


async def test_a_hidden_household_guards_its_member_too(ground: Ground) -> None:
    """The scope sees neither the person's home nor his days there; the guard does."""
    first, second = await record(ground, make_entry(1, 2)), await record(ground, make_entry(2, 12))
    child = first.members[1].person.id
    await ground.rows(
        "update membership set division = 522630100201 where person_no = (select no from person where id = $1)", child
    )

    async def past(tx: Transaction) -> None:
        await tx.driver.execute(MEMBER, child, second.number.text, "other", "[2019-08-21,2019-08-25)")

    assert await broken(ground, past, Scope.of([VILLAGE])) == "guard_one_household"


async def test_a_household_has_exactly_one_head_a_day(ground: Ground) -> None:
    home = await record(ground, make_entry(1, 2))
    head, child = (one.person.id for one in home.members)
    number = home.number.text
    stranger = (await record(ground, make_entry(2, 12))).members[1].person.id

    async def second_head(tx: Transaction) -> None:
        await tx.driver.execute("update membership set known_to = now() where relation = 'other'")
        await tx.driver.execute(MEMBER, child, number, "head", "[2019-08-20,)")

    async def two_heads_in_the_past(tx: Transaction) -> None:
        await tx.driver.execute(MEMBER, child, number, "head", "[2018-01-01,2018-02-01)")
        await tx.driver.execute(MEMBER, stranger, number, "head", "[2018-01-31,2018-03-01)")

    async def a_day_without_head(tx: Transaction) -> None:
        await tx.driver.execute(MEMBER, child, number, "other", "[2018-01-01,2018-02-01)")

    async def headless(tx: Transaction) -> None:
        await tx.driver.execute(
            "update membership set known_to = now() where person_no = (select no from person where id = $1)", head
        )

    assert await broken(ground, second_head) == "membership_head"
    for deed in (two_heads_in_the_past, headless, a_day_without_head):
        assert await broken(ground, deed) == "guard_one_head", deed.__name__


async def test_a_membership_of_nobody_known_is_refused(ground: Ground) -> None:
    home = await record(ground, make_entry(1, 2))

    async def unknown(tx: Transaction) -> None:
        await tx.driver.execute(
            "insert into membership (person_no, household_no, division, relation, during, known_from, recorded_by)"
            " select 999999999, no, division, 'other', '[2019-08-20,)', now(), 'test' from household where id = $1",
            home.id,
        )

    assert await broken(ground, unknown) == "guard_member_known"


STATUS = """insert into status (household_no, division, kind, during, known_from, recorded_by)
select no, division, $2, $3::text::daterange, now(), 'test' from household where id = $1"""


@pytest.mark.parametrize(
    ("kind", "during", "guard"),
    [
        ("poor", "[2014-03-01,2014-04-01)", "status_start"),
        ("poor", "[2013-01-01,2014-03-02)", "guard_status_once"),
        ("poor", "[2015-01-01,2015-02-01)", "guard_status_once"),
        ("lifted", "[2018-01-01,)", "guard_poor_or_lifted"),
        ("poor", "[2013-01-01,2014-03-01)", None),
        ("minimum_living", "[2014-03-01,)", None),
    ],
)
async def test_a_status_holds_once_on_each_day(ground: Ground, kind: str, during: str, guard: str | None) -> None:
    home = await record(ground, make_entry(1, 2))

    async def again(tx: Transaction) -> None:
        await tx.driver.execute(STATUS, home.id, kind, during)

    assert await broken(ground, again) == guard


SETTINGS = """select set_config('tuopin.lo', $1, false), set_config('tuopin.hi', $2, false),
set_config('tuopin.scope', $3, false)"""


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_the_guards_refuse_any_other_isolation(ground: Ground, level: str) -> None:
    """With the lock granted and the snapshot old they would let overlaps through."""
    home = await record(ground, make_entry(1, 2))
    connection = await asyncpg.connect(ground.database.worker, ssl=False)
    try:
        settings = EVERYTHING.settings()
        await connection.fetchrow(SETTINGS, settings["lo"], settings["hi"], settings["ranges"])
        await connection.execute(f"set default_transaction_isolation to '{level}'")
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="READ COMMITTED"):
            await connection.execute(STATUS, home.id, "monitored", "[2019-01-01,)")
        await connection.execute("set default_transaction_isolation to 'read committed'")
        await connection.execute(STATUS, home.id, "monitored", "[2019-01-01,)")
    finally:
        await connection.close()


@pytest.mark.parametrize("table", ["household_history", "person_history", "membership", "status", "income"])
async def test_nothing_known_is_deleted_and_no_image_changed(ground: Ground, table: str) -> None:
    await record(ground, make_entry(1, 2))
    for engine in (ground.engine, ground.api_engine):
        for deed in (f"delete from {table}", f"truncate {table}", f"update {table} set recorded_by = 'x'"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with transaction(engine, Scope.everything()) as tx:
                    await tx.driver.execute(deed)


# Races


async def test_eight_households_race_for_one_person(ground: Ground) -> None:
    """The same new person in eight forms at once: one household gets him, the others are told why not."""

    async def one(serial: int) -> str:
        entry = make_entry(serial, serial * 20)
        member = MemberEntry(make_person("赵一", 99, "1990-01-01"), "other")
        entry = HouseholdEntry(entry.number, entry.division, (*entry.members, member))
        try:
            await record(ground, entry)
        except (PersonElsewhere, asyncpg.UniqueViolationError) as error:
            return type(error).__name__
        return "recorded"

    outcomes = await asyncio.gather(*(one(serial) for serial in range(1, 9)))
    assert outcomes.count("recorded") + outcomes.count("PersonElsewhere") == 8, outcomes
    assert outcomes.count("recorded") >= 1
    homes = await ground.rows(
        "select count(*) as all, count(*) filter (where not id_provisional) as real from person"
        " where name = '赵一' and household_no is not null"
    )
    assert homes == [{"all": outcomes.count("recorded"), "real": 1}]


async def test_eight_changes_of_head_end_with_one_head_and_eight_versions(ground: Ground) -> None:
    home = await record(ground, make_entry(1, 2, members=4))
    people = [one.person.id for one in home.members]

    async def crown(at: int) -> None:
        def change(noun: Household) -> HouseholdEntry:
            entry = entry_of(noun)
            members = tuple(
                MemberEntry(one.person, "head" if one.person.id == people[at % 4] else "other") for one in entry.members
            )
            return HouseholdEntry(**{name: getattr(entry, name) for name in entry.__slots__} | {"members": members})

        async with transaction(ground.api_engine, SCOPE, caller=f"u{at}") as tx:
            await amend_household(tx, home.id, change, anyone, writer(ground, by=f"u{at}"))

    await asyncio.gather(*(crown(at) for at in range(8)))
    async with transaction(ground.engine, SCOPE) as tx:
        after = (await load_household(tx, home.id)).household
    assert len(after.heads) == 1
    assert len(after.members) == 4
    said = await ground.rows("select version from outbox where topic like '%household.state%' order by id")
    assert [row["version"] for row in said] == list(range(1, after.version + 1)), "facts leave in commit order"


async def test_a_verb_waits_for_the_household_that_another_holds(ground: Ground) -> None:
    home = await record(ground, make_entry(1, 2))
    async with transaction(ground.engine, SCOPE) as holding:
        await lock_household(holding, home.id)
        waiting = asyncio.create_task(_renamed(ground, home.id, "三组"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    assert (await waiting).group == "三组"


async def _renamed(ground: Ground, home: Any, group: str) -> Household:
    def change(noun: Household) -> HouseholdEntry:
        entry = entry_of(noun)
        return HouseholdEntry(**{name: getattr(entry, name) for name in entry.__slots__} | {"group": group})

    async with transaction(ground.api_engine, SCOPE, caller="li") as tx:
        return (await amend_household(tx, home, change, anyone, writer(ground))).household


# History


async def test_each_image_is_kept_with_the_moment_it_was_superseded(ground: Ground) -> None:
    home = await record(ground, make_entry(1, 2))
    for group in ("三组", "四组"):
        ground.now = ground.now.replace(day=ground.now.day + 1)
        await _renamed(ground, home.id, group)
    images = await ground.rows('select version, "group", known_from, known_to from household_history order by version')
    (now,) = await ground.rows('select version, "group", known_from from household')
    assert [(row["version"], row["group"]) for row in images] == [(1, "二组"), (2, "三组")]
    assert (now["version"], now["group"]) == (3, "四组")
    assert [row["known_to"] for row in images] == [images[1]["known_from"], now["known_from"]]


async def test_the_schema_is_what_the_tables_say(ground: Ground) -> None:
    """`alembic check`: the migrated database and `tables/` differ in nothing that Alembic can see."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    async with ground.engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
        )
    assert differences == []
