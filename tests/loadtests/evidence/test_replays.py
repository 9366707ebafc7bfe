"""Replays: figures from a run, from the probes, and what is said where an input is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.evidence.replays import command, deflate, figures, streams
from loadtests.records import replays
from loadtests.records.replays import FixedBy, Replayed, Ruling
from loadtests.report.study import Study, study
from loadtests.run.replay import FILES, Published, Replay
from tests.loadtests.records.test_replays import made
from tests.loadtests.report import synthetic
from tests.loadtests.run.test_replay import GOOD


@pytest.fixture(scope="module")
def worked_out(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("run")
    truths = {name: synthetic.TRUTHS[name] for name in ("websocket", "longpoll")}
    loads = (("50x10", 50, 10.0),)
    invalid = {f"{block}-longpoll-50x10": "made so" for block in range(2)}
    plan = synthetic.Plan(
        truths=truths,
        loads=loads,
        blocks=2,
        measured_s=3.0,
        link="rtt=50ms",
        lose={"0-websocket-50x10": 60},
        invalid=invalid,
    )
    synthetic.make_run(folder, plan)
    return study(folder)


def published(figure: str, of: str, **more: str) -> Published:
    return Published(what="it", published=1.0, unit="", figure=figure, fixed_by=FixedBy.MACHINE, of=of, **more)


def test_figures_are_those_of_the_study(worked_out: Study) -> None:
    result = next(r for r in worked_out.results if (r.condition.transport, r.condition.load) == ("websocket", "50x10"))
    assert result.p50 is not None
    assert figures.ours(published("lost_percent", "websocket/50x10"), worked_out) == pytest.approx(2.0)
    median_ms = figures.ours(published("p50_ms", "websocket/50x10"), worked_out)
    assert median_ms == pytest.approx(result.p50.value_ms, rel=0.05)
    assert median_ms is not None
    transits = figures.ours(published("p50_transits", "websocket/50x10"), worked_out)
    assert transits == pytest.approx(median_ms / 25)
    assert figures.ours(published("p50_ms", "websocket/50x10", over="websocket/50x10"), worked_out) == 1
    assert figures.ours(published("p50_ms", "websocket/50x10", less="websocket/50x10"), worked_out) == 0
    memory_kb = figures.ours(published("memory_kb", "websocket/idle-400"), worked_out)
    assert memory_kb is not None
    assert memory_kb > 1


def test_what_is_invalid_unknown_or_lost_gives_no_figure(worked_out: Study) -> None:
    for figure, of in (("p50_ms", "longpoll/50x10"), ("p50_ms", "sse/50x10"), ("memory_kb", "sse/idle-400")):
        assert figures.ours(published(figure, of), worked_out) is None
    assert figures.ours(published("p99_ms", "websocket/10x10"), worked_out) is None, "300 deliveries"
    assert figures.ours(published("p50_ms", "websocket/50x10", over="longpoll/50x10"), worked_out) is None


def test_the_published_bytes_of_compressed_events_come_out_again(tmp_path: Path) -> None:
    found = command.carry_out(FILES.find("mattermost-deflate"), 1, tmp_path)
    assert found.ruling is Ruling.REPRODUCED
    assert len(found.rows) == 9
    again = deflate.figures()
    assert again["typing.kept_saves"] > 1.5 * 100 * (1 - again["typing.alone"] / again["typing.plain"])


def test_without_a_browser_its_replay_is_not_comparable_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(streams, "ENGINES", ())
    assert command.replay("freenet-tabs", seed=1, runs_folder=tmp_path) == 0
    said = capsys.readouterr().out
    assert "not comparable: a browser is missing" in said
    assert "Of 1 published table: 1 not comparable." in said
    found = replays.load(tmp_path / replays.FILE)
    assert found is not None
    assert found.replays[0].ruling is Ruling.NOT_COMPARABLE


def test_a_replay_is_measured_as_a_run_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    short = GOOD.replace(
        'about = "mine"\n[[scenario', 'about = "mine"\nblocks = 1\nwarm_up_s = 0.2\nmeasured_s = 1.0\n[[scenario'
    )
    path.write_text(short.replace("p99_ms", "lost_percent").replace("published = 3", "published = 7"), encoding="utf-8")
    assert command.replay(str(path), seed=1, runs_folder=tmp_path / "runs") == 0
    found = replays.load(tmp_path / "runs" / replays.FILE)
    assert found is not None
    assert (tmp_path / "runs" / found.replays[0].run_id / "report.html").is_file()
    # On a machine that does much else the one cell may be invalid, and has no figure then.
    assert found.replays[0].rows[0].ours in (0.0, None)
    assert found.replays[0].ruling is not Ruling.REPRODUCED
    assert "written: " in capsys.readouterr().out


def test_ctrl_c_keeps_what_was_replayed_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def carry_out(chosen: Replay, seed: int, runs_folder: Path) -> Replayed:
        if chosen.name == "etherpad-transports":
            raise KeyboardInterrupt
        return made(name=chosen.name)

    monkeypatch.setattr(command, "carry_out", carry_out)
    assert command.replay("all", seed=1, runs_folder=tmp_path) == 130
    assert "stopped by Ctrl-C in etherpad-transports" in capsys.readouterr().err
    found = replays.load(tmp_path / replays.FILE)
    assert found is not None
    assert [each.name for each in found.replays] == ["anycable-jitter"]
