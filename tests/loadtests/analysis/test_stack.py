"""Protocol or stack: pairs are made of what ran on both sinks under one load, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtests.analysis import report, stack
from loadtests.analysis.study import study
from loadtests.runs.schema import Run
from tests.loadtests.analysis import synthetic


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    plan = synthetic.Plan(
        truths={name: synthetic.TRUTHS[name] for name in ("websocket", "sse")},
        loads=(("50x10", 50, 10.0),),
        fan_out=(("50x10-portable", 50, 10.0), ("10x10", 10, 10.0)),
        blocks=1,
        measured_s=2.0,
    )
    synthetic.make_run(tmp_path, plan)
    return tmp_path


def rewrite(run_dir: Path, portable_sink: str) -> None:
    """Make the cells of the portable load what the lab would have written."""
    path = run_dir / "run.json"
    run = msgspec.json.decode(path.read_bytes(), type=Run)
    cells = tuple(
        msgspec.structs.replace(cell, kind="stack", server={"sink": portable_sink})
        if cell.load.endswith("-portable")
        else msgspec.structs.replace(cell, server={"sink": "direct"})
        for cell in run.cells
    )
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(run, cells=cells)))


def test_pairs_stand_side_by_side_in_the_report(run_dir: Path) -> None:
    rewrite(run_dir, "portable")
    found = stack.pairs(study(run_dir))
    assert [pair.transport for pair in found] == ["websocket", "sse"]
    assert all(pair.direct.condition.load == "50x10" for pair in found)
    direct, portable = found[0].direct_cpu_us, found[0].portable_cpu_us
    assert direct is not None
    assert portable is not None
    assert found[0].cpu_ratio == pytest.approx(portable / direct)
    assert "WebSocket and" in stack.sentence(found)
    page = report.write(run_dir).read_text(encoding="utf-8")
    assert "Protocol or stack?" in page
    assert stack.sentence(found) in page


def test_one_sink_twice_is_no_comparison(run_dir: Path) -> None:
    rewrite(run_dir, "direct")
    assert stack.pairs(study(run_dir)) == []


def test_a_run_without_stack_cells_has_no_section(run_dir: Path) -> None:
    assert stack.pairs(study(run_dir)) == []
    assert stack.sentence([]) == ""
    assert "Protocol or stack?" not in report.write(run_dir).read_text(encoding="utf-8")
