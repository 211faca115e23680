"""Reference rows: units, charts and dated parameters, loaded from `migrations/data` as often as one likes."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.cooperative import tables
from services.cooperative.domain import AccountClass, Chart, ChartAccount, Guard, Side
from shared.db import Transaction
from shared.parameters import Parameter, Parameters, read_parameters
from shared.values import DivisionCode

DATA = Path(__file__).parents[1] / "migrations" / "data"


async def load_reference_rows(tx: Transaction) -> None:
    """Bring units, charts and parameters to what the files say; rows that people added stay."""
    await _upsert(
        tx, tables.unit, [{**row, "id": int(row["id"]), "scale": int(row["scale"])} for row in _rows("units")]
    )
    await _upsert(tx, tables.chart, [dict(row) for row in _rows("charts")])
    await _upsert(tx, tables.chart_account, [_account_row(row) for row in _rows("chart_accounts")])
    await _upsert(tx, tables.parameter, [_parameter_row(row) for row in read_parameters(DATA / "parameters.csv")])


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _account_row(row: dict[str, str]) -> dict[str, Any]:
    numbers = {name: int(row[name]) for name in ("normal", "guard")}
    return {**row, **numbers, **{name: row[name] == "true" for name in ("by_member", "optional")}}


def _parameter_row(row: Parameter) -> dict[str, Any]:
    return {
        "key": row.key,
        "division": None if row.division is None else row.division.value,
        "valid_from": row.valid_from,
        "valid_to": row.valid_to,
        "value": row.value,
        "unit": row.unit,
        "basis_zh": row.basis_zh,
        "basis_en": row.basis_en,
        "entered_by": row.entered_by,
        "approved_by": row.approved_by,
    }


async def _upsert(tx: Transaction, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Insert or bring up to date by the table's natural key."""
    unique = [c for c in table.constraints if isinstance(c, sa.UniqueConstraint) and c.name == f"{table.name}_once"]
    key = unique[0] if unique else table.primary_key
    named = {column.name for column in key.columns}
    fresh = pg.insert(table)
    changes = {name: fresh.excluded[name] for name in rows[0] if name not in named}
    await tx.core.execute(fresh.on_conflict_do_update(index_elements=list(key.columns), set_=changes), rows)


async def load_parameters(tx: Transaction) -> Parameters:
    """All dated parameters that apply to the caller's scope."""
    columns = [column for column in tables.parameter.c if column.name != "id"]
    rows = (await tx.core.execute(sa.select(*columns))).mappings()
    return Parameters(
        Parameter(**{**row, "division": None if row["division"] is None else DivisionCode(row["division"])})
        for row in rows
    )


async def load_charts(tx: Transaction) -> tuple[Chart, ...]:
    """All charts with their accounts."""
    accounts: dict[str, list[ChartAccount]] = {}
    lines = tables.chart_account
    for row in (await tx.core.execute(sa.select(lines).order_by(lines.c.chart, lines.c.code))).mappings():
        account = ChartAccount(
            code=row["code"],
            zh=row["zh"],
            en=row["en"],
            account_class=AccountClass(row["class"]),
            normal=Side.of(row["normal"]),
            guard=Guard.of(row["guard"]),
            by_member=row["by_member"],
            optional=row["optional"],
        )
        accounts.setdefault(row["chart"], []).append(account)
    charts = (await tx.core.execute(sa.select(tables.chart).order_by(tables.chart.c.code))).mappings()
    return tuple(
        Chart(row["code"], row["zh"], row["en"], row["basis"], tuple(accounts.get(row["code"], ()))) for row in charts
    )
