"""What one cell asks of the generator, and what the generator answers; the objective of a load. Values only.

The lab writes a `CellSpec` as JSON, starts `python -m loadtests.load.users.generator SPEC OUT_DIR` and reads, line by
line, `Progress` objects from its standard output. In OUT_DIR the generator leaves `samples.parquet`,
`publishes.parquet` and, where subscribers are cut, `outages.parquet` (columns: `loadtests.records.schema`), and
`generator.json` (a `GeneratorResult`).

Two conventions of the pair: subscriber `i` listens in room `i % rooms` and publisher `j` publishes in room `j % rooms`
(both are the same user where every subscriber publishes); and the server may still be starting when the generator does,
so a refused connection is tried again until `connect_timeout_s` is over.
"""

from __future__ import annotations

import math

import msgspec

from loadtests.records.adapter import Adapter
from loadtests.records.disruption import Disruption
from loadtests.records.errors import ScenarioError
from loadtests.records.schema import WorkerClock

DOWNSTREAM, CHAT, ECHO = "downstream", "chat", "echo"
DIRECTIONS = (DOWNSTREAM, CHAT, ECHO)
"""Publishers are no subscribers; every subscriber of a room publishes too; each is alone in a room with itself."""


class Load(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many subscribe, and how much is published."""

    name: str  # e.g. "50x10"
    subscribers: int  # over all rooms
    rate_per_s: float  # publications per second and room; 0: nobody publishes
    rooms: int = 1
    publishers: int = 1  # per room; they share the room's rate
    payload_bytes: int = 128
    arrivals: str = "constant"  # "constant", "poisson" or "burst" (all of a second's messages at once)
    direction: str = DOWNSTREAM  # one of DIRECTIONS: who publishes
    poll_interval_s: float = 1.0  # short polling: the fixed grid
    poll_wait_s: float = 25.0  # long polling

    @property
    def users(self) -> int:
        """How many users the load needs when it publishes: there are publishers of their own only downstream."""
        return self.subscribers + (self.publishers * self.rooms if self.direction == DOWNSTREAM else 0)


class Slo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service level objective. A condition keeps it within both limits and without an invalid cell."""

    p99_ms: float  # delivery latency
    reach_percent: float = 100.0  # of the deliveries promised

    def check(self) -> None:
        """Raise ScenarioError unless the limits are ones that can be kept."""
        if not (math.isfinite(self.p99_ms) and self.p99_ms > 0):
            raise ScenarioError(f"slo.p99_ms is {self.p99_ms:g}; allowed: above 0")
        if not 0 < self.reach_percent <= 100:
            raise ScenarioError(f"slo.reach_percent is {self.reach_percent:g}; allowed: above 0, at most 100")


_GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, lie evenly spread for any number of users


def poll_phase(subscriber: int) -> float:
    """Return where on the short-poll grid a subscriber asks, as a share of the interval: at phase x interval, modulo
    the interval, of CLOCK_MONOTONIC."""
    return subscriber * _GOLDEN % 1


FOREIGN_USER = "ForeignUser"
"""The user class of every server that is not ours: what it says is in the cell's adapter."""


class CellSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cell, as the generator gets it."""

    cell: str  # schema.Cell.id
    user_class: str  # class name in loadtests.locustfile, e.g. "WebSocketUser"
    host: str  # "http://127.0.0.1:8001"
    publish_host: str = ""  # for users who only publish: beside the server, not over its link; empty: as `host`
    load: Load
    tokens: tuple[str, ...]  # one per user, subscribers first, then publishers; repeated if short
    room_names: tuple[str, ...]
    room_classes: tuple[str, ...] = ()  # the class of each room's users, where rooms differ: one publisher in each
    warm_up_s: float = 1.0
    measured_s: float = 4.0
    connect_timeout_s: float = 30.0
    connects_per_s: float = 1000.0
    grace_s: float = 1.0  # how long stragglers are awaited after the last publication
    seed: int = 1
    hold_s: float = 0.0  # memory cells: keep everybody connected this long, and publish nothing
    adapter: Adapter | None = None  # of a server that is not ours
    deflate: bool = False  # WebSocket clients offer permessage-deflate
    disrupt: Disruption | None = None  # subscribers are cut, and come back
    resume: bool = True  # a client that comes back says where it was


class Share(msgspec.Struct, frozen=True):
    """Which of a cell's users one of several Locust workers has: those whose number is `worker` modulo `workers`."""

    worker: int  # from 0
    workers: int


ALONE = Share(0, 1)


class Workers(msgspec.Struct, frozen=True, kw_only=True):
    """The Locust workers of a cell under one master: those of this machine, and those that come from elsewhere."""

    here: int
    elsewhere: int = 0  # `locust --worker --master-host BIND_HOST --master-port PORT`
    bind_host: str = "127.0.0.1"
    port: int = 0  # 0: any that is free
    sync_clocks: bool = False  # find the offset of each worker's clock to the master's
    patience_s: float = 0.0  # how long those from elsewhere are awaited, beside what a start takes

    @property
    def near_host(self) -> str:
        """The master's host for the workers of this machine."""
        return "127.0.0.1" if self.bind_host in ("0.0.0.0", "*") else self.bind_host  # noqa: S104  # compared only


ORDER_DESCRIPTORS = 3  # that go with an order: standard output, standard error, the socket for pid and exit code
ORDER_MOST_BYTES = 65_536


class ForkOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the lab sends to the fork server: one process to fork, and what a child of the lab would inherit."""

    module: str  # has `main(arguments) -> exit code`
    arguments: tuple[str, ...]
    folder: str  # the working directory
    cores: tuple[int, ...]  # to run on; empty: all
    open_files: int  # the soft limit


MEASURED = ("over", "held")
"""Events after which a generator measures nothing any more: the grace is over, or the idle connections were held."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the generator's standard output."""

    event: str  # "connecting", "connected", "measuring", "second", "over", "held", "done", "failed"
    message: str = ""
    connected: int = 0
    delivered: int = 0
    at_ns: int = 0  # CLOCK_MONOTONIC
    pids: tuple[int, ...] = ()  # of workers on this machine, where there are several: "connecting", "connected"


class SocketTotals(msgspec.Struct, frozen=True, kw_only=True):
    """TCP_INFO summed over the subscribers' sockets, growth during the measured phase; None: there is no TCP_INFO."""

    bytes_received: int | None
    bytes_sent: int | None
    segments_in: int | None
    segments_out: int | None
    header_bytes_in: int | None = None  # of IP and TCP, of all segments
    header_bytes_out: int | None = None
    acks: int | None = None  # of the segments in and out, those without data


class GeneratorSecond(msgspec.Struct, frozen=True, kw_only=True):
    """One second of the generator's own life."""

    t_ns: int
    phase: int
    cpu_percent: float
    rss_kib: float
    lag_ms: float  # worst lateness of a 10 ms tick of its hub


class GeneratorResult(msgspec.Struct, frozen=True, kw_only=True):
    """`generator.json`."""

    cell: str
    clock: str  # "kernel" or "user"
    subscribers_connected: int
    measured_from_ns: int  # scheduled instants in [from, to) belong to the measured phase
    measured_to_ns: int
    connect_ms: tuple[float, ...]  # one per subscriber: TCP connect to `welcome` or first poll answer
    sockets: SocketTotals | None
    seconds: tuple[GeneratorSecond, ...]
    hub_lag_ms_p99: float | None  # lateness of 10 ms ticks in the measured phase, those that a stall swallowed included
    cpu_s: float  # generator CPU in the measured phase
    refused: int  # publications answered by an error, measured phase
    told_gaps: int  # resync events and slow_consumer closes
    reconnects: int
    looked_at: int = 0  # deliveries parsed between the two looks that `sockets` and `cpu_s` are the growth of
    errors: dict[str, int] = {}  # why connections were cut or refused and publications not taken: text -> how often
    unanswered: int = 0  # publications without any answer at `until_ns`, measured phase
    until_ns: int | None = None  # when the grace ended, or whatever ended the cell before; None: it never began
    clock_steps: int = 0  # of the wall clock, measured phase
    strangers: int = 0  # deliveries whose publication another clock stamped, warm-up included
    worker: str = ""  # of several, which one it is: "worker 1", "worker 2 (host)"
    elsewhere: bool = False  # it was not started by the lab: it may be on another machine
    clocks: tuple[WorkerClock, ...] = ()  # of workers whose clock is not the master's
    clock_uncertainty_ms: float | None = None  # the worst of deliveries between two clocks; None: there are none
    workers: tuple[GeneratorResult, ...] = ()  # of what several workers found together, their own; empty: one process
