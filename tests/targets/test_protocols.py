"""The parts of `make targets` that need no server: every adapter of the lab is held against something, and judged."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from loadtests.records import adapter, store
from tests.loadtests.report import synthetic
from tests.loadtests.report.synthetic import TRUTHS
from tests.standins.test_adapters import TOKENS
from tests.targets import protocols
from tests.targets.protocols import PROTOCOLS, wrong

REAL = sorted(PROTOCOLS.glob("*.toml"))


def test_every_adapter_of_the_lab_is_held_against_its_server_or_a_stand_in() -> None:
    nchan = {name for name in adapter.FILES.named() if name.startswith("nchan-")}  # in tests/loadtests/cli
    assert {path.stem for path in REAL} | set(TOKENS) | nchan == set(adapter.FILES.named())
    for path in REAL:
        (found,) = adapter.find(str(path))
        (shipped,) = adapter.find(path.stem)
        assert found.spoken == shipped.spoken
        assert found.server is not None
        assert found.version


def test_deliveries_are_judged_and_not_how_busy_the_machine_was(tmp_path: Path) -> None:
    plan = synthetic.Plan(truths={"sse": TRUTHS["sse"]}, loads=(("6x10", 6, 10.0),), blocks=1, measured_s=2.0)
    synthetic.make_run(tmp_path, plan)
    run = store.load(tmp_path)
    run = msgspec.structs.replace(run, cells=tuple(cell for cell in run.cells if cell.kind != "memory"))
    assert wrong(run, {"sse"}) == []
    assert wrong(run, {"sse", "other"}) == ["other is missing"]
    cell = run.cells[0]
    assert cell.counts is not None
    spoilt = msgspec.structs.replace(cell, counts=msgspec.structs.replace(cell.counts, duplicates=2))
    assert "(0, 0, 2, 0, 0) refused" in wrong(msgspec.structs.replace(run, cells=(spoilt,)), {"sse"})[0]


@pytest.mark.parametrize(("in_ci", "code"), [("true", 1), ("", 0)])
def test_a_missing_pushpin_is_said_and_fails_in_ci(
    in_ci: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[Path] = []

    def measure(files: list[Path]) -> list[str]:
        measured.extend(files)
        return []

    monkeypatch.setenv("CI", in_ci)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(protocols, "folder", lambda: tmp_path)
    monkeypatch.setattr(protocols, "SBIN", "")
    monkeypatch.setattr(protocols, "_LAB", (sys.executable, "-c", "pass"))
    monkeypatch.setattr(protocols, "_measured", measure)
    assert protocols.main() == code
    assert "pushpin-sse NOT MEASURED" in capsys.readouterr().err
    assert {path.stem for path in measured} == {path.stem for path in REAL} - {"pushpin-sse"}
