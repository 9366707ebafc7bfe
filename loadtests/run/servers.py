"""The server under measurement: its own process on a core of its own, ready by `/health`, ended by pid."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import psutil

from core.catalogue import VARIABLE as CATALOGUE
from loadtests.records.errors import ServerError
from loadtests.run import instances
from loadtests.run.instances import Scaling
from loadtests.run.links.route import LOOPBACK_ROUTE, Route
from loadtests.run.plan import PlannedCell
from loadtests.run.process import Child
from loadtests.run.quota import Quota, QuotaError
from loadtests.run.targets import Target

HOST = "127.0.0.1"
READY_TIMEOUT_S = 20.0
_READY_S_PER_INSTANCE = 2.0  # beyond the first: they may all start on one core
_POLL_S = 0.02
_ADDRESS_TAKEN = "address already in use"


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How servers are started; everything here but the secret goes into the manifest."""

    deflate: bool = False
    drain_s: float = 1.0
    variables: Mapping[str, str] = field(default_factory=dict)  # further RTLAB_* settings
    command: tuple[str, ...] = (sys.executable, "-m", "transports")
    arguments: tuple[str, ...] = ()  # further arguments of the command
    scaling: Scaling | None = None  # None: one process with rooms in its own memory
    tls: bool = False
    cpu_percent: float | None = None  # of a core, what the server is held to once it is ready; None: it is not

    def environment(self, secret: str) -> dict[str, str]:
        """Return the server's whole environment.

        RTLAB_* variables of the caller's shell are left out: a measured server has the settings of the manifest
        and no others. That of the catalogue is no setting.
        """
        inherited = {
            key: value for key, value in os.environ.items() if key == CATALOGUE or not key.startswith("RTLAB_")
        }
        return inherited | self.recorded() | {"RTLAB_SECRET": secret}

    @property
    def instances(self) -> int:
        """How many processes answer."""
        return 1 if self.scaling is None else self.scaling.instances

    def of_target(self, target: Target) -> ServerSettings:
        """Return these settings with what a target asks for."""
        return replace(self, arguments=(*self.arguments, *target.arguments), tls=self.tls or target.tls)

    def of_cell(self, planned: PlannedCell) -> ServerSettings:
        """Return these settings with what a cell asks for; what it leaves open stays the server's own choice."""
        asked = {
            "RTLAB_FANOUT": planned.fanout,
            "RTLAB_COALESCE_MS": f"{planned.coalesce_ms:g}" if planned.coalesce_ms else "",
        }
        return replace(
            self,
            variables={**self.variables, **{name: value for name, value in asked.items() if value}},
            arguments=(*self.arguments, *(("--loop", planned.loop) if planned.loop else ())),
            deflate=self.deflate or planned.deflate,
            tls=self.tls or planned.tls,
        )

    def stamping(self, folder: Path) -> ServerSettings:
        """Return these settings for a server that writes the steps of its events into `folder` when it ends."""
        return replace(self, variables={**self.variables, "RTLAB_STAMPS": str(folder.resolve())})

    def recorded(self) -> dict[str, str]:
        """Return the RTLAB_* settings as they stand in the manifest (without the secret)."""
        return {"RTLAB_RATE": "0", "RTLAB_DRAIN_SECONDS": f"{self.drain_s:g}", **self.variables}


def free_port(host: str = HOST) -> int:
    """Return a TCP port that is free right now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def listens(port: int, timeout_s: float, has_ended: Callable[[], bool]) -> bool:
    """Wait until a port of this machine takes connections; False when its process has ended or time is over."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s and not has_ended():
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return True
        time.sleep(_POLL_S)
    return False


