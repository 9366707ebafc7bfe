"""Fixtures of the page's tests: the demo server, a browser, pages that note what they complain of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from core.catalogue import lanes
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.targets import unique

LANES = tuple(lanes())
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)
DEMO = {"DEMO": "1", "RATE": "200", "BURST": "400", "HISTORY_EVENTS": "5000", "PRESENCE_TTL_SECONDS": "2"}


@pytest.fixture
def demo_server(servers: ServerPool) -> ServerProcess:
    """The session's server for visitors, with a short presence lease."""
    return servers.shared("all", DEMO)


@pytest.fixture
def plain_server(servers: ServerPool) -> ServerProcess:
    """The session's `all` server, which gives no tokens away."""
    return servers.shared("all")


@pytest.fixture(scope="module")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield launched
        await launched.close()


@pytest.fixture
async def visitor(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser profile of its own: cookies, storage, connections."""
    context = await browser.new_context(ignore_https_errors=True)
    context.set_default_timeout(PATIENCE_MS)
    yield context
    await context.close()


@pytest.fixture
def room() -> str:
    return unique("race")


@dataclass(slots=True)
class Watched:
    """A page, and what went wrong on it."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    async def unfold(self) -> None:
        """Show the lanes' figures; folded ones are not drawn."""
        await self.page.locator("#figures").evaluate("figures => { figures.open = true; }")

    async def switch(self, lane: str) -> None:
        """Stop a lane, or start it again."""
        await self.unfold()
        await self.page.click(f'[data-lane="{lane}"] .toggle')

    async def figure(self, lane: str, name: str) -> str:
        await self.unfold()
        return await self.page.locator(f'[data-lane="{lane}"] [data-figure="{name}"]').inner_text()

    async def expect_figure(self, lane: str, name: str, value: str) -> None:
        await self.unfold()
        figure = self.page.locator(f'[data-lane="{lane}"] [data-figure="{name}"]')
        await expect(figure).to_have_text(value, timeout=PATIENCE_MS)

    async def expect_open(self, lanes: tuple[str, ...] = LANES) -> None:
        for lane in lanes:
            card = self.page.locator(f'.lane[data-lane="{lane}"]')
            await expect(card).to_have_attribute("data-state", "open", timeout=PATIENCE_MS)

    async def stream(self, rate: int, messages: int) -> None:
        await self.page.fill("#rate", str(rate))
        await self.page.fill("#limit", str(messages))
        await self.page.click("#stream")


async def visit(context: BrowserContext, url: str) -> Watched:
    """Open a page and note what it says and asks for."""
    watched = Watched(await context.new_page())
    watched.page.on("console", lambda message: watched.note(message))
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.page.on("request", lambda request: watched.requests.append(request.url))
    await watched.page.goto(url)
    return watched


@pytest.fixture
async def race(visitor: BrowserContext, demo_server: ServerProcess, room: str) -> Watched:
    """The race page in a room of its own, every lane open."""
    watched = await visit(visitor, f"{demo_server.base_url}/?room={room}")
    await watched.expect_open()
    return watched
