"""The end of a plain Locust run: `rtlab report` makes a run of its shards, in a process of its own, and prints it."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from gevent.lock import BoundedSemaphore
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtests.load.users.gathering import Gathering
from loadtests.records.shard import SUFFIX

_SHARDS_S = 30.0  # for workers of this machine to write theirs
_LINE = "report: "  # begins what `rtlab report` prints of where the report is

logger = logging.getLogger("rtlab")


class RunReport:
    """The report of the newest test; `due` until it was made, or where none is asked for."""

    def __init__(self, environment: Environment, gathering: Gathering) -> None:
        self._environment = environment
        self._gathering = gathering
        self.due = False
        self.path: Path | None = None
        self._making = BoundedSemaphore()

    def make(self) -> None:
        """Make the report, unless this is a worker or it was made; first wait for one that is being made.

        What is wrong is logged, in a sentence.
        """
        with self._making:
            if self.due and not isinstance(self._environment.runner, WorkerRunner):
                self.due = False
                self._make()

    def _make(self) -> None:
        assert self._environment.parsed_options is not None
        runs = Path(self._environment.parsed_options.rtlab_out)
        found, missing = self._gathering.gathered(_SHARDS_S)
        shards = runs / f"{self._gathering.name}{SUFFIX}"
        if missing:
            logger.warning(
                "%d of %d shards are not here: copy the folders of the other machines into %s, then: rtlab report %s",
                missing, missing + len(found), shards, shards,
            )  # fmt: skip
        if not found or missing:
            return
        command = (sys.executable, "-m", "loadtests.cli", "report", *map(str, found), "--runs", str(runs))
        # In a group of its own: the Ctrl-C that ends the web UI is not for the report.
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, process_group=0)  # noqa: S603
        print(done.stdout, end="", flush=True)
        paths = [line.removeprefix(_LINE) for line in done.stdout.splitlines() if line.startswith(_LINE)]
        self.path = Path(paths[-1]) if paths else None
