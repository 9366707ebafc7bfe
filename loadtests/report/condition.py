"""One condition (transport x load x link) worked out from its cells' rows: latencies, costs, the claim it speaks to.

Costs per delivery are of all of a condition's cells together, weighted by their deliveries (the ratio of the totals,
not a mean of ratios); `low` and `high` are the extremes of single cells. Memory comes from cells that hold idle
connections.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from loadtests.records import notes
from loadtests.records.cell_spec import Load, poll_phase
from loadtests.records.repeats import believed
from loadtests.records.schema import Cell, Costs, Run, Validity
from loadtests.report import bootstrap, claims, latency, model
from loadtests.report.latency import FloatArray
from loadtests.report.palette import rank
from loadtests.report.quantity import plus

_DEFAULT_POLL_INTERVAL_S = Load(name="", subscribers=0, rate_per_s=0.0).poll_interval_s


def poll_interval_ms(run: Run, cell: Cell) -> float:
    """Return the grid of short polling of a cell in ms.

    Where the cell does not say: the manifest's `settings.poll_interval_s`, else the lab's default.
    """
    if cell.poll_interval_s is not None:
        return 1e3 * cell.poll_interval_s
    value = run.manifest.get("settings", {}).get("poll_interval_s")
    return 1e3 * (float(value) if isinstance(value, int | float) and value > 0 else _DEFAULT_POLL_INTERVAL_S)


@dataclass(frozen=True, slots=True)
class Cost:
    """One cost with the extremes of the cells it comes from."""

    value: float
    low: float
    high: float
    cells: int


def value_of(cost: Cost | None) -> float | None:
    """Return a cost's figure; None where it could not be measured."""
    return None if cost is None else cost.value


@dataclass(frozen=True, slots=True)
class DeliveryCosts:
    """Costs per delivery of one condition; None where nothing could be measured."""

    server_cpu_us: Cost | None
    generator_cpu_us: Cost | None
    bytes_down: Cost | None
    bytes_up: Cost | None
    packets: Cost | None
    ip_bytes_down: Cost | None  # on the wire: `bytes_down`, the payload of TCP, and the headers of IP and TCP
    ip_bytes_up: Cost | None
    acks: Cost | None  # of the packets, those without data
    connect_ms_p50: Cost | None


def per_delivery(cells: Sequence[Cell]) -> DeliveryCosts:
    """Pool the costs of cells that share transport, load and link."""
    return DeliveryCosts(
        server_cpu_us=_pooled(cells, lambda costs: costs.server_cpu_us_per_delivery),
        generator_cpu_us=_pooled(cells, lambda costs: costs.generator_cpu_us_per_delivery),
        bytes_down=_pooled(cells, lambda costs: costs.wire_bytes_down_per_delivery),
        bytes_up=_pooled(cells, lambda costs: costs.wire_bytes_up_per_delivery),
        packets=_pooled(cells, lambda costs: costs.packets_per_delivery),
        ip_bytes_down=_pooled(cells, lambda costs: costs.ip_bytes_down_per_delivery),
        ip_bytes_up=_pooled(cells, lambda costs: costs.ip_bytes_up_per_delivery),
        acks=_pooled(cells, lambda costs: costs.acks_per_delivery),
        connect_ms_p50=_median(cells, lambda costs: costs.connect_ms_p50),
    )


def bytes_known(costs: Sequence[DeliveryCosts]) -> tuple[str, str]:
    """Return in words which bytes are known of these costs, and their field: on the wire, else (old runs) payload."""
    if any(each.ip_bytes_down for each in costs):
        return "bytes on the wire", "ip_bytes_down"
    return "bytes of payload", "bytes_down"


def memory_kib(cells: Sequence[Cell]) -> Cost | None:
    """Server memory per connection in KiB (process and, where known, kernel): the median of those that measured it."""
    return _median(cells, _process_and_kernel_kib)


