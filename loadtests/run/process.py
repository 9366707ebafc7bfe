"""Processes of the lab: started apart from the terminal's Ctrl-C, stopped by their pid, within bounds."""

from __future__ import annotations

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from loadtests.run import cores, orphans

_KILL_WAIT_S = 5.0


class Running(ABC):
    """A process that leads a session of its own, with its log file."""

    pid: int

    def __init__(self, log: Path) -> None:
        self.log = log

    @abstractmethod
    def exit_code(self) -> int | None:
        """Return the exit code, or None while the process lives."""

    @abstractmethod
    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end; None when it has not come within `timeout_s`."""

    def stop(self, timeout_s: float) -> int:
        """End it: SIGTERM, and SIGKILL to it and its own children after `timeout_s`; return its exit code."""
        code = self.exit_code()
        if code is None:
            os.kill(self.pid, signal.SIGTERM)
            os.kill(self.pid, signal.SIGCONT)  # one that somebody stopped takes its end only then
            code = self.wait(timeout_s)
        if code is None:
            # It leads its own session, so its process group is exactly what it started.
            os.killpg(self.pid, signal.SIGKILL)
            code = self.wait(_KILL_WAIT_S)
        if code is None:
            raise TimeoutError(f"process {self.pid} did not end within {_KILL_WAIT_S:g} s of SIGKILL")
        return code

    def last_line(self) -> str:
        """Return the last line of the log that holds text, shortened; empty if there is none."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


class Child(Running):
    """A program that the lab started; it ends with the lab."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        on_cores: frozenset[int] = frozenset(),
    ) -> None:
        """Start `command`; its output goes to `log`."""
        super().__init__(log)
        leashed = orphans.leashed()
        with log.open("wb") as sink, cores.on(on_cores):
            self._process = subprocess.Popen(  # noqa: S603  # the lab's own command lines
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={**environment, **leashed},
                pass_fds=tuple(map(int, leashed.values())),
                preexec_fn=orphans.end_with_us(),
                # A session of its own: Ctrl-C reaches the lab only, which then ends its children in order.
                start_new_session=True,
            )
        self.pid = self._process.pid

    def exit_code(self) -> int | None:
        """Return the exit code, or None while the child lives."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end; None when it has not come within `timeout_s`."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
