"""The next cell's server: it starts when the cell before it has measured, while that one is put away.

A server takes most of a second to import what it needs. Nothing is measured meanwhile: the generator writes its tables
and ends, and so does the server before.
"""

from __future__ import annotations

from collections.abc import Callable

from loadtests.run.plan import PlannedCell
from loadtests.run.scenario import SCALED
from loadtests.run.servers import Server


class ServerAhead:
    """The server of the cell after the running one, once it is started. `close` ends one that nobody took."""

    def __init__(self, start_server: Callable[[PlannedCell], Server]) -> None:
        self.next: PlannedCell | None = None  # the cell after the running one; None where that is the last
        self._start_server = start_server
        self._started: tuple[PlannedCell, Server] | None = None

    def start(self) -> None:
        """Start the next cell's server, unless it is started, or has to wait for what only its own cell lays."""
        planned = self.next
        if planned is None or self._started is not None or planned.kind == SCALED:
            return
        if planned.target.foreign is None and planned.link is None:
            self._started = planned, self._start_server(planned)

    def take(self, planned: PlannedCell) -> Server | None:
        """Return the server that was started for `planned`, once; the caller ends it. None: none was."""
        if self._started is None or self._started[0] is not planned:
            return None
        (_, server), self._started = self._started, None
        return server

    def close(self) -> None:
        """End the server that nobody took."""
        if self._started is not None:
            self._started[1].stop()
            self._started = None
