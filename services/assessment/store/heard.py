"""What was heard of others: divisions, what a list shows of households, every version of circumstances, subjects.

Set-wise throughout: a batch of five hundred facts is a handful of statements. The subject is the noun that is locked.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from services.assessment.domain.catalogue import Packed
from shared.db import Transaction
from shared.events.registry import CircumstancesRecorded, DivisionRecorded, HouseholdRecorded
from shared.values import DivisionCode

KEEP_DIVISIONS = """
insert into division as held (code, version, name, level, parent, valid_from, valid_to, superseded_by)
select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::date[], $7::date[],
                     $8::bigint[])
on conflict (code) do update set version = excluded.version, name = excluded.name, level = excluded.level,
    parent = excluded.parent, valid_from = excluded.valid_from, valid_to = excluded.valid_to,
    superseded_by = excluded.superseded_by
 where held.version < excluded.version
"""


async def keep_divisions(tx: Transaction, facts: Iterable[DivisionRecorded]) -> None:
    """区划, the highest version heard."""
    rows = [
        (
            int(one.code),
            one.version,
            one.name,
            one.level,
            None if one.parent is None else int(one.parent),
            one.valid_from,
            one.valid_to,
            None if one.superseded_by is None else int(one.superseded_by),
        )
        for one in facts
    ]
    await tx.driver.execute(KEEP_DIVISIONS, *_columns(rows, 8))


KEEP_HOUSEHOLDS = """
insert into household as held
    (id, version, number, division, "group", statuses, masked_head, headcount, superseded_by, decisions)
select id, version, number, division, "group", statuses, masked_head, headcount, superseded_by,
       array(select jsonb_array_elements_text(decisions)::uuid)
  from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::jsonb[], $7::text[], $8::int[],
              $9::uuid[], $10::jsonb[])
    as told(id, version, number, division, "group", statuses, masked_head, headcount, superseded_by, decisions)
on conflict (id) do update set version = excluded.version, number = excluded.number, division = excluded.division,
    "group" = excluded."group", statuses = excluded.statuses, masked_head = excluded.masked_head,
    headcount = excluded.headcount, superseded_by = excluded.superseded_by, decisions = excluded.decisions
 where held.version < excluded.version
"""


async def keep_households(tx: Transaction, facts: Iterable[HouseholdRecorded]) -> None:
    """户, as a public list shows it: the highest version heard."""
    rows = [
        (
            one.household,
            one.version,
            one.number,
            int(one.division),
            one.group,
            json.dumps([span.model_dump(mode="json") for span in one.statuses], ensure_ascii=False),
            one.masked_head,
            one.headcount,
            one.superseded_by,
            json.dumps([str(decision) for decision in one.decisions], ensure_ascii=False),
        )
        for one in facts
    ]
    await tx.driver.execute(KEEP_HOUSEHOLDS, *_columns(rows, 10))


async def drop_divisions(tx: Transaction, codes: Collection[int]) -> None:
    """Divisions that their speaker has no more, after it was restored from an older backup."""
    await tx.driver.execute("delete from division where code = any($1::bigint[])", list(codes))


async def division_codes(tx: Transaction) -> list[str]:
    """All divisions held."""
    return [str(row["code"]) for row in await tx.driver.fetch("select code from division")]


async def household_number(tx: Transaction, household: UUID) -> str | None:
    """户编号, once the household itself was heard of."""
    number: str | None = await tx.driver.fetchval("select number from household where id = $1", household)
    return number


async def household_ids(tx: Transaction) -> list[str]:
    """All households held for lists."""
    return [str(row["id"]) for row in await tx.driver.fetch("select id from household")]


async def subject_ids(tx: Transaction) -> list[str]:
    """All households whose circumstances are held."""
    return [str(row["household"]) for row in await tx.driver.fetch("select household from subject")]


async def drop_households(tx: Transaction, ids: Collection[UUID]) -> None:
    """Households that their speaker has no more; judgements of them stay, they are primary records."""
    await tx.driver.execute("delete from household where id = any($1::uuid[])", list(ids))


async def drop_subjects(tx: Transaction, ids: Collection[UUID]) -> None:
    """Circumstances that their speaker has no more: nothing is judged of them from now on."""
    await tx.driver.execute("delete from subject where household = any($1::uuid[])", list(ids))


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows → one array a column, as `unnest` takes them."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


# --- circumstances and subjects --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    """听到的情况: one version of a household's circumstances, and when it was said."""

    facts: CircumstancesRecorded
    said_at: datetime

    @property
    def division(self) -> DivisionCode:
        """Where the household belongs."""
        return DivisionCode.parse(self.facts.division)


KEEP_CIRCUMSTANCES = """
insert into circumstance (household, version, division, said_at, body)
select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::jsonb[])
on conflict (household, version) do nothing
"""


async def keep_circumstances(tx: Transaction, told: Sequence[Told]) -> None:
    """户情况, every version heard; the same version told again changes nothing."""
    rows = [
        (one.facts.household, one.facts.version, one.division.value, one.said_at, one.facts.model_dump_json())
        for one in told
    ]
    await tx.driver.execute(KEEP_CIRCUMSTANCES, *_columns(rows, 5))


async def load_circumstances(tx: Transaction, household: UUID, version: int) -> Told | None:
    """One version as it was told."""
    row = await tx.driver.fetchrow(
        "select body::text, said_at from circumstance where household = $1 and version = $2", household, version
    )
    return None if row is None else Told(CircumstancesRecorded.model_validate_json(row["body"]), row["said_at"])


