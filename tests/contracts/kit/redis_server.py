"""A private Redis process."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

from tests.contracts.kit.limits import GONE_S, READY_S
from tests.contracts.kit.server import free_port

_POLL_PAUSE_S = 0.02
_DATABASES = 1000  # one for each server that a session starts


class RedisProcess:
    """In-memory Redis on a free port of 127.0.0.1, with further options of its command line."""

    def __init__(self, program: str, folder: Path, *options: str) -> None:
        self.port = free_port()
        self._command = [program, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir", str(folder)]
        self._command += ["--databases", str(_DATABASES), *options]
        self._log_path = folder / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start and wait until it answers PING; raises RuntimeError with its log otherwise."""
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(_POLL_PAUSE_S)
        self.stop()
        raise RuntimeError(f"Redis was not ready; its log:\n{self._log_path.read_text()}")

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(GONE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(GONE_S)
