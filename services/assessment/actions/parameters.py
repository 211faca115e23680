"""A number enters by two persons: one proposes it with its legal basis, another approves it; then it is in force."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

from services.assessment.domain.numbers import refuse_beyond, refuse_looser
from services.assessment.procedures import PROCEDURES
from services.assessment.rules import packs
from services.assessment.store import reference
from shared.auth import Officer
from shared.clock import today
from shared.db import Transaction
from shared.errors import Conflict, Missing, ScopeRefused
from shared.parameters import Parameter, Parameters, Unit
from shared.values import DivisionCode, new_id


class ProposalMissing(Missing):
    """参数提案不存在."""

    code = "parameter.proposal_missing"
    zh = "未找到该参数提案"
    en = "There is no such proposal of a parameter"


class ProposalDecided(Conflict):
    """参数提案已审定."""

    code = "parameter.proposal_decided"
    zh = "该参数提案已由 {approved_by} 审定"
    en = "This proposal was already approved by {approved_by}"
    hint_zh = "如需更改，请另提新的参数"
    hint_en = "Propose a new row to change it"


class SamePerson(Conflict):
    """录入与审定须为两人."""

    code = "parameter.same_person"
    zh = "录入人不能审定自己提出的参数"
    en = "Whoever proposed a parameter may not approve it"
    hint_zh = "请由另一位有权限的人员审定"
    hint_en = "Have it approved by another officer with the right"


class ParameterPast(Conflict):
    """参数追溯: a row would change what was already in force."""

    code = "parameter.past"
    zh = "参数“{key}”自 {valid_from} 起的取值会改变已经生效的数字（已有 {standing} 起的记录）"
    en = "Parameter '{key}' from {valid_from} would change numbers already in force (a row begins on {standing})"
    hint_zh = "请把生效日期设在现有记录之后，且不早于明天"
    hint_en = "Let it begin after the row that stands, tomorrow at the earliest"


async def propose_parameter(
    tx: Transaction,
    officer: Officer,
    *,
    key: str,
    division: DivisionCode,
    valid_from: date,
    value: str,
    unit: Unit,
    basis_zh: str,
    basis_en: str,
    now: datetime,
) -> UUID:
    """Write down what one officer proposes for a division; it is not in force yet."""
    if not officer.scope.contains(division) or not officer.scope.contains(DivisionCode(division.hi - 1)):
        raise ScopeRefused(division=division.text)
    row = Parameter(key, division, valid_from, None, value, unit, basis_zh, basis_en, officer.sub, "")
    for pack in packs():
        refuse_beyond(pack, row)
    await _refuse_wrong(tx, row, today(now))
    proposal = new_id()
    await reference.save_proposal(tx, proposal, row, now)
    return proposal


async def approve_parameter(tx: Transaction, officer: Officer, proposal: UUID, now: datetime) -> Parameter:
    """A second officer agrees: the row in force before ends the day before the new one begins."""
    kept = await reference.lock_proposal(tx, proposal)
    if kept is None:
        raise ProposalMissing
    if kept["approved_by"] is not None:
        raise ProposalDecided(approved_by=kept["approved_by"])
    if kept["entered_by"] == officer.sub:
        raise SamePerson
    row = reference.parameter_of({**kept, "approved_by": officer.sub})
    await _refuse_wrong(tx, row, today(now))
    assert row.division is not None, "a proposal names its division"
    await reference.end_parameter(tx, row.key, row.division, row.valid_from - timedelta(days=1), row.valid_from)
    await reference.approve_proposal(tx, proposal, row, now)
    return row


async def _refuse_wrong(tx: Transaction, row: Parameter, on: date) -> None:
    """A place's rows follow one another, change nothing that is in force, and loosen no safeguard of a procedure."""
    assert row.division is not None, "a proposal names its division"
    table = await reference.all_parameters(tx)
    standing = [one.valid_from for one in table if (one.key, one.division) == (row.key, row.division)]
    if standing and row.valid_from <= max(standing):
        raise ParameterPast(key=row.key, valid_from=row.valid_from, standing=max(standing))
    holds = table.find(row.key, row.division, row.valid_from)
    if holds is not None and row.valid_from <= on:
        raise ParameterPast(key=row.key, valid_from=row.valid_from, standing=holds.valid_from)
    if row.key in {key for one in PROCEDURES.values() for key in one.numbers}:
        refuse_looser(row, _above(table, row, row.division))


def _above(table: Parameters, row: Parameter, division: DivisionCode) -> Parameter | None:
    """What would hold there if the place had no row of its own."""
    if division.parent is not None:
        return table.find(row.key, division.parent, row.valid_from)
    rows = (one for one in table if one.key == row.key and one.division is None)
    return next((one for one in rows if one.holds(row.valid_from)), None)


async def parameters_in_force(tx: Transaction, division: DivisionCode, on: date) -> list[Parameter]:
    """For each key the row that holds there on that day."""
    table = await reference.all_parameters(tx)
    found = [table.find(key, division, on) for key in sorted(table.keys)]
    return [row for row in found if row is not None]
