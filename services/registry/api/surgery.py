"""户的变动 over HTTP: birth, death, another head, a split, a merger; `preview` shows what would change and changes
nothing.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import Field

from services.registry.actions import surgery as actions
from services.registry.actions.surgery import Order, Outcome
from services.registry.api.answers import ChangeOut, HouseholdOut
from services.registry.api.bodies import MemberBody
from services.registry.api.households import WRITERS, FutureRefused, writer_of
from services.registry.domain.refusals import (
    HouseholdMissing,
    HouseholdSuperseded,
    MemberNameless,
    NotExactlyOneHead,
    PersonElsewhere,
    PersonHidden,
    PersonRepeated,
)
from services.registry.domain.surgery import (
    HouseholdClosed,
    MergeNeedsDecision,
    MergeWithItself,
    PersonNotMember,
    RelationsNeeded,
    Remaining,
    SplitEmpties,
    TooEarly,
)
from shared.events.registry import Relation
from shared.values import new_id
from shared.web import Body, HouseholdNumberField, IfMatch, Now, Officer, Out, Router, Tx, set_etag

router = Router("户的变动")
SURGERY_PROBLEMS = (
    HouseholdMissing,
    HouseholdSuperseded,
    HouseholdClosed,
    NotExactlyOneHead,
    PersonElsewhere,
    PersonNotMember,
    RelationsNeeded,
    TooEarly,
    FutureRefused,
)
Relations = Annotated[
    dict[UUID, Relation], Field(max_length=100, description="其余每名成员与户主的关系：人标识 → 关系")
]


class SurgeryBody(Body):
    """办理: on which day it happened; a preview changes nothing."""

    on: date = Field(description="发生日期：自这一天起如此；可补办过去的日期")
    preview: bool = Field(False, description="只预览会有哪些变更，不登记")


class BirthBody(SurgeryBody):
    """出生: the child, and how it is related to the head."""

    child: MemberBody


class DeathBody(SurgeryBody):
    """死亡: who died; when the head died, who follows him."""

    person: UUID
    head: UUID | None = Field(None, description="户主死亡时的新户主")
    relations: Relations = Field(default_factory=dict)


class HeadBody(SurgeryBody):
    """变更户主."""

    head: UUID
    relations: Relations


class SplitBody(SurgeryBody):
    """分户: who leaves under which head; when the old head leaves, who follows him."""

    id: UUID | None = Field(None, description="新户标识；可由客户端生成")
    number: HouseholdNumberField
    head: UUID = Field(description="新户户主")
    relations: Relations = Field(default_factory=dict)
    staying_head: UUID | None = Field(None, description="原户主分出时，原户的新户主")
    staying_relations: Relations = Field(default_factory=dict)


class MergeBody(SurgeryBody):
    """并户: into which household, and how everybody is related to its head."""

    into: UUID
    into_version: Annotated[int, Field(ge=1, lt=2**62, description="所见并入户的版本")]
    relations: Relations


class TouchedOut(Out):
    """涉及的户: as it stands then, masked, and what became known of it."""

    household: HouseholdOut
    changes: list[ChangeOut]


class SurgeryOut(Out):
    """办理结果: `preview` tells whether it was only shown. The household of the address comes first."""

    preview: bool
    households: list[TouchedOut]


class Doing:
    """办理中: what every verb is given beside its body, and how each is answered."""

    def __init__(
        self,
        household_id: UUID,
        tx: Tx,
        officer: Officer,
        now: Now,
        match: IfMatch,
        request: Request,
        response: Response,
    ) -> None:
        self.household, self.tx, self.check = household_id, tx, match.check
        self._of, self._response = (request, officer, now), response

    def order(self, body: SurgeryBody) -> Order:
        """The household of the address, at the version that was seen."""
        return Order(self.household, body.on, self.check, writer_of(*self._of, body.on), body.preview)

    def answer(self, order: Order, outcome: Outcome) -> SurgeryOut:
        """The ETag is the version that stands now: a preview made no other."""
        if not order.is_preview:
            set_etag(self._response, outcome.records[0].household.version)
        return SurgeryOut(
            preview=order.is_preview,
            households=[
                TouchedOut(
                    household=HouseholdOut.of(one, masked=True),
                    changes=[ChangeOut.of(change) for change in outcome.changes[one.household.id]],
                )
                for one in outcome.records
            ],
        )


Verb = Annotated[Doing, Depends(Doing)]


@router.post(
    "/households/{household_id}/birth",
    roles=WRITERS,
    problems=(*SURGERY_PROBLEMS, MemberNameless, PersonHidden, PersonRepeated),
)
async def record_birth(body: BirthBody, doing: Verb) -> SurgeryOut:
    """登记出生；可预览."""
    order = doing.order(body)
    outcome = await actions.bear(doing.tx, order, body.child.person(None), body.child.relation)
    return doing.answer(order, outcome)


@router.post("/households/{household_id}/death", roles=WRITERS, problems=SURGERY_PROBLEMS)
async def record_death(body: DeathBody, doing: Verb) -> SurgeryOut:
    """登记死亡；户主死亡须指定新户主，最后一名成员死亡即注销该户；可预览."""
    order = doing.order(body)
    outcome = await actions.die(doing.tx, order, body.person, Remaining(body.head, body.relations))
    return doing.answer(order, outcome)


@router.post("/households/{household_id}/change-head", roles=WRITERS, problems=SURGERY_PROBLEMS)
async def change_head(body: HeadBody, doing: Verb) -> SurgeryOut:
    """变更户主；可预览."""
    order = doing.order(body)
    outcome = await actions.change_head(doing.tx, order, Remaining(body.head, body.relations))
    return doing.answer(order, outcome)


@router.post("/households/{household_id}/split", roles=WRITERS, problems=(*SURGERY_PROBLEMS, SplitEmpties))
async def split_household(body: SplitBody, doing: Verb) -> SurgeryOut:
    """分户；可预览."""
    order = doing.order(body)
    leaving = Remaining(body.head, body.relations)
    staying = Remaining(body.staying_head, body.staying_relations)
    outcome = await actions.split(doing.tx, order, (body.id or new_id(), body.number), leaving, staying)
    return doing.answer(order, outcome)


@router.post(
    "/households/{household_id}/merge",
    roles=WRITERS,
    problems=(*SURGERY_PROBLEMS, MergeWithItself, MergeNeedsDecision),
)
async def merge_household(body: MergeBody, doing: Verb) -> SurgeryOut:
    """并入另一户，本户注销；可预览."""
    order = doing.order(body)
    outcome = await actions.merge(doing.tx, order, body.into, body.into_version, body.relations)
    return doing.answer(order, outcome)
