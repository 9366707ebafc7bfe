"""The direct sink of an HTTP stream: each event is one HTTP/1.1 chunk (RFC 9112, section 7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.errors import RoomError
from core.hub import Hub
from core.model import FrameKind, Position, Principal, RoomId
from transports.caching import UNTOUCHED_FIELD
from transports.direct.joining import Joining
from transports.direct.protocols import DirectHttpProtocol, http_behind
from transports.direct.subscription import DirectSubscription
from transports.heartbeat import Heartbeat
from transports.stream import StreamFormat, opening

CLOSE_S: Final = 5.0  # for the peer to read what is left before the end of the stream
_END: Final = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk; nothing of no bytes, which would be the last."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class DirectStreams:
    """The streams of one app in one format, where they can be written to uvicorn's connections."""

    def __init__(self, hub: Hub, joining: Joining, wire_format: StreamFormat) -> None:
        self.hub = hub
        self._joining = joining
        self.wire_format = wire_format
        self.heartbeat = Heartbeat(hub.settings.heartbeat_s)
        self.beat = chunk(wire_format.heartbeat)
        self.fields = (
            UNTOUCHED_FIELD,
            (b"x-accel-buffering", b"no"),
            (b"content-type", wire_format.media_type.encode()),
        )

    async def respond(
        self, request: Request, principal: Principal, room: RoomId, since: Position | None
    ) -> Response | None:
        """See `transports.base.RespondStream`. Raises RoomError."""
        protocol = http_behind(request.scope)
        if protocol is None:
            return None
        subscription = await self._joining.attach(principal, room, self.wire_format.transport, self.frame, since)
        if not protocol.can_hand_over(request.scope):  # a request has come behind it meanwhile
            await self.hub.detach(subscription)
            return None
        return _DirectResponse(self, protocol, subscription)

    def frame(self, body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> bytes:
        """One frame of the format as one chunk."""
        return chunk(self.wire_format.frame(body, position, kind))


class _DirectResponse(Response):
    """Sends the head of the response as any endpoint does, then leaves the stream to the protocol object."""

    def __init__(self, streams: DirectStreams, protocol: DirectHttpProtocol, subscription: DirectSubscription) -> None:
        self._fields = list(streams.fields)
        super().__init__()
        self._protocol = protocol
        self._stream = _Stream(streams, protocol, subscription)
        self._opening = chunk(streams.wire_format.preamble()) + b"".join(opening(streams.hub, subscription))

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """The same for all, and no length."""
        self.raw_headers = self._fields

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._protocol.held_back() as head:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        except BaseException:
            self._stream.lost()
            raise
        self._stream.start(bytes(head) + self._opening)


class _Stream:
    """Between one protocol object and one subscription."""

    __slots__ = ("_protocol", "_streams", "_subscription")

    def __init__(self, streams: DirectStreams, protocol: DirectHttpProtocol, subscription: DirectSubscription) -> None:
        self._streams = streams
        self._protocol = protocol
        self._subscription = subscription

    def start(self, opening: bytes) -> None:
        if self._protocol.transport.is_closing():
            self.lost()
            return
        descriptor = self._protocol.write_through()
        self._protocol.take_over(self)
        self._streams.heartbeat.add(self)
        self._subscription.connect(self, self._protocol.transport.write, descriptor, opening)

    def beat(self) -> None:
        """Say that the stream lives; one whose buffer is full hears nothing anyway."""
        if self._subscription.direct:
            self._protocol.transport.write(self._streams.beat)

    def pause(self) -> None:
        self._subscription.pause()

    def resume(self) -> None:
        self._subscription.resume()

    def lost(self) -> None:
        self._streams.heartbeat.discard(self)
        self._subscription.disconnect()
        self._protocol.spawn(self._streams.hub.detach(self._subscription))

    def finish(self, reason: RoomError | None) -> None:
        """End the stream; a peer that does not read so far is cut off."""
        self._streams.heartbeat.discard(self)
        if self._protocol.transport.is_closing():
            return
        self._protocol.transport.write(chunk(self._streams.wire_format.last_words(reason)) + _END)
        self._protocol.transport.close()
        self._protocol.loop.call_later(CLOSE_S, self._protocol.transport.abort)
