"""Reference rows: parameters with their law, packs and the numbers judgements were made by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from services.assessment.domain.packs import Pack
from shared.db import Transaction
from shared.parameters import Parameter, Parameters
from shared.values import DivisionCode

COLUMNS = "key, division, valid_from, valid_to, value, unit, basis_zh, basis_en, entered_by, approved_by"
LOAD_PARAMETERS = f"""
insert into parameter as held ({COLUMNS})
select * from unnest($1::text[], $2::bigint[], $3::date[], $4::date[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::text[])
on conflict (key, division, valid_from) do update set valid_to = excluded.valid_to, value = excluded.value,
    unit = excluded.unit, basis_zh = excluded.basis_zh, basis_en = excluded.basis_en,
    entered_by = excluded.entered_by, approved_by = excluded.approved_by
 where held.entered_by = excluded.entered_by
   and (held.valid_to, held.value, held.unit, held.basis_zh, held.basis_en)
       is distinct from (excluded.valid_to, excluded.value, excluded.unit, excluded.basis_zh, excluded.basis_en)
"""


async def load_parameters(tx: Transaction, rows: Iterable[Parameter]) -> None:
    """Reference rows of a release; what an officer entered in their place is left alone."""
    columns = list(zip(*(_row(one) for one in rows), strict=True))
    await tx.driver.execute(LOAD_PARAMETERS, *[list(column) for column in columns])


def _row(one: Parameter) -> tuple[Any, ...]:
    return (
        one.key,
        None if one.division is None else one.division.value,
        one.valid_from,
        one.valid_to,
        one.value,
        one.unit,
        one.basis_zh,
        one.basis_en,
        one.entered_by,
        one.approved_by,
    )


def parameter_of(row: Mapping[str, Any]) -> Parameter:
    """From its row."""
    division = row["division"]
    columns = {name: row[name] for name in COLUMNS.split(", ") if name != "division"}
    return Parameter(division=None if division is None else DivisionCode(division), **columns)


async def all_parameters(tx: Transaction) -> Parameters:
    """Every row that the caller may read."""
    return Parameters([parameter_of(row) for row in await tx.driver.fetch(f"select {COLUMNS} from parameter")])


async def load_packs(tx: Transaction, packs: Iterable[Pack]) -> None:
    """Keep the text of each pack for ever under its hash."""
    await tx.driver.executemany(
        "insert into pack (hash, id, division, content) values ($1, $2, null, $3) on conflict (hash) do nothing",
        [(one.hash, one.id, json.dumps(one.kept, ensure_ascii=False)) for one in packs],
    )


async def load_pack_text(tx: Transaction, pack_hash: str) -> str | None:
    """The text of a pack that was once in force."""
    content: str | None = await tx.driver.fetchval("select content::text from pack where hash = $1", pack_hash)
    return content


def content_of(text: str) -> dict[str, Any]:
    """The content of a pack from its kept text."""
    content: dict[str, Any] = json.loads(text)
    return content


async def keep_numbers(tx: Transaction, used: Mapping[str, Mapping[str, Any]], division: DivisionCode | None) -> None:
    """Keep the numbers of judgements under their hash: for everybody, or inside the division that a run is made for."""
    known = await tx.driver.fetch("select hash from numbers where hash = any($1::text[])", list(used))
    fresh = set(used) - {row["hash"] for row in known}
    place = None if division is None else division.value
    await tx.driver.executemany(
        "insert into numbers (hash, division, content) values ($1, $2, $3) on conflict (hash, division) do nothing",
        [(one, place, json.dumps(used[one], ensure_ascii=False)) for one in sorted(fresh)],
    )


async def load_numbers(tx: Transaction, numbers_hash: str) -> dict[str, Any] | None:
    """The numbers of a judgement, with their law, as they were."""
    content = await tx.driver.fetchval("select content::text from numbers where hash = $1 limit 1", numbers_hash)
    loaded: dict[str, Any] | None = None if content is None else json.loads(content)
    return loaded


# --- proposals: a number enters by two persons -----------------------------------------------------------------------


PROPOSAL = "id, key, division, valid_from, valid_to, value, unit, basis_zh, basis_en, entered_by"


async def save_proposal(tx: Transaction, proposal: UUID, row: Parameter, at: Any) -> None:
    """What one officer proposes."""
    await tx.driver.execute(
        f"insert into parameter_proposal ({PROPOSAL}, entered_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        proposal,
        *_row(row)[:9],
        at,
    )


async def lock_proposal(tx: Transaction, proposal: UUID) -> Mapping[str, Any] | None:
    """A proposal, held until it is decided."""
    row: Mapping[str, Any] | None = await tx.driver.fetchrow(
        f"select {PROPOSAL}, approved_by from parameter_proposal where id = $1 for update", proposal
    )
    return row


async def approve_proposal(tx: Transaction, proposal: UUID, row: Parameter, at: Any) -> None:
    """A second officer agreed: the row is in force from its first day."""
    await tx.driver.execute(
        "update parameter_proposal set approved_by = $2, approved_at = $3 where id = $1", proposal, row.approved_by, at
    )
    await tx.driver.execute(f"insert into parameter ({COLUMNS}) values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)", *_row(row))


async def end_parameter(tx: Transaction, key: str, division: DivisionCode, last_day: date, first_day: date) -> None:
    """The row in force before a new one ends the day before it begins."""
    await tx.driver.execute(
        "update parameter set valid_to = $3 where key = $1 and division = $2 and valid_from < $4"
        " and (valid_to is null or valid_to > $3)",
        key,
        division.value,
        last_day,
        first_day,
    )
