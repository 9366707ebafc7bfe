"""The page computes what the command says, from the same figures, and loads nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import cast

import msgspec
import pytest
from playwright.async_api import Page, async_playwright

from loadtests.records import facts, prices
from loadtests.report.advise import webpage
from loadtests.report.advise.advice import Advice, Basis, advise
from loadtests.report.advise.case import APP, BOTH, MOBILE, Case
from loadtests.report.study import Study
from loadtests.report.verdicts.evidence import Evidence
from tests.loadtests.report.advise import planted

CASES = {
    "the default": Case(),
    "a chat": Case(5.0, 300, 20_000, 400, BOTH, "rtt=80ms,loss=1%", (MOBILE,), "nginx", True),
    "a measured load": Case(5.0, 512, 100, 10, link="loopback"),
    "three rooms on two processes would be too much": Case(65.0, 300, 2550, 3, link="loopback"),
    "one room on many processes": Case(10.0, 200, 500_000, 1),
    "a second is soon enough": Case(20.0, 200, 2000, 4, link="loopback", within_ms=1100.0),
    "idle, and held by memory": Case(0.001, 300, 2_000_000, 2000),
    "nothing fits": Case(within_ms=1.0),
    "no p99 that is more than a bound": Case(link="rtt=80ms,loss=1%", within_ms=2000.0),
    "an app behind a satellite": Case(0.01, 3000, 50_000, 1000, link="rtt=600ms", clients=(APP,), proxy="haproxy"),
}
PAID = ("us-large", "eu-small", "service-connections")


@pytest.fixture(scope="module")
def found() -> Basis:
    clear = planted.points("sse", planted.TRUTHS["sse"])[6]
    loss = msgspec.structs.replace(clear, link="rtt=80ms,loss=1%", p99_ms=222.0)
    return planted.basis(Evidence(study=cast(Study, None), support=facts.load()), further=[loss])


@pytest.fixture(scope="module")
async def page(chromium_path: str, found: Basis, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    path = tmp_path_factory.mktemp("page") / "advise.html"
    path.write_text(webpage.render(found), encoding="utf-8")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        opened = await browser.new_page()
        await opened.goto(path.as_uri())
        yield opened
        await browser.close()


def asked(case: Case, price: str) -> dict[str, object]:
    return {
        "rate": case.rate_per_s, "payload": case.payload_bytes, "subscribers": case.subscribers, "rooms": case.rooms,
        "direction": case.direction, "rtt": 2 * case.one_way_ms, "loss": case.loss_percent, "jitter": 0,
        "clients": list(case.clients), "proxy": case.proxy, "tls": case.tls, "within": case.within_ms, "price": price,
    }  # fmt: skip


def figures(answer: Advice) -> list[tuple[str, list[float]]]:
    found = []
    for each in answer.ranked:
        o = each.option
        assert o.bill is not None
        known = [figure for figure in (o.p50_ms, o.p99_ms, o.wire_bytes, o.cpu_us) if figure]
        assert len(known) == 4
        machines = o.size.machines if o.size else 0
        split = [o.bill.cpu, o.bill.memory, o.bill.egress, o.bill.idle_connections, o.bill.messages, o.bill.unused]
        values = [*(figure.value for figure in known), machines, o.bill.total, *split]
        found.append((o.transport, values))
    return found


_FIGURES = """asked => {
  const answer = advise(asked);
  return {out: answer.out.map(o => o.transport).sort(), beat: answer.heartbeat_s, ranked: answer.ranked.map(o => [
    o.transport, [o.p50.value, o.p99.value, o.wire.value, o.cpu_us, o.size?.machines ?? 0, o.bill.total,
                  ...Object.values(o.bill.split)]])};
}"""


@pytest.mark.parametrize("name", CASES)
async def test_page_and_command_agree(page: Page, found: Basis, name: str) -> None:
    case = CASES[name]
    for price in PAID:
        answer = advise(case, prices.find(price), found, date(2026, 11, 29))
        shown = await page.evaluate(_FIGURES, asked(case, price))
        assert [transport for transport, _ in shown["ranked"]] == [t for t, _ in figures(answer)]
        for (_, theirs), (_, ours) in zip(shown["ranked"], figures(answer), strict=True):
            assert theirs == pytest.approx(ours, rel=1e-9)
        assert shown["out"] == sorted(option.transport for option in answer.out)
        assert shown["beat"] == answer.heartbeat.every_s


async def test_the_form_shows_the_answer_and_refuses_what_no_model_holds_for(page: Page) -> None:
    assert (await page.inner_text("#said")).startswith("Take WebSocket: USD ")
    assert await page.locator("#answer tr").count() == len(planted.TRUTHS)
    await page.fill("[name=payload]", "5000")
    assert await page.inner_text("#said") == "Each figure must lie within its limits."
    await page.fill("[name=payload]", "300")
    await page.fill("[name=rooms]", "30000")
    assert await page.inner_text("#said") == "There can be no more rooms than subscribers."
    await page.fill("[name=rooms]", "400")
    await page.select_option("[name=price]", "eu-small")
    assert ": EUR " in await page.inner_text("#said")


def test_the_page_is_small_and_loads_nothing(found: Basis, tmp_path: Path) -> None:
    text = webpage.render(found)
    assert len(text.encode()) < 200_000
    assert not re.findall(r'(?:src|href)="(?!data:,)', text)
    assert "url(" not in text
    assert "</script>" not in text.split("<script>")[1].split("const answersOf")[0]
