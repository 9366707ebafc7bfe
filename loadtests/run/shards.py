"""From the shards of a plain Locust run to a run folder: a row for each user class, judged worker by worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.catalogue import records
from loadtests.records import shard as shards
from loadtests.records.cell_spec import GeneratorResult
from loadtests.records.errors import RunError
from loadtests.records.schema import (
    ABSENT_NS,
    FROM_THE_BEST,
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
    Value,
    Verdict,
)
from loadtests.records.shard import Shard, UserClass, UserSpan
from loadtests.records.store import RunStore
from loadtests.run import counts, spans, validity
from loadtests.run.manifest import protected
from loadtests.run.targets import CLAIMS_MS

GRACE_NS = 1_000_000_000
"""How long before a user's stop a message must be sent to be owed to it, beside its transport's own delay."""

_MUST_AGREE = ("versions.rtlab", "versions.locust", "git.commit", "random.seed")
_WORKER = "worker {}: {}"


@dataclass(frozen=True, slots=True)
class _Part:
    """One worker's shard, read."""

    shard: Shard
    result: GeneratorResult
    samples: pa.Table
    publishes: pa.Table


def assemble(folders: Sequence[Path], runs_folder: Path) -> Path:
    """Make a run of the shards that `folders` are or hold; return its folder. Raises RunError.

    Shards that are not of one run, or of one load, are refused. Where some are missing the run is incomplete and says
    so; without the first worker's, which has all publications, there is none.
    """
    parts = sorted(map(_read, dict.fromkeys(chain.from_iterable(map(_found, folders)))), key=lambda p: p.shard.worker)
    _check(parts)
    first = parts[0].shard
    classes = {each.name: each for part in parts for each in part.shard.classes}
    if not classes:
        raise RunError(f"no user came to the Locust run {first.run}: there is nothing to report")
    store = RunStore.create(runs_folder, _run(parts, planned_cells=len(classes)))
    for order, row in enumerate(classes.values()):
        cell, tables = _row(parts, row, order)
        store.add(cell, tables)
    elapsed_s = (parts[0].result.measured_to_ns - parts[0].result.measured_from_ns) / 1e9
    store.update(elapsed_s=elapsed_s, note=_missing(parts))
    store.finish()
    return store.folder


def _found(folder: Path) -> list[Path]:
    found = shards.within(folder)
    if not found:
        raise RunError(f"{folder} holds no shard of a Locust run (a folder with a {shards.SHARD_FILE})")
    return [path.resolve() for path in found]


def _read(folder: Path) -> _Part:
    shard, result = shards.read(folder)
    try:
        tables = (pq.read_table(folder / f"{name}.parquet", schema=schema) for name, schema in _TABLES)
        return _Part(shard, result, *tables)
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{folder} has a table that can't be read: {error}") from None


_TABLES = (("samples", SAMPLES), ("publishes", PUBLISHES))


def _check(parts: Sequence[_Part]) -> None:
    """Raise RunError unless the shards can be merged."""
    first = parts[0].shard
    if len(runs := {part.shard.run for part in parts}) > 1:
        raise RunError(f"these are shards of {len(runs)} Locust runs: {', '.join(sorted(runs))}; give those of one")
    workers = [part.shard.worker for part in parts]
    if twice := sorted({worker for worker in workers if workers.count(worker) > 1}):
        raise RunError(f"the shard of worker {twice[0]} is given {workers.count(twice[0])} times: give it once")
    if first.worker:
        raise RunError("the shard of worker 0 is missing: it has the publications, and nothing can be counted without")
    for part in parts[1:]:
        for key in (*_MUST_AGREE, *(f"settings.{name}" for name in first.manifest["settings"])):
            section, _, name = key.partition(".")
            ours, theirs = (each.manifest.get(section, {}).get(name) for each in (first, part.shard))
            if ours != theirs:
                raise RunError(
                    f"worker {part.shard.worker} can't be merged with worker 0: its {key} is {theirs}, not {ours}"
                )


def _missing(parts: Sequence[_Part]) -> str:
    planned = parts[0].shard.workers
    missing = sorted(set(range(planned)) - {part.shard.worker for part in parts})
    listed = ", ".join(map(str, missing))
    return f"the shards of {len(missing)} of {planned} workers are missing: {listed}" if missing else ""


