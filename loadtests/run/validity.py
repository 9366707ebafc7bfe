"""Whether a cell can be believed: every rule and every threshold of the lab, in one place.

Pure. `docs/methodology.md` explains them. A cell is invalid when its figures may be wrong,
doubtful when the environment may have moved them, valid otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadtests.records.disruption import Cuts
from loadtests.records.schema import FROM_THE_BEST, Counts, Instrument, LinkCheck, Validity, Verdict


@dataclass(frozen=True, slots=True)
class Threshold:
    """Limits of one figure of the instrument's health."""

    figure: str  # attribute of `Instrument`
    words: str
    unit: str
    doubtful_above: float = math.inf
    invalid_above: float = math.inf
    noted_above: float = math.inf  # no doubt: it moves nothing that is stated
    pushes: bool | None = None  # the kind of transport that it is for; None: both
    scale: float = 1.0  # from the attribute to `unit`


_READ = "p99 from kernel receive to read"

# Those of reads, lateness, hub lag and other programs follow from the study of the gates (`records.gates`): no bound of
# them is changed without it. What is invalid is as it was before the study.
THRESHOLDS: tuple[Threshold, ...] = (
    # A push's latency ends at the kernel's stamp; a poll that is read late leaves late.
    Threshold("rx_gap_ms_p99", _READ, " ms", noted_above=1, invalid_above=5, pushes=True),
    Threshold("rx_gap_ms_p99", _READ, " ms", doubtful_above=0.5, invalid_above=5, pushes=False),
    Threshold(
        "batched_fraction",
        "the share of deliveries read together with another of their socket",
        " %",
        doubtful_above=1,
        invalid_above=1,
        pushes=True,  # polls answer with batches by design
        scale=100.0,
    ),
    Threshold("publish_lateness_ms_p99", "publisher lateness p99", " ms", doubtful_above=0.5, invalid_above=1),
    Threshold("hub_lag_ms_p99", "generator hub lag p99", " ms", doubtful_above=0.5),
    Threshold("cpu_percent", "generator CPU", " % of a core", doubtful_above=60),
    Threshold("foreign_cpu_percent", "CPU used by other programs", " % of a core", doubtful_above=25),
)

UNANSWERED_PERCENT = 1.0
"""Of a cell's publications: beyond it more than the slowest hundredth of the latencies is only known from below."""

CLOCK_ERROR_MS = 0.01
"""How far a later stamp may lie before an earlier one: the lab's own resolution. Beyond, a clock was wrong."""

LINK_DOUBTFUL_MS, LINK_DOUBTFUL_SHARE = 1.0, 0.02
LINK_INVALID_MS, LINK_INVALID_SHARE = 5.0, 0.1
LINK_JITTER_SHARE = 0.5
"""How far a link's median round trip may be off: absolute, plus a share of it, plus a share of the link's own jitter,
of which a short probe sees only a part."""

LINK_STANDARD_ERRORS = 4.0
"""How far the probes' losses may be off what the asked loss gives over both directions."""


def judge(
    counts: Counts | None,
    instrument: Instrument | None,
    *,
    pushes: bool,
    connected: int,
    subscribers: int,
    idle: bool = False,
    remarks: Sequence[str] = (),
    link: LinkCheck | None = None,
    cuts: Cuts | None = None,
) -> Verdict:
    """Return the verdict over one cell: the worst that one rule gives, and the reasons of all of them.

    `idle` marks cells in which nothing is published on purpose: what they measure is memory, which neither a busy
    neighbour nor a late reader moves. Each of the `remarks` makes a cell doubtful. `link` is None on the loopback,
    `cuts` where none was planned: what a planned one costs is no reason against the cell.
    """
    reasons: list[tuple[Validity, str]] = []
    noted: list[str] = []
    if connected < subscribers:
        reasons.append((Validity.INVALID, f"only {connected} of {subscribers} subscribers connected"))
    if not idle:
        reasons += _judge_counts(counts)
        if instrument is not None:
            reasons += _judge_instrument(instrument, pushes=pushes)
            reasons += _judge_clocks(instrument, received=0 if counts is None else counts.received)
            noted += _note(instrument, pushes=pushes)
    reasons += ((Validity.DOUBTFUL, remark) for remark in remarks)
    if cuts is not None and cuts.away:
        reasons.append((Validity.INVALID, f"after {cuts.away} of {cuts.cuts} cuts the subscriber did not come back"))
    if link is not None:
        reasons += _judge_link(link)
    worst = max((validity for validity, _ in reasons), key=FROM_THE_BEST.index, default=Validity.VALID)
    return Verdict(worst, tuple(reason for _, reason in reasons), tuple(noted))


