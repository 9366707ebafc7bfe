"""`--instances N`: one port, many processes, all started again when they die, all ended together."""

from __future__ import annotations

import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.contracts.kit.limits import GONE_S, READY_S
from tests.contracts.kit.server import HOST
from tests.contracts.kit.tls import TLS, made_pair
from tests.contracts.kit.tokens import SECRET

Serve = Callable[..., "Service"]


def free_pair() -> int:
    """The first of two ports in a row that were free a moment ago, of those that the kernel gives to nobody.

    It gives odd ports to who listens, and even ones to who connects: the port after a free one may be a client's, which
    keeps it for a minute after its end.
    """
    for _ in range(100):
        port = random.randrange(20_000, 30_000)
        with suppress(OSError), socket.socket() as first, socket.socket() as second:
            first.bind((HOST, port))
            second.bind((HOST, port + 1))
            return port
    raise AssertionError("no two ports are free")


class Service:
    """A supervising process and what it started."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.port = free_pair()
        self.scheme = "https" if {"--certfile", "--tls"} & set(arguments) else "http"
        command = [sys.executable, "-m", "transports", "all", "--port", str(self.port), *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RTLAB_")}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, env=environment | {"RTLAB_SECRET": SECRET}, stdout=output, stderr=output
            )

    @property
    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def instances(self, *ports: int) -> set[str]:
        """Who answers `/health`, over many new connections, or until there are two."""
        found: set[str] = set()
        with httpx.Client(trust_env=False, verify=TLS, headers={"Connection": "close"}) as client:
            for number in range(40):
                if len(found) == 2:
                    break
                port = (ports or (self.port,))[number % max(1, len(ports))]
                try:
                    found.add(client.get(f"{self.scheme}://127.0.0.1:{port}/health").json()["instance"])
                except httpx.TransportError:
                    time.sleep(0.05)
        return found

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_S
        while not condition():
            assert time.monotonic() < deadline, "it did not come about in time"
            time.sleep(0.1)


@pytest.fixture
def serve(redis_url: str, tmp_path: Path) -> Iterator[Serve]:
    services: list[Service] = []

    def start(*arguments: str) -> Service:
        services.append(Service(tmp_path / "serve.log", "--redis", redis_url, "--instances", "2", *arguments))
        return services[-1]

    yield start
    for service in services:
        if service.process.poll() is None:
            service.process.terminate()
            service.process.wait(GONE_S)


def test_instances_share_a_port_one_that_died_is_started_again_and_all_end_together(serve: Serve) -> None:
    service = serve()
    service.until(lambda: len(service.instances()) == 2)
    before = service.instances()
    service.children[0].kill()
    service.until(lambda: len(service.instances() - before) == 1 and len(service.children) == 2)
    children = service.children
    service.process.terminate()
    assert service.process.wait(GONE_S) == 0
    assert not psutil.wait_procs(children, timeout=GONE_S)[1]


def test_instances_do_not_outlive_who_watches_over_them(serve: Serve) -> None:
    service = serve()
    service.until(lambda: len(service.instances()) == 2)
    children = service.children
    service.process.send_signal(signal.SIGKILL)
    service.process.wait(GONE_S)
    assert not psutil.wait_procs(children, timeout=GONE_S)[1]


@pytest.mark.parametrize("tls", ["", "by files", "made at start"])
def test_each_instance_may_have_its_own_port(serve: Serve, tls: str, tmp_path: Path) -> None:
    pair = made_pair(tmp_path)
    files = ["--certfile", str(pair.certfile), "--keyfile", str(pair.keyfile)]
    by = {"": [], "by files": files, "made at start": ["--tls"]}[tls]
    service = serve("--separate-ports", *by)
    service.until(lambda: len(service.instances(service.port, service.port + 1)) == 2)
    assert len(service.instances(service.port)) == 1
    if tls:  # one certificate for all: a browser that took it once takes it at each port
        shown = {ssl.get_server_certificate(("127.0.0.1", service.port + number)) for number in range(2)}
        assert len(shown) == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--instances", "2"], "--instances needs --redis URL"),
        (["--instances", "0", "--redis", "redis://127.0.0.1:1/0"], "1 to 64 is allowed"),
        (["--instances", "2", "--redis", "http://x"], "RTLAB_REDIS_URL"),
    ],
)
def test_instances_that_cannot_be_are_refused_in_a_sentence(arguments: list[str], reason: str) -> None:
    command = [sys.executable, "-m", "transports", "all", "--port", "0", *arguments]
    environment = os.environ | {"RTLAB_SECRET": SECRET}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=READY_S, check=False)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
