"""Emulated links: what probes found, what theory promises over them, what of a median it leaves unexplained. Pure.

Promises. The link's own error, which probes found before each cell, is taken off what was measured: a link that is
0.1 ms too long one way is no fault of a transport's. It enters with each transit that a figure holds.

Residuals. A residual is the measured median minus the model's. It needs no cause where the median's 95 % interval holds
the model's. Otherwise known contributions are taken off, in this order, until what is left is within the interval's own
width or `SLACK_MS`: the link's own error (once per transit the figure holds), then the serving of the room (the median
receiver waits for half of the room's deliveries: half of subscribers per room x server CPU per delivery), on a lossy
link then retransmissions, whatever they take. The last contribution that was needed names the residual. What none of
them accounts for is called unexplained, on loopback *work of the stack* where it is late: the model there has no delay,
so that everything that machine and servers do is residual. None of it makes a median too early.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from loadtests.records.link_spec import parse, profile_of
from loadtests.records.schema import LinkCheck, Run, Validity
from loadtests.report import model
from loadtests.report.bootstrap import Estimate
from loadtests.report.condition import Condition, Result
from loadtests.report.quantity import AtLeast, greatest, plus
from loadtests.report.study import Study

MECHANISMS: Mapping[str, str] = {
    "netem": "the kernel's netem between two network namespaces",
    "tun": "the lab's shuttle between two network namespaces: real TCP",
    "relay": "a relay of TCP connections: handshakes and acknowledgements cost nothing",
}


@dataclass(frozen=True, slots=True)
class LinkQuality:
    """One link over all cells that ran on it; medians of the round trip in ms, None where no probe came back."""

    link: str
    profile: str  # empty: none of the named ones
    mechanism: str  # in words
    cells: int
    median_low_ms: float | None
    median_high_ms: float | None
    p99_high_ms: float | None
    probes: int
    lost: int


def link_qualities(run: Run) -> tuple[LinkQuality, ...]:
    """Return the run's links in the order in which they were first measured; none on the loopback alone."""
    found: dict[tuple[str, str], list[LinkCheck]] = {}
    for cell in sorted(run.cells, key=lambda cell: cell.order):
        if cell.link_check is not None:
            found.setdefault((cell.link, cell.link_check.mechanism), []).append(cell.link_check)
    return tuple(_quality(link, mechanism, checks) for (link, mechanism), checks in found.items())


def _quality(link: str, mechanism: str, checks: list[LinkCheck]) -> LinkQuality:
    medians = [check.rtt_ms_p50 for check in checks if check.rtt_ms_p50 is not None]
    tails = [check.rtt_ms_p99 for check in checks if check.rtt_ms_p99 is not None]
    probes = sum(check.probes for check in checks)
    return LinkQuality(
        link=link,
        profile=profile_of(link),
        mechanism=MECHANISMS.get(mechanism, mechanism),
        cells=len(checks),
        median_low_ms=min(medians, default=None),
        median_high_ms=max(medians, default=None),
        p99_high_ms=max(tails, default=None),
        probes=probes,
        lost=probes - sum(check.answered for check in checks),
    )


PUSH_MS = 1.0
LONG_POLL_MEAN_SHARE = 0.1
LONG_POLL_MAX_MS = 5.0
SHORT_POLL_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise of theory for one condition: `measured_ms` lies between `least_ms` and `most_ms`, or does not."""

    condition: Condition
    words: str
    expected_ms: float
    measured_ms: float | None  # None: nothing usable was measured
    least_ms: float
    most_ms: float

    @property
    def holds(self) -> bool:
        """Whether the measurement lies within the bounds; false without one."""
        if self.measured_ms is None:
            return False
        return self.least_ms <= self.measured_ms and greatest(self.measured_ms) <= self.most_ms


def promises(study: Study) -> tuple[Promise, ...]:
    """Return what theory promises for each of the run's conditions over a link, in the order of the table.

    The points of a sweep are too short to be held to a mean, and some lie where a grid is shorter than a round trip.
    """
    over_links = [
        result
        for result in study.results
        if model.link_one_way_ms(result.condition.link) and result.condition.kind != "sweep"
    ]
    return tuple(promise for result in over_links for promise in _promises_of(result))


def link_error_ms(result: Result) -> float:
    """Return how much longer than asked one direction of the condition's link was, in the mean of its cells."""
    errors = [cell.link_check.one_way_error_ms for cell in result.used if cell.link_check is not None]
    known = [error for error in errors if error is not None]
    return float(np.mean(known)) if known else 0.0


def lossy(result: Result) -> bool:
    """Whether the condition's link loses packets."""
    link = parse(result.condition.link)
    return link is not None and link.loss_percent > 0


