"""What may be asked: public pages without a token (masked lists alone), and the officer's list of notices."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Path, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from services.notify import reports
from services.notify.domain import STATES, Board, NoticeGone, NoticeMissing, NoticeState, days_left
from services.notify.notices import day_in, pages
from shared.clock import today
from shared.values import DivisionCode
from shared.web import (
    PUBLIC,
    DivisionField,
    Now,
    Officer,
    Out,
    Page,
    PagingAsked,
    Role,
    Router,
    Tx,
    fittings_of,
    set_etag,
)

public = Router("公示")
notices = Router("告示")
ROUTERS = (public, notices)
READERS = (Role.CLERK, Role.REVIEWER, Role.APPROVER, Role.AUDITOR)
Language = Annotated[Literal["zh", "en"], Query(description="语言 zh 或 en")]
CODE = r"^[1-9][0-9]{11}$"


def _village(village: Annotated[str, Path(pattern=CODE, description="村级区划代码，12位")]) -> DivisionCode:
    return DivisionCode.parse(village)


def _after(
    after: Annotated[str | None, Query(pattern=CODE, description="上一页最后一村的区划代码")] = None,
) -> int:
    return 0 if after is None else DivisionCode.parse(after).value


def _division(
    division: Annotated[str | None, Query(pattern=r"^[0-9]{2,12}$", description="只看此区划及以下")] = None,
) -> DivisionCode | None:
    return None if division is None else DivisionCode.parse(division)


Village = Annotated[DivisionCode, Depends(_village)]
After = Annotated[int, Depends(_after)]
Within = Annotated[DivisionCode | None, Depends(_division)]
HTML: dict[int | str, dict[str, object]] = {200: {"content": {"text/html": {}}, "description": "公示页"}}
HTML_ABSENT = HTML | {
    404: {"content": {"text/html": {}}, "description": "该村没有公示"},
    410: {"content": {"text/html": {}}, "description": "公示已撤下"},
}


class PublicRow(Out):
    """公示一行: masked name, group, category, headcount, and nothing else."""

    name: str
    group: str | None
    category: str
    headcount: int


class PublicNotice(Out):
    """一张公示."""

    title: str
    explanation: str
    objections: str
    objections_to: str
    posted_on: date
    first_day: date
    last_day: date
    days_left: int
    rows: list[PublicRow]

    @classmethod
    def of(cls, board: Board, language: str, on: date) -> PublicNotice:
        """What hangs, in one language."""
        return cls(
            **board.wording[language],
            objections_to=board.objections_to,
            posted_on=board.posted_on,
            first_day=board.first_day,
            last_day=board.last_day,
            days_left=days_left(board.last_day, on),
            rows=[
                PublicRow(
                    name=str(row["name"]),
                    group=None if row["group"] is None else str(row["group"]),
                    category=str(row[f"category_{language}"]),
                    headcount=int(row["headcount"] or 0),
                )
                for row in board.rows
            ],
        )


class PublicVillage(Out):
    """一村的公示: the same as the page, for machines."""

    village: DivisionField
    place: str
    on: date
    notices: list[PublicNotice]


class PublicVillageLine(Out):
    """目录一行: a village in which something hangs."""

    village: DivisionField
    place: str
    last_day: date
    notices: int


class PublicIndex(Out):
    """公示目录."""

    on: date
    villages: list[PublicVillageLine]
    next: DivisionField | None


def _html(request: Request, text: str, status: int = 200) -> Response:
    return HTMLResponse(text, status, dict(pages.HEADERS))


def _is_practice(request: Request) -> bool:
    return fittings_of(request.app).settings.practice


@public.get("/public/notices", roles=PUBLIC, answers=HTML)
async def show_index(request: Request, tx: Tx, now: Now, after: After, lang: Language = "zh") -> Response:
    """公示目录（网页）: villages in which a notice hangs today."""
    lines = await reports.villages_with_notices(tx, today(now), after)
    villages = [
        {
            "code": line.village.text,
            "place": line.place_zh if lang == "zh" else line.place_en,
            "last_day": day_in(lang, line.last_day),
            "last_iso": line.last_day.isoformat(),
        }
        for line in lines
    ]
    following = lines[-1].village.text if len(lines) == reports.MOST_VILLAGES else None
    return _html(request, pages.index_page(villages, lang, following, is_practice=_is_practice(request)))


@public.get("/public/notices.json", roles=PUBLIC)
async def list_public_villages(tx: Tx, now: Now, after: After, lang: Language = "zh") -> PublicIndex:
    """公示目录（数据）."""
    lines = await reports.villages_with_notices(tx, today(now), after)
    villages = [
        PublicVillageLine(
            village=line.village,
            place=line.place_zh if lang == "zh" else line.place_en,
            last_day=line.last_day,
            notices=line.notices,
        )
        for line in lines
    ]
    following = lines[-1].village if len(lines) == reports.MOST_VILLAGES else None
    return PublicIndex(on=today(now), villages=villages, next=following)


@public.get("/public/notices/{village}.json", roles=PUBLIC, problems=(NoticeMissing, NoticeGone))
async def read_village_notices(tx: Tx, now: Now, village: Village, lang: Language = "zh") -> PublicVillage:
    """一村公示（数据）: the same list as the page."""
    found = await reports.village_board(tx, village, today(now))
    if not found.hanging:
        raise NoticeGone() if found.has_hung else NoticeMissing()
    return PublicVillage(
        village=village,
        place=found.hanging[0].place[lang],
        on=today(now),
        notices=[PublicNotice.of(board, lang, today(now)) for board in found.hanging],
    )


@public.get("/public/notices/{village}", roles=PUBLIC, answers=HTML_ABSENT)
async def show_village(request: Request, tx: Tx, now: Now, village: Village, lang: Language = "zh") -> Response:
    """一村公示（网页）: readable on a phone, printable on A4, without script and without internet."""
    found = await reports.village_board(tx, village, today(now))
    is_practice = _is_practice(request)
    if found.hanging:
        return _html(request, pages.village_page(found.hanging, lang, today(now), is_practice=is_practice))
    kind, status = ("gone", 410) if found.has_hung else ("missing", 404)
    return _html(request, pages.absent_page(kind, lang, is_practice=is_practice), status)


class NoticeOut(Out):
    """告示清单一行: states and days; the names are on the board."""

    id: UUID
    publicity: UUID
    kind: str
    village: DivisionField
    state: NoticeState
    state_zh: str
    state_en: str
    unfit: str | None
    rows: int
    days: int
    asked_on: date
    created_at: datetime
    posted_at: datetime | None
    first_day: date | None
    last_day: date | None
    days_left: int | None
    taken_down_at: datetime | None
    content_hash: str | None
    text_version: str | None
    version: int

    @classmethod
    def of(cls, line: reports.NoticeLine, on: date) -> NoticeOut:
        """With its state in both languages, and how many days are left."""
        zh, en = STATES[line.state]
        hangs = line.state is NoticeState.POSTED and line.last_day is not None
        left = days_left(line.last_day, on) if hangs and line.last_day is not None else None
        values = {name: getattr(line, name) for name in reports.NoticeLine.__dataclass_fields__}
        return cls(**values, state_zh=zh, state_en=en, days_left=left)


class NoticeEvidence(NoticeOut):
    """告示留证: with what hung, word for word."""

    hung: PublicNotice | None


@notices.get("/notices", roles=READERS)
async def list_notices(
    tx: Tx,
    officer: Officer,
    now: Now,
    paging: PagingAsked,
    division: Within,
    state: Annotated[list[NoticeState] | None, Query(description="只看这些状态")] = None,
) -> Page[NoticeOut]:
    """告示清单: all notices of the caller's divisions, newest first."""
    before = None if paging.after is None else UUID(paging.after[0])
    lines = await reports.notices_of_scope(tx, officer.scope, state or (), division, before, paging.limit + 1)
    return paging.page(lines, lambda line: [str(line.id)], lambda line: NoticeOut.of(line, today(now)))


@notices.get("/notices/{notice_id}", roles=READERS, problems=(NoticeMissing,))
async def read_notice(tx: Tx, officer: Officer, now: Now, notice_id: UUID, response: Response) -> NoticeEvidence:
    """一件告示及其张贴原文: the evidence, also after it came down."""
    found = await reports.notice_of_scope(tx, officer.scope, notice_id)
    if found is None:
        raise NoticeMissing()
    line, board = found
    set_etag(response, line.version)
    hung = None if board is None else PublicNotice.of(board, "zh", today(now))
    return NoticeEvidence(**NoticeOut.of(line, today(now)).model_dump(), hung=hung)
