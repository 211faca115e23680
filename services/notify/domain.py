"""告示: a list that hangs in public for so many days, and what follows from its being hung and taken down.

What the village may read is fixed here: masked name, group, category, headcount, dates, where to object (domain facts
§7: publish name, village group, category, headcount and a contact; take the page down when the period ends).
Everything is frozen when it is hung, so that its hash is evidence of what hung.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.clock import SHANGHAI, today
from shared.errors import Conflict, Missing
from shared.events.notify import NoticePosted, NoticeTakenDown
from shared.events.registry import DivisionRecorded
from shared.values import DivisionCode, Period

LANGUAGES = ("zh", "en")
LONGEST = {"masked_head": 60, "group": 60, "objections_to": 200}
NUMBER_LIKE = re.compile(r"[0-9]{11,}")
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


class NoticeMissing(Missing):
    """无此公示: nothing hangs here, and nothing did."""

    code = "notice.missing"
    zh = "该村目前没有公示"
    en = "No notice hangs in this village"
    hint_zh = "请核对村名，或稍后再来查看"
    hint_en = "Check the village, or come back later"


class NoticeGone(Missing):
    """公示已撤下: its days are over, and nothing of it is shown any more."""

    status = 410
    code = "notice.gone"
    zh = "该村的公示已期满撤下"
    en = "The notice of this village has been taken down"
    hint_zh = "如有疑问，请向村委会或乡镇咨询"
    hint_en = "Ask the village committee or the township"


class NoticeNotPosted(Conflict):
    """未在张贴状态: only what hangs can be taken down."""

    code = "notice.not_posted"
    zh = "公示未在张贴，不能撤下"
    en = "The notice does not hang and cannot be taken down"
    hint_zh = "请刷新后查看公示状态"
    hint_en = "Reload and look at its state"


class NoticeState(StrEnum):
    """公示状态: the last two never hung."""

    CREATED = "created"
    POSTED = "posted"
    TAKEN_DOWN = "taken_down"
    CANCELLED = "cancelled"
    REFUSED = "refused"


STATES = {
    NoticeState.CREATED: ("待张贴", "to be posted"),
    NoticeState.POSTED: ("公示中", "hanging"),
    NoticeState.TAKEN_DOWN: ("已撤下", "taken down"),
    NoticeState.CANCELLED: ("未张贴即撤回", "withdrawn before it hung"),
    NoticeState.REFUSED: ("不予张贴", "not fit to be hung"),
}


class Unfit(StrEnum):
    """不予张贴的原因: whose fault it is stands in the word: what assessment sent may not be shown to a village."""

    NAME_NOT_MASKED = "name_not_masked"
    NUMBER_IN_TEXT = "number_in_text"
    HIDDEN_CHARACTER = "hidden_character"
    TOO_LONG = "too_long"
    CATEGORY_UNKNOWN = "category_unknown"


@dataclass(frozen=True, slots=True)
class NoticeItem:
    """公示一行: all that a village may read of a household."""

    masked_head: str
    group: str | None
    category: str
    headcount: int


@dataclass(frozen=True, slots=True)
class Notice:
    """告示: one list of one publicity, from the wish to hang it until it has come down."""

    id: UUID
    publicity: UUID
    kind: str
    village: DivisionCode
    days: int
    objections_to: str
    items: tuple[NoticeItem, ...]
    asked_on: date
    created_at: datetime
    state: NoticeState = NoticeState.CREATED
    unfit: Unfit | None = None
    text_version: str | None = None
    content_hash: str | None = None
    posted_at: datetime | None = None
    first_day: date | None = None
    last_day: date | None = None
    taken_down_at: datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Wording:
    """文字: the texts of a notice in one language, placeholders filled; the rows' categories by their label."""

    title: str
    explanation: str
    objections: str
    place: str
    categories: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Board:
    """公示栏的一张: what hangs, and nothing else. The only thing that a door without a token may read."""

    notice: UUID
    village: DivisionCode
    place: Mapping[str, str]
    wording: Mapping[str, Mapping[str, str]]
    posted_on: date
    first_day: date
    last_day: date
    objections_to: str
    rows: tuple[Mapping[str, str | int | None], ...]


def unfit_for_public(notice: Notice, categories: Mapping[str, str]) -> Unfit | None:
    """The last look before a village reads it: a name that is not masked, or a number that looks like an id or a phone
    in a household's row, is never hung, whoever sent it.
    """
    if unfit := _unfit_text(notice.objections_to, LONGEST["objections_to"]):
        return unfit
    for item in notice.items:
        if "*" not in item.masked_head:
            return Unfit.NAME_NOT_MASKED
        if item.category not in categories:
            return Unfit.CATEGORY_UNKNOWN
        for name, text in (("masked_head", item.masked_head), ("group", item.group or "")):
            if NUMBER_LIKE.search(unicodedata.normalize("NFKC", text)):
                return Unfit.NUMBER_IN_TEXT
            if unfit := _unfit_text(text, LONGEST[name]):
                return unfit
    return None


def _unfit_text(text: str, longest: int) -> Unfit | None:
    if len(text) > longest:
        return Unfit.TOO_LONG
    if any(unicodedata.category(char) in HIDDEN for char in text):
        return Unfit.HIDDEN_CHARACTER
    return None


