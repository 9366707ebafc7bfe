"""The groups of a bench, each of which can run alone, and what runs in which."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Sequence
from typing import Final, Protocol

from loadtests.evidence.bench.idle import IdleGroup
from loadtests.evidence.bench.redis_load import RedisGroup
from loadtests.evidence.bench.redis_script import ScriptGroup
from loadtests.evidence.bench.rooms import Rooms, RoomsGroup
from loadtests.evidence.bench.started import Result
from loadtests.evidence.bench.systems import PLAIN, TRANSPORTS, System
from loadtests.records.errors import LabError

GROUPS: Final = ("rooms", "post", "redis", "memory", "floor", "nchan", "joins", "p99")
_OURS: Final = ("direct", "portable")
_BESIDE_PLAIN: Final = ("direct", PLAIN, "portable")
# node compiles what it runs often, which takes a while.
_CHATS: Final = (Rooms(250, 2, warm_up_s=1.0), Rooms(100, 5, measured_s=0.2), Rooms(100, 10))
_POSTS: Final = (Rooms(250, 1, measured_s=0.3), Rooms(100, 10, measured_s=0.3))
_YARDSTICKS: Final = (Rooms(250, 2, measured_s=0.3), Rooms(100, 10, measured_s=0.3))
_STEADY: Final = Rooms(250, 2, rate_per_s=4000.0)  # a server that is not always busy, where it can do more
_IDLE: Final = (500, 2000)


class Batch(Protocol):
    """Several results of one start of servers."""

    @property
    def name(self) -> str:
        """Whose time it takes."""

    @property
    def transports(self) -> tuple[str, ...]:
        """On which it runs."""

    @property
    def systems(self) -> tuple[str, ...]:
        """Of whom, where they can be had; in this order."""

    @property
    def rarely(self) -> tuple[str, ...]:
        """Those of them that run in the first repeat only: no bar asks for them."""

    @property
    def once(self) -> bool:
        """Whether it runs in the first repeat only."""

    @property
    def passes(self) -> int:
        """How often each system is measured in a repeat."""

    def expected_s(self, names: Collection[str]) -> float:
        """About how long it takes on a quiet machine, for these systems on one transport."""

    def run(
        self, systems: Sequence[System], transport: str, server_cores: frozenset[int], client_cores: frozenset[int]
    ) -> Iterator[tuple[str, str, int, Result | LabError]]:
        """The names of its loads and of systems, the number of the pass, and what was found, or why nothing was."""


def systems_in(batch: Batch, repeat: int, found: Container[str]) -> list[str]:
    """Who runs in a repeat of a batch; nobody in those that it leaves out."""
    if batch.once and repeat:
        return []
    return [name for name in batch.systems if name in found and (repeat == 0 or name not in batch.rarely)]


def batches(groups: Collection[str], extent: str = "default") -> list[Batch]:
    """What these groups run on one server after the other; the rest of a bench are `matrix.cases`."""
    found: list[Batch] = []
    if "rooms" in groups:
        # Those whose ratios are bars are at most two slices apart.
        systems = ("ws, node", "Socket.IO, node", *_BESIDE_PLAIN, "python-socketio")
        loads = (*_CHATS, _STEADY) if extent == "full" else _CHATS
        found.append(RoomsGroup("rooms", ("websocket",), systems, loads, rarely=systems[-1:]))
    if "post" in groups:
        found.append(RoomsGroup("post", ("sse", "longpoll"), _BESIDE_PLAIN, _POSTS, _YARDSTICKS))
    if "redis" in groups:
        found += [RedisGroup(("direct", "python-socketio", PLAIN)), ScriptGroup()]
    if "memory" in groups and extent != "quick":
        found += [IdleGroup(TRANSPORTS, _OURS, _IDLE, tls) for tls in (False, True)]
    return found
