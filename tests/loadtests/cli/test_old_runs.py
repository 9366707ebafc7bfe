"""Runs that rtlab 0.1 made, as the reference run, are opened by every command that reads runs."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from loadtests import cli

REFERENCE = Path(__file__).parents[3] / "results" / "reference"
TRANSPORTS = ("websocket", "sse")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder: the reference run's bytes, but for the cells left out to save time."""
    folder = tmp_path_factory.mktemp("runs") / "old"
    folder.mkdir()
    run = json.loads((REFERENCE / "run.json").read_text())
    assert run["manifest"]["versions"]["rtlab"] == "0.1.0"
    run["cells"] = [each for each in run["cells"] if each["load"] == "50x10" and each["transport"] in TRANSPORTS]
    (folder / "run.json").write_text(json.dumps(run))
    kept = [each["id"] for each in run["cells"]]
    for path in REFERENCE.glob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.filter(pc.is_in(table["cell"].cast("string"), pa.array(kept))), folder / path.name)
    return folder


def test_report(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(old)]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in TRANSPORTS)
    assert "50x10" in (old / "report.html").read_text()


def test_diff(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", str(old), str(old)]) == 0
    assert "websocket" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["json", "csv", "openmetrics"])
def test_export(old: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", str(old), "--format", form]) == 0
    assert "websocket" in capsys.readouterr().out
