"""uvicorn's protocol classes whose connections can be handed over, and what stands in for them between two requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from core.hub import Hub
from transports.direct.handover import DuplexHolder, HandedOver, Holder
from transports.direct.upgrade import UpgradedProtocol, plain_key
from transports.uvicorn_edges.bounds import connection_of
from transports.uvicorn_edges.protocols import FORGOTTEN, LabHttpProtocol

_REMEMBERED_BYTES: Final = 32_768


class DirectWebSocketProtocol(HandedOver[DuplexHolder], UpgradedProtocol):
    """A WebSocket that can be handed over."""

    def take_over(self, holder: DuplexHolder) -> Sequence[str | None]:
        """Hand the connection to `holder` when the endpoint returns. Gives what the client has said meanwhile."""
        self.holder = holder
        waiting = [each.get("text") for each in self.queue.messages if each["type"] == "websocket.receive"]
        self.queue.messages.clear()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        if not self.writable.is_set():
            holder.pause()
        return waiting

    def _app_ended(self) -> None:
        if self.holder is None:
            super()._app_ended()

    def _receive(self, text: str | None, data: bytes) -> None:
        if self.holder is None:
            super()._receive(text, data)
        else:
            self.holder.receive(text)

    def handle_close(self, event: Any) -> None:
        """As uvicorn's. What the turn has brought goes before our close, and nothing behind it (RFC 6455, 5.5.1)."""
        if self.holder is not None:
            self.holder.pause()
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        """As before; after the end of our side is sent, nothing may be written any more."""
        if not self.close_sent:
            self._tell_lost()
        super().handle_parser_exception()


_UNHEARD: Final = asyncio.Event()  # stands in for that of a request whose endpoint has returned


class _Collected(bytearray):
    """Stands in for a response's transport."""

    write = bytearray.extend


class DirectHttpProtocol(HandedOver[Holder], LabHttpProtocol):
    """HTTP/1.1 whose responses can be handed over, and whose last request is remembered as it came."""

    request_bytes = b""  # what came last, if it came when nothing else was under way
    _held: RequestResponseCycle
    _owes = False  # whether its holder owes the client an answer, and not what may come some day

    def data_received(self, data: bytes) -> None:
        """Remember what came, if it could be recognised when it comes again, and parse it."""
        idle = not self._in_head and (self.cycle is None or self.cycle.response_complete)
        self.request_bytes = data if idle and len(data) <= _REMEMBERED_BYTES else b""
        super().data_received(data)

    def handle_websocket_upgrade(self) -> None:
        """As before, the short way where nothing speaks against it."""
        key = plain_key(self)
        if key is None:
            super().handle_websocket_upgrade()
            return
        self.connections.discard(self)
        protocol = DirectWebSocketProtocol(self.config, self.server_state, self.app_state)
        protocol.upgrade(self, key)
        protocol.spawn(protocol.run_asgi())
        self.transport.set_protocol(protocol)
        self._let_go()

    def _app_ended(self, cycle: RequestResponseCycle) -> None:
        if self.holder is not None and self._held is cycle:
            self._forget_request()
        if not self._owes:
            super()._app_ended(cycle)

    def can_hand_over(self, scope: Scope) -> bool:
        """Whether the request of `scope` is the one whose answer is due next, and nothing stands behind it."""
        return self.cycle.scope is scope and not self.pipeline

    @contextmanager
    def held_back(self) -> Iterator[bytearray]:
        """Collect what the endpoint sends meanwhile, for the holder to write it with what follows."""
        cycle, collected = self.cycle, _Collected()
        cycle.transport = collected  # type: ignore[assignment]
        try:
            yield collected
        finally:
            cycle.transport = self.transport

    def eof_received(self) -> bool:  # type: ignore[override]
        """As in every case, but a stream or a waiting poll that was handed over ends."""
        return (self.holder is None or self._owes) and super().eof_received()

    def take_over(self, holder: Holder, *, owes: bool = False) -> None:
        """Hand the connection to `holder`, after the response's head was sent, when the endpoint returns.

        With `owes` an answer is due, and not only when something happens.
        """
        self.holder, self._owes = holder, owes
        self._held = self.cycle
        self._unset_keepalive_if_required()
        # To the cycle it looks as if the client had gone: it neither waits for the rest of the response nor closes.
        self._held.disconnected = True
        self._held.response_complete = False
        if self.flow.write_paused:
            holder.pause()

    def _forget_request(self) -> None:
        """Let go of what only the endpoint needed, which is much of what an idle stream or held poll would keep."""
        if self.scope is self._held.scope:  # else: of a next request, which waits
            self.scope, self.headers, self.url = FORGOTTEN, [], b""
        self._held.scope = FORGOTTEN
        self._held.message_event = _UNHEARD
        self.request_bytes, self._known = b"", None

    @property
    def stands_alone(self) -> bool:
        """Whether the held request has come whole, nothing stands behind it, and others may follow."""
        return self._held.keep_alive and not self._held.more_body and not self.pipeline

    def respond(self, answer: bytes) -> None:
        """Write the holder's whole response, and go on with the next request."""
        if not self._held.keep_alive:  # RFC 9112, section 9.6
            answer = answer.replace(b"\r\n", b"\r\nconnection: close\r\n", 1)
        self.transport.write(answer)
        self.give_back()

    def give_back(self) -> None:
        """Go on with the next request: the holder has written its whole response."""
        self.holder = None
        self._held.response_complete = True
        if self._held.keep_alive:
            self.on_response_complete()
        else:
            self.transport.close()

    def go_on(self, data: bytes) -> None:
        """As `give_back`, with what has come after that response; in a shutdown it is the last that is answered."""
        last = not self._held.keep_alive
        self._held.keep_alive = True
        self.give_back()
        self.data_received(data)
        if last:
            self.cycle.keep_alive = False


class StandIn(asyncio.Protocol):
    """Takes what comes on a connection in the place of its protocol, which gets all else."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: DirectHttpProtocol) -> None:
        self._protocol = protocol

    def eof_received(self) -> bool:
        """The client has ended its side."""
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        """The buffer is full; the protocol passes it on to its holder."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """As before."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """As before."""
        self._protocol.connection_lost(exc)


def websocket_behind(scope: Scope) -> DirectWebSocketProtocol | None:
    """The protocol behind a WebSocket that can be written to directly, if there is one."""
    protocol = connection_of(scope)
    return protocol if isinstance(protocol, DirectWebSocketProtocol) and not protocol.conn.extensions else None


def http_behind(scope: Scope) -> DirectHttpProtocol | None:
    """The protocol behind an HTTP/1.1 request that can be written to directly, if there is one."""
    protocol = connection_of(scope)
    return protocol if isinstance(protocol, DirectHttpProtocol) and protocol.can_hand_over(scope) else None


def without_cors(hub: Hub, request: Request) -> DirectHttpProtocol | None:
    """As `http_behind`, but None where CORS headers are due, which middleware adds to what the app sends."""
    cors = hub.settings.origins is not None and "origin" in request.headers
    return None if cors else http_behind(request.scope)


def raw(response: Response, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A whole HTTP/1.1 response, as uvicorn would write it; its `server_state` has the default headers."""
    lines = [b"%b: %b\r\n" % header for header in (*default_headers, *response.raw_headers)]
    return b"".join((STATUS_LINE[response.status_code], *lines, b"\r\n", response.body))
