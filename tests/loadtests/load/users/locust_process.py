"""Locust as a process of its own: started as a user types it, awaited to its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import loadtests.locustfile

ENVIRONMENT = {**os.environ, "RTLAB_SECRET": "0123456789abcdef0123456789abcdef"}
LIMIT_S = 90
REPORTED = "workers"  # the run of which a report is made: it takes some seconds


class Run(NamedTuple):
    """A run that has ended, and where it left its shards."""

    code: int
    output: str
    out: Path

    def shards(self) -> list[Path]:
        """The shards, by worker."""
        return sorted(self.out.glob("*.shards/*"))

    def shard(self) -> Path:
        """The only shard."""
        (shard,) = self.shards()
        return shard


def locust(port: int, *arguments: str) -> list[str]:
    """Return the command that runs the lab's locustfile against a server on this port."""
    locustfile = str(Path(loadtests.locustfile.__file__))
    return [sys.executable, "-m", "locust", "-f", locustfile, "--host", f"http://127.0.0.1:{port}", *arguments]


def run(port: int, out: Path, *arguments: str) -> Run:
    """Run Locust to its end. A run with a file of its own has its hosts there; the one named `secret` has none."""
    reported = () if out.name == REPORTED else ("--no-report",)
    arguments = ("--headless", *arguments, "--rtlab-out", str(out), *reported)
    command = [sys.executable, "-m", "locust", *arguments] if "-f" in arguments else locust(port, *arguments)
    environment = {name: value for name, value in ENVIRONMENT.items() if (out.name, name) != ("secret", "RTLAB_SECRET")}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    ) as process:
        try:
            output, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with --processes, its workers too
            raise
    return Run(process.returncode, output, out)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        return int(reserved.getsockname()[1])


def wait_until(holds: Callable[[], bool]) -> None:
    """Look until it holds; fail after `LIMIT_S`."""
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {LIMIT_S} s"
        time.sleep(0.1)


def answer(url: str, posted: bytes | None = None) -> dict[str, Any]:
    """Return what Locust's web UI answers, as JSON."""
    with urllib.request.urlopen(url, posted, timeout=30) as answered:
        return dict(json.loads(answered.read()))


def status(url: str) -> int:
    """Return the status that Locust's web UI answers with."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answered:
            return int(answered.status)
    except urllib.error.HTTPError as error:
        return error.code
