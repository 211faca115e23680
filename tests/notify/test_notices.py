"""Texts of notices: every language says the same, with the same placeholders, within the same lengths."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from services.notify.domain import LANGUAGES, Notice, NoticeItem, comes_down_at, content_hash, days_left, days_of, hang
from services.notify.notices import LONGEST, NOTICES, PARTS, NoticeKind, day_in, pages, placeholders
from shared.values import new_id
from tests.notify.make import VILLAGE

AT = datetime(2019, 8, 23, 2, tzinfo=UTC)
NAMES = ("台江县", "方召镇", "反排村")


@pytest.mark.parametrize("kind", NOTICES.values(), ids=lambda kind: kind.name)
def test_a_notice_has_every_language_with_the_same_placeholders(kind: NoticeKind) -> None:
    for part in PARTS:
        wanted = [placeholders(kind.texts[language][part]) for language in LANGUAGES]
        assert wanted[0] == wanted[1], part
        assert wanted[0] <= kind.needs
        for language in LANGUAGES:
            assert len(kind.texts[language][part]) <= LONGEST[part]
    said = {name for part in PARTS for name in placeholders(kind.texts["zh"][part])}
    assert said == kind.needs, "a need that no text uses"
    assert set(kind.categories["zh"]) == set(kind.categories["en"])


def test_the_pages_speak_every_language_alike() -> None:
    assert set(pages.WORDS["zh"]) == set(pages.WORDS["en"]) and set(pages.WORDS) == set(LANGUAGES)  # noqa: PT018
    for key, zh in pages.WORDS["zh"].items():
        assert placeholders(zh) == placeholders(pages.WORDS["en"][key]), key


def make_notice(objections_to: str = "村委会") -> Notice:
    items = (NoticeItem("王*明", "二组", "poor", 4),)
    return Notice(new_id(), new_id(), "exit", VILLAGE, 7, objections_to, items, date(2019, 8, 23), AT)


def test_what_is_filled_in_is_never_read_as_a_template() -> None:
    notice = make_notice("{days}{0}{objections_to.__class__}")
    words = NOTICES["exit"].wording(notice, NAMES, days_of(notice, AT))
    assert "{days}{0}{objections_to.__class__}" in words["zh"].objections


def test_the_hash_covers_every_word_that_hangs() -> None:
    def hash_of(notice: Notice, names: tuple[str, ...] = NAMES, at: datetime = AT) -> str:
        words = NOTICES["exit"].wording(notice, names, days_of(notice, at))
        return content_hash(hang(notice, words, "v", at)[1])

    first = make_notice()
    assert hash_of(first) == hash_of(make_notice())
    others = [
        hash_of(make_notice("镇政府")),
        hash_of(first, ("台江县", "方召镇", "交汪村")),
        hash_of(first, at=datetime(2019, 8, 24, 2, tzinfo=UTC)),
    ]
    assert len({hash_of(first), *others}) == 4


def test_a_day_ends_at_midnight_of_the_village() -> None:
    notice = make_notice()
    words = NOTICES["exit"].wording(notice, NAMES, days_of(notice, AT))
    hung = hang(notice, words, "v", AT)[0]
    assert comes_down_at(hung) == datetime(2019, 8, 30, 16, tzinfo=UTC)
    assert [days_left(date(2019, 8, 30), date(2019, 8, day)) for day in (23, 30, 31)] == [7, 0, 0]


def test_dates_are_written_as_the_language_does() -> None:
    assert (day_in("zh", date(2019, 8, 3)), day_in("en", date(2019, 8, 3))) == ("2019年8月3日", "2019-08-03")
