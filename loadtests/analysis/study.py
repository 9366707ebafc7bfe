"""A run worked out: every condition (transport x load x link) with its figures, ready to be shown.

Here figures are computed and nothing is drawn. What table, charts, sentences and notebooks show comes from one `Study`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from loadtests.analysis import bootstrap, claims, cost, latency, load
from loadtests.analysis.palette import rank
from loadtests.runs.schema import Cell, Run, Validity

BASELINE = "websocket"
"""Differences are taken against this transport where it was measured, else against the first."""


TABLE_KINDS = ("latency", "link")
"""Kinds of cell that the table shows and that are compared; the others have one run block or another purpose."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What is compared: one transport under one load over one link. Cells that share it are pooled."""

    transport: str
    load: str
    link: str
    kind: str
    subscribers: int
    rate_per_s: float


@dataclass(frozen=True, slots=True)
class Result:
    """One condition's figures. Latencies come from `used` cells: those not invalid; if all are invalid, from all."""

    condition: Condition
    cells: tuple[Cell, ...]
    used: tuple[Cell, ...]
    validity: Validity
    percentiles: latency.Percentiles
    p50: bootstrap.Estimate | None  # None where the percentile cannot be stated
    p99: bootstrap.Estimate | None
    skew_ms_p50: float | None  # between an event's first and last receiver
    ecdf: latency.Ecdf
    blocks: bootstrap.BlockedLatency | None
    costs: cost.DeliveryCosts
    claim: claims.ClaimVerdict

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every distinct reason against one of its cells."""
        return tuple(dict.fromkeys(reason for cell in self.cells for reason in cell.verdict.reasons))

    def total(self, figure: str) -> int:
        """Sum one field of `schema.Counts` over the used cells."""
        return sum(int(getattr(cell.counts, figure)) for cell in self.used if cell.counts)


@dataclass(frozen=True, slots=True)
class Contrast:
    """A transport against the baseline under the same load and link: difference of medians."""

    transport: str
    baseline: str
    load: str
    link: str
    difference: bootstrap.Difference


@dataclass(frozen=True, slots=True)
class Study:
    """Everything worked out from one run. `timeline`: the run's table, with `t_s` (since its first row) and `order`."""

    run: Run
    results: tuple[Result, ...]
    memory: Mapping[str, cost.Cost]  # KiB per connection, by transport
    memory_validity: Mapping[str, Validity]
    contrasts: tuple[Contrast, ...]
    timeline: pd.DataFrame
    deliveries: int  # measured phase, all cells

    @property
    def kernel_clock(self) -> bool:
        """Whether every cell that says so was stamped by the kernel."""
        return all(cell.instrument is None or cell.instrument.clock == "kernel" for cell in self.run.cells)

    @property
    def tabled(self) -> tuple[Result, ...]:
        """Results of the kinds in `TABLE_KINDS`; where there are none, all."""
        return self.of_kind(*TABLE_KINDS) or self.results

    def of_kind(self, *kinds: str) -> tuple[Result, ...]:
        """Keep the results of the given kinds of cell."""
        return tuple(result for result in self.results if result.condition.kind in kinds)


def study(run_dir: Path) -> Study:
    """Work out a run. Raises `RunError` (see `load`)."""
    tables = load.load(run_dir, latency.SAMPLE_COLUMNS)
    samples = latency.measured(tables.samples)
    rows = samples.groupby("cell", observed=True).indices
    by_cell = {str(cell): samples.iloc[index] for cell, index in rows.items()}
    grouped: dict[Condition, list[Cell]] = {}
    for cell in tables.run.cells:
        if cell.kind != "memory":
            grouped.setdefault(_condition(cell), []).append(cell)
    ordered = sorted(grouped, key=_place)
    guide = tables.run.claims or claims.GUIDE_LATENCY_MS
    results = tuple(_result(condition, grouped[condition], by_cell, guide) for condition in ordered)
    idle = _by_transport([cell for cell in tables.run.cells if cell.kind == "memory"])
    kib = {transport: cost.memory_kib(_believable(cells)) for transport, cells in idle.items()}
    return Study(
        run=tables.run,
        results=results,
        memory={transport: found for transport, found in kib.items() if found},
        memory_validity={transport: _validity(cells) for transport, cells in idle.items()},
        contrasts=tuple(_contrasts([r for r in results if r.condition.kind in TABLE_KINDS])),
        timeline=_timeline(tables),
        deliveries=len(samples),
    )


