"""Many small rooms: chat by WebSocket both ways, or POSTs to streams and polls, one message in flight in each room.

A room's next message is published when all members have the last one and its sender the ack, where the system sends
acks. The closed loop keeps the server busy, so that CPU per message is the inverse of throughput. Every event is
checked: who gets it, once, in order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from loadtests.evidence.bench.runs import client_result
from loadtests.evidence.bench.started import Result, Running, attempt, started, starting_s, up
from loadtests.evidence.bench.systems import System, contract_token
from loadtests.records.errors import LabError

_SLACK_S: Final = 45.0  # connecting and draining, at the most
_MARGINS_S: Final = 1.2


@dataclass(frozen=True)
class Rooms:
    """`rooms` of `members`; `rate_per_s` bounds the messages of all rooms together, 0: as fast as the server can."""

    rooms: int
    members: int
    rate_per_s: float = 0.0
    measured_s: float = 1.2
    warm_up_s: float = 0.5

    @property
    def name(self) -> str:
        """Short, unique among the loads of a bench."""
        pace = f"-r{self.rate_per_s:g}" if self.rate_per_s else ""
        return f"rooms-{self.rooms}x{self.members}{pace}"

    @property
    def expected_s(self) -> float:
        """About how long it takes on a quiet machine once the server runs."""
        return self.measured_s + self.warm_up_s + _MARGINS_S

    def arguments(self) -> list[str]:
        """Of the load client."""
        arguments = ["--rooms", str(self.rooms), "--members", str(self.members)]
        arguments += ["--dur", str(self.measured_s), "--warm", str(self.warm_up_s)]
        return [*arguments, "--rate", str(self.rate_per_s)] if self.rate_per_s else arguments


@dataclass(frozen=True)
class RoomsGroup:
    """Loads that run on one server after the other, on each system and transport."""

    name: str
    transports: tuple[str, ...]
    systems: tuple[str, ...]  # in the order in which they run: ratios are of neighbours
    loads: tuple[Rooms, ...]
    rarely: tuple[str, ...] = ()  # who runs in the first repeat only: no bar asks for them
    once: bool = False

    @property
    def load_names(self) -> list[str]:
        """Of its results."""
        return [load.name for load in self.loads]

    def expected_s(self, names: Collection[str]) -> float:
        """About how long it takes on a quiet machine, for these systems on one transport."""
        return starting_s(names) + len(names) * sum(load.expected_s for load in self.loads)

    def run(
        self, systems: Sequence[System], transport: str, server_cores: frozenset[int], client_cores: frozenset[int]
    ) -> Iterator[tuple[str, str, Result | LabError]]:
        """What the client printed for each load on each system: `us_per_msg` of server CPU, `mps`, `missing`, ….

        The loads are outermost, so that what is compared runs close together.
        """
        with started(systems, server_cores) as servers:
            for load in self.loads:
                for system, server in zip(systems, servers, strict=True):
                    work = partial(_run_alone, system, transport, load, server, client_cores)
                    yield load.name, system.name, attempt(work)


def _run_alone(
    system: System, transport: str, load: Rooms, server: Running | LabError, cores: frozenset[int]
) -> Result:
    return run_on(system, transport, load, [up(server)], cores)


def run_on(system: System, transport: str, load: Rooms, instances: Sequence[Running], cores: frozenset[int]) -> Result:
    """As `RoomsGroup.run`, on what runs already: one instance of a system, or two that share rooms."""
    if system.member_client is None:
        raise LabError(f"{system.name} has no rooms of its own; {load.name} is for those that have")
    # The name of the load keeps the rooms of one run apart from those of the next on the same server.
    client = [word.replace("%L", load.name) for word in system.member_client(transport)]
    server = Running(instances[0].port, tuple(pid for each in instances for pid in each.pids))
    arguments = [*client, *load.arguments(), "--port2", str(instances[-1].port)]
    what, limit_s = f"{system.name} {transport} {load.name}", load.expected_s + _SLACK_S
    with tempfile.NamedTemporaryFile("w", prefix="rtlab-tokens-") as tokens:
        tokens.writelines(f"{contract_token(f'u{each}')}\n" for each in range(load.rooms * load.members))
        tokens.flush()
        arguments += ["--tokens", tokens.name]
        return client_result(what, server, transport, arguments, cores, limit_s, "roomgen")
