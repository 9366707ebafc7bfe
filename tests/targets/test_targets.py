"""The parts of `make targets` that need no server: its adapters can be read, and its judge finds what is wrong."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtests.records import adapter
from loadtests.records.schema import Run, Validity, Verdict
from tests.loadtests.report import synthetic
from tests.loadtests.report.synthetic import TRUTHS
from tests.targets.__main__ import OURS, wrong
from tests.targets.install import ADAPTERS, PROGRAMS

FILES = sorted(ADAPTERS.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_adapter_starts_its_server_on_any_port_beside_the_programs(path: Path) -> None:
    (found,) = adapter.find(str(path))
    assert found.name == path.stem
    assert found.version
    assert found.server is not None
    assert found.server.takes_port
    assert Path(found.server.cwd) == ADAPTERS.parent


def test_locks_pin_what_is_asked_for_and_name_no_registry() -> None:
    lock = (PROGRAMS / "package-lock.json").read_text()
    asked = msgspec.json.decode((PROGRAMS / "package.json").read_bytes(), type=dict[str, object])["dependencies"]
    packages = msgspec.json.decode(lock, type=dict[str, object])["packages"]
    assert isinstance(asked, dict)
    assert isinstance(packages, dict)
    assert packages[""]["dependencies"] == asked
    assert "resolved" not in lock
    pinned = (PROGRAMS / "requirements.lock").read_text().splitlines()
    assert set((PROGRAMS / "requirements.in").read_text().split()) <= set(pinned)
    assert not any("://" in line for line in pinned)


def test_rows_that_are_missing_invalid_or_did_not_reach_everybody_are_complaints(tmp_path: Path) -> None:
    plan = synthetic.Plan(
        truths={name: TRUTHS[name] for name in OURS[:2]}, loads=(("50x10", 50, 10.0),), blocks=1, measured_s=2.0
    )
    synthetic.make_run(tmp_path, plan)
    assert wrong(tmp_path, set(OURS[:2])) == []
    path = tmp_path / "run.json"
    run = msgspec.json.decode(path.read_bytes(), type=Run)
    spoilt = Verdict(Validity.INVALID, ("it died",))
    cells = []
    for cell in run.cells:
        assert cell.counts is not None or cell.kind == "memory"
        if cell.transport == "websocket":
            cell = msgspec.structs.replace(cell, verdict=spoilt)
        elif cell.counts is not None:
            cell = msgspec.structs.replace(cell, counts=msgspec.structs.replace(cell.counts, expected=10**6))
        cells.append(cell)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(run, cells=tuple(cells))))
    found = wrong(tmp_path, set(OURS))
    assert found[:2] == ["longpoll is missing", "websocket is invalid: it died"]
    assert found[2].startswith("sse reached ")