def _process_and_kernel_kib(costs: Costs) -> float | None:
    if costs.server_kib_per_connection is None:
        return None
    return costs.server_kib_per_connection + (costs.kernel_kib_per_connection or 0.0)


def _pooled(cells: Sequence[Cell], figure: Callable[[Costs], float | None]) -> Cost | None:
    found = [
        (value, cell.counts.received)
        for cell in cells
        if cell.costs and cell.counts and cell.counts.received and (value := figure(cell.costs)) is not None
    ]
    if not found:
        return None
    values, weights = zip(*found, strict=True)
    return Cost(sum(v * weight for v, weight in found) / sum(weights), min(values), max(values), len(found))


def _median(cells: Sequence[Cell], figure: Callable[[Costs], float | None]) -> Cost | None:
    values = [value for cell in cells if cell.costs and (value := figure(cell.costs)) is not None]
    if not values:
        return None
    return Cost(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True, slots=True)
class Condition:
    """What is compared: one transport under one load over one link. Cells that share it are pooled."""

    transport: str
    load: str
    link: str
    kind: str
    subscribers: int
    rate_per_s: float

    @property
    def over_link(self) -> str:
        """The load, and the link unless it is the loopback."""
        return self.load if self.link == "loopback" else f"{self.load} {self.link}"


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
    model: latency.Ecdf | None  # what theory alone gives under this schedule
    costs: DeliveryCosts
    claim: claims.ClaimCheck
    poll_interval_ms: float = math.nan  # the grid of its cells, whatever their transport

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every distinct reason against one of its cells."""
        return tuple(dict.fromkeys(reason for cell in self.cells for reason in cell.verdict.reasons))

    @property
    def noted(self) -> tuple[str, ...]:
        """Everything that was noted on one of its cells, and is no doubt."""
        return tuple(dict.fromkeys(each for cell in self.cells for each in cell.verdict.noted))

    @property
    def errors(self) -> dict[str, int]:
        """Why connections of its cells were cut or refused and publications not taken: text -> how often."""
        return notes.merged(cell.errors for cell in self.cells)

    @property
    def reach_percent(self) -> float | None:
        """Deliveries received of those promised; None where none was."""
        expected = self.total("expected")
        return 100.0 * self.total("received") / expected if expected else None

    def total(self, figure: str) -> int:
        """Sum one field of `schema.Counts` over the used cells."""
        return sum(int(getattr(cell.counts, figure)) for cell in self.used if cell.counts)


@dataclass(frozen=True, slots=True)
class Rows:
    """A run's rows of the measured phase, by cell id, and what every condition is judged by."""

    samples: Mapping[str, pd.DataFrame]
    publishes: Mapping[str, pd.DataFrame]
    missing: Mapping[str, latency.Missing]  # of cells that miss deliveries
    guide: Mapping[str, float]  # claimed latency in ms, by transport
    poll_interval_ms: Mapping[str, float]


def condition_of(cell: Cell) -> Condition:
    return Condition(cell.transport, cell.load, cell.link, cell.kind, cell.subscribers, cell.rate_per_s)


def place(condition: Condition) -> tuple[bool, str, str, int, str, tuple[int, str]]:
    """Sort key: what the table shows first, then by load, then the transports' fixed order."""
    c = condition
    return (c.kind != "latency", c.kind, c.link, c.subscribers, c.load, rank(c.transport))


def validity_of(cells: Sequence[Cell]) -> Validity:
    """The worst validity among the cells that are used; invalid only if nothing else is there."""
    found = {cell.verdict.validity for cell in believed(cells)}
    return next(v for v in (Validity.INVALID, Validity.DOUBTFUL, Validity.VALID) if v in found)


