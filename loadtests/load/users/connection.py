"""A raw socket and its client in gevent's hub: no greenlet per message or connection.

What is read waits in the `Inbox` until no socket has more to read.
"""

from __future__ import annotations

import time
from _socket import socket as RawSocket  # noqa: N812
from collections.abc import Callable
from typing import Protocol

import gevent
import gevent.socket

from loadtests.load.clients import sockets
from loadtests.load.clients.base import Arrival, Client, Closed, ConnectFailed, ProtocolError
from loadtests.load.clients.sockets import RealtimeOffset
from loadtests.load.clients.tls import TlsPipe
from loadtests.load.users.hub import Inbox, Read, Readers
from loadtests.records.schema import ABSENT_NS

Address = tuple[int, tuple[str, int]]
"""Address family and host, port."""


class _Watcher(Protocol):
    """What is used of gevent's io watchers."""

    def stop(self) -> None:
        """Watch no more."""

    def close(self) -> None:
        """Give the watcher back."""


_WRITE = 2
# One buffer for all sockets: the hub reads them one after the other, and a client keeps no view of it.
_BUFFER = bytearray(65_536)
_BUFFERS = [_BUFFER]
_VIEW = memoryview(_BUFFER)


class UserConnection:
    """One connection. `arrived(arrivals, kernel_ns, user_ns)` and `ended(closed)` are called in the hub.

    `kernel_ns` and `user_ns` are CLOCK_MONOTONIC of the read that completed the events; `kernel_ns` is ABSENT_NS where
    the kernel gave no stamp. `ended` is called once, never after `close`.
    """

    __slots__ = (
        "_arrived",
        "_clock",
        "_ended",
        "_inbox",
        "_pending",
        "_pulled",
        "_readers",
        "_sock",
        "_tls",
        "_writer",
        "client",
    )

    def __init__(
        self,
        client: Client,
        clock: RealtimeOffset,
        readers: Readers,
        inbox: Inbox,
        arrived: Callable[[list[Arrival], int, int], None],
        ended: Callable[[Closed], None],
        tls: TlsPipe | None = None,
    ) -> None:
        self.client = client
        self._tls = tls
        self._clock = clock
        self._readers = readers
        self._inbox = inbox
        self._arrived = arrived
        self._ended = ended
        self._sock: RawSocket | None = None
        self._writer: _Watcher | None = None
        self._pending = b""  # what the socket did not take yet
        self._pulled = False

    def open(self, address: Address, timeout_s: float) -> None:
        """Connect, waiting as a greenlet, and send the client's opening; raises ConnectFailed."""
        family, where = address
        sock = sockets.open_stream(family)
        try:
            sockets.start_connect(sock, where)
            gevent.socket.wait_write(sock.fileno(), timeout=timeout_s)
            sockets.finish_connect(sock)
        except OSError as error:
            sock.close()
            raise ConnectFailed(f"cannot connect to {where[0]}:{where[1]}: {error}", retryable=True) from error
        except BaseException:
            sock.close()
            raise
        self._sock = sock
        self._readers.add(sock.fileno(), self._readable)
        self.send(self.client.opening())

    def send(self, data: bytes) -> None:
        """Send without waiting; what the socket does not take follows when it can. A no-op once closed."""
        if self._tls is None:
            self._transmit(data)
            return
        try:
            self._transmit(self._tls.send(data))
        except ProtocolError as error:
            self._end(Closed(1002, str(error)))

    def _transmit(self, data: bytes) -> None:
        if self._sock is None or self._pulled or not data:
            return
        if self._pending:
            self._pending += data
            return
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except (BrokenPipeError, ConnectionResetError):
            # The peer is gone. What it sent last, an answer or a close frame, may be unread yet: reading finds the end.
            return
        except OSError as error:
            self._end(Closed(0, f"send failed: {error.strerror}"))
            return
        if sent < len(data):
            self._pending = data[sent:]
            writer = gevent.get_hub().loop.io(self._sock.fileno(), _WRITE)
            writer.start(self._writable)
            self._writer = writer

    @property
    def is_open(self) -> bool:
        """Whether there is a socket whose cable is in."""
        return self._sock is not None and not self._pulled

    def totals(self) -> sockets.SocketTotals | None:
        """TCP_INFO of the open connection."""
        return sockets.read_totals(self._sock) if self._sock is not None else None

    def pull(self) -> None:
        """Pull the cable: nothing arrives or leaves any more, and no packet says so until `close`. Call while open.

        What was read before is still passed on.
        """
        assert self._sock is not None
        self._pulled = True
        self._stop_writing()
        self._readers.remove(self._sock.fileno())
        sockets.pull_cable(self._sock)

    def close(self) -> None:
        """Close without a word; `ended` is not called."""
        if self._sock is None:
            return
        self._stop_writing()
        self._readers.remove(self._sock.fileno())
        self._sock.close()
        self._sock = None

    def _readable(self) -> None:
        assert self._sock is not None
        try:
            size, ancillary, _, _ = self._sock.recvmsg_into(_BUFFERS, sockets.ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._read_last(f"receive failed: {error.strerror}")
            return
        user_ns = time.monotonic_ns()
        if size:
            self._inbox.put(self, Read(bytes(_VIEW[:size]), ancillary, user_ns))
        else:
            self._read_last("")

    def _read_last(self, failure: str) -> None:
        """Read no more; the end's turn comes after what was read before it."""
        if self._sock is not None:
            self._readers.remove(self._sock.fileno())
        self._inbox.put(self, Read(b"", [], time.monotonic_ns(), failure))

    def take(self, read: Read) -> None:
        """Parse one read, answer the server, pass the events on. The hot path."""
        if self._sock is None:
            return
        client = self.client
        if not read.data:
            if not read.failure:
                self._finish(client, read)
            self._end(client.closed or Closed(0, read.failure or "connection ended by the server"))
            return
        try:
            arrivals = client.feed(read.data if self._tls is None else self._decrypt(self._tls, read.data))
        except ProtocolError as error:
            self._end(Closed(1002, str(error)))
            return
        # A held poll's next request before anybody looks at the events: the client's turnaround is part of the latency.
        if client.outgoing:
            self.send(client.take_outgoing())
        stamp_ns = sockets.realtime_stamp_ns(read.ancillary)
        self._arrived(arrivals, stamp_ns - self._clock.offset_ns if stamp_ns else ABSENT_NS, read.user_ns)
        if client.closed is not None:
            self._end(client.closed)

    def _finish(self, client: Client, read: Read) -> None:
        """Let the client end; what its end completed has no kernel stamp, since no data came."""
        try:
            arrivals = client.finish()
        except ProtocolError as error:
            client.closed = Closed(1002, str(error))
            return
        if arrivals:
            self._arrived(arrivals, ABSENT_NS, read.user_ns)

    def _decrypt(self, tls: TlsPipe, data: bytes) -> bytes:
        plain = tls.receive(data)
        self._transmit(tls.take_outgoing())
        return plain

    def _writable(self) -> None:
        pending, self._pending = self._pending, b""
        self._stop_writing()
        self._transmit(pending)

    def _stop_writing(self) -> None:
        if self._writer is not None:
            self._writer.stop()
            self._writer.close()
            self._writer = None

    def _end(self, closed: Closed) -> None:
        if self._sock is not None and not self._pulled:
            self._ended(closed)
            self.close()
