"""Rules over HTTP: the packs in force, and numbers by place and day, entered by two persons."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from services.assessment.actions import parameters as actions
from services.assessment.api.asked import READERS, Division
from services.assessment.api.judgements import ParameterOut, TextOut
from services.assessment.domain.numbers import NumberBeyondPack, NumberTooLoose
from services.assessment.rules import packs
from shared.clock import today
from shared.errors import ScopeRefused
from shared.parameters import ParameterWrong, Unit
from shared.web import Body, DivisionField, Now, Officer, Out, Role, Router, Tx

router = Router("规则")


class CriterionOut(Out):
    """标准."""

    code: str
    name: TextOut
    when: str
    laws: list[str]


class RulesOut(Out):
    """规则包: to whom it applies, what it asks, and its hash."""

    id: str
    hash: str
    title: TextOut
    about: TextOut
    verdicts: list[str]
    parameters: list[str]
    criteria: list[CriterionOut]


class RuleBookOut(Out):
    """现行规则包."""

    packs: list[RulesOut]


@router.get("/packs", roles=READERS)
async def list_packs() -> RuleBookOut:
    """现行规则包: each with its criteria as they are written."""
    return RuleBookOut(
        packs=[
            RulesOut(
                id=one.id,
                hash=one.hash,
                title=TextOut(zh=one.shape.title.zh, en=one.shape.title.en),
                about=TextOut(zh=one.shape.about.zh, en=one.shape.about.en),
                verdicts=list(one.verdicts),
                parameters=list(one.keys),
                criteria=[
                    CriterionOut(
                        code=part.code,
                        name=TextOut(zh=part.shape.name.zh, en=part.shape.name.en),
                        when=part.shape.when,
                        laws=list(part.shape.law),
                    )
                    for part in one.criteria
                ],
            )
            for one in packs()
        ]
    )


class ParametersOut(Out):
    """某地某日有效的参数."""

    on: date
    parameters: list[ParameterOut]


On = Annotated[date | None, Query(description="日期，不填为今天")]


@router.get("/parameters", roles=READERS)
async def list_parameters(tx: Tx, now: Now, division: Division, on: On = None) -> ParametersOut:
    """某地某日有效的参数: for each number the nearest division's row in force, with its law."""
    day = on or today(now)
    rows = await actions.parameters_in_force(tx, division, day)
    return ParametersOut(on=day, parameters=[ParameterOut.of(row) for row in rows])


class Proposal(Body):
    """参数提案: a number for a division from a day on, with the law it stands on."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{1,80}$")]
    division: DivisionField
    valid_from: date
    value: Annotated[str, Field(min_length=1, max_length=40)]
    unit: Unit
    basis_zh: Annotated[str, Field(min_length=2, max_length=400)]
    basis_en: Annotated[str, Field(min_length=2, max_length=400)]


class ProposalOut(Out):
    """参数提案编号."""

    id: UUID


@router.post(
    "/parameters",
    roles=(Role.REVIEWER,),
    status=201,
    problems=(ParameterWrong, NumberBeyondPack, NumberTooLoose, actions.ParameterPast, ScopeRefused),
)
async def propose_parameter(body: Proposal, tx: Tx, officer: Officer, now: Now) -> ProposalOut:
    """提出参数: the first of two persons; it is not in force yet."""
    proposal = await actions.propose_parameter(
        tx,
        officer,
        key=body.key,
        division=body.division,
        valid_from=body.valid_from,
        value=body.value,
        unit=body.unit,
        basis_zh=body.basis_zh,
        basis_en=body.basis_en,
        now=now,
    )
    return ProposalOut(id=proposal)


@router.post(
    "/parameters/{proposal_id}/approve",
    roles=(Role.APPROVER,),
    problems=(
        actions.ProposalMissing,
        actions.ProposalDecided,
        actions.SamePerson,
        actions.ParameterPast,
        NumberTooLoose,
    ),
)
async def approve_parameter(proposal_id: UUID, tx: Tx, officer: Officer, now: Now) -> ParameterOut:
    """审定参数: the second person; the row before it ends the day before."""
    return ParameterOut.of(await actions.approve_parameter(tx, officer, proposal_id, now))
