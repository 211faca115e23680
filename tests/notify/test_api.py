"""The public page and its twin, walked field by field against what a village may read; the officer's list."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from services.notify import reports
from shared.clock import Clock
from tests.notify.make import COUNTY, NEIGHBOUR, VILLAGE, PostOffice, ended, heard, item, opened, visitors
from tests.shared.probe_api import Tokens

PAGE = f"/notify/v1/public/notices/{VILLAGE}"
INDEX = "/notify/v1/public/notices"
LIST = "/notify/v1/notices"
HOSTILE = "<script>alert('*')</script>"
HOSTILE_NAMES = (HOSTILE, "*\"'><img src=x onerror=alert(1)>", "{{ 7*7 }}*", "{village}*", "王&*", "*${7*7}</title>")


@dataclass
class Visit:
    """A visitor before notify's door, with the office behind it."""

    office: PostOffice
    client: httpx.AsyncClient
    tokens: Tokens
    home: Path

    async def read(self, path: str, **asked: str) -> httpx.Response:
        return await self.client.get(path, params=asked)

    async def ask(
        self, path: str, *, roles: tuple[str, ...] = ("clerk",), at: str = "522630", **asked: Any
    ) -> httpx.Response:
        token = self.tokens.make(roles=roles, divisions=(at,))
        return await self.client.get(path, params=asked, headers={"Authorization": f"Bearer {token}"})

    async def days_pass(self, days: float) -> None:
        """For the office and for its door."""
        await self.office.days_pass(days)
        self.move_the_door()

    def move_the_door(self) -> None:
        Clock(self.home).move_to(self.office.now)


@pytest.fixture
async def visit(office: PostOffice, tmp_path: Path) -> AsyncIterator[Visit]:
    async with AsyncExitStack() as opened_doors:
        client, tokens = await opened_doors.enter_async_context(visitors(office, tmp_path))
        yield Visit(office, client, tokens, tmp_path)


# What may be answered to anybody, by path in the JSON twin, and the form that each value must have. Nothing else.
CHINESE_TEXT = r"[^<>]{2,600}"
DAY = r"\d{4}-\d{2}-\d{2}"
ALLOWED = {
    "village": r"\d{12}",
    "place": r"[\u4e00-\u9fff]+",
    "on": DAY,
    "notices[].title": CHINESE_TEXT,
    "notices[].explanation": CHINESE_TEXT,
    "notices[].objections": CHINESE_TEXT,
    "notices[].objections_to": CHINESE_TEXT,
    "notices[].posted_on": DAY,
    "notices[].first_day": DAY,
    "notices[].last_day": DAY,
    "notices[].days_left": r"\d{1,2}",
    "notices[].rows[].name": r"[^*]*\*[^*]*|[^*]*\*+[^*]?",
    "notices[].rows[].group": r"None|[\u4e00-\u9fff]+组",
    "notices[].rows[].category": "贫困户",
    "notices[].rows[].headcount": r"\d{1,2}",
}
ALLOWED_INDEX = {
    "on": DAY,
    "villages[].village": r"\d{12}",
    "villages[].place": r"[\u4e00-\u9fff]+",
    "villages[].last_day": DAY,
    "villages[].notices": r"\d+",
    "next": "None",
}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value of an answer with its path."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one, f"{path}[]")
    else:
        yield path, str(value)


def strangers(answer: Any, allowed: dict[str, str]) -> list[tuple[str, str]]:
    return [(path, text) for path, text in leaves(answer) if not re.fullmatch(allowed.get(path, r"(?!)"), text)]


