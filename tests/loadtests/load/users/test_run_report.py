"""The report of a plain Locust run: who ends meanwhile waits for it, and it is made once."""

from __future__ import annotations

import gevent
import pytest
from locust.env import Environment

from loadtests.load.users.gathering import Gathering
from loadtests.load.users.run_report import RunReport


def test_quitting_waits_for_a_report_that_is_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = Environment()
    report = RunReport(environment, Gathering(environment))
    told: list[str] = []

    def slow() -> None:
        told.append("begun")
        gevent.sleep(0.05)
        told.append("made")

    monkeypatch.setattr(report, "_make", slow)
    report.due = True
    gevent.spawn(report.make)  # as the web UI does when a test stops
    gevent.sleep(0)
    report.make()  # as quitting does
    assert told == ["begun", "made"]
