"""Whether a cell can be believed: every rule and every threshold of the lab, in one place.

Pure. `docs/methodology.md` explains them to readers from outside. A cell is invalid when its figures may be wrong,
doubtful when the circumstances may have moved them, valid otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadtests.records.schema import Counts, Instrument, Validity, Verdict


@dataclass(frozen=True, slots=True)
class Threshold:
    """A bound on one figure of the instrument's health."""

    figure: str  # key of `_figures`
    words: str
    unit: str
    doubtful_above: float
    invalid_above: float = math.inf
    pushes_only: bool = False  # polls answer with batches by design

    def judge(self, value: float) -> tuple[Validity, str]:
        """Return the validity that `value` allows, and the reason in words (empty when valid)."""
        for validity, limit in ((Validity.INVALID, self.invalid_above), (Validity.DOUBTFUL, self.doubtful_above)):
            if value > limit:
                return validity, f"{self.words} is {value:.3g}{self.unit}, more than {limit:g}{self.unit}"
        return Validity.VALID, ""


THRESHOLDS: tuple[Threshold, ...] = (
    Threshold("rx_gap_ms_p99", "p99 from kernel receive to read", " ms", doubtful_above=1, invalid_above=5),
    Threshold(
        "batched_percent",
        "the share of deliveries read together with another of their socket",
        " %",
        doubtful_above=1,
        invalid_above=1,
        pushes_only=True,
    ),
    Threshold("publish_lateness_ms_p99", "publisher lateness p99", " ms", doubtful_above=1, invalid_above=1),
    Threshold("hub_lag_ms_p99", "generator hub lag p99", " ms", doubtful_above=2),
    Threshold("cpu_percent", "generator CPU", " % of a core", doubtful_above=60),
    Threshold("foreign_cpu_percent", "CPU used by other programs", " % of a core", doubtful_above=25),
)

UNANSWERED_PERCENT = 1.0
"""Of a cell's publications: beyond it more than the slowest hundredth of the latencies is only known from below."""

CLOCK_ERROR_MS = 0.01
"""How far a later stamp may lie before an earlier one: the lab's own resolution. Beyond, a clock was wrong."""

_WORSE = {Validity.VALID: 0, Validity.DOUBTFUL: 1, Validity.INVALID: 2}


def judge(
    counts: Counts | None,
    instrument: Instrument | None,
    *,
    pushes: bool,
    connected: int,
    subscribers: int,
    failure: str = "",
    idle: bool = False,
) -> Verdict:
    """Return the verdict over one cell.

    `failure` says why the cell never got through; `idle` marks cells in which nothing is published on purpose: what
    they measure is memory, which neither a busy neighbour nor a late reader moves.
    """
    if failure:
        return Verdict(Validity.INVALID, (failure,))
    reasons: list[tuple[Validity, str]] = []
    if connected < subscribers:
        reasons.append((Validity.INVALID, f"only {connected} of {subscribers} subscribers connected"))
    if not idle:
        reasons += _judge_counts(counts)
        if instrument is not None:
            reasons += _judge_instrument(instrument, pushes=pushes)
            reasons += _judge_clocks(instrument, received=0 if counts is None else counts.received)
    worst = max((validity for validity, _ in reasons), key=_WORSE.__getitem__, default=Validity.VALID)
    return Verdict(worst, tuple(reason for _, reason in reasons))


def doubted(verdict: Verdict, remarks: Sequence[str]) -> Verdict:
    """Return the verdict with further reasons, each of which makes a cell doubtful at least."""
    if not remarks:
        return verdict
    worst = max(verdict.validity, Validity.DOUBTFUL, key=_WORSE.__getitem__)
    return Verdict(worst, (*verdict.reasons, *remarks))


def _judge_counts(counts: Counts | None) -> Iterator[tuple[Validity, str]]:
    if counts is None or counts.received == 0:
        yield Validity.INVALID, "nothing was received"
    if counts is None:
        return
    # What was never answered is missing too; it has a bound of its own below.
    lost = counts.lost - counts.lost_unanswered
    if lost:
        # A gap that the client was told of, or a connection that was cut, explains what is missing.
        explained = counts.told_gaps or counts.reconnects
        yield (
            Validity.DOUBTFUL if explained else Validity.INVALID,
            f"{lost} of {counts.expected} deliveries are missing"
            + (f" ({counts.told_gaps} told gaps, {counts.reconnects} reconnects)" if explained else ""),
        )
    elif counts.told_gaps or counts.reconnects:
        yield Validity.DOUBTFUL, f"{counts.told_gaps} told gaps, {counts.reconnects} reconnects"
    if counts.duplicates:
        yield Validity.INVALID, f"{counts.duplicates} deliveries came twice"
    if counts.out_of_order:
        yield Validity.INVALID, f"{counts.out_of_order} deliveries came out of order"
    total = counts.published + counts.refused + counts.unanswered
    if counts.refused:
        yield Validity.DOUBTFUL, f"{counts.refused} of {total} publications were refused"
    if counts.unanswered:
        too_many = 100 * counts.unanswered > UNANSWERED_PERCENT * total
        yield (
            Validity.INVALID if too_many else Validity.DOUBTFUL,
            f"{counts.unanswered} of {total} publications were never answered"
            + (f", more than {UNANSWERED_PERCENT:g} %" if too_many else ""),
        )


def _judge_instrument(instrument: Instrument, *, pushes: bool) -> Iterator[tuple[Validity, str]]:
    if instrument.clock != "kernel":
        yield Validity.DOUBTFUL, "no kernel receive stamps here: latencies hold Python's own wake-up"
    figures = _figures(instrument)
    for threshold in THRESHOLDS:
        if threshold.pushes_only and not pushes:
            continue
        value = figures[threshold.figure]
        if value is None:
            continue
        validity, reason = threshold.judge(value)
        if validity is not Validity.VALID:
            yield validity, reason


def _judge_clocks(instrument: Instrument, received: int) -> Iterator[tuple[Validity, str]]:
    """A clock that was wrong for an instant may have been wrong for more: no latency of the cell is to be believed."""
    if instrument.clock_steps:
        times = "once" if instrument.clock_steps == 1 else f"{instrument.clock_steps} times"
        yield Validity.INVALID, f"the wall clock, which kernel receive stamps are of, was stepped {times}"
    for least_ms, words in (
        (instrument.rx_gap_ms_min, "read {:.3g} ms before the kernel received it"),
        (instrument.transit_ms_min, "received {:.3g} ms before it was sent"),
    ):
        if least_ms is not None and least_ms < -CLOCK_ERROR_MS:
            yield Validity.INVALID, "a delivery was " + words.format(-least_ms) + ": a clock was wrong"
    if instrument.strangers:
        # Where some latencies are known, the others may still differ from them.
        validity = Validity.INVALID if instrument.strangers >= received else Validity.DOUBTFUL
        yield validity, f"{instrument.strangers} deliveries have no latency: another clock stamped their publication"


def _figures(instrument: Instrument) -> dict[str, float | None]:
    """Return the figures that the thresholds are put on; None where a figure could not be had."""
    batched = instrument.batched_fraction
    return {
        "rx_gap_ms_p99": instrument.rx_gap_ms_p99,
        "batched_percent": None if batched is None else 100.0 * batched,
        "publish_lateness_ms_p99": instrument.publish_lateness_ms_p99,
        "hub_lag_ms_p99": instrument.hub_lag_ms_p99,
        "cpu_percent": instrument.cpu_percent,
        "foreign_cpu_percent": instrument.foreign_cpu_percent,
    }
