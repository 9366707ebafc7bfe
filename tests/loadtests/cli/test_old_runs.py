"""Runs that rtlab 0.1 made are opened by every command that reads runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from loadtests import cli

OF_0_1 = Path(__file__).with_name("run_of_0_1")  # four cells of a comparison
TRANSPORTS = ("websocket", "sse")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy, since a report is written beside the run."""
    return shutil.copytree(OF_0_1, tmp_path_factory.mktemp("runs") / "old")


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
