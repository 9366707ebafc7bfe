"""From the shards of a plain Locust run to a run folder: a row for each user class, judged worker by worker."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from loadtests.records import shard as shards
from loadtests.records.errors import RunError
from loadtests.records.schema import PUBLISHES, SAMPLES, SCHEMA_VERSION, Run, Value
from loadtests.records.store import RunStore
from loadtests.run.manifest import protected
from loadtests.run.shard_rows import Part, row_of
from loadtests.run.targets import CLAIMS_MS

_MUST_AGREE = ("versions.rtlab", "versions.locust", "git.commit", "random.seed")


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
        cell, tables = row_of(parts, row, order)
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


def _read(folder: Path) -> Part:
    shard, result = shards.read(folder)
    try:
        tables = (pq.read_table(folder / f"{name}.parquet", schema=schema) for name, schema in _TABLES)
        return Part(shard, result, *tables)
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{folder} has a table that can't be read: {error}") from None


_TABLES = (("samples", SAMPLES), ("publishes", PUBLISHES))


def _check(parts: Sequence[Part]) -> None:
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


def _missing(parts: Sequence[Part]) -> str:
    planned = parts[0].shard.workers
    missing = sorted(set(range(planned)) - {part.shard.worker for part in parts})
    listed = ", ".join(map(str, missing))
    return f"the shards of {len(missing)} of {planned} workers are missing: {listed}" if missing else ""


def _run(parts: Sequence[Part], planned_cells: int) -> Run:
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
