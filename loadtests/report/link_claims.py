"""What the closed forms promise over a link, held against a run: each promise, its bound, what was measured. Pure.

The link's own error, which probes found before each cell, is taken off what was measured: a link that is 0.1 ms too
long one way is no fault of a transport's. It enters with each transit that a figure holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from loadtests.records.link_spec import parse
from loadtests.records.schema import Validity
from loadtests.report import model
from loadtests.report.bounds import greatest, plus
from loadtests.report.condition import Result
from loadtests.report.study import Study

PUSH_MS = 1.0
LONG_POLL_MEAN_SHARE = 0.1
LONG_POLL_MAX_MS = 5.0
SHORT_POLL_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise of theory for one condition: `measured_ms` lies between `least_ms` and `most_ms`, or does not."""

    transport: str
    load: str
    link: str
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
    return tuple(promise for result in over_links for promise in _of(result))


def link_error_ms(result: Result) -> float:
    """Return how much longer than asked one direction of the condition's link was, in the mean of its cells."""
    errors = [cell.link_check.one_way_error_ms for cell in result.used if cell.link_check is not None]
    known = [error for error in errors if error is not None]
    return float(np.mean(known)) if known else 0.0


def lossy(result: Result) -> bool:
    """Whether the condition's link loses packets."""
    link = parse(result.condition.link)
    return link is not None and link.loss_percent > 0


def _of(result: Result) -> Iterator[Promise]:
    grid_ms = result.poll_interval_ms
    one_way_ms = model.link_one_way_ms(result.condition.link) or 0.0
    transport, rate_per_s, found = result.condition.transport, result.condition.rate_per_s, result.percentiles
    longest_ms = {"longpoll": model.long_poll_max_ms(one_way_ms), "shortpoll": one_way_ms + grid_ms}
    if lossy(result):
        # A lost packet is noticed a round trip later at the earliest: so far beyond the rest the tail must reach.
        tail_ms = longest_ms.get(transport, one_way_ms) + 2 * one_way_ms
        yield _promise(result, "slowest, with retransmissions", tail_ms, found.max_ms, above=math.inf)
    elif transport in model.PUSHING:
        median_ms = model.push_ms(one_way_ms)
        yield _promise(result, "median: one transit", median_ms, found.p50_ms, below=PUSH_MS, above=PUSH_MS)
    elif transport == "longpoll":
        if all(cell.arrivals == "poisson" for cell in result.used):
            mean_ms = model.long_poll_mean_ms(one_way_ms, rate_per_s)
            share_ms = LONG_POLL_MEAN_SHARE * mean_ms
            yield _promise(result, "mean: closed form", mean_ms, found.mean_ms, below=share_ms, above=share_ms)
        most_ms = longest_ms[transport]
        words = "slowest: three transits at most"
        yield _promise(result, words, most_ms, found.max_ms, transits=3, below=most_ms, above=LONG_POLL_MAX_MS)
    elif transport == "shortpoll":
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
    condition = result.condition
    return Promise(
        transport=condition.transport,
        load=condition.load,
        link=condition.link,
        words=words,
        expected_ms=expected_ms,
        measured_ms=plus(found_ms, -transits * link_error_ms(result)) if usable and found_ms is not None else None,
        least_ms=expected_ms - below,
        most_ms=expected_ms + above,
    )


def counted_out(study: Study) -> tuple[str, ...]:
    """Name the conditions over a link in which a delivery was lost, doubled or reordered; empty where TCP held."""
    spoilt = ("lost", "duplicates", "out_of_order")
    return tuple(
        f"{result.condition.transport} {result.condition.load}: "
        + ", ".join(f"{result.total(figure)} {figure.replace('_', ' ')}" for figure in spoilt)
        for result in study.results
        if model.link_one_way_ms(result.condition.link) and any(result.total(figure) for figure in spoilt)
    )
