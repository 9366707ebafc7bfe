"""Run one probe of `probes.js` in a tab of the race page, and check what it returns.

From the latency probe's answer come the tables, counts and verdict of a run's cell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from loadtests.evidence.browser.engines import Browser
from loadtests.records.cell_spec import GeneratorResult, Load
from loadtests.records.errors import BrowserError
from loadtests.records.schema import (
    ABSENT_NS,
    PUBLISHES,
    SAMPLES,
    TIMELINE,
    Counts,
    Instrument,
    Phase,
    Validity,
    Verdict,
)
from loadtests.run import counts, validity

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


LATENESS_LIMIT_MS = 5.0
"""A page can't wake up on time to the microsecond; past one clamped timer (4 ms) its schedule is doubtful."""

_NS_PER_MS = 1_000_000
_PAINTS_NEEDED = 20


def tables(cell: str, answer: Latency, payload_bytes: int) -> dict[str, pa.Table]:
    """Return the cell's tables. Stamps are the page's own clock, in ns from the page's start; kernel stamps absent."""
    scheduled_ms = {message: scheduled for message, scheduled, *_ in answer.published}
    sent_ms = {message: sent for message, _, sent, *_ in answer.published}
    samples = [
        {
            "cell": cell,
            "scheduled_ns": _ns(scheduled_ms[message]),
            "sent_ns": _ns(sent_ms[message]),
            "kernel_rx_ns": ABSENT_NS,
            "user_rx_ns": _ns(received),
            "publisher": 0,
            "message": message,
            "subscriber": 0,
            "room": 0,
            "offset": offset,
            "payload_bytes": payload_bytes,
            "wire_bytes": 0,  # a page does not see the wire
            "batch_size": 1,
            "phase": _phase(scheduled_ms[message], answer),
        }
        for message, received, offset in answer.received
    ]
    publishes = [
        {
            "cell": cell,
            "publisher": 0,
            "message": message,
            "room": 0,
            "scheduled_ns": _ns(scheduled),
            "sent_ns": _ns(sent),
            "accepted_ns": ABSENT_NS if accepted is None else _ns(accepted),
            "offset": offset,
            "phase": _phase(scheduled, answer),
        }
        for message, scheduled, sent, accepted, offset in answer.published
    ]
    return {
        "samples": pa.Table.from_pylist(samples, schema=SAMPLES),
        "publishes": pa.Table.from_pylist(publishes, schema=PUBLISHES),
        "timeline": TIMELINE.empty_table(),
    }


def count(cell: str, answer: Latency, made: dict[str, pa.Table], load: Load) -> Counts:
    """Return what was published, received, lost and doubled in the measured phase."""
    result = GeneratorResult(
        cell=cell,
        clock="page",
        subscribers_connected=1,
        measured_from_ns=_ns(answer.measured_from),
        measured_to_ns=_ns(answer.measured_to),
        connect_ms=(answer.connect_ms,),
        sockets=None,
        seconds=(),
        hub_lag_ms_p99=None,
        cpu_s=0.0,
        refused=0,
        told_gaps=answer.told_gaps,
        reconnects=answer.reconnects,
    )
    return counts.count(made["samples"], made["publishes"], load, result)


def instrument(answer: Latency) -> Instrument:
    """Return how well the page kept to its schedule."""
    late_ms = [sent - scheduled for _, scheduled, sent, *_ in answer.published]
    return Instrument(
        clock="page",
        rx_gap_ms_p99=None,
        batched_fraction=None,
        publish_lateness_ms_p99=float(np.percentile(late_ms, 99)) if late_ms else None,
        hub_lag_ms_p99=None,
        cpu_percent=None,
        foreign_cpu_percent=None,
    )


def judge(found: Counts, health: Instrument) -> Verdict:
    """Return the verdict: the counts by the lab's rules; the page's clock is what a browser cell is about."""
    verdict = validity.judge(found, None, pushes=True, connected=1, subscribers=1)
    lateness_ms = health.publish_lateness_ms_p99
    if lateness_ms is None or lateness_ms <= LATENESS_LIMIT_MS:
        return verdict
    reason = f"publisher lateness p99 is {lateness_ms:.3g} ms, more than {LATENESS_LIMIT_MS:g} ms in a page"
    worse = Validity.DOUBTFUL if verdict.validity is Validity.VALID else verdict.validity
    return Verdict(worse, (*verdict.reasons, reason), verdict.noted)


def painting(answer: Latency) -> dict[str, str | int | float | bool]:
    """Return the time from receipt to after the paint, in ms; nothing when too little was painted to say."""
    if len(answer.painted) < _PAINTS_NEEDED:
        return {}
    return {
        "paints": len(answer.painted),
        "to_paint_ms_p50": float(np.percentile(answer.painted, 50)),
        "to_paint_ms_max": max(answer.painted),
    }


def _ns(ms: float) -> int:
    return round(ms * _NS_PER_MS)


def _phase(scheduled_ms: float, answer: Latency) -> int:
    return Phase.MEASURED if answer.measured_from <= scheduled_ms < answer.measured_to else Phase.WARM_UP
