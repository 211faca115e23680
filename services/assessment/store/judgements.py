"""Judgements and their findings: only ever added; the subject points to the latest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.assessment.domain.judging import Finding, Judgement
from shared.db import Transaction
from shared.values import DivisionCode

ADD_JUDGEMENTS = """
insert into judgement (id, household, version, household_version, division, judged_on, judged_at, run)
select id, household, version, household_version, division, $6, $7, $8
  from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[])
    as made(id, household, version, household_version, division)
"""
# A statement for each pack and its numbers: what its findings share goes once, not as an array. Arrays of arrays must
# be rectangular in PostgreSQL: figures come as text and are cast one by one.
ADD_FINDINGS = """
insert into finding (judgement, pack, division, pack_hash, numbers_hash, verdict, previous, fail, unknown, score,
    figures)
select judgement, $9, division, $10, $11, verdict, previous, fail, unknown, score, figures::bigint[]
  from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::int[], $8::text[])
    as made(judgement, division, verdict, previous, fail, unknown, score, figures)
"""
POINT = """
update subject set version = made.version, judgement = made.judgement, digest = made.digest,
    verdicts = string_to_array(made.verdicts, ',')
  from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bytea[], $5::text[])
    as made(household, version, judgement, digest, verdicts)
 where subject.household = made.household
"""


async def save_judgements(
    tx: Transaction,
    made: Sequence[tuple[Judgement, Mapping[str, str], bytes]],
    at: datetime,
) -> None:
    """Add judgements of one day with the verdicts before them and their digests; each subject points to its newest."""
    if not made:
        return
    rows = [(one.id, one.household, one.version, one.household_version, one.division.value) for one, _, _ in made]
    (day,) = {one.judged_on for one, _, _ in made}
    await tx.driver.execute(ADD_JUDGEMENTS, *_columns(rows), day, at, made[0][0].run)
    found: dict[tuple[str, str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for one, previous, _ in made:
        for part in one.findings:
            found[part.pack, part.pack_hash, part.numbers_hash].append(_finding(one, part, previous))
    for shared, findings in found.items():
        await tx.driver.execute(ADD_FINDINGS, *_columns(findings), *shared)
    points = [
        (one.household, one.version, one.id, digest, ",".join(f"{part.pack}={part.verdict}" for part in one.findings))
        for one, _, digest in made
    ]
    await tx.driver.execute(POINT, *_columns(points))


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _finding(judgement: Judgement, one: Finding, previous: Mapping[str, str]) -> tuple[Any, ...]:
    return (
        judgement.id,
        judgement.division.value,
        one.verdict,
        previous.get(one.pack),
        one.fail,
        one.unknown,
        one.score,
        "{" + str(list(one.figures))[1:-1].replace("None", "null") + "}",
    )


JUDGEMENT = "select id, household, version, household_version, division, judged_on, run from judgement"


async def load_judgement(tx: Transaction, judgement: UUID) -> Judgement | None:
    """One judgement with its findings."""
    return await _with_findings(tx, await tx.driver.fetchrow(f"{JUDGEMENT} where id = $1", judgement))


async def latest_judgement(tx: Transaction, household: UUID) -> Judgement | None:
    """What stands of a household now."""
    row = await tx.driver.fetchrow(
        f"{JUDGEMENT} where id = (select judgement from subject where household = $1)", household
    )
    return await _with_findings(tx, row)


async def judgement_of_version(tx: Transaction, household: UUID, household_version: int) -> Judgement | None:
    """The last judgement made of one version of a household's circumstances."""
    row = await tx.driver.fetchrow(
        f"{JUDGEMENT} where household = $1 and household_version = $2 order by version desc limit 1",
        household,
        household_version,
    )
    return await _with_findings(tx, row)


async def judgement_before(tx: Transaction, household: UUID, version: int) -> Judgement | None:
    """The judgement before one."""
    row = await tx.driver.fetchrow(
        f"{JUDGEMENT} where household = $1 and version < $2 order by version desc limit 1", household, version
    )
    return await _with_findings(tx, row)


