"""`rtlab run storm`: a small one with real instances, what it refuses, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from loadtests import cli
from loadtests.evidence.storm import command
from loadtests.evidence.storm.command import Request
from loadtests.records import storm as records
from loadtests.records.errors import LabError, UsageError
from loadtests.records.storm import KILL, ROLLING
from loadtests.report.conclude import OK
from loadtests.run import own_redis
from loadtests.run.own_redis import find_redis
from tests.conftest import missing


def test_clients_of_ended_instances_come_back_to_the_others_and_miss_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_redis() is None:
        missing("redis-server")
    monkeypatch.setattr(command, "RATIOS", ())
    monkeypatch.setattr("loadtests.evidence.storm.storming.CALM_S", 0.2)
    assert command.storm(Request(tmp_path, transports="sse", clients=40, seed=1)) == OK
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
    assert psutil.Process().children(recursive=True) == []
    assert cli.main(["report", folder.name, "--runs", str(tmp_path)]) == OK
    assert "events lost or doubled, gaps announced: none" in capsys.readouterr().out


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
