"""Run folders on disk: append-only while a run goes on, each file whole or not there, never overwritten.

The format itself is in `schema`. A cell becomes visible in one step: its tables are written beside `cells/` and
moved in, then `run.json` is replaced. Whatever kills the lab, the folder is a readable, incomplete run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from loadtests.records.errors import RunError
from loadtests.records.schema import OUTAGES, PUBLISHES, SAMPLES, SCHEMA_VERSION, STAMPS, TIMELINE, Cell, Run, Value

TABLES: Mapping[str, pa.Schema] = {
    "samples": SAMPLES,
    "publishes": PUBLISHES,
    "timeline": TIMELINE,
    "stamps": STAMPS,
    "outages": OUTAGES,
}
OPTIONAL = ("stamps", "outages")  # no file where no cell has rows
RUN_FILE = "run.json"

_RENAMED = (("api.fetch-stream", "api.response-body"), ("fetch-stream", "sse-fetch"))

_CELLS = "cells"
_SCRATCH = "scratch"
_MAX_SAME_SECOND = 1000


class RunStore:
    """The folder of one run that is being written."""

    def __init__(self, folder: Path, run: Run) -> None:
        """Use `create`; the folder must be new and empty."""
        self.folder = folder
        self._run = run

    @classmethod
    def create(cls, runs_folder: Path, run: Run) -> RunStore:
        """Make the run's folder, named by `run.run_id`, and its first `run.json`, incomplete.

        A folder of that name that is already there is left alone: the run gets the next free `-2`, `-3`, ….
        RunError when the folder can't be made.
        """
        for count in range(1, _MAX_SAME_SECOND):
            run_id = run.run_id if count == 1 else f"{run.run_id}-{count}"
            folder = runs_folder / run_id
            try:
                runs_folder.mkdir(parents=True, exist_ok=True)
                folder.mkdir()
            except FileExistsError:
                if not runs_folder.is_dir():
                    raise RunError(f"can't keep runs in {runs_folder}: it is not a folder") from None
                continue
            except OSError as error:
                raise RunError(f"can't make a run folder in {runs_folder}: {error.strerror}") from None
            (folder / _CELLS).mkdir()
            (folder / _SCRATCH).mkdir()
            store = cls(folder, msgspec.structs.replace(run, run_id=run_id))
            store._set(complete=False)
            return store
        raise RunError(f"{runs_folder} holds {_MAX_SAME_SECOND} runs named {run.run_id}")

    @property
    def run(self) -> Run:
        """The run as it stands in `run.json`."""
        return self._run

    def scratch(self, cell: str) -> Path:
        """Return the folder of a cell that is running, made for who asks first; no part of the run until `add`."""
        folder = self.folder / _SCRATCH / cell
        folder.mkdir(exist_ok=True)  # a stamping server starts before its cell, perhaps more than once
        return folder

    def log(self, kind: str, cell: str) -> Path:
        """Return the path of a cell's log, e.g. `server-<cell>.log`."""
        return self.folder / f"{kind}-{cell}.log"

    def add(self, cell: Cell, tables: Mapping[str, pa.Table]) -> None:
        """Add a finished cell: its tables (names and columns of `TABLES`) in one step, then `run.json`."""
        if any(known.id == cell.id for known in self._run.cells):
            raise RunError(f"the run already holds the cell {cell.id}")
        if tables:
            staged = self.folder / _SCRATCH / f"{cell.id}.tables"
            staged.mkdir()
            for name, table in tables.items():
                path, schema = staged / f"{name}.parquet", TABLES[name]
                with writing(path):
                    pq.write_table(table.cast(schema), path, **_writer_options(schema))
            staged.rename(self.folder / _CELLS / cell.id)
        self._set(cells=(*self._run.cells, cell))

    def update(self, *, elapsed_s: float, note: str = "") -> None:
        """Record how long the run has taken and, if something is missing, why."""
        self._set(elapsed_s=elapsed_s, note=note)

    def describe(self, section: str, values: Mapping[str, Value]) -> None:
        """Add a section to the manifest that is only known once cells have run."""
        self._set(manifest={**self._run.manifest, section: dict(values)})

    def finish(self) -> Run:
        """Merge the cells' tables into the run's, drop what is scratch, and mark the run complete if it is."""
        for name, schema in TABLES.items():
            self._merge(name, schema)
        # Only now: had the merge failed, the cells' own tables would still be there.
        shutil.rmtree(self.folder / _CELLS)
        shutil.rmtree(self.folder / _SCRATCH)
        # More than planned: some were measured again.
        complete = len(self._run.cells) >= self._run.planned_cells and not self._run.note
        self._set(complete=complete)
        return self._run

    def _merge(self, name: str, schema: pa.Schema) -> None:
        target = self.folder / f"{name}.parquet"
        if name in OPTIONAL and not any((self.folder / _CELLS).glob(f"*/{target.name}")):
            return
        staged = self.folder / _SCRATCH / f"{name}.parquet"
        with writing(staged), pq.ParquetWriter(staged, schema, **_writer_options(schema)) as writer:
            for cell in self._run.cells:
                path = self.folder / _CELLS / cell.id / f"{name}.parquet"
                if path.is_file():
                    writer.write_table(_read_table(path, schema))
        staged.rename(target)

    def _set(self, **changed: object) -> None:
        """Replace `run.json` by one with these fields changed."""
        self._run = msgspec.structs.replace(self._run, **changed)
        write_atomically(self.folder / RUN_FILE, msgspec.json.format(msgspec.json.encode(self._run), indent=1))


