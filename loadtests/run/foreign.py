"""Foreign servers, which are addressed through an adapter; and those that run already and are left as they are.

`loadtests.run.started` starts those whose adapter says how.
"""

from __future__ import annotations

import http.client
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from loadtests.load.clients.base import AddressError, Endpoint, parse_endpoint
from loadtests.load.clients.foreign import require_classes
from loadtests.load.clients.tls import client_context
from loadtests.records import adapter as adapters
from loadtests.records.adapter import Adapter
from loadtests.records.cell_spec import CHAT
from loadtests.records.errors import AdapterError, ServerError, UsageError
from loadtests.records.link_spec import LOOPBACK
from loadtests.records.own_server import FILE, TREE
from loadtests.run import procfs
from loadtests.run.scenario import CUT, CellPlan, Scenario

TOKEN_VARIABLE = "RTLAB_TARGET_TOKEN"  # noqa: S105  # the variable's name
FORWARDS = (
    "the process that listens on the target forwards to another server: its CPU and memory are not that server's, and "
    "are left out"
)
CHANGED = "processes of the server began or ended while it was measured: its CPU and memory are of those at the start"
KINDS = ("latency", "fan-out", "memory", "capacity", CUT)
LOOPBACK_HOST = "127.0.0.1"
_ONE_TARGET = "give it once, with one --adapter; of several servers each adapter's file says `target` or [server]"

_POLL_S = 0.1
_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Foreign:
    """One foreign server as one adapter speaks to it."""

    host: str
    port: int
    adapter: Adapter
    token: str = field(default="", repr=False)
    secure: bool = False

    @property
    def endpoint(self) -> Endpoint:
        """Where the server listens."""
        return Endpoint(self.host, self.port, self.secure)

    @property
    def url(self) -> str:
        """The server's base URL."""
        return self.endpoint.url

    def ask(self, timeout_s: float) -> http.client.HTTPConnection:
        """Return an HTTP connection to it, which is not open yet. Raises OSError for a CA file that can't be read."""
        if not self.secure:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        context = client_context(self.host, "http/1.1", self.adapter.tls_verify)
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout_s, context=context)

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

    @property
    def place(self) -> str:
        """Who runs it, without its address."""
        if self.adapter.server is not None:
            return "started by the lab"
        return "this machine" if self.is_here else "another machine"

    def processes(self) -> tuple[int, ...]:
        """Return the pids of the server's processes, if it is on this machine and they can be seen.

        They are all that hold its listening socket, the parent and the workers of a prefork server, and their children;
        or those that the adapter names, and theirs. Raises ServerError where it names none that lives.
        """
        if self.adapter.pids != TREE:
            return named(self.adapter)
        return procfs.processes(procfs.addresses(self.host, self.port), self.port) if self.is_here else ()


def named(adapter: Adapter) -> tuple[int, ...]:
    """Return the processes that an adapter names itself, and all that they started. Raises ServerError."""
    pids = adapter.pids
    if isinstance(pids, str):
        try:
            pids = tuple(int(word) for word in Path(pids.removeprefix(FILE)).read_text(encoding="ascii").split())
        except (OSError, ValueError) as error:
            raise ServerError(f"pids of the adapter {adapter.name}: {error}") from None
    if not (found := procfs.trees(pids)):
        words = " ".join(map(str, pids)) or "no pid"
        raise ServerError(f"pids of the adapter {adapter.name} names {words}: no such process lives")
    return found


def selected(urls: Sequence[str], names: Sequence[str]) -> tuple[Foreign, ...]:
    """Return what `--target URL --adapter NAME …` asks for; nothing without an adapter. Raises UsageError.

    An adapter's file says where its server is, or how to start it; `--target` says where for one adapter that does not.
    """
    if len(urls) > 1:
        raise UsageError(f"--target is given {len(urls)} times: {_ONE_TARGET}")
    if urls and not names:
        raise UsageError(
            f"--target {urls[0]} needs --adapter: a TOML file or one of {', '.join(adapters.FILES.named())}"
        )
    if urls and len(names) > 1:
        raise UsageError(f"--target is given with {len(names)} adapters: {_ONE_TARGET}")
    asked = _endpoint("--target", urls[0]) if urls else None
    return tuple(_addressed(each, name, asked) for name in names for each in _found(name))


def _found(name: str) -> tuple[Adapter, ...]:
    try:
        return adapters.find(name)
    except AdapterError as error:
        raise UsageError(f"--adapter: {error}") from None


def _addressed(adapter: Adapter, name: str, asked: Endpoint | None) -> Foreign:
    """Return the server that an adapter speaks to: where it says itself, or where `--target` says."""
    server = adapter.server
    if asked is not None and (adapter.target or server is not None):
        says = "where its server is" if adapter.target else "how its server is started"
        raise UsageError(f"--target is given, and the adapter {adapter.name} says {says}: leave --target out")
    if asked is None and not adapter.target and server is None:
        raise UsageError(f"--adapter {name} needs --target URL, or `target` or [server] in its file")
    at = _endpoint(f"the adapter {adapter.name}'s target", adapter.target) if adapter.target else asked
    made = Foreign(
        at.host if at else LOOPBACK_HOST, at.port if at else 0, adapter, _token(adapter), bool(at and at.secure)
    )
    _require_usable(made)
    if server is not None and not made.is_here:
        raise UsageError(
            f"the adapter {adapter.name} has [server], which the lab starts on this machine, and its target is "
            f"{adapter.target}: give an address of this machine, or leave [server] out"
        )
    return made