class Server(AbstractContextManager["Server"]):
    """One server process. A context manager: leaving it ends the process."""

    def __init__(
        self,
        transport: str,
        settings: ServerSettings,
        *,
        log: Path,
        on_cores: frozenset[int] = frozenset(),
        port: int | None = None,
        route: Route = LOOPBACK_ROUTE,
        secret: str = "",
    ) -> None:
        """Start the server without waiting for it, where `route` leads; without a secret it makes its own."""
        self.transport = transport
        self.port = free_port() if port is None else port
        self.secret = secret or secrets.token_hex(32)
        self.instances: frozenset[str] = frozenset()  # ids; known once the server is ready
        self._settings = settings
        self._route = route
        self._quota: Quota | None = None
        self._child = Child(self._command(), log=log, environment=settings.environment(self.secret), on_cores=on_cores)

    def _command(self) -> list[str]:
        settings = self._settings
        switches = [*(["--deflate"] if settings.deflate else []), *(["--tls"] if settings.tls else [])]
        scaling = settings.scaling.arguments if settings.scaling else ()
        return [
            *self._route.prefix, *settings.command, self.transport,
            "--host", self._route.bind, "--port", str(self.port), *switches, *settings.arguments, *scaling,
        ]  # fmt: skip

    @property
    def near_url(self) -> str:
        """The server's base URL for clients beside it, not over the link."""
        return f"{self._scheme}://{self._route.near}:{self.port}"

    @property
    def url(self) -> str:
        """The server's base URL for the clients that are measured: over the link, where there is one."""
        host, port = self._route.far or (self._route.near, self.port)
        return f"{self._scheme}://{host}:{port}"

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of a GET beside the link; OSError when the server can't be reached."""
        (found,) = instances.answers(self._route.near, self.port, path, tls=self._settings.tls)
        return found

    @property
    def _scheme(self) -> str:
        return "https" if self._settings.tls else "http"

    def wait_ready(self, check: Callable[[], None], timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until every instance answers `/health` with 200; ServerError when the process ends or time is over.

        `check` is called while waiting and may raise. Several instances get more time than `timeout_s`.
        """
        wanted = self._settings.instances
        timeout_s += _READY_S_PER_INSTANCE * (wanted - 1)
        deadline = time.monotonic() + timeout_s
        met: set[str] = set()
        while True:
            check()
            self.check_alive()
            try:
                status, body = self.get("/health")
            except OSError:
                status = 0
            if status == 200:
                met.add(instances.name(body))
            if len(met) == wanted:
                self.instances = frozenset(met)
                self._hold()
                return
            if time.monotonic() > deadline:
                some = f" ({len(met)} of {wanted} instances were)" if wanted > 1 else ""
                raise ServerError(f"the {self.transport} server was not ready within {timeout_s:g} s{some}")
            time.sleep(_POLL_S)

    def _hold(self) -> None:
        """Hold the ready server to its share: to import at a fifth of the speed would help nobody."""
        if self._settings.cpu_percent is None or self._quota is not None:
            return
        try:
            self._quota = Quota(self._settings.cpu_percent)
            self._quota.hold(self.processes())
        except QuotaError as error:
            raise ServerError(f"the server can't be held to {self._settings.cpu_percent:g} %: {error}") from None

    def throttled_ns(self) -> int:
        """Return how long its share kept it from running so far."""
        return 0 if self._quota is None else self._quota.throttled_ns()

    def check_alive(self) -> None:
        """Raise ServerError if the process has ended, with its last words."""
        code = self._child.exit_code()
        if code is not None:
            said = self._child.last_line()
            raise ServerError(f"the {self.transport} server died (exit code {code})" + (f": {said}" if said else ""))

    def port_was_taken(self) -> bool:
        """Whether the process ended because somebody else took the port first."""
        return self._child.exit_code() is not None and _ADDRESS_TAKEN in self._child.log_text().lower()

    def describe(self) -> dict[str, str | int | float | bool]:
        """Return what `/health` says of the server besides its status, in snake case; empty if it says nothing."""
        try:
            status, body = self.get("/health")
            said = msgspec.json.decode(body, type=dict[str, object])
        except (OSError, msgspec.MsgspecError):
            return {}
        names = {
            "tcpNodelay": "tcp_nodelay",
            "deflate": "deflate",
            "sink": "sink",
            "writes": "writes",
            "http": "http",
            "ws": "ws",
        }
        return {
            name: value
            for key, name in names.items()
            if status == 200 and isinstance(value := said.get(key), str | int | float | bool)
        }

    def processes(self) -> tuple[int, ...]:
        """Return the pids of the server and of what it started; empty once it has ended."""
        try:
            process = psutil.Process(self._child.pid)
            return (process.pid, *(child.pid for child in process.children(recursive=True)))
        except psutil.NoSuchProcess:
            return ()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server, and do not wait for what comes of it."""
        os.kill(self._child.pid, number)

    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self._child.exit_code() is not None

    def stop(self) -> int:
        """End the server, bounded by its drain time and a little more; return its exit code."""
        if self._quota is not None:
            self._quota.close()
            self._quota = None
        return self._child.stop(self._settings.drain_s + 2.0)

    def __exit__(self, *_: object) -> None:
        self.stop()
