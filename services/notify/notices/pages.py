"""页面: the public pages as HTML, made here and whole: no script, no font, no picture from anywhere.

Every value is escaped by the template engine; a content policy that allows the one style sheet by its hash, and nothing
else, stands behind it. Pages ask not to be indexed or kept: a name must be gone when its notice is.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import jinja2

from services.notify.domain import Board, days_left
from services.notify.notices import day_in

HERE = Path(__file__).parent / "page_templates"
STYLE = (HERE / "style.css").read_text(encoding="utf-8")
_style_hash = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_style_hash}'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, noarchive, nosnippet",
    "Content-Language": "zh",
}
WORDS: Mapping[str, Mapping[str, str]] = {
    "zh": {
        "lang": "zh-CN",
        "notice": "公示",
        "index": "村级公示目录",
        "index_empty": "目前没有正在公示的名单。",
        "practice": "演练",
        "practice_note": "本页为演练数据，人物均为虚构",
        "name": "户主",
        "group": "村民小组",
        "category": "类别",
        "headcount": "家庭人口",
        "people": "人",
        "households": "共 {rows} 户",
        "posted_on": "张贴日期",
        "days": "公示期",
        "to": "至",
        "left": "公示期还剩 {days} 天",
        "last": "今日为公示期最后一天",
        "objections": "异议受理",
        "until": "公示至",
        "gone_title": "公示已撤下",
        "gone": "该村的公示已期满撤下，不再显示名单。",
        "missing_title": "没有公示",
        "missing": "该村目前没有公示。",
        "to_index": "查看公示目录",
        "other": "English",
        "more": "更多村",
        "none": "—",
    },
    "en": {
        "lang": "en",
        "notice": "Public notice",
        "index": "Villages with public notices",
        "index_empty": "No list hangs at present.",
        "practice": "演练 Practice",
        "practice_note": "This page shows practice data; all people are invented",
        "name": "Head of household",
        "group": "Village group",
        "category": "Category",
        "headcount": "People",
        "people": "",
        "households": "{rows} households",
        "posted_on": "Posted on",
        "days": "Days of notice",
        "to": "to",
        "left": "{days} days left",
        "last": "Today is the last day",
        "objections": "Objections",
        "until": "until",
        "gone_title": "Notice taken down",
        "gone": "The notice of this village has ended and is no longer shown.",
        "missing_title": "No notice",
        "missing": "No notice hangs in this village.",
        "to_index": "All villages with notices",
        "other": "中文",
        "more": "More villages",
        "none": "—",
    },
}
_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def _render(template: str, language: str, is_practice: bool, **facts: Any) -> str:
    words = WORDS[language]
    other = "en" if language == "zh" else "zh"
    return _environment.get_template(template).render(
        words=words, language=language, other=other, style=STYLE, is_practice=is_practice, **facts
    )


def village_page(boards: Sequence[Board], language: str, on: date, *, is_practice: bool) -> str:
    """The page of one village: every list that hangs today."""
    shown = [_shown(board, language, on) for board in boards]
    return _render("village.html.j2", language, is_practice, place=boards[0].place[language], notices=shown)


def _shown(board: Board, language: str, on: date) -> dict[str, Any]:
    words = WORDS[language]
    left = days_left(board.last_day, on)
    return {
        **board.wording[language],
        "posted_on": day_in(language, board.posted_on),
        "posted_iso": board.posted_on.isoformat(),
        "first_day": day_in(language, board.first_day),
        "first_iso": board.first_day.isoformat(),
        "last_day": day_in(language, board.last_day),
        "last_iso": board.last_day.isoformat(),
        "left": words["left"].format(days=left) if left else words["last"],
        "households": words["households"].format(rows=len(board.rows)),
        "rows": [{**row, "category": row[f"category_{language}"]} for row in board.rows],
    }


def index_page(
    villages: Sequence[Mapping[str, Any]], language: str, following: str | None, *, is_practice: bool
) -> str:
    """The index of villages in which something hangs: places and days, no household."""
    return _render("index.html.j2", language, is_practice, villages=villages, following=following)


def absent_page(kind: str, language: str, *, is_practice: bool) -> str:
    """What is answered where nothing hangs: `gone` or `missing`. No name of anybody."""
    return _render("absent.html.j2", language, is_practice, kind=kind)
