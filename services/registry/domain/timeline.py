"""沿革: what became known of a household and since when it was true, change by change, in words. Names nobody in full,
tells no amount and no sensitive value: those are read for a purpose, as of their day.

What is compared are beliefs: rows that were held up to a moment against those held from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.registry.domain.codes import CLOSING, LEAVING, RELATION, STATUS, CodeList
from services.registry.domain.fields import BY_NAME, Kind, Privacy

Words = tuple[str, str]
"""The same in Chinese and in English."""


@dataclass(frozen=True, slots=True)
class Source:
    """来源: by whom and through what something became known: a form, a row of a file, a decision, a payout."""

    by: str
    batch: UUID | None = None
    row: int | None = None
    document: str | None = None
    payout: str | None = None
    verb: str | None = None

    @property
    def words(self) -> Words:
        """In brackets behind the sentence."""
        if self.document is not None:
            return f"决定，文号{self.document}", f"decision {self.document}"
        if self.payout is not None:
            return f"兑付{self.payout}", f"payout {self.payout}"
        if self.verb is not None:
            zh, en = VERBS[self.verb]
            return f"办理{zh}，经手人{self.by}", f"{en}, recorded by {self.by}"
        if self.batch is not None:
            row = ("", "") if self.row is None else (f"第{self.row}行", f", row {self.row}")
            return f"导入{self.batch}{row[0]}，经手人{self.by}", f"file {self.batch}{row[1]}, recorded by {self.by}"
        if self.by in SERVICES:
            return SERVICES[self.by]
        return f"登记表，经手人{self.by}", f"form, recorded by {self.by}"


VERBS: dict[str, Words] = {
    "birth": ("出生登记", "birth"),
    "death": ("死亡登记", "death"),
    "change_head": ("变更户主", "change of head"),
    "split": ("分户", "split"),
    "split_off": ("分户", "split"),
    "merge": ("并户", "merger"),
    "merged_in": ("并户", "merger"),
    "marry_in": ("婚入登记", "marriage in"),
    "marry_out": ("婚出登记", "marriage out"),
    "adopt_in": ("收养登记", "adoption"),
    "adopt_out": ("送养登记", "adoption into another household"),
    "leave": ("离家登记", "leaving"),
    "return": ("返家登记", "return"),
    "move": ("整户迁移", "move"),
    "close": ("注销", "closing"),
    "reopen": ("恢复", "reopening"),
    "carried": ("区划调整", "change of divisions"),
    "bind_id": ("证件号码登记", "entry of an id number"),
}
SERVICES: dict[str, Words] = {
    "assessment": ("研判服务更正", "correction by assessment"),
    "cooperative": ("合作社服务更正", "correction by cooperative"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """变更: one thing that became known, since when it was true, and through what."""

    known_at: datetime
    true_since: date
    kind: str
    words: Words
    source: Source


@dataclass(frozen=True, slots=True)
class Held:
    """所知区间: one row of membership or status with the two moments between which it was believed.

    `key` is whom or which kind it is about, `what` the words for it, `says` what the row says of it.
    """

    key: str
    what: Words
    says: str
    since: date
    until: date | None
    known_from: datetime
    known_to: datetime | None
    opened: Source
    closed: Source
    ended: Source | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """影像: what was seen of the household or of one of its people on a day, and how that became known."""

    what: Words
    values: Mapping[str, Any]
    is_person: bool
    observed_on: date
    known_from: datetime
    source: Source


# Memberships and statuses: the belief before against the belief after


@dataclass(frozen=True, slots=True)
class Turn:
    """一次更正: what was believed of one person or status before a moment, and what from it on."""

    what: Words
    before: Sequence[Held]
    after: Sequence[Held]


def turns(rows: Iterable[Held]) -> Iterator[tuple[datetime, Turn]]:
    """Every moment at which a belief changed; a row that was closed at the moment of its opening was never believed."""
    opened: dict[tuple[datetime, str], list[Held]] = defaultdict(list)
    closed: dict[tuple[datetime, str], list[Held]] = defaultdict(list)
    for row in rows:
        if row.known_to is not None and row.known_to <= row.known_from:
            continue
        opened[row.known_from, row.key].append(row)
        if row.known_to is not None:
            closed[row.known_to, row.key].append(row)
    for place in sorted({*opened, *closed}):
        before, after = (sorted(of.get(place, ()), key=_since) for of in (closed, opened))
        yield place[0], Turn((after or before)[0].what, before, after)


def _since(row: Held) -> date:
    return row.since


def _span(row: Held) -> Words:
    if row.until is None:
        return f"{row.since}起", f"since {row.since}"
    return f"{row.since}至{row.until}", f"{row.since} to {row.until}"


Told = tuple[date, str, Words, Source]


def told_of_member(turn: Turn) -> Told:
    """Who joined, left, became what; what does not fit is told as a correction with both beliefs."""
    zh, en = turn.what
    match turn.before, turn.after:
        case [], [one]:
            return one.since, "joined", _of(turn, one, "加入本户", "joined the household"), one.opened
        case [was], []:
            words = _of(turn, was, "不曾属于本户（更正）", "was never of the household (corrected)")
            return was.since, "struck", words, was.closed
        case [was], [now] if (now.says, now.since) == (was.says, was.since) and now.until is not None:
            return now.until, "left", _of(turn, now, "离开本户", "left the household"), now.opened
        case [was], [*_, now] if now.until is None and now.says != was.says:
            return now.since, "relation", (_became(zh, was, now)[0], _became(en, was, now)[1]), now.opened
    return _corrected(turn, RELATION)


def _of(turn: Turn, row: Held, zh: str, en: str) -> Words:
    return (
        f"{turn.what[0]}（{RELATION.label(row.says)}）{zh}",
        f"{turn.what[1]} ({_plain(row.says)}) {en}",
    )


def _became(who: str, was: Held, now: Held) -> Words:
    if now.says == "head":
        return f"{who}成为户主（原为{RELATION.label(was.says)}）", f"{who} became head (was {_plain(was.says)})"
    return (
        f"{who}由{RELATION.label(was.says)}改为{RELATION.label(now.says)}",
        f"{who} is {_plain(now.says)} instead of {_plain(was.says)}",
    )


def told_of_status(turn: Turn) -> Told:
    """Which status began, ended, holds again, or began on another day."""
    zh, en = turn.what
    match turn.before, turn.after:
        case [], [one]:
            until = ("", "") if one.until is None else (f"，至{one.until}止", f", until {one.until}")
            return one.since, "status_began", (f"为{zh}{until[0]}", f"{en} household{until[1]}"), one.opened
        case [was], []:
            words = f"不曾为{zh}（更正）", f"was never {en} (corrected)"
            return was.since, "status_struck", words, was.closed
        case [was], [now] if now.since == was.since and was.until is None and now.until is not None:
            return now.until, "status_ended", (f"不再为{zh}", f"no longer {en}"), now.ended or now.opened
        case [was], [now] if now.since == was.since and was.until is not None and now.until is None:
            words = f"仍为{zh}（原记{was.until}止）", f"still {en} (was held to end on {was.until})"
            return now.since, "status_again", words, now.opened
        case [was], [now] if was.until == now.until:
            words = f"为{zh}（原记{was.since}起）", f"{en} household (was held to begin on {was.since})"
            return now.since, "status_since", words, now.opened
    return _corrected(turn, STATUS)


def _corrected(turn: Turn, codes: CodeList) -> Told:
    (was_zh, was_en), (now_zh, now_en) = (_beliefs(rows, codes) for rows in (turn.before, turn.after))
    zh, en = turn.what
    words = f"{zh}更正：原记{was_zh}，现记{now_zh}", f"{en} corrected: was {was_en}; is {now_en}"
    source = turn.after[0].opened if turn.after else turn.before[0].closed
    return (turn.after or turn.before)[0].since, "corrected", words, source


def _beliefs(rows: Sequence[Held], codes: CodeList) -> Words:
    zh = "、".join(f"{_span(row)[0]}为{codes.label(row.says)}" for row in rows)
    en = ", ".join(f"{_plain(row.says)} {_span(row)[1]}" for row in rows)
    return zh or "无", en or "nothing"


def _plain(code: str) -> str:
    return code.replace("_", " ")


def changes_of(rows: Iterable[Held], told: Callable[[Turn], Told]) -> Iterator[Change]:
    """All changes of memberships or of statuses."""
    for moment, turn in turns(rows):
        since, kind, words, source = told(turn)
        yield Change(moment, since, kind, words, source)


# Observations: one image against the one before


QUIET = frozenset({"source_values", "masked_name", "division"})
"""Told by another field, or in words of their own."""


def changes_of_images(images: Sequence[Image], places: Mapping[int, str]) -> Iterator[Change]:
    """What each visit saw otherwise than the one before; the first of a household is its entry."""
    before: Image | None = None
    for image in images:
        for kind, words in _seen(before, image, places):
            yield Change(image.known_from, image.observed_on, kind, words, image.source)
        before = image


def _seen(before: Image | None, image: Image, places: Mapping[int, str]) -> Iterator[tuple[str, Words]]:
    if before is None:
        if image.is_person:
            return
        place = _place(image.values.get("division"), places)
        yield "entered", (f"登记入册，在{place}", f"entered the register, in {place}")
        return
    names = [name for name in image.values if image.values[name] != before.values[name]]
    if "division" in names:
        old, new = (_place(one.values["division"], places) for one in (before, image))
        yield "moved", (f"由{old}迁至{new}", f"moved from {old} to {new}")
    for name in names:
        if name not in QUIET:
            yield "seen", _field_words(image.what, name, before.values[name], image.values[name])


def _place(code: int | None, places: Mapping[int, str]) -> str:
    return "" if code is None else f"{places.get(code, '')}（{code}）"


def _field_words(what: Words, name: str, old: Any, new: Any) -> Words:
    """Values that a masked answer shows too: of others that they changed."""
    field = BY_NAME.get(name.removesuffix("_index"))
    if field is None:
        return f"{what[0]}{LABELS.get(name, name)}有变更", f"{what[1]}{_plain(name)} changed"
    label = _plain(field.name.removesuffix("_fen"))
    if field.privacy in UNSHOWN or field.kind is Kind.MONEY or name in UNTOLD:
        return f"{what[0]}{field.zh}有变更", f"{what[1]}{label} changed"
    said = [_value(field.codes, one) for one in (old, new)]
    return (
        f"{what[0]}{field.zh}由{said[0][0]}改为{said[1][0]}",
        f"{what[1]}{label}: {said[1][1]} instead of {said[0][1]}",
    )


LABELS = {"id_provisional": "证件核对情况"}
UNSHOWN = (Privacy.SENSITIVE, Privacy.IDENTIFYING)
UNTOLD = frozenset({"main_cause", "other_causes"})


def _value(codes: CodeList | None, value: Any) -> Words:
    if value is None:
        return "未填", "nothing"
    if codes is not None and isinstance(value, str):
        return codes.label(value), _plain(value)
    return str(value), str(value)


# Amounts and decisions


@dataclass(frozen=True, slots=True)
class Amount:
    """收入的一次所知: an amount that became known, or is held no more; how much is not told here."""

    year: tuple[date, date]
    day: date
    known_at: datetime
    source: Source
    payout: str | None = None
    reverses: str | None = None
    is_gone: bool = False


def changes_of_amounts(amounts: Iterable[Amount]) -> Iterator[Change]:
    """A declaration of a year is one change however many amounts it has; each payout is one."""
    declared: dict[tuple[datetime, tuple[date, date]], Amount] = {}
    for one in amounts:
        if one.payout is None:
            declared.setdefault((one.known_at, one.year), one)
            continue
        if one.is_gone:
            kind, words = "payout_withdrawn", ("兑付撤回，不再计入收入", "payout withdrawn, no longer income")
        elif one.reverses is not None:
            kind, words = "payout_reversed", (f"兑付{one.reverses}冲销", f"payout {one.reverses} reversed")
        else:
            kind, words = "payout", ("收到兑付，计入收入", "payout received, counted as income")
        yield Change(one.known_at, one.day, kind, words, one.source)
    for (known_at, (first, last)), one in declared.items():
        words = f"申报{first}至{last}年度收入", f"income of {first} to {last} declared"
        yield Change(known_at, one.day, "declared", words, one.source)


def refused_decision(known_at: datetime, effective_on: date, reason: str, source: Source) -> Change:
    """A decision that changed nothing, and why."""
    words = f"决定未能执行（{reason}）", f"decision without effect ({reason})"
    return Change(known_at, effective_on, "decision_refused", words, source)


OF_DEED: dict[str, Words] = {
    "birth": ("添丁", "a child was born"),
    "death": ("一名成员去世", "a member died"),
    "change_head": ("户主变更", "another head"),
    "split": ("分出户{other}", "household {other} split off"),
    "split_off": ("由户{other}分出", "split off from household {other}"),
    "merge": ("并入户{other}，本户注销", "merged into household {other} and closed"),
    "merged_in": ("户{other}并入本户", "household {other} merged into this one"),
    "marry_in": ("一人因结婚迁入{from_zh}", "somebody married in{from_en}"),
    "marry_out": ("一名成员因结婚迁出{to_zh}", "a member married out{to_en}"),
    "adopt_in": ("收养一人{from_zh}", "somebody was adopted{from_en}"),
    "adopt_out": ("一名成员由他人收养{to_zh}", "a member was adopted by others{to_en}"),
    "leave": ("一名成员离家（{reason_zh}），不在户", "a member left home ({reason_en})"),
    "return": ("一名成员返家，在户", "a member returned home"),
    "move": ("整户迁移", "the household moved"),
    "close": ("本户注销（{reason_zh}）", "the household was closed ({reason_en})"),
    "reopen": ("本户恢复", "the household stands again"),
    "bind_id": ("一名成员登记了证件号码", "an id number was entered for a member"),
    "carried": (
        "所在村（{other}）并入他村或改码，本户随之划转",
        "the village {other} was merged or recoded",
    ),
}
REASONS = {"leave": LEAVING, "close": CLOSING}


def deed_change(known_at: datetime, on: date, other: str | None, reason: str | None, source: Source) -> Change:
    """What was done, before its effects."""
    assert source.verb is not None, "a deed has its verb"
    said = {"other": other, "from_zh": "", "from_en": "", "to_zh": "", "to_en": ""}
    if other is not None:
        said |= {"from_zh": f"（原在户{other}）", "from_en": f" from household {other}"}
        said |= {"to_zh": f"（迁往户{other}）", "to_en": f" into household {other}"}
    if reason is not None:
        said |= {"reason_zh": REASONS[source.verb].label(reason), "reason_en": _plain(reason)}
    zh, en = (words.format(**said) for words in OF_DEED[source.verb])
    return Change(known_at, on, source.verb, (zh, en), source)


def closed_change(known_at: datetime, on: date, source: Source) -> Change:
    """Nobody is left."""
    return Change(known_at, on, "closed", ("本户注销", "the household was closed"), source)
