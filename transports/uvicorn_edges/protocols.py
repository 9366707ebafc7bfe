"""The HTTP/1.1 that uvicorn is given: bounds that it leaves out, and the access to the connection for the app.

httptools limits neither the size of a request's head nor the time it takes to arrive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, Final

import httptools
from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from transports.descriptors import DescriptorWatch
from transports.uvicorn_edges.again import Again, Known, known_by
from transports.uvicorn_edges.answers import WholeAnswers
from transports.uvicorn_edges.bounds import CONNECTION, limit_unacknowledged
from transports.uvicorn_edges.http1 import OrderlyHttpProtocol
from transports.uvicorn_edges.websocket import LabWebSocketProtocol

HEAD_BYTES: Final = 32_768
HEAD_S: Final = 10.0
_WATCH: Final = DescriptorWatch()
FORGOTTEN: Final[Any] = MappingProxyType({})
"""Stands in for the scope of a request that nobody reads any more."""

_TLS_BYTES: Final = 65_536  # that wait before TLS; by itself it takes eight times as much as a plain transport


def _nothing() -> None:
    """Stands in for what comes behind a response."""


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
    _known: Known | None = None  # what the last read was, if the next may be like it
    _again: Again | None = None  # who has a request like it that is not answered yet

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
        """Parse, then see whether a head is still incomplete. A request like the last one need not be parsed."""
        known, self._known = self._known, None
        idle = self.cycle is None or self.cycle.response_complete
        if known is not None and idle and (query := known.query_in(data)) is not None:
            self._known = known
            if not self._ask_again(known, query):
                self._begin_again(known, query)
            return
        idle = idle and not self._in_head
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
        elif idle and self.limit_concurrency is None and not self.transport.is_closing():
            self._known = known_by(self, data)

    def _ask_again(self, known: Known, query: bytes) -> bool:
        """Have a request answered by whom the app has left for it; False: the app is to answer it."""
        again = known.again
        if again is None or self.flow.write_paused:
            return False
        self._unset_keepalive_if_required()
        if known.cycle is None:  # of its own: the app may be busy with what is behind its answer
            known.cycle = self._whole_request(self.scope)
        self.cycle = self._running = known.cycle
        self.cycle.response_started = self.cycle.response_complete = False
        self._again = again
        taken = again.ask(query)
        if not taken:
            self._again = None
        return taken

    def answer_again(self, status: int, fields: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Answer a request that an `Again` has taken."""
        self._again = None
        cycle = self._running  # and not the last one, which may stand behind it
        assert isinstance(cycle, WholeAnswers)
        cycle.default_headers = self.server_state.default_headers  # with the date of now
        cycle.send_whole(status, fields, body)

    def _begin_again(self, known: Known, query: bytes) -> None:
        self._unset_keepalive_if_required()
        self.scope = known.scope(query, self.app_state)
        self.headers = self.scope["headers"]  # type: ignore[assignment]
        self.cycle = self._whole_request(self.scope)
        self._start_asgi_task(self.cycle, self.app)

    def _whole_request(self, scope: HTTPScope) -> WholeAnswers:
        cycle = WholeAnswers(
            scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            self.access_log,
            self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        cycle.message_event.set()
        return cycle

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

    def eof_received(self) -> bool:  # type: ignore[override]
        """As before. What an `Again` has taken waits for news, and ends as a held poll does."""
        return self._again is None and super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_head_timer()
        self._known = None  # it holds this protocol
        again, self._again = self._again, None
        if again is not None:
            again.lost()
        super().connection_lost(exc)
        if again is not None or self.cycle is None or self.cycle.response_complete:
            self._forget()

    def _app_ended(self, cycle: RequestResponseCycle) -> None:
        super()._app_ended(cycle)
        if cycle.disconnected and cycle is self.cycle:
            self._forget()

    def _forget(self) -> None:
        """Let go of what would keep a lost connection until a garbage collection: a scope has its protocol."""
        self.scope = FORGOTTEN
        if self.cycle is not None:
            self.cycle.scope, self.cycle.on_response = FORGOTTEN, _nothing

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