def _condition(cell: Cell) -> Condition:
    return Condition(cell.transport, cell.load, cell.link, cell.kind, cell.subscribers, cell.rate_per_s)


def _place(condition: Condition) -> tuple[bool, str, str, int, str, tuple[int, str]]:
    """Sort key: what the table shows first, then by load, then the transports' fixed order."""
    c = condition
    return (c.kind != "latency", c.kind, c.link, c.subscribers, c.load, rank(c.transport))


def _believable(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    return tuple(cell for cell in cells if cell.verdict.validity is not Validity.INVALID) or tuple(cells)


def _validity(cells: Sequence[Cell]) -> Validity:
    """The worst validity among the cells that are used; invalid only if nothing else is there."""
    found = {cell.verdict.validity for cell in _believable(cells)}
    return next(v for v in (Validity.INVALID, Validity.DOUBTFUL, Validity.VALID) if v in found)


def _by_transport(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    grouped: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: rank(cell.transport)):
        grouped.setdefault(cell.transport, []).append(cell)
    return grouped


def _result(
    condition: Condition, cells: Sequence[Cell], by_cell: Mapping[str, pd.DataFrame], guide: Mapping[str, float]
) -> Result:
    used = _believable(cells)
    validity = _validity(cells)
    frames = [by_cell[cell.id].assign(run_block=cell.block) for cell in used if cell.id in by_cell]
    samples = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    values = latency.delivery_latency_ms(samples) if frames else np.empty(0)
    ascending = np.sort(values)
    blocks = None
    if frames:
        run_block = samples["run_block"].to_numpy(dtype=np.int64)
        blocks = bootstrap.block(values, samples["scheduled_ns"].to_numpy(dtype=np.int64), run_block)
    p50, p99 = (_estimate(blocks, len(ascending), percent) for percent in (50.0, 99.0))
    return Result(
        condition=condition,
        cells=tuple(cells),
        used=used,
        validity=validity,
        percentiles=latency.percentiles(ascending),
        p50=p50,
        p99=p99,
        skew_ms_p50=latency.percentile(latency.first_to_last_ms(samples), 50) if frames else None,
        ecdf=latency.ecdf(ascending),
        blocks=blocks,
        costs=cost.per_delivery(used),
        claim=claims.judge(condition.transport, None if validity is Validity.INVALID else p50, guide),
    )


def _estimate(blocks: bootstrap.BlockedLatency | None, n: int, percent: float) -> bootstrap.Estimate | None:
    return bootstrap.estimate(blocks, percent) if blocks is not None and latency.can_state(n, percent) else None


def _contrasts(results: Sequence[Result]) -> list[Contrast]:
    """Difference of medians to the baseline, for results that are not invalid and whose median can be stated."""
    usable = [r for r in results if r.blocks is not None and r.p50 and r.validity is not Validity.INVALID]
    found: list[Contrast] = []
    for load_name, link in dict.fromkeys((r.condition.load, r.condition.link) for r in usable):
        peers = [r for r in usable if (r.condition.load, r.condition.link) == (load_name, link)]
        base = next((r for r in peers if r.condition.transport == BASELINE), peers[0])
        for other in peers:
            if other is not base and other.blocks is not None and base.blocks is not None:
                difference = bootstrap.difference(other.blocks, base.blocks, 50.0)
                found.append(Contrast(other.condition.transport, base.condition.transport, load_name, link, difference))
    return found


def _timeline(tables: load.RunTables) -> pd.DataFrame:
    order = {cell.id: cell.order for cell in tables.run.cells}
    frame = tables.timeline.sort_values("t_ns", ignore_index=True)
    start = frame["t_ns"].min() if len(frame) else 0
    return frame.assign(t_s=(frame["t_ns"] - start) / 1e9, order=frame["cell"].astype(str).map(order))
