"""A server that is not ours, started by the lab as its adapter says: on the server's core, over a link, ended with all.

It gets the lab's environment without the RTLAB_* variables, and what the adapter's `env` says.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from loadtests.load.clients.base import Endpoint
from loadtests.records.errors import ServerError
from loadtests.records.own_server import TREE, ServerCommand, filled
from loadtests.run import keeper as keeping
from loadtests.run import procfs
from loadtests.run.foreign import Foreign, ForeignServer, named
from loadtests.run.links.route import LOOPBACK_ROUTE, Route
from loadtests.run.process import Child
from loadtests.run.quota import Quota, QuotaError

READY_TIMEOUT_S = 20.0
_POLL_S = 0.02
_ASKED_S = 2.0
_SETTLED_S = 0.2  # a prefork server may listen before it has all its workers
_ADDRESS_TAKEN = ("address already in use", "eaddrinuse")


class StartedServer(ForeignServer):
    """A foreign server that the lab started. Leaving it ends it, and everything that it started."""

    def __init__(
        self,
        foreign: Foreign,
        command: ServerCommand,
        *,
        log: Path,
        folder: Path,
        port: int,
        on_cores: frozenset[int] = frozenset(),
        route: Route = LOOPBACK_ROUTE,
        cpu_percent: float | None = None,
    ) -> None:
        """Start it without waiting for it. Raises ServerError where something listens there, or it can't be started."""
        at = replace(foreign, port=port)
        if route is not LOOPBACK_ROUTE:
            at = replace(at, host=route.near)
        # In a namespace of its own it shares its port with nobody.
        if foreign.port and not route.prefix and _taken(at):
            raise ServerError(f"something listens at {at.url} already: end it, or put {{port}} into the command")
        self._command, self._route = command, route
        self._log, self._cpu_percent = log, cpu_percent
        self._quota: Quota | None = None
        self._child: Child | None = None
        super().__init__(at)
        if route.far is not None:
            self.url = Endpoint(*route.far, foreign.secure).url
        fill = partial(filled, host=route.bind, port=port, folder=folder)
        words, own = map(fill, command.command), {name: fill(value) for name, value in command.env.items()}
        # -I: the environment is the server's.
        keeper = (sys.executable, "-I", keeping.__file__, command.cwd)
        self._child = Child(
            [*keeper, *route.prefix, *words],
            log=log,
            environment=inherited() | own,
            on_cores=on_cores,
            orphaned=signal.SIGTERM,
        )

    def _present(self) -> tuple[int, ...]:
        if self._child is None:
            return ()
        if self.foreign.adapter.pids != TREE:
            return named(self.foreign.adapter)
        return tuple(pid for pid in procfs.trees((self._child.pid,)) if pid != self._child.pid)

    def wait_ready(self, check: Callable[[], None], timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until it answers as its adapter says and has its processes; ServerError when it ends or time is over."""
        deadline = time.monotonic() + timeout_s
        while why := self._not_ready():
            check()
            self._require_running("before it was ready")
            if time.monotonic() > deadline:
                elsewhere = self._route is not LOOPBACK_ROUTE  # over a link, or with workers from elsewhere
                bind = f"; it has to listen on {{host}}, here {self._route.bind}" if elsewhere else ""
                raise ServerError(f"{self._name} was not ready within {timeout_s:g} s: {why}{bind}{self._said()}")
            time.sleep(_POLL_S)
        self._settle()
        self._require_running("before it was ready")
        self._watch()
        if self._cpu_percent is not None and self._quota is None:
            try:
                self._quota = Quota(self._cpu_percent)
                self._quota.hold(self.processes())
            except QuotaError as error:
                raise ServerError(f"{self._name} can't be held to {self._cpu_percent:g} %: {error}") from None

    def throttled_ns(self) -> int:
        """Return how long its share kept it from running so far."""
        return 0 if self._quota is None else self._quota.throttled_ns()

    def _settle(self) -> None:
        since, before = time.monotonic(), self._present()
        until = since + 10 * _SETTLED_S
        while time.monotonic() < min(until, since + _SETTLED_S):
            time.sleep(_POLL_S)
            if (now := self._present()) != before:
                since, before = time.monotonic(), now

    def _not_ready(self) -> str:
        """Return why it is not ready; empty once it is."""
        path = self._command.ready_path
        if not path:
            return "" if _taken(self.foreign) else f"nothing listens at {self.foreign.url}"
        with closing(self.foreign.ask(_ASKED_S)) as connection:
            try:
                connection.request("GET", path)
                status = connection.getresponse().status
            except (OSError, http.client.HTTPException) as error:
                return f"GET {path} at {self.foreign.url}: {error}"
        return f"GET {path} is answered {status}" if status >= 500 else ""

    @property
    def _name(self) -> str:
        return f"the server of {self.foreign.adapter.name}"

    def _said(self) -> str:
        """Return the end of its output, and where the rest is."""
        lines = [line.strip() for line in self._child.log_text().splitlines() if line.strip()] if self._child else []
        # Below its error a runtime prints a trace, and perhaps its version.
        telling = [line for line in lines if "error:" in line.lower()] or lines
        return f": {telling[-1][:300]} ({self._log.name})" if telling else "; it printed nothing"

    def _require_running(self, when: str) -> None:
        code = self._child.exit_code() if self._child is not None else None
        if code is not None:
            stays = " (it has to stay in the foreground)" if code == 0 else ""
            raise ServerError(f"{self._name} ended {when}, exit code {code}{stays}{self._said()}")

    def check_alive(self) -> None:
        """Raise ServerError if it has ended, with its last words."""
        self._require_running("while it was measured")

    def port_was_taken(self) -> bool:
        """Whether it ended because somebody else took its free port first."""
        if self._child is None or self._child.exit_code() is None or not self._command.takes_port:
            return False
        said = self._child.log_text().lower()
        return any(words in said for words in _ADDRESS_TAKEN)

    def stop(self) -> None:
        """End it, and then all that it started and left."""
        if self._quota is not None:
            self._quota.close()
            self._quota = None
        if self._child is not None:
            self._child.stop(3 * keeping.STOP_S)


def opened(
    foreign: Foreign,
    port: int,
    route: Route,
    *,
    log: Path,
    folder: Path,
    on_cores: frozenset[int],
    cpu_percent: float | None = None,
) -> ForeignServer:
    """Return the server of a cell: started on `port` if its adapter says how, else as it runs. Raises ServerError."""
    command = foreign.adapter.server
    if command is None:
        return ForeignServer(foreign)
    folder.mkdir(exist_ok=True)
    return StartedServer(
        foreign,
        command,
        log=log,
        folder=folder.resolve(),
        port=port,
        on_cores=on_cores,
        route=route,
        cpu_percent=cpu_percent,
    )


def inherited() -> dict[str, str]:
    """Return the lab's environment without its own variables."""
    return {key: value for key, value in os.environ.items() if not key.startswith("RTLAB_")}


def _taken(at: Foreign) -> bool:
    try:
        socket.create_connection((at.host, at.port), _ASKED_S).close()
    except OSError:
        return False
    return True
