"""What several workers of one cell left, joined to what one generator would have left."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from loadtests.records import notes
from loadtests.records.cell_spec import GeneratorResult, SocketTotals
from loadtests.records.errors import RunError
from loadtests.records.store import write_atomically, writing

_RESULT = "generator.json"
_ADDED = (
    "subscribers_connected",
    "cpu_s",
    "refused",
    "told_gaps",
    "reconnects",
    "looked_at",
    "unanswered",
    "strangers",
)


def join(folders: Mapping[str, Path], out_dir: Path, *, own_clock: Collection[str]) -> None:
    """Write into `out_dir` what the workers, by name, left in their folders; raises RunError.

    Workers not in `own_clock` have a monotonic clock other than the master's: their times can't be shown beside others.
    """
    try:
        results = [
            msgspec.structs.replace(
                msgspec.json.decode((folder / _RESULT).read_bytes(), type=GeneratorResult), worker=name
            )
            for name, folder in folders.items()
        ]
        for table in sorted({path.name for folder in folders.values() for path in folder.glob("*.parquet")}):
            whole = pa.concat_tables([pq.read_table(folder / table) for folder in folders.values()])
            with writing(out_dir / table):
                pq.write_table(whole, out_dir / table)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunError(f"what a worker left can't be read: {error}") from None
    timed = [result for result in results if result.worker in own_clock]
    write_atomically(out_dir / _RESULT, msgspec.json.encode(together(results, timed or results)))


def together(results: Sequence[GeneratorResult], timed: Sequence[GeneratorResult]) -> GeneratorResult:
    """Return the workers' results as one; its times are those of `timed`, which share a clock."""
    lags = [result.hub_lag_ms_p99 for result in results if result.hub_lag_ms_p99 is not None]
    ends = [result.until_ns for result in timed if result.until_ns is not None]
    return GeneratorResult(
        cell=results[0].cell,
        clock=max(result.clock for result in results),  # "user" after "kernel"
        measured_from_ns=timed[0].measured_from_ns,
        measured_to_ns=timed[0].measured_to_ns,
        connect_ms=tuple(chain.from_iterable(result.connect_ms for result in results)),
        sockets=_sockets([result.sockets for result in results if result.subscribers_connected]),
        seconds=tuple(chain.from_iterable(result.seconds for result in timed)),
        hub_lag_ms_p99=max(lags, default=None),
        errors=notes.most(notes.merged(result.errors for result in results)),
        until_ns=max(ends, default=None),
        clock_steps=max(result.clock_steps for result in results),
        workers=tuple(results),
        **{name: sum(getattr(result, name) for result in results) for name in _ADDED},
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
