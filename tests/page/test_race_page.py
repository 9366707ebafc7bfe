"""The race page in a real Chromium: every lane, cuts, other visitors, what is typed, keyboard."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from msgspec import convert
from playwright.async_api import Browser, BrowserContext, expect

from loadtests.evidence.browser import page
from loadtests.records.race import Finish
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.page.conftest import DEMO, LANES, PATIENCE_MS, Watched, visit

PROBES = page._PROBES
XSS = (
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    '"><svg onload="document.title=\'owned\'">',
    "javascript:document.title='owned' & &lt;b&gt; it's",
)

SAME_SEQUENCE = """
async ({ room, messages }) => {
  const { LANES } = await import("/page/race/lanes.js");
  const { tokenSource } = await import("/page/race/identity.js");
  const token = tokenSource({ name: "sequence" });
  const seen = {};
  const clients = LANES.map(({ id, make }) => {
    const client = make({ room, token });
    seen[id] = [];
    client.onevent = (event) => event.type === "chat" && seen[id].push(event.id + event.content);
    client.onstate = () => {};
    return client;
  });
  const until = async (done) => {
    const deadline = performance.now() + 25_000;
    while (!done() && performance.now() < deadline) await new Promise((wake) => setTimeout(wake, 20));
  };
  for (const client of clients) client.connect();
  await until(() => clients.every(({ state }) => state === "open"));
  for (let i = 0; i < messages; i++) await clients[0].send(`message ${i}`);
  await until(() => Object.values(seen).every((ids) => ids.length === messages));
  for (const client of clients) client.close();
  return seen;
}
"""


async def test_all_lanes_bring_the_same_sequence(
    visitor: BrowserContext, demo_server: ServerProcess, room: str
) -> None:
    watched = await visit(visitor, f"{demo_server.base_url}/page/icon.svg")
    await watched.page.goto(f"{demo_server.base_url}/?room=elsewhere-{room}")
    for lane in LANES:  # the page's own lanes would hold the browser's connections
        await watched.switch(lane)
    seen = await watched.page.evaluate(SAME_SEQUENCE, {"room": room, "messages": 50})
    assert set(seen) == set(LANES)
    assert [text.partition("message ")[2] for text in seen["websocket"]] == [str(i) for i in range(50)]
    for lane in LANES:
        assert seen[lane] == seen["websocket"], lane


async def test_a_stream_arrives_whole_in_every_lane_and_nothing_complains(race: Watched) -> None:
    await race.stream(rate=50, messages=150)
    for lane in LANES:
        await race.expect_figure(lane, "messages", "150")
        await race.expect_figure(lane, "lost", "0")
        await race.expect_figure(lane, "doubled", "0")
    assert race.complaints == []
    assert {urlsplit(url).netloc for url in race.requests} == {urlsplit(race.page.url).netloc}


async def test_enter_races_one_message_down_every_lane(race: Watched) -> None:
    await race.page.focus("#message")
    await race.page.keyboard.press("Enter")
    places = []
    for lane in LANES:
        result = race.page.locator(f'.lane[data-lane="{lane}"] .result')
        await expect(result).to_contain_text("ms", timeout=PATIENCE_MS)
        said = re.match(r"(tied )?(1st|2nd|3rd|[4-9]th): ", await result.inner_text())
        assert said is not None
        places.append(said.group(1, 2))
    assert "1st" in [place for _, place in places]
    for tied, place in places:  # two lanes share a place exactly when they say so
        assert (len([other for _, other in places if other == place]) > 1) == (tied is not None)
    verdict = await race.page.locator("#verdict").inner_text()
    assert ("tie for first" in verdict) is (("tied ", "1st") in places)
    assert "Short poll" in verdict
    await expect(race.page.locator("#announcer")).to_have_text(verdict)


@pytest.mark.parametrize("outage", ["0", "1"])
async def test_cutting_the_cord_loses_and_doubles_nothing(race: Watched, outage: str) -> None:
    await race.stream(rate=40, messages=240)
    await race.page.select_option("#outage", outage)
    felt = race.page.locator('#cuts-body tr[data-lane="websocket"] td')
    for count in (1, 2):
        await race.page.click("#cut")
        await expect(felt.first).to_have_text(str(count))  # shown when the lane is back
        await race.expect_open()
    for lane in LANES:
        await race.expect_figure(lane, "messages", "240")
        await race.expect_figure(lane, "lost", "0")
        await race.expect_figure(lane, "doubled", "0")
    await expect(felt.nth(1)).to_contain_text("s")


async def test_a_lane_counts_what_a_restarted_server_forgot(
    visitor: BrowserContext, servers: ServerPool, room: str
) -> None:
    server = servers.own("all", DEMO)
    race = await visit(visitor, f"{server.base_url}/?room={room}")
    await race.expect_open()
    await race.switch("shortpoll")
    await race.stream(rate=100, messages=60)
    await expect(race.page.locator("#sent")).to_have_text("60 sent")
    await race.expect_figure("sse", "messages", "60")
    server.process.kill()
    server.wait()
    server.start()
    await race.switch("shortpoll")
    await race.expect_figure("shortpoll", "lost", "≥ 60")
    await expect(race.page.locator('.lane[data-lane="shortpoll"] .harm')).to_have_text("≥ 60 lost")
    await race.expect_figure("sse", "lost", "≥ 0")


async def test_a_frozen_tab_reads_everything_afterwards(race: Watched) -> None:
    await race.stream(rate=40, messages=200)
    await race.page.click("#freeze")
    for lane in LANES:
        await race.expect_figure(lane, "messages", "200")
        await race.expect_figure(lane, "lost", "0")


async def test_what_is_typed_stays_text_live_and_from_history(race: Watched) -> None:
    said = race.page.locator("#chat .said span")
    for count, payload in enumerate(XSS, start=1):
        await race.page.fill("#message", payload)
        await race.page.click("#race-form button")
        await expect(said).to_have_count(count)
    assert await said.all_inner_texts() == list(XSS)
    await race.page.reload()
    await race.expect_open()
    await expect(said).to_have_count(len(XSS))
    assert await said.all_inner_texts() == list(XSS)
    assert await race.page.locator("#chat :is(script, img, svg)").count() == 0
    assert await race.page.title() != "owned"
    assert race.complaints == []


async def test_two_tabs_are_one_user_and_the_second_starts_light(
    race: Watched, visitor: BrowserContext, browser: Browser, demo_server: ServerProcess, room: str
) -> None:
    url = f"{demo_server.base_url}/?room={room}"
    second = await visit(visitor, url)
    await second.expect_open(("websocket",))
    await expect(second.page.locator("#notice")).to_contain_text("another tab")
    await expect(second.page.locator("#members li")).to_have_count(1)
    other = await browser.new_context()
    try:
        guest = await visit(other, url)
        await guest.expect_open()
        await expect(guest.page.locator("#members li")).to_have_count(2)
        name = await race.page.input_value("#name")
        await second.page.goto("about:blank")  # closes its lanes; the first tab keeps the user in the room
        await race.page.fill("#message", "still here")
        await race.page.click("#race-form button")
        await expect(guest.page.locator("#chat .said")).to_contain_text(["still here"])
        await expect(guest.page.locator("#members li")).to_have_count(2)
        await race.page.goto("about:blank")
        left = guest.page.locator("#chat .moved", has_text=f"{name} left")
        await expect(left.first).to_be_visible(timeout=PATIENCE_MS)
        await expect(guest.page.locator("#members li")).to_have_count(1, timeout=PATIENCE_MS)
    finally:
        await other.close()


async def test_an_emulated_link_delays_every_lane_both_ways(race: Watched) -> None:
    await race.page.select_option("#delay", "100")
    await race.expect_open()
    await race.stream(rate=5, messages=5)
    for lane in LANES:
        await race.expect_figure(lane, "messages", "5")
        last = await race.figure(lane, "last")
        assert last.endswith("ms"), last
        assert float(last.removesuffix(" ms")) >= 200
        await race.expect_figure(lane, "reconnects", "0")
    recorded = await race.page.evaluate(f"({PROBES.read_text()}).race({{oneWayMs: 25, restMs: 0}})")
    assert recorded["verdict"] == await race.page.locator("#verdict").inner_text()
    finishes = convert(recorded["finishes"], list[Finish])
    assert [finish.lane for finish in finishes] == list(LANES)
    assert all(finish.ms is not None and finish.ms >= 50 for finish in finishes)
    assert any(finish.said.startswith(("1st: ", "tied 1st: ")) for finish in finishes)


async def test_reduced_motion_places_the_runners_without_moving_them(
    browser: Browser, demo_server: ServerProcess, room: str
) -> None:
    context = await browser.new_context(reduced_motion="reduce")
    try:
        watched = await visit(context, f"{demo_server.base_url}/?room={room}")
        await watched.expect_open()
        await watched.page.click("#race-form button")
        await expect(watched.page.locator(".lane .result").last).to_contain_text("ms")
        assert await watched.page.evaluate("document.getAnimations().length") == 0
    finally:
        await context.close()


async def test_without_the_demo_a_pasted_token_is_needed(
    visitor: BrowserContext, plain_server: ServerProcess, room: str
) -> None:
    watched = await visit(visitor, f"{plain_server.base_url}/?room={room}")
    await expect(watched.page.locator("#cut")).to_be_disabled()
    await expect(watched.page.locator("#delay")).to_be_disabled()
    await watched.page.fill("#token", "no.such.token")
    await watched.page.click("#join")
    await expect(watched.page.locator("#notice")).to_contain_text("token is missing, wrong or expired")
    await watched.page.fill("#name", "alice")
    await watched.page.fill("#token", sign("alice"))
    await watched.page.click("#join")
    await watched.expect_open()
    await expect(watched.page.locator("#members li")).to_have_text("alice (you)")
