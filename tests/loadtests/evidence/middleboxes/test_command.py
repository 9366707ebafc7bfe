"""The whole run with the built-in proxy alone, hurried: verdicts, cures that are run, exit codes, nothing left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from loadtests.evidence.middleboxes import command, trial
from loadtests.evidence.middleboxes.command import Wanted, middleboxes
from loadtests.records.errors import Interrupted, ServerError, UsageError
from loadtests.records.middleboxes import FILE, Middleboxes, load
from loadtests.report.conclude import INTERRUPTED, OK, SOME_INVALID
from loadtests.report.middleboxes import render_text
from loadtests.run.boxes import box
from loadtests.run.boxes.box import Timing

TRANSPORTS = ("websocket", "sse", "longpoll")


@pytest.fixture(autouse=True, scope="module")
def _hurried() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "_SCALED", Timing(heartbeat_s=0.4, timeout_s=1.5, slow_s=30.0, scaled=True))
        for name, value in {"JOIN_S": 1.2, "APART": 4, "APART_S": 0.1, "AFTER_S": 0.3}.items():
            patch.setattr(trial, name, value)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Middleboxes]:
    boxes = ("built-in: hold", "built-in: no Upgrade", "built-in: Host", "built-in: idle cut")
    return run(tmp_path_factory.mktemp("whole"), *boxes)


def run(folder: Path, *boxes: str) -> tuple[int, Middleboxes]:
    code = middleboxes(Wanted(folder, transports=TRANSPORTS, boxes=boxes))
    (path,) = folder.glob(f"*/{FILE}")
    return code, load(path)


def left_behind() -> list[str]:
    return [
        " ".join(child.cmdline()) for child in psutil.Process().children() if "transports" in " ".join(child.cmdline())
    ]


def test_what_is_held_or_refused_or_cut_is_cured_and_the_cure_is_run(whole: tuple[int, Middleboxes]) -> None:
    code, found = whole
    rows = {(row.box, row.transport, bool(row.settings)): row for row in found.rows}
    assert {key[:2]: row.verdict for key, row in rows.items() if not row.passes and not row.settings} == {
        ("built-in: hold", "sse"): "held",
        ("built-in: no Upgrade", "websocket"): "refused",
        **{("built-in: Host", transport): "refused" for transport in TRANSPORTS},
        **{("built-in: idle cut", transport): "cut" for transport in ("websocket", "sse")},  # a poll returns by itself
    }
    held = rows["built-in: hold", "sse", False]
    assert held.cure == ("--hold-bytes 0",)
    assert all(row.cured for row in found.as_they_come if not row.passes)
    assert rows["built-in: hold", "sse", True].passes
    assert all(rows["none", transport, False].passes for transport in TRANSPORTS)
    assert code == OK
    assert "cured by: --hold-bytes 0" in render_text(found)
    assert left_behind() == []


def test_what_a_transport_goes_through_is_measured(whole: tuple[int, Middleboxes]) -> None:
    _, found = whole
    seen = {row.transport: row.seen for row in found.rows if row.box == "none"}
    assert all(each.origin == "accepted" for each in seen.values())
    assert seen["websocket"].left_s is not None
    assert seen["sse"].left_s is not None
    assert seen["websocket"].pulled_s is not None  # the server's pings find it
    assert 1024 < (seen["sse"].parked_kib or 0) < 8 * 1024  # an outbox, and what sockets hold
    assert "1012" in seen["websocket"].drain
    cut = [row.seen.cut_s for row in found.as_they_come if row.verdict == "cut"]
    assert all(1.0 < (after_s or 0) < 2.5 for after_s in cut)


def test_a_cure_that_does_not_help_is_an_exit_code_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_PASSES", 2)
    for step in ("_idle", "_leave", "_park", "_reload"):
        monkeypatch.setattr(trial.Trial, step, lambda self: None)
    monkeypatch.setattr("loadtests.run.boxes.box.filled", lambda text, values: _useless(text, values))
    code, found = run(tmp_path, "built-in: hold")
    assert [row.transport for row in found.uncured] == ["sse"]
    assert code == SOME_INVALID


def _useless(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"<<{name}>>", value)
    return "65536" if text == "0" else text


def test_it_stops_between_two_questions_and_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(self: trial.Trial) -> None:
        raise Interrupted("stopped by Ctrl-C")

    monkeypatch.setattr(trial.Trial, "_apart", stopped)
    code, found = run(tmp_path, "built-in")
    assert code == INTERRUPTED
    assert found.note == "stopped by Ctrl-C"
    assert "incomplete: stopped by Ctrl-C" in capsys.readouterr().out
    assert left_behind() == []


def test_a_pass_that_fails_leaves_what_there_is_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> list[str]:
        raise ServerError("the all server died")

    monkeypatch.setattr(command, "_pass", failing)
    code, found = run(tmp_path, "built-in: hold")
    assert code == SOME_INVALID
    assert found.note == "pass 1 failed: the all server died"
    assert "incomplete: pass 1 failed" in capsys.readouterr().out


def test_boxes_end_before_their_folder_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[bool] = []

    @contextmanager
    def fake(*given: object, **_: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(wait_ready=lambda *_: None)
        there.extend(each.parent.exists() for each in given if isinstance(each, Path))

    monkeypatch.setattr(command, "Server", fake)
    monkeypatch.setattr(command, "_box", fake)
    plans, _ = command._plans(Wanted(tmp_path, boxes=("built-in: hold",)))
    with command._started(plans, command._SCALED, tmp_path, 0, lambda: None) as (sites, _, failed):
        assert (len(sites), failed) == (2, [])
    assert there == [True]


def test_a_box_that_is_not_installed_is_a_loud_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(box, "find", lambda program: None)
    code, found = run(tmp_path, "Caddy")
    assert found.missing == ("Caddy: NOT INSTALLED (apt-get install caddy, or make field)",)
    assert "!! Caddy: NOT INSTALLED" in capsys.readouterr().out
    assert code == SOME_INVALID


@pytest.mark.parametrize(
    ("wanted", "said"),
    [({"boxes": ("ngnix",)}, "there are: built-in"), ({"transports": ("h2push",)}, "these are tried")],
)
def test_unknown_names_are_refused_with_what_there_is(
    tmp_path: Path, wanted: dict[str, tuple[str, ...]], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        middleboxes(Wanted(tmp_path, **wanted))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
