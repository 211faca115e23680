"""告示文字: which notices there are, in one explicit list. A folder of texts and its entry here is a new notice.

Each notice says what it needs (its placeholders), where it goes (channels), and how soon the same may be said again.
Texts are data in zh and en; a test checks both for the same placeholders and for length.
"""

from __future__ import annotations

import hashlib
import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from services.notify.domain import LANGUAGES, Notice, Wording
from shared.values import Period

HERE = Path(__file__).parent
PARTS = ("title", "explanation", "objections")
LONGEST = {"title": 120, "explanation": 600, "objections": 400}


@dataclass(frozen=True, slots=True)
class NoticeKind:
    """告示种类: its texts by language. `repeat_after_days` None: each publicity is its own reason, said once."""

    name: str
    needs: frozenset[str]
    channels: tuple[str, ...]
    texts: Mapping[str, Mapping[str, str]]
    categories: Mapping[str, Mapping[str, str]]
    text_version: str
    repeat_after_days: int | None = None

    def wording(self, notice: Notice, names: Sequence[str], span: Period) -> dict[str, Wording]:
        """The texts in every language, placeholders filled; `names` from the widest division down to the village.

        What is filled in is never read as a template itself.
        """
        return {language: self._filled(language, notice, names, span) for language in LANGUAGES}

    def _filled(self, language: str, notice: Notice, names: Sequence[str], span: Period) -> Wording:
        facts = {
            "village": names[-1],
            "days": str(notice.days),
            "first_day": day_in(language, span.first),
            "last_day": day_in(language, span.last),
            "objections_to": notice.objections_to,
        }
        filled = {part: self.texts[language][part].format_map(facts) for part in PARTS}
        place = "".join(names) if language == "zh" else ", ".join(reversed(names))
        return Wording(**filled, place=place, categories=self.categories[language])


def day_in(language: str, day: date) -> str:
    """A date as it is written in running text."""
    return f"{day.year}年{day.month}月{day.day}日" if language == "zh" else day.isoformat()


def placeholders(text: str) -> set[str]:
    """Names that a text expects."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def _read(name: str, needs: frozenset[str], channels: tuple[str, ...]) -> NoticeKind:
    """Read a folder of texts; a folder that lacks a language or a part does not import."""
    files = {language: (HERE / name / f"{language}.toml").read_bytes() for language in LANGUAGES}
    read = {language: tomllib.loads(content.decode()) for language, content in files.items()}
    texts = {language: {part: str(one[part]) for part in PARTS} for language, one in read.items()}
    categories = {language: dict(one["categories"]) for language, one in read.items()}
    version = hashlib.sha256(b"\0".join(files[language] for language in LANGUAGES)).hexdigest()[:16]
    return NoticeKind(name, needs, channels, texts, categories, version)


NOTICES: dict[str, NoticeKind] = {
    "exit": _read(
        "exit_publicity",
        needs=frozenset({"village", "days", "first_day", "last_day", "objections_to"}),
        channels=("public_page",),
    ),
}
