"""Many connections at once in one thread: the lab's own clients over raw sockets with kernel stamps."""

from __future__ import annotations

import ctypes
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from core.catalogue import Record, records, resolve
from loadtests.load.clients.base import Access, Client, ClientError, Event
from loadtests.load.clients.polls import LongPollClient, PollClient, ShortPollClient
from loadtests.load.clients.sockets import ANCILLARY_BYTES, open_stream, realtime_stamp_ns
from loadtests.load.clients.tls import TlsPipe, client_context

_READ_BYTES = 262_144
GRID_S = 0.1  # of short polls
_TURN_S = 0.01
_SMALL_BYTES = 16_384
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_BPF_RETURN = 0x06  # linux/bpf_common.h: BPF_RET | BPF_K
_REFUSED_AT_ONCE_S = 0.3
_CONNECT_S = 3.0

ASKED: tuple[Record, ...] = tuple(record for record in records().values() if not record.tls)
"""What `all` serves. HTTP/2's transports need a server of their own, and these boxes speak HTTP/1.1 to it."""


@dataclass(eq=False, slots=True)
class Peer:
    """One user's connection. `received` holds each chat's ref with its receive stamp, CLOCK_REALTIME ns."""

    transport: str
    client: Client
    received: dict[str, int] = field(default_factory=dict)
    left: list[float] = field(default_factory=list)  # when `user_left` events came, monotonic seconds
    ended_s: float | None = None  # monotonic
    why: str = ""
    socket: socket.socket | None = None
    _tls: TlsPipe | None = None
    _asked_s: float = 0.0
    heard_s: float = 0.0  # when the last bytes came, monotonic

    @property
    def cut_s(self) -> float | None:
        """How long nothing had come when the connection ended; None while it lasts."""
        return None if self.ended_s is None else self.ended_s - self.heard_s

    @property
    def alive(self) -> bool:
        """Whether it has joined, and nothing has ended it."""
        return self.client.welcomed and self.ended_s is None