def _run(parts: Sequence[_Part], planned_cells: int) -> Run:
    first = parts[0].shard
    everybody = [span for part in parts for span in part.shard.spans]
    counted: dict[str, Value] = {
        "users": len(everybody),
        "publications": sum(part.shard.publications for part in parts),
        "failures": sum(part.shard.failures for part in parts),
        "workers": len(parts),
        "clocks": len({part.shard.clock for part in parts}),
    }
    environment = {**first.manifest, "locust": counted}
    return Run(
        schema_version=SCHEMA_VERSION,
        run_id=first.run,
        scenario="locust",
        complete=False,
        started_utc=first.started_utc,
        elapsed_s=0.0,
        planned_cells=planned_cells,
        manifest=environment,
        protected=protected(environment),
        claims=CLAIMS_MS,
    )


def _row(parts: Sequence[_Part], row: UserClass, order: int) -> tuple[Cell, dict[str, pa.Table]]:
    """Return the cell of one user class, and its tables."""
    first, load = parts[0], parts[0].shard.load
    own = {part.shard.worker: [s for s in part.shard.spans if s.user_class == row.name] for part in parts}
    there = [span for each in own.values() for span in each]
    straggle_ns = int(row.straggle_s * 1e9)
    record = records().get(row.like)
    plain = record is not None and record.load.user_name == row.name
    name = row.like if plain else row.name
    cell_id = f"0-{name}-locust"
    window = first.result.measured_from_ns, first.result.measured_to_ns - straggle_ns
    in_rooms = pa.array(sorted({span.room for span in there}), pa.int32())
    publishes = pa.concat_tables([part.publishes for part in parts])
    publishes = _phased(publishes.filter(pc.is_in(publishes["room"], in_rooms)), window, cell_id)
    samples = {part.shard.worker: _phased(_of(part.samples, own[part.shard.worker]), window, cell_id) for part in parts}
    received = pa.concat_tables(samples.values())
    elsewhere = {part.shard.worker for part in parts if part.shard.clock != first.shard.clock}
    counted = spans.count(
        received,
        publishes,
        there,
        late_ns=GRACE_NS + straggle_ns,
        other_clock=frozenset(span.number for worker in elsewhere for span in own[worker]),
    )
    health = {
        part.shard.worker: counts.instrument(samples[part.shard.worker], part.publishes, part.result, ())
        for part in parts
        if own[part.shard.worker]
    }
    connected = sum(span.from_ns > 0 for span in there)
    verdict = _judged(counted, health, pushes=record is None or record.pushes, of=(connected, len(there)))
    cell = Cell(
        id=cell_id,
        transport=name,
        load=f"{len(there)}x{load.rate_per_s:g}",
        kind="latency",
        block=0,
        order=order,
        subscribers=len(there),
        publishers=load.publishers,
        rooms=load.rooms,
        rate_per_s=load.rate_per_s,
        payload_bytes=load.payload_bytes,
        warm_up_s=0.0,
        measured_s=(window[1] - window[0]) / 1e9,
        link="loopback",
        verdict=verdict,
        counts=counted,
        costs=_costs(parts, there),
        instrument=_worst(list(health.values())),
        started_utc=first.shard.started_utc,
        arrivals=load.arrivals,
        poll_interval_s=load.poll_interval_s,
        poll_wait_s=load.poll_wait_s,
        errors=_errors(parts, row),
    )
    tables = {"samples": received, "publishes": publishes, "timeline": _timeline(parts, cell_id, window)}
    return cell, tables


def _of(samples: pa.Table, own: Sequence[UserSpan]) -> pa.Table:
    numbers = pa.array([span.number for span in own], pa.int32())
    return samples.filter(pc.is_in(samples["subscriber"], numbers))


def _phased(table: pa.Table, window: tuple[int, int], cell_id: str) -> pa.Table:
    """Return the table's rows as the cell's, with the phase that the whole run gives them.

    Rows of another clock have the phase of their own process.
    """
    due_ns = counts.column(table, "scheduled_ns")
    measured = (due_ns >= window[0]) & (due_ns < window[1])
    phases = np.where(due_ns == ABSENT_NS, counts.column(table, "phase"), np.where(measured, Phase.MEASURED, 0))
    cells = pa.array([cell_id] * table.num_rows).dictionary_encode().cast(SAMPLES.field("cell").type)
    return table.set_column(table.schema.get_field_index("cell"), "cell", cells).set_column(
        table.schema.get_field_index("phase"), "phase", pa.array(phases, pa.int8())
    )


