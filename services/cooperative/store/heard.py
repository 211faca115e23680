"""Our own small copies of divisions and households: the highest version heard wins, whatever order they come in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

from shared.db import Transaction
from shared.events.registry import DivisionRecorded, HouseholdRecorded


async def save_divisions(tx: Transaction, facts: Sequence[DivisionRecorded]) -> None:
    """Take over newer versions, set-wise."""
    await tx.driver.execute(
        "insert into division (code, version, name, level, parent, valid_from, valid_to, superseded_by)"
        " select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::date[],"
        " $7::date[], $8::bigint[])"
        " as d (code, version, name, level, parent, valid_from, valid_to, superseded_by) order by code"
        " on conflict (code) do update set version = excluded.version, name = excluded.name, level = excluded.level,"
        " parent = excluded.parent, valid_from = excluded.valid_from, valid_to = excluded.valid_to,"
        " superseded_by = excluded.superseded_by where division.version < excluded.version",
        [int(fact.code) for fact in facts],
        [fact.version for fact in facts],
        [fact.name for fact in facts],
        [fact.level for fact in facts],
        [None if fact.parent is None else int(fact.parent) for fact in facts],
        [fact.valid_from for fact in facts],
        [fact.valid_to for fact in facts],
        [None if fact.superseded_by is None else int(fact.superseded_by) for fact in facts],
    )


async def save_households(tx: Transaction, facts: Sequence[HouseholdRecorded]) -> None:
    """Take over newer versions, set-wise."""
    await tx.driver.execute(
        "insert into household (id, version, number, division, statuses, masked_head, superseded_by)"
        " select id, version, number, division, statuses::jsonb, masked_head, superseded_by from unnest($1::uuid[],"
        " $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::uuid[])"
        " as h (id, version, number, division, statuses, masked_head, superseded_by) order by id"
        " on conflict (id) do update set version = excluded.version, number = excluded.number,"
        " division = excluded.division, statuses = excluded.statuses, masked_head = excluded.masked_head,"
        " superseded_by = excluded.superseded_by where household.version < excluded.version",
        [fact.household for fact in facts],
        [fact.version for fact in facts],
        [fact.number for fact in facts],
        [int(fact.division) for fact in facts],
        [json.dumps([span.model_dump(mode="json", exclude={"decision"}) for span in fact.statuses]) for fact in facts],
        [fact.masked_head for fact in facts],
        [fact.superseded_by for fact in facts],
    )


async def load_division_codes(tx: Transaction) -> list[str]:
    """All codes held."""
    return [f"{row['code']:012d}" for row in await tx.driver.fetch("select code from division")]


async def load_household_ids(tx: Transaction) -> list[UUID]:
    """All households held."""
    return [row["id"] for row in await tx.driver.fetch("select id from household")]


async def forget_divisions(tx: Transaction, codes: Sequence[str]) -> None:
    """Let go of divisions that registry no longer has."""
    await tx.driver.execute("delete from division where code = any($1::bigint[])", [int(code) for code in codes])


async def forget_households(tx: Transaction, ids: Sequence[str]) -> None:
    """Let go of households that registry no longer has; members and payouts are ours and stay."""
    await tx.driver.execute("delete from household where id = any($1::uuid[])", [UUID(one) for one in ids])
