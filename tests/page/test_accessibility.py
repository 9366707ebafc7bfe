"""axe-core over the page: no violation, in either theme, at either width; the lanes are in sight of who races."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.contracts.kit.server import ServerProcess
from tests.page.conftest import visit
from tests.page.npm import installed

AXE_VERSION = "4.14.1"
HEIGHT = 480  # of a phone on its side: whoever presses the button there has scrolled past the lanes


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
async def test_axe_finds_no_violation(
    browser: Browser, demo_server: ServerProcess, room: str, scheme: str, width: int
) -> None:
    axe = installed("axe-core", AXE_VERSION) / "axe.min.js"
    # The page's own policy lets no test tool in.
    context = await browser.new_context(
        bypass_csp=True,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": HEIGHT},
    )
    try:
        watched = await visit(context, f"{demo_server.base_url}/?room={room}")
        await watched.expect_open()
        await watched.page.click("#race-form button")
        first = await watched.page.locator(".lane").first.bounding_box()
        assert first is not None
        assert first["y"] >= 0, "the first lane is not in sight after the click"
        assert first["y"] + first["height"] <= HEIGHT
        await expect(watched.page.locator("#chat .said")).to_have_count(1)
        await watched.unfold()
        await watched.page.select_option("#outage", "0")
        await watched.page.click("#cut")
        await expect(watched.page.locator("#cuts")).to_be_visible()
        await watched.expect_open()
        await watched.page.add_script_tag(path=axe)
        result = await watched.page.evaluate("axe.run()")
        found = [
            f"{violation['id']}: {node['target']} {node['failureSummary']}"
            for violation in result["violations"]
            for node in violation["nodes"]
        ]
        assert found == []
        assert len(result["passes"]) > 10
        sideways = await watched.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert sideways <= 0, "the page scrolls sideways"
    finally:
        await context.close()
