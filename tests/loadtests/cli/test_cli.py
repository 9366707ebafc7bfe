"""The command line: every bad input gets one sentence and its exit code, and help imports nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests import cli
from loadtests.records import store
from loadtests.records.schema import Cell, Run, Validity, Verdict
from loadtests.records.store import RunStore
from tests.loadtests.records.test_store import cell, new_run

HEAVY = ("pandas", "numpy", "pyarrow", "matplotlib", "locust", "gevent", "starlette", "uvicorn", "redis", "rich")


def rtlab(*arguments: str) -> int:
    """Run a command in this process; argparse's own exits become codes."""
    try:
        return cli.main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def run_rtlab(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run(
        (sys.executable, "-m", "loadtests.cli", *arguments), capture_output=True, text=True, timeout=60, check=False
    )


def saved(folder: Path, *cells: Cell, planned_cells: int = 1) -> Path:
    """Make a finished run without tables."""
    writing = RunStore.create(folder, new_run(planned_cells))
    for made in cells:
        writing.add(made, {})
    writing.finish()
    return writing.folder


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "the following arguments are required: COMMAND"),
        (("nonsense",), 2, "invalid choice: 'nonsense'"),
        (("compare", "--nonsense"), 2, "unrecognized arguments: --nonsense"),
        (("compare", "--quick", "--full"), 2, "not allowed with argument"),
        (("compare", "--seed", "x"), 2, "'x' is no seed: a whole number from 0 to 4294967295"),
        (("compare", "--seed", "-1"), 2, "'-1' is no seed"),
        (("compare", "--transports", "carrier-pigeon"), 2, "unknown transport 'carrier-pigeon'; there are: websocket,"),
        (("compare", "--transports", ","), 2, "no transport chosen"),
        (("compare", "--instances", "2"), 2, "--instances 2 needs --redis URL"),
        (("compare", "--instances", "x", "--redis", "redis://h"), 2, "invalid int value: 'x'"),
        (("compare", "--redis", "redis://h", "--instances", "0"), 2, "--instances 0: 1 to 64 is allowed"),
        (("compare", "--redis", "redis://h", "--instances", "65"), 2, "--instances 65: 1 to 64 is allowed"),
        (("compare", "--redis", "http://u:pw@h"), 2, "--redis 'http://h': redis://"),
        (("compare", "--redis", "redis://127.0.0.1:1"), 1, "the Redis at redis://127.0.0.1:1 does not answer: "),
        (("run", "idle", "--redis", "redis://127.0.0.1:1"), 2, "idle has no cell of the kind latency"),
        (("run",), 2, "the following arguments are required: SCENARIO"),
        (("run", "nonsense"), 2, "no scenario 'nonsense'"),
        (("run", "nowhere.toml"), 2, "can't read the scenario nowhere.toml"),
        (("report", "nonsense"), 1, "no run 'nonsense'"),
        (("report", "latest"), 1, "there is no run in"),
        (("report", "."), 1, "is not a run folder"),
        (("compare", "--fail-if", "websocket.p99"), 2, "the threshold 'websocket.p99' can't be read"),
        (("run", "echo", "--transports", "sse", "--fail-if", "websocket.p99>1ms"), 2, "measured are: sse"),
        (("run", "echo", "--fail-if", "*@50x10.p99>1ms"), 2, "names the load '50x10'; there are: 1x20"),
        (
            ("run", "echo", "--tls", "--target", "http://127.0.0.1:1", "--adapter", "nchan-sse"),
            2,
            "--tls starts the lab's own servers with TLS; of a foreign server that speaks it give the address as https://",
        ),
        (
            ("run", "echo", "--server-cpu", "20%", "--target", "http://127.0.0.1:1", "--adapter", "nchan-sse"),
            2,
            "--server-cpu holds servers that the lab starts, and nchan-sse's runs already: say in [server] of",
        ),
        (("run", "echo", "--adapter", "nchan"), 2, "--adapter nchan needs --target URL"),
        (
            ("run", "echo", "--target", "http://h:1", "--adapter", "nchan-sse", "--target", "http://h:2"),
            2,
            "--target is given 2 times: give it once, with one --adapter",
        ),
        (
            ("run", "echo", "--transports", "sse", "--transports", "longpoll"),
            2,
            "--transports is given twice; give it once",
        ),
        (("run", "idle", "--target", "http://192.0.2.1", "--adapter", "nchan"), 2, "measures memory, and no process"),
        (("capacity", "poisson", "--p99", "50"), 2, "cells of the kind latency; capacity is searched for one"),
        (("capacity", "echo"), 2, "the scenario echo has no slo: give it one, or --p99 MS"),
        (("capacity", "--p99", "0"), 2, "slo.p99_ms is 0; allowed: above 0"),
        (("capacity", "--from", "9", "--to", "3"), 2, "--from must be above 0 and below --to"),
        (("run", "middleboxes", "--server-cpu", "20"), 2, "--server-cpu is not allowed here: rtlab run middleboxes"),
        (("run", "middleboxes", "--sync-clocks"), 2, "--sync-clocks is not allowed here: rtlab run middleboxes takes"),
        (("capacity", "--over", "rooms", "--to", "100000"), 1, "5000000 connections need 5000200 open files"),
        (
            ("capacity", "--over", "subscribers", "--from", "3", "--generators", "4"),
            2,
            "4 generators for the 3 subscribers of ",
        ),
        (
            ("capacity", "--over", "rooms", "--target", "http://127.0.0.1:1", "--adapter", "tornado-longpoll"),
            2,
            "has 1000 rooms, and the adapter tornado-longpoll names none in its [subscribe]",
        ),
        (("diff", "latest"), 2, "the following arguments are required: B"),
        (("diff", "latest", "latest"), 1, "there is no run in"),
        (("export", "latest", "--format", "xml"), 2, "invalid choice: 'xml'"),
    ],
)
def test_bad_input_gets_one_sentence_and_its_code(
    arguments: tuple[str, ...],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert rtlab(*arguments) == code
    out, err = capsys.readouterr()
    assert said in err
    assert "Traceback" not in out + err
    assert not list(tmp_path.iterdir())


def test_a_runs_folder_that_can_not_be_made_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert rtlab("run", "echo", "--out", str(tmp_path / "file")) == 1
    assert "it is not a folder" in capsys.readouterr().err


def test_a_run_without_data_is_said_to_have_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dead = Verdict(Validity.INVALID, ("the sse server died (exit code 1): no port",))
    folder = saved(tmp_path, cell_with(dead))
    assert rtlab("report", str(folder)) == 1
    assert "has data: the sse server died (exit code 1): no port" in capsys.readouterr().err


def cell_with(verdict: Verdict) -> Cell:
    """A cell of which only the verdict is known."""
    made = cell("0-sse-1x1")
    return Cell(**{name: getattr(made, name) for name in made.__struct_fields__} | {"verdict": verdict})


def test_a_run_of_another_format_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text('{"schema_version": 99}')
    assert rtlab("report", str(tmp_path)) == 1
    assert "schema version 99" in capsys.readouterr().err


def test_list_shows_transports_scenarios_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = saved(tmp_path, cell("0-sse-1x1"))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    assert rtlab("list", "--runs", str(tmp_path)) == 0
    shown = capsys.readouterr().out
    for word in ("websocket, sse, longpoll, shortpoll", "nchan-sse", "fan-out", folder.name, "complete", "broken"):
        assert word in shown


def test_list_into_a_pipe_keeps_run_ids_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    folder = saved(tmp_path, cell("0-sse-1x1"))
    longer = folder.rename(tmp_path / f"{folder.name}-{'x' * 60}")
    assert rtlab("list", "--runs", str(tmp_path)) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if longer.name in line)
    assert "complete" in line


