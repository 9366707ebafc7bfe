"""What a peer may cost before and beside its requests: bounds that uvicorn leaves out. Nothing here knows of rooms.

httptools limits neither the size of a request's head nor the time it takes to arrive; websockets answers every ping.
"""

from __future__ import annotations

import asyncio
import math
import select
import socket
from typing import Final

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from transports.descriptors import DescriptorWatch
from transports.uvicorn_edges.http1 import OrderlyHttpProtocol

HEAD_BYTES: Final = 32_768
HEAD_S: Final = 10.0
CONTROL_FRAMES_PER_S: Final = 100
FRAGMENTS: Final = 1024
CUT_OFF_S: Final = 5.0  # for a peer that was given up to read what is left
_SLICE_BYTES: Final = 4096
_MIN_USER_TIMEOUT_S: Final = 1.0
_UNSENT_BYTES: Final = 131_072
_WATCH: Final = DescriptorWatch()
_TLS_BYTES: Final = 65_536  # that wait before TLS; by itself it takes eight times as much as a plain transport


class _HeadTooLargeError(Exception):
    """The line and fields of a request are over the limit."""


class BoundedHttpProtocol(OrderlyHttpProtocol):
    """HTTP/1.1 that gives up a head that is too large or does not arrive, and a peer that acknowledges nothing."""

    _in_head = False
    _head_bytes = 0  # of a head that has come in parts
    _head_ended = False  # in the read that is being parsed: what follows may be the next request's beginning
    _fits = False  # whether any head that ends in that read is within the limit
    _head_timer: asyncio.TimerHandle | None = None
    _head_too_large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        _WATCH.note(peer.fileno())
        limit_unacknowledged(peer, self.config.ws_ping_timeout)
        if self.scheme == "https":
            transport.set_write_buffer_limits(_TLS_BYTES)
        self._head_timer = self.loop.call_later(HEAD_S, self._head_overdue)

    def data_received(self, data: bytes) -> None:
        """Parse, then see whether a head is still incomplete."""
        self._head_ended = False
        self._fits = len(data) <= HEAD_BYTES and not self._in_head
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            # How much of this read is a pipelined request's head the parser does not tell; the next read counts.
            self._head_bytes += 0 if self._head_ended else len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431)
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(HEAD_S, self._head_overdue)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """A head is there. Raises _HeadTooLargeError, which the parser makes an error of its own."""
        self._in_head = False
        self._head_ended = True
        self._stop_head_timer()
        if not self._fits and self._fields_bytes() > HEAD_BYTES:
            self._head_too_large = True
            raise _HeadTooLargeError
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's; 431 (RFC 6585, section 5) when it is the size."""
        if self._head_too_large:
            self._refuse(431)
        else:
            super().send_400_response(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def _fields_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_overdue(self) -> None:
        self._head_timer = None
        if self._in_head:
            self._refuse(408)
        else:
            self.transport.close()  # it has said nothing at all

    def _refuse(self, status: int) -> None:
        self._stop_head_timer()
        self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


class BoundedWebSocketProtocol(WebSocketsSansIOProtocol):
    """RFC 6455 that answers so many pings a second, and no more than the peer reads."""

    broken = False  # the protocol itself sent the close frame
    _control_frames = 0
    _counted_since_s = 0.0

    def data_received(self, data: bytes) -> None:
        """Take a lot at a time in slices: what is in one slice can be refused before the next is parsed."""
        if len(data) <= _SLICE_BYTES:
            super().data_received(data)
            return
        for start in range(0, len(data), _SLICE_BYTES):
            if self.broken or self.transport.is_closing():
                return
            super().data_received(data[start : start + _SLICE_BYTES])

    def handle_ping(self) -> None:
        """Answer, unless the answers pile up: a peer that reads none needs none (section 5.5.3)."""
        if self._admit_control_frame():
            answer = b"".join(self.conn.data_to_send())
            if self.writable.is_set() and not self.close_sent:
                self.transport.write(answer)

    def handle_pong(self, event: Frame) -> None:
        """As uvicorn's, so many a second."""
        if self._admit_control_frame():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        """As uvicorn's, so many to a message: empty ones would never reach its size limit."""
        if len(self.frames) >= FRAGMENTS:
            self._break(1008, f"more than {FRAGMENTS} fragments")
        else:
            super().handle_cont(event)

    def _admit_control_frame(self) -> bool:
        now_s = self.loop.time()
        if now_s - self._counted_since_s >= 1.0:
            self._counted_since_s, self._control_frames = now_s, 0
        self._control_frames += 1
        if self._control_frames > CONTROL_FRAMES_PER_S:
            self._break(1008, f"more than {CONTROL_FRAMES_PER_S} pings or pongs a second")
        return self._control_frames <= CONTROL_FRAMES_PER_S

    def _break(self, code: int, reason: str) -> None:
        if not self.close_sent:
            self.conn.fail(code, reason)
            self.handle_parser_exception()


def limit_unacknowledged(connection: socket.socket, heartbeat_s: float | None) -> None:
    """Let the kernel end a connection whose peer acknowledges nothing, or reads nothing, for a heartbeat's time; and
    let it take no more than so much that it cannot send: by itself it takes megabytes for a peer that does not read.

    Without the first what was written to a peer that vanished is sent again for a quarter of an hour (tcp(7),
    TCP_USER_TIMEOUT). Something is written, or asked, at least once a heartbeat, so such a peer is gone after two.
    Set on a listening socket it holds for all that are accepted, at no cost to each.
    """
    user_timeout = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has both
    if user_timeout is not None and heartbeat_s is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        timeout_ms = int(max(heartbeat_s, _MIN_USER_TIMEOUT_S) * 1000)
        if connection.getsockopt(socket.IPPROTO_TCP, user_timeout) == timeout_ms:
            return  # it has come by a listening socket that had it all
        connection.setsockopt(socket.IPPROTO_TCP, user_timeout, timeout_ms)
        # A held poll is silent both ways: the kernel asks after one heartbeat whether the peer is there.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, math.ceil(timeout_ms / 1000))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, timeout_ms // 4000))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)


def holds_bytes(transport: asyncio.WriteTransport) -> bool:
    """Whether what was written waits for the peer to read.

    A TLS transport counts only what waits before it. The plain one below it has bytes only while its socket takes none.
    """
    if getattr(transport, "_ssl_protocol", transport) is None:
        return False  # asyncio's that was closed twice, as uvicorn closes one that was lost: it can't be asked any more
    if transport.get_write_buffer_size():
        return True
    connection = transport.get_extra_info("socket")
    if transport.get_extra_info("sslcontext") is None or connection is None or connection.fileno() < 0:
        return False  # plain, or it has gone
    takes_some = select.poll()
    takes_some.register(connection.fileno(), select.POLLOUT)
    return not takes_some.poll(0)


def cut_off_later(scope: Scope, extension: str) -> None:
    """End the connection of a request soon, for a subscriber that was given up, if what it was sent still waits."""
    protocol = scope.get("extensions", {}).get(extension, {}).get("protocol")
    if protocol is None:
        return  # another server: its own timeouts apply

    def cut_off() -> None:
        if holds_bytes(protocol.transport):
            protocol.transport.abort()

    protocol.loop.call_later(CUT_OFF_S, cut_off)
