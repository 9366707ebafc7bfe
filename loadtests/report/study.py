"""A run worked out: every condition with its figures, and how conditions compare, ready to be shown.

Here figures are computed and nothing is drawn. What table, charts, sentences and notebooks show comes from one `Study`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from loadtests.records.repeats import believed
from loadtests.records.schema import TLS, Cell, Run, Validity
from loadtests.report import bootstrap, budget, claims, condition, latency, load, model
from loadtests.report.condition import (
    Condition,
    Result,
    Rows,
    condition_of,
    place,
    poll_interval_ms,
    validity_of,
    work_out,
)
from loadtests.report.load import RunTables
from loadtests.report.palette import rank

BASELINE = "websocket"
"""Differences are taken against this transport where it was measured, else against the first."""


TABLE_KINDS = ("latency", "link")
"""Kinds of cell that the table shows and that are compared; the others have one run block or another purpose."""


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
    memory: Mapping[str, condition.Cost]  # KiB per connection, by transport
    memory_validity: Mapping[str, Validity]
    contrasts: tuple[Contrast, ...]
    timeline: pd.DataFrame
    deliveries: int  # measured phase, all cells
    budgets: tuple[budget.Budget, ...] = ()  # of conditions whose servers stamped

    @property
    def lacks_kernel_stamps(self) -> bool:
        """Whether a load generator here had to do with Python's own receive stamps."""
        return any(cell.instrument is not None and cell.instrument.clock == "user" for cell in self.run.cells)

    @property
    def guide(self) -> Mapping[str, float]:
        """The latencies in ms, by transport, that the run is compared with."""
        return self.run.claims or claims.GUIDE_LATENCY_MS

    @property
    def tabled(self) -> tuple[Result, ...]:
        """Results of the kinds in `TABLE_KINDS`; where there are none, all."""
        return self.of_kind(*TABLE_KINDS) or self.results

    def of_kind(self, *kinds: str) -> tuple[Result, ...]:
        """Keep the results of the given kinds of cell."""
        return tuple(result for result in self.results if result.condition.kind in kinds)


def study(run_dir: Path) -> Study:
    """Work out a run. Raises `RunError` (see `load`)."""
    further = latency.IDENTITY_COLUMNS if latency.any_missing(load.load_run(run_dir)) else ()
    return _of(load.load(run_dir, (*latency.SAMPLE_COLUMNS, *further)))


def outline(run_dir: Path) -> Study:
    """Work out what `run.json` alone holds of a run: no latencies. Raises `RunError`."""
    return _of(load.outline(run_dir))


def _of(tables: RunTables) -> Study:
    samples = latency.measured(tables.samples)
    received, sent = _by_cell(samples), _by_cell(latency.measured(tables.publishes))
    rows = Rows(
        samples={cell: frame for cell, each in received.items() if len(frame := latency.timed(each))},
        publishes=sent,
        missing={cell.id: latency.missing(cell, received.get(cell.id), sent.get(cell.id)) for cell in tables.run.cells},
        guide=tables.run.claims or claims.GUIDE_LATENCY_MS,
        poll_interval_ms={cell.id: poll_interval_ms(tables.run, cell) for cell in tables.run.cells},
    )
    grouped: dict[Condition, list[Cell]] = {}
    for cell in tables.run.cells:
        if cell.kind != "memory":
            grouped.setdefault(condition_of(cell), []).append(cell)
    results = tuple(work_out(condition, grouped[condition], rows) for condition in sorted(grouped, key=place))
    idle = _by_transport(ordinary([cell for cell in tables.run.cells if cell.kind == "memory"]))
    kib = {transport: condition.memory_kib(believed(cells)) for transport, cells in idle.items()}
    return Study(
        run=tables.run,
        results=results,
        memory={transport: found for transport, found in kib.items() if found},
        memory_validity={transport: validity_of(cells) for transport, cells in idle.items()},
        contrasts=tuple(_contrasts([r for r in results if r.condition.kind in TABLE_KINDS])),
        timeline=_timeline(tables),
        deliveries=len(samples),
        budgets=budget.budgets(results, rows.samples, tables.stamps),
    )


def ordinary(cells: Sequence[Cell]) -> Sequence[Cell]:
    """Leave out the cells that only add TLS to what others measure; where there are no others, return all."""
    return [cell for cell in cells if TLS not in cell.variant.split(",")] or cells


def heaviest(study: Study) -> list[Result]:
    """The results of the load with the most deliveries a second among those of the table."""
    results = study.of_kind("latency") or study.results
    if not results:
        return []
    top = max(results, key=lambda r: r.condition.subscribers * r.condition.rate_per_s).condition
    return [r for r in results if (r.condition.load, r.condition.link) == (top.load, top.link)]


def fan_out_results(study: Study) -> list[Result]:
    """Results over one link, at the most common rate, whose median can be stated: one per transport and size.

    Short polls are those of the most common grid: another grid is another latency, whatever the size.
    """
    usable = [r for r in study.of_kind("latency", "fan-out") if r.p50]
    if not usable:
        return []
    rates = [r.condition.rate_per_s for r in usable]
    rate, link = max(rates, key=rates.count), usable[0].condition.link
    usable = [r for r in usable if r.condition.rate_per_s == rate and r.condition.link == link]
    grids = [r.poll_interval_ms for r in usable if model.kind(r.condition.transport) == "short poll"]
    chosen: dict[tuple[str, int], Result] = {}
    for result in usable:
        on_a_grid = model.kind(result.condition.transport) == "short poll"
        if not on_a_grid or result.poll_interval_ms == max(grids, key=grids.count):
            chosen.setdefault((result.condition.transport, result.condition.subscribers), result)
    return sorted(chosen.values(), key=lambda r: (rank(r.condition.transport), r.condition.subscribers))


def _by_cell(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(cell): frame.iloc[rows] for cell, rows in frame.groupby("cell", observed=True).indices.items()}


def _by_transport(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    grouped: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: rank(cell.transport)):
        grouped.setdefault(cell.transport, []).append(cell)
    return grouped


def _contrasts(results: Sequence[Result]) -> Iterator[Contrast]:
    """Yield differences of medians to the baseline, of results that are not invalid and whose median can be stated."""
    peers: dict[tuple[str, str], list[tuple[Condition, bootstrap.BlockedLatency]]] = {}
    for r in results:
        if r.blocks is not None and r.p50 and r.validity is not Validity.INVALID:
            peers.setdefault((r.condition.load, r.condition.link), []).append((r.condition, r.blocks))
    for (load_name, link), usable in peers.items():
        base, base_blocks = next((peer for peer in usable if peer[0].transport == BASELINE), usable[0])
        for other, blocks in usable:
            if other is not base:
                difference = bootstrap.difference(blocks, base_blocks, 50.0)
                yield Contrast(other.transport, base.transport, load_name, link, difference)


def _timeline(tables: load.RunTables) -> pd.DataFrame:
    order = {cell.id: cell.order for cell in tables.run.cells}
    frame = tables.timeline.sort_values("t_ns", ignore_index=True)
    start = frame["t_ns"].min() if len(frame) else 0
    return frame.assign(t_s=(frame["t_ns"] - start) / 1e9, order=frame["cell"].astype(str).map(order))
