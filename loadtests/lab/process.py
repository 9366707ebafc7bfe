"""One child process of the lab: started apart from the terminal's Ctrl-C, stopped by its pid, within bounds."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from loadtests.lab import cores

_KILL_WAIT_S = 5.0


class Child:
    """A child process with its log file."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        on_cores: frozenset[int] = frozenset(),
        read_output: bool = False,
    ) -> None:
        """Start `command`; its output goes to `log`, or standard output to `output` when `read_output`."""
        self.log = log
        with log.open("wb") as sink, cores.on(on_cores):
            self._process = subprocess.Popen(  # noqa: S603  # the lab's own command lines
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if read_output else sink,
                stderr=sink,
                env=dict(environment),
                # A session of its own: Ctrl-C reaches the lab only, which then ends its children in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def output(self) -> IO[bytes]:
        """The child's standard output; only for a child started with `read_output`."""
        assert self._process.stdout is not None
        return self._process.stdout

    def exit_code(self) -> int | None:
        """Return the exit code, or None while the child lives."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end; None when it has not come within `timeout_s`."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout_s: float) -> int:
        """End the child: SIGTERM, and SIGKILL to it and its own children after `timeout_s`; return its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
            if self.wait(timeout_s) is None:
                self._kill_session()
        code = self._process.wait(_KILL_WAIT_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def _kill_session(self) -> None:
        # The child leads its own session, so its process group is exactly what it started.
        os.killpg(self._process.pid, signal.SIGKILL)

    def last_line(self) -> str:
        """Return the last line of the log that holds text, shortened; empty if there is none."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