def _judged(counted: Counts, health: dict[int, Instrument], *, pushes: bool, of: tuple[int, int]) -> Verdict:
    """Judge the counts once and each worker's instrument; the worst counts, and each worker's reasons name it."""
    connected, subscribers = of

    def judge(instrument: Instrument | None) -> Verdict:
        return validity.judge(counted, instrument, pushes=pushes, connected=connected, subscribers=subscribers)

    common = judge(None)
    verdicts = {worker: judge(instrument) for worker, instrument in health.items()}
    reasons = list(common.reasons)
    for worker, verdict in verdicts.items():
        own = [reason for reason in verdict.reasons if reason not in common.reasons]
        reasons += own if len(health) == 1 else [_WORKER.format(worker, reason) for reason in own]
    worst = max((common, *verdicts.values()), key=lambda verdict: FROM_THE_BEST.index(verdict.validity))
    return Verdict(worst.validity, tuple(reasons))


def _worst(health: Sequence[Instrument]) -> Instrument | None:
    """Return of each figure the value of the worker that it speaks most against."""
    if not health:
        return None
    worst: dict[str, object] = {}
    for field in msgspec.structs.fields(Instrument):
        known = [value for each in health if (value := getattr(each, field.name)) is not None]
        if field.name == "clock":
            worst[field.name] = max(known)  # "user" after "kernel"
        elif known:
            worst[field.name] = min(known) if field.name.endswith("_min") else max(known)
    return msgspec.structs.replace(health[0], **worst)


def _costs(parts: Sequence[_Part], there: Sequence[UserSpan]) -> Costs:
    """Return what can be known: who runs the server is not asked, and the generators serve all classes at once."""
    deliveries = sum(part.samples.num_rows for part in parts)
    connects = [span.connect_ms for span in there if span.connect_ms is not None]
    p50, p99 = np.percentile(connects, [50, 99]).tolist() if connects else (None, None)
    cpu_s = sum(part.result.cpu_s for part in parts)
    return Costs(
        generator_cpu_us_per_delivery=1e6 * cpu_s / deliveries if deliveries else None,
        connect_ms_p50=p50,
        connect_ms_p99=p99,
    )


def _errors(parts: Sequence[_Part], row: UserClass) -> dict[str, int]:
    """Return the errors that begin with the label of the class, or with none."""
    labels = {each.label for part in parts for each in part.shard.classes}
    found: dict[str, int] = {}
    for text, times in chain.from_iterable(part.result.errors.items() for part in parts):
        label = next((label for label in labels if text.startswith(f"{label} ")), row.label)
        if label == row.label:
            found[text] = found.get(text, 0) + times
    return found


def _timeline(parts: Sequence[_Part], cell_id: str, window: tuple[int, int]) -> pa.Table:
    """Return a row a second: the generators on the first one's clock together; of the server nothing is known."""
    ours = [part for part in parts if part.shard.clock == parts[0].shard.clock]
    seconds: dict[int, list[tuple[float, float, float]]] = {}
    for second in chain.from_iterable(part.result.seconds for part in ours):
        row = second.cpu_percent, second.rss_kib, second.lag_ms
        seconds.setdefault((second.t_ns - window[0]) // 1_000_000_000, []).append(row)
    return pa.Table.from_pylist(list(_rows(seconds, cell_id, window)), schema=TIMELINE)


def _rows(
    seconds: dict[int, list[tuple[float, float, float]]], cell_id: str, window: tuple[int, int]
) -> Iterator[dict[str, object]]:
    unknown = float("nan")
    for second, each in sorted(seconds.items()):
        t_ns = window[0] + (second + 1) * 1_000_000_000
        cpu, rss, lag = zip(*each, strict=True)
        yield {
            "cell": cell_id,
            "t_ns": t_ns,
            "phase": Phase.MEASURED if window[0] < t_ns <= window[1] else Phase.WARM_UP,
            "server_cpu_percent": unknown,
            "server_rss_kib": unknown,
            "server_connections": -1,
            "server_outbox_bytes": -1,
            "generator_cpu_percent": sum(cpu),
            "generator_rss_kib": sum(rss),
            "generator_lag_ms": max(lag),
            "foreign_cpu_percent": unknown,
        }