def refuse(notice: Notice, unfit: Unfit) -> Notice:
    """不予张贴: it never hangs; the officer's list says why."""
    return replace(notice, state=NoticeState.REFUSED, unfit=unfit, version=notice.version + 1)


def days_of(notice: Notice, at: datetime) -> Period:
    """The days that count: from the day after it is hung."""
    return Period.after(today(at), notice.days)


def hang(
    notice: Notice, wording: Mapping[str, Wording], text_version: str, at: datetime
) -> tuple[Notice, Board, list[NoticePosted]]:
    """张贴: freeze what hangs, hash it, count the days from tomorrow, and say so."""
    span = days_of(notice, at)
    board = _board(notice, wording, at, span)
    content = content_hash(board)
    hung = replace(
        notice,
        state=NoticeState.POSTED,
        text_version=text_version,
        content_hash=content,
        posted_at=at,
        first_day=span.first,
        last_day=span.last,
        version=notice.version + 1,
    )
    return hung, board, [posted_fact(hung)]


def posted_fact(notice: Notice) -> NoticePosted:
    """张贴 as it is said, and said again under the same ids when republished."""
    assert notice.posted_at is not None, "only what hung was posted"
    assert notice.first_day is not None, "its days were counted when it was hung"
    assert notice.last_day is not None, "its days were counted when it was hung"
    assert notice.content_hash is not None, "it was hashed when it was hung"
    return NoticePosted(
        publicity=notice.publicity,
        notice=notice.id,
        village=notice.village.text,
        posted_at=notice.posted_at,
        first_day=notice.first_day,
        last_day=notice.last_day,
        content_hash=notice.content_hash,
    )


def taken_down_fact(notice: Notice) -> NoticeTakenDown:
    """撤下 as it is said."""
    assert notice.taken_down_at is not None, "only what was taken down has a moment of it"
    assert notice.content_hash is not None, "it was hashed when it was hung"
    return NoticeTakenDown(
        publicity=notice.publicity,
        notice=notice.id,
        village=notice.village.text,
        taken_down_at=notice.taken_down_at,
        content_hash=notice.content_hash,
    )


def _board(notice: Notice, wording: Mapping[str, Wording], at: datetime, span: Period) -> Board:
    return Board(
        notice=notice.id,
        village=notice.village,
        place={language: words.place for language, words in wording.items()},
        wording={
            language: {"title": words.title, "explanation": words.explanation, "objections": words.objections}
            for language, words in wording.items()
        },
        posted_on=today(at),
        first_day=span.first,
        last_day=span.last,
        objections_to=notice.objections_to,
        rows=tuple(_row(item, wording) for item in notice.items),
    )


def _row(item: NoticeItem, wording: Mapping[str, Wording]) -> dict[str, str | int | None]:
    labels = {f"category_{language}": words.categories[item.category] for language, words in wording.items()}
    return {"name": item.masked_head, "group": item.group, "headcount": item.headcount, **labels}


def board_json(board: Board) -> dict[str, Any]:
    """What hangs, as both the evidence and the public board keep it."""
    return {
        "village": board.village.text,
        "place": dict(board.place),
        "wording": {language: dict(words) for language, words in board.wording.items()},
        "posted_on": board.posted_on.isoformat(),
        "first_day": board.first_day.isoformat(),
        "last_day": board.last_day.isoformat(),
        "objections_to": board.objections_to,
        "rows": [dict(row) for row in board.rows],
    }


def board_of(notice_id: UUID, kept: Mapping[str, Any]) -> Board:
    """The board again, from what is kept of it."""
    return Board(
        notice=notice_id,
        village=DivisionCode.parse(kept["village"]),
        place=kept["place"],
        wording=kept["wording"],
        posted_on=date.fromisoformat(kept["posted_on"]),
        first_day=date.fromisoformat(kept["first_day"]),
        last_day=date.fromisoformat(kept["last_day"]),
        objections_to=kept["objections_to"],
        rows=tuple(kept["rows"]),
    )


def content_hash(board: Board) -> str:
    """SHA-256 of everything that hangs, in one canonical form: evidence of what the village could read."""
    canonical = json.dumps(board_json(board), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def comes_down_at(notice: Notice) -> datetime:
    """The moment at which its last day is over, where the village lies."""
    assert notice.last_day is not None, "only what hangs comes down"
    return datetime.combine(notice.last_day + timedelta(days=1), time(), SHANGHAI)


def take_down(notice: Notice, at: datetime) -> tuple[Notice, list[NoticeTakenDown]]:
    """撤下: nothing of it is shown from now on."""
    if notice.state is not NoticeState.POSTED:
        raise NoticeNotPosted()
    down = replace(notice, state=NoticeState.TAKEN_DOWN, taken_down_at=at, version=notice.version + 1)
    return down, [taken_down_fact(down)]


def cancel(notice: Notice) -> Notice:
    """撤回: it was taken back before it hung."""
    return replace(notice, state=NoticeState.CANCELLED, version=notice.version + 1)


@dataclass(frozen=True, slots=True)
class Division:
    """区划 as notify needs it: the name that stands over a notice."""

    code: DivisionCode
    name: str
    version: int


def division_of(fact: DivisionRecorded) -> Division:
    """From what the register said."""
    return Division(DivisionCode.parse(fact.code), fact.name, fact.version)


def days_left(last_day: date, on: date) -> int:
    """How many days it still hangs after today."""
    return max((last_day - on).days, 0)
