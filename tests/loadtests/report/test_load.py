"""Run folders of another shape are refused with the file, the value and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loadtests.records.errors import RunError
from loadtests.records.schema import SAMPLES, TIMELINE
from loadtests.report.latency import SAMPLE_COLUMNS
from loadtests.report.load import RunFormatError, load
from tests.loadtests.report.synthetic import TINY, Plan, make_run
from tests.loadtests.report.synthetic_tables import Truth


def test_a_run_comes_back_with_the_schemas_columns(tmp_path: Path) -> None:
    run = make_run(tmp_path, TINY)
    tables = load(tmp_path)
    assert tables.run == run
    assert list(tables.samples.columns) == SAMPLES.names
    assert list(tables.timeline.columns) == TIMELINE.names
    assert len(tables.samples) == 5 * 20
    assert set(tables.samples["cell"]) == {"0-websocket-5x10"}


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    make_run(tmp_path, TINY)
    assert list(load(tmp_path, SAMPLE_COLUMNS).samples.columns) == list(SAMPLE_COLUMNS)
    with pytest.raises(ValueError, match="no such column: latency"):
        load(tmp_path, ("cell", "latency"))


def test_an_interrupted_runs_tables_are_read_from_its_cells(tmp_path: Path) -> None:
    plan = Plan(truths={"websocket": Truth(), "sse": Truth()}, loads=(("5x10", 5, 10.0),), fan_out=(), stop_after=3)
    run = make_run(tmp_path, plan)
    tables = load(tmp_path)
    assert not run.complete
    assert len(tables.samples) == 3 * 5 * 40 - sum(5 * 40 for cell in run.cells if cell.kind == "memory")


def test_a_run_stopped_before_its_first_cell_is_empty_not_an_error(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(stop_after=0))
    tables = load(tmp_path)
    assert tables.samples.empty
    assert list(tables.samples.columns) == SAMPLES.names


def test_a_folder_without_run_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"run\.json"):
        load(tmp_path)


def test_another_schema_version_is_refused_with_both_numbers(tmp_path: Path) -> None:
    make_run(tmp_path, TINY)
    path = tmp_path / "run.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(RunError, match=r"99.*1"):
        load(tmp_path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    make_run(tmp_path, TINY)
    path = tmp_path / "samples.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["kernel_rx_ns"]), path)
    with pytest.raises(RunFormatError, match="'kernel_rx_ns' is missing"):
        load(tmp_path)


def test_a_column_of_another_type_is_named_with_both_types(tmp_path: Path) -> None:
    make_run(tmp_path, TINY)
    path = tmp_path / "timeline.parquet"
    table = pq.read_table(path)
    at = table.schema.get_field_index("t_ns")
    pq.write_table(table.set_column(at, "t_ns", table["t_ns"].cast(pa.float64())), path)
    with pytest.raises(RunFormatError, match="'t_ns' is double, must be int64"):
        load(tmp_path)


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path, TINY)
    (tmp_path / "publishes.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(RunFormatError, match=r"publishes\.parquet: not a readable Parquet file"):
        load(tmp_path)


def test_rows_of_a_cell_that_run_json_does_not_know_are_refused(tmp_path: Path) -> None:
    make_run(tmp_path, TINY)
    path = tmp_path / "run.json"
    path.write_text(path.read_text().replace("0-websocket-5x10", "0-websocket-other"))
    with pytest.raises(RunFormatError, match="0-websocket-5x10"):
        load(tmp_path)


def test_deliveries_that_were_counted_but_are_not_there_are_missed(tmp_path: Path) -> None:
    make_run(tmp_path, TINY)
    (tmp_path / "samples.parquet").unlink()
    with pytest.raises(RunFormatError, match=r"holds neither samples\.parquet"):
        load(tmp_path)


def test_a_cell_id_that_comes_twice_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path, TINY)
    path = tmp_path / "run.json"
    path.write_text(path.read_text().replace("0-websocket-idle-400", "0-websocket-5x10"))
    with pytest.raises(RunFormatError, match="unique"):
        load(tmp_path)
