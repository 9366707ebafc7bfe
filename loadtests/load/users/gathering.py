"""What the processes of one plain Locust run tell each other: the run's name, and where each leaves its shard.

The master, or the only process, names the run; workers get the name before they start. Each worker says where it will
write, so that the master knows which shards it can wait for: those on its own machine.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner, WorkerRunner

from loadtests.load.clients.stamp import OUR_CLOCK
from loadtests.load.users import setup
from loadtests.records.shard import SHARD_FILE, SUFFIX

_NAME, _PLACE, _FINISH, _FINISHED = "rtlab_run", "rtlab_shard", "rtlab_finish", "rtlab_finished"
_LOOK_S = 0.1
_FINISH_S = 10.0


class Gathering:
    """One process's part in it; the run may be started again under another name."""

    def __init__(self, environment: Environment) -> None:
        """Listen to the other processes."""
        self._runner = environment.runner
        self.name = ""
        self.workers = 1
        self._places: dict[int, tuple[str, Path]] = {}  # by worker: its clock, its folder
        self._finished: set[str] = set()
        if isinstance(self._runner, MasterRunner):
            self._runner.register_message(_PLACE, self._take_place)
            self._runner.register_message(_FINISHED, lambda msg, **_: self._finished.add(msg.node_id))
            environment.events.worker_connect.add_listener(self._greet)  # type: ignore[no-untyped-call]
        elif isinstance(self._runner, WorkerRunner):
            self._runner.register_message(_NAME, self._take_name)
            self._runner.register_message(_FINISH, self._finish)

    def begin(self, commit: str) -> None:
        """Name the run that starts now, unless this is a worker, and forget the one before."""
        if isinstance(self._runner, WorkerRunner):
            return
        self.name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-locust-{commit}"
        self._places.clear()
        if isinstance(self._runner, MasterRunner):
            self.workers = self._runner.worker_count
            self._tell(None)

    def folder(self, runs: Path) -> Path:
        """Return where this process is to leave its shard, and tell the master."""
        worker = setup.worker_number(self._runner)
        folder = (runs / f"{self.name}{SUFFIX}" / str(worker)).absolute()
        self._places[worker] = OUR_CLOCK, folder
        if isinstance(self._runner, WorkerRunner):
            place = {"worker": worker, "clock": OUR_CLOCK, "folder": str(folder)}
            self._runner.send_message(_PLACE, place)
        return folder

    def finish(self) -> None:
        """Of a master that quits: let the workers stop, and take their last counts.

        Locust's own master gives them half a second from being told to having stopped and reported.
        """
        if not isinstance(self._runner, MasterRunner):
            return
        asked = {client.id for client in self._runner.clients.all}
        self._finished.clear()
        self._runner.send_message(_FINISH)
        until_s = time.monotonic() + _FINISH_S
        while not asked <= self._finished and time.monotonic() < until_s:
            gevent.sleep(_LOOK_S)

    def gathered(self, patience_s: float) -> tuple[list[Path], int]:
        """Wait for the shards of this machine; return those that are here, and how many are elsewhere, or missing.

        None are, where no process began.
        """
        if not self._places:
            return [], 0
        awaited = [folder for clock, folder in self._places.values() if clock == OUR_CLOCK]
        until_s = time.monotonic() + patience_s
        while time.monotonic() < until_s and not all((folder / SHARD_FILE).is_file() for folder in awaited):
            gevent.sleep(_LOOK_S)
        found = [folder for _, folder in self._places.values() if (folder / SHARD_FILE).is_file()]
        return found, max(self.workers, len(self._places)) - len(found)

    def _greet(self, client_id: str, **_: object) -> None:
        if self.name:  # a test is on, or was: whoever comes now may be asked to take part
            self._tell(client_id)

    def _tell(self, client_id: str | None) -> None:
        assert self._runner is not None
        order: Any = {"run": self.name, "workers": self.workers}
        self._runner.send_message(_NAME, order, client_id)

    def _take_name(self, msg: Message, **_: object) -> None:
        self.name, self.workers = msg.data["run"], msg.data["workers"]

    def _finish(self, **_: object) -> None:
        assert isinstance(self._runner, WorkerRunner)
        self._runner.stop()
        self._runner._send_stats()
        self._runner.send_message(_FINISHED)

    def _take_place(self, msg: Message, **_: object) -> None:
        self._places[msg.data["worker"]] = msg.data["clock"], Path(msg.data["folder"])
