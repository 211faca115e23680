"""往来 over HTTP: marriage, adoption, leaving home and returning, a move, closing and reopening; all with previews."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from services.registry.actions import comings as actions
from services.registry.actions.comings import Coming, Leaving, Way
from services.registry.actions.surgery import Order
from services.registry.api.bodies import IdText, MemberBody, Text, coded
from services.registry.api.households import WRITERS
from services.registry.api.surgery import SURGERY_PROBLEMS, Doing, Relations, SurgeryBody, SurgeryOut, Verb
from services.registry.domain.codes import CLOSING, LEAVING
from services.registry.domain.comings import (
    AlreadySo,
    LastMember,
    NobodyLeft,
    NotClosed,
    NumberBound,
    NumberHeld,
    NumberPlaceholder,
    SamePlace,
    SeenSince,
    SpouseWrong,
)
from services.registry.domain.refusals import DivisionUnknown, MemberNameless, PersonDead, PersonHidden, PersonRepeated
from services.registry.domain.surgery import Remaining
from shared.values import ValueWrong
from shared.web import Body, DivisionField, Router

router = Router("户的变动")
LeavingReason = Annotated[str, *coded(LEAVING)]
ClosingReason = Annotated[str, *coded(CLOSING)]
COMING_PROBLEMS = (*SURGERY_PROBLEMS, LastMember, MemberNameless, PersonHidden, PersonDead, PersonRepeated)


class RemainingBody(Body):
    """原户: which household he leaves in the same deed, and who follows him if he headed it."""

    household: UUID
    version: Annotated[int, Field(ge=1, lt=2**62, description="所见原户的版本")]
    head: UUID | None = Field(None, description="其为户主时，原户的新户主")
    relations: Relations = Field(default_factory=dict)

    def leaving(self) -> Leaving:
        """As the verb takes it."""
        return Leaving(self.household, self.version, Remaining(self.head, self.relations))


class AdoptInBody(SurgeryBody):
    """收养: `member` with the id of somebody on record, or a new person; `origin` when he leaves a household."""

    member: MemberBody
    origin: RemainingBody | None = Field(None, description="其现属的户；不属任何户或未登记过的不填")


class MarryInBody(AdoptInBody):
    """婚入: and whom he marries."""

    spouse: UUID = Field(description="配偶：本户现有成员")


class GoOutBody(SurgeryBody):
    """婚出、送养: who goes where the register does not reach; who follows if he was the head."""

    person: UUID
    head: UUID | None = Field(None, description="其为户主时的新户主")
    relations: Relations = Field(default_factory=dict)


class LeaveBody(SurgeryBody):
    """离家: who is away from that day on, and why."""

    person: UUID
    reason: LeavingReason


class ReturnBody(SurgeryBody):
    """返家."""

    person: UUID


class BindBody(SurgeryBody):
    """证件号码登记: whose number, eighteen characters or fifteen digits of the old kind."""

    person: UUID
    id_number: IdText


class MoveBody(SurgeryBody):
    """整户迁移: into which village."""

    division: DivisionField
    group: Text | None = None


class CloseBody(SurgeryBody):
    """注销: why."""

    reason: ClosingReason


class ReopenBody(SurgeryBody):
    """恢复: on the day of the closing it never was closed; a new head where the old one has died or left since."""

    head: UUID | None = None
    relations: Relations = Field(default_factory=dict)


async def _come_in(doing: Doing, body: AdoptInBody, way: Way, spouse: UUID | None = None) -> SurgeryOut:
    order = doing.order(body)
    coming = Coming(way, body.member.id, body.member.person, body.member.relation, spouse)
    leaving = None if body.origin is None else body.origin.leaving()
    return doing.answer(order, await actions.come_in(doing.tx, order, coming, leaving))


@router.post("/households/{household_id}/marry-in", roles=WRITERS, problems=(*COMING_PROBLEMS, SpouseWrong))
async def marry_in(body: MarryInBody, doing: Verb) -> SurgeryOut:
    """婚入：从另一户迁入，或从册外迁入；可预览."""
    return await _come_in(doing, body, "marry", body.spouse)


@router.post("/households/{household_id}/adopt-in", roles=WRITERS, problems=COMING_PROBLEMS)
async def adopt_in(body: AdoptInBody, doing: Verb) -> SurgeryOut:
    """收养：从另一户迁入，或从册外迁入；可预览."""
    return await _come_in(doing, body, "adopt")


async def _go_out(doing: Doing, body: GoOutBody, way: Way) -> SurgeryOut:
    order: Order = doing.order(body)
    outcome = await actions.go_out(doing.tx, order, way, body.person, Remaining(body.head, body.relations))
    return doing.answer(order, outcome)


@router.post("/households/{household_id}/marry-out", roles=WRITERS, problems=(*SURGERY_PROBLEMS, LastMember))
async def marry_out(body: GoOutBody, doing: Verb) -> SurgeryOut:
    """婚出：迁往册外；迁入册内另一户的，在那一户办理婚入；可预览."""
    return await _go_out(doing, body, "marry")


@router.post("/households/{household_id}/adopt-out", roles=WRITERS, problems=(*SURGERY_PROBLEMS, LastMember))
async def adopt_out(body: GoOutBody, doing: Verb) -> SurgeryOut:
    """送养：迁往册外；可预览."""
    return await _go_out(doing, body, "adopt")


@router.post("/households/{household_id}/leave", roles=WRITERS, problems=(*SURGERY_PROBLEMS, AlreadySo, SeenSince))
async def leave_home(body: LeaveBody, doing: Verb) -> SurgeryOut:
    """离家（不在户）：仍是成员；可预览."""
    order = doing.order(body)
    return doing.answer(order, await actions.leave(doing.tx, order, body.person, body.reason))


@router.post("/households/{household_id}/return", roles=WRITERS, problems=(*SURGERY_PROBLEMS, AlreadySo, SeenSince))
async def return_home(body: ReturnBody, doing: Verb) -> SurgeryOut:
    """返家（在户）；可预览."""
    order = doing.order(body)
    return doing.answer(order, await actions.come_back(doing.tx, order, body.person))


@router.post(
    "/households/{household_id}/bind-id",
    roles=WRITERS,
    problems=(*SURGERY_PROBLEMS, NumberBound, NumberHeld, NumberPlaceholder, PersonHidden, ValueWrong),
)
async def bind_id(body: BindBody, doing: Verb) -> SurgeryOut:
    """为无证件号码、号码待核或号码无效的成员登记其证件号码；15位号码升为18位；人不变；可预览."""
    order = doing.order(body)
    return doing.answer(order, await actions.bind_id(doing.tx, order, body.person, body.id_number))


@router.post(
    "/households/{household_id}/move",
    roles=WRITERS,
    problems=(*SURGERY_PROBLEMS, DivisionUnknown, SamePlace, SeenSince),
)
async def move_household(body: MoveBody, doing: Verb) -> SurgeryOut:
    """整户迁往另一村；户编号不变；可预览."""
    order = doing.order(body)
    return doing.answer(order, await actions.move(doing.tx, order, body.division, body.group))


@router.post("/households/{household_id}/close", roles=WRITERS, problems=SURGERY_PROBLEMS)
async def close_household(body: CloseBody, doing: Verb) -> SurgeryOut:
    """注销一户：成员不再属于任何户；可预览."""
    order = doing.order(body)
    return doing.answer(order, await actions.close(doing.tx, order, body.reason))


@router.post(
    "/households/{household_id}/reopen", roles=WRITERS, problems=(*SURGERY_PROBLEMS, NotClosed, NobodyLeft, SeenSince)
)
async def reopen_household(body: ReopenBody, doing: Verb) -> SurgeryOut:
    """恢复已注销的户；可预览."""
    order = doing.order(body)
    return doing.answer(order, await actions.reopen(doing.tx, order, Remaining(body.head, body.relations)))
