"""Instances that listen on one address, each started and ended by itself; Redis holds their rooms.

The kernel deals connections out to the instances that listen (SO_REUSEPORT): nothing stands in between that a storm
could overload.
"""

from __future__ import annotations

import secrets
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from loadtests.records.errors import ServerError
from loadtests.run import instances
from loadtests.run.process import Cores
from loadtests.run.servers import HOST, READY_TIMEOUT_S, Server, ServerSettings, free_port
from loadtests.run.targets import Target

_POLL_S = 0.02


class OneAddress:
    """The instances of one transport behind one address. A context manager: leaving it ends those that run."""

    def __init__(
        self, target: Target, settings: ServerSettings, redis_url: str, *, folder: Path, name: str, cores: Cores
    ) -> None:
        """`name` begins the names of the instances' logs in `folder`."""
        self.target = target
        self.secret = secrets.token_hex(32)
        self.port = free_port()
        self._settings = replace(settings, arguments=(*settings.arguments, "--redis", redis_url))
        self._folder, self._name, self._cores = folder, name, cores
        self._running: list[Server] = []
        self._known: set[str] = set()
        self._count = 0
        self._waiting = ThreadPoolExecutor(1)

    def start(self) -> tuple[Server, Future[None]]:
        """Start an instance; the future is done once it answers, or raises ServerError."""
        settings = replace(self._settings.of_target(self.target))
        settings = replace(settings, arguments=(*settings.arguments, "--share-port"))
        server = self._started(self.target.server_name, settings, self.port)
        return server, self._waiting.submit(self._wait_for, server)

    def start_beside(self) -> tuple[Server, Future[None]]:
        """Start an instance on an address of its own that shares the rooms, to publish on by plain HTTP."""
        server = self._started("sse", replace(self._settings, tls=False), free_port())
        return server, self._waiting.submit(server.wait_ready, lambda: None)

    def ended(self, server: Server) -> None:
        """Take note that an instance has ended."""
        server.stop()
        self._running.remove(server)

    def __enter__(self) -> OneAddress:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._running:
            with suppress(ProcessLookupError):
                server.signal(signal.SIGTERM)  # they drain at the same time
        for server in self._running:
            server.stop()
        self._waiting.shutdown()

    def _started(self, name: str, settings: ServerSettings, port: int) -> Server:
        self._count += 1
        log = self._folder / f"server-{self._name}-{self._count}.log"
        server = Server(name, settings, log=log, on_cores=self._cores.server, port=port, secret=self.secret)
        self._running.append(server)
        return server

    def _wait_for(self, server: Server) -> None:
        """Ask until an instance answers that was not there before: the address is shared."""
        until_s = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < until_s:
            server.check_alive()
            try:
                ((_, body),) = instances.answers(HOST, self.port, "/health", tls=self.target.tls)
                name = instances.name(body)
            except OSError:
                name = ""
            if name and name not in self._known:
                self._known.add(name)
                return
            time.sleep(_POLL_S)
        raise ServerError(f"the {server.transport} instance was not ready within {READY_TIMEOUT_S:g} s")
