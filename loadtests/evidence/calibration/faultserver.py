"""The fault server: every transport of the contract on one port, with planted faults and an exact delay.

`python -m loadtests.evidence.calibration.faultserver [--port N] [--faults JSON]` prints `{"port": N}` when it listens.
One thread, epoll, and a spin over the last stretch before a delivery is due: the delay counts from the instant that
the publication carries to the moment of the first write, so that no way and no wake-up before it is in it.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import select
import signal
import socket
import sys
import time

import msgspec

from loadtests.evidence.calibration.faults import Delivery, FaultRoom, Faults
from loadtests.evidence.calibration.faultwire import Connection
from loadtests.load.clients.sockets import (
    ANCILLARY_BYTES,
    HAS_KERNEL_STAMPS,
    SO_TIMESTAMPNS,
    RealtimeOffset,
    realtime_stamp_ns,
)

_SPIN_NS = 1_500_000  # epoll's time limit is in whole milliseconds, rounded up
_PREPARE_NS = 300_000  # a delivery's bytes are built so long before it is due: building them is no part of the delay
_IDLE_S = 0.1
_HELD_POLL_NS = 20_000_000_000
_READ_BYTES = 65_536


class FaultServer:
    """Rooms, connections and deliveries of one process; `port` is bound when the constructor returns."""

    def __init__(self, faults: Faults, port: int = 0) -> None:
        self._faults = faults
        self._rooms: dict[str, FaultRoom] = {}
        self._connections: dict[int, tuple[socket.socket, Connection]] = {}
        self._held: dict[int, int] = {}  # fd of a held poll -> when it expires
        self._silent: dict[int, int] = {}  # fd of a connection that was not answered yet -> when it may be
        self._due: list[Delivery] = []
        self._asked = 0
        self._clock = RealtimeOffset()
        self._stopping = False
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)

    def room(self, name: str) -> FaultRoom:
        """Find or open a room."""
        if name not in self._rooms:
            self._rooms[name] = FaultRoom(name, self._faults)
        return self._rooms[name]

    def publish(self, room: str, content: str, ref: str, accepted_ns: int) -> str:
        """Accept a message and return its id; empty when it is refused."""
        self._asked += 1
        if self.room(room).refuses():
            return ""
        event_id, deliveries = self.room(room).publish("publisher", content, ref, accepted_ns)
        for delivery in deliveries:
            heapq.heappush(self._due, delivery)
        return event_id

    def stop(self) -> None:
        """Let `serve` return at its next turn."""
        self._stopping = True

    def serve(self) -> None:
        """Run until `stop`."""
        while not self._stopping:
            for fd, ready in self._epoll.poll(self._patience_s()):
                if fd == self._listener.fileno():
                    self._accept()
                elif ready & select.EPOLLOUT:
                    self._send(fd)
                elif fd in self._connections:
                    self._receive(fd)
            self._deliver_due()
            self._expire_polls()
            self._break_silence()
        for connection_socket, _ in self._connections.values():
            connection_socket.close()
        self._epoll.close()
        self._listener.close()

    def _patience_s(self) -> float:
        next_ns = [delivery.due_ns for delivery in self._due[:1]]
        next_ns += self._silent.values()
        if not next_ns:
            return _IDLE_S
        left_ns = min(next_ns) - time.monotonic_ns() - _SPIN_NS
        return min(_IDLE_S, left_ns / 1e9) if left_ns > 0 else 0.0

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except BlockingIOError:
                return
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if HAS_KERNEL_STAMPS:
                accepted.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._connections[accepted.fileno()] = accepted, Connection(self)
            self._epoll.register(accepted, select.EPOLLIN)

    def _receive(self, fd: int) -> None:
        peer, connection = self._connections[fd]
        try:
            data, ancillary, _, _ = peer.recvmsg(_READ_BYTES, ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data, ancillary = b"", []
        if not data:
            self._drop(fd)
            return
        stamp_ns = realtime_stamp_ns(ancillary)
        before = self._asked
        received_ns = stamp_ns - self._clock.offset_ns if stamp_ns else time.monotonic_ns()
        if self._faults.first_byte_ms and not connection.fed:
            self._silent[fd] = received_ns + int(self._faults.first_byte_ms * 1e6)
        connection.feed(data, received_ns)
        if self._faults.replay_late_ms and connection.resumes:
            self._silent[fd] = received_ns + int(self._faults.replay_late_ms * 1e6)
        connection.resumes = False
        self._send(fd)
        if connection.kind == "held":
            self._held.setdefault(fd, time.monotonic_ns() + _HELD_POLL_NS)
        if self._asked > before:
            self._misbehave(before)

    def _misbehave(self, before: int) -> None:
        faults = self._faults
        if before < faults.stall_after <= self._asked:
            time.sleep(faults.stall_s)
        if before < faults.freeze_after <= self._asked:
            _freeze(faults.freeze_s)
        if before < faults.cut_after <= self._asked:
            for fd, (_, connection) in list(self._connections.items()):
                if connection.subscribed:
                    self._drop(fd)

    def _deliver_due(self) -> None:
        while self._due and self._due[0].due_ns - _PREPARE_NS <= time.monotonic_ns():
            delivery = heapq.heappop(self._due)
            receivers = self._prepare(delivery)
            while time.monotonic_ns() < delivery.due_ns:
                pass
            for fd in receivers:
                self._send(fd)

    def _prepare(self, delivery: Delivery) -> list[int]:
        """Build what a delivery puts on the wire; returns the descriptors it goes to."""
        self._rooms[delivery.room].delivered.append(delivery)
        receivers: list[int] = []
        for fd, (_, connection) in self._connections.items():
            if connection.subscribed and connection.room == delivery.room:
                connection.deliver(delivery)
                if connection.kind == "http":
                    self._held.pop(fd, None)
                receivers.append(fd)
        return receivers

    def _expire_polls(self) -> None:
        now_ns = time.monotonic_ns()
        for fd in [fd for fd, expires_ns in self._held.items() if expires_ns <= now_ns]:
            del self._held[fd]
            self._connections[fd][1].answer_poll()
            self._send(fd)

    def _break_silence(self) -> None:
        now_ns = time.monotonic_ns()
        for fd in [fd for fd, until_ns in self._silent.items() if until_ns <= now_ns]:
            del self._silent[fd]
            self._send(fd)

    def _send(self, fd: int) -> None:
        peer, connection = self._connections[fd]
        if not connection.outgoing or fd in self._silent:
            return
        try:
            sent = peer.send(connection.outgoing)
        except BlockingIOError:
            sent = 0
        except ConnectionError:
            self._drop(fd)
            return
        if sent < len(connection.outgoing) or connection.blocked:
            connection.blocked = sent < len(connection.outgoing)
            self._epoll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if connection.blocked else 0))
        connection.outgoing = connection.outgoing[sent:]

    def _drop(self, fd: int) -> None:
        peer, _ = self._connections.pop(fd)
        self._held.pop(fd, None)
        self._silent.pop(fd, None)
        self._epoll.unregister(fd)
        peer.close()


def _freeze(seconds: float) -> None:
    """Stop this process, as a debugger or a paused container does; a child continues it after `seconds`, or nobody."""
    frozen, until = os.getpid(), time.monotonic() + seconds
    if seconds:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the child
        if not os.fork():
            time.sleep(max(0.0, until - time.monotonic()))
            os.kill(frozen, signal.SIGCONT)
            os._exit(0)
    os.kill(frozen, signal.SIGSTOP)


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.evidence.calibration.faultserver", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (default): any free port")
    parser.add_argument("--faults", default="{}", help='JSON, for example \'{"delay_ms": 5, "lose_every": 100}\'')
    options = parser.parse_args(arguments)
    try:
        faults = msgspec.json.decode(options.faults, type=Faults)
    except msgspec.DecodeError as error:
        print(f"--faults {options.faults!r}: {error}", file=sys.stderr)
        return 2
    server = FaultServer(faults, options.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    print(json.dumps({"port": server.port}), flush=True)
    server.serve()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
