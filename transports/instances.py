"""Several processes that serve as one: started, watched, started again when they die, ended together."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Final

_LOOK_S: Final = 0.1
_SETTLED_S: Final = 5.0  # who lives that long was well
_PAUSE_S: Final = (0.2, 5.0)  # before a dead instance is started again, growing while it does not settle
_GRACE_S: Final = 2.0  # beyond the drain, before an instance is killed
_LEASH: Final = "RTLAB_LEASH_FD"

_log: Final = logging.getLogger("rtlab.instances")


class Instances:
    """One child process per command. `run` returns the exit code."""

    def __init__(self, commands: Sequence[Sequence[str]], drain_s: float) -> None:
        self._slots = [_Slot(command) for command in commands]
        self._drain_s = drain_s
        self._ending = False

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT, then drain all. 0 when every instance ended well, else 1.

        1 too when no instance has ever settled: the command cannot work.
        """
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, self._end)
        # Each child holds the reading end: the pipe closes when this process ends, however it ends.
        leash, self._leash = os.pipe()
        os.environ[_LEASH] = str(leash)
        for slot in self._slots:
            slot.start(leash)
        while not self._ending:
            time.sleep(_LOOK_S)
            for slot in self._slots:
                slot.restart_if_dead(leash)
            if all(slot.hopeless for slot in self._slots):
                return 1
        return self._stop()

    def _end(self, signal_number: int, stack: FrameType | None) -> None:
        self._ending = True

    def _stop(self) -> int:
        for slot in self._slots:
            slot.terminate()
        until_s = time.monotonic() + self._drain_s + _GRACE_S
        return int(any([slot.wait(until_s) != 0 for slot in self._slots]))  # noqa: C419  every one is waited for


class _Slot:
    """The place of one instance, through all its lives."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = self._due_s = 0.0
        self._pause_s = _PAUSE_S[0]
        self._early_deaths = 0

    @property
    def hopeless(self) -> bool:
        """Whether it dies whenever it is started."""
        return self._early_deaths >= 3

    def start(self, leash: int) -> None:
        self._started_s = time.monotonic()
        self._process = subprocess.Popen(self._command, pass_fds=(leash,))  # noqa: S603  our own interpreter

    def restart_if_dead(self, leash: int) -> None:
        now_s = time.monotonic()
        if self._process is None:
            if now_s >= self._due_s:
                self.start(leash)
        elif (code := self._process.poll()) is not None:
            settled = now_s - self._started_s >= _SETTLED_S
            self._early_deaths = 0 if settled else self._early_deaths + 1
            self._pause_s = _PAUSE_S[0] if settled else min(2 * self._pause_s, _PAUSE_S[1])
            _log.error("an instance ended with %d; starting it again", code)
            self._process, self._due_s = None, now_s + self._pause_s
        elif now_s - self._started_s >= _SETTLED_S:
            self._early_deaths = 0

    def terminate(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def wait(self, until_s: float) -> int:
        if self._process is None:
            return 0
        try:
            return self._process.wait(max(0.0, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def commands(name: str, arguments: Sequence[str], host: str, ports: Sequence[int]) -> list[list[str]]:
    """The command of each instance: `arguments` without host, port and instances; equal ports are shared."""
    shared = ["--share-port"] if len(set(ports)) < len(ports) else []
    return [
        [sys.executable, "-m", "transports", name, "--host", host, "--port", str(port), *shared, *arguments]
        for port in ports
    ]


def prepare_environment() -> None:
    """Give all instances one key when the caller gave none: a token must be good at each of them."""
    if not os.environ.get("RTLAB_SECRET"):
        _log.warning("RTLAB_SECRET is not set: using a random key, so only these instances' tokens are good")
        os.environ["RTLAB_SECRET"] = secrets.token_hex(32)


def share_port(listener: socket.socket) -> None:
    """Let other processes listen on the same address; the kernel deals the connections out. Raises OSError."""
    option = getattr(socket, "SO_REUSEPORT", None)
    if option is None:
        raise OSError(0, "this system cannot share a port between processes")
    listener.setsockopt(socket.SOL_SOCKET, option, 1)


def end_with_parent() -> None:
    """In an instance: end as by SIGTERM when the process that watches over it is gone."""
    leash = os.environ.pop(_LEASH, None)
    if leash is not None:
        threading.Thread(target=_wait_for_the_end, args=(int(leash),), daemon=True).start()


def _wait_for_the_end(leash: int) -> None:
    os.read(leash, 1)  # nothing is ever written: it returns when the other end is closed
    os.kill(os.getpid(), signal.SIGTERM)