def work_out(condition: Condition, cells: Sequence[Cell], rows: Rows) -> Result:
    """Pool the cells of one condition and compute its figures."""
    used = believed(cells)
    validity = validity_of(cells)
    pooled = _pool(used, rows)
    ascending = pooled.ascending
    unsure_ms = max((cell.instrument.clock_uncertainty_ms or 0.0 for cell in used if cell.instrument), default=0.0)
    p50, p99 = (_estimate(pooled.blocks, len(ascending.ms), percent, unsure_ms) for percent in (50.0, 99.0))
    return Result(
        condition=condition,
        cells=tuple(cells),
        used=used,
        validity=validity,
        percentiles=latency.percentiles(ascending.ms, ascending.exact, pooled.missing),
        p50=p50,
        p99=p99,
        skew_ms_p50=latency.percentile(latency.first_to_last_ms(pooled.samples), 50),
        ecdf=latency.ecdf(ascending.ms, exact=ascending.exact),
        blocks=pooled.blocks,
        model=_model(condition, used, rows),
        costs=per_delivery(used),
        claim=claims.judge(condition.transport, None if validity is Validity.INVALID else p50, rows.guide),
        poll_interval_ms=rows.poll_interval_ms[used[0].id],
    )


@dataclass(frozen=True, slots=True)
class _Pooled:
    """The rows of several cells together, and what of theirs never came."""

    samples: pd.DataFrame
    ascending: latency.Ascending
    missing: int
    blocks: bootstrap.BlockedLatency | None  # None where nothing was owed


def _pool(cells: Sequence[Cell], rows: Rows) -> _Pooled:
    frames = [rows.samples[cell.id].assign(run_block=cell.block) for cell in cells if cell.id in rows.samples]
    samples = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    came_ms = latency.delivery_latency_ms(samples) if frames else np.empty(0)
    found = [(cell.block, rows.missing.get(cell.id, latency.NOTHING_MISSING)) for cell in cells]
    at_least_ms = np.concatenate([np.empty(0), *(missing.at_least_ms for _, missing in found)])
    ascending = latency.ascending(came_ms, at_least_ms)
    if not len(ascending.ms):
        return _Pooled(samples, ascending, 0, None)
    # One entry per delivery that was owed: first those that came, then the missing ones.
    nothing = np.empty(0, dtype=np.int64)
    scheduled = [samples["scheduled_ns"].to_numpy(dtype=np.int64) if frames else nothing]
    run_block = [samples["run_block"].to_numpy(dtype=np.int64) if frames else nothing]
    scheduled += [missing.scheduled_ns for _, missing in found]
    run_block += [np.full(len(missing.scheduled_ns), block) for block, missing in found]
    blocks = bootstrap.block(
        np.concatenate([came_ms, at_least_ms]),
        np.concatenate(scheduled),
        np.concatenate(run_block),
        ascending.known_below_ms,
    )
    return _Pooled(samples, ascending, len(at_least_ms), blocks)


def _estimate(
    blocks: bootstrap.BlockedLatency | None, n: int, percent: float, unsure_ms: float
) -> bootstrap.Estimate | None:
    """Return a percentile; between two clocks their uncertainty, which no sample shows, is in its interval too."""
    if blocks is None or not latency.can_state(n, percent):
        return None
    found = bootstrap.estimate(blocks, percent)
    if not unsure_ms:
        return found
    return replace(found, low_ms=plus(found.low_ms, -unsure_ms), high_ms=plus(found.high_ms, unsure_ms))


def _model(condition: Condition, cells: Sequence[Cell], rows: Rows) -> latency.Ecdf | None:
    one_way_ms = model.link_one_way_ms(condition.link)
    if one_way_ms is None:
        return None
    schedules: list[FloatArray] = []
    phases: list[FloatArray] = []
    for cell in (cell for cell in cells if cell.id in rows.publishes):
        for room, publishes in rows.publishes[cell.id].groupby("room"):
            schedules.append(np.sort(publishes["scheduled_ns"].to_numpy(dtype=np.float64)) / 1e6)
            listening = range(int(str(room)), cell.subscribers, cell.rooms)
            phases.append(np.array([poll_phase(subscriber) for subscriber in listening]))
    return model.expected(condition.transport, one_way_ms, rows.poll_interval_ms[cells[0].id], schedules, phases)