def _promises_of(result: Result) -> Iterator[Promise]:
    grid_ms = result.poll_interval_ms
    one_way_ms = model.link_one_way_ms(result.condition.link) or 0.0
    transport, rate_per_s, found = result.condition.transport, result.condition.rate_per_s, result.percentiles
    form = model.kind(transport)
    longest_ms = {"long poll": model.long_poll_max_ms(one_way_ms), "short poll": one_way_ms + grid_ms}
    if lossy(result):
        # A lost packet is noticed a round trip later at the earliest: so far beyond the rest the tail must reach.
        tail_ms = longest_ms.get(form or "", one_way_ms) + 2 * one_way_ms
        yield _promise(result, "slowest, with retransmissions", tail_ms, found.max_ms, above=math.inf)
    elif form == "push":
        median_ms = model.push_ms(one_way_ms)
        yield _promise(result, "median: one transit", median_ms, found.p50_ms, below=PUSH_MS, above=PUSH_MS)
    elif form == "long poll":
        if all(cell.arrivals == "poisson" for cell in result.used):
            mean_ms = model.long_poll_mean_ms(one_way_ms, rate_per_s)
            share_ms = LONG_POLL_MEAN_SHARE * mean_ms
            yield _promise(result, "mean: closed form", mean_ms, found.mean_ms, below=share_ms, above=share_ms)
        most_ms = longest_ms[form]
        words = "slowest: three transits at most"
        yield _promise(result, words, most_ms, found.max_ms, transits=3, below=most_ms, above=LONG_POLL_MAX_MS)
    elif form == "short poll":
        mean_ms = model.short_poll_mean_ms(one_way_ms, grid_ms)
        share_ms = SHORT_POLL_SHARE * mean_ms
        yield _promise(
            result, "mean: transit and half the grid", mean_ms, found.mean_ms, below=share_ms, above=share_ms
        )


def _promise(
    result: Result,
    words: str,
    expected_ms: float,
    found_ms: float | None,
    *,
    transits: int = 1,
    below: float = 0.0,
    above: float = 0.0,
) -> Promise:
    usable = found_ms is not None and result.validity is not Validity.INVALID
    return Promise(
        condition=result.condition,
        words=words,
        expected_ms=expected_ms,
        measured_ms=plus(found_ms, -transits * link_error_ms(result)) if usable and found_ms is not None else None,
        least_ms=expected_ms - below,
        most_ms=expected_ms + above,
    )


def delivery_faults(study: Study) -> tuple[str, ...]:
    """Name the conditions over a link in which a delivery was lost, doubled or reordered; empty where TCP held."""
    spoilt = ("lost", "duplicates", "out_of_order")
    return tuple(
        f"{result.condition.transport} {result.condition.load}: "
        + ", ".join(f"{result.total(figure)} {figure.replace('_', ' ')}" for figure in spoilt)
        for result in study.results
        if model.link_one_way_ms(result.condition.link) and any(result.total(figure) for figure in spoilt)
    )


SLACK_MS = 0.5

NO_CAUSE = "none needed: within the interval"
LINK_ERROR = "the link's own error"
SERVING = "serving the room"
RETRANSMITTED = "retransmissions"
STACK = "work of the stack"
UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Residual:
    """One condition's median beside the model's, in ms. `left_ms`: what the named contributions do not account for."""

    condition: Condition
    model_ms: float
    measured: Estimate
    link_ms: float
    serving_ms: float
    left_ms: float
    cause: str

    @property
    def residual_ms(self) -> float:
        """Measured minus model."""
        return self.measured.value_ms - self.model_ms


def residuals(study: Study) -> tuple[Residual, ...]:
    """Return the residual of every condition of the table that is not invalid and has a model."""
    found = (_residual(result) for result in study.tabled if result.validity is not Validity.INVALID)
    return tuple(residual for residual in found if residual is not None)


def _residual(result: Result) -> Residual | None:
    condition, p50 = result.condition, result.p50
    model_ms = _model_ms(result)
    if p50 is None or model_ms is None or isinstance(p50.value_ms, AtLeast):
        return None  # of what is only known from below there is no residual
    link_ms, serving_ms = link_error_ms(result), _serving_ms(result)
    residual_ms = p50.value_ms - model_ms
    slack_ms = max(SLACK_MS, (p50.high_ms - p50.low_ms) / 2)
    left_ms = residual_ms - link_ms - serving_ms
    cause = STACK if condition.link == "loopback" and residual_ms > 0 else UNEXPLAINED
    if p50.low_ms <= model_ms <= p50.high_ms:
        cause, left_ms = NO_CAUSE, residual_ms
    elif link_ms and abs(residual_ms - link_ms) <= slack_ms:
        cause, left_ms = LINK_ERROR, residual_ms - link_ms
    elif residual_ms > 0 and left_ms <= slack_ms:
        cause = SERVING
    elif lossy(result) and left_ms > 0:
        cause = RETRANSMITTED
    return Residual(
        condition=condition,
        model_ms=model_ms,
        measured=p50,
        link_ms=link_ms,
        serving_ms=serving_ms,
        left_ms=left_ms,
        cause=cause,
    )


def _model_ms(result: Result) -> float | None:
    """Return the model's median: the drawn line's, and 0 for a push or a long poll on a link without delay."""
    if result.model is not None:
        return float(np.interp(0.5, result.model.fraction, result.model.latency_ms))
    knows = model.kind(result.condition.transport) in ("push", "long poll")
    return 0.0 if knows and model.link_one_way_ms(result.condition.link) == 0 else None


def _serving_ms(result: Result) -> float:
    cpu, used = result.costs.server_cpu_us, result.used
    if cpu is None or not used:
        return 0.0
    return result.condition.subscribers / used[0].rooms / 2 * cpu.value / 1e3
