"""Who sees what: every table of the register, with the services' own logins and on real rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

import asyncpg
import pytest

from shared.db import create_engine, transaction
from shared.values import DivisionCode, Level, Scope, new_id
from stack.provision import Database
from tests.contracts.scope_check import HOME, NEIGHBOUR, Expected, Row, check_scope, job_row
from tests.registry.ground import NEXT_VILLAGE, VILLAGE

NOW = datetime(2019, 8, 20, tzinfo=UTC)
DAY = date(2019, 8, 20)
_numbers = count(900_000_000)
STAGING = dict.fromkeys(
    ("staging_household", "staging_person", "staging_status", "staging_income", "staging_doubt"),
    "rows of a file on their way in, gone with their chunk; COPY refuses a table with a policy: the worker alone",
)
ALLOWED = {
    **STAGING,
    "likeness_probe": "keys that one person's damaged number may have been: the worker alone",
    "likeness_frequency": "how often a key stands in the whole register, of nobody: the worker alone",
    "likeness_due": "inside numbers of persons whose keys are made next: the api adds, the worker alone reads",
    "division": "one row a code, so the check cannot make a second one: tried below by itself",
}


def rows_of(division: DivisionCode) -> list[Row]:
    """A household with everything that hangs on it, and a file."""
    no, place, job = next(_numbers), {"division": division.value}, new_id()
    written = {"recorded_by": "check"}
    seen = {"observed_on": DAY, "version": 1, "known_from": NOW, **written}
    household = {"no": no, "id": new_id(), "number": f"9{no:015d}", **place, "other_causes": []}
    person = {"no": no, "id": new_id(), **place, "identity_index": str(no).encode()}
    named = {"name": "王小明", "masked_name": "王*明", "household_no": no}
    of_household = {"household_no": no, **place, "known_from": NOW, **written}
    always = asyncpg.Range(DAY, None)
    past = {"known_to": NOW}
    return [
        ("household", household | seen),
        ("household_history", household | seen | past),
        ("person", person | named | seen),
        ("person_history", person | named | seen | past | {"pseudonym": new_id(), "id_provisional": False}),
        ("membership", {"no": no, "person_no": no, "relation": "head", "during": always} | of_household),
        ("status", {"no": no, "kind": "poor", "during": always} | of_household),
        ("income", {"no": no, **_amount(no)} | of_household),
        ("income_match", {"no": no, "declared_no": no, "payout_no": no, "fen": 1} | of_household),
        ("decision", _decision(no, division)),
        ("doubt", _doubt(no, division)),
        ("doubt_event", {"no": no, "doubt_no": no, "what": "assigned", "at": NOW, "by": "check"}),
        ("deed", {"household_no": no, **place, "verb": "birth", "happened_on": DAY, "known_from": NOW, **written}),
        ("likeness", {"person_no": no, **place, "name": "王小明"}),
        ("division_history", _division(division, no) | past),
        ("parameter", _parameter(division, no)),
        *_file_rows(division, job),
    ]


def _amount(no: int) -> dict[str, Any]:
    return {
        "year_from": date(2018, 10, 1),
        "year_to": date(2019, 9, 30),
        "component": "A",
        "item": "wage_work",
        "source": "declared",
        "reference": str(no),
        "fen": 1,
        "declared_on": DAY,
    }


def _decision(no: int, division: DivisionCode) -> dict[str, Any]:
    return {
        "id": new_id(),
        "household_no": no,
        "division": division.value,
        "case_id": new_id(),
        "outcome": "exit_approved",
        "effective_on": DAY,
        "document_number": "1",
        "version_judged": 1,
        "known_from": NOW,
    }


def _doubt(no: int, division: DivisionCode) -> dict[str, Any]:
    return {
        "no": no,
        "household_no": no,
        "division": division.value,
        "check_id": "I3",
        "severity": "doubt",
        "field": "id_number",
        "detail_zh": "疑",
        "detail_en": "doubt",
        "opened_at": NOW,
        "recorded_by": "check",
    }


def _division(division: DivisionCode, version: int) -> dict[str, Any]:
    return {
        "code": division.value,
        "name": "村",
        "level": "village",
        "valid_from": DAY,
        "version": version,
        "known_from": NOW,
        "recorded_by": "check",
    }


def _parameter(division: DivisionCode, no: int) -> dict[str, Any]:
    texts = dict.fromkeys(("value", "unit", "basis_zh", "basis_en", "entered_by", "approved_by"), "x")
    return {"no": no, "key": f"key{no}", "division": division.value, "valid_from": DAY, **texts}


def _file_rows(division: DivisionCode, job: Any) -> list[Row]:
    file = {"filename": "f", "size_bytes": 1, "content_hash": b"h", "year_from": DAY, "year_to": DAY}
    said = {"observed_on": DAY, "dry_run": True, "source": job, "submitted_at": NOW}
    counts = dict.fromkeys(("rows", "rows_new", "rows_changed", "rows_unchanged", "rows_refused", "doubts"), 0)
    return [
        ("job", job_row(division) | {"id": job}),
        ("intake", {"job": job, **file, **said}),
        ("export", {"job": job, "shape": "persons", "format": "csv", "in_clear": False} | _sought()),
        ("export_piece", {"job": job, "kind": "lines", "piece": 0, "sealed": b"s"}),
        ("intake_file", {"job": job, "kind": "upload", "piece": 0, "sealed": b"s"}),
        ("intake_chunk", {"job": job, "chunk": 0, **counts, "recorded_at": NOW}),
        (
            "intake_refusal",
            {"no": next(_numbers), "job": job, "chunk": 0, "row": 2, "code": "c", "detail_zh": "z", "detail_en": "e"},
        ),
        (
            "intake_doubt",
            {"no": next(_numbers), "job": job, "row": 2, "field": "f", "check_id": "I3"} | _in_both_languages(),
        ),
        ("intake_change", {"no": next(_numbers), "job": job, "row": 2, "number": "1", "kind": "new"}),
        ("undo_plan", {"job": job, "household_no": next(_numbers), "part": 1, "tied": 1}),
        ("absence", {"no": next(_numbers), "job": job, "household_no": 1}),
    ]


def _sought() -> dict[str, Any]:
    return {"words": "区划", "sought_sealed": b"s", "submitted_at": NOW}


def _in_both_languages() -> dict[str, str]:
    return {"detail_zh": "疑", "detail_en": "doubt"}


async def test_no_row_leaves_its_scope(make_database: Callable[..., Database]) -> None:
    """Each table: seen at home, unseen by the neighbour and without scope; writing likewise; roles own nothing."""
    expected = Expected(
        rows_of, allowed=ALLOWED, unforced=frozenset(STAGING), guarded=frozenset({"membership", "status"})
    )
    await check_scope(make_database("registry"), expected)


@pytest.mark.parametrize("login", ["api", "worker"])
async def test_a_division_is_read_from_below_and_written_inside_alone(
    make_database: Callable[..., Database], login: str
) -> None:
    database = make_database("registry")
    engine = create_engine(getattr(database, login))
    county, province = VILLAGE.at(Level.COUNTY), VILLAGE.at(Level.PROVINCE)
    try:
        async with transaction(engine, Scope.of([VILLAGE])) as tx:
            seen = {row["code"] for row in await tx.driver.fetch("select code from division")}
            raised = "update division set version = version where code = any($1) returning code"
            written = {row["code"] for row in await tx.driver.fetch(raised, sorted(seen))}
        assert {VILLAGE.value, county.value, province.value} <= seen
        assert NEXT_VILLAGE.value not in seen
        assert written == {VILLAGE.value}
        async with transaction(engine, Scope.nothing()) as tx:
            assert await tx.driver.fetchval("select count(*) from division") == 0
    finally:
        await engine.dispose()


async def test_what_looks_across_scopes_answers_little(make_database: Callable[..., Database]) -> None:
    """A hidden household is known to stand somewhere, and in which county: nothing else of it can be had."""
    database = make_database("registry")
    admin = await asyncpg.connect(database.admin, ssl=False)
    engine = create_engine(database.worker)
    try:
        for table, values in rows_of(HOME):
            if table in ("household", "person"):
                places = ", ".join(f"${at}" for at in range(1, len(values) + 1))
                await admin.execute(f"insert into {table} ({', '.join(values)}) values ({places})", *values.values())
        number = await admin.fetchval("select number from household")
        identity = await admin.fetchval("select identity_index from person")
        async with transaction(engine, Scope.of([NEIGHBOUR])) as tx:
            one = tx.driver.fetchval
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with tx.driver.transaction():
                    await one("select recording_of($1)", new_id())
            assert await one("select count(*) from household") == 0
            assert await one("select numbers_on_record($1)", [number, "0" * 16]) == [number]
            assert await one("select identities_on_record($1)", [identity, b"nobody"]) == [identity]
            assert await one("select identity_by_county($1)", [identity]) == {"522630": 1}
            assert await one("select count(*) from household") == 0, "the scope is back after each call"
            assert await one("select current_setting('tuopin.lo')") == str(NEIGHBOUR.lo)
    finally:
        await engine.dispose()
        await admin.close()
