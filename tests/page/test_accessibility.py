"""axe-core over the page: no serious violation, in either theme, at either width."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.contracts.kit.server import ServerProcess
from tests.page.conftest import visit
from tests.page.npm import installed

AXE_VERSION = "4.14.1"
SERIOUS = ("serious", "critical")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
async def test_axe_finds_no_serious_violation(
    browser: Browser, demo_server: ServerProcess, room: str, scheme: str, width: int
) -> None:
    axe = installed("axe-core", AXE_VERSION) / "axe.min.js"
    # The page's own policy lets no test tool in.
    context = await browser.new_context(
        bypass_csp=True,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 800},
    )
    try:
        watched = await visit(context, f"{demo_server.base_url}/?room={room}")
        await watched.expect_open()
        await watched.page.click("#race-form button")
        await expect(watched.page.locator("#chat .said")).to_have_count(1)
        await watched.page.select_option("#outage", "0")
        await watched.page.click("#cut")
        await expect(watched.page.locator("#cuts")).to_be_visible()
        await watched.expect_open()
        await watched.page.add_script_tag(path=axe)
        result = await watched.page.evaluate("axe.run()")
        found = [
            f"{violation['id']}: {node['target']} {node['failureSummary']}"
            for violation in result["violations"]
            if violation["impact"] in SERIOUS
            for node in violation["nodes"]
        ]
        assert found == []
        assert len(result["passes"]) > 10
        sideways = await watched.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert sideways <= 0, "the page scrolls sideways"
    finally:
        await context.close()
