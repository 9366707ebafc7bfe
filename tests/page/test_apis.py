"""The APIs in an installed browser are those that the published facts promise it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from loadtests.evidence.browser import findings
from loadtests.evidence.browser.engines import ENGINES, Engine
from loadtests.evidence.support.packages import number
from loadtests.records.facts import load
from tests.conftest import missing


class _Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>blank</title>")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def blank_page() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Blank)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_the_browser_has_what_the_facts_promise(engine: Engine, blank_page: str, tmp_path: Path) -> None:
    if engine.program() is None:
        if engine.name == "chromium":
            missing(engine.name)
        pytest.skip(f"{engine.name} was not found on this machine")
    with engine.started(tmp_path / "log") as browser:
        found = findings.present(browser, browser.open(blank_page))
    version = re.search(r"\d+[\d.]*", engine.version())
    assert version is not None
    here = number(version[0])
    browser_name = {"chromium": "chrome"}.get(engine.name, engine.name)
    assert here is not None
    for name in findings.EXPRESSIONS:
        api = load().api(name)
        assert api is not None
        since = number(api.since[browser_name])
        assert since is not None
        assert found[f"api.{name}"] is (here >= since), name
