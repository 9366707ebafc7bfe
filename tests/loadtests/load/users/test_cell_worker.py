"""A worker's part in a cell whose share it can't open: it says so, and takes part in the next one."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from locust import User
from locust.env import Environment
from locust.rpc import Message
from locust.runners import STATE_INIT, STATE_RUNNING, WorkerRunner

from loadtests.load.users.cell_worker import ABORT, SAID, SHARE, CellWorker


class Own(User):
    """A class of the worker's own locustfile."""


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerRunner]:
    """A worker whose master does nothing."""
    monkeypatch.setattr(WorkerRunner, "connect_to_master", lambda _: None)
    made = Environment(user_classes=[Own]).create_worker_runner("127.0.0.1", 1)
    yield made
    made.greenlet.kill()
    made.client.socket.context.destroy(linger=0)


def test_after_a_share_of_another_commit_a_worker_is_ready_again(
    runner: WorkerRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, sent = CellWorker(runner.environment), list[str]()
    monkeypatch.setattr(runner.client, "send", lambda msg: sent.append(msg.data["message"]) if msg.type == SAID else 0)
    share = {"worker": 0, "workers": 1, "spec": b'{"new": 1}', "clock": ""}
    runner.handle_message(Message(SHARE, share, "w"))  # type: ignore[no-untyped-call]
    assert "another commit of the lab" in sent[0]
    assert worker.busy, "Locust may spawn its users yet"
    runner.worker_state = STATE_RUNNING
    runner.handle_message(Message(ABORT, None, "w"))  # type: ignore[no-untyped-call]
    gevent.sleep(0.01)
    assert (worker.busy, runner.worker_state) == (False, STATE_INIT)
    assert runner.environment.user_classes == [Own]
