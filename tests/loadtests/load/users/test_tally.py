from __future__ import annotations

from typing import Any

from locust.env import Environment

from loadtests.load.users.recorder import Recorder
from loadtests.load.users.tally import Tally


def _worker(strangers: int) -> tuple[Environment, Recorder]:
    environment, recorder = Environment(), Recorder("locust-0")
    recorder.strangers = strangers
    Tally(environment).begin(recorder)
    return environment, recorder


def _report(worker: Environment, master: Environment, client_id: str) -> None:
    data: dict[str, Any] = {}
    worker.events.report_to_master.fire(client_id=client_id, data=data)  # type: ignore[no-untyped-call]
    master.events.worker_report.fire(client_id=client_id, data=data)  # type: ignore[no-untyped-call]


def test_the_master_adds_up_what_its_workers_last_said() -> None:
    master = Environment()
    tally = Tally(master)
    tally.begin(None)
    (one, recorder), (two, _) = _worker(3), _worker(5)
    _report(one, master, "one")
    recorder.strangers = 4
    _report(one, master, "one")
    _report(two, master, "two")
    assert tally.strangers == 9
    tally.begin(None)
    assert tally.strangers == 0


def test_a_process_alone_counts_its_own() -> None:
    environment, recorder = Environment(), Recorder("locust-0")
    tally = Tally(environment)
    tally.begin(recorder)
    recorder.strangers = 2
    assert tally.strangers == 2
