"""The race page under a prefix: every lane, the demo's tokens and the cut work there too."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.async_api import BrowserContext, expect

from tests.contracts.kit.limits import GONE_S, READY_S
from tests.contracts.kit.server import free_port
from tests.contracts.kit.tokens import SECRET
from tests.page.conftest import visit


@pytest.fixture
def prefixed_url() -> Iterator[str]:
    url = f"http://127.0.0.1:{(port := free_port())}/some/lab"
    program = [sys.executable, "-m", "uvicorn", "tests.page.prefixed:app", "--port", str(port), "--log-level", "error"]
    server = subprocess.Popen(program, env=os.environ | {"RTLAB_SECRET": SECRET})
    try:
        deadline_s = time.monotonic() + READY_S
        while time.monotonic() < deadline_s and server.poll() is None and not _answers(f"{url}/health"):
            time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait(GONE_S)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


async def test_the_page_works_under_a_prefix(visitor: BrowserContext, prefixed_url: str, room: str) -> None:
    race = await visit(visitor, f"{prefixed_url}/?room={room}")
    await race.expect_open()
    await race.stream(rate=50, messages=20)
    await race.expect_figure("shortpoll", "messages", "20")
    await race.page.click("#cut")
    await expect(race.page.locator("#cuts-sum")).to_have_text("The cord was cut once.")
    assert all(url.startswith(prefixed_url) for url in race.requests)