class Crew:
    """All peers of a trial."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self._selector = selectors.DefaultSelector()

    def join(self, record: Record, access: Access, *, wait_s: float, headers: str = "") -> Peer:
        """Send a new peer on its way in; `headers` are whole lines of its first request."""
        kind = resolve(record.load.client)
        client = kind(access, wait_s=wait_s) if issubclass(kind, LongPollClient) else kind(access)
        return self.enter(record.name, client, headers)

    def enter(self, transport: str, client: Client, headers: str = "") -> Peer:
        """Connect a client; what goes wrong ends its peer."""
        peer = Peer(transport, client)
        self.peers.append(peer)
        try:
            self._connect(peer)
            self._send(peer, client.opening().replace(b"\r\n", b"\r\n" + headers.encode("latin-1"), 1))
        except (OSError, ClientError) as error:
            self._end(peer, str(error))
        self.run(0.0)  # connecting takes its time, and those who are in have pings to answer
        return peer

    def _connect(self, peer: Peer) -> None:
        endpoint = peer.client.access.endpoint
        peer.socket = made = socket.socket(fileno=open_stream(socket.AF_INET).detach())
        made.settimeout(_CONNECT_S)
        made.connect((endpoint.host, endpoint.port))
        made.setblocking(False)
        if endpoint.secure:
            peer._tls = TlsPipe(client_context(endpoint.host, "http/1.1"), endpoint.host, "http/1.1")
        self._selector.register(made, selectors.EVENT_READ, peer)

    def send(self, peer: Peer, data: bytes) -> None:
        """Send for a peer; what goes wrong ends it."""
        try:
            self._send(peer, data)
        except (OSError, ClientError) as error:
            self._end(peer, str(error))

    def _send(self, peer: Peer, data: bytes) -> None:
        if peer.socket is None or peer.ended_s is not None:
            return
        data = data if peer._tls is None else peer._tls.send(data)
        # Requests are small; a box that takes none of them for so long has stalled.
        peer.socket.settimeout(_CONNECT_S)
        peer.socket.sendall(data)
        peer.socket.setblocking(False)

    def stop_reading(self, peer: Peer) -> None:
        """Read no more from a peer's socket, whose buffer is small from now on."""
        if peer.socket is not None:
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BYTES)
            self._selector.unregister(peer.socket)

    def pull(self, peer: Peer) -> bool:
        """Pull a peer's cable: its socket takes no packet any more and sends none; False where this is not Linux.

        The kernel drops what a socket's filter refuses before TCP sees it: no acknowledgement, no reset.
        """
        if sys.platform != "linux" or peer.socket is None:
            return False
        refuse = ctypes.create_string_buffer(struct.pack("HBBI", _BPF_RETURN, 0, 0, 0))
        program = struct.pack("HxxxxxxP" if struct.calcsize("P") == 8 else "HxxP", 1, ctypes.addressof(refuse))
        peer.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        self._selector.unregister(peer.socket)
        return True

    def close(self, peers: Iterable[Peer]) -> None:
        """Close connections as a client does that says no more: with a FIN."""
        for peer in tuple(peers):
            self._end(peer, "closed by us")
            self.peers.remove(peer)

    def run(self, seconds: float, done: Callable[[], bool] = lambda: False) -> bool:
        """Let everything happen until `done`, at most so long; whether it was done."""
        until_s = time.monotonic() + seconds
        while True:
            left_s = until_s - time.monotonic()
            # Read at least once, also where time is over: a server whose answers nobody takes stops to take requests.
            for key, _ in self._selector.select(max(0.0, min(left_s, _TURN_S))):
                self._read(key.data)
            self._poll()
            if done():
                return True
            if left_s <= 0:
                return False

    def _poll(self) -> None:
        now_s = time.monotonic()
        for peer in self.peers:
            if isinstance(peer.client, ShortPollClient) and peer.ended_s is None and now_s - peer._asked_s >= GRID_S:
                peer._asked_s = now_s
                self.send(peer, peer.client.poll())

    def _read(self, peer: Peer) -> None:
        if peer.socket is None or peer.ended_s is not None:
            return
        try:
            data, ancillary, _, _ = peer.socket.recvmsg(_READ_BYTES, ANCILLARY_BYTES)
            stamp_ns = realtime_stamp_ns(ancillary) or time.time_ns()
            if not data:
                self._finish(peer)
                return
            if peer._tls is not None:
                data = peer._tls.receive(data)
                if answer := peer._tls.take_outgoing():
                    peer.socket.sendall(answer)
            peer.heard_s = time.monotonic()
            for event, _ in peer.client.feed(data) if data else ():
                self._note(peer, event, stamp_ns)
            if outgoing := peer.client.take_outgoing():
                self._send(peer, outgoing)
            if peer.client.closed is not None:
                self._end(peer, str(peer.client.closed))
        except BlockingIOError:
            return
        except (OSError, ClientError) as error:
            self._end(peer, str(error))

    def _finish(self, peer: Peer) -> None:
        client = peer.client
        early = not isinstance(client, PollClient) or time.monotonic() - peer.heard_s < _REFUSED_AT_ONCE_S
        if isinstance(client, PollClient) and client.welcomed and early:
            # Between two polls a connection may close, also as the next is on its way: it is asked again on another.
            self._hang_up(peer)
            self._connect(peer)
            self._send(peer, client.opening())
            return
        client.finish()
        self._end(peer, str(client.closed))

    def _note(self, peer: Peer, event: Event, stamp_ns: int) -> None:
        if event.type == "chat":
            peer.received.setdefault(event.ref, stamp_ns)
        elif event.type == "user_left":
            peer.left.append(time.monotonic())
        elif event.type == "error" and not peer.client.welcomed:
            peer.why = event.code

    def _end(self, peer: Peer, why: str) -> None:
        if peer.ended_s is None:
            peer.ended_s, peer.why = time.monotonic(), peer.why or why
        self._hang_up(peer)

    def _hang_up(self, peer: Peer) -> None:
        if peer.socket is not None:
            if peer.socket.fileno() in self._selector.get_map():
                self._selector.unregister(peer.socket)
            peer.socket.close()
            peer.socket = None

    def dismiss(self) -> None:
        """Close everything."""
        self.close(self.peers)
        self._selector.close()