class Text(HTMLParser):
    """What a reader sees, cell by cell, and what the markup is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.unseen: list[str] = []  # comments and declarations
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br", "img", "input"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_comment(self, data: str) -> None:
        self.unseen.append(data)

    def handle_decl(self, decl: str) -> None:
        if decl != "doctype html":
            self.unseen.append(decl)

    def handle_pi(self, data: str) -> None:
        self.unseen.append(data)

    def handle_data(self, data: str) -> None:
        if data.strip() and "style" not in self._inside:
            self.texts.append(" ".join(data.split()))


def read_html(text: str) -> Text:
    reader = Text()
    reader.feed(text)
    return reader


TAGS = {
    "html", "head", "meta", "title", "style", "body", "p", "strong", "header", "nav", "a", "main", "article", "h1",
    "dl", "dt", "dd", "time", "span", "table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li",
}  # fmt: skip
# Every attribute that may stand on a public page, and every value that it may have.
ATTRIBUTES = {
    "lang": "zh-CN|en",
    "charset": "utf-8",
    "name": "viewport|robots|referrer",
    "content": "width=device-width, initial-scale=1|noindex, noarchive, nosnippet|no-referrer",
    "class": "practice|top|kind|place|running|left|villages|until",
    "role": "note",
    "href": r"(\.\./notices|notices/\d{12})?\?lang=(zh|en)(&after=\d{12})?",
    "hreflang": "zh|en",
    "aria-labelledby": r"title-\d{1,2}",
    "id": r"title-\d{1,2}",
    "datetime": DAY,
    "scope": "col|row",
}
PAGE_TEXTS = [
    r"演练|本页为演练数据，人物均为虚构|查看公示目录|English|公示|张贴日期|公示期|至|异议受理|户主|村民小组|类别|家庭人口",
    r"反排村拟退出贫困户名单公示",
    r"贵州省黔东南苗族侗族自治州台江县方召镇反排村",
    r"经民主评议.*现予公示。公示期7天，自2019年8月24日起至2019年8月30日止。",
    r"对名单有异议的，请在公示期内向反排村村民委员会（值班电话 0855-5221234）反映。",
    r"2019年8月(23|24|30)日",
    r"公示期还剩 7 天",
    r"共 2 户",
    r"王\*明|李\*",
    r"[一二]组",
    r"贫困户",
    r"[24]人",
]


ENGLISH_TEXTS = [
    r"演练 Practice|This page shows practice data; all people are invented|All villages with notices",
    r"中文|Public notice",
    r"Households of 反排村 proposed to leave the poverty register",
    r"反排村, 方召镇, 台江县, 黔东南苗族侗族自治州, 贵州省",
    r"The village meeting, [a-zA-Z ,.]+ \(厅字〔2016〕16号\) for 7 days, from 2019-08-24 to 2019-08-30\.",
    r"Posted on|2019-08-(23|24|30)|Days of notice|to|7 days left|Objections|2 households",
    r"To object to a name on this list, turn to 反排村村民委员会（值班电话 0855-5221234） within these days\.",
    r"Head of household|Village group|Category|People|王\*明|李\*|[一二]组|poor household|[24]",
]
INDEX_TEXTS = {
    "zh": [
        r"村级公示目录|演练|本页为演练数据，人物均为虚构|English|公示至|2019年8月30日|目前没有正在公示的名单。",
        r"贵州省黔东南苗族侗族自治州台江县方召镇反排村",
    ],
    "en": [
        r"Villages with public notices|演练 Practice|This page shows practice data; all people are invented|中文|until",
        r"2019-08-30|No list hangs at present\.|反排村, 方召镇, 台江县, 黔东南苗族侗族自治州, 贵州省",
    ],
}
GONE_TEXTS = {
    "zh": [
        r"公示已撤下|演练|本页为演练数据，人物均为虚构|查看公示目录|English|该村的公示已期满撤下，不再显示名单。",
    ],
    "en": [
        r"Notice taken down|演练 Practice|This page shows practice data; all people are invented",
        r"All villages with notices|中文|The notice of this village has ended and is no longer shown\.",
    ],
}
PAGE_TEXTS_BY = {"zh": PAGE_TEXTS, "en": ENGLISH_TEXTS}


def strange_in(text: str, texts: list[str]) -> list[str]:
    """Whatever of a page is not on the list: words, tags, attributes, values of attributes, comments."""
    page = read_html(text)
    strange = [one for one in page.texts if not any(re.fullmatch(form, one) for form in texts)]
    strange += page.unseen
    for tag, attributes in page.tags:
        strange += [] if tag in TAGS else [f"<{tag}>"]
        strange += [
            f"{name}={value}"
            for name, value in attributes.items()
            if not re.fullmatch(ATTRIBUTES.get(name, r"(?!)"), value or "")
        ]
    return strange


async def test_every_field_of_the_answer_is_on_the_list(visit: Visit) -> None:
    await visit.office.hang()
    answer = await visit.read(f"{PAGE}.json")
    assert answer.status_code == 200
    assert strangers(answer.json(), ALLOWED) == []
    assert {path for path, _ in leaves(answer.json())} == set(ALLOWED)
    index = await visit.read(f"{INDEX}.json")
    assert strangers(index.json(), ALLOWED_INDEX) == []


async def test_the_walk_finds_what_is_not_on_the_list(visit: Visit) -> None:
    await visit.office.hang()
    answer = (await visit.read(f"{PAGE}.json")).json()
    answer["notices"][0]["rows"][0]["phone"] = "138****8000"
    answer["notices"][0]["rows"][1]["name"] = "李敏"
    assert {path for path, _ in strangers(answer, ALLOWED)} == {"notices[].rows[].phone", "notices[].rows[].name"}


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_every_word_of_the_page_is_on_the_list(visit: Visit, lang: str) -> None:
    """And every tag, every attribute with its value, and every comment: there is nothing else in the file."""
    await visit.office.hang()
    answer = await visit.read(PAGE, lang=lang)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert strange_in(answer.text, PAGE_TEXTS_BY[lang]) == []
    if lang == "zh":
        assert {"王*明", "李*", "二组", "贫困户", "4人", "演练"} <= set(read_html(answer.text).texts)
    assert strange_in((await visit.read(INDEX, lang=lang)).text, INDEX_TEXTS[lang]) == []
    await visit.days_pass(9)
    gone, index = await visit.read(PAGE, lang=lang), await visit.read(INDEX, lang=lang)
    assert (gone.status_code, strange_in(gone.text, GONE_TEXTS[lang])) == (410, [])
    assert strange_in(index.text, INDEX_TEXTS[lang]) == []


@pytest.mark.parametrize(
    ("instead", "found"),
    [
        ("<p>王小明</p><main>", "王小明"),
        ("<!-- 王小明 --><main>", " 王小明 "),
        ('<main data-household="0197f5a0">', "data-household=0197f5a0"),
        ('<main class="王小明">', "class=王小明"),
        ('<a href="tel:13812348000">to</a><main>', "href=tel:13812348000"),
        ('<img alt="王小明"><main>', "alt=王小明"),
        ("<?person 王小明?><main>", "person 王小明?"),
    ],
)
async def test_the_walk_of_the_page_finds_what_is_hidden_in_it(visit: Visit, instead: str, found: str) -> None:
    await visit.office.hang()
    text = (await visit.read(PAGE, lang="en")).text
    assert text.count("<main>") == 1
    assert found in strange_in(text.replace("<main>", instead), ENGLISH_TEXTS)


async def test_neither_ids_nor_versions_nor_hashes_are_public(visit: Visit) -> None:
    await visit.office.hang()
    [row] = await visit.office.rows("select id, publicity, content_hash from notice")
    for path in (PAGE, f"{PAGE}.json", INDEX, f"{INDEX}.json"):
        text = (await visit.read(path)).text
        for secret in (str(row["id"]), str(row["publicity"]), row["content_hash"]):
            assert secret not in text, path


async def test_the_page_needs_no_token_no_script_and_no_other_host(visit: Visit) -> None:
    await visit.office.hang()
    answer = await visit.read(PAGE)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http:" not in answer.text
    assert "https:" not in answer.text
    assert "<script" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "noindex" in answer.headers["x-robots-tag"]


async def test_the_page_is_accessible_in_its_bones(visit: Visit) -> None:
    await visit.office.hang()
    page = read_html((await visit.read(PAGE)).text)
    tags = [tag for tag, _ in page.tags]
    assert dict(page.tags)["html"]["lang"] == "zh-CN"
    assert tags.count("h1") == 1
    assert tags.count("main") == 1
    assert "caption" in tags
    scopes = [attributes["scope"] for tag, attributes in page.tags if tag == "th"]
    assert scopes == ["col"] * 4 + ["row"] * 2
    assert any(attributes.get("name") == "viewport" for tag, attributes in page.tags if tag == "meta")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_hostile_names_are_text_and_nothing_else(visit: Visit, name: str) -> None:
    await visit.office.hang(item(name, group=name[:60], headcount=3), objections_to=name)
    answer = await visit.read(PAGE)
    page = read_html(answer.text)
    assert " ".join(name.split()) in page.texts
    assert {tag for tag, _ in page.tags} <= TAGS
    assert {one for _, attributes in page.tags for one in attributes} <= ATTRIBUTES.keys()
    twin = (await visit.read(f"{PAGE}.json")).json()
    assert twin["notices"][0]["rows"][0]["name"] == name
    assert twin["notices"][0]["objections"].count(name) == 1


async def test_days_are_counted_down(visit: Visit) -> None:
    await visit.office.hang()
    seen = []
    for _ in range(8):
        page = read_html((await visit.read(PAGE)).text)
        seen += [text for text in page.texts if "还剩" in text or "最后一天" in text]
        await visit.days_pass(1)
    assert seen == [f"公示期还剩 {days} 天" for days in range(7, 0, -1)] + ["今日为公示期最后一天"]


@pytest.mark.parametrize("does_due_work", [True, False], ids=["taken down", "due-loop dead"])
async def test_after_the_last_day_nobody_reads_a_name(visit: Visit, does_due_work: bool) -> None:
    await visit.office.hang()
    visit.office.now += timedelta(days=7, hours=14)  # midnight after the 30th has passed in Shanghai
    if does_due_work:
        await visit.office.do_what_is_due()
    visit.move_the_door()
    page = await visit.read(PAGE)
    twin = await visit.read(f"{PAGE}.json")
    assert (page.status_code, twin.status_code) == (410, 410)
    assert twin.json()["code"] == "notice.gone"
    for answer in (page, twin, await visit.read(INDEX), await visit.read(f"{INDEX}.json")):
        assert "王" not in answer.text
        assert "李" not in answer.text
    assert (await visit.read(f"{INDEX}.json")).json()["villages"] == []


async def test_what_came_down_crowds_out_nothing_that_hangs(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST_ON_A_PAGE", 2)
    hangs = await visit.office.hang(item("王*明"))
    for _ in range(3):
        withdrawn = await visit.office.hang(item("李*"))
        await visit.office.hear(heard(ended(withdrawn.publicity), visit.office.now))
        await visit.office.do_what_is_due()
    assert await visit.office.state_of(hangs.publicity) == "posted"
    answer = await visit.read(f"{PAGE}.json")
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert [row["name"] for notice in page["notices"] for row in notice["rows"]] == ["王*明"]


async def test_a_village_without_a_notice_is_not_found(visit: Visit) -> None:
    page, twin = await visit.read(PAGE), await visit.read(f"{PAGE}.json")
    assert (page.status_code, twin.status_code) == (404, 404)
    assert "text/html" in page.headers["content-type"]
    assert twin.json()["code"] == "notice.missing"


async def test_both_languages_say_the_same(visit: Visit) -> None:
    await visit.office.hang()
    answer = await visit.read(f"{PAGE}.json", lang="en")
    notice = answer.json()["notices"][0]
    assert "2019-08-24 to 2019-08-30" in notice["explanation"]
    assert notice["rows"][0]["category"] == "poor household"
    page = await visit.read(PAGE, lang="en")
    assert 'lang="en"' in page.text
    assert (await visit.read(PAGE, lang="fr")).status_code == 422


async def test_the_index_lists_villages_in_which_something_hangs(visit: Visit) -> None:
    await visit.office.hang()
    await visit.office.hang()
    await visit.office.hang(village=NEIGHBOUR)
    lines = (await visit.read(f"{INDEX}.json")).json()["villages"]
    assert [(line["village"], line["notices"]) for line in lines] == [(VILLAGE.text, 2), (NEIGHBOUR.text, 1)]
    page = read_html((await visit.read(INDEX)).text)
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert f"notices/{VILLAGE}?lang=zh" in links
    rest = (await visit.read(f"{INDEX}.json", after=VILLAGE.text)).json()["villages"]
    assert [line["village"] for line in rest] == [NEIGHBOUR.text]


async def test_the_officers_list_shows_states_and_days_of_his_divisions(visit: Visit) -> None:
    hangs = await visit.office.hang()
    bad = opened(item("王小明"), village=NEIGHBOUR)
    await visit.office.hear(heard(bad, visit.office.now))
    await visit.office.do_what_is_due()
    answer = await visit.ask(LIST)
    lines = {UUID(line["publicity"]): line for line in answer.json()["items"]}
    assert (lines[hangs.publicity]["state_zh"], lines[hangs.publicity]["days_left"]) == ("公示中", 7)
    assert (lines[bad.publicity]["state"], lines[bad.publicity]["unfit"]) == ("refused", "name_not_masked")
    assert "王" not in answer.text
    own = await visit.ask(LIST, at=VILLAGE.text)
    assert [line["village"] for line in own.json()["items"]] == [VILLAGE.text]
    only = await visit.ask(LIST, state="posted", division="522630101")
    assert [line["state"] for line in only.json()["items"]] == ["posted"]


async def test_the_officers_list_is_paged_in_a_stable_order(visit: Visit) -> None:
    for _ in range(5):
        await visit.office.hang()
    seen: list[str] = []
    asked: dict[str, Any] = {"limit": 2}
    for _ in range(3):
        page = (await visit.ask(LIST, **asked)).json()
        seen += [line["id"] for line in page["items"]]
        asked = {"limit": 2, "cursor": page["next"]}
    assert page["next"] is None
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 5


@pytest.mark.parametrize("at", ["623023", NEIGHBOUR.text, "522631"])
async def test_other_divisions_see_neither_list_nor_evidence(visit: Visit, at: str) -> None:
    await visit.office.hang()
    [row] = await visit.office.rows("select id from notice")
    assert (await visit.ask(f"{LIST}/{row['id']}", at=COUNTY.text)).status_code == 200
    assert (await visit.ask(LIST, at=at)).json()["items"] == []
    assert (await visit.ask(f"{LIST}/{row['id']}", at=at)).status_code == 404


@pytest.mark.parametrize("role", ["accountant", "operator", "system"])
async def test_other_roles_are_refused(visit: Visit, role: str) -> None:
    assert (await visit.ask(LIST, roles=(role,))).status_code == 403
    assert (await visit.read(LIST)).status_code == 401


async def test_evidence_outlives_the_page(visit: Visit) -> None:
    await visit.office.hang()
    await visit.days_pass(9)
    [row] = await visit.office.rows("select id from notice")
    answer = await visit.ask(f"{LIST}/{row['id']}", roles=("auditor",))
    assert answer.json()["state"] == "taken_down"
    assert answer.json()["hung"]["rows"][0]["name"] == "王*明"
    assert answer.headers["etag"] == '"3"'


async def test_a_door_without_token_reads_the_board_alone(visit: Visit) -> None:
    """Through the api's own login and an empty scope, as every public route has it."""
    await visit.office.hang()
    connection = await asyncpg.connect(visit.office.database.api, ssl=False)
    try:
        counts = {
            table: await connection.fetchval(f"select count(*) from {table}")
            for table in ("public_notice", "notice", "division")
        }
        assert counts == {"public_notice": 1, "notice": 0, "division": 0}
        for statement in ("delete from public_notice", "update public_notice set board = null"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_misspelt_questions_are_refused(visit: Visit) -> None:
    assert (await visit.read(PAGE, language="zh")).status_code == 422
    assert (await visit.read("/notify/v1/public/notices/abc")).status_code == 422


async def test_it_is_not_ready_on_another_schema(visit: Visit) -> None:
    """The api looks whether the database is of the revision that it was written for."""
    assert (await visit.read("/readyz")).status_code == 200
    [kept] = await visit.office.rows("select version_num from alembic_version")
    await visit.office.rows("update alembic_version set version_num = '0000'")
    try:
        answer = await visit.read("/readyz")
    finally:
        await visit.office.rows("update alembic_version set version_num = $1", kept["version_num"])
    assert (answer.status_code, answer.json()["why"]) == (503, ["schema"])
