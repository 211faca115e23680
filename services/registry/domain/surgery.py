"""户的变动: what life does to households: birth, death, another head, a split, a merger. Each answers the new nouns.

The day of an event is the first day of what it leaves behind. A verb acts on what has stood since before that day: who
reports late what later changes have overtaken is told so, and mends those first (ADR 0021).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal
from uuid import UUID

from services.registry.domain.household import Household, Membership, Person, StatusSpan
from services.registry.domain.refusals import HouseholdSuperseded
from services.registry.domain.statuses import ENDED_BY_DECISION
from shared.errors import Conflict, Invalid
from shared.events.registry import Relation
from shared.values import HouseholdNumber

Verb = Literal[
    "birth", "death", "change_head", "split", "split_off", "merge", "merged_in", "marry_in", "marry_out", "adopt_in",
    "adopt_out", "leave", "return", "move", "close", "reopen", "carried", "bind_id",
]  # fmt: skip
Relations = Mapping[UUID, Relation]
CARRIED = ("poor", "lifted", "monitored", "ordinary")
"""What a household is goes with both halves of it; what is paid to a household is granted anew."""


class HouseholdClosed(Conflict):
    """户已注销: nobody has belonged to it since that day."""

    code = "household.closed"
    zh = "户{number}已于{on}注销"
    en = "Household {number} was closed on {on}"
    hint_zh = "已注销的户不能再办理变动"
    hint_en = "Nothing can be done to a closed household"


class PersonNotMember(Invalid):
    """不是本户成员: the verb names somebody who does not belong to the household."""

    code = "surgery.not_member"
    zh = "所填人员不是户{number}的现有成员"
    en = "Somebody who is named is no member of household {number}"
    hint_zh = "请核对人标识"
    hint_en = "Check the ids of the persons"


class RelationsNeeded(Invalid):
    """须写明与户主关系: with another head everybody is related otherwise."""

    code = "surgery.relations"
    zh = "户{number}须恰有一名户主，并写明其余每名成员与新户主的关系；尚缺{missing}人"
    en = "Household {number} needs exactly one head and everybody else's relation to him; {missing} missing"
    hint_zh = "请在 head 填新户主，在 relations 逐一填写其余成员"
    hint_en = "Name the head in `head` and each other member in `relations`"


class TooEarly(Conflict):
    """早于现有记录: something that began on or after that day would be undone."""

    code = "surgery.too_early"
    zh = "户{number}中有成员关系自{since}起，不早于办理日期{on}"
    en = "A membership of household {number} began on {since}, not before {on}"
    hint_zh = "办理日期须晚于所涉成员关系的起始日；请核对日期"
    hint_en = "The day must lie after the memberships that it ends began; check the day"


class SplitEmpties(Invalid):
    """分户后无人: both halves of a split need people."""

    code = "surgery.empty_half"
    zh = "分户后户{number}将无成员"
    en = "After the split household {number} would have nobody"
    hint_zh = "整户搬迁请办理迁移"
    hint_en = "A household that moves as a whole is moved, not split"


class MergeWithItself(Conflict):
    """与自身并户."""

    code = "surgery.itself"
    zh = "户{number}不能与自身并户"
    en = "Household {number} cannot be merged with itself"
    hint_zh = "请填另一户"
    hint_en = "Name another household"


class MergeNeedsDecision(Conflict):
    """并户须先决定身份: a merger lifts nobody out of poverty (ADR 0016)."""

    code = "surgery.status"
    zh = "户{number}有户{into}没有的户类型，其终止须经决定"
    en = "Household {number} has a status that {into} has not; only a decision ends it"
    hint_zh = "请先在研判服务办结退出，再并户"
    hint_en = "Let the exit be decided in assessment first"


@dataclass(frozen=True, slots=True)
class Remaining:
    """留下的家庭成员: who is the head of what is left, and how everybody else is related to him."""

    head: UUID | None
    relations: Relations


def refuse_closed(household: Household) -> None:
    """Nothing is done to a household that was merged away or closed."""
    if household.superseded_by is not None:
        raise HouseholdSuperseded(number=household.number)
    if household.closed_on is not None:
        raise HouseholdClosed(number=household.number, on=household.closed_on.isoformat())


def refuse_strangers(household: Household, named: Collection[UUID]) -> None:
    if not set(named) <= {one.person.id for one in household.members}:
        raise PersonNotMember(number=household.number)


def end_membership(household: Household, one: Membership, on: date) -> Membership:
    if one.since >= on:
        raise TooEarly(number=household.number, since=one.since.isoformat(), on=on.isoformat())
    return replace(one, until=on)


def relate(household: Household, one: Membership, relation: Relation, on: date) -> tuple[Membership, ...]:
    """The same person otherwise related from that day on."""
    if one.relation == relation:
        return (one,)
    return (end_membership(household, one, on), Membership(one.person, relation, on))


def head_anew(
    household: Household, members: Iterable[Membership], remaining: Remaining, on: date
) -> tuple[Membership, ...]:
    """Those who stay under the head that is named; without another head nothing but what is said changes."""
    staying = tuple(members)
    keeps = any(one.relation == "head" and remaining.head in (None, one.person.id) for one in staying)
    missing = [] if keeps else [one for one in staying if one.person.id not in {remaining.head, *remaining.relations}]
    ids = {one.person.id for one in staying}
    heads = "head" in remaining.relations.values()
    if (
        missing
        or heads
        or not {*remaining.relations, *({remaining.head} - {None})} <= ids
        or not (keeps or remaining.head)
    ):
        raise RelationsNeeded(number=household.number, missing=len(missing))
    found: list[Membership] = []
    for one in staying:
        relation = "head" if one.person.id == remaining.head else remaining.relations.get(one.person.id, one.relation)
        found.extend(relate(household, one, relation, on))
    return tuple(found)


def next_state(household: Household, **more: object) -> Household:
    return replace(household, version=household.version + 1, **more)  # type: ignore[arg-type]


def close_down(
    household: Household, memberships: tuple[Membership, ...], on: date, into: UUID | None = None
) -> Household:
    """Nobody belongs to it any more: what it was ends on that day, by no decision."""
    ended = tuple(
        span if span.until is not None else replace(span, until=on)
        for span in household.statuses
        if span.until is not None or span.since < on
    )
    return next_state(household, memberships=memberships, statuses=ended, closed_on=on, superseded_by=into)


def birth(household: Household, child: Person, relation: Relation, on: date) -> Household:
    """A child belongs to the household from its first day."""
    refuse_closed(household)
    if relation == "head":
        raise RelationsNeeded(number=household.number, missing=0)
    return next_state(household, memberships=(*household.memberships, Membership(child, relation, on)))


def death(household: Household, person: UUID, remaining: Remaining, on: date) -> Household:
    """Who died belongs to it no more; who headed it is followed by somebody; with the last one it is closed."""
    refuse_closed(household)
    refuse_strangers(household, {person, *remaining.relations})
    past = tuple(one for one in household.memberships if not one.open)
    gone = next(one for one in household.members if one.person.id == person)
    ended = end_membership(household, replace(gone, person=replace(gone.person, died_on=on)), on)
    others = tuple(one for one in household.members if one.person.id != person)
    if not others:
        return close_down(household, (*past, ended), on)
    return next_state(household, memberships=(*past, ended, *head_anew(household, others, remaining, on)))


def change_head(household: Household, remaining: Remaining, on: date) -> Household:
    """Another head, and everybody's relation to him."""
    refuse_closed(household)
    if remaining.head is None or remaining.head == household.heads[0].person.id:
        raise RelationsNeeded(number=household.number, missing=len(household.members))
    past = tuple(one for one in household.memberships if not one.open)
    return next_state(household, memberships=(*past, *head_anew(household, household.members, remaining, on)))


