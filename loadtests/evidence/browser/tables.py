"""From the latency probe's answer to the tables, counts and verdict of a run's cell. Pure."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from loadtests.evidence.browser.page import Latency
from loadtests.records.cell_spec import GeneratorResult, Load
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
    return Verdict(worse, (*verdict.reasons, reason))


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
