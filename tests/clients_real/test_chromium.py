"""Chromium's own WebSocket and EventSource, on a page of the server's origin, through the cookie session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.link import CuttableLink
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import Connect, unique

OPEN_SESSION = """async (token) =>
  (await fetch("/session", { method: "POST", body: JSON.stringify({ token }) })).status"""

OPEN_EVENT_SOURCE = """({ base, room, since }) => {
  window.events = [];
  window.failures = 0;
  window.source = new EventSource(`${base}/rooms/${room}/events${since ? `?since=${since}` : ""}`);
  source.onmessage = (event) => events.push({ lastEventId: event.lastEventId, ...JSON.parse(event.data) });
  source.onerror = () => { failures += 1; };
}"""

OPEN_WEBSOCKET = """({ base, room, token, since }) => {
  window.events = [];
  window.closeCode = null;
  window.socket = new WebSocket(`${base.replace("http", "ws")}/rooms/${room}/ws`);
  socket.onopen = () => socket.send(JSON.stringify({ type: "hello", token, ...(since && { since }) }));
  socket.onmessage = (event) => events.push(JSON.parse(event.data));
  socket.onclose = (event) => { closeCode = event.code; };
}"""

PUBLISH = """async ({ room, content }) =>
  (await fetch(`/rooms/${room}/messages`, { method: "POST", body: JSON.stringify({ content }) })).status"""


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of its own profile: no cookie of another test."""
    context = await browser.new_context()
    page = await context.new_page()
    page.set_default_timeout(EVENT_S * 1000)
    yield page
    await context.close()


async def chats(page: Page, last: str) -> list[dict[str, Any]]:
    """All chats the page has seen, once the one that reads `last` is among them."""
    await page.wait_for_function("(last) => events.some((event) => event.content === last)", arg=last)
    seen: list[dict[str, Any]] = await page.evaluate("events.filter((event) => event.type === 'chat')")
    return seen


async def first_event(page: Page) -> dict[str, Any]:
    await page.wait_for_function("events.length > 0")
    first: dict[str, Any] = await page.evaluate("events[0]")
    return first


async def test_event_source_joins_sends_receives(every: ServerProcess, connect: Connect, page: Page, room: str) -> None:
    bob, user = await connect("bob"), unique("browser")
    await page.goto(f"{every.base_url}/health")
    assert await page.evaluate(OPEN_SESSION, sign(user)) == 204
    assert await page.evaluate("document.cookie") == "", "scripts can read the session"
    await page.evaluate(OPEN_EVENT_SOURCE, {"base": every.base_url, "room": room})
    assert (await first_event(page))["type"] == "welcome"
    await bob.publish("<b>to the browser</b>")
    (chat,) = await chats(page, "&lt;b&gt;to the browser&lt;/b&gt;")
    assert chat["lastEventId"] == chat["id"]
    assert await page.evaluate(PUBLISH, {"room": room, "content": "from the browser"}) == 202
    assert (await bob.contents_until("from the browser"))[-1] == "from the browser"


async def test_event_source_reconnects_by_itself_and_misses_nothing(
    link: CuttableLink, connect: Connect, page: Page, room: str
) -> None:
    """Its URL still says the first `since`: the Last-Event-ID that the browser sends has to win."""
    bob = await connect("bob")
    since = await bob.publish("before")
    await page.goto(f"{link.base_url}/health")
    assert await page.evaluate(OPEN_SESSION, sign(unique("browser"))) == 204
    await page.evaluate(OPEN_EVENT_SOURCE, {"base": link.base_url, "room": room, "since": str(since)})
    await first_event(page)
    expected = []
    for round_ in range(2):
        await bob.publish(f"live {round_}")
        await chats(page, f"live {round_}")
        link.cut()
        await bob.publish(f"away {round_}")
        expected += [f"live {round_}", f"away {round_}"]
        assert [chat["content"] for chat in await chats(page, f"away {round_}")] == expected
    assert await page.evaluate("failures") >= 2


async def test_websocket_joins_sends_and_resumes_where_the_event_source_stopped(
    every: ServerProcess, connect: Connect, page: Page, room: str
) -> None:
    bob, user = await connect("bob"), unique("browser")
    await page.goto(f"{every.base_url}/health")
    await page.evaluate(OPEN_SESSION, sign(user))
    await page.evaluate(OPEN_EVENT_SOURCE, {"base": every.base_url, "room": room})
    await first_event(page)
    await bob.publish("seen")
    since = (await chats(page, "seen"))[-1]["lastEventId"]
    await page.evaluate("source.close()")
    await bob.publish("missed")
    options = {"base": every.base_url, "room": room, "token": sign(user), "since": since}
    await page.evaluate(OPEN_WEBSOCKET, options)
    assert (await first_event(page))["recovered"] is True
    assert [chat["content"] for chat in await chats(page, "missed")] == ["missed"]
    await page.evaluate("socket.send(JSON.stringify({ type: 'chat', content: 'by the socket' }))")
    assert (await bob.contents_until("by the socket"))[-1] == "by the socket"
    await page.evaluate("socket.send(JSON.stringify({ type: 'leave' }))")
    await page.wait_for_function("closeCode !== null")
    assert await page.evaluate("closeCode") == 1000


async def test_page_of_another_origin_gets_nothing(every: ServerProcess, page: Page, room: str) -> None:
    """`localhost` and `127.0.0.1` are one machine and two origins."""
    await page.goto(f"http://localhost:{every.port}/health")
    await page.evaluate(OPEN_EVENT_SOURCE, {"base": every.base_url, "room": room})
    await page.wait_for_function("failures > 0 && source.readyState === EventSource.CLOSED")
    await page.evaluate(OPEN_WEBSOCKET, {"base": every.base_url, "room": room, "token": sign(unique("browser"))})
    await page.wait_for_function("closeCode !== null")
    assert await page.evaluate("events.length") == 0
