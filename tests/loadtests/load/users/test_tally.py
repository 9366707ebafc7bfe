from __future__ import annotations

from typing import Any

from locust.env import Environment

from loadtests.load.users.locust_tables import ForeignClockCount
from loadtests.load.users.recorder import Recorder


def _worker(foreign_clock: int) -> tuple[Environment, Recorder]:
    environment, recorder = Environment(), Recorder("locust-0")
    recorder.foreign_clock = foreign_clock
    ForeignClockCount(environment).begin(recorder)
    return environment, recorder


def _report(worker: Environment, master: Environment, client_id: str) -> None:
    data: dict[str, Any] = {}
    worker.events.report_to_master.fire(client_id=client_id, data=data)  # type: ignore[no-untyped-call]
    master.events.worker_report.fire(client_id=client_id, data=data)  # type: ignore[no-untyped-call]


def test_the_master_adds_up_what_its_workers_last_said() -> None:
    master = Environment()
    tally = ForeignClockCount(master)
    tally.begin(None)
    (one, recorder), (two, _) = _worker(3), _worker(5)
    _report(one, master, "one")
    recorder.foreign_clock = 4
    _report(one, master, "one")
    _report(two, master, "two")
    assert tally.count == 9
    tally.begin(None)
    assert tally.count == 0


def test_a_process_alone_counts_its_own() -> None:
    environment, recorder = Environment(), Recorder("locust-0")
    tally = ForeignClockCount(environment)
    tally.begin(recorder)
    recorder.foreign_clock = 2
    assert tally.count == 2
