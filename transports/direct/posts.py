"""The short way of POSTs: a connection that publishes again, with the same head but for the room and the body's length,
skips the parser and the app. What the head decides otherwise was decided for the same bytes; what the token allows in
that room, now, is looked at for each.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from starlette.background import BackgroundTask
from starlette.requests import Request

from core.errors import RoomError
from core.hub import Hub
from core.model import ROOM_PATTERN, RoomId
from transports.base import Accepted, Publish
from transports.direct.protocols import DirectHttpProtocol, StandIn, raw, without_cors
from transports.errors import refused

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,6})[ \t]*(?=\r\n)", re.IGNORECASE)
_DIGITS: Final = 6
_ROOM: Final = re.compile(ROOM_PATTERN.encode())
_ROOMS: Final = b"POST /rooms/"
_ROOM_BYTES: Final = 64


def expect_more(hub: Hub, request: Request, publish: Publish, accepted: Accepted) -> BackgroundTask | None:
    """What to do behind the response to a POST, so that the next ones on its connection go to `publish`; None where the
    connection can't be had, or CORS headers are due, which middleware adds.
    """
    protocol = without_cors(hub, request)
    return None if protocol is None else BackgroundTask(_arm, hub, protocol, request, publish, accepted)


async def _arm(hub: Hub, protocol: DirectHttpProtocol, request: Request, publish: Publish, accepted: Accepted) -> None:
    transport, whole = protocol.transport, protocol.request_bytes
    if not protocol.can_hand_over(request.scope) or not protocol.cycle.keep_alive or transport.is_closing():
        return
    head, end, body = whole.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    room = _ROOM.match(head, len(_ROOMS)) if head.startswith(_ROOMS) else None
    if end and length is not None and room is not None and int(length[1]) == len(body):
        transport.set_protocol(
            DirectPosts(
                hub, protocol, head[room.end() : length.start(1)], head[length.end(1) :] + end, publish, accepted
            )
        )
    protocol.request_bytes = b""


class DirectPosts(StandIn):
    """One connection that publishes: in the place of uvicorn's protocol as long as each POST is like the last."""

    __slots__ = ("_accepted", "_after", "_between", "_hub", "_publish")

    def __init__(
        self,
        hub: Hub,
        protocol: DirectHttpProtocol,
        between: bytes,
        after: bytes,
        publish: Publish,
        accepted: Accepted,
    ) -> None:
        super().__init__(protocol)
        self._hub = hub
        self._between, self._after = between, after  # of the head: the room and the length, and behind that
        self._publish = publish
        self._accepted = accepted

    def data_received(self, data: bytes) -> None:
        """Publish whole POSTs with the known head. Let all else be parsed, behind the answer that is still due; also
        while the client does not read its answers: the app waits for that.
        """
        protocol, at = self._protocol, 0
        while at < len(data) and not protocol.transport.is_closing():
            known = self._next(data, at)
            if known is None or protocol.holder is not None or protocol.flow.write_paused:
                protocol.transport.set_protocol(protocol)
                protocol.data_received(data[at:])
                return
            room, body, at = known
            protocol.take_over(self, owes=True)
            protocol.run(self._answer(room, body))

    def _next(self, data: bytes, at: int) -> tuple[RoomId, bytes, int] | None:
        """The room and the body of the POST that begins at `at`, and where it ends."""
        start = at + len(_ROOMS)
        room_end = data.find(self._between, start, start + _ROOM_BYTES + len(self._between))
        length_start = room_end + len(self._between)
        length_end = data.find(self._after, length_start, length_start + _DIGITS + len(self._after))
        room, length, body_start = data[start:room_end], data[length_start:length_end], length_end + len(self._after)
        end = body_start + int(length) if length_end >= 0 and length.isdigit() else -1
        whole = (
            min(room_end, length_end) >= 0
            and body_start <= end <= min(len(data), body_start + self._hub.settings.max_bytes)
            and data.startswith(_ROOMS, at)
            and _ROOM.fullmatch(room) is not None
        )
        return (RoomId(room.decode()), data[body_start:end], end) if whole else None

    async def _answer(self, room: RoomId, body: bytes) -> None:
        protocol = self._protocol
        try:
            said = await self._publish(room, body)
            answer = _head(self._accepted, len(said), tuple(protocol.server_state.default_headers)) + said
        except RoomError as refusal:
            answer = raw(refused(self._hub, refusal), protocol.server_state.default_headers)
        except Exception:
            protocol.logger.exception("Exception while publishing\n")
            protocol.transport.close()
            return
        if protocol.holder is self:  # else the client has gone
            protocol.respond(answer)

    def pause(self) -> None:
        """Its answers are small; the next POST is seen to wait."""

    def resume(self) -> None:
        """As before."""

    def lost(self) -> None:
        """What was accepted is delivered; the answer is for nobody."""


@lru_cache(maxsize=64)
def _head(accepted: Accepted, size_bytes: int, default_headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """What stands before a body of this size: the same for all answers of a second, by whose end `date` is another."""
    return raw(accepted(bytes(size_bytes)), default_headers)[:-size_bytes]
