"""The committed report is comfortable to read: first screen, size, print, phone, and what axe-core says of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from loadtests.report.verdicts.evidence import REFERENCE
from tests.page.npm import installed
from tests.page.test_accessibility import AXE_VERSION

REPORT = REFERENCE / "report.html"
MOST_BYTES = 500 * 1024
MOST_PAGES = 8


@pytest.fixture(scope="module")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield launched
        await launched.close()


async def _opened(browser: Browser, width: int, height: int, scheme: str = "light") -> Page:
    context = await browser.new_context(
        bypass_csp=True,  # its own policy lets no test tool in
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    opened = await context.new_page()
    await opened.goto(REPORT.as_uri())
    return opened


async def _bottom(opened: Page, selector: str) -> float:
    found = await opened.evaluate(f"document.querySelector({selector!r}).getBoundingClientRect().bottom")
    return float(found)


def test_it_is_small() -> None:
    assert REPORT.stat().st_size <= MOST_BYTES


async def test_the_first_screen_holds_sentence_trust_contents_chart_and_a_line_per_transport(browser: Browser) -> None:
    opened = await _opened(browser, 1280, 800)
    for selector in (".headline", "header .state", "nav", "#answer figure", ".lines tr:last-child"):
        assert await _bottom(opened, selector) <= 800, selector
    assert await _bottom(opened, ".choices tr:last-child") <= 3 * 800
    await opened.close()


async def test_a_phones_first_screen_holds_sentence_trust_contents_and_the_chart(browser: Browser) -> None:
    opened = await _opened(browser, 390, 844)
    for selector in (".headline", "header .state", "nav", "#answer .pieces > div"):
        assert await _bottom(opened, selector) <= 844, selector
    await opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_phones_second_screen_ends_below_the_line_of_the_last_transport(browser: Browser, scheme: str) -> None:
    opened = await _opened(browser, 390, 844, scheme)
    assert await opened.locator(".lines tbody tr", has_text="HTTP/2 push").locator("text=none").count() == 1
    assert await _bottom(opened, ".lines tr:last-child") <= 2 * 844
    await opened.close()


async def test_wide_tables_on_a_phone_show_two_columns_and_say_that_there_is_more(browser: Browser) -> None:
    opened = await _opened(browser, 390, 844)
    await opened.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    hidden = await opened.evaluate(
        """[...document.querySelectorAll(".scroll table")].filter(table => {
            const second = table.querySelector("thead th:nth-child(2)").getBoundingClientRect()
            return second.left > innerWidth - 30
        }).length"""
    )
    assert hidden == 0
    hint = await opened.evaluate("getComputedStyle(document.querySelector('.scroll'), '::before').content")
    assert "swipe" in hint
    await opened.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
async def test_axe_finds_nothing(browser: Browser, width: int, scheme: str) -> None:
    axe = installed("axe-core", AXE_VERSION) / "axe.min.js"
    opened = await _opened(browser, width, 800, scheme)
    await opened.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    await opened.add_script_tag(path=axe)
    # A chart is one image, whose label another test looks at: axe would look at thousands of its parts one by one.
    result = await opened.evaluate("axe.run({exclude: [['svg']]}, {resultTypes: ['violations']})")
    found = [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]
    assert found == []
    assert len(result["passes"]) > 10
    assert await opened.evaluate("document.documentElement.scrollWidth") <= width
    await opened.close()


async def test_it_prints_on_few_pages_of_which_none_is_blank(browser: Browser, tmp_path: Path) -> None:
    opened = await _opened(browser, 1280, 800)
    printed = await opened.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert 1 < len(re.findall(rb"/Type /Page\b(?!s)", printed)) <= MOST_PAGES
    await opened.emulate_media(media="print")
    assert await _bottom(opened, "#answer figure") < 700, "the first page begins with the answer"
    await opened.close()
