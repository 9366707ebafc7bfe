"""The protocol classes that uvicorn is given: bounds that it leaves out, and the access to the connection for the app.

httptools limits neither the size of a request's head nor the time it takes to arrive; websockets answers every ping.
"""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import Any, Final

import httptools
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request, Response
from websockets.protocol import State

from transports.descriptors import DescriptorWatch
from transports.uvicorn_edges.bounds import CONNECTION, limit_unacknowledged
from transports.uvicorn_edges.http1 import OrderlyHttpProtocol
from transports.uvicorn_edges.inbox import Inbox
from transports.uvicorn_edges.texts import is_between_messages, text_at

HEAD_BYTES: Final = 32_768
HEAD_S: Final = 10.0
CONTROL_FRAMES_PER_S: Final = 100
FRAGMENTS: Final = 1024
_SLICE_BYTES: Final = 4096
_CLOSE_S: Final = 2.0
_WATCH: Final = DescriptorWatch()
FORGOTTEN: Final[Any] = MappingProxyType({})
"""Stands in for the scope of a request that nobody reads any more."""

_TLS_BYTES: Final = 65_536  # that wait before TLS; by itself it takes eight times as much as a plain transport


class _HeadTooLargeError(Exception):
    """The line and fields of a request are over the limit."""


class LabHttpProtocol(OrderlyHttpProtocol):
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
            # How much of this read is a pipelined request's head the parser does not say; the next read counts.
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
        if self.parser.get_http_version() == "1.1":
            self.scope["extensions"] = {CONNECTION: {"protocol": self}}
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """As uvicorn's. And let go of what holds this protocol too: else it would last until a garbage collection."""
        if not self.url.startswith(b"/"):  # absolute form (RFC 9112, section 3.2.2)
            asked = httptools.parse_url(self.url)
            self.url = asked.path + (b"?" + asked.query if asked.query else b"")
        super().handle_websocket_upgrade()
        upgraded = self.transport.get_protocol()
        if isinstance(upgraded, LabWebSocketProtocol) and not upgraded.handshake_initiated:
            self._refuse(431)  # websockets takes fewer and shorter fields than our parser, and says nothing
        self._let_go()

    def _let_go(self) -> None:
        self.parser, self.scope = None, FORGOTTEN  # type: ignore[assignment]

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


def text_frame(data: bytes) -> bytes:
    """A whole text frame, unmasked (RFC 6455, section 5.2)."""
    size = len(data)
    if size < 126:
        return b"\x81%c%b" % (size, data)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), data)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), data)


class LabWebSocketProtocol(WebSocketsSansIOProtocol):
    """RFC 6455 that says why it closes, and answers so many pings a second, no more than the peer reads."""

    queue: Inbox  # type: ignore[assignment]
    request: Request | None  # type: ignore[assignment]
    response: Response | None  # type: ignore[assignment]
    broken = False  # the protocol itself sent the close frame
    _control_frames = 0
    _counted_since_s = 0.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.queue = Inbox()

    def data_received(self, data: bytes) -> None:
        """Take plain texts as they are, and a lot of all else in slices: what is in one slice can be refused before the
        next is parsed.
        """
        begin = 0
        if is_between_messages(self.conn):
            self.curr_msg_data_type = "text"
            while (
                self.conn.state is State.OPEN and (found := text_at(data, begin, self.config.ws_max_size)) is not None
            ):
                text, begin = found
                self.frames = [text]
                self.send_receive_event_to_app()
        rest = data[begin:]
        if len(rest) <= _SLICE_BYTES:
            if rest:
                super().data_received(rest)
            return
        for start in range(0, len(rest), _SLICE_BYTES):
            if self.broken or self.transport.is_closing():
                return
            super().data_received(rest[start : start + _SLICE_BYTES])

    def handle_connect(self, event: Request) -> None:
        """As uvicorn's; the app gets to know its connection."""
        super().handle_connect(event)
        if self.response is not None and self.response.status_code == 101:
            self.scope["extensions"] = {**(self.scope["extensions"] or {}), CONNECTION: {"protocol": self}}

    async def run_asgi(self) -> None:
        """As uvicorn's, but to refuse the handshake, or to be cancelled by a shutdown, is no error of the app."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except asyncio.CancelledError:
            raise  # the graceful shutdown ran out of time: nothing to report
        except BaseException:
            self.logger.exception("Exception in ASGI application\n")
            self.send_500_response()
        else:
            if not self.handshake_complete and self.initial_response is None:  # else it was refused
                self.logger.error("ASGI callable returned without completing handshake.")
                self.send_500_response()
        self._app_ended()

    def _app_ended(self) -> None:
        if self.close_timer is None:
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        """Refuse text that is not UTF-8 with 1007 and no traceback: it is the client's fault, not ours."""
        if self.close_sent:
            self.frames = []
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        text: str | None = None
        if self.curr_msg_data_type == "text":
            try:
                text = bytes(data).decode()
            except UnicodeDecodeError:
                self.frames = []
                if self.conn.state is State.OPEN:  # else the peer's close frame has come with it
                    self.conn.send_close(1007)
                    self.handle_parser_exception()
                return
        self.frames = [data]
        self._receive(text)

    def _receive(self, text: str | None) -> None:
        """Give the message in `frames` to the app; its text is None when it is binary."""
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """Send the close frame and wait: closing at once, with bytes unread, would be a reset that overtakes it."""
        if self.close_sent:
            return
        assert self.conn.close_sent is not None
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": self.conn.close_sent.code, "reason": self.conn.close_sent.reason}
        )
        self.broken = True
        self.close_soon(_CLOSE_S)
        if self.transport.can_write_eof():
            self.transport.write_eof()  # the peer need not wait for us to see its answer

    def close_soon(self, within_s: float) -> None:
        """Write the close frame that `conn` has ready, and cut the connection off if that does not end it in time."""
        self.stop_keepalive()
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.resume_reading()  # the peer's own close frame may stand behind what was not read yet
        self.read_paused = False
        self.close_timer = self.loop.call_later(within_s, self.transport.abort)

    def shutdown(self) -> None:
        """As uvicorn's, unless the peer has closed, which takes a while over TLS: none may follow its close."""
        if self.handshake_complete and not self.close_sent and self.conn.state is not State.OPEN:
            self.stop_keepalive()
            self.transport.close()
        else:
            super().shutdown()

    def keepalive_timeout(self) -> None:
        """As uvicorn's; what the app still sends has no receiver."""
        super().keepalive_timeout()
        self.broken = self.close_sent

    async def send(self, message: ASGISendEvent) -> None:
        """As uvicorn's, but an app that has not received the protocol's close yet has done nothing wrong.

        An open connection's text goes out without the parser's way to write it, if nothing is to be compressed.
        """
        if self.broken:
            raise ClientDisconnected
        text = message.get("text")
        if isinstance(text, str) and self._is_plain() and message["type"] == "websocket.send":
            self.transport.write(text_frame(text.encode()))
            return
        await super().send(message)
        request: Request | None = getattr(self, "request", None)
        if self.handshake_complete and request is not None:  # kibibytes that nobody reads any more
            request.headers.clear()  # its parser keeps the request
            self.request = self.response = None

    def _is_plain(self) -> bool:
        return (
            self.handshake_complete
            and not self.close_sent
            and not self.disconnected
            and self.writable.is_set()
            and self.conn.state is State.OPEN
            and not self.conn.extensions
        )

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
