"""Run folders: whole files only, never overwritten, incomplete ones marked."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loadtests.records import store
from loadtests.records.errors import RunError
from loadtests.records.schema import SAMPLES, SCHEMA_VERSION, Cell, Run, Validity, Verdict
from loadtests.records.store import TABLES, RunStore


def new_run(planned_cells: int = 2) -> Run:
    return Run(
        schema_version=SCHEMA_VERSION,
        run_id="20260102T030405Z-test-abc1234",
        scenario="test",
        complete=False,
        started_utc="2026-01-02T03:04:05+00:00",
        elapsed_s=0.0,
        planned_cells=planned_cells,
        manifest={"random": {"seed": 1}},
        protected=("versions.python",),
        claims={"websocket": 0.0},
    )


def cell(name: str) -> Cell:
    return Cell(
        id=name,
        transport="sse",
        load="1x1",
        kind="latency",
        block=0,
        order=0,
        subscribers=1,
        publishers=1,
        rooms=1,
        rate_per_s=1.0,
        payload_bytes=64,
        warm_up_s=0.0,
        measured_s=1.0,
        link="loopback",
        verdict=Verdict(Validity.VALID),
    )


def tables(name: str, rows: int = 3) -> dict[str, pa.Table]:
    """Tables of `rows` rows whose numbers are all 1."""
    return {
        table: pa.table(
            {
                field.name: pa.array([name] * rows if field.name == "cell" else [1] * rows).cast(
                    pa.string() if field.name == "cell" else field.type
                )
                for field in schema
            }
        ).cast(schema)
        for table, schema in TABLES.items()
    }


def test_a_finished_run_has_the_merged_tables_of_all_cells(tmp_path: Path) -> None:
    writing = RunStore.create(tmp_path, new_run())
    writing.add(cell("0-a"), tables("0-a", rows=3))
    writing.add(cell("0-b"), tables("0-b", rows=2))
    run = writing.finish()
    assert run.complete
    assert store.load(writing.folder) == run
    for name, schema in TABLES.items():
        merged = pq.read_table(writing.folder / f"{name}.parquet")
        assert merged.schema.names == schema.names
        assert merged["cell"].to_pylist() == ["0-a"] * 3 + ["0-b"] * 2
    assert sorted(path.name for path in writing.folder.iterdir()) == [
        "outages.parquet",
        "publishes.parquet",
        "run.json",
        "samples.parquet",
        "stamps.parquet",
        "timeline.parquet",
    ]


def test_a_run_whose_servers_did_not_stamp_has_no_table_of_stamps(tmp_path: Path) -> None:
    writing = RunStore.create(tmp_path, new_run(1))
    made = tables("0-a")
    del made["stamps"]
    writing.add(cell("0-a"), made)
    assert writing.finish().complete
    assert not (writing.folder / "stamps.parquet").exists()
    assert (writing.folder / "samples.parquet").is_file()


def test_a_run_is_readable_and_incomplete_after_every_step(tmp_path: Path) -> None:
    writing = RunStore.create(tmp_path, new_run())
    assert store.load(writing.folder).cells == ()
    writing.add(cell("0-a"), tables("0-a"))
    found = store.load(writing.folder)
    assert [known.id for known in found.cells] == ["0-a"]
    assert not found.complete
    assert pq.read_table(writing.folder / "cells" / "0-a" / "samples.parquet").num_rows == 3


def test_a_run_that_lacks_cells_is_finished_as_incomplete(tmp_path: Path) -> None:
    writing = RunStore.create(tmp_path, new_run(planned_cells=2))
    writing.add(cell("0-a"), tables("0-a"))
    writing.update(elapsed_s=1.5, note="stopped by Ctrl-C")
    run = writing.finish()
    assert (run.complete, run.note, run.elapsed_s) == (False, "stopped by Ctrl-C", 1.5)


def test_a_cell_without_tables_is_kept_with_its_verdict(tmp_path: Path) -> None:
    writing = RunStore.create(tmp_path, new_run(planned_cells=1))
    writing.add(cell("0-a"), {})
    assert writing.finish().complete
    assert pq.read_table(writing.folder / "samples.parquet").num_rows == 0


def test_a_run_never_overwrites_another(tmp_path: Path) -> None:
    first = RunStore.create(tmp_path, new_run())
    first.add(cell("0-a"), tables("0-a"))
    second = RunStore.create(tmp_path, new_run())
    assert second.folder != first.folder
    assert second.run.run_id == f"{first.run.run_id}-2" == second.folder.name
    assert len(store.load(first.folder).cells) == 1


def test_a_cell_is_added_once(tmp_path: Path) -> None:
    writing = RunStore.create(tmp_path, new_run())
    writing.add(cell("0-a"), tables("0-a"))
    with pytest.raises(RunError, match="already holds the cell 0-a"):
        writing.add(cell("0-a"), tables("0-a"))


def test_tables_of_another_shape_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    writing = RunStore.create(tmp_path, new_run())
    with pytest.raises(ValueError, match="schema"):
        writing.add(cell("0-a"), {"samples": pa.table({"cell": ["0-a"]})})
    assert store.load(writing.folder).cells == ()
    assert not (writing.folder / "cells" / "0-a").exists()


def test_what_a_running_cell_wrote_is_no_part_of_the_run(tmp_path: Path) -> None:
    writing = RunStore.create(tmp_path, new_run())
    pq.write_table(SAMPLES.empty_table(), writing.scratch("0-a") / "samples.parquet")
    writing.finish()
    assert not list(writing.folder.rglob("scratch*"))


def test_a_section_known_late_joins_the_manifest(tmp_path: Path) -> None:
    writing = RunStore.create(tmp_path, new_run())
    writing.describe("servers", {"sse.tcp_nodelay": True})
    assert store.load(writing.folder).manifest["servers"] == {"sse.tcp_nodelay": True}
    assert store.load(writing.folder).manifest["random"] == {"seed": 1}


def test_a_run_of_version_0_1_is_read_with_the_lane_s_name_of_today(tmp_path: Path) -> None:
    writing = RunStore.create(tmp_path, new_run())
    writing.add(msgspec.structs.replace(cell("0-chromium-fetch-stream"), transport="chromium-fetch-stream"), {})
    writing.describe("browser_chromium", {"api.fetch-stream": True, "fetch-stream.resume_ms": 3.0})
    read = store.load(writing.folder)
    assert [(each.id, each.transport) for each in read.cells] == [("0-chromium-fetch-stream", "chromium-sse-fetch")]
    assert read.manifest["browser_chromium"] == {"api.response-body": True, "sse-fetch.resume_ms": 3.0}


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    store.write_atomically(path, b"old")
    store.write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [found.name for found in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "not a run folder"),
        (b"{", "is not a run"),
        (b"{}", "is not a run"),
        (b'{"schema_version": 99}', "schema version 99; this lab reads 1"),
        (b'{"schema_version": 1}', "is not a run"),
    ],
)
def test_what_is_no_run_is_refused_in_words(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=said):
        store.load(tmp_path)


def test_runs_are_found_by_path_by_id_and_as_the_latest(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    older = RunStore.create(runs, new_run()).folder
    newer = RunStore.create(runs, msgspec.structs.replace(new_run(), run_id="20260102T030406Z-a-abc")).folder
    assert store.listed(runs) == [older, newer]
    assert store.find(runs, "latest") == newer
    assert store.find(runs, older.name) == older
    assert store.find(runs, str(older)) == older


@pytest.mark.parametrize(
    ("name", "said"), [("latest", "no run in"), ("nowhere", "no run 'nowhere'"), (".", "not a run folder")]
)
def test_a_run_that_is_not_there_is_said_to_be_missing(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(RunError, match=said):
        store.find(tmp_path / "runs", name)


def test_a_runs_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(RunError, match="it is not a folder"):
        RunStore.create(tmp_path / "runs", new_run())
    with pytest.raises(RunError, match="can't make a run folder"):
        RunStore.create(tmp_path / "runs" / "deeper", new_run())


@contextmanager
def no_file_larger_than(size_bytes: int) -> Iterator[None]:
    """Let writes of this process fail as on a full disk: with an error that names no file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_reported_with_the_file_that_did_not_fit(tmp_path: Path) -> None:
    runs = RunStore.create(tmp_path, new_run())
    with no_file_larger_than(64), pytest.raises(RunError, match=r"run\.json could not be written: File too large"):
        runs.update(elapsed_s=1.0)
    rows = {"samples": SAMPLES.empty_table()}
    with no_file_larger_than(16), pytest.raises(RunError, match=r"samples\.parquet could not be written: .*too large"):
        runs.add(cell("0-sse-1x1"), rows)


def test_a_cells_table_that_is_broken_is_named(tmp_path: Path) -> None:
    runs = RunStore.create(tmp_path, new_run())
    runs.add(cell("0-sse-1x1"), {"samples": SAMPLES.empty_table()})
    (broken,) = runs.folder.glob("cells/*/samples.parquet")
    broken.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(RunError, match=r"cells/0-sse-1x1/samples\.parquet can't be read: "):
        runs.finish()
