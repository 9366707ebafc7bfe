"""The parts of `make targets` that need no server: its adapters can be read, and its judge finds what is wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loadtests.records import adapter
from loadtests.records.schema import Run, Validity, Verdict
from tests.loadtests.report import synthetic
from tests.loadtests.report.synthetic import TRUTHS
from tests.targets import __main__ as targets
from tests.targets import install
from tests.targets.__main__ import OURS, judged
from tests.targets.install import ADAPTERS, PROGRAMS, Missing

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


@pytest.fixture
def measured(tmp_path: Path) -> Callable[..., Path]:
    def made(
        name: str = "run",
        late: str = "",
        died: str = "",
        lost: str = "",
        doubled: str = "",
        rows: Sequence[str] = OURS[:2],
    ) -> Path:
        """Make a run; of these rows, all cells are late, have died, or lost or doubled something."""
        folder = tmp_path / name
        plan = synthetic.Plan(
            truths={name: TRUTHS[name] for name in rows}, loads=(("50x10", 50, 10.0),), blocks=1, measured_s=2.0
        )
        synthetic.make_run(folder, plan)
        path = folder / "run.json"
        run = msgspec.json.decode(path.read_bytes(), type=Run)
        cells = []
        for cell in run.cells:
            counts = cell.counts
            if cell.transport in (late, died, doubled) and counts is not None:
                counts = None if cell.transport == died else counts
                if cell.transport == doubled and counts is not None:
                    counts = msgspec.structs.replace(counts, duplicates=1)
                cell = msgspec.structs.replace(
                    cell,
                    verdict=Verdict(Validity.INVALID, ("it is so",)),
                    counts=counts,
                    failed="server" if cell.transport == died else "",
                )
            elif cell.transport == lost and counts is not None:
                counts = msgspec.structs.replace(counts, received=counts.received - 1, lost=1)
                cell = msgspec.structs.replace(cell, counts=counts)
            cells.append(cell)
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(run, cells=tuple(cells))))
        return folder

    return made


def test_rows_that_are_missing_wrong_or_did_not_reach_everybody_are_complaints(measured: Callable[..., Path]) -> None:
    assert judged(measured(), set(OURS[:2])) == ([], {})
    spoilt = measured("spoilt", doubled="websocket", lost="sse")
    assert judged(spoilt, set(OURS)) == (
        ["longpoll is missing", "websocket is invalid: it is so", "sse lost a delivery"],
        {},
    )
    again = measured("again", late="sse", died="websocket")
    assert judged(again, set(OURS[:2])) == ([], {"websocket": "it is so", "sse": "it is so"})


@pytest.mark.parametrize(
    ("attempts", "code"),
    [
        ([{"late": "sse"}, {"rows": ["sse"]}], 0),
        ([{"died": "sse"}, {"rows": ["sse"]}], 0),
        ([{"late": "sse"}, *[{"late": "sse", "rows": ["sse"]}] * 4], 1),
        ([{"late": "sse", "lost": "websocket"}], 1),
        ([130], 130),
    ],
)
def test_only_rows_that_may_be_right_next_time_are_measured_again(
    attempts: list[dict[str, Any] | int],
    code: int,
    measured: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], *, check: bool) -> subprocess.CompletedProcess[bytes]:
        made = attempts[len(asked)]
        asked.append(command)
        if isinstance(made, int):
            return subprocess.CompletedProcess(command, made)
        measured(f"runs/{len(asked)}", **made)
        return subprocess.CompletedProcess(command, 4 if made.get("late") or made.get("died") else 0)

    monkeypatch.setattr(targets, "folder", lambda: tmp_path)
    monkeypatch.setattr(targets, "SBIN", "")
    monkeypatch.setattr(targets, "OURS", OURS[:2])
    monkeypatch.setattr(subprocess, "run", run)
    assert targets.main([f"--out={tmp_path / 'runs'}", "--wide"]) == code
    ours = [command[command.index("--transports") + 1] for command in asked]
    assert ours == ["websocket,sse", *["sse"] * 4][: len(attempts)]
    assert all(command[-1] == "--wide" and command.count("--out") == 1 for command in asked)


@pytest.mark.parametrize("options", [["--wide"], ["--out", "x"]])
def test_the_own_client_takes_no_other_option(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        targets.main(["--own-client", *options])
    assert "--own-client takes no other option" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("npm error code E503; npm error 503 Unavailable", "npm error code E503; npm error 503 Unavailable"),
        ("", "exit code 3"),
    ],
)
def test_a_package_that_can_not_be_had_is_tried_twice_and_said_in_a_sentence(
    said: str, why: str, tmp_path: Path
) -> None:
    lines = said.replace("; ", "\n") + ("\nA complete log is in /x" if said else "")
    with pytest.raises(Missing, match=f"(?s)^sh -c .* failed: {why}$"):
        install._run("sh", "-c", f"echo tried >>tries; printf %s '{lines}' >&2; exit 3", folder=tmp_path)
    assert (tmp_path / "tries").read_text().split() == ["tried", "tried"]


def test_a_cache_that_can_not_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rtlab").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(install, "_require_programs", lambda: None)
    with pytest.raises(Missing, match=r"the servers can't be kept in .*File exists"):
        install.folder()
