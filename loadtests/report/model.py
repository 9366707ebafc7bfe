"""Closed forms for delivery latency over a link: what theory says before anything is measured.

Symbols: `one_way_ms` d, one-way delay of the link; `turnaround_ms` t, from a poll's answer to the client's next
request; w = 2d + t, a long-poll's blind time; `rate_per_s` r, Poisson publications per second and room. Formulas hold
from when the server has the message; the publisher's own transit comes on top, equal for all transports.
Sources: RFC 6202 section 2.2 (long polling: up to three transits), renewal-reward for the means.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.catalogue import Model, records
from loadtests.report.latency import Ecdf, FloatArray, ecdf


def kind(transport: str) -> Model | None:
    """Return which closed form holds for a transport; None for what the catalogue does not know."""
    record = records().get(transport)
    return None if record is None else record.model


def push_ms(one_way_ms: float) -> float:
    """Latency of a push transport: one transit."""
    return one_way_ms


def long_poll_mean_ms(one_way_ms: float, rate_per_s: float, turnaround_ms: float = 0.0) -> float:
    """Mean of a long poll whose every answer carries the whole backlog: d + (r w^2 / 2) / (r w + e^(-r w))."""
    blind_ms = 2 * one_way_ms + turnaround_ms
    arrivals = rate_per_s * blind_ms / 1e3
    return one_way_ms + (arrivals * blind_ms / 2) / (arrivals + math.exp(-arrivals))


def long_poll_percentile_ms(one_way_ms: float, rate_per_s: float, percent: float, turnaround_ms: float = 0.0) -> float:
    """Percentile of the latencies whose mean is `long_poll_mean_ms`.

    A share e^(-r w) / (r w + e^(-r w)) of the messages finds a request waiting and takes d; the others come at an even
    distance from the blind time's end and take d plus that.
    """
    blind_ms = 2 * one_way_ms + turnaround_ms
    arrivals = rate_per_s * blind_ms / 1e3
    awaited = math.exp(-arrivals) / (arrivals + math.exp(-arrivals))
    beyond = percent / 100 - awaited
    return one_way_ms + (blind_ms * beyond / (1 - awaited) if beyond > 0 else 0.0)


def percentile_ms(transport: str, one_way_ms: float, rate_per_s: float, interval_ms: float, percent: float) -> float:
    """Percentile that the link, the polling grid and random arrivals would give by themselves; NaN without a model."""
    match kind(transport):
        case "push":
            return push_ms(one_way_ms)
        case "long poll":
            return long_poll_percentile_ms(one_way_ms, rate_per_s, percent)
        case "short poll":
            return one_way_ms + interval_ms * percent / 100
    return math.nan


def longest_rtt_ms(transport: str, budget_ms: float, rate_per_s: float, interval_ms: float, percent: float) -> float:
    """Round trip up to which the percentile stays within the budget; 0 where no link is short enough, NaN as above.

    Every model's percentile grows with the delay, so bisection finds it, to a thousandth of the budget.
    """
    low_ms, high_ms = 0.0, 2 * budget_ms
    if not percentile_ms(transport, 0.0, rate_per_s, interval_ms, percent) <= budget_ms:
        return math.nan if kind(transport) is None else 0.0
    while high_ms - low_ms > budget_ms / 1000:
        middle_ms = (low_ms + high_ms) / 2
        within = percentile_ms(transport, middle_ms / 2, rate_per_s, interval_ms, percent) <= budget_ms
        low_ms, high_ms = (middle_ms, high_ms) if within else (low_ms, middle_ms)
    return low_ms


def long_poll_max_ms(one_way_ms: float, turnaround_ms: float = 0.0) -> float:
    """Worst case of a long poll: d + w = 3d + t, published just after an answer left."""
    return 3 * one_way_ms + turnaround_ms


def long_poll_latencies_ms(published_ms: FloatArray, one_way_ms: float, turnaround_ms: float = 0.0) -> FloatArray:
    """Latency of each of a room's publications (ascending instants, in ms) to a long poll: the cycle played through.

    Unlike the closed forms this holds for any arrivals, constant ones too.
    """
    blind_ms = 2 * one_way_ms + turnaround_ms
    latency_ms = np.empty(len(published_ms))
    back_ms = -np.inf  # when the next request is at the server
    index = 0
    while index < len(published_ms):
        answered_ms = max(back_ms, float(published_ms[index]))
        backlog = int(np.searchsorted(published_ms, answered_ms, side="right"))
        latency_ms[index:backlog] = answered_ms - published_ms[index:backlog] + one_way_ms
        index, back_ms = backlog, answered_ms + blind_ms
    return latency_ms


def short_poll_mean_ms(one_way_ms: float, interval_ms: float) -> float:
    """Mean of short polling on a fixed grid: d + T/2, whatever the rate."""
    return one_way_ms + interval_ms / 2


def short_poll_latencies_ms(
    published_ms: FloatArray, phases: FloatArray, one_way_ms: float, interval_ms: float
) -> FloatArray:
    """Latency of each of a room's publications to each of its subscribers, who ask on a fixed grid of the clock.

    `phases`: where on the grid each asks, as a share of the interval. Arrivals in step with the grid meet few of its
    phases: then neither the mean nor the median is that of the closed form.
    """
    # A poll that is sent at a grid's instant g is at the server at g + d and brings, at g + 2d, what was there by then.
    waited_ms = (phases[None, :] * interval_ms + one_way_ms - published_ms[:, None]) % interval_ms
    return np.ravel(waited_ms + one_way_ms)


def expected(
    transport: str,
    one_way_ms: float,
    interval_ms: float,
    rooms_ms: Sequence[FloatArray],
    phases: Sequence[FloatArray] = (),
) -> Ecdf | None:
    """Distribution that the link, the polling grid and the run's own schedule would give by themselves.

    `rooms_ms`: the publications of each room, ascending instants in ms; `phases`: where on the short-poll grid each of
    the room's subscribers asks. None where theory has nothing to draw: pushes and long polls on a link without delay
    are at 0 ms, other transports have no model.
    """
    form = kind(transport)
    if form == "short poll" and rooms_ms and phases:
        played = (
            short_poll_latencies_ms(published_ms, _thinned(room, published_ms), one_way_ms, interval_ms)
            for published_ms, room in zip(rooms_ms, phases, strict=True)
        )
        return ecdf(np.sort(np.concatenate(list(played))))
    if form == "short poll":
        fraction = np.concatenate([np.geomspace(1e-4, 0.05, 20), np.linspace(0.06, 1, 60)])
        return Ecdf(one_way_ms + interval_ms * fraction, fraction, 0)
    if not one_way_ms:
        return None
    if form == "long poll" and rooms_ms:
        latencies = [long_poll_latencies_ms(published_ms, one_way_ms) for published_ms in rooms_ms]
        return ecdf(np.sort(np.concatenate(latencies)))
    if form == "push":
        return Ecdf(np.full(2, push_ms(one_way_ms)), np.array([0.0, 1.0]), 0)
    return None


def _thinned(phases: FloatArray, published_ms: FloatArray) -> FloatArray:
    """Keep so many subscribers that no room plays through more than a million deliveries."""
    return phases[:: max(1, len(phases) * len(published_ms) // 1_000_000)]


def link_one_way_ms(link: str) -> float | None:
    """Return d of a cell's link: 0 for "loopback", half of `rtt=50ms` otherwise; None where the text says neither."""
    if link == "loopback":
        return 0.0
    found = re.search(r"\brtt=([0-9]+(?:\.[0-9]+)?)(ms|s)\b", link)
    if not found:
        return None
    return float(found[1]) * (1000 if found[2] == "s" else 1) / 2


def loss_percent(link: str) -> float:
    """Return the loss of a cell's link in each direction, `loss=1%`; 0 where the text says none."""
    found = re.search(r"\bloss=([0-9]+(?:\.[0-9]+)?)%", link)
    return float(found[1]) if found else 0.0


@dataclass(frozen=True, slots=True)
class FiveHundred:
    """Under which conditions a transport's mean would be the guide's long-polling figure."""

    claimed_ms: float
    short_poll_interval_ms: float  # on a link without delay
    long_poll_one_way_ms: float  # a busy room, from when the server has the message: the least delay that does it
    long_poll_round_trip_ms: float  # a busy room, from the publisher's schedule


def five_hundred(claimed_ms: float = 500.0) -> FiveHundred:
    """Turn the means round: T/2 = claim; and d + w/2 = 2d = claim, the limit of a long poll in an ever busier room."""
    return FiveHundred(claimed_ms, 2 * claimed_ms, claimed_ms / 2, 2 * claimed_ms / 3)