async def lock_subjects(tx: Transaction, households: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """Lock in one order; answers (circumstance version, division) of those that are known."""
    rows = await tx.driver.fetch(
        "select household, circumstance_version, division from subject where household = any($1::uuid[])"
        " order by household for update",
        list(households),
    )
    return {row["household"]: (row["circumstance_version"], row["division"]) for row in rows}


SAVE_SUBJECTS = """
insert into subject as held (household, division, circumstance_version, layout, packed_household, packed_members,
    packed_income, packed_statuses, packed_declarations, version, verdicts)
select household, division, version, $9, packed_household, packed_members, packed_income, packed_statuses,
       packed_declarations,
       case when exists (select from judgement where judgement.household = told.household)
            then (extract(epoch from clock_timestamp()) * 1000)::bigint else 0 end, '{}'
  from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[])
    as told(household, division, version, packed_household, packed_members, packed_income, packed_statuses,
            packed_declarations)
on conflict (household) do update set division = excluded.division,
    circumstance_version = excluded.circumstance_version, layout = excluded.layout,
    packed_household = excluded.packed_household, packed_members = excluded.packed_members,
    packed_income = excluded.packed_income, packed_statuses = excluded.packed_statuses,
    packed_declarations = excluded.packed_declarations
 where held.circumstance_version <= excluded.circumstance_version
"""


async def save_subjects(tx: Transaction, layout: str, told: Sequence[tuple[Told, Packed]]) -> None:
    """The newest circumstances, packed for judging.

    A household that its speaker had taken back comes anew here, but its judgements have stayed and were told: its
    versions go on above all of them, as an epoch does (`shared.recovery.new_epoch`).
    """
    rows = [
        (
            one.facts.household,
            one.division.value,
            one.facts.version,
            packed.household,
            packed.members,
            packed.income,
            packed.statuses,
            packed.declarations,
        )
        for one, packed in told
    ]
    await tx.driver.execute(SAVE_SUBJECTS, *_columns(rows, 8), layout)


MOVED = ("circumstance", "judgement")


async def move_rows(tx: Transaction, moves: Sequence[tuple[UUID, int]]) -> None:
    """A household moved: all its rows follow it to its new division."""
    households, divisions = _columns(moves, 2)
    for table in MOVED:
        await tx.driver.execute(
            f"update {table} set division = moved.division"
            " from unnest($1::uuid[], $2::bigint[]) as moved(household, division)"
            f" where {table}.household = moved.household and {table}.division <> moved.division",
            households,
            divisions,
        )
    await tx.driver.execute(
        "update finding set division = judgement.division from judgement"
        " where finding.judgement = judgement.id and judgement.household = any($1::uuid[])"
        " and finding.division <> judgement.division",
        households,
    )


@dataclass(frozen=True, slots=True)
class Subject:
    """研判对象: a household with its newest circumstances, packed, and its latest judgement."""

    household: UUID
    division: DivisionCode
    circumstance_version: int
    packed: Packed
    version: int
    judgement: UUID | None
    digest: bytes | None
    verdicts: Mapping[str, str]
    """By pack, of the latest judgement."""


SUBJECT = """select household, division, circumstance_version, packed_household, packed_members, packed_income,
    packed_statuses, packed_declarations, version, judgement, digest, verdicts from subject"""


@lru_cache(maxsize=100_000)
def _division(code: int) -> DivisionCode:
    """Villages are few, households many."""
    return DivisionCode(code)


def _subject(row: Any) -> Subject:
    packed = Packed(
        row["packed_household"],
        row["packed_members"],
        row["packed_income"],
        row["packed_statuses"],
        row["packed_declarations"],
    )
    return Subject(
        row["household"],
        _division(row["division"]),
        row["circumstance_version"],
        packed,
        row["version"],
        row["judgement"],
        row["digest"],
        dict(told.split("=") for told in row["verdicts"]),
    )


async def load_subjects(tx: Transaction, households: Collection[UUID]) -> list[Subject]:
    """Those of these households that can be judged."""
    rows = await tx.driver.fetch(f"{SUBJECT} where household = any($1::uuid[]) order by household", list(households))
    return [_subject(row) for row in rows]


async def next_subjects(tx: Transaction, division: DivisionCode, after: UUID | None, limit: int) -> list[Subject]:
    """Lock the next households of a division in the order of their ids."""
    rows = await tx.driver.fetch(
        f"{SUBJECT} where division >= $1 and division < $2 and ($3::uuid is null or household > $3)"
        " order by household limit $4 for update",
        division.lo,
        division.hi,
        after,
        limit,
    )
    return [_subject(row) for row in rows]


async def count_subjects(tx: Transaction, division: DivisionCode) -> int:
    """How many households of a division there are to judge."""
    count: int = await tx.driver.fetchval(
        "select count(*) from subject where division >= $1 and division < $2", division.lo, division.hi
    )
    return count


async def stale_subjects(tx: Transaction, layout: str, households: Collection[UUID]) -> list[Told]:
    """Newest circumstances of those packed under another layout, to be packed anew."""
    rows = await tx.driver.fetch(
        "select circumstance.body::text, circumstance.said_at from subject join circumstance"
        " on circumstance.household = subject.household and circumstance.version = subject.circumstance_version"
        " where subject.layout <> $1 and subject.household = any($2::uuid[])",
        layout,
        list(households),
    )
    return [Told(CircumstancesRecorded.model_validate_json(row["body"]), row["said_at"]) for row in rows]
