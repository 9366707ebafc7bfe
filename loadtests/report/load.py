"""Open a run folder, check it against `loadtests.records.schema`, and hand over data frames.

Guarantee: what `load` returns has the documented columns and types; anything else raises `RunError` with the file, the
value found and what is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from loadtests.records import store
from loadtests.records.errors import RunError
from loadtests.records.schema import ABSENT_NS, ADDED_COLUMNS, PUBLISHES, SAMPLES, STAMPS, TIMELINE, Run


class RunFormatError(RunError):
    """A run whose files contradict the format; the message names the file, what it holds and what it must hold."""


@dataclass(frozen=True, slots=True)
class RunTables:
    """One run: its `run.json` and its three tables.

    `samples`, `publishes`, `timeline` have the columns of `schema.SAMPLES`, `PUBLISHES`, `TIMELINE` (or the subset
    asked for), `cell` as a categorical, and a plain 0..n-1 index. They hold rows of cells named in `run.cells` only.
    """

    run: Run
    samples: pd.DataFrame
    publishes: pd.DataFrame
    timeline: pd.DataFrame
    stamps: pd.DataFrame  # columns of `schema.STAMPS`; no rows unless a cell's servers stamped


def load(run_dir: Path, sample_columns: Sequence[str] | None = None) -> RunTables:
    """Read a whole run; `sample_columns` limits the columns of `samples` (the large table) to what is needed.

    A run that was interrupted has its tables under `cells/<cell>/`; they are read from there.
    Raises `RunError`.
    """
    run = load_run(run_dir)
    return RunTables(
        run=run,
        samples=_table(run_dir, run, "samples", _subset(SAMPLES, sample_columns)),
        publishes=_table(run_dir, run, "publishes", PUBLISHES),
        timeline=_table(run_dir, run, "timeline", TIMELINE),
        stamps=_table(run_dir, run, "stamps", STAMPS, optional=True),
    )


def outline(run_dir: Path) -> RunTables:
    """Read `run.json` alone, of a run whose tables are not kept: they have no rows. Raises `RunError`."""
    samples, publishes, timeline, stamps = (
        schema.empty_table().to_pandas() for schema in (SAMPLES, PUBLISHES, TIMELINE, STAMPS)
    )
    return RunTables(load_run(run_dir), samples, publishes, timeline, stamps)


def load_run(run_dir: Path) -> Run:
    """Read and check `run.json` alone. Raises `RunError`."""
    run = store.load(run_dir)
    ids = [cell.id for cell in run.cells]
    if repeated := sorted({i for i in ids if ids.count(i) > 1}):
        raise RunFormatError(f"{run_dir}: cell ids must be unique, repeated: {', '.join(repeated)}")
    return run


def _subset(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    if columns is None:
        return schema
    if unknown := sorted(set(columns) - set(schema.names)):
        raise ValueError(f"no such column: {', '.join(unknown)}; known: {', '.join(schema.names)}")
    return pa.schema([schema.field(name) for name in columns])


def _table(run_dir: Path, run: Run, name: str, schema: pa.Schema, *, optional: bool = False) -> pd.DataFrame:
    known = {cell.id for cell in run.cells}
    merged = run_dir / f"{name}.parquet"
    paths = [merged] if merged.exists() else [run_dir / "cells" / cell.id / merged.name for cell in run.cells]
    tables = [_read(path, schema) for path in paths if path.exists()]
    if not tables:
        if not optional and any(cell.counts is not None and cell.counts.received for cell in run.cells):
            raise RunFormatError(
                f"{run_dir} counts deliveries but holds neither {merged.name} nor cells/*/{merged.name}"
            )
        tables = [schema.empty_table()]
    frame: pd.DataFrame = pa.concat_tables(tables).unify_dictionaries().to_pandas()
    if unknown := sorted(set(frame["cell"].cat.categories) - known):
        named = ", ".join(unknown[:5])
        raise RunFormatError(f"{merged}: cells that run.json does not know: {named}; known: {len(known)} cells")
    return frame


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    """Read the schema's columns, each with exactly its type (dictionary indices may be of any width).

    Columns that earlier versions did not write are ABSENT_NS in every row.
    """
    try:
        found = pq.read_schema(path)
        added = [name for name in schema.names if name in ADDED_COLUMNS and name not in found.names]
        for field in schema:
            if field.name in added:
                continue
            if field.name not in found.names:
                raise RunFormatError(f"{path}: column {field.name!r} is missing; found: {', '.join(found.names)}")
            if not _same_type(found.field(field.name).type, field.type):
                actual = found.field(field.name).type
                raise RunFormatError(f"{path}: column {field.name!r} is {actual}, must be {field.type}")
        table = pq.read_table(path, columns=[name for name in schema.names if name not in added])
        for name in added:
            table = table.append_column(name, pa.array(np.full(table.num_rows, ABSENT_NS)))
        return table.select(schema.names).cast(schema)
    except (OSError, pa.ArrowException) as error:  # OSError: a page that does not decompress
        raise RunFormatError(f"{path}: not a readable Parquet file ({error})") from error


def _same_type(found: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_dictionary(wanted):
        value = found.value_type if pa.types.is_dictionary(found) else found
        return bool(value.equals(wanted.value_type))
    return bool(found.equals(wanted))
