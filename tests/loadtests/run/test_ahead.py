"""The next cell's server: started once, for its cell alone, and ended where nobody takes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.records.link_spec import parse
from loadtests.records.store import RunStore
from loadtests.run.ahead import ServerAhead
from loadtests.run.cell import start_server
from loadtests.run.sampler import Sampler
from tests.loadtests.records.test_store import new_run
from tests.loadtests.run.test_experiment import conduct, make


@pytest.fixture
def ahead(tmp_path: Path) -> Iterator[ServerAhead]:
    bench, store = make(tmp_path).bench, RunStore.create(tmp_path, new_run(1))
    made = ServerAhead(lambda planned: start_server(planned, bench, store))
    yield made
    made.close()


def test_the_next_cells_server_waits_for_its_cell_alone(ahead: ServerAhead, tmp_path: Path) -> None:
    (cell,) = make(tmp_path).cells()
    other = replace(cell, id="another")
    ahead.next = cell
    ahead.start()
    ahead.start()
    assert ahead.take(other) is None
    with ahead.take(cell) or pytest.fail("it was not started") as server:
        server.wait_ready(lambda: None)
    assert ahead.take(cell) is None


def test_a_server_that_nobody_takes_is_ended(ahead: ServerAhead, tmp_path: Path) -> None:
    (ahead.next,) = make(tmp_path).cells()
    ahead.start()
    assert ahead.next is not None
    server = ahead.take(ahead.next)
    assert server is not None
    ahead._started = ahead.next, server
    ahead.close()
    assert server.processes() == ()


def test_a_cell_behind_a_link_starts_its_own(ahead: ServerAhead, tmp_path: Path) -> None:
    (cell,) = make(tmp_path).cells()
    ahead.next = replace(cell, link=parse("rtt=10ms"))
    ahead.start()
    assert ahead.take(ahead.next) is None


def test_the_machine_is_read_before_the_next_server_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(Sampler, "mark", lambda self: order.append("mark"))
    monkeypatch.setattr(ServerAhead, "start", lambda self: order.append("start"))
    conduct(make(tmp_path))
    assert order == ["mark", "start"]


def test_a_run_starts_each_server_once(tmp_path: Path) -> None:
    outcome = conduct(make(tmp_path, transports=("sse", "websocket", "longpoll")))
    assert [cell.counts is not None for cell in outcome.run.cells] == [True] * 3
    assert len(list(outcome.folder.glob("server-*.log"))) == 3
