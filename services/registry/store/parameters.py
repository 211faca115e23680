"""Dated parameters that registry owns: loaded with a migration, read whole (they are few)."""

from __future__ import annotations

from collections.abc import Iterable

from services.registry.tables import parameter
from shared.db import Transaction
from shared.parameters import Parameter, Parameters
from shared.values import DivisionCode

COLUMNS = (
    "key",
    "division",
    "valid_from",
    "valid_to",
    "value",
    "unit",
    "basis_zh",
    "basis_en",
    "entered_by",
    "approved_by",
)
LOAD = f"""insert into parameter ({", ".join(COLUMNS)}) values ({", ".join(f"${at}" for at in range(1, 11))})
on conflict (key, division, valid_from) do update set valid_to = excluded.valid_to, value = excluded.value,
  unit = excluded.unit, basis_zh = excluded.basis_zh, basis_en = excluded.basis_en, entered_by = excluded.entered_by,
  approved_by = excluded.approved_by"""


async def load_parameters(tx: Transaction, rows: Iterable[Parameter]) -> None:
    """The rows that the service is delivered with."""
    values = [tuple(_value(getattr(row, name)) for name in COLUMNS) for row in rows]
    await tx.driver.executemany(LOAD, values)


def _value(given: object) -> object:
    return given.value if isinstance(given, DivisionCode) else given


async def parameters(tx: Transaction) -> Parameters:
    """All that apply to the scope."""
    columns = [parameter.c[name].name for name in COLUMNS]
    rows = await tx.driver.fetch(f"select {', '.join(columns)} from parameter")
    return Parameters(
        Parameter(**{**row, "division": None if row["division"] is None else DivisionCode(row["division"])})
        for row in rows
    )
