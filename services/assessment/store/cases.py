"""How cases are remembered: the current row, and a trail that is only ever added to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.assessment.domain.cases import Case, CitedJudgement, Decision, StepTaken
from services.assessment.tables.cases import case_file, case_step
from shared.db import Transaction
from shared.parameters import Parameter
from shared.values import DivisionCode

CHUNK = 500


async def create_cases(tx: Transaction, cases: Sequence[Case]) -> None:
    """Keep new cases with the first line of their trail."""
    if cases:
        await tx.core.execute(sa.insert(case_file), [_row(case) for case in cases])
        await _add_steps(tx, cases, after={case.id: 0 for case in cases})


async def open_cases_of(
    tx: Transaction, kind: str, households: Iterable[UUID], open_states: Sequence[str]
) -> dict[UUID, UUID]:
    """The open case of each household that has one."""
    statement = sa.select(case_file.c.household, case_file.c.id).where(
        case_file.c.kind == kind, case_file.c.household.in_(list(households)), case_file.c.state.in_(open_states)
    )
    return {row.household: row.id for row in await tx.core.execute(statement)}


async def load_case(tx: Transaction, case_id: UUID) -> Case | None:
    """One case with its whole trail."""
    return next(iter(await _cases(tx, sa.select(case_file).where(case_file.c.id == case_id))), None)


async def lock_cases(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, Case]:
    """Cases by id, locked in a fixed order; what is out of scope is not there."""
    statement = sa.select(case_file).where(case_file.c.id.in_(list(ids))).order_by(case_file.c.id).with_for_update()
    return {case.id: case for case in await _cases(tx, statement)}


async def lock_cases_on(tx: Transaction, publicity: UUID) -> list[Case]:
    """Cases that hang on a list, locked in a fixed order."""
    statement = sa.select(case_file).where(case_file.c.publicity == publicity).order_by(case_file.c.id)
    return await _cases(tx, statement.with_for_update())


async def lock_cases_decided(tx: Transaction, decisions: Iterable[UUID], state: str) -> list[Case]:
    """Cases in that state whose decision is one of these, locked in a fixed order."""
    statement = sa.select(case_file).where(case_file.c.decision.in_(list(decisions)), case_file.c.state == state)
    return await _cases(tx, statement.order_by(case_file.c.id).with_for_update())


async def save_cases(tx: Transaction, before: Mapping[UUID, Case], after: Sequence[Case]) -> None:
    """Keep what changed of locked cases, and the steps that were added."""
    if not after:
        return
    columns = [name for name in _row(after[0]) if name != "id"]
    statement = (
        sa.update(case_file)
        .where(case_file.c.id == sa.bindparam("b_id"), case_file.c.version == sa.bindparam("b_version"))
        .values({name: sa.bindparam(f"b_new_{name}") for name in columns})
    )
    rows = [
        {"b_id": case.id, "b_version": before[case.id].version}
        | {f"b_new_{name}": value for name, value in _row(case).items() if name != "id"}
        for case in after
    ]
    await tx.core.execute(statement, rows)
    await _add_steps(tx, after, after={case.id: len(before[case.id].trail) for case in after})


async def decided_cases(tx: Transaction) -> AsyncIterator[list[Case]]:
    """All cases that were ever decided, in chunks: what is said again after a lost broker."""
    last = UUID(int=0)
    while True:
        statement = sa.select(case_file).where(case_file.c.id > last, case_file.c.decision.is_not(None))
        cases = await _cases(tx, statement.order_by(case_file.c.id).limit(CHUNK))
        if not cases:
            return
        yield cases
        last = cases[-1].id


async def _add_steps(tx: Transaction, cases: Iterable[Case], after: Mapping[UUID, int]) -> None:
    rows = [_step_row(case, taken) for case in cases for taken in case.trail[after[case.id] :]]
    if rows:
        await tx.core.execute(sa.insert(case_step), rows)


async def _cases(tx: Transaction, statement: sa.Select[Any]) -> list[Case]:
    rows = (await tx.core.execute(statement)).all()
    trails = await _trails(tx, [row.id for row in rows])
    return [_case(row, trails[row.id]) for row in rows]


async def _trails(tx: Transaction, ids: Sequence[UUID]) -> Mapping[UUID, tuple[StepTaken, ...]]:
    found: dict[UUID, list[StepTaken]] = defaultdict(list)
    if ids:
        statement = sa.select(case_step).where(case_step.c.case_id.in_(ids))
        for row in await tx.core.execute(statement.order_by(case_step.c.case_id, case_step.c.sequence)):
            found[row.case_id].append(_step(row))
    return {case_id: tuple(found[case_id]) for case_id in ids}


def _row(case: Case) -> dict[str, Any]:
    made = case.decision
    return {
        "id": case.id,
        "kind": case.kind,
        "household": case.household,
        "division": case.village.value,
        "judgement": case.judged.id,
        "judged_version": case.judged.household_version,
        "verdict": case.judged.verdict,
        "state": case.state,
        "round": case.round,
        "round_since": case.round_since,
        "opened_on": case.opened_on,
        "opened_by": case.opened_by,
        "publicity": case.publicity,
        "decision": made and made.id,
        "outcome": made and made.outcome,
        "effective_on": made and made.effective_on,
        "document_number": made and made.document_number,
        "decided_by": made and made.by,
        "decided_by_name": made and made.by_name,
        "decided_at": made and made.at,
        "version": case.version,
    }


def _case(row: sa.Row[Any], trail: tuple[StepTaken, ...]) -> Case:
    return Case(
        id=row.id,
        kind=row.kind,
        household=row.household,
        village=DivisionCode(row.division),
        judged=CitedJudgement(row.judgement, row.judged_version, row.verdict),
        state=row.state,
        opened_on=row.opened_on,
        opened_by=row.opened_by,
        round=row.round,
        round_since=row.round_since,
        version=row.version,
        trail=trail,
        publicity=row.publicity,
        decision=_decision(row),
    )


def _decision(row: sa.Row[Any]) -> Decision | None:
    if row.decision is None:
        return None
    return Decision(
        id=row.decision,
        outcome=row.outcome,
        effective_on=row.effective_on,
        document_number=row.document_number,
        by=row.decided_by,
        by_name=row.decided_by_name,
        at=row.decided_at,
    )


def _step_row(case: Case, taken: StepTaken) -> dict[str, Any]:
    return {
        "case_id": case.id,
        "sequence": taken.sequence,
        "round": taken.round,
        "step": taken.step,
        "state_before": taken.before,
        "state_after": taken.after,
        "taken_by": taken.by,
        "taken_by_name": taken.by_name,
        "taken_at": taken.at,
        "taken_on": taken.on,
        "evidence": {name: _written(value) for name, value in taken.evidence.items()},
        "numbers": [_number_row(number) for number in taken.numbers],
        "remark": taken.remark,
    }


def _step(row: sa.Row[Any]) -> StepTaken:
    return StepTaken(
        sequence=row.sequence,
        round=row.round,
        step=row.step,
        before=row.state_before,
        after=row.state_after,
        by=row.taken_by,
        by_name=row.taken_by_name,
        at=row.taken_at,
        on=row.taken_on,
        evidence={name: _read(value) for name, value in row.evidence.items()},
        numbers=tuple(_number(kept) for kept in row.numbers),
        remark=row.remark,
    )


def _written(value: str | int | date) -> dict[str, str] | str | int:
    """A date is kept as a marked value, so that a text which looks like one stays a text."""
    return {"date": value.isoformat()} if isinstance(value, date) else value


def _read(value: Any) -> str | int | date:
    read: str | int | date = date.fromisoformat(value["date"]) if isinstance(value, dict) else value
    return read


def _number_row(number: Parameter) -> dict[str, Any]:
    return {
        "key": number.key,
        "division": None if number.division is None else number.division.text,
        "valid_from": number.valid_from.isoformat(),
        "valid_to": None if number.valid_to is None else number.valid_to.isoformat(),
        "value": number.value,
        "unit": number.unit,
        "basis_zh": number.basis_zh,
        "basis_en": number.basis_en,
        "entered_by": number.entered_by,
        "approved_by": number.approved_by,
    }


def _number(kept: Mapping[str, Any]) -> Parameter:
    return Parameter(
        **dict(kept)
        | {
            "division": None if kept["division"] is None else DivisionCode.parse(kept["division"]),
            "valid_from": date.fromisoformat(kept["valid_from"]),
            "valid_to": None if kept["valid_to"] is None else date.fromisoformat(kept["valid_to"]),
        }
    )
