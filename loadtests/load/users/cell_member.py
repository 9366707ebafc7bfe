"""What the master of a cell knows of one worker: who it is, how far it is, and whether it lives."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path

from locust.runners import HEARTBEAT_LIVENESS, STATE_MISSING, WorkerNode

from loadtests.load.clients.stamp import OUR_CLOCK
from loadtests.records.cell_spec import MEASURED, Progress

_WRITES_S = 30  # its tables, at most


@dataclass(slots=True)
class Member:
    """One worker, as it introduced itself."""

    client_id: str
    pid: int
    host: str
    clock: str
    forked: int  # the how-manieth fork of the master it is; -1: it came from elsewhere
    number: int = -1  # its share's
    last: Progress | None = None
    said: set[str] = field(default_factory=set)
    folder: Path | None = None  # where its files are, once it has left them

    @property
    def is_here(self) -> bool:
        """Whether it runs on the master's machine."""
        return self.host == platform.node() and self.clock == OUR_CLOCK

    @property
    def rank(self) -> tuple[bool, int, str]:
        """Its place in an order that stays the same from cell to cell, the master's own forks first."""
        return self.forked < 0, self.forked, self.client_id

    @property
    def name(self) -> str:
        """What it is called in reasons and messages."""
        return (f"worker {self.number}" if self.number >= 0 else "a worker") + (
            "" if self.forked >= 0 else f" ({self.host})"
        )

    def lost(self, client: WorkerNode | None) -> str:
        """Return why it is to be taken for lost, if it is from elsewhere; empty while it is not."""
        if client is None:
            return "it has disconnected"
        # One that writes its tables sends no heartbeats. Locust counts those that are missing down from three.
        silence_s = HEARTBEAT_LIVENESS - client.heartbeat
        limit_s = HEARTBEAT_LIVENESS if self.said.isdisjoint(MEASURED) else _WRITES_S
        lost = client.state == STATE_MISSING and silence_s > limit_s
        return f"no sign of life for {limit_s:g} s" if lost else ""
