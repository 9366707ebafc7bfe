"""What HTTP/2 changes for a browser: many event streams on one connection, and no server push."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import psutil

from core.auth import sign
from loadtests.evidence.browser.engines import Browser
from loadtests.evidence.browser.page import Nothing, Refusal, Streams, probe
from loadtests.records.schema import Value
from loadtests.run.servers import Server

STREAMS_TRIED = 30  # five times what a browser gives one server over HTTP/1.1
_PLAIN_PAGE = "/metrics"  # text, on the server's own origin
_ROOM = "streams"
_TOKEN_LIFE_S = 600.0
_PATIENCE_S = 3.0  # with a stream that does not open, and with a fetch that waits for a connection

ServerOf = Callable[[str], AbstractContextManager[Server]]
"""Starts a target of the lab by its name; left, the server ends."""


def examine(browser: Browser, server_of: ServerOf) -> dict[str, Value]:
    """Return the findings over HTTP/1.1 and HTTP/2 side by side. Raises BrowserError, ServerError."""
    findings: dict[str, Value] = {}
    for version, target in (("h1", "sse"), ("h2", "sse-h2")):
        with server_of(target) as server:
            found = _streams(browser, server)
            findings |= {f"{version}_event_streams_{name}": value for name, value in found.items()}
    with server_of("h2push") as server:
        return findings | _push(browser, server)


def _streams(browser: Browser, server: Server) -> dict[str, Value]:
    tab = browser.open(f"{server.url}{_PLAIN_PAGE}")
    options = {"token": _token(server), "room": _ROOM, "tried": STREAMS_TRIED, "patienceMs": _PATIENCE_S * 1000}
    answer = probe(browser, tab, "streams", options, Streams, takes_s=2 * _PATIENCE_S)
    connections = connections_to(server)
    probe(browser, tab, "streamsEnd", {}, Nothing)
    browser.close(tab)
    return {
        "tried": STREAMS_TRIED,
        "held_at_once": answer.held,
        "fetch_beside_ms": answer.fetch_ms,  # None: it waited for a connection until patience ended
        "protocol": answer.protocol,  # of that fetch
        "connections": connections,
    }


def connections_to(server: Server) -> int:
    """Return how many TCP connections the server holds on its port right now."""
    return sum(
        connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == server.port
        for pid in server.processes()
        for connection in psutil.Process(pid).net_connections("tcp")
    )


def _push(browser: Browser, server: Server) -> dict[str, Value]:
    tab = browser.open(f"{server.url}{_PLAIN_PAGE}")
    answer = probe(browser, tab, "push", {"token": _token(server), "room": _ROOM}, Refusal)
    browser.close(tab)
    setting = re.search(r"SETTINGS_ENABLE_PUSH (\d+)", answer.said)
    return {
        "h2push.status": answer.status,
        "h2push.enable_push": int(setting[1]) if setting else None,  # SETTINGS_ENABLE_PUSH, as the server got it
        "h2push.server_said": answer.said,
    }


def _token(server: Server) -> str:
    return sign(server.secret.encode(), "browser", [_ROOM], time.time() + _TOKEN_LIFE_S)
