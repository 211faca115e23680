"""往来: people come and go (marriage, adoption, leaving home and returning), households move, close and stand again.

The day of an event is the first day of what it leaves behind, as in `surgery`. Nobody is lifted out of poverty by
leaving: with its last member a household is not emptied here, it is merged or closed (ADR 0024).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from uuid import UUID

from services.registry.domain.household import Household, Membership, Person, StatusSpan
from services.registry.domain.refusals import HouseholdSuperseded, PersonRepeated
from services.registry.domain.surgery import (
    CARRIED,
    RelationsNeeded,
    Remaining,
    close_down,
    end_membership,
    head_anew,
    next_state,
    refuse_closed,
    refuse_strangers,
)
from shared.errors import Conflict, Invalid
from shared.events.registry import Relation
from shared.values import CitizenId, DivisionCode, ValueWrong


class LastMember(Conflict):
    """仅剩一人: a household is not emptied by a marriage or an adoption."""

    code = "surgery.last_member"
    zh = "户{number}仅剩此人，其离开后户内无人"
    en = "Household {number} has nobody but this person"
    hint_zh = "随人并入另一户的请办理并户（merge），整户迁出或注销的请办理注销（close）"
    hint_en = "Merge it into the other household, or close it"


class SpouseWrong(Invalid):
    """配偶不符: whoever marries in marries a member; who marries the head is his spouse."""

    code = "surgery.spouse"
    zh = "配偶须为户{number}的现有成员；与户主结婚者，与户主关系须为配偶"
    en = "The spouse must be a member of household {number}; whoever marries the head is related as spouse"
    hint_zh = "请核对 spouse 与 relation"
    hint_en = "Check `spouse` and `relation`"


class AlreadySo(Conflict):
    """已是如此: who is away cannot leave, who is at home cannot return."""

    code = "surgery.already"
    zh = "户{number}中该成员的在户情况已是如此"
    en = "This member of household {number} is on record so already"
    hint_zh = "请核对该成员是否在户"
    hint_en = "Check whether the member is present"


class SeenSince(Conflict):
    """其后已有登记: somebody looked on a later day, and what he saw stands."""

    code = "surgery.seen_since"
    zh = "办理日期{on}早于其后的登记{known}"
    en = "Something of {known} is on record, which is after {on}"
    hint_zh = "以其后的登记为准；如有误，请以该日的登记表更正"
    hint_en = "What was seen later stands; correct it by a form of that day"


class SamePlace(Conflict):
    """未变更村: the household lies there already."""

    code = "surgery.same_place"
    zh = "户{number}已在该村"
    en = "Household {number} lies in that village already"
    hint_zh = "请核对迁入村的区划代码"
    hint_en = "Check the code of the village"


class NotClosed(Conflict):
    """户未注销: only a closed household is opened again."""

    code = "surgery.not_closed"
    zh = "户{number}未注销，无需恢复"
    en = "Household {number} is not closed"
    hint_zh = "请核对户编号"
    hint_en = "Check the number of the household"


class NobodyLeft(Conflict):
    """无人可恢复: all who belonged to it have died or live elsewhere."""

    code = "surgery.nobody"
    zh = "户{number}注销时的成员均已去世或另有所属，无人可恢复"
    en = "Everybody of household {number} has died since or lives elsewhere"
    hint_zh = "请登记为新的一户"
    hint_en = "Record a new household"


class NumberBound(Conflict):
    """号码已核实: a valid number that nobody else holds is not bound a second time."""

    code = "person.bound"
    zh = "户{number}中该成员已有有效的证件号码"
    en = "This member of household {number} has a valid id number already"
    hint_zh = "号码有误的，请以登记表更正"
    hint_en = "If it is wrong, correct it by a form"


class NumberPlaceholder(Invalid):
    """虚拟号码: a placeholder stands for nobody."""

    code = "person.placeholder"
    zh = "999999开头的号码不是公民身份号码"
    en = "A number that begins with 999999 is no citizen id"
    hint_zh = "请填写本人的公民身份号码；尚无号码的不必填写"
    hint_en = "Give the person's own number; without one give none"


class NumberHeld(Conflict):
    """号码为他人所用: somebody else on record holds it."""

    code = "person.number_held"
    zh = "该证件号码已登记在另一人名下"
    en = "Somebody else on record holds this id number"
    hint_zh = "确为同一人的，核对后按同一人处理；号码有疑的，请以登记表填报，将列为疑点I1"
    hint_en = "If both are one person, settle that first; a number in doubt is entered by a form and becomes doubt I1"


PLACEHOLDER = "999999"


def whole_number(text: str) -> CitizenId:
    """A citizen id as it is bound: of fifteen digits it is upgraded to eighteen, a placeholder is none."""
    if text.startswith(PLACEHOLDER):
        raise NumberPlaceholder
    return CitizenId.upgrade(text) if len(text) == OLD_LENGTH else CitizenId.parse(text)


OLD_LENGTH = 15


def _is_whole(person: Person) -> bool:
    if person.id_provisional or person.id_number is None or person.id_number.startswith(PLACEHOLDER):
        return False
    try:
        CitizenId.parse(person.id_number)
    except ValueWrong:
        return False
    return True


def bind_number(household: Household, person: UUID, number: CitizenId) -> Household:
    """The same person under his own number: whoever had none, a provisional, an old or a damaged one. What the number
    says of birth and sex fills what is unknown, and changes nothing that is known.
    """
    refuse_closed(household)
    refuse_strangers(household, {person})
    one = next(one for one in household.members if one.person.id == person)
    if _is_whole(one.person):
        raise NumberBound(number=household.number)
    bound = replace(
        one.person,
        id_number=number.text,
        id_provisional=False,
        id_kind="citizen_id",
        birth_on=one.person.birth_on or number.birth_on,
        sex=one.person.sex or number.sex.value,
    )
    changed = replace(one, person=bound)
    return next_state(household, memberships=tuple(changed if each is one else each for each in household.memberships))


def depart(household: Household, person: UUID, remaining: Remaining, on: date) -> Household:
    """Somebody belongs to it no more; who headed it is followed by somebody, and somebody stays."""
    refuse_closed(household)
    refuse_strangers(household, {person, *remaining.relations})
    others = tuple(one for one in household.members if one.person.id != person)
    if not others:
        raise LastMember(number=household.number)
    past = tuple(one for one in household.memberships if not one.open)
    gone = next(one for one in household.members if one.person.id == person)
    left = head_anew(household, others, remaining, on)
    return next_state(household, memberships=(*past, end_membership(household, gone, on), *left))


def arrive(household: Household, person: Person, relation: Relation, on: date, spouse: UUID | None = None) -> Household:
    """Somebody belongs to it from that day on; who married in married somebody who is there."""
    refuse_closed(household)
    if relation == "head":
        raise RelationsNeeded(number=household.number, missing=0)
    if person.id in {one.person.id for one in household.members}:
        raise PersonRepeated(number=household.number)
    if spouse is not None:
        wedded = next((one for one in household.members if one.person.id == spouse), None)
        if wedded is None or (wedded.relation == "head") != (relation == "spouse"):
            raise SpouseWrong(number=household.number)
    return next_state(household, memberships=(*household.memberships, Membership(person, relation, on)))


def _present(household: Household, person: UUID, seen: Mapping[UUID, date], on: date, *, present: bool) -> Household:
    refuse_closed(household)
    refuse_strangers(household, {person})
    one = next(one for one in household.members if one.person.id == person)
    if one.person.present is present:
        raise AlreadySo(number=household.number)
    known = max(one.since, seen.get(person, one.since))
    if on < known:
        raise SeenSince(on=on.isoformat(), known=known.isoformat())
    changed = replace(one, person=replace(one.person, present=present))
    return next_state(household, memberships=tuple(changed if each is one else each for each in household.memberships))


def leave(household: Household, person: UUID, seen: Mapping[UUID, date], on: date) -> Household:
    """不在户: away from that day on, and a member still: he is counted, and not among those who live there."""
    return _present(household, person, seen, on, present=False)


def come_back(household: Household, person: UUID, seen: Mapping[UUID, date], on: date) -> Household:
    """在户: he lives there again from that day on."""
    return _present(household, person, seen, on, present=True)


def move(household: Household, to: DivisionCode, group: str | None, seen: date, on: date) -> Household:
    """The household lies in another village from that day on, under its number: that is its own for ever."""
    refuse_closed(household)
    if to == household.division:
        raise SamePlace(number=household.number)
    if on < seen:
        raise SeenSince(on=on.isoformat(), known=seen.isoformat())
    return next_state(household, division=to, group=group)


def close(household: Household, on: date) -> Household:
    """注销: nobody belongs to it from that day on, and what it was ends by no decision."""
    refuse_closed(household)
    past = tuple(one for one in household.memberships if not one.open)
    ended = tuple(end_membership(household, one, on) for one in household.members)
    return close_down(household, (*past, *ended), on)


def reopen(household: Household, free: Collection[UUID], remaining: Remaining, on: date) -> Household:
    """恢复: whoever belonged to it until it was closed, lives, and belongs to nobody else (`free`), does so again.

    On the day of its closing it never was closed, and all that it was goes on; on a later day it stands again from
    then, as what it was, and what is granted to a household is granted anew.
    """
    closed_on = household.closed_on
    if household.superseded_by is not None:
        raise HouseholdSuperseded(number=household.number)
    if closed_on is None:
        raise NotClosed(number=household.number)
    if on < closed_on:
        raise SeenSince(on=on.isoformat(), known=closed_on.isoformat())
    back = [
        one for one in household.memberships
        if one.until == closed_on and one.person.died_on is None and one.person.id in free
    ]  # fmt: skip
    if not back:
        raise NobodyLeft(number=household.number)
    others = tuple(one for one in household.memberships if one not in back)
    opened = next_state(household, closed_on=None)
    if on == closed_on:
        restored = head_anew(household, (replace(one, until=None) for one in back), remaining, on)
        again = tuple(
            replace(span, until=None) if span.until == closed_on and span.closed_by is None else span
            for span in household.statuses
        )
        return replace(opened, memberships=(*others, *restored), statuses=again)
    return replace(
        opened,
        memberships=(*household.memberships, *_begun_again(household, back, remaining, on)),
        statuses=(*household.statuses, *_what_it_was(household, on)),
        gaps=(*household.gaps, (closed_on, on)),
    )


def _begun_again(
    household: Household, back: Collection[Membership], remaining: Remaining, on: date
) -> tuple[Membership, ...]:
    said: dict[UUID, Relation] = dict(remaining.relations)
    if remaining.head is not None:
        said[remaining.head] = "head"
    relations = {one.person.id: said.get(one.person.id, one.relation) for one in back}
    missing = 0 if remaining.head is None else len(relations.keys() - said.keys())
    if list(relations.values()).count("head") != 1 or missing or not said.keys() <= relations.keys():
        raise RelationsNeeded(number=household.number, missing=missing)
    return tuple(Membership(one.person, relations[one.person.id], on) for one in back)


def _what_it_was(household: Household, on: date) -> tuple[StatusSpan, ...]:
    return tuple(
        StatusSpan(span.kind, on)
        for span in household.statuses
        if span.until == household.closed_on and span.closed_by is None and span.kind in CARRIED
    )
