"""Statements for migrations: who may touch which row. Each function answers a list, run one by one by `op.execute`.

Every table has row-level security enabled **and forced** (the owner too: `security definer` functions run as owner).
Each setting is read inside a scalar subquery, so that it is read once and the index is used; `nullif`, because after
a `set local` it reads as an empty string later on that connection (ADR 0007).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

FULL_SCOPE = (
    "select set_config('tuopin.lo', '0', false), set_config('tuopin.hi', '1000000000000', false),"
    " set_config('tuopin.scope', '{[0,1000000000000)}', false)"
)
"""Run first in every migration: under forced policies the owner sees no row, and a data migration would silently do
nothing.
"""

LOGINS = ("api", "worker")


def setting(name: str, kind: str) -> str:
    return f"(select nullif(current_setting('tuopin.{name}', true), '')::{kind})"


def _name(identifier: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", identifier):
        raise ValueError(f"not a plain identifier: {identifier!r}")
    return identifier


def scope_check(column: str = "division") -> str:
    """The condition "this row's division lies in the caller's scope"."""
    code = _name(column)
    return (
        f"{code} >= {setting('lo', 'bigint')} and {code} < {setting('hi', 'bigint')}"
        f" and {code} <@ {setting('scope', 'int8multirange')}"
    )


def forced(table: str) -> list[str]:
    return [f"alter table {_name(table)} enable row level security", f"alter table {table} force row level security"]


def scoped(table: str, *, column: str = "division") -> list[str]:
    """A table that carries its division code: rows in scope alone are seen, changed and written."""
    return [*forced(table), f"create policy scope on {table} using ({scope_check(column)})"]


def scoped_through(table: str, parent: str, *, key: str, parent_key: str = "id") -> list[str]:
    """A child: reached where its parent is, by the parent's own policy."""
    found = f"exists (select 1 from {_name(parent)} above where above.{_name(parent_key)} = {table}.{_name(key)})"
    return [*forced(table), f"create policy scope on {table} using ({found})"]


def reference(table: str, *, column: str = "division") -> list[str]:
    """Reference rows (parameters, packs, division names): read where they apply to the scope or lie in it, written
    only inside it.

    A null code means the whole country: readable by every scope that is not empty, writable by the full scope alone.
    """
    code = _name(column)
    inside = scope_check(column)
    full = f"({code} is null and int8range(0, 1000000000000) <@ {setting('scope', 'int8multirange')})"
    width = (
        f"case when {code} % 10000000000 = 0 then 10000000000 when {code} % 100000000 = 0 then 100000000"
        f" when {code} % 1000000 = 0 then 1000000 when {code} % 1000 = 0 then 1000 else 1 end"
    )
    scope = setting("scope", "int8multirange")
    applies = (
        f"case when {code} is null then not isempty({scope}) else int8range({code}, {code} + {width}) && {scope} end"
    )
    written = f"(({inside}) or {full})"
    return [
        *forced(table),
        f"create policy scope_read on {table} for select using ({applies})",
        f"create policy scope_insert on {table} for insert with check {written}",
        f"create policy scope_update on {table} for update using {written} with check {written}",
        f"create policy scope_delete on {table} for delete using {written}",
    ]


def open_to_all(table: str, *, column: str = "division") -> list[str]:
    """Public by its nature (a notice already masked): read by everybody, even without a token; written in scope
    alone.
    """
    inside = scope_check(column)
    return [
        *forced(table),
        f"create policy open_read on {table} for select using (true)",
        f"create policy scope_insert on {table} for insert with check ({inside})",
        f"create policy scope_update on {table} for update using ({inside}) with check ({inside})",
        f"create policy scope_delete on {table} for delete using ({inside})",
    ]


def caller_only(table: str, service: str, *, column: str = "caller") -> list[str]:
    """Rows that belong to one caller whatever the scope: his own for the api login, all of them for the worker."""
    mine = f"{_name(column)} = {setting('caller', 'text')}"
    return [
        *forced(table),
        f"create policy caller on {table} to {_name(service)}_api using ({mine})",
        f"create policy worker on {table} to {service}_worker using (true)",
    ]


def worker_only(table: str, service: str, *, api_may_insert: bool = False) -> list[str]:
    """Rows of all scopes that no caller may read: the worker's own, at most filled by the api."""
    statements = [*forced(table), f"create policy worker on {table} to {_name(service)}_worker using (true)"]
    if api_may_insert:
        statements.append(f"create policy api_insert on {table} for insert to {service}_api with check (true)")
    return statements


def grant(table: str, service: str, *, api: str = "", worker: str = "") -> list[str]:
    """Privileges of the two logins that own nothing; an empty text grants nothing."""
    asked = zip(LOGINS, (api, worker), strict=True)
    return [f"grant {what} on {_name(table)} to {_name(service)}_{login}" for login, what in asked if what]


def definer_function(signature: str, returns: str, body: str, service: str, *, to: Sequence[str] = LOGINS) -> list[str]:
    """A function that looks across all scopes as the owner and so must answer little: yes or no, a count, a county.

    `signature` names its arguments ("household_known(number text)"), `body` is one select of one value. The full scope
    holds while it runs and the caller's own is back when it returns; an error takes the setting back by itself.
    """
    head = re.match(r"([a-z_][a-z0-9_]*)\((.*)\)$", signature, re.DOTALL)
    if head is None:
        raise ValueError(f"not a signature: {signature!r}")
    logins = ", ".join(f"{_name(service)}_{login}" for login in to)
    return [
        DEFINER.format(signature=signature, returns=returns, body=body),
        f"revoke all on function {head[1]} from public",
        f"grant execute on function {head[1]} to {logins}",
    ]


DEFINER = """create or replace function {signature} returns {returns} language plpgsql security definer
set search_path = public, pg_temp as $definer$
declare
    answer {returns};
    lo_before constant text := coalesce(current_setting('tuopin.lo', true), '');
    hi_before constant text := coalesce(current_setting('tuopin.hi', true), '');
    scope_before constant text := coalesce(current_setting('tuopin.scope', true), '');
begin
    perform set_config('tuopin.lo', '0', true), set_config('tuopin.hi', '1000000000000', true),
        set_config('tuopin.scope', '{{[0,1000000000000)}}', true);
    answer := ({body});
    perform set_config('tuopin.lo', lo_before, true), set_config('tuopin.hi', hi_before, true),
        set_config('tuopin.scope', scope_before, true);
    return answer;
end $definer$"""
