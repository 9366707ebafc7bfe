"""One client of a storm: it follows one room, is cut with its instance, comes back, and checks every event's offset."""

from __future__ import annotations

import socket
import time
from _socket import socket as RawSocket  # noqa: N812
from collections.abc import Callable
from dataclasses import dataclass, field

from loadtests.load.clients import sockets, stamp
from loadtests.load.clients.base import Arrival, Client, Event, ProtocolError, offset_of
from loadtests.load.clients.polls import ShortPollClient
from loadtests.load.clients.sockets import RealtimeOffset
from loadtests.load.clients.tls import TlsPipe
from loadtests.load.storm.comeback import Comeback
from loadtests.load.storm.loop import READ, WRITE, Loop

_ATTEMPT_NS = 10_000_000_000  # an attempt without a welcome is given up then
_GRID_NS = 1_000_000_000  # short polling's
_READ_BYTES = 262_144


@dataclass(slots=True)
class Outage:
    """One cut of one client, in CLOCK_MONOTONIC ns; 0: not yet."""

    cut_ns: int
    welcome_ns: int = 0
    caught_up_ns: int = 0
    refused: int = 0  # attempts that no welcome came of
    replayed: int = 0  # events that it had missed, and received


@dataclass(slots=True)
class Shared:
    """What the clients of a storm have in common."""

    loop: Loop
    clock: RealtimeOffset
    heads: dict[str, int]  # room -> the highest offset that was acknowledged
    comeback: Comeback
    behind: int = 0  # clients that are not welcome, or have not caught up
    faults: list[str] = field(default_factory=list)  # what a client could not make sense of


class Member:
    """`latency(scheduled_ns, received_ns)` is called for each chat that comes live."""

    __slots__ = (
        "_behind", "_client", "_new_client", "_new_tls", "_sock", "_target", "_tls", "_told_before", "_where",
        "doubled", "latency", "lost", "offset", "outages", "room", "shared", "up",
    )  # fmt: skip

    def __init__(
        self,
        shared: Shared,
        new_client: Callable[[str], Client],
        new_tls: Callable[[], TlsPipe] | None,
        latency: Callable[[Member, int, int], None],
    ) -> None:
        """Make a client that joins by `start`; `new_client` takes the position to resume after."""
        self.shared = shared
        self.latency = latency
        self.lost = self.doubled = 0
        self._told_before = 0  # gaps, by connections that have ended
        self.offset = -1  # of the last event; -1: not known yet
        self.outages: list[Outage] = []
        self.up = False  # welcomed
        self._behind = True
        shared.behind += 1
        self._new_client, self._new_tls = new_client, new_tls
        self._client = new_client("")
        self.room = self._client.access.room
        endpoint = self._client.access.endpoint
        self._where = (endpoint.host, endpoint.port)
        self._tls: TlsPipe | None = None
        self._sock: RawSocket | None = None
        self._target = -1  # the offset at which it has caught up

    @property
    def told_gaps(self) -> int:
        """Gaps that servers announced, on the connection that stands too."""
        return self._told_before + self._client.told_gaps

    def start(self) -> None:
        """Begin an attempt to join."""
        client = self._client
        self._tls = None if self._new_tls is None else self._new_tls()
        sock = self._sock = sockets.open_stream(socket.AF_INET)
        self.shared.loop.watch(sock.fileno(), self._ready, READ | WRITE)
        self.shared.loop.at(time.monotonic_ns() + _ATTEMPT_NS, lambda: self._give_up(client))
        try:
            sockets.start_connect(sock, self._where)
        except OSError:
            self._ended()

    def close(self) -> None:
        """Close without a word, and do not come back."""
        if self._sock is not None:
            self.shared.loop.forget(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _give_up(self, client: Client) -> None:
        if client is self._client and not self.up and self._sock is not None:
            self._ended()

    def _ready(self, mask: int) -> None:
        sock = self._sock
        assert sock is not None
        if mask & WRITE:
            try:
                sockets.finish_connect(sock)
            except OSError:
                self._ended()
                return
            self.shared.loop.change(sock.fileno(), READ)
            self._send(self._client.opening())
        if self._sock is not None and mask & ~WRITE:
            self._receive(sock)

    def _send(self, data: bytes) -> None:
        """Send a few bytes on a socket that has room for them."""
        if data and self._sock is not None:
            try:
                self._sock.send(data if self._tls is None else self._tls.send(data))
            except (OSError, ProtocolError):
                self._ended()

    def _receive(self, sock: RawSocket) -> None:
        try:
            data, ancillary, _, _ = sock.recvmsg(_READ_BYTES, sockets.ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        if not data:
            self._ended()
            return
        stamp_ns = sockets.realtime_stamp_ns(ancillary)
        received_ns = stamp_ns - self.shared.clock.offset_ns if stamp_ns else time.monotonic_ns()
        client = self._client
        try:
            if self._tls is not None:
                data = self._tls.receive(data)
                sock.send(self._tls.take_outgoing())
            arrivals = client.feed(data)
        except (ProtocolError, OSError) as error:
            self.shared.faults.append(str(error))
            self._ended()
            return
        self._send(client.take_outgoing())
        self._take(client, arrivals, received_ns)
        if client.closed is not None and self._sock is not None:
            self._ended()

    def _take(self, client: Client, arrivals: list[Arrival], received_ns: int) -> None:
        if client.welcomed and not self.up:
            self._welcomed(client, arrivals)
        for event, _ in arrivals:
            if event.id:
                self._count(event, received_ns)
            elif event.type == "resync":
                self.offset = offset_of(event.position)
        if self._behind and self.up and self.offset >= self._target:
            self._behind = False
            self.shared.behind -= 1
            if self.outages:
                self.outages[-1].caught_up_ns = time.monotonic_ns()
                self.shared.comeback.back()

    def _welcomed(self, client: Client, arrivals: list[Arrival]) -> None:
        self.up = True
        self._target = self.shared.heads.get(self.room, -1)
        if self.offset < 0:
            said = next((event.position for event, _ in arrivals if event.type == "welcome"), client.position)
            self.offset = offset_of(said)
        if self.outages:
            self.outages[-1].welcome_ns = time.monotonic_ns()
        if isinstance(client, ShortPollClient):
            self.shared.loop.at(time.monotonic_ns() + _GRID_NS, lambda: self._poll(client))

    def _poll(self, client: ShortPollClient) -> None:
        if client is self._client and self._sock is not None:
            self._send(client.poll())
            self.shared.loop.at(time.monotonic_ns() + _GRID_NS, lambda: self._poll(client))

    def _count(self, event: Event, received_ns: int) -> None:
        offset = offset_of(event.id)
        if offset <= self.offset:
            self.doubled += 1
            return
        self.lost += offset - self.offset - 1
        self.offset = offset
        if offset <= self._target:
            if self.outages:
                self.outages[-1].replayed += 1
        elif event.type == "chat" and (stamped := stamp.read(event.content)) is not None:
            self.latency(self, stamped[2], received_ns)

    def _ended(self) -> None:
        """Take the end of a connection, or of an attempt, and come back by the back-off."""
        client, now_ns = self._client, time.monotonic_ns()
        self.close()
        if self.up or not self.outages:
            self.outages.append(Outage(now_ns))
        else:
            self.outages[-1].refused += 1
        self.up = False
        self.shared.behind += not self._behind
        self._behind = True
        self._told_before += client.told_gaps
        self._client = self._new_client(client.position)
        self.shared.comeback.ended(self.start, self.outages[-1].refused)
