"""What only a browser can tell, as flat values for the run's manifest.

Which APIs a page finds, the limit on connections, hidden tabs, outages, a flood; and what HTTP/2 changes: many event
streams on one connection, and no server push.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import msgspec
import numpy as np
import psutil

from core import catalogue
from core.auth import sign
from loadtests.evidence.browser.engines import Browser
from loadtests.evidence.browser.page import (
    Clock,
    Connections,
    Flood,
    Hidden,
    Nothing,
    Outage,
    Refusal,
    Sent,
    Streams,
    probe,
    probe_once,
)
from loadtests.records.errors import BrowserError
from loadtests.records.schema import Value
from loadtests.run.servers import Server

PAGE = "/?join=no"
"""The race page with its own lanes at rest: they would hold connections."""

LANES = tuple(catalogue.lanes())
"""Ids of the race page's lanes: the clients that are measured."""

_STREAMS_TRIED = 8  # more than any browser gives one server over HTTP/1.1
_TICK_MS = 50
_EVALUATE_S = 20.0
_HTTP2_STREAMS_TRIED = 30  # five times what a browser gives one server over HTTP/1.1
_PLAIN_PAGE = "/metrics"  # text, on the server's own origin
_ROOM = "streams"
_TOKEN_LIFE_S = 600.0
_PATIENCE_S = 3.0  # with a stream that does not open, and with a fetch that waits for a connection

EXPRESSIONS = {
    "websocket": "typeof WebSocket === 'function'",
    "eventsource": "typeof EventSource === 'function'",
    "response-body": "typeof ReadableStream === 'function' && new Response('x').body instanceof ReadableStream",
    "xhr": "typeof XMLHttpRequest === 'function'",
    "fetch": "typeof fetch === 'function'",
    "webtransport": "typeof WebTransport === 'function'",
}
"""By the API's name in the support facts. HTTP/2 and its push show themselves to a server only, not to a page."""

ServerOf = Callable[[str], AbstractContextManager[Server]]
"""Starts a target of the lab by its name; left, the server ends."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How long the parts of an examination take, in seconds unless named otherwise."""

    patience: float = 5.0
    outage: float = 2.0
    hidden: float = 8.0
    flood: float = 5.0
    flood_per_s: int = 1000


def examine(browser: Browser, url: str, durations: Durations) -> dict[str, Value]:
    """Return every finding about a running browser against a demo server at `url`. Raises BrowserError."""
    findings: dict[str, Value] = {}
    tab = browser.open(f"{url}{PAGE}")
    clock = probe(browser, tab, "clock", {}, Clock)
    findings["clock"] = "performance.now() of the page that sends and receives: a round trip, no clocks compared"
    findings["clock_resolution_us"] = clock.resolution_us
    findings["cross_origin_isolated"] = clock.isolated
    findings |= present(browser, tab)
    browser.close(tab)
    findings |= _connections(browser, url, durations)
    findings |= _outages(browser, url, durations)
    findings |= _hidden(browser, url, durations)
    findings |= _floods(browser, url, durations)
    return findings


def _connections(browser: Browser, url: str, durations: Durations) -> dict[str, Value]:
    options = {"room": "connections", "tried": _STREAMS_TRIED, "patienceMs": durations.patience * 1000}
    answer = probe_once(browser, f"{url}{PAGE}", "connections", options, Connections, takes_s=durations.patience)
    return {"event_streams_held_at_once": answer.held, "event_streams_tried": answer.tried}


def _outages(browser: Browser, url: str, durations: Durations) -> dict[str, Value]:
    options = {
        "lanes": LANES, "room": "outage", "outageS": durations.outage, "ratePerS": 20, "patienceMs": 20_000,
    }  # fmt: skip
    takes_s = len(LANES) * (durations.outage + 30)
    answers = probe_once(browser, f"{url}{PAGE}", "outage", options, dict[str, Outage], takes_s=takes_s)
    findings: dict[str, Value] = {"outage_s": durations.outage}
    for lane, answer in answers.items():
        findings |= {
            f"{lane}.resume_ms": answer.resume_ms,
            f"{lane}.lost_in_outage": answer.lost,
            f"{lane}.doubled_in_outage": answer.doubled,
        }
    return findings


