"""HTTP/1.x where uvicorn leaves what RFC 9110 and RFC 9112 ask for. Nothing here knows of rooms.

A client that has ended its side of the connection behind its last request gets what is due. To one of HTTP/1.0 nothing
is chunked and no 100 is sent. An upgrade that nobody grants is passed over, body and all. What a client did wrong is
its affair: no line in a log at WARNING or above, which anybody could fill.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any, Final

import httptools
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGIReceiveEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from transports.uvicorn_edges.answers import WholeAnswers

_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")  # 16 bytes
_LISTS: Final = frozenset((b"connection", b"upgrade"))
_ONCE: Final = frozenset((b"sec-websocket-key", b"sec-websocket-version"))
_WORDS: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_INVALID: Final = "Invalid HTTP request received."


def asks_for_websocket(asked: HttpToolsProtocol) -> bool:
    """Whether a request whose head has come asks for a WebSocket as RFC 6455, section 4.2.1, wants it."""
    if asked.parser.get_method() != b"GET" or asked.parser.get_http_version() != "1.1":
        return False
    fields: dict[bytes, bytes] = {}
    for name, value in asked.headers:
        if name not in fields:
            fields[name] = value
        elif name in _LISTS:
            fields[name] += b"," + value
        elif name in _ONCE:
            return False
    options = [each.strip() for each in fields.get(b"connection", b"").lower().split(b",")]
    protocols = fields.get(b"sec-websocket-protocol")
    return (
        b"upgrade" in options
        and fields.get(b"upgrade", b"").lower() == b"websocket"
        and fields.get(b"sec-websocket-version") == b"13"
        and _KEY.fullmatch(fields.get(b"sec-websocket-key", b"")) is not None
        and (protocols is None or _WORDS.fullmatch(protocols) is not None)
        and fields.get(b"content-length", b"0") == b"0"
        and b"transfer-encoding" not in fields
    )


class OrderlyHttpProtocol(HttpToolsProtocol):
    """uvicorn's, with these edges."""

    _to_websocket = False  # whether the head that has come asks for a WebSocket as it should
    _last_said = False  # the client has ended its side: what is due is answered, and the connection ends
    _running: RequestResponseCycle
    _passed_over = False  # whether it asks for any other upgrade: it is parsed once more, as if it had not

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, but an upgrade that is not granted costs no body, and none of it a warning."""
        self._unset_keepalive_if_required()
        try:
            while data:
                data = self._parse(data)
        except httptools.HttpParserError:
            self.logger.info(_INVALID)
            self.send_400_response(_INVALID)

    def _parse(self, data: bytes) -> bytes:
        """Feed the parser; what it has to be fed instead, when it stopped at an upgrade."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._passed_over:
                self.handle_websocket_upgrade()
                return b""
            self._passed_over = False
            if self.parser.get_method() == b"CONNECT":
                raise httptools.HttpParserError from None  # we are no proxy
            return self._head_without_upgrade() + data[upgrade.args[0] :]
        return b""

    def _head_without_upgrade(self) -> bytes:
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            options = [each.strip() for each in value.split(b",")] if name == b"connection" else [value]
            left = b", ".join(each for each in options if name != b"connection" or each.lower() != b"upgrade")
            lines.append(b"%b: %b" % (name, left))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        return b"\r\n".join((*lines, b"", b""))

    def _should_upgrade(self) -> bool:
        return self._to_websocket

    def on_headers_complete(self) -> None:
        """A head is there."""
        upgrades = self.parser.should_upgrade()
        self._to_websocket = upgrades and asks_for_websocket(self)
        self._passed_over = upgrades and not self._to_websocket
        if self._passed_over:
            return
        if self.parser.get_http_version() != "1.1":
            self.expect_100_continue = False  # RFC 9110, section 10.1.1
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body is there."""
        if not self._passed_over:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is there."""
        if not self._passed_over:
            super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client has said its last. Returns whether it is owed an answer; without TLS it may still read that.

        An app that waits for the disconnect, as a stream and a held poll do, receives it.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or self.scheme == "https":
            return False
        cycle.keep_alive = False
        self._last_said = True
        self._running.message_event.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's, which says so to the last request that has come. The one that is answered is to know it too."""
        if self.cycle is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def _heard(self, cycle: RequestResponseCycle, receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
        """Receive for one request: behind its body the end of the client's side is a disconnect."""
        whole = False

        async def receive_disconnect() -> ASGIReceiveEvent:
            nonlocal whole
            if not (whole and self._last_said):
                message = await receive()
                if message["type"] != "http.request" or not (whole and self._last_said):
                    whole = whole or not message.get("more_body", False)
                    return message
            cycle.disconnected = True  # what is still sent has no receiver
            return {"type": "http.disconnect"}

        return receive_disconnect

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """As uvicorn's, but a request that a graceful shutdown cancels is no error: its client took too long."""
        self._running = cycle
        if type(cycle) is not WholeAnswers:
            cycle.__class__ = WholeAnswers
        if cycle.scope["http_version"] != "1.1":
            app = _unchunked(cycle, app)

        async def quietly(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, self._heard(cycle, receive), send)
            except asyncio.CancelledError:  # we are the outermost frame of the task: uvicorn would log a traceback
                cycle.disconnected = True
            self._app_ended(cycle)

        super()._start_asgi_task(cycle, quietly)

    def _app_ended(self, cycle: RequestResponseCycle) -> None:
        if self._last_said and cycle.disconnected:
            self.transport.close()


def _unchunked(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """Let the connection's end be the end of a response whose length is not known (RFC 9112, section 6.3)."""

    async def served(scope: Any, receive: Any, send: Any) -> None:
        endless = False

        async def sent(message: Any) -> None:
            nonlocal endless
            if message["type"] == "http.response.start":
                endless = all(name.lower() != b"content-length" for name, _ in message.get("headers", ()))
                if endless:
                    cycle.chunked_encoding, cycle.expected_content_length = False, sys.maxsize
            elif endless and not message.get("more_body", False):
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, sent)

    return served
