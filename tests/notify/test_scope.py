"""Who sees what: every table of notify, with the service's own logins and on real rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from shared.db import create_engine, transaction
from shared.values import DivisionCode, Scope, new_id
from stack.provision import Database
from tests.contracts.scope_check import HOME, NEIGHBOUR, Expected, Row, check_scope

MOMENT = datetime(2019, 8, 23, tzinfo=UTC)
ALLOWED = {"division": "one row a code, so the check cannot make a second one: tried below by itself"}


def rows_of(division: DivisionCode) -> list[Row]:
    """A notice that was asked for, and one on the public board."""
    village = {"village": division.value}
    asked = {"id": new_id(), "publicity": new_id(), "kind": "exit", "days": 7, "objections_to": "x", "items": "[]"}
    noted = {"asked_on": date(2019, 8, 23), "created_at": MOMENT, "state": "created", "version": 1}
    return [
        ("notice", asked | noted | village),
        ("public_notice", {"notice": new_id(), "last_day": date(2019, 8, 30), "board": "{}"} | village),
    ]


async def test_scope_holds_table_by_table(make_database: Callable[[str], Database]) -> None:
    expected = Expected(rows_of, allowed=ALLOWED, open_tables=frozenset({"public_notice"}))
    await check_scope(make_database("notify"), expected)


@pytest.mark.parametrize(("scope", "seen"), [(HOME, 1), (NEIGHBOUR, 0), (None, 0)])
async def test_a_division_is_seen_in_scope_alone(
    make_database: Callable[[str], Database], scope: DivisionCode | None, seen: int
) -> None:
    own = make_database("notify")
    worker, api = (create_engine(url, pool_size=1) for url in (own.worker, own.api))
    insert = "insert into division (code, name, version) values ($1, 'x', 1)"
    async with transaction(worker, Scope.everything()) as tx:
        await tx.driver.execute(insert, HOME.value)
    async with transaction(api, Scope.nothing() if scope is None else Scope.of((scope,))) as tx:
        assert await tx.driver.fetchval("select count(*) from division where code = $1", HOME.value) == seen
    await worker.dispose()
    await api.dispose()
