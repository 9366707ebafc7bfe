"""uvicorn's protocol classes with the edges that the contract asks for, and the door to the direct sink.

Nothing here knows of rooms. They rely on uvicorn's inner names; `tests/transports` says which, and fails when one goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

import httptools
from starlette.types import Scope
from uvicorn._types import ASGI3Application, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from websockets.http11 import Request

from transports.direct.handover import DuplexHolder, HandedOver, Holder
from transports.direct.upgrade import UpgradedProtocol, plain_key
from transports.uvicorn_edges.bounds import BoundedHttpProtocol

EXTENSION: Final = "rtlab.direct"
_LINGER_S: Final = 2.0
_REMEMBERED_BYTES: Final = 32_768


class LabWebSocketProtocol(HandedOver[DuplexHolder], UpgradedProtocol):
    """Tells a peer that broke the protocol why, before the connection goes; can be handed over."""

    def handle_connect(self, event: Request) -> None:
        """Offer the direct sink to the app."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            self._offer()

    def upgrade(self, asked: HttpToolsProtocol, key: bytes) -> None:
        """As before."""
        super().upgrade(asked, key)
        self._offer()

    def _offer(self) -> None:
        self.scope["extensions"] = {**(self.scope["extensions"] or {}), EXTENSION: {"protocol": self}}

    def take_over(self, holder: DuplexHolder) -> Sequence[str | None]:
        """Hand the connection to `holder` when the endpoint returns. Gives what the client has said meanwhile."""
        self.holder = holder
        waiting = []
        while not self.queue.empty():
            message = self.queue.get_nowait()
            if message["type"] == "websocket.receive":
                waiting.append(message.get("text"))
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        if not self.writable.is_set():
            holder.pause()
        return waiting

    def close_soon(self, within_s: float) -> None:
        """Write the close frame that `conn` has ready, and cut the connection off if that does not end it in time."""
        self.stop_keepalive()
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.resume_reading()  # the peer's own close frame may stand behind what was not read yet
        self.read_paused = False
        self.close_timer = self.loop.call_later(within_s, self.transport.abort)

    async def run_asgi(self) -> None:
        """As uvicorn's, but leave the connection alone when it was handed over."""
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
        if self.close_timer is None and self.holder is None:
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
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        if self.holder is None:
            self.frames = [data]
            super().send_receive_event_to_app()
        else:
            self.frames = []
            self.holder.receive(text)

    def handle_parser_exception(self) -> None:
        """Send the close frame and linger: closing at once, with bytes unread, would be a reset that overtakes it."""
        if self.close_sent:
            return
        assert self.conn.close_sent is not None
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": self.conn.close_sent.code, "reason": self.conn.close_sent.reason}
        )
        self.broken = True
        self._tell_lost()  # after the end of our side is sent, nothing may be written any more
        self.close_soon(_LINGER_S)
        if self.transport.can_write_eof():
            self.transport.write_eof()  # the peer need not wait for us to see its answer

    def keepalive_timeout(self) -> None:
        """As uvicorn's; what the app still sends is for nobody."""
        super().keepalive_timeout()
        self.broken = self.close_sent

    async def send(self, message: ASGISendEvent) -> None:
        """As uvicorn's, but an app that has not heard yet that the protocol closed has done nothing wrong."""
        if self.broken:
            raise ClientDisconnected
        await super().send(message)


# Stand in for the scope and the event of a request whose endpoint has returned: nobody reads them any more.
_FORGOTTEN: Final[Any] = MappingProxyType({})
_UNHEARD: Final = asyncio.Event()


class _Collected(bytearray):
    """Stands in for a response's transport."""

    write = bytearray.extend


class LabHttpProtocol(HandedOver[Holder], BoundedHttpProtocol):
    """HTTP/1.1 whose responses can be handed over, and whose last request is remembered as it came."""

    request_bytes = b""  # what came last, if it came when nothing else was under way
    _held: RequestResponseCycle
    _owes = False  # whether its holder owes the client an answer, and not what may come some day

    def data_received(self, data: bytes) -> None:
        """Remember what came, if it could be recognised when it comes again, and parse it."""
        idle = not self._in_head and (self.cycle is None or self.cycle.response_complete)
        self.request_bytes = data if idle and len(data) <= _REMEMBERED_BYTES else b""
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Offer the direct sink to the app; HTTP/1.0 knows no chunks."""
        if self.parser.get_http_version() == "1.1":
            self.scope["extensions"] = {EXTENSION: {"protocol": self}}
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """As uvicorn's, the short way where nothing speaks against it. And let go of what holds this protocol too: else
        it would last until a garbage collection.
        """
        if not self.url.startswith(b"/"):  # absolute form (RFC 9112, section 3.2.2)
            asked = httptools.parse_url(self.url)
            self.url = asked.path + (b"?" + asked.query if asked.query else b"")
        key = plain_key(self)
        if key is None:
            super().handle_websocket_upgrade()
            upgraded = self.transport.get_protocol()
            if isinstance(upgraded, LabWebSocketProtocol) and not upgraded.handshake_initiated:
                self._refuse(431)  # websockets takes fewer and shorter fields than our parser, and says nothing
        else:
            self.connections.discard(self)
            protocol = LabWebSocketProtocol(self.config, self.server_state, self.app_state)
            protocol.upgrade(self, key)
            self.transport.set_protocol(protocol)
        self.parser, self.scope = None, _FORGOTTEN  # type: ignore[assignment]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """As uvicorn's, but a request that a graceful shutdown cancels is no error: its client took too long."""

        async def quietly(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, self._heard(cycle, receive), send)
            except asyncio.CancelledError:  # we are the outermost frame of the task: uvicorn would log a traceback
                cycle.disconnected = True
            if self.holder is not None and self._held is cycle:
                self._forget_request()
            if self._last_said and cycle.disconnected and not self._owes:
                self.transport.close()

        super()._start_asgi_task(cycle, quietly)

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
        """Let go of what only the endpoint needed, which is much of what an idle stream or parked poll would hold."""
        if self.scope is self._held.scope:  # else: of a next request, which waits
            self.scope, self.headers, self.url = _FORGOTTEN, [], b""
        self._held.scope = _FORGOTTEN
        self._held.message_event = _UNHEARD
        self.request_bytes = b""

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
    """Takes what comes on a connection in the place of its protocol, who is told all else."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: LabHttpProtocol) -> None:
        self._protocol = protocol

    def eof_received(self) -> bool:
        """The client has said its last."""
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        """The buffer is full; the protocol tells its holder."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """As before."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """As before."""
        self._protocol.connection_lost(exc)