async def judgements_of(tx: Transaction, ids: Collection[UUID]) -> list[Judgement]:
    """Judgements with their findings, in the order of their households."""
    rows = await tx.driver.fetch(f"{JUDGEMENT} where id = any($1::uuid[]) order by household", list(ids))
    found = await _findings(tx, [row["id"] for row in rows])
    return [_judgement(row, found.get(row["id"], ())) for row in rows]


async def _with_findings(tx: Transaction, row: Any) -> Judgement | None:
    if row is None:
        return None
    found = await _findings(tx, [row["id"]])
    return _judgement(row, found.get(row["id"], ()))


async def _findings(tx: Transaction, judgements: Sequence[UUID]) -> dict[UUID, tuple[Finding, ...]]:
    rows = await tx.driver.fetch(
        "select judgement, pack, pack_hash, numbers_hash, verdict, fail, unknown, score, figures from finding"
        " where judgement = any($1::uuid[]) order by judgement, pack",
        list(judgements),
    )
    found: dict[UUID, tuple[Finding, ...]] = {}
    for row in rows:
        columns = {name: row[name] for name in ("pack", "pack_hash", "numbers_hash", "verdict", "fail", "unknown")}
        one = Finding(**columns, score=row["score"], figures=tuple(row["figures"]))
        found[row["judgement"]] = (*found.get(row["judgement"], ()), one)
    return found


def _judgement(row: Any, findings: tuple[Finding, ...]) -> Judgement:
    return Judgement(
        id=row["id"],
        household=row["household"],
        version=row["version"],
        household_version=row["household_version"],
        division=DivisionCode(row["division"]),
        judged_on=row["judged_on"],
        findings=findings,
        run=row["run"],
    )


RAISE = """
update subject set version = greatest(version + 1, $1)
 where household = any(array(
    select household from subject where judgement is not null and ($2::uuid is null or household > $2)
     order by household limit $3))
returning household, version, judgement
"""


async def raise_versions(tx: Transaction, above: int, after: UUID | None, limit: int) -> list[tuple[UUID, int, UUID]]:
    """Before everything is said again: versions above an epoch, so that every listener takes them as newer."""
    rows = await tx.driver.fetch(RAISE, above, after, limit)
    return sorted((row["household"], row["version"], row["judgement"]) for row in rows)


async def previous_verdicts(tx: Transaction, judgements: Collection[UUID]) -> dict[UUID, dict[str, str]]:
    """The verdicts that stood before, as each judgement kept them."""
    rows = await tx.driver.fetch(
        "select judgement, pack, previous from finding where judgement = any($1::uuid[]) and previous is not null",
        list(judgements),
    )
    found: dict[UUID, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["judgement"], {})[row["pack"]] = row["previous"]
    return found


# --- runs ------------------------------------------------------------------------------------------------------------


async def open_run(tx: Transaction, run: UUID, division: DivisionCode, judged_on: Any, by: str, at: datetime) -> None:
    """A run was asked for."""
    await tx.driver.execute(
        "insert into run (id, division, judged_on, asked_by, asked_at, judged, changed) values ($1,$2,$3,$4,$5,0,0)",
        run,
        division.value,
        judged_on,
        by,
        at,
    )


async def advance_run(tx: Transaction, run: UUID, judged: int, changed: int) -> None:
    """How far a run has come."""
    await tx.driver.execute(
        "update run set judged = judged + $2, changed = changed + $3 where id = $1", run, judged, changed
    )


async def end_run(tx: Transaction, run: UUID, outcome: str, at: datetime | None) -> None:
    """A run came to its end, whichever."""
    await tx.driver.execute("update run set outcome = $2, ended_at = $3 where id = $1", run, outcome, at)


async def latest_day(tx: Transaction, division: DivisionCode) -> date | None:
    """The latest day for which anything of a division was judged."""
    day: date | None = await tx.driver.fetchval(
        "select max(judged_on) from judgement where division >= $1 and division < $2", division.lo, division.hi
    )
    return day
