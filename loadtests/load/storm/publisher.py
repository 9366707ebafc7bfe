"""Publishes into many rooms on a schedule, over one connection to an instance that no storm reaches."""

from __future__ import annotations

import socket
import time
from _socket import socket as RawSocket  # noqa: N812
from collections.abc import Sequence
from contextlib import suppress

from loadtests.load.clients import stamp
from loadtests.load.clients.base import Access, Endpoint, offset_of
from loadtests.load.clients.publish import PublishClient
from loadtests.load.storm.loop import READ
from loadtests.load.storm.member import Shared
from loadtests.records.errors import ServerError

_PAYLOAD_BYTES = 128


class Publisher:
    """One message after the other, each into the next room: `rate_per_s` in each. Its schedule waits for nothing."""

    def __init__(self, shared: Shared, endpoint: Endpoint, token: str, rooms: Sequence[str], rate_per_s: float) -> None:
        self._shared = shared
        self._endpoint, self._token, self._rooms = endpoint, token, rooms
        self._client = PublishClient(Access(endpoint, rooms[0], token))
        self._step_ns = int(1e9 / (rate_per_s * len(rooms)))
        self._sock: RawSocket | None = None
        self._next_ns = 0
        self._pending = b""
        self.sent = 0
        self.late_ns: list[int] = []  # how late each message left

    @property
    def unanswered(self) -> int:
        """Messages that were not acknowledged yet."""
        return self._client.unanswered

    def start(self) -> None:
        """Connect and begin. Raises OSError."""
        sock = socket.create_connection((self._endpoint.host, self._endpoint.port), 5.0)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._shared.loop.watch(sock.fileno(), self._ready, READ)
        self._next_ns = time.monotonic_ns()
        self._publish()

    def stop(self) -> None:
        """Publish no more; answers are still read."""
        self._next_ns = 0

    def close(self) -> None:
        """Give the connection back."""
        self.stop()
        if self._sock is not None:
            self._shared.loop.forget(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _publish(self) -> None:
        while self._sock is not None and 0 < self._next_ns <= (now_ns := time.monotonic_ns()):
            room = self._rooms[self.sent % len(self._rooms)]
            self._client.access = Access(self._endpoint, room, self._token)
            content = stamp.build(0, self.sent, self._next_ns, now_ns, _PAYLOAD_BYTES)
            self._pending += self._client.publish(content, stamp.build_ref(0, self.sent))
            self._send()
            self.late_ns.append(now_ns - self._next_ns)
            self.sent += 1
            self._next_ns += self._step_ns
        if self._next_ns:
            self._shared.loop.at(self._next_ns, self._publish)

    def _send(self) -> None:
        """Send what there is room for; the rest leaves with the next message, or once an answer has come."""
        if self._pending and self._sock is not None:
            with suppress(BlockingIOError):
                self._pending = self._pending[self._sock.send(self._pending) :]

    def _ready(self, _mask: int) -> None:
        assert self._sock is not None
        data = self._sock.recv(262_144)
        if not data:
            raise ServerError("the instance that messages are published on ended")
        for event, _ in self._client.feed(data):
            if event.type != "ack":
                raise ServerError(f"a message was refused: {event.code}")
            _, message = stamp.read_ref(event.ref) or (0, 0)
            room = self._rooms[message % len(self._rooms)]
            self._shared.heads[room] = max(self._shared.heads.get(room, -1), offset_of(event.id))
        self._send()