def _hidden(browser: Browser, url: str, durations: Durations) -> dict[str, Value]:
    """Send to a tab that another one hides: its timers are throttled, its streams should not be."""
    hidden = browser.open(f"{url}{PAGE}")
    probe(browser, hidden, "hiddenStart", {"room": "hidden", "everyMs": _TICK_MS}, Nothing)
    front = browser.open(f"{url}{PAGE}")
    browser.show(front)
    options = {"room": "hidden", "ratePerS": 10, "seconds": durations.hidden}
    sent = probe(browser, front, "hiddenSend", options, Sent, takes_s=durations.hidden)
    awaited = {"sent": sent.sent, "patienceMs": durations.patience * 1000}
    answer = probe(browser, hidden, "hiddenResult", awaited, Hidden)
    browser.close(front)
    browser.close(hidden)
    return {
        "hidden_tab.visibility": answer.visibility,
        "hidden_tab.timer_asked_ms": _TICK_MS,
        "hidden_tab.timer_got_ms": 1000 * answer.seconds / answer.ticks if answer.ticks else None,
        "hidden_tab.sent": sent.sent,
        "hidden_tab.received": answer.events,
        "hidden_tab.latency_ms_p50": float(np.median(answer.latencies)) if answer.latencies else None,
        "hidden_tab.latency_ms_max": max(answer.latencies, default=None),
    }


def _floods(browser: Browser, url: str, durations: Durations) -> dict[str, Value]:
    findings: dict[str, Value] = {"flood_per_s": durations.flood_per_s, "flood_s": durations.flood}
    for lane in LANES:
        tab = browser.open(f"{url}{PAGE}")
        before = browser.heap_bytes(tab)
        options = {
            "lane": lane, "room": f"flood-{lane}", "ratePerS": durations.flood_per_s, "seconds": durations.flood,
            "patienceMs": 20_000,
        }  # fmt: skip
        answer = probe(browser, tab, "flood", options, Flood, takes_s=durations.flood + 20)
        after = browser.heap_bytes(tab)
        browser.close(tab)
        findings |= {
            f"{lane}.flood_sent": answer.sent,
            f"{lane}.flood_refused": answer.refused,
            f"{lane}.flood_received": answer.received,
            f"{lane}.flood_received_per_s": round(answer.received_per_s, 1),
            f"{lane}.flood_heap_growth_kib": None if before is None or after is None else (after - before) / 1024,
        }
    return findings


def present(browser: Browser, tab: str) -> dict[str, Value]:
    """Return `api.NAME`: whether a page in `tab` has it. Raises BrowserError."""
    asked = ", ".join(f"{json.dumps(name)}: {expression}" for name, expression in EXPRESSIONS.items())
    said = browser.evaluate(tab, f"Promise.resolve(JSON.stringify({{{asked}}}))", _EVALUATE_S)
    try:
        found = msgspec.json.decode(said, type=dict[str, bool])
    except msgspec.MsgspecError as error:
        raise BrowserError(f"the page answered what it should not: {error}") from error
    return {f"api.{name}": there for name, there in found.items()}


def examine_http2(browser: Browser, server_of: ServerOf) -> dict[str, Value]:
    """Return the findings over HTTP/1.1 and HTTP/2 side by side. Raises BrowserError, ServerError."""
    findings: dict[str, Value] = {}
    for version, target in (("h1", "sse"), ("h2", "sse-h2")):
        with server_of(target) as server:
            found = streams(browser, server)
            findings |= {f"{version}_event_streams_{name}": value for name, value in found.items()}
    with server_of("h2push") as server:
        return findings | _push(browser, server)


def streams(browser: Browser, server: Server) -> dict[str, Value]:
    """Hold many event streams in one page and fetch something beside them. Raises BrowserError."""
    tab = browser.open(f"{server.url}{_PLAIN_PAGE}")
    options = {"token": _token(server), "room": _ROOM, "tried": _HTTP2_STREAMS_TRIED, "patienceMs": _PATIENCE_S * 1000}
    answer = probe(browser, tab, "streams", options, Streams, takes_s=2 * _PATIENCE_S)
    connections = connections_to(server)
    probe(browser, tab, "streamsEnd", {}, Nothing)
    browser.close(tab)
    return {
        "tried": _HTTP2_STREAMS_TRIED,
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
    answer = probe_once(
        browser, f"{server.url}{_PLAIN_PAGE}", "push", {"token": _token(server), "room": _ROOM}, Refusal
    )
    setting = re.search(r"SETTINGS_ENABLE_PUSH (\d+)", answer.said)
    return {
        "h2push.status": answer.status,
        "h2push.enable_push": int(setting[1]) if setting else None,  # SETTINGS_ENABLE_PUSH, as the server got it
        "h2push.server_said": answer.said,
    }


def _token(server: Server) -> str:
    return sign(server.secret.encode(), "browser", [_ROOM], time.time() + _TOKEN_LIFE_S)