def split(
    household: Household,
    new: tuple[UUID, HouseholdNumber],
    leaving: Remaining,
    staying: Remaining,
    on: date,
) -> tuple[Household, Household]:
    """Some of its people are a household of their own from that day on: the old one, the new one.

    The new one is what the old one is; of its house, land and income nothing is known until somebody has looked.
    """
    refuse_closed(household)
    assert leaving.head is not None, "the form of a split names the head"
    named = {leaving.head, *leaving.relations}
    refuse_strangers(household, named)
    going = tuple(one for one in household.members if one.person.id in named)
    left = tuple(one for one in household.members if one.person.id not in named)
    if not left:
        raise SplitEmpties(number=household.number)
    past = tuple(one for one in household.memberships if not one.open)
    ended = tuple(end_membership(household, one, on) for one in going)
    old = next_state(household, memberships=(*past, *ended, *head_anew(household, left, staying, on)))
    opened = tuple(Membership(one.person, _relation_of(one, leaving), on) for one in going)
    if sum(one.relation == "head" for one in opened) != 1:
        raise RelationsNeeded(number=new[1], missing=0)
    spans = tuple(
        StatusSpan(span.kind, on) for span in household.statuses if span.until is None and span.kind in CARRIED
    )
    fresh = Household(new[0], new[1], household.division, 1, group=household.group, statuses=spans, memberships=opened)
    return old, fresh


def _relation_of(one: Membership, said: Remaining) -> Relation:
    return "head" if one.person.id == said.head else said.relations[one.person.id]


def merge(gone: Household, into: Household, relations: Relations, on: date) -> tuple[Household, Household]:
    """All of one household belong to another from that day on: the one that is closed, the one that stays.

    What was paid to the one that is closed stays with it; what it is must be what the other is.
    """
    if gone.id == into.id:
        raise MergeWithItself(number=gone.number)
    refuse_closed(gone)
    refuse_closed(into)
    people = {one.person.id for one in gone.members}
    refuse_strangers(gone, relations)
    if people != set(relations) or "head" in relations.values():
        raise RelationsNeeded(number=into.number, missing=len(people - set(relations)))
    held = {span.kind for span in into.statuses if span.until is None}
    if any(span.until is None and span.kind in ENDED_BY_DECISION and span.kind not in held for span in gone.statuses):
        raise MergeNeedsDecision(number=gone.number, into=into.number)
    past = tuple(one for one in gone.memberships if not one.open)
    closed = close_down(gone, (*past, *(end_membership(gone, one, on) for one in gone.members)), on, into.id)
    joined = tuple(Membership(one.person, relations[one.person.id], on) for one in gone.members)
    return closed, next_state(into, memberships=(*into.memberships, *joined))