def _judge_counts(counts: Counts | None) -> Iterator[tuple[Validity, str]]:
    if counts is None or counts.received == 0:
        yield Validity.INVALID, "nothing was received"
    if counts is None:
        return
    # What was never answered is missing too; it has a bound of its own below.
    lost = counts.lost - counts.lost_unanswered - counts.lost_to_cuts
    if lost:
        # A gap that the server announced, or a connection that was cut, explains what is missing.
        explained = counts.told_gaps or counts.reconnects
        yield (
            Validity.DOUBTFUL if explained else Validity.INVALID,
            f"{lost} of {counts.expected} deliveries are missing"
            + (f" ({counts.told_gaps} announced gaps, {counts.reconnects} reconnects)" if explained else ""),
        )
    elif counts.told_gaps or counts.reconnects:
        yield Validity.DOUBTFUL, f"{counts.told_gaps} announced gaps, {counts.reconnects} reconnects"
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
    for threshold, value in _compared(instrument, pushes=pushes):
        for validity, limit in (
            (Validity.INVALID, threshold.invalid_above),
            (Validity.DOUBTFUL, threshold.doubtful_above),
        ):
            if value > limit:
                yield validity, _beyond(threshold, value, limit)
                break


def _note(instrument: Instrument, *, pushes: bool) -> Iterator[str]:
    """Yield what is beyond a limit and no doubt."""
    for threshold, value in _compared(instrument, pushes=pushes):
        if threshold.noted_above < value <= min(threshold.doubtful_above, threshold.invalid_above):
            yield f"{_beyond(threshold, value, threshold.noted_above)}, which moves no latency of a push"


def _compared(instrument: Instrument, *, pushes: bool) -> Iterator[tuple[Threshold, float]]:
    """Yield each threshold of one kind of transport with the figure that it is for, where that is known."""
    for threshold in THRESHOLDS:
        value = getattr(instrument, threshold.figure)
        if value is not None and threshold.pushes in (None, pushes):
            yield threshold, value * threshold.scale


def _beyond(threshold: Threshold, value: float, limit: float) -> str:
    return f"{threshold.words} is {value:.3g}{threshold.unit}, more than {limit:g}{threshold.unit}"


def _judge_clocks(instrument: Instrument, received: int) -> Iterator[tuple[Validity, str]]:
    """A clock that was wrong for an instant may have been wrong for more: no latency of the cell is to be believed."""
    if instrument.clock_steps:
        times = "once" if instrument.clock_steps == 1 else f"{instrument.clock_steps} times"
        yield Validity.INVALID, f"the wall clock, which kernel receive stamps are of, was stepped {times}"
    for least_ms, words in (
        (instrument.rx_gap_ms_min, "read {:.3g} ms before the kernel received it"),
        (instrument.transit_ms_min, "received {:.3g} ms before it was sent"),
    ):
        if least_ms is not None and least_ms < -CLOCK_ERROR_MS - (instrument.clock_uncertainty_ms or 0.0):
            yield Validity.INVALID, "a delivery was " + words.format(-least_ms) + ": a clock was wrong"
    if instrument.strangers:
        # Where some latencies are known, the others may still differ from them.
        validity = Validity.INVALID if instrument.strangers >= received else Validity.DOUBTFUL
        yield validity, f"{instrument.strangers} deliveries have no latency: another clock stamped their publication"


def _judge_link(check: LinkCheck) -> Iterator[tuple[Validity, str]]:
    if check.rtt_ms_p50 is None:
        yield Validity.INVALID, f"none of {check.probes} probes came back over the link"
        return
    asked_ms, off_ms = check.asked_rtt_ms, abs(check.rtt_ms_p50 - check.asked_rtt_ms)
    spread_ms = LINK_JITTER_SHARE * check.asked_jitter_ms
    for validity, limit_ms in (
        (Validity.INVALID, LINK_INVALID_MS + LINK_INVALID_SHARE * asked_ms + 2 * spread_ms),
        (Validity.DOUBTFUL, LINK_DOUBTFUL_MS + LINK_DOUBTFUL_SHARE * asked_ms + spread_ms),
    ):
        if off_ms > limit_ms:
            yield (
                validity,
                f"the link's median round trip is {check.rtt_ms_p50:.3g} ms instead of {asked_ms:g} ms, "
                f"more than {limit_ms:.3g} ms off",
            )
            break
    lost = check.probes - check.answered
    chance = 1 - (1 - check.asked_loss_percent / 100) ** 2
    expected = check.probes * chance
    if abs(lost - expected) > LINK_STANDARD_ERRORS * math.sqrt(expected * (1 - chance)):
        yield Validity.DOUBTFUL, f"{lost} of {check.probes} probes were lost on the link, where {expected:.3g} were due"
