"""The declared procedures, for people and for those who build forms: states, steps, what each records."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from services.assessment.domain.machine import Entry, Procedure, Step
from services.assessment.procedures import PROCEDURES
from shared.errors import Missing
from shared.web import Out, Role, Router

router = Router("程序")
ROUTERS = (router,)
READERS = (Role.CLERK, Role.REVIEWER, Role.APPROVER, Role.AUDITOR)


class ProcedureMissing(Missing):
    """无此程序."""

    code = "procedure.missing"
    zh = "没有程序“{procedure}”"
    en = "There is no procedure '{procedure}'"


class StateOut(Out):
    """状态."""

    code: str
    zh: str
    en: str
    is_final: bool


class EntryOut(Out):
    """记载项."""

    name: str
    kind: str
    zh: str
    en: str
    is_required: bool
    longest: int | None

    @classmethod
    def of(cls, entry: Entry) -> EntryOut:
        """As it is declared; a length is for texts alone."""
        longest = entry.longest if entry.kind == "text" else None
        return cls(
            name=entry.name,
            kind=entry.kind.value,
            zh=entry.zh,
            en=entry.en,
            is_required=entry.is_required,
            longest=longest,
        )


class GuardOut(Out):
    """前提."""

    code: str
    zh: str
    en: str


class WayOut(Out):
    """去向. Without `to` the case stays where it is."""

    to: str | None
    is_conditional: bool
    returned: str | None
    decides: str | None


class StepOut(Out):
    """环节."""

    code: str
    zh: str
    en: str
    door: str
    froms: list[str]
    ways: list[WayOut]
    roles: list[str]
    level: str
    entries: list[EntryOut]
    numbers: list[str]
    guards: list[GuardOut]

    @classmethod
    def of(cls, step: Step) -> StepOut:
        """As it is declared."""
        return cls(
            code=step.code,
            zh=step.zh,
            en=step.en,
            door=step.door.value,
            froms=list(step.froms),
            ways=[
                WayOut(to=way.to, is_conditional=way.when is not None, returned=way.returned, decides=way.decides)
                for way in step.ways
            ],
            roles=list(step.roles),
            level=step.level.value,
            entries=[EntryOut.of(entry) for entry in step.entries],
            numbers=list(step.numbers),
            guards=[GuardOut(code=guard.code, zh=guard.zh, en=guard.en) for guard in step.guards],
        )


class ProcedureOut(Out):
    """程序."""

    name: str
    zh: str
    en: str
    basis: str
    start: str
    states: list[StateOut]
    steps: list[StepOut]

    @classmethod
    def of(cls, procedure: Procedure) -> ProcedureOut:
        """As it is declared."""
        return cls(
            name=procedure.name,
            zh=procedure.zh,
            en=procedure.en,
            basis=procedure.basis,
            start=procedure.start,
            states=[
                StateOut(code=state.code, zh=state.zh, en=state.en, is_final=state.is_final)
                for state in procedure.states
            ],
            steps=[StepOut.of(step) for step in procedure.steps],
        )


@router.get("/procedures", roles=READERS)
async def list_procedures() -> list[ProcedureOut]:
    """程序清单: every procedure as it is declared."""
    return [ProcedureOut.of(procedure) for procedure in PROCEDURES.values()]


@router.get("/procedures/{name}", roles=READERS, problems=(ProcedureMissing,))
async def read_procedure(name: Annotated[str, Path(pattern="^[a-z_]{1,40}$")]) -> ProcedureOut:
    """一个程序."""
    if name not in PROCEDURES:
        raise ProcedureMissing(procedure=name)
    return ProcedureOut.of(PROCEDURES[name])
