"""Servers forked from a process that has imported their modules: to start each anew costs a second of two cores.

What is forked is the same program (`python -m transports …`) with its own environment, log and end; that the program
also starts from nothing is for `test_launchers`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path

from coverage import Coverage

from tests.tracing import CONFIG

_CONTEXT = multiprocessing.get_context("forkserver")


def _prepare() -> None:
    """Start the process that servers are forked from, once: coverage follows it if the environment says so then."""
    _CONTEXT.set_forkserver_preload(["tests.contracts.kit.imports"])
    forkserver.ensure_running()


class PreparedProcess:
    """A forked server, with as much of `subprocess.Popen` as the tests use."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        _prepare()
        # A daemon is ended with us; others would be waited for.
        self._process = _CONTEXT.Process(target=_serve, args=(list(arguments), dict(environment), log), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(f"server {self.pid}", timeout)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended, and its parent is just about to know
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _serve(arguments: list[str], environment: dict[str, str], log: Path) -> None:
    from transports.__main__ import main

    os.environ.clear()
    os.environ.update(environment)
    opened = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for place in (1, 2):
        os.dup2(opened, place)
    os.close(opened)
    coverage = Coverage.current()  # begun anew with the fork, where it follows anything
    if coverage is not None and CONFIG not in environment:
        coverage.stop()
        coverage = None
    try:
        main(arguments)
    finally:
        if coverage is not None:  # a forked process ends without the interpreter's last calls
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would have coverage save twice at once
            coverage.stop()
            coverage.save()
