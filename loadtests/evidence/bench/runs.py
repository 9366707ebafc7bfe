"""One run of the C load client against one system: deliveries under a load, idle memory, joins.

A join of a new user is an event for everybody in the room; a further tab of a user who is there is none. `client_busy`
in a result is the share of the time in which the client had work in hand: it must not be the bottleneck.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from core.catalogue import records, resolve
from loadtests.evidence.bench.started import Result, Running
from loadtests.evidence.bench.systems import MODE, System, compiled, contract_entry, contract_token
from loadtests.load.clients.base import Access, Endpoint
from loadtests.load.clients.tls import client_context
from loadtests.records.errors import LabError
from loadtests.run.process import end_with_us, running_on
from loadtests.run.servers import HOST

AT_ONCE: Final = 256  # connections on their way in at any moment
_JOINS_LIMIT_S: Final = 300.0  # twice the load client's own limit, and quiet before and after
_STALLED_RECEIVE_BYTES: Final = 4096  # the kernel rounds it up; small, so that the server's side fills soon
_CONNECT_S: Final = 20.0
_READ_BYTES: Final = 65_536
_SLACK_S: Final = 90.0  # connecting, settling and draining, at the most


@dataclass(frozen=True)
class Load:
    """What the client does: a window of messages in flight, or an open-loop rate; or only memory."""

    subscribers: int
    window: int = 0
    rate_per_s: float = 0.0
    payload_bytes: int = 128
    memory: bool = False
    stalled: int = 0  # further subscribers that never read
    rooms: int = 0  # that the subscribers are spread over, POSTs to each; 0: one room, and its transport's own upstream
    measured_s: float = 1.2
    warm_up_s: float = 0.4

    @property
    def name(self) -> str:
        """Short, unique among the loads of a bench."""
        if self.memory:
            return f"memory-{self.subscribers}"
        pace = f"w{self.window}" if self.window else f"r{self.rate_per_s:.4g}"
        stalled = f"-{self.stalled}stalled" if self.stalled else ""
        rooms = f"-{self.rooms}rooms" if self.rooms else ""
        return f"n{self.subscribers}-{pace}-{self.payload_bytes}B{rooms}{stalled}"

    def arguments(self) -> list[str]:
        """Of the load client."""
        arguments = ["-n", str(self.subscribers), "--size", str(self.payload_bytes)]
        arguments += ["--dur", str(self.measured_s), "--warm", str(self.warm_up_s)]
        if self.rooms:
            arguments += ["--rooms", str(self.rooms)]
        if self.memory:
            return [*arguments, "--mem"]
        if self.window:
            return [*arguments, "--window", str(self.window)]
        return [*arguments, "--rate", str(self.rate_per_s)]


def run_once(system: System, server: Running, transport: str, load: Load, cores: frozenset[int]) -> Result:
    """What the client printed: deliveries per second `dps`, `us_per_del` of server CPU, percentiles, `missing`, ….

    Raises LabError when it could not run.
    """
    client = system.rooms_client if load.rooms else system.client
    if client is None:
        raise LabError(f"{system.name} has one room; {load.name} is for several")
    with ExitStack() as held:
        for _ in range(load.stalled):
            held.enter_context(idle(transport, server.port, _STALLED_RECEIVE_BYTES))
        arguments = [*client(transport), *load.arguments()]
        limit_s = load.measured_s + load.warm_up_s + _SLACK_S
        what = f"{system.name} {transport} {load.name}"
        return client_result(what, server, transport, arguments, cores, limit_s)


def client_result(
    what: str,
    server: Running,
    transport: str,
    arguments: list[str],
    cores: frozenset[int],
    limit_s: float,
) -> Result:
    """Run a load client against a server and read what it prints. Raises LabError, naming `what`."""
    command = client_command("loadgen", server, transport, arguments)
    try:
        with running_on(cores):
            done = subprocess.run(  # noqa: S603
                command, capture_output=True, text=True, check=False, timeout=limit_s, preexec_fn=end_with_us()
            )
    except subprocess.TimeoutExpired:
        raise LabError(f"{what}: the client did not end in {limit_s:g} s") from None
    if done.returncode or not done.stdout.strip():
        raise LabError(f"{what}: {(done.stderr or done.stdout).strip()[-300:]}")
    result: Result = msgspec.json.decode(done.stdout.strip().splitlines()[-1])
    return result


def client_command(program: str, server: Running, transport: str, arguments: list[str]) -> list[str]:
    """What starts a load client against a server, and has it count the CPU of that server."""
    command = [str(compiled(program)), "--mode", MODE[transport], "--port", str(server.port)]
    return [*command, "--pids", ",".join(map(str, server.pids)), *arguments]


@dataclass(frozen=True)
class Joins:
    """`joiners` join as fast as they are admitted, to a room that `before` connections of another user listen to."""

    joiners: int
    before: int = 0
    tabs: bool = False  # all of them are one user's

    @property
    def name(self) -> str:
        """Short, unique among the loads of a bench."""
        into = f"-into-{self.before}" if self.before else ""
        return f"joins-{self.joiners}{into}{'-tabs' if self.tabs else ''}"

    @property
    def users(self) -> int:
        """How many different ones come in all."""
        return 1 if self.tabs else self.joiners + (self.before > 0)


def join_once(system: System, server: Running, transport: str, load: Joins, cores: frozenset[int]) -> Result:
    """What the client printed: `connects_per_s`, `us_per_join` of server CPU, `p99us` from SYN to welcome, ….

    After 30 s the client counts the members, as `n`. `missing` are the `user_joined` that the first member did not
    receive, its own aside. Raises LabError.
    """
    with tempfile.TemporaryDirectory(prefix="rtlab-joins-") as folder:
        tokens = Path(folder) / "tokens"
        there = [contract_token()] * (1 if load.tabs else load.before)
        new = [] if load.tabs else [contract_token(f"u{index}") for index in range(load.joiners)]
        tokens.write_text("".join(f"{token}\n" for token in there + new))
        arguments = [*contract_entry(transport, "r", "%T"), "--tokens", str(tokens), "--joins"]
        arguments += ["-n", str(load.joiners), "--before", str(load.before), "--joinflight", str(AT_ONCE)]
        # Whether it receives its own depends on the transport: a stream does, a poll starts after it.
        expected = load.users - 1
        arguments += ["--expect", str(expected)]
        what = f"{system.name} {transport} {load.name}"
        result = client_result(what, server, transport, arguments, cores, _JOINS_LIMIT_S)
    late = load.joiners - result["n"]
    result["missing"] = max(0, expected - late - result["seen_joined"])
    return result


@cache
def _tls() -> ssl.SSLContext:  # to make one takes as long as many connections
    return client_context(HOST, "http/1.1")


@contextmanager
def idle(transport: str, port: int, receive_bytes: int = 0, *, tls: bool = False) -> Iterator[None]:
    """Hold one welcomed connection of the bench's user that reads no more; a poll's next one is held by the server.

    `receive_bytes` is the size of its receive buffer, 0 the kernel's own choice. Raises LabError when it is refused.
    """
    client = resolve(records()[transport].load.client)(Access(Endpoint(HOST, port, tls), "r", contract_token()))
    with ExitStack() as held:
        connection = held.enter_context(socket.socket())
        connection.settimeout(_CONNECT_S)
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.connect((HOST, port))
        if tls:
            connection = held.enter_context(_tls().wrap_socket(connection))
        connection.sendall(client.opening())
        while not client.welcomed:
            data = connection.recv(_READ_BYTES)
            if not data or client.closed is not None:
                raise LabError(f"the server refused a {transport} connection: {client.closed}")
            client.feed(data)
            connection.sendall(client.take_outgoing())
        yield
