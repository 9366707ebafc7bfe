"""One user class of a plain Locust run: its row and its tables, from the shards of all workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.catalogue import records
from loadtests.records.cell_spec import GeneratorResult
from loadtests.records.link_spec import LOOPBACK
from loadtests.records.schema import (
    ABSENT_NS,
    SAMPLES,
    TIMELINE,
    Cell,
    Costs,
    Counts,
    Instrument,
    Phase,
    Verdict,
)
from loadtests.records.shard import Shard, UserClass, UserSpan
from loadtests.run import counts, spans, validity, workers

GRACE_NS = 1_000_000_000
"""How long before a user's stop a message must be sent to be owed to it, beside its transport's own delay."""


@dataclass(frozen=True, slots=True)
class Part:
    """One worker's shard, read."""

    shard: Shard
    result: GeneratorResult
    samples: pa.Table
    publishes: pa.Table


def row_of(parts: Sequence[Part], row: UserClass, order: int) -> tuple[Cell, dict[str, pa.Table]]:
    """Return the cell of one user class, and its tables."""
    first, load = parts[0], parts[0].shard.load
    record = records().get(row.like)
    name = row.like if record is not None and record.load.user_name == row.name else row.name
    straggle_ns = int(row.straggle_s * 1e9)
    made = _Made(
        cell_id=f"0-{name}-locust",
        window=(first.result.measured_from_ns, first.result.measured_to_ns - straggle_ns),
        own={part.shard.worker: [s for s in part.shard.spans if s.user_class == row.name] for part in parts},
    )
    samples = {part.shard.worker: made.samples(part) for part in parts}
    received, publishes = pa.concat_tables(samples.values()), made.publishes(parts)
    elsewhere = [part.shard.worker for part in parts if part.shard.clock != first.shard.clock]
    counted = spans.count(
        received,
        publishes,
        made.there,
        late_ns=GRACE_NS + straggle_ns,
        other_clock=frozenset(span.number for worker in elsewhere for span in made.own[worker]),
    )
    poisson = load.arrivals == "poisson"
    health = {
        part.shard.worker: counts.instrument(
            samples[part.shard.worker], part.publishes, part.result, (), poisson=poisson
        )
        for part in parts
        if made.own[part.shard.worker]
    }
    cell = Cell(
        id=made.cell_id,
        transport=name,
        load=f"{len(made.there)}x{load.rate_per_s:g}",
        kind="latency",
        block=0,
        order=order,
        subscribers=len(made.there),
        publishers=load.publishers,
        rooms=load.rooms,
        rate_per_s=load.rate_per_s,
        payload_bytes=load.payload_bytes,
        warm_up_s=0.0,
        measured_s=(made.window[1] - made.window[0]) / 1e9,
        link=LOOPBACK,
        verdict=_judged(counted, health, made.there, pushes=record is None or record.pushes),
        counts=counted,
        costs=_costs(parts, made.there),
        instrument=workers.worst(list(health.values())),
        started_utc=first.shard.started_utc,
        arrivals=load.arrivals,
        poll_interval_s=load.poll_interval_s,
        poll_wait_s=load.poll_wait_s,
        errors=_errors(parts, row),
    )
    return cell, {"samples": received, "publishes": publishes, "timeline": _timeline(parts, made.cell_id, made.window)}


@dataclass(frozen=True, slots=True)
class _Made:
    """What the tables of one class are made by."""

    cell_id: str
    window: tuple[int, int]  # the measured phase, by the first worker's clock
    own: dict[int, list[UserSpan]]  # the class's users, by worker

    @property
    def there(self) -> list[UserSpan]:
        return [span for each in self.own.values() for span in each]

    def samples(self, part: Part) -> pa.Table:
        """Return what the class's users of one worker received."""
        numbers = pa.array([span.number for span in self.own[part.shard.worker]], pa.int32())
        return self._phased(part.samples.filter(pc.is_in(part.samples["subscriber"], numbers)))

    def publishes(self, parts: Sequence[Part]) -> pa.Table:
        """Return what was published in the class's rooms."""
        rooms = pa.array(sorted({span.room for span in self.there}), pa.int32())
        everything = pa.concat_tables([part.publishes for part in parts])
        return self._phased(everything.filter(pc.is_in(everything["room"], rooms)))

    def _phased(self, table: pa.Table) -> pa.Table:
        """Return the rows as the cell's, in the phase of the whole run; those of another clock keep their process's."""
        due_ns = counts.column(table, "scheduled_ns")
        measured = (due_ns >= self.window[0]) & (due_ns < self.window[1])
        phases = np.where(due_ns == ABSENT_NS, counts.column(table, "phase"), np.where(measured, Phase.MEASURED, 0))
        cells = pa.array([self.cell_id] * table.num_rows).dictionary_encode().cast(SAMPLES.field("cell").type)
        changed = {"cell": cells, "phase": pa.array(phases, pa.int8())}
        return pa.table([changed.get(name, table[name]) for name in table.schema.names], schema=table.schema)


def _judged(counted: Counts, health: dict[int, Instrument], there: Sequence[UserSpan], *, pushes: bool) -> Verdict:
    """Judge the counts once and each worker's instrument."""
    connected = sum(span.from_ns > 0 for span in there)
    return workers.judge_each(
        lambda each: validity.judge(counted, each, pushes=pushes, connected=connected, subscribers=len(there)),
        {f"worker {worker}": each for worker, each in health.items()},
    )


def _costs(parts: Sequence[Part], there: Sequence[UserSpan]) -> Costs:
    """Return what can be known: who runs the server is not asked, and the generators serve all classes at once."""
    deliveries = sum(counts.measured(part.samples).num_rows for part in parts)
    connects = [span.connect_ms for span in there if span.connect_ms is not None]
    p50, p99 = np.percentile(connects, [50, 99]).tolist() if connects else (None, None)
    cpu_s = sum(part.result.cpu_s for part in parts)
    return Costs(
        generator_cpu_us_per_delivery=1e6 * cpu_s / deliveries if deliveries else None,
        connect_ms_p50=p50,
        connect_ms_p99=p99,
    )


def _errors(parts: Sequence[Part], row: UserClass) -> dict[str, int]:
    """Return the errors that begin with the label of the class, or with none; one label may begin with another."""
    labels = {each.label for part in parts for each in part.shard.classes}
    found: dict[str, int] = {}
    for text, times in chain.from_iterable(part.result.errors.items() for part in parts):
        label = max((label for label in labels if text.startswith(f"{label} ")), key=len, default=row.label)
        if label == row.label:
            found[text] = found.get(text, 0) + times
    return found


def _timeline(parts: Sequence[Part], cell_id: str, window: tuple[int, int]) -> pa.Table:
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
