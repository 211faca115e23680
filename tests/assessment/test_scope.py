"""Who sees what: every table of assessment, with the service's own logins and on real rows; and tables as migrated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from services.assessment.tables import metadata
from shared.db import create_engine, transaction
from shared.values import DivisionCode, Level, Scope, new_id
from stack.provision import Database
from tests.assessment.make import NEIGHBOUR, VILLAGE, Office, make_divisions
from tests.contracts.scope_check import Expected, Row, check_scope

NOW = datetime(2019, 8, 20, tzinfo=UTC)
DAY = date(2019, 8, 20)
ALLOWED = {"division": "one row a code, so the check cannot make a second one: tried below by itself"}
_numbers = count(1)
TEXTS = dict.fromkeys(("value", "unit", "basis_zh", "basis_en", "entered_by"), "x")


def rows_of(division: DivisionCode) -> list[Row]:
    """A household heard, judged, with a case in a publicity that was objected to; numbers and a run of the division."""
    serial, household, judgement, place = next(_numbers), new_id(), new_id(), {"division": division.value}
    dated = {"key": f"key{serial}", **place, "valid_from": DAY, **TEXTS}
    return [
        ("household", _household(household, serial) | place),
        ("circumstance", {"household": household, "version": 1, "said_at": NOW, "body": "{}"} | place),
        ("subject", _subject(household) | place),
        ("judgement", _judgement(judgement, household) | place),
        ("finding", _finding(judgement) | place),
        ("parameter", dated | {"approved_by": "y"}),
        ("parameter_proposal", dated | {"id": new_id(), "entered_at": NOW}),
        ("pack", {"hash": str(serial), "id": "p", "content": "{}"} | place),
        ("numbers", {"hash": str(serial), "content": "{}"} | place),
        (
            "run",
            {"id": new_id(), "judged_on": DAY, "asked_by": "x", "asked_at": NOW, "judged": 0, "changed": 0} | place,
        ),
        *_case_rows(division, household, judgement),
    ]


def _household(household: Any, serial: int) -> dict[str, Any]:
    shown = {"masked_head": "王*明", "headcount": 1, "statuses": "[]", "decisions": []}
    return {"id": household, "version": 1, "number": f"{serial:016d}", **shown}


def _subject(household: Any) -> dict[str, Any]:
    names = ("household", "members", "income", "statuses", "declarations")
    packed = {f"packed_{name}": b"" for name in names}
    return {"household": household, "circumstance_version": 1, "layout": "x", "version": 0, "verdicts": [], **packed}


def _judgement(judgement: Any, household: Any) -> dict[str, Any]:
    moments = {"judged_on": DAY, "judged_at": NOW}
    return {"id": judgement, "household": household, "version": 1, "household_version": 1, **moments}


def _finding(judgement: Any) -> dict[str, Any]:
    said = {"pack": "exit", "pack_hash": "h", "numbers_hash": "n", "verdict": "met"}
    return {"judgement": judgement, **said, "fail": 0, "unknown": 0, "figures": [1]}


def _case_rows(division: DivisionCode, household: Any, judgement: Any) -> list[Row]:
    case, publicity, village = new_id(), new_id(), {"village": division.value}
    step = {"round": 1, "step": "meeting", "state_before": "listed", "state_after": "reviewed", "remark": ""}
    taken = {"taken_by": "x", "taken_by_name": "x", "taken_at": NOW, "taken_on": DAY}
    return [
        (
            "case_file",
            {
                "id": case,
                "kind": "exit",
                "household": household,
                "division": division.value,
                "judgement": judgement,
                "judged_version": 1,
                "verdict": "met",
                "state": "listed",
                "round": 1,
                "round_since": DAY,
                "opened_on": DAY,
                "opened_by": "x",
                "version": 1,
            },
        ),
        ("case_step", {"case_id": case, "sequence": 1, **step, **taken, "evidence": "{}", "numbers": "[]"}),
        ("publicity", _publicity(publicity) | village),
        ("publicity_item", _item(publicity, case)),
        (
            "objection",
            {"id": new_id(), "case_id": case, "publicity": publicity, "raised_by": "x", "text": "x"}
            | {"received_on": DAY, "recorded_by": "x", "recorded_at": NOW}
            | village,
        ),
    ]


def _publicity(publicity: Any) -> dict[str, Any]:
    opened = {"opened_on": DAY, "opened_by": "x", "objections_to": "x", "state": "opened"}
    return {"id": publicity, "kind": "exit", "days": 7, "days_basis": "{}", **opened, "version": 1}


def _item(publicity: Any, case: Any) -> dict[str, Any]:
    return {
        "publicity": publicity,
        "place": 1,
        "case_id": case,
        "masked_head": "王*",
        "category": "poor",
        "headcount": 1,
    }


async def test_no_row_leaves_its_scope(make_database: Callable[..., Database]) -> None:
    """Each table: seen at home, unseen by the neighbour and without scope; writing likewise; roles own nothing."""
    await check_scope(make_database("assessment"), Expected(rows_of, allowed=ALLOWED))


async def test_a_division_is_read_from_below_and_written_inside_alone(office: Office) -> None:
    await office.hear(*make_divisions())
    for engine in (office.worker, office.api):
        async with transaction(engine, Scope.of([VILLAGE])) as tx:
            seen = {row["code"] for row in await tx.driver.fetch("select code from division")}
        assert {VILLAGE.value, VILLAGE.at(Level.COUNTY).value, VILLAGE.at(Level.PROVINCE).value} <= seen
        assert NEIGHBOUR.value not in seen
        async with transaction(engine, Scope.nothing()) as tx:
            assert await tx.driver.fetchval("select count(*) from division") == 0
    async with transaction(office.worker, Scope.of([VILLAGE])) as tx:
        written = await tx.driver.fetch("update division set version = version returning code")
    assert [row["code"] for row in written] == [VILLAGE.value]


@pytest.mark.parametrize("table", ["parameter", "pack", "numbers"])
async def test_what_holds_everywhere_is_read_by_every_scope_and_written_by_the_full_one(
    make_database: Callable[..., Database], table: str
) -> None:
    database = make_database("assessment")
    [(_, values)] = [row for row in rows_of(VILLAGE) if row[0] == table]
    national = {**values, "division": None}
    names, places = ", ".join(national), ", ".join(f"${place}" for place in range(1, len(national) + 1))
    insert = f"insert into {table} ({names}) values ({places})"
    owner, api = create_engine(database.owner), create_engine(database.api)
    try:
        async with transaction(owner, Scope.everything()) as tx:
            await tx.driver.execute(insert, *national.values())
        for scope, visible in ((Scope.of([VILLAGE]), True), (Scope.nothing(), False)):
            async with transaction(api, scope) as tx:
                found = await tx.driver.fetchval(f"select count(*) > 0 from {table} where division is null")
            assert found is visible
        async with transaction(owner, Scope.of([VILLAGE])) as tx:
            changed = await tx.driver.fetch(f"update {table} set division = null where division is null returning 1")
        assert changed == []
    finally:
        await owner.dispose()
        await api.dispose()


async def test_the_tables_are_as_migrated(make_database: Callable[..., Database]) -> None:
    address = make_database("assessment").owner.replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(address, connect_args={"ssl": False})
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), metadata)
        )
    await engine.dispose()
    assert differences == []
