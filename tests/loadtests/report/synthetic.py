"""Make a whole run folder from a seed, with truths planted in it: what the analysis must find again.

Not a simulation of any machine: latencies are drawn from known distributions, counts follow from the rows written.
`python -m tests.loadtests.report.synthetic FOLDER [DELIVERIES]` makes one to look at.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from loadtests.records.schema import (
    PUBLISHES,
    SAMPLES,
    SCHEMA_VERSION,
    TIMELINE,
    Cell,
    Costs,
    Counts,
    Instrument,
    Phase,
    Run,
    Validity,
    Verdict,
)
from tests.loadtests.report import synthetic_tables
from tests.loadtests.report.synthetic_tables import POLL_INTERVAL_S, WARM_UP_S, Truth

GRACE_S = 1.0

TRUTHS: Mapping[str, Truth] = {
    "websocket": Truth(),
    "sse": Truth(base_ms=0.22, bytes_down=260, cpu_us=33, kib=31),
    "longpoll": Truth(base_ms=0.6, us_per_subscriber=9, bytes_down=480, cpu_us=140, kib=38),
    "shortpoll": Truth(grid=True, bytes_down=190, cpu_us=60, kib=29),
}


@dataclass(frozen=True)
class Plan:
    """What to make."""

    truths: Mapping[str, Truth] = field(default_factory=lambda: dict(TRUTHS))
    loads: Sequence[tuple[str, int, float]] = (("50x10", 50, 10.0), ("200x10", 200, 10.0))  # name, subscribers, 1/s
    fan_out: Sequence[tuple[str, int, float]] = (("10x10", 10, 10.0), ("500x10", 500, 10.0))
    blocks: int = 3
    measured_s: float = 3.0
    seed: int = 1
    link: str = "loopback"
    kernel_stamps: bool = True
    lose: Mapping[str, int] = field(default_factory=dict)  # deliveries lost, by cell id
    unanswered: Mapping[str, int] = field(default_factory=dict)  # a cell's last publications, received by nobody
    invalid: Mapping[str, str] = field(default_factory=dict)  # reason, by cell id
    doubtful: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # texts with counts, by cell id
    stop_after: int | None = None  # cells: an interrupted run, tables not merged
    claims: Mapping[str, float] = field(
        default_factory=lambda: {"websocket": 0.0, "sse": 100.0, "longpoll": 500.0, "h2push": 0.0}
    )


TINY = Plan(truths={"websocket": Truth()}, loads=(("5x10", 5, 10.0),), fan_out=(), blocks=1, measured_s=1.0)
"""For tests that need some run, whatever it holds."""


@dataclass
class _Made:
    cell: Cell
    tables: dict[str, pa.Table]


def make_run(folder: Path, plan: Plan | None = None) -> Run:
    """Write the run folder and return its `run.json` as a value."""
    plan = plan or Plan()
    rng = np.random.default_rng(plan.seed)
    order = _order(plan, rng)
    made: list[_Made] = []
    clock_ns = 10**12
    for index, (block, transport, kind, load) in enumerate(order[: plan.stop_after]):
        made.append(_cell(plan, rng, index, block, transport, kind, load, clock_ns))
        clock_ns += int((plan.measured_s + WARM_UP_S + 1) * 1e9)
    run = Run(
        schema_version=SCHEMA_VERSION,
        run_id=f"20260101T000000Z-synthetic-{plan.seed:07d}",
        scenario="compare",
        complete=plan.stop_after is None,
        started_utc="2026-01-01T00:00:00Z",
        elapsed_s=len(made) * (plan.measured_s + WARM_UP_S + 1),
        planned_cells=len(order),
        manifest={
            "host": {"cpu_model": "Synthetic <1>", "cores": 2, "kernel": "6.18", "governor": None},
            "versions": {"python": "3.11.2", "uvicorn": "0.54.0"},
            "settings": {"deflate": False, "poll_interval_s": POLL_INTERVAL_S},
            "git": {"commit": "0123456789abcdef", "dirty": False},
            "random": {"seed": plan.seed},
        },
        protected=("host.cpu_model", "versions.python"),
        claims=dict(plan.claims),
        cells=tuple(m.cell for m in made),
        note="" if plan.stop_after is None else "interrupted by Ctrl-C",
    )
    _write(folder, run, made, merged=run.complete)
    return run


def _order(plan: Plan, rng: np.random.Generator) -> list[tuple[int, str, str, tuple[str, int, float]]]:
    order: list[tuple[int, str, str, tuple[str, int, float]]] = []
    for block in range(plan.blocks):
        cells = [(block, t, "latency", load) for load in plan.loads for t in plan.truths]
        if block == 0:
            cells += [(block, t, "fan-out", load) for load in plan.fan_out for t in plan.truths]
            cells += [(block, t, "memory", ("idle-400", 400, 0.0)) for t in plan.truths]
        order += [cells[i] for i in rng.permutation(len(cells))]
    return order


def _cell(
    plan: Plan,
    rng: np.random.Generator,
    index: int,
    block: int,
    transport: str,
    kind: str,
    load: tuple[str, int, float],
    start_ns: int,
) -> _Made:
    name, subscribers, rate = load
    cell_id = f"{block}-{transport}-{name}"
    truth = plan.truths[transport]
    messages = int(rate * (plan.measured_s + WARM_UP_S))
    scheduled = start_ns + (np.arange(messages) * (1e9 / rate if rate else 0)).astype(np.int64)
    phase = np.where(scheduled >= start_ns + int(WARM_UP_S * 1e9), Phase.MEASURED, Phase.WARM_UP).astype(np.int8)
    latency_ns = synthetic_tables.latency_ns(rng, truth, scheduled, subscribers)
    samples = synthetic_tables.samples(cell_id, truth, scheduled, phase, latency_ns, plan.kernel_stamps)
    expected = int((phase == Phase.MEASURED).sum()) * subscribers
    lost = plan.lose.get(cell_id, 0)
    unanswered = plan.unanswered.get(cell_id, 0)
    samples = samples.slice(0, len(samples) - max(lost, unanswered * subscribers))
    until_ns = start_ns + int((WARM_UP_S + plan.measured_s + GRACE_S) * 1e9)
    return _Made(
        Cell(
            id=cell_id,
            transport=transport,
            load=name,
            kind=kind,
            block=block,
            order=index,
            subscribers=subscribers,
            publishers=1,
            rooms=1,
            rate_per_s=rate,
            payload_bytes=128,
            warm_up_s=WARM_UP_S,
            measured_s=plan.measured_s,
            link=plan.link,
            verdict=_verdict(plan, cell_id),
            counts=None if kind == "memory" else _counts(expected, lost, subscribers, unanswered, until_ns),
            costs=_costs(rng, truth, kind),
            instrument=Instrument("kernel" if plan.kernel_stamps else "user", 0.3, 0.0, 0.2, 0.5, 12.0, 3.0),
            server={"tcp_nodelay": True, "deflate": False},
            started_utc="2026-01-01T00:00:00Z",
            errors=dict(plan.errors.get(cell_id, {})),
        ),
        {
            "samples": samples,
            "publishes": synthetic_tables.publishes(cell_id, scheduled, phase, unanswered),
            "timeline": synthetic_tables.timeline(rng, cell_id, start_ns, plan.measured_s, truth, subscribers * rate),
        },
    )


def _verdict(plan: Plan, cell_id: str) -> Verdict:
    if cell_id in plan.invalid:
        return Verdict(Validity.INVALID, (plan.invalid[cell_id],))
    if cell_id in plan.doubtful:
        return Verdict(Validity.DOUBTFUL, (plan.doubtful[cell_id],))
    return Verdict(Validity.VALID)


def _counts(expected: int, lost: int, subscribers: int, unanswered: int, until_ns: int) -> Counts:
    if not unanswered:
        return Counts(expected // subscribers, 0, expected, expected - lost, lost, 0, 0, 0, 0)
    lost = unanswered * subscribers
    return Counts(
        published=expected // subscribers - unanswered,
        refused=0,
        expected=expected,
        received=expected - lost,
        lost=lost,
        duplicates=0,
        out_of_order=0,
        told_gaps=0,
        reconnects=0,
        unanswered=unanswered,
        lost_unanswered=lost,
        until_ns=until_ns,
    )


def _costs(rng: np.random.Generator, truth: Truth, kind: str) -> Costs:
    if kind == "memory":
        return Costs(None, None, None, None, None, truth.kib * rng.uniform(0.95, 1.05), 2.0, 1.5, 6.0)
    cpu = truth.cpu_us * rng.uniform(0.95, 1.05)
    on_the_wire = truth.bytes_down + 52.0
    return Costs(cpu, 45.0, truth.bytes_down, 12.0, 1.1, None, None, 1.5, 6.0, on_the_wire, 64.0, 1.0)


def _write(folder: Path, run: Run, made: Sequence[_Made], *, merged: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_bytes(msgspec.json.format(msgspec.json.encode(run)))
    schemas = {"samples": SAMPLES, "publishes": PUBLISHES, "timeline": TIMELINE}
    if not merged:
        for one in made:
            cell_folder = folder / "cells" / one.cell.id
            cell_folder.mkdir(parents=True, exist_ok=True)
            for name, table in one.tables.items():
                pq.write_table(table, cell_folder / f"{name}.parquet", compression="zstd")
        return
    for name, schema in schemas.items():
        with pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd") as writer:
            for one in made:
                writer.write_table(one.tables[name])


if __name__ == "__main__":
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    per_second = (50 + 200) * 10 * len(TRUTHS) * 3
    make_run(Path(sys.argv[1]), Plan(measured_s=max(3.0, round(wanted / per_second))))
