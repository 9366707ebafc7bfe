"""From what a cell's processes left behind to its row in the run: counts, costs, health and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from loadtests.records.cell_spec import CellSpec, GeneratorResult, Load
from loadtests.records.disruption import Cuts
from loadtests.records.errors import GeneratorError, ServerError
from loadtests.records.link_spec import LOOPBACK
from loadtests.records.schema import (
    ABSENT_NS,
    OUTAGES,
    PUBLISHES,
    SAMPLES,
    STAMPS,
    Cell,
    Costs,
    Counts,
    Instrument,
    LinkCheck,
    Pressure,
    Verdict,
    WorkerClock,
)
from loadtests.run import counts, outages, pressure, procfs, validity, workers
from loadtests.run.plan import PlannedCell
from loadtests.run.sampler import Reading, timeline

# Which of several instances' stamps of a step counts.
_TAKEN = {"accepted_ns": "min", "appended_ns": "min", "heard_ns": "min", "writing_ns": "min", "written_ns": "max"}
_OF_THE_SERVER = ("server_cpu_us_per_delivery", "server_kib_per_connection", "kernel_kib_per_connection")


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory at one instant of a memory cell."""

    server_kib: float
    buffers_kib: float | None


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """What a cell that got through left behind."""

    result: GeneratorResult
    readings: tuple[Reading, ...]
    server: dict[str, str | int | float | bool]
    before: Memory
    held: Memory | None  # memory cells only
    link_check: LinkCheck | None  # cells over a link only
    forwards: bool = False  # what was watched is not the server: what it cost says nothing
    remarks: tuple[str, ...] = ()  # each makes the cell doubtful
    held_percent: float | None = None  # of a core, what the server was held to
    generator_cores: int = 1  # that the workers share, where there are several
    server_cores: int = 1  # that the server's processes may run on


def judged(
    planned: PlannedCell, outcome: CellOutcome, folder: Path, started_utc: str
) -> tuple[Cell, dict[str, pa.Table]]:
    """Return the cell with its verdict, and its tables; `folder` holds what the generator left. GeneratorError."""
    result, readings = outcome.result, outcome.readings
    lossy = planned.link is not None and planned.link.loss_percent > 0
    samples = _table(folder / "samples.parquet", SAMPLES)
    samples = counts.drop_batch_stamps(samples) if lossy else samples
    publishes = _table(folder / "publishes.parquet", PUBLISHES)
    away = _table(folder / "outages.parquet", OUTAGES) if planned.disrupt is not None else None
    cuts: Cuts | None = None
    health: dict[str, Instrument] = {}
    if outcome.held is not None:
        found = None
        spent = counts.memory_costs(
            result,
            server_kib=(outcome.before.server_kib, outcome.held.server_kib),
            buffers_kib=(outcome.before.buffers_kib, outcome.held.buffers_kib),
            objects_kib=procfs.connection_objects_kib(),
        )
    else:
        found = counts.count(samples, publishes, planned.load, result)
        live = samples
        if away is not None and planned.disrupt is not None:
            ours = planned.target.foreign is None
            if not ours:
                away = outages.placed(samples, publishes, away, planned.load, resume=planned.resume)
            lost = outages.lost_to_cuts(samples, publishes, away, planned.load, resume=planned.resume and ours)
            found = msgspec.structs.replace(found, lost_to_cuts=min(lost, found.lost))
            cuts = outages.figures(samples, away, found, result, planned.disrupt, resume=planned.resume)
            # What is replayed comes many events to a read, by design.
            live = samples.filter(pa.array(~outages.replayed(samples, away)))
        health = _health(planned.load, outcome, live, publishes)
        spent = counts.costs(samples, result, readings)
    judge = partial(
        validity.judge,
        found,
        # TCP hands over what followed a lost packet in one read; so does a server that coalesces, or may go on again.
        pushes=planned.target.pushes and not lossy and not planned.coalesce_ms and outcome.held_percent is None,
        connected=result.subscribers_connected,
        subscribers=planned.load.subscribers,
        idle=outcome.held is not None,
        remarks=outcome.remarks,
        link=outcome.link_check,
        cuts=cuts,
    )
    verdict = workers.judge_each(lambda each: judge(instrument=each), health)
    if outcome.forwards:
        spent = msgspec.structs.replace(spent, **dict.fromkeys(_OF_THE_SERVER))
    cell = cell_of(
        planned,
        verdict,
        started_utc,
        counts=found,
        costs=spent,
        instrument=workers.worst(list(health.values())),
        server=outcome.server | ({"forwards": True} if outcome.forwards else {}),
        link_check=outcome.link_check,
        errors=result.errors,
        cuts=cuts,
        clocks=result.clocks,
        pressure=pressure.pressure(
            readings, result.measured_from_ns, result.measured_to_ns, outcome.held_percent, outcome.server_cores
        ),
    )
    tables = {
        "samples": samples,
        "publishes": publishes,
        "timeline": timeline(planned.id, readings, result),
    }
    if away is not None:
        tables["outages"] = away
    if planned.stamps:
        tables["stamps"] = stamp_table(planned.id, folder)
    return cell, tables


