"""What a delivery and a connection cost: server CPU, bytes on the wire, packets, memory.

Figures per delivery are of all of a condition's cells together, weighted by their deliveries (the ratio of the totals,
not a mean of ratios); `low` and `high` are the extremes of single cells. Memory comes from cells that hold idle
connections.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtests.records.schema import Cell, Costs


@dataclass(frozen=True, slots=True)
class Cost:
    """One cost with the extremes of the cells it comes from."""

    value: float
    low: float
    high: float
    cells: int


@dataclass(frozen=True, slots=True)
class DeliveryCosts:
    """Costs per delivery of one condition; None where nothing could be measured."""

    server_cpu_us: Cost | None
    generator_cpu_us: Cost | None
    bytes_down: Cost | None
    bytes_up: Cost | None
    packets: Cost | None
    connect_ms_p50: Cost | None


def per_delivery(cells: Sequence[Cell]) -> DeliveryCosts:
    """Pool the costs of cells that share transport, load and link."""
    return DeliveryCosts(
        server_cpu_us=_pooled(cells, lambda costs: costs.server_cpu_us_per_delivery),
        generator_cpu_us=_pooled(cells, lambda costs: costs.generator_cpu_us_per_delivery),
        bytes_down=_pooled(cells, lambda costs: costs.wire_bytes_down_per_delivery),
        bytes_up=_pooled(cells, lambda costs: costs.wire_bytes_up_per_delivery),
        packets=_pooled(cells, lambda costs: costs.packets_per_delivery),
        connect_ms_p50=_median(cells, lambda costs: costs.connect_ms_p50),
    )


def memory_kib(cells: Sequence[Cell]) -> Cost | None:
    """Server memory per connection in KiB (process and, where known, kernel): the median of those that measured it."""
    return _median(cells, _process_and_kernel_kib)


def _process_and_kernel_kib(costs: Costs) -> float | None:
    if costs.server_kib_per_connection is None:
        return None
    return costs.server_kib_per_connection + (costs.kernel_kib_per_connection or 0.0)


def _pooled(cells: Sequence[Cell], figure: Callable[[Costs], float | None]) -> Cost | None:
    found: list[tuple[float, int]] = []
    for cell in cells:
        value = figure(cell.costs) if cell.costs else None
        if value is not None and cell.counts and cell.counts.received:
            found.append((value, cell.counts.received))
    if not found:
        return None
    values = [value for value, _ in found]
    total = sum(weight for _, weight in found)
    return Cost(sum(v * weight for v, weight in found) / total, min(values), max(values), len(found))


def _median(cells: Sequence[Cell], figure: Callable[[Costs], float | None]) -> Cost | None:
    values = [value for cell in cells if cell.costs and (value := figure(cell.costs)) is not None]
    if not values:
        return None
    return Cost(statistics.median(values), min(values), max(values), len(values))
