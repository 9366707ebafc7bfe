"""The direct sink of an event stream: each event is one HTTP/1.1 chunk (RFC 9112, section 7.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.errors import RoomError
from core.hub import Hub
from core.subscription import Subscription
from transports.caching import UNTOUCHED_FIELD
from transports.direct.heartbeat import Heartbeat
from transports.direct.protocols import DirectHttpProtocol

CLOSE_S: Final = 5.0  # for the peer to read what is left before the end of the stream
_BEAT: Final = b"3\r\n:\n\n\r\n"
_END: Final = b"0\r\n\r\n"
_FIELDS: Final = (
    UNTOUCHED_FIELD,
    (b"x-accel-buffering", b"no"),
    (b"content-type", b"text/event-stream; charset=utf-8"),
)


def chunk(data: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class DirectEventStream(Response):
    """Sends the head of the response as any endpoint does, then leaves the stream to the protocol object."""

    def __init__(
        self,
        hub: Hub,
        protocol: DirectHttpProtocol,
        heartbeat: Heartbeat,
        subscription: Subscription,
        opening: bytes,
        farewell: Callable[[RoomError | None], bytes],
    ) -> None:
        super().__init__()
        self._protocol = protocol
        self._stream = _Stream(hub, protocol, heartbeat, subscription, farewell)
        self._opening = opening

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """The same for all, and no length."""
        self.raw_headers = list(_FIELDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._protocol.held_back() as head:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        except BaseException:
            self._stream.lost()
            raise
        self._stream.start(bytes(head) + chunk(self._opening))


class _Stream:
    """Between one protocol object and one subscription."""

    __slots__ = ("_farewell", "_heartbeat", "_hub", "_protocol", "_subscription", "descriptor", "write")

    def __init__(
        self,
        hub: Hub,
        protocol: DirectHttpProtocol,
        heartbeat: Heartbeat,
        subscription: Subscription,
        farewell: Callable[[RoomError | None], bytes],
    ) -> None:
        self._hub = hub
        self._protocol = protocol
        self._heartbeat = heartbeat
        self._subscription = subscription
        self._farewell = farewell
        self.write = protocol.transport.write
        self.descriptor: int | None = None

    def start(self, opening: bytes) -> None:
        if self._protocol.transport.is_closing():
            self.lost()
            return
        self.descriptor = self._protocol.write_through()
        self._protocol.take_over(self)
        self._heartbeat.add(self)
        self._subscription.connect(self, opening)

    def beat(self) -> None:
        """Say that the stream lives; one whose buffer is full hears nothing anyway."""
        if self._subscription.direct:
            self.write(_BEAT)

    def pause(self) -> None:
        self._subscription.pause()

    def resume(self) -> None:
        self._subscription.resume()

    def lost(self) -> None:
        self._heartbeat.discard(self)
        self._subscription.disconnect()
        self._protocol.spawn(self._hub.detach(self._subscription))

    def finish(self, reason: RoomError | None) -> None:
        """End the stream; a peer that does not read so far is cut off."""
        self._heartbeat.discard(self)
        if self._protocol.transport.is_closing():
            return
        farewell = self._farewell(reason)
        self.write((chunk(farewell) if farewell else b"") + _END)
        self._protocol.transport.close()
        self._protocol.loop.call_later(CLOSE_S, self._protocol.transport.abort)
