"""What Locust's own statistics have no row for: counted in each process that runs users, added up where Locust reports.

A worker sends its counts with its statistics, every few seconds and once at the end.
"""

from __future__ import annotations

from typing import Any

from locust.env import Environment

from loadtests.load.users.recorder import Recorder

_KEY = "rtlab_strangers"


class Tally:
    """Deliveries whose publication another clock stamped, of this process and of the workers that report to it."""

    def __init__(self, environment: Environment) -> None:
        """Listen to the environment's reports."""
        self._recorder: Recorder | None = None
        self._of_workers: dict[str, int] = {}
        environment.events.report_to_master.add_listener(self._report)  # type: ignore[no-untyped-call]
        environment.events.worker_report.add_listener(self._hear)  # type: ignore[no-untyped-call]

    def begin(self, recorder: Recorder | None) -> None:
        """Count anew: a test starts, whose deliveries `recorder` has; None where no users run."""
        self._recorder = recorder
        self._of_workers.clear()

    @property
    def strangers(self) -> int:
        """The sum over all processes."""
        return (self._recorder.strangers if self._recorder is not None else 0) + sum(self._of_workers.values())

    def _report(self, client_id: str, data: dict[str, Any]) -> None:
        if self._recorder is not None:
            data[_KEY] = self._recorder.strangers

    def _hear(self, client_id: str, data: dict[str, Any]) -> None:
        # Each report holds the worker's whole count, so that one that is lost costs nothing.
        self._of_workers[client_id] = data.get(_KEY, self._of_workers.get(client_id, 0))
