"""Many small rooms: chat by WebSocket both ways, or POSTs to streams and polls, one message in flight in each room.

A room's next message is published when all members have the last one and its sender the ack, where the system sends
acks. The closed loop keeps the server busy, so that CPU per message is the inverse of throughput. Every event is
checked: who gets it, once, in order.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import msgspec

from loadtests.evidence.bench.runs import client_command
from loadtests.evidence.bench.slices import Measure, Meter, forth_and_back, meter
from loadtests.evidence.bench.started import Result, Running, started, starting_s, up
from loadtests.evidence.bench.systems import PLAIN, System, contract_token
from loadtests.records.errors import LabError
from loadtests.run.process import end_with_us, running_on

PASSES: Final = 4  # forth, back, forth, back
_SLACK_S: Final = 45.0  # connecting and draining, at the most
_CONNECT_S: Final = 0.75
_AROUND_S: Final = 0.14  # a slice: what does not count, and until the server is idle


@dataclass(frozen=True)
class Rooms:
    """`rooms` of `members`; `rate_per_s` bounds the messages of all rooms together, 0: as fast as the server can.

    A slice is `measured_s` long. The warm-up comes before the first slice only: the members stay connected.
    """

    rooms: int
    members: int
    rate_per_s: float = 0.0
    measured_s: float = 0.4
    warm_up_s: float = 0.3

    @property
    def name(self) -> str:
        """Short, unique among the loads of a bench."""
        pace = f"-r{self.rate_per_s:g}" if self.rate_per_s else ""
        return f"rooms-{self.rooms}x{self.members}{pace}"

    @property
    def yardstick_name(self) -> str:
        """Of the same load where it is measured to scale others by."""
        return f"{self.name}-yardstick"

    def expected_s(self, passes: int) -> float:
        """About how long it takes on a quiet machine once the server runs."""
        return _CONNECT_S + self.warm_up_s + passes * (self.measured_s + _AROUND_S)

    def arguments(self) -> list[str]:
        """Of the load client."""
        arguments = ["--rooms", str(self.rooms), "--members", str(self.members), "--warm", str(self.warm_up_s)]
        return [*arguments, "--rate", str(self.rate_per_s)] if self.rate_per_s else arguments


@dataclass(frozen=True)
class RoomsGroup:
    """Loads on each system and transport: one load after the other, on all systems forth and back."""

    name: str
    transports: tuple[str, ...]
    systems: tuple[str, ...]  # in their order: who are compared are neighbours
    loads: tuple[Rooms, ...]
    yardsticks: tuple[Rooms, ...] = ()  # one beside each load, of plain Starlette by WebSocket
    rarely: tuple[str, ...] = ()  # who runs in the first repeat only: no bar asks for them
    once: bool = False
    passes: int = PASSES

    @property
    def load_names(self) -> list[str]:
        """Of its results."""
        return [*(load.name for load in self.loads), *(load.yardstick_name for load in self.yardsticks)]

    def expected_s(self, names: Collection[str]) -> float:
        """About how long it takes on a quiet machine, for these systems on one transport."""
        loads_s = len(names) * sum(load.expected_s(self.passes) for load in self.loads)
        if PLAIN in names:
            loads_s += sum(load.expected_s(self.passes) for load in self.yardsticks)
        return starting_s(names) + loads_s

    def run(
        self, systems: Sequence[System], transport: str, server_cores: frozenset[int], client_cores: frozenset[int]
    ) -> Iterator[tuple[str, str, int, Result | LabError]]:
        """What the client printed for each load on each system: `us_per_msg` of server CPU, `mps`, `missing`, ….

        The loads are outermost, so that what is compared runs close together.
        """
        with started(systems, server_cores) as servers:
            pairs = list(zip(systems, servers, strict=True))
            for number, load in enumerate(self.loads):
                with ExitStack() as held:
                    meters = [
                        yardstick(held, beside, system, server, client_cores)
                        for beside in self.yardsticks[number : number + 1]
                        for system, server in pairs
                        if system.name == PLAIN
                    ]
                    for system, server in pairs:
                        opened = connected(system, transport, load, load.name, [server], client_cores)
                        meters.append(meter(held, load.name, system.name, opened))
                    yield from forth_and_back(meters, self.passes)


def yardstick(held: ExitStack, load: Rooms, system: System, server: Running | LabError, cores: frozenset[int]) -> Meter:
    """What a message costs a system by WebSocket, to be measured beside what is scaled by it."""
    opened = connected(system, "websocket", load, load.yardstick_name, [server], cores)
    return meter(held, load.yardstick_name, system.name, opened)


@contextmanager
def connected(
    system: System,
    transport: str,
    load: Rooms,
    name: str,
    instances: Sequence[Running | LabError],
    cores: frozenset[int],
) -> Iterator[Measure]:
    """Connect all members to a system, or to two instances that share rooms, and warm up. Raises LabError.

    `name` keeps these rooms apart from others on the same server.
    """
    if system.member_client is None:
        raise LabError(f"{system.name} has no rooms of its own; {load.name} is for those that have")
    servers = [up(each) for each in instances]
    server = Running(servers[0].port, tuple(pid for each in servers for pid in each.pids))
    client = [word.replace("%L", name) for word in system.member_client(transport)]
    with tempfile.NamedTemporaryFile("w", prefix="rtlab-tokens-") as tokens:
        tokens.writelines(f"{contract_token(f'u{each}')}\n" for each in range(load.rooms * load.members))
        tokens.flush()
        arguments = [*client, *load.arguments(), "--port2", str(servers[-1].port), "--tokens", tokens.name]
        command = client_command("roomgen", server, transport, arguments)
        with _asked(f"{system.name} {transport} {name}", command, cores) as ask:
            ask("", load.warm_up_s + _SLACK_S)
            yield lambda: msgspec.json.decode(ask(f"{load.measured_s}\n", load.measured_s + _SLACK_S))


@contextmanager
def _asked(what: str, command: list[str], cores: frozenset[int]) -> Iterator[Callable[[str, float], str]]:
    """Start a program; what is yielded writes to it and reads a line, within some seconds. Raises LabError."""
    pipe = subprocess.PIPE
    with running_on(cores):
        program = subprocess.Popen(  # noqa: S603
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, preexec_fn=end_with_us()
        )

    def ask(words: str, limit_s: float) -> str:
        if program.stdin is None or program.stdout is None or program.stderr is None:
            raise LabError(f"{what}: the client has no pipes")
        killing = threading.Timer(limit_s, program.kill)
        killing.start()
        try:
            print(words, end="", file=program.stdin, flush=True)
            line = program.stdout.readline()
        finally:
            killing.cancel()
        if not line:
            why = program.stderr.read().strip()[-300:]
            raise LabError(f"{what}: {why or f'the client did not answer within {limit_s:g} s'}")
        return line

    try:
        yield ask
    finally:
        program.kill()
        program.communicate()
