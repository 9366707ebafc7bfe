"""The interval of a cost covers the truth as often as it says, and is wider where cells differ more."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loadtests.records.schema import Cell, Costs, Validity, Verdict
from loadtests.report import scatter
from loadtests.report.scatter import Scatter


def cell(cpu_us: float | None) -> Cell:
    return Cell(
        id="c", transport="websocket", load="l", kind="latency", block=0, order=0, subscribers=1, publishers=1, rooms=1,
        rate_per_s=1.0, payload_bytes=128, warm_up_s=0, measured_s=1, link="loopback", verdict=Verdict(Validity.VALID),
        costs=Costs(server_cpu_us_per_delivery=cpu_us),
    )  # fmt: skip


def of(*groups: tuple[float | None, ...]) -> Scatter:
    return scatter.of([[cell(value) for value in group] for group in groups], scatter.server_cpu)


def test_scatter_is_pooled_over_conditions_whatever_their_cost() -> None:
    ratio = math.exp(0.1)
    found = of((10 / ratio, 10 * ratio), (1000 / ratio, 1000 * ratio))
    assert found.share == pytest.approx(0.1 * math.sqrt(2))
    assert found.dof == 2


def test_single_cells_and_unknown_costs_say_nothing() -> None:
    assert of((10.0,), (20.0, None)) == Scatter(0.0, 0)
    assert Scatter(0.0, 0).interval(10.0, 1) is None
    assert Scatter(0.1, 3).interval(10.0, 0) is None


def test_more_cells_make_it_narrower_and_more_scatter_wider() -> None:
    intervals = (Scatter(share, 4).interval(10.0, cells) for share, cells in ((0.1, 2), (0.1, 8), (0.2, 2)))
    widths = [high - low for low, high in filter(None, intervals)]
    assert widths[1] < widths[0] < widths[2]


def test_it_covers_the_truth_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        drawn = np.exp(rng.normal(0, 0.15, (6, 2))) * np.array([[5.0], [10], [20], [40], [80], [160]])
        found = of(*(tuple(row) for row in drawn.tolist()))
        low, high = found.interval(float(np.exp(np.log(drawn[0]).mean())), 2) or (0, 0)
        covered += low <= 5.0 <= high
    assert 180 <= covered <= 199
