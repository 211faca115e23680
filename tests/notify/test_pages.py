"""The public page in a real browser: nothing is fetched, nothing runs, it fits a phone and an A4 sheet."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from services.notify.domain import Board, Notice, NoticeItem, days_of, hang
from services.notify.notices import NOTICES, pages
from shared.values import new_id
from tests.notify.make import VILLAGE

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (Debian: chromium)")
AT = datetime(2019, 8, 23, 2, tzinfo=UTC)
NAMES = ("贵州省", "黔东南苗族侗族自治州", "台江县", "方召镇", "反排村")
HOSTILE = "<img src=x onerror=\"document.title='owned'\">*<script>document.title='owned'</script>"


def make_board(rows: int, name: str = "王*明") -> Board:
    items = tuple(NoticeItem(name, "二组", "poor", 4) for _ in range(rows))
    notice = Notice(
        new_id(), new_id(), "exit", VILLAGE, 7, "反排村村民委员会 0855-5221234", items, date(2019, 8, 23), AT
    )
    kind = NOTICES["exit"]
    return hang(notice, kind.wording(notice, NAMES, days_of(notice, AT)), kind.text_version, AT)[1]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with playwright.async_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield await browser.new_page(viewport={"width": 360, "height": 740})
        await browser.close()


async def open_page(page: Page, board: Board) -> list[str]:
    """Serve the page under its own headers, as notify does; what it asks for beside itself and what it complains of."""
    asked: list[str] = []
    html = pages.village_page([board], "zh", date(2019, 8, 24), is_practice=True)

    async def answer(route: Route) -> None:
        if route.request.url.endswith("/page"):
            await route.fulfill(body=html, content_type="text/html; charset=utf-8", headers=dict(pages.HEADERS))
        else:
            asked.append(route.request.url)
            await route.abort()

    page.on("console", lambda message: asked.append(message.text))
    page.on("pageerror", lambda error: asked.append(str(error)))
    await page.route("**/*", answer)
    await page.goto("http://village.test/page")
    return [one for one in asked if "favicon" not in one]


@needs_browser
async def test_it_fits_a_phone_and_fetches_nothing(page: Page) -> None:
    assert await open_page(page, make_board(30)) == []
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    shown = page.get_by_role("row")
    assert await shown.count() == 31
    assert await page.get_by_role("rowheader").first.inner_text() == "王*明"
    assert await page.get_by_role("note").inner_text() == "演练本页为演练数据，人物均为虚构"
    style = "getComputedStyle(document.querySelector('.practice')).backgroundColor"
    assert await page.evaluate(style) == "rgb(255, 216, 77)", "the policy lets the page's own style in"


@needs_browser
async def test_a_hostile_name_is_shown_and_does_nothing(page: Page) -> None:
    assert await open_page(page, make_board(1, HOSTILE)) == []
    assert await page.get_by_role("rowheader").inner_text() == HOSTILE
    assert await page.title() == "反排村拟退出贫困户名单公示"
    assert await page.locator("img, script").count() == 0


@needs_browser
async def test_the_policy_stops_a_script_even_if_one_got_in(page: Page) -> None:
    complaints = await open_page(page, make_board(1))
    assert complaints == []
    blocked = (
        "var s=document.createElement('script');s.textContent='document.title=1';document.body.append(s);document.title"
    )
    assert await page.evaluate(blocked) == "反排村拟退出贫困户名单公示"


@needs_browser
async def test_it_prints_on_a4_with_its_head_on_every_sheet(page: Page) -> None:
    await open_page(page, make_board(60))
    await page.emulate_media(media="print")
    assert await page.locator("header.top").is_hidden()
    assert await page.locator(".left").is_hidden(), "a countdown on paper is wrong tomorrow"
    assert await page.locator(".practice").is_visible()
    assert await page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
    printed = await page.pdf(prefer_css_page_size=True)
    assert printed.count(b"/Type /Page\n") + printed.count(b"/Type/Page\n") >= 2


@needs_browser
async def test_text_has_enough_contrast(page: Page) -> None:
    """WCAG AA wants 4.5 : 1; measured on what the browser computed, for every text that is shown."""
    await open_page(page, make_board(2))
    assert await page.evaluate(CONTRAST) >= 4.5


CONTRAST = """() => {
  const light = text => {
    const [r, g, b] = text.match(/[0-9.]+/g).map(Number).map(v => v / 255)
      .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b };
  const ground = one => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (!colour.endsWith(', 0)')) return colour }
    return 'rgb(255, 255, 255)' };
  const ratio = one => {
    const [dark, bright] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => x - y);
    return (bright + .05) / (dark + .05) };
  const texts = [...document.querySelectorAll('body *')].filter(one => one.innerText && !one.children.length);
  return texts.length < 10 ? 0 : Math.min(...texts.map(ratio)) }"""
