"""What the closed forms promise over a link, held against a run: each promise, its bound, what was measured. Pure.

The link's own error, which probes found before each cell, is taken off what was measured: a link that is 0.1 ms too
long one way is no fault of a transport's. It enters with each transit that a figure holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from loadtests.analysis import model
from loadtests.analysis.condition import Result
from loadtests.analysis.settings import poll_interval_ms
from loadtests.analysis.study import Study
from loadtests.links.spec import parse
from loadtests.runs.schema import Validity

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
        return self.measured_ms is not None and self.least_ms <= self.measured_ms <= self.most_ms


def promises(study: Study) -> tuple[Promise, ...]:
    """Return what theory promises for each of the run's conditions over a link, in the order of the table."""
    grid_ms = poll_interval_ms(study.run)
    over_links = [result for result in study.results if model.link_one_way_ms(result.condition.link)]
    return tuple(promise for result in over_links for promise in _of(result, grid_ms))


def link_error_ms(result: Result) -> float:
    """Return how much longer than asked one direction of the condition's link was, in the mean of its cells."""
    errors = [cell.link_check.one_way_error_ms for cell in result.used if cell.link_check is not None]
    known = [error for error in errors if error is not None]
    return float(np.mean(known)) if known else 0.0


def lossy(result: Result) -> bool:
    """Whether the condition's link loses packets."""
    link = parse(result.condition.link)
    return link is not None and link.loss_percent > 0


def _of(result: Result, grid_ms: float) -> Iterator[Promise]:
    one_way_ms = model.link_one_way_ms(result.condition.link) or 0.0
    error_ms = link_error_ms(result)
    usable = result.validity is not Validity.INVALID
    mean_ms, most_ms = result.percentiles.mean_ms, result.percentiles.max_ms
    transport, rate_per_s = result.condition.transport, result.condition.rate_per_s

    def promise(
        words: str, expected_ms: float, found_ms: float | None, transits: int, down: float, up: float
    ) -> Promise:
        measured_ms = found_ms - transits * error_ms if found_ms is not None and usable else None
        condition = result.condition
        return Promise(
            transport,
            condition.load,
            condition.link,
            words,
            expected_ms,
            measured_ms,
            expected_ms - down,
            expected_ms + up,
        )

    if lossy(result):
        # A lost packet is noticed a round trip later at the earliest; the tail must reach at least that far.
        yield promise("slowest, with retransmissions", 3 * one_way_ms, most_ms, 1, 0.0, float("inf"))
    elif transport in model.PUSHING:
        yield promise("mean: one transit", model.push_ms(one_way_ms), mean_ms, 1, PUSH_MS, PUSH_MS)
    elif transport == "longpoll":
        if all(cell.arrivals == "poisson" for cell in result.used):
            mean = model.long_poll_mean_ms(one_way_ms, rate_per_s)
            share = LONG_POLL_MEAN_SHARE * mean
            yield promise("mean: closed form", mean, mean_ms, 1, share, share)
        longest = model.long_poll_max_ms(one_way_ms)
        yield promise("slowest: three transits at most", longest, most_ms, 3, longest, LONG_POLL_MAX_MS)
    elif transport == "shortpoll":
        mean = model.short_poll_mean_ms(one_way_ms, grid_ms)
        yield promise(
            "mean: transit and half the grid", mean, mean_ms, 1, SHORT_POLL_SHARE * mean, SHORT_POLL_SHARE * mean
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
