"""What only a browser can tell: connection limit, hidden tabs, outages, a flood. Flat values for the run's manifest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core import catalogue
from loadtests.evidence.browser import apis
from loadtests.evidence.browser.engines import Browser
from loadtests.evidence.browser.page import Clock, Connections, Flood, Hidden, Nothing, Outage, Sent, probe
from loadtests.records.schema import Value

PAGE = "/?join=no"
"""The race page with its own lanes at rest: they would hold connections."""

LANES = tuple(catalogue.lanes())
"""Ids of the race page's lanes: the clients that are measured."""

_STREAMS_TRIED = 8  # more than any browser gives one server over HTTP/1.1
_TICK_MS = 50


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
    findings |= apis.present(browser, tab)
    browser.close(tab)
    findings |= _connections(browser, url, durations)
    findings |= _outages(browser, url, durations)
    findings |= _hidden(browser, url, durations)
    findings |= _floods(browser, url, durations)
    return findings


def _connections(browser: Browser, url: str, durations: Durations) -> dict[str, Value]:
    tab = browser.open(f"{url}{PAGE}")
    options = {"room": "connections", "tried": _STREAMS_TRIED, "patienceMs": durations.patience * 1000}
    answer = probe(browser, tab, "connections", options, Connections, takes_s=durations.patience)
    browser.close(tab)
    return {"event_streams_held_at_once": answer.held, "event_streams_tried": answer.tried}


def _outages(browser: Browser, url: str, durations: Durations) -> dict[str, Value]:
    tab = browser.open(f"{url}{PAGE}")
    options = {
        "lanes": LANES, "room": "outage", "outageS": durations.outage, "ratePerS": 20, "patienceMs": 20_000,
    }  # fmt: skip
    takes_s = len(LANES) * (durations.outage + 30)
    answers = probe(browser, tab, "outage", options, dict[str, Outage], takes_s=takes_s)
    browser.close(tab)
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
