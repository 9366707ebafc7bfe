"""What several workers of one cell left, joined to what one generator would have left, in the master's time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from loadtests.load.users.cell_worker import EXCHANGES
from loadtests.load.users.clock_fit import ClockFit, Floats, Integers, fit
from loadtests.records import notes
from loadtests.records.cell_spec import GeneratorResult, SocketTotals
from loadtests.records.errors import RunError
from loadtests.records.schema import ABSENT_NS, WorkerClock
from loadtests.records.store import write_atomically, writing

_RESULT = "generator.json"
_SAMPLES, _PUBLISHES = "samples.parquet", "publishes.parquet"
_ADDED = (
    "subscribers_connected", "cpu_s", "refused", "told_gaps", "reconnects", "looked_at", "unanswered", "strangers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Part:
    """What one worker left, and how its clock runs to the master's."""

    result: GeneratorResult
    tables: Mapping[str, pa.Table]
    same_clock: bool
    fit: ClockFit | None

    @property
    def placed(self) -> bool:
        """Whether its instants can be told in the master's time."""
        return self.same_clock or self.fit is not None

    def clock(self) -> WorkerClock:
        """Return what is known of its clock."""
        if self.fit is None:
            return WorkerClock(self.result.worker)
        ends = np.array([self.result.measured_from_ns, self.result.until_ns or self.result.measured_to_ns])
        at = np.append(ends, ends.sum() // 2)
        offset_ns, uncertainty_ns = self.fit.offset_ns(at)
        return WorkerClock(
            self.result.worker, float(offset_ns[2]) / 1e6, *self.fit.drift_ppm, float(uncertainty_ns.max()) / 1e6
        )

    def moved(self, at_ns: Integers, begins_ns: int) -> tuple[Integers, Floats]:
        """Return instants in the master's time with their uncertainty; of an unknown clock, as if all began at once."""
        known = at_ns != ABSENT_NS
        offset_ns, uncertainty_ns = np.zeros(len(at_ns), dtype=np.int64), np.zeros(len(at_ns))
        if self.fit is not None:
            offset_ns[known], uncertainty_ns[known] = self.fit.offset_ns(at_ns[known])
        elif not self.same_clock:
            offset_ns[known] = begins_ns - self.result.measured_from_ns
        return at_ns + offset_ns, uncertainty_ns


def join(
    folders: Mapping[str, Path],
    out_dir: Path,
    *,
    own_clock: Collection[str],
    window_ns: tuple[int, int],
    elsewhere: Collection[str] = (),
) -> None:
    """Write into `out_dir` what the workers, by name, left in their folders; raises RunError.

    `window_ns` is the measured phase by the master's clock; those in `elsewhere` were not started by the lab.

    Workers not in `own_clock` have a monotonic clock other than the master's. Where it was asked for their offset,
    their instants are moved by it, and deliveries between two workers have a latency; otherwise these have none.
    """
    try:
        parts = [_read(name, folder, same_clock=name in own_clock) for name, folder in folders.items()]
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunError(f"what a worker left can't be read: {error}") from None
    timed = [part.result for part in parts if part.same_clock]
    if not timed:  # what happened when on this machine is known from the master alone
        from_ns, to_ns = window_ns
        until_ns, _ = parts[0].moved(np.array([parts[0].result.until_ns or ABSENT_NS]), from_ns)
        first = {"measured_from_ns": from_ns, "measured_to_ns": to_ns, "until_ns": int(until_ns[0]), "seconds": ()}
        timed = [msgspec.structs.replace(parts[0].result, **first)]
    tables = {
        name: [_in_masters_time(part, part.tables[name], timed[0]) for part in parts if name in part.tables]
        for name in sorted(set(chain.from_iterable(part.tables for part in parts)))
    }
    unsure_ms = None
    if len(timed) < len(parts):
        tables[_SAMPLES], unsure_ms = _with_their_publications(parts, tables[_SAMPLES], tables[_PUBLISHES])
    for name, several in tables.items():
        with writing(out_dir / name):
            pq.write_table(pa.concat_tables(several), out_dir / name)
    results = [
        msgspec.structs.replace(part.result, clock_uncertainty_ms=unsure_ms, elsewhere=part.result.worker in elsewhere)
        for part in parts
    ]
    whole = msgspec.structs.replace(
        together(results, timed),
        clocks=tuple(part.clock() for part in parts if not part.same_clock),
        clock_uncertainty_ms=unsure_ms,
    )
    write_atomically(out_dir / _RESULT, msgspec.json.encode(whole))


def _read(name: str, folder: Path, *, same_clock: bool) -> _Part:
    result = msgspec.json.decode((folder / _RESULT).read_bytes(), type=GeneratorResult)
    exchanges = msgspec.json.decode((folder / EXCHANGES).read_bytes(), type=list[tuple[int, int, int]])
    tables = {path.name: pq.read_table(path) for path in sorted(folder.glob("*.parquet"))}
    return _Part(
        msgspec.structs.replace(result, worker=name), tables, same_clock, None if same_clock else fit(exchanges)
    )


def _in_masters_time(part: _Part, table: pa.Table, window: GeneratorResult) -> pa.Table:
    """Return a worker's table with its instants moved, in the phases of the whole cell where these can be told."""
    if part.same_clock:
        return table
    for index, name in enumerate(table.schema.names):
        if name.endswith("_ns"):
            moved, _ = part.moved(_column(table, name), window.measured_from_ns)
            table = table.set_column(index, table.schema.field(index), pa.array(moved))
    if part.placed and "scheduled_ns" in table.schema.names:
        due_ns = _column(table, "scheduled_ns")
        inside = (due_ns >= window.measured_from_ns) & (due_ns < window.measured_to_ns)
        return _set(table, "phase", np.where(due_ns == ABSENT_NS, _column(table, "phase"), inside))
    return table


def _with_their_publications(
    parts: Sequence[_Part], samples: Sequence[pa.Table], publishes: Sequence[pa.Table]
) -> tuple[list[pa.Table], float | None]:
    """Give deliveries their publications' phase, and those of another clock their instants where both are known.

    A publication at the edge may be in the phase of its own worker and not of another, though the two share a clock:
    each began when the word reached it. Returns also by how much such a latency may be wrong, at worst, in ms; None
    where there is none.
    """
    sent = pa.concat_tables(publishes)
    owner = np.repeat(np.arange(len(parts)), [table.num_rows for table in publishes])
    placed = np.array([part.placed for part in parts])
    unsure_ns = [(part.clock().uncertainty_ms or 0.0) * 1e6 for part in parts]
    stride = int(max([0, *_column(sent, "message")])) + 1
    keys = _column(sent, "publisher") * stride + _column(sent, "message")
    order = np.argsort(keys)
    filled, worst_ns = [], -1.0
    for number, table in enumerate(samples):
        wanted = _column(table, "publisher") * stride + _column(table, "message")
        found = np.clip(np.searchsorted(keys[order], wanted), 0, max(0, len(keys) - 1))
        rows = order[found] if len(keys) else found
        matched = keys[rows] == wanted if len(keys) else np.zeros(len(wanted), dtype=bool)
        strange = (_column(table, "sent_ns") == ABSENT_NS) & matched
        known = strange & placed[number] & (placed[owner[rows]] if len(keys) else False)
        for name in ("scheduled_ns", "sent_ns"):
            table = _set(table, name, np.where(known, _column(sent, name)[rows], _column(table, name)))
        filled.append(_set(table, "phase", np.where(matched, _column(sent, "phase")[rows], _column(table, "phase"))))
        for other in set(owner[rows[known]].tolist()):
            worst_ns = max(worst_ns, unsure_ns[number] + unsure_ns[other])
    return filled, worst_ns / 1e6 if worst_ns >= 0 else None


def _column(table: pa.Table, name: str) -> Integers:
    return np.asarray(table[name].to_numpy(), dtype=np.int64)


def _set(table: pa.Table, name: str, values: Integers) -> pa.Table:
    index = table.schema.get_field_index(name)
    field = table.schema.field(index)
    return table.set_column(index, field, pa.array(np.asarray(values, dtype=np.int64)).cast(field.type))


def together(results: Sequence[GeneratorResult], timed: Sequence[GeneratorResult]) -> GeneratorResult:
    """Return the workers' results as one; its times are those of `timed`, which share the master's clock."""
    lags = [result.hub_lag_ms_p99 for result in results if result.hub_lag_ms_p99 is not None]
    ends = [result.until_ns for result in timed if result.until_ns is not None]
    first = timed[0]
    window = {"measured_from_ns": first.measured_from_ns, "measured_to_ns": first.measured_to_ns}
    added = {name: sum(getattr(result, name) for result in results) for name in _ADDED}
    return msgspec.structs.replace(
        first,
        clock=max(result.clock for result in results),  # "user" after "kernel"
        connect_ms=tuple(chain.from_iterable(result.connect_ms for result in results)),
        sockets=_sockets([result.sockets for result in results if result.subscribers_connected]),
        seconds=tuple(chain.from_iterable(result.seconds for result in timed)),
        hub_lag_ms_p99=max(lags, default=None),
        errors=notes.most(notes.merged(result.errors for result in results)),
        until_ns=max(ends, default=None),
        clock_steps=max(result.clock_steps for result in results),
        worker="",
        workers=tuple(msgspec.structs.replace(result, **window) for result in results),
        **added,
    )


def _sockets(totals: Sequence[SocketTotals | None]) -> SocketTotals | None:
    """Return the sums; None of what one of them does not know."""
    known = [each for each in totals if each is not None]
    if len(known) < len(totals) or not known:
        return None
    columns = {
        field.name: [getattr(each, field.name) for each in known] for field in msgspec.structs.fields(SocketTotals)
    }
    return SocketTotals(**{name: None if None in values else sum(values) for name, values in columns.items()})