def _require_usable(server: Foreign) -> None:
    """Raise UsageError for a class or a certificate that the adapter names and that can't be had."""
    try:
        require_classes(server.adapter)
        if server.secure:
            client_context(server.host, "http/1.1", server.adapter.tls_verify)
    except (AdapterError, OSError) as error:
        what = "" if isinstance(error, AdapterError) else f"tls_verify is {server.adapter.tls_verify}: "
        raise UsageError(f"the adapter {server.adapter.name}: {what}{error}") from None


def _token(adapter: Adapter) -> str:
    """Return the token that an adapter sends: that of its own variable, else the one of all; empty if it sends none."""
    if not adapter.wants_token:
        return ""
    own = f"{TOKEN_VARIABLE}_{adapter.name.upper().replace('-', '_')}"
    token = os.environ.get(own) or os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        raise UsageError(f"the adapter {adapter.name} sends a token: give it in {TOKEN_VARIABLE}, or in {own}")
    if not (token.isascii() and token.isprintable()):
        raise UsageError(f"{TOKEN_VARIABLE} holds other than printable ASCII")
    return token


def require_measurable(scenario: Scenario, servers: Sequence[Foreign]) -> None:
    """Raise UsageError for a cell that no foreign server can be asked for, and for a server that no cell is for."""
    for server in servers:
        cells = [cell for cell in scenario.cells if not cell.transports or server.adapter.name in cell.transports]
        if not cells:
            raise UsageError(f"no cell of the scenario {scenario.name} is for the adapter {server.adapter.name}")
        for cell in cells:
            _require_measurable(cell, server)


def _require_measurable(cell: CellPlan, server: Foreign) -> None:
    load, name = f"the load {cell.load.name}", server.adapter.name
    if cell.kind not in KINDS:
        raise UsageError(f"{load} is of the kind {cell.kind}, which only our own servers have")
    for setting in ("fanout", "loop", "coalesce_ms", "deflate", "tls"):
        if value := getattr(cell, setting):
            raise UsageError(f"{load} has {setting} {value}, which only our own servers have")
    if cell.link != LOOPBACK and server.adapter.server is None:
        raise UsageError(
            f"{load} has the link {cell.link}: the lab lays links only to servers it starts itself; say how in "
            f"[server] of the adapter {name}"
        )
    if cell.disrupt is not None and cell.resume and not server.adapter.subscribe.resumes:
        raise UsageError(
            f"{load} has disrupt with a resume, and the adapter {name} has none: set resume = false in the cell, or "
            "resumes = true in the adapter's [subscribe] if its server sends what a client missed"
        )
    if cell.load.direction == CHAT or (cell.load.publishers > 1):
        raise UsageError(
            f"{load} has {cell.load.publishers} publishers in a room; a foreign server is measured with one, "
            "since the order of several is not known"
        )
    if cell.load.rooms > 1 and (part := server.adapter.names_no_room):
        raise UsageError(
            f"{load} has {cell.load.rooms} rooms, and the adapter {name} names none in its "
            f"[{part}]: put {{room}} there, or measure one room"
        )
    if cell.kind == "memory" and server.adapter.server is None and not server.processes():
        raise UsageError(f"{load} measures memory, and no process of this machine is seen to listen on the target")


class ForeignServer(AbstractContextManager["ForeignServer"]):
    """A server that runs already, with the surface of `servers.Server` that a cell needs."""

    def __init__(self, foreign: Foreign) -> None:
        """Look up its processes; nothing is sent to it. Raises ServerError where the adapter names none that lives."""
        self.foreign = foreign
        self.port = foreign.port
        self.url = self.near_url = foreign.url
        self.instances: frozenset[str] = frozenset()
        self.forwards = False
        self._watch()

    def _watch(self) -> None:
        """Note the processes that are measured from now on, and their sockets."""
        self._pids = self._present()
        self._further = procfs.further_sockets(self._pids, self.port)

    def _present(self) -> tuple[int, ...]:
        """Return the pids of the processes that are the server's now."""
        return self.foreign.processes()

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
        if set(self._present()) != set(self._pids):
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
        with closing(self.foreign.ask(_TIMEOUT_S)) as connection:
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

    def throttled_ns(self) -> int:
        """Return 0: it is held to nothing."""
        return 0

    def stop(self) -> None:
        """Leave it running."""

    def __exit__(self, *_: object) -> None:
        self.stop()


def _endpoint(said_by: str, url: str) -> Endpoint:
    try:
        return parse_endpoint(url)
    except AddressError:
        said = "http://HOST[:PORT] or https:// is allowed; paths are the adapter's"
        raise UsageError(f"{said_by} {url!r}: {said}") from None
