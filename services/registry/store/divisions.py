"""Divisions as remembered: the file that a migration loads, and what an operator changes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import sqlalchemy as sa

from services.registry.domain.division import Division, DivisionMissing, DivisionNameless
from services.registry.tables import division, division_history
from shared.db import Transaction
from shared.values import DivisionCode

COLUMNS = tuple(column.name for column in division.columns)
NAMED = ", ".join(COLUMNS)


@dataclass(frozen=True, slots=True)
class DivisionRow:
    """One line of the file of divisions."""

    code: int
    name: str
    level: str
    parent: int | None


def read_divisions(file: Path) -> list[DivisionRow]:
    """The file's lines, parents first (its own order).

    Three cities without counties (东莞, 中山, 儋州) stand twice, as their own county: one code is one division.
    """
    with file.open(encoding="utf-8", newline="") as lines:
        return [
            DivisionRow(
                int(line["code"]),
                line["name"],
                line["level"],
                int(line["parent_code"]) if line["parent_code"] else None,
            )
            for line in csv.DictReader(lines)
            if line["code"] != line["parent_code"]
        ]


LOAD = """insert into division (code, name, level, parent, valid_from, version, known_from, recorded_by)
select code, name, level, parent, $5, 1, $6, 'migration'
from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) as rows(code, name, level, parent)
where not exists (select 1 from division d where d.code = rows.code)
returning code"""


async def load_divisions(tx: Transaction, rows: Sequence[DivisionRow], valid_from: date, now: datetime) -> list[int]:
    """Codes that are not on record yet; what an operator changed meanwhile stays. Answers what is new."""
    columns = [list(column) for column in zip(*((r.code, r.name, r.level, r.parent) for r in rows), strict=True)]
    new = await tx.driver.fetch(LOAD, *columns, valid_from, now)
    return sorted(row["code"] for row in new)


async def divisions_of(tx: Transaction, codes: Sequence[int]) -> list[Division]:
    """Those of these that the caller may see, by code."""
    rows = await tx.core.execute(sa.select(division).where(division.c.code.in_(codes)).order_by(division.c.code))
    return [Division.of(row) for row in rows.mappings()]


async def load_division(tx: Transaction, code: DivisionCode) -> Division:
    """One division that lies in the scope or above it."""
    row = (await tx.core.execute(sa.select(division).where(division.c.code == code.value))).mappings().first()
    if row is None:
        raise DivisionMissing
    return Division.of(row)


async def find_division(tx: Transaction, code: DivisionCode) -> Division | None:
    """The same, if there is one."""
    row = (await tx.core.execute(sa.select(division).where(division.c.code == code.value))).mappings().first()
    return None if row is None else Division.of(row)


async def insert_division(tx: Transaction, made: Division, by: str, now: datetime) -> None:
    """A division that was not on record; its parent must be."""
    if made.parent is None or await find_division(tx, made.parent) is None:
        raise DivisionNameless(division=made.code)
    await tx.core.execute(
        division.insert().values(
            code=made.code.value,
            name=made.name,
            level=made.level.value,
            parent=made.parent.value,
            valid_from=made.valid_from,
            version=made.version,
            known_from=now,
            recorded_by=by,
        )
    )


async def lock_division(tx: Transaction, code: DivisionCode) -> Division:
    """The same, held until the commit. One above the scope can be seen but not locked: it is refused when saved."""
    query = sa.select(division).where(division.c.code == code.value).with_for_update()
    row = (await tx.core.execute(query)).mappings().first()
    return await load_division(tx, code) if row is None else Division.of(row)


async def save_division(tx: Transaction, changed: Division, by: str, now: datetime) -> int:
    """The new state, its old image kept; answers how many rows were the caller's to change."""
    await tx.core.execute(
        division_history.insert().from_select(
            list(division_history.c.keys()),
            sa.select(*division.c, sa.literal(now, division_history.c.known_to.type)).where(
                division.c.code == changed.code.value
            ),
        )
    )
    done = await tx.core.execute(
        division.update()
        .where(division.c.code == changed.code.value)
        .values(
            name=changed.name,
            valid_from=changed.valid_from,
            valid_to=changed.valid_to,
            superseded_by=None if changed.superseded_by is None else changed.superseded_by.value,
            version=changed.version,
            known_from=now,
            recorded_by=by,
        )
    )
    return done.rowcount


async def raise_versions(tx: Transaction, epoch: int, after: int, limit: int) -> list[Division]:
    """The next divisions by code, each with a version above all that was ever said."""
    rows = await tx.driver.fetch(
        f"update division set version = greatest(version + 1, $1) where code = any(array("
        f"select code from division where code > $2 order by code limit $3)) returning {NAMED}",
        epoch,
        after,
        limit,
    )
    return sorted((Division.of(row) for row in rows), key=lambda one: one.code)
