"""The short way of POSTs: a connection that publishes again, with the same head but for the body's length, skips
the parser and the app. All that the head decides was decided for the same bytes; what may change with time, the token's
and the user's, is looked at for each.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from core.errors import RoomError
from core.hub import Hub
from transports.errors import http_response
from transports.frames import direct_http, raw
from transports.protocols import LabHttpProtocol

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,6})[ \t]*(?=\r\n)", re.IGNORECASE)
_DIGITS: Final = 6

Publish = Callable[[bytes], Awaitable[Response]]  # a body; raises RoomError


def expect_more(hub: Hub, request: Request, publish: Publish) -> BackgroundTask | None:
    """What to do behind the response to a POST, so that the next ones on its connection go to `publish`; None where the
    connection can't be had, or CORS headers are due, which middleware adds.
    """
    protocol = direct_http(request.scope, hub.settings.fanout)
    if protocol is None or (hub.settings.origins is not None and "origin" in request.headers):
        return None
    return BackgroundTask(_arm, hub, protocol, request, publish)


async def _arm(hub: Hub, protocol: LabHttpProtocol, request: Request, publish: Publish) -> None:
    transport, whole = protocol.transport, protocol.request_bytes
    if not protocol.can_hand_over(request.scope) or not protocol.cycle.keep_alive or transport.is_closing():
        return
    head, end, body = whole.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    if end and length is not None and int(length[1]) == len(body):
        head += end
        transport.set_protocol(DirectPosts(hub, protocol, head[: length.start(1)], head[length.end(1) :], publish))
    protocol.request_bytes = b""


class DirectPosts(asyncio.Protocol):
    """One connection that publishes: in the place of uvicorn's protocol as long as each POST is like the last."""

    __slots__ = ("_after", "_before", "_hub", "_protocol", "_publish")

    def __init__(self, hub: Hub, protocol: LabHttpProtocol, before: bytes, after: bytes, publish: Publish) -> None:
        self._hub = hub
        self._protocol = protocol
        self._before, self._after = before, after  # of the head, around the body's length
        self._publish = publish

    def data_received(self, data: bytes) -> None:
        """Publish a whole POST with the known head; let all else be parsed, behind the answer that is still due."""
        protocol = self._protocol
        body = self._body_in(data)
        if body is None or protocol.holder is not None:
            protocol.transport.set_protocol(protocol)
            protocol.data_received(data)
            return
        protocol.take_over(self)
        protocol.spawn(self._answer(body))

    def _body_in(self, data: bytes) -> bytes | None:
        start = len(self._before)
        end = data.find(self._after, start, start + _DIGITS + len(self._after))
        if end < 0 or not data.startswith(self._before):
            return None
        length, body = data[start:end], data[end + len(self._after) :]
        exact = length.isdigit() and int(length) == len(body) <= self._hub.settings.max_bytes
        return body if exact else None

    async def _answer(self, body: bytes) -> None:
        protocol = self._protocol
        try:
            response = await self._publish(body)
        except RoomError as refusal:
            self._hub.stats.rejected[refusal.code] += 1
            response = http_response(refusal)
        except Exception:
            protocol.logger.exception("Exception while publishing\n")
            protocol.transport.close()
            return
        if protocol.holder is self:  # else the client has gone
            protocol.respond(raw(response, protocol.server_state.default_headers))

    def pause(self) -> None:
        """Its answers are small, and each waits for the next POST."""

    def resume(self) -> None:
        """As before."""

    def lost(self) -> None:
        """What was accepted is told to the others; the answer is for nobody."""

    def eof_received(self) -> None:
        """Tell uvicorn's protocol that the client has said its last."""
        self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Tell uvicorn's protocol."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """As before."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """As before."""
        self._protocol.connection_lost(exc)