def test_list_without_runs_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rtlab("list", "--runs", str(tmp_path)) == 0
    assert "no runs in" in capsys.readouterr().out


def test_ctrl_c_outside_a_run_is_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(folder: Path) -> Run:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "load", interrupted)
    assert rtlab("report", str(saved(tmp_path))) == 130
    assert "stopped by Ctrl-C" in capsys.readouterr().err


def test_help_lists_commands_and_exit_codes_and_imports_nothing_heavy() -> None:
    script = (
        "import sys, atexit\n"
        "from loadtests.cli import main\n"
        f"atexit.register(lambda: print('imported:', [name for name in {HEAVY!r} if name in sys.modules]))\n"
        "main(['--help'])"
    )
    done = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, timeout=60, check=True)
    assert "imported: []" in done.stdout
    for word in (
        "serve",
        "token",
        "race",
        "compare",
        "run",
        "report",
        "list",
        "exit codes",
        "at least one cell is invalid",
    ):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        (["serve", "sse", "--port", "1"], ["sse", "--port", "1"]),
        (["serve", "--help"], ["--help"]),
        (["token", "--user", "alice"], ["token", "--user", "alice"]),
        (["race", "--no-browser"], ["race", "--no-browser"]),
    ],
)
def test_the_servers_own_commands_pass_everything_through(
    arguments: list[str], passed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, command: called.append(command))
    cli.main(arguments)
    assert called == [[sys.executable, "-m", "transports", *passed]]


def test_serve_with_an_unknown_name_fails_without_a_traceback() -> None:
    done = run_rtlab("serve", "carrier-pigeon")
    assert done.returncode not in (0, 1)
    assert "carrier-pigeon" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["list", "serve"])
def test_a_record_that_can_not_be_read_is_one_sentence(command: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("order = 'first'", encoding="utf-8")
    environment = {**os.environ, "RTLAB_CATALOGUE": str(tmp_path)}
    arguments = [sys.executable, "-m", "loadtests.cli", command, "sse"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == f"rtlab: {tmp_path / 'mine.toml'}: Expected `int`, got `str` - at `$.order`\n"