def load(folder: Path) -> Run:
    """Read a run's `run.json`; RunError when the folder is no run, or one of another format."""
    path = folder / RUN_FILE
    try:
        raw = path.read_bytes()
    except OSError:
        raise RunError(f"{folder} is not a run folder: it has no {RUN_FILE}") from None
    try:
        version = msgspec.json.decode(raw, type=_Version).schema_version
        if version != SCHEMA_VERSION:
            raise RunError(f"{path} has schema version {version}; this lab reads {SCHEMA_VERSION}")
        return with_names_of_today(msgspec.json.decode(raw, type=Run))
    except msgspec.MsgspecError as error:
        raise RunError(f"{path} is not a run: {error}") from None


def with_names_of_today(run: Run) -> Run:
    """Return a run with the names of today for lanes and APIs of browsers. Version 0.1 named both `fetch-stream`."""
    for old, new in _RENAMED:
        cells = tuple(msgspec.structs.replace(each, transport=each.transport.replace(old, new)) for each in run.cells)
        manifest = {
            section: {key.replace(old, new): value for key, value in found.items()}
            for section, found in run.manifest.items()
        }
        run = msgspec.structs.replace(run, cells=cells, manifest=manifest)
    return run


class _Version(msgspec.Struct):
    schema_version: int


def find(runs_folder: Path, name: str) -> Path:
    """Return the folder of the run `name`: a path, a run id in `runs_folder`, or "latest"."""
    if name == "latest":
        runs = listed(runs_folder)
        if not runs:
            raise RunError(f"there is no run in {runs_folder} yet")
        return runs[-1]
    for folder in (Path(name), runs_folder / name):
        if (folder / RUN_FILE).is_file():
            return folder
    if Path(name).is_dir():
        raise RunError(f"{name} is not a run folder: it has no {RUN_FILE}")
    raise RunError(f"no run {name!r}: give a run folder, a run id of {runs_folder}, or latest")


def listed(runs_folder: Path) -> list[Path]:
    """Return the run folders in `runs_folder`, oldest first (their names begin with the UTC time)."""
    if not runs_folder.is_dir():
        return []
    return sorted(path.parent for path in runs_folder.glob(f"*/{RUN_FILE}"))


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` in one step: a reader sees the old file or the new one, whole."""
    staged = path.with_name(f".{path.name}.new")
    with writing(path):
        with staged.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file in what goes wrong while it is written: a full disk's own error does not. Raises RunError."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RunError(f"{path} could not be written: {reason}") from error


def _read_table(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        return pq.read_table(path, schema=schema)
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{path} can't be read: {error}") from error


def _writer_options(schema: pa.Schema) -> dict[str, object]:
    """Return Parquet options that keep rows of rising nanoseconds at about 15 bytes."""
    deltas = {field.name: "DELTA_BINARY_PACKED" for field in schema if pa.types.is_integer(field.type)}
    return {"compression": "zstd", "use_dictionary": ["cell"], "column_encoding": deltas}
