"""Facts that assessment speaks: judgements, cases, publicities."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.fact import Division, Fact, Part, Topic, Version

Verdict = Literal["met", "unmet", "unknown", "not_applicable"]


class PackVerdict(Part):
    """一个规则包的结论: which pack, by content hash, said what, and which criteria failed or could not be known."""

    pack: str
    pack_hash: str
    verdict: str
    previous: Annotated[str | None, Field(description="the verdict of the judgement before this one")] = None
    failed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    score: int | None = None


class HouseholdJudged(Fact):
    """户研判: what the rules say of a household's circumstances; criteria by code, no circumstance in clear."""

    TOPIC: ClassVar[str] = "assessment.judgement.state.v1"
    TYPE: ClassVar[str] = "org.tuopin.assessment.household.judged.v1"

    household: UUID
    version: Version
    household_version: Version
    division: Division
    judged_on: date
    judgement: UUID
    packs: tuple[PackVerdict, ...]


CaseKind = Literal["exit"]


class CaseOpened(Fact):
    """立案: a procedure was opened for a household; its judgement is frozen with it."""

    TOPIC: ClassVar[str] = "assessment.case.events.v1"
    TYPE: ClassVar[str] = "org.tuopin.assessment.case.opened.v1"

    case: UUID
    kind: CaseKind
    household: UUID
    division: Division
    judgement: UUID
    opened_on: date


class CaseAdvanced(Fact):
    """推进: a case went from one state to the next."""

    TOPIC: ClassVar[str] = "assessment.case.events.v1"
    TYPE: ClassVar[str] = "org.tuopin.assessment.case.advanced.v1"

    case: UUID
    kind: CaseKind
    household: UUID
    division: Division
    step: str
    state: str
    on: date


class CaseReturned(Fact):
    """退回: a case went back for review; the reason is a code, its text stays in assessment."""

    TOPIC: ClassVar[str] = "assessment.case.events.v1"
    TYPE: ClassVar[str] = "org.tuopin.assessment.case.returned.v1"

    case: UUID
    kind: CaseKind
    household: UUID
    division: Division
    reason: str
    state: str
    on: date


class CaseDecided(Fact):
    """决定: a person decided. Registry turns it into a status interval, once per decision id."""

    TOPIC: ClassVar[str] = "assessment.case.events.v1"
    TYPE: ClassVar[str] = "org.tuopin.assessment.case.decided.v1"

    decision: UUID
    case: UUID
    kind: CaseKind
    household: UUID
    division: Division
    version_judged: Version
    outcome: Literal["exit_approved", "exit_refused"]
    effective_on: date
    document_number: str


class PublicityItem(Part):
    """公示名单的一行, frozen when the publicity opened; all that a public page may show of a household."""

    case: UUID
    masked_head: str
    group: str | None
    category: str
    headcount: int


class PublicityOpened(Fact):
    """公示开始: the list to be hung in a village, for so many days after it is posted."""

    TOPIC: ClassVar[str] = "assessment.publicity.events.v1"
    TYPE: ClassVar[str] = "org.tuopin.assessment.publicity.opened.v1"

    publicity: UUID
    kind: CaseKind
    village: Division
    days: Annotated[int, Field(ge=1, le=60)]
    opened_on: date
    objections_to: Annotated[str, Field(description="where objections are taken: office and telephone of duty")]
    items: tuple[PublicityItem, ...]


class PublicityEnded(Fact):
    """公示结束: the days have passed (or it was withdrawn); the gate for approval."""

    TOPIC: ClassVar[str] = "assessment.publicity.events.v1"
    TYPE: ClassVar[str] = "org.tuopin.assessment.publicity.ended.v1"

    publicity: UUID
    village: Division
    ended_on: date
    reason: Literal["days_passed", "withdrawn"]


FACTS: tuple[type[Fact], ...] = (
    HouseholdJudged,
    CaseOpened,
    CaseAdvanced,
    CaseReturned,
    CaseDecided,
    PublicityOpened,
    PublicityEnded,
)
TOPICS = (
    Topic(HouseholdJudged.TOPIC, "state", ("notify",)),
    Topic(CaseOpened.TOPIC, "events", ("registry", "notify")),
    Topic(PublicityOpened.TOPIC, "events", ("notify",)),
)
