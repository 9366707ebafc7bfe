"""Foreign servers: they run already, are addressed through an adapter, and are never started, stopped or configured."""

from __future__ import annotations

import http.client
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field

import psutil

from loadtests.load.clients.base import AddressError, Endpoint, parse_endpoint
from loadtests.records import adapter as adapters
from loadtests.records.adapter import Adapter
from loadtests.records.cell_spec import CHAT
from loadtests.records.errors import AdapterError, ServerError, UsageError
from loadtests.run import procfs
from loadtests.run.scenario import Scenario

TOKEN_VARIABLE = "RTLAB_TARGET_TOKEN"  # noqa: S105  # the variable's name
FORWARDS = (
    "the process that listens on the target forwards to another server: its CPU and memory are not that server's, and "
    "are left out"
)
CHANGED = "processes of the server began or ended while it was measured: its CPU and memory are of those at the start"
KINDS = ("latency", "fan-out", "memory", "capacity")

_POLL_S = 0.1
_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Foreign:
    """One foreign server as one adapter speaks to it."""

    host: str
    port: int
    adapter: Adapter
    token: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """The server's base URL."""
        return Endpoint(self.host, self.port).url

    @property
    def is_here(self) -> bool:
        """Whether the server has an address of this machine."""
        own = {
            entry.address
            for entries in psutil.net_if_addrs().values()
            for entry in entries
            if entry.family in (socket.AF_INET, socket.AF_INET6)
        }
        return not own.isdisjoint(procfs.addresses(self.host, self.port))

    def processes(self) -> tuple[int, ...]:
        """Return the pids of the server's processes, if it is on this machine and they can be seen.

        They are all that hold its listening socket, the parent and the workers of a prefork server, and their children.
        """
        return procfs.processes(procfs.addresses(self.host, self.port), self.port) if self.is_here else ()


def selected(urls: Sequence[str], names: Sequence[str]) -> tuple[Foreign, ...]:
    """Return what `--target URL --adapter NAME …` asks for; nothing without both. Raises UsageError."""
    if not urls and not names:
        return ()
    if not urls:
        raise UsageError(f"--adapter {names[0]} needs --target URL")
    if len(urls) > 1:
        raise UsageError(f"--target is given {len(urls)} times: a run measures one foreign server; make a run for each")
    (url,) = urls
    if not names:
        raise UsageError(f"--target {url} needs --adapter: a TOML file or one of {', '.join(adapters.FILES.named())}")
    endpoint = _endpoint(url)
    try:
        found = [each for name in names for each in adapters.find(name)]
    except AdapterError as error:
        raise UsageError(f"--adapter: {error}") from None
    token = os.environ.get(TOKEN_VARIABLE, "")
    for each in found:
        if each.wants_token and not token:
            raise UsageError(f"the adapter {each.name} sends a token: give it in {TOKEN_VARIABLE}")
    if not (token.isascii() and token.isprintable()):
        raise UsageError(f"{TOKEN_VARIABLE} holds other than printable ASCII")
    return tuple(Foreign(endpoint.host, endpoint.port, each, token) for each in found)


def require_measurable(scenario: Scenario, servers: Sequence[Foreign]) -> None:
    """Raise UsageError for a cell that no foreign server can be asked for."""
    for cell in scenario.cells:
        load = f"the load {cell.load.name}"
        if cell.kind not in KINDS:
            raise UsageError(f"{load} is of the kind {cell.kind}, which only our own servers have")
        if cell.fanout:
            raise UsageError(f"{load} has fanout {cell.fanout}, which only our own servers have")
        if cell.link != "loopback":
            raise UsageError(f"{load} has the link {cell.link}: the lab lays links only to servers it starts itself")
        if cell.load.direction == CHAT or (cell.load.publishers > 1):
            raise UsageError(
                f"{load} has {cell.load.publishers} publishers in a room; a foreign server is measured with one, "
                "since the order of several is not known"
            )
        for server in servers if cell.load.rooms > 1 else ():
            if part := server.adapter.names_no_room:
                raise UsageError(
                    f"{load} has {cell.load.rooms} rooms, and the adapter {server.adapter.name} names none in its "
                    f"[{part}]: put {{room}} there, or measure one room"
                )
        if cell.kind == "memory" and not all(server.processes() for server in servers):
            raise UsageError(f"{load} measures memory, and no process of this machine is seen to listen on the target")


class ForeignServer(AbstractContextManager["ForeignServer"]):
    """A server that runs already, with the surface of `servers.Server` that a cell needs."""

    def __init__(self, foreign: Foreign) -> None:
        """Look up its processes; nothing is sent to it."""
        self.foreign = foreign
        self.port = foreign.port
        self.url = self.near_url = foreign.url
        self.instances: frozenset[str] = frozenset()
        self._pids = foreign.processes()
        self._further = procfs.further_sockets(self._pids, self.port)
        self.forwards = False

    def wait_ready(self, check: Callable[[], None], timeout_s: float = 5.0) -> None:
        """Wait until it takes a connection; ServerError when time is over."""
        deadline = time.monotonic() + timeout_s
        while True:
            check()
            try:
                socket.create_connection((self.foreign.host, self.port), _TIMEOUT_S).close()
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ServerError(f"nothing answers at {self.url}: {error.strerror or error}") from None
                time.sleep(_POLL_S)
            else:
                return

    def all_connected(self, subscribers: int) -> None:
        """Note whether what listens is a proxy: it then holds a connection of its own for each subscriber's, or half.

        A server's own connections, to its database say, do not grow with its subscribers.
        """
        opened = procfs.further_sockets(self._pids, self.port) - self._further
        self.forwards = opened >= min(subscribers, max(2, (subscribers + 1) // 2))

    def remarks(self) -> tuple[str, ...]:
        """Return the reasons against its figures, once the cell is over; each makes the cell doubtful."""
        if self.forwards:
            return (FORWARDS,)
        if set(self.foreign.processes()) != set(self._pids):
            return (CHANGED,)
        return ()

    def check_alive(self) -> None:
        """Raise ServerError if all its known processes are gone."""
        if self._pids and not any(psutil.pid_exists(pid) for pid in self._pids):
            raise ServerError(f"the server at {self.url} died")

    def port_was_taken(self) -> bool:
        """Never: it was there before."""
        return False

    def describe(self) -> dict[str, str | int | float | bool]:
        """Return what it says of itself in a `Server` header, and how many of its processes are watched."""
        with closing(http.client.HTTPConnection(self.foreign.host, self.port, timeout=_TIMEOUT_S)) as connection:
            try:
                connection.request("HEAD", "/")
                said = connection.getresponse().getheader("Server") or ""
            except (OSError, http.client.HTTPException):
                said = ""
        found: dict[str, str | int | float | bool] = {"processes_watched": len(self._pids)}
        return found | ({"software": said[:100]} if said.isprintable() and said else {})

    def get(self, path: str) -> tuple[int, bytes]:
        """Refuse: whatever is at `path` there, it is not ours to read."""
        raise ConnectionError(f"{path} is not asked of a foreign server")

    def processes(self) -> tuple[int, ...]:
        """Return the pids of its processes; empty where none can be seen."""
        return self._pids

    def __exit__(self, *_: object) -> None:
        """Leave it running."""


def _endpoint(url: str) -> Endpoint:
    try:
        endpoint = parse_endpoint(url)
    except AddressError:
        endpoint = None
    if endpoint is None or endpoint.secure:
        raise UsageError(f"--target {url!r}: http://HOST[:PORT] is allowed; paths are the adapter's")
    return endpoint
