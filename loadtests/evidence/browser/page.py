"""Run one probe of `probes.js` in a tab of the race page, and check what it returns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from loadtests.evidence.browser.engines import Browser
from loadtests.records.errors import BrowserError

T = TypeVar("T")

_PROBES = Path(__file__).with_name("probes.js")
_SLACK_S = 60.0


def probe(
    browser: Browser, tab: str, name: str, options: Mapping[str, object], answer: type[T], *, takes_s: float = 0.0
) -> T:
    """Call a probe that should take `takes_s` and return its answer as `answer`. Raises BrowserError."""
    call = f"({_PROBES.read_text(encoding='utf-8').strip()}).{name}({json.dumps(options)}).then(JSON.stringify)"
    said = browser.evaluate(tab, call, takes_s + _SLACK_S)
    try:
        return msgspec.json.decode(said, type=answer)
    except msgspec.MsgspecError as error:
        raise BrowserError(f"the probe {name} answered what it should not: {error}") from error


def probe_once(
    browser: Browser, url: str, name: str, options: Mapping[str, object], answer: type[T], *, takes_s: float = 0.0
) -> T:
    """Call a probe in a tab of its own on `url`. Raises BrowserError."""
    tab = browser.open(url)
    found = probe(browser, tab, name, options, answer, takes_s=takes_s)
    browser.close(tab)
    return found


class Latency(msgspec.Struct, frozen=True, rename="camel"):
    """Answer of `latency`; times in ms of the page's clock.

    `received` rows: message, time, offset. `published` rows: message, scheduled, sent, accepted, offset; accepted is
    None and offset -1 where no acknowledgement came. `painted`: from receipt to after the paint.
    """

    connect_ms: float
    received: list[tuple[int, float, int]]
    painted: list[float]
    published: list[tuple[int, float, float, float | None, int]]
    measured_from: float
    measured_to: float
    reconnects: int
    told_gaps: int


class Clock(msgspec.Struct, frozen=True, rename="camel"):
    """Answer of `clock`."""

    resolution_us: float | None  # None: the clock did not move
    isolated: bool


class Connections(msgspec.Struct, frozen=True):
    """Answer of `connections`."""

    held: int
    tried: int


class Streams(msgspec.Struct, frozen=True, rename="camel"):
    """Answer of `streams`: what one page got of one server at once."""

    held: int
    fetch_ms: float | None  # None: it was still waiting when patience ended
    protocol: str  # of the fetch (ALPN's name); empty where it never came


class Refusal(msgspec.Struct, frozen=True):
    """Answer of `push`."""

    status: int
    said: str  # the server's words


class Outage(msgspec.Struct, frozen=True, rename="camel"):
    """One lane's answer of `outage`.

    `resume_ms` is None for a lane that felt nothing (a poll between two questions) or never came back.
    """

    resume_ms: float | None
    lost: int
    doubled: int


class Hidden(msgspec.Struct, frozen=True):
    """Answer of `hiddenResult`; `latencies` in whole ms of the wall clock."""

    ticks: int
    events: int
    latencies: list[int]
    seconds: float
    visibility: str


class Sent(msgspec.Struct, frozen=True):
    """Answer of `hiddenSend`."""

    sent: int


class Flood(msgspec.Struct, frozen=True, rename="camel"):
    """Answer of `flood`."""

    sent: int
    refused: int
    received: int
    sent_per_s: float
    received_per_s: float


class Nothing(msgspec.Struct, frozen=True):
    """Answer of a probe that only begins something."""
