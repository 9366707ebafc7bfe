"""`rtlab run storm`: a small one with real instances, what it refuses, and what it leaves behind."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from loadtests import cli
from loadtests.evidence.storm import command
from loadtests.evidence.storm.command import Request
from loadtests.evidence.storm.storming import Asked
from loadtests.records import storm as records
from loadtests.records.errors import LabError, UsageError
from loadtests.records.storm import KILL, ROLLING, Cut, Latency, Storm
from loadtests.report.conclude import OK, SOME_INVALID
from loadtests.run import own_redis
from loadtests.run.own_redis import find_redis
from tests.conftest import missing

DONE = Storm(
    transport="sse", kind=KILL, repeat=0, window_ratio=0.0, window_s=0.0, calm=Latency(0, None),
    gap_50_s=0.1, gap_99_s=0.1, gap_100_s=0.1, published=1, late_p99_ms=None, lost=0, doubled=0, told_gaps=0,
    cuts=(
        Cut(
            clients=1, noticed_s=0.0, back_50_s=0.1, back_99_s=0.1, back_100_s=0.1, unrefused_100_s=0.1, refused=0,
            replayed=0, bystanders=Latency(0, None), server_us_per_join=1.0, redis_us_per_join=1.0,
            server_busy=0.1, lab_busy=0.1,
        ),
    ),
)  # fmt: skip


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_clients_of_ended_instances_come_back_to_the_others_and_miss_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_redis() is None:
        missing("redis-server")
    monkeypatch.setattr(command, "RATIOS", ())
    monkeypatch.setattr("loadtests.evidence.storm.storming.CALM_S", 0.2)
    before = _children()  # servers of a test session, and what they are forked from, live as long as it does
    assert command.storm(Request(tmp_path, transports="sse", clients=40, seed=1)) == OK
    assert _children() <= before
    (folder,) = tmp_path.iterdir()
    found = records.read(folder)
    assert found is not None
    assert [(each.kind, len(each.cuts)) for each in found.storms] == [(KILL, 1), (ROLLING, 2)]
    assert [(each.lost, each.doubled, each.told_gaps, each.faults) for each in found.storms] == [(0, 0, 0, ())] * 2
    # Of those who join while both listen the kernel gives some to the one that ends.
    assert 30 <= found.storms[0].cuts[0].clients <= 50
    assert found.storms[1].cuts[1].clients == 40
    printed = capsys.readouterr().out
    assert "2/2 sse, rolling, u: " in printed
    assert "events lost or doubled, gaps announced: none" in printed
    assert cli.main(["report", folder.name, "--runs", str(tmp_path)]) == OK
    assert "events lost or doubled, gaps announced: none" in capsys.readouterr().out


@pytest.mark.parametrize("error", [LabError("planted"), BlockingIOError("planted"), psutil.NoSuchProcess(1)])
def test_a_storm_that_fails_leaves_those_that_were_carried_out(
    error: Exception, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(storming: SimpleNamespace) -> Storm:
        if storming.asked.kind == ROLLING:
            raise error
        return DONE

    def made(asked: Asked, _: object) -> SimpleNamespace:
        planned = SimpleNamespace(asked=asked)
        planned.run = lambda: run(planned)
        return planned

    monkeypatch.setattr(command, "RATIOS", ())
    monkeypatch.setattr(command, "Storming", made)
    monkeypatch.setattr(command, "_redis", lambda *_: nullcontext(("redis://x", 0)))
    assert command.storm(Request(tmp_path, transports="sse", clients=1)) == SOME_INVALID
    (folder,) = tmp_path.iterdir()
    found = records.read(folder)
    assert found is not None
    assert found.storms == (DONE,)
    assert "incomplete: failed: 0-sse-rolling-0" in capsys.readouterr().err


def test_without_a_redis_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_redis", lambda: None)
    with pytest.raises(LabError, match="install redis-server or valkey-server, or give --redis URL"):
        command.storm(Request(tmp_path))
    monkeypatch.setattr(own_redis, "find_redis", lambda: None)
    with pytest.raises(LabError, match="no redis-server"), own_redis.redis_server(frozenset()):
        pass


def test_more_clients_than_files_may_be_opened_are_refused_first(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="open files; the limit is"):
        command.storm(Request(tmp_path, clients=10**9))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_transport_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown transport 'pigeon'"):
        command.storm(Request(tmp_path, transports="pigeon"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["storm", "--link", "wifi"], "rtlab run storm takes"),
        (["storm", "--instances", "3"], "rtlab run storm takes"),
        (["fan-out", "--full"], "middleboxes and storm"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", *arguments]) == 2
    assert words in capsys.readouterr().err
