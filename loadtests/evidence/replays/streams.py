"""Event streams of one page over HTTP/1.1: how many a browser holds, and whether it answers a request beside them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from loadtests.evidence.browser import findings
from loadtests.evidence.browser.engines import ENGINES
from loadtests.records.errors import BrowserError
from loadtests.run.servers import Server, ServerSettings


def figures() -> dict[str, float]:
    """Return `held` streams and `answered` requests. Raises BrowserError without a browser."""
    engine = next((engine for engine in ENGINES if engine.program() is not None), None)
    if engine is None:
        looked = ", ".join(program for each in ENGINES for program in each.programs)
        raise BrowserError(f"a browser is missing; looked for {looked}")
    with (
        TemporaryDirectory(prefix="rtlab-") as folder,
        Server("sse", ServerSettings(), log=Path(folder) / "server.log") as server,
    ):
        server.wait_ready(lambda: None)
        with engine.started(Path(folder) / "browser.log") as browser:
            found = findings.streams(browser, server)
    return {
        "held": float(str(found["held_at_once"])),
        "answered": 0.0 if found["fetch_beside_ms"] is None else 1.0,
    }