def _health(load: Load, outcome: CellOutcome, samples: pa.Table, publishes: pa.Table) -> dict[str, Instrument]:
    """Return how well each worker did, by its name; of one process under no name."""
    result, readings, poisson = outcome.result, outcome.readings, load.arrivals == "poisson"
    several = result.workers
    if not several:
        return {"": counts.instrument(samples, publishes, result, readings, poisson=poisson)}
    found = {
        own.worker: counts.instrument(
            workers.part_of(samples, load, number, len(several)),
            workers.part_of(publishes, load, number, len(several)),
            own,
            readings,
            poisson=poisson,
        )
        for number, own in enumerate(several)
    }
    # What shares a core is late when the core is full, however little of it each one takes.
    forked = {own.worker: found[own.worker].cpu_percent or 0.0 for own in several if not own.elsewhere}
    shared = sum(forked.values()) / outcome.generator_cores
    return found | {
        name: msgspec.structs.replace(found[name], cpu_percent=max(own, shared)) for name, own in forked.items()
    }


def _table(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        return pq.read_table(path, schema=schema)
    except (OSError, pa.ArrowException) as error:
        raise GeneratorError(f"the load generator left no readable {path.name}: {error}") from None


def cell_of(
    planned: PlannedCell,
    verdict: Verdict,
    started_utc: str,
    *,
    counts: Counts | None = None,
    costs: Costs | None = None,
    instrument: Instrument | None = None,
    server: dict[str, str | int | float | bool] | None = None,
    link_check: LinkCheck | None = None,
    errors: Mapping[str, int] | None = None,
    cuts: Cuts | None = None,
    clocks: tuple[WorkerClock, ...] = (),
    pressure: Pressure | None = None,
    failed: str = "",
) -> Cell:
    """Return the run's row of a planned cell."""
    load = planned.load
    return Cell(
        id=planned.id,
        transport=planned.target.name,
        load=load.name,
        kind=planned.kind,
        block=planned.block,
        order=planned.order,
        subscribers=load.subscribers,
        publishers=load.publishers,
        rooms=load.rooms,
        rate_per_s=load.rate_per_s,
        payload_bytes=load.payload_bytes,
        warm_up_s=planned.warm_up_s,
        measured_s=planned.measured_s if planned.kind != "memory" else planned.hold_s,
        link=LOOPBACK if planned.link is None else str(planned.link),
        link_check=link_check,
        verdict=verdict,
        counts=counts,
        costs=costs,
        instrument=instrument,
        server=server or {},
        started_utc=started_utc,
        arrivals=load.arrivals,
        direction=load.direction,
        variant=planned.variant,
        against=planned.against,
        poll_interval_s=load.poll_interval_s,
        poll_wait_s=load.poll_wait_s,
        errors=dict(errors or {}),
        cuts=cuts,
        clocks=clocks,
        pressure=pressure,
        failed=failed,
    )


def stamp_table(cell: str, folder: Path) -> pa.Table:
    """Return the rows (`STAMPS`) of `folder/stamps-*.csv`; rooms are known by `folder/spec.json`.

    Of several instances each step is that of the one that took it first, the last write that of the last. Raises
    ServerError where there is no such file, or it is none.
    """
    rooms = pa.array(msgspec.json.decode((folder / "spec.json").read_bytes(), type=CellSpec).room_names)
    files = sorted(folder.glob("stamps-*.csv"))
    if not files:
        raise ServerError("the server was asked to stamp, and left no stamps")
    stamps = pa.concat_tables(map(_stamps, files))
    stamps = stamps.set_column(0, "room", pc.index_in(stamps["room"], rooms)).filter(pc.is_in(stamps["room"], rooms))
    by_event = stamps.group_by(["room", "offset"]).aggregate(list(_TAKEN.items()))
    by_event = by_event.sort_by([("room", "ascending"), ("offset", "ascending")])
    columns = {
        "cell": [cell] * by_event.num_rows,
        "room": by_event["room"],
        "offset": by_event["offset"],
        **{step: pc.fill_null(by_event[f"{step}_{how}"], ABSENT_NS) for step, how in _TAKEN.items()},
    }
    return pa.table(columns, schema=STAMPS)


def _stamps(file: Path) -> pa.Table:
    """Return what one instance left, null for a step that it did not take."""
    types = {"room": pa.string(), "offset": pa.int64(), **dict.fromkeys(_TAKEN, pa.int64())}
    options = csv.ConvertOptions(column_types=types, include_columns=list(types), null_values=[str(ABSENT_NS)])
    try:
        return csv.read_csv(file, convert_options=options)
    except (KeyError, pa.ArrowException) as error:
        raise ServerError(f"{file.name} holds no stamps: {error}") from None
