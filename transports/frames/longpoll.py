"""The direct sink of long polling: a parked poll is an entry in a fan-out, no task; all who wait at the same place get
the same bytes; and a connection that polls again with the same request but for its position skips the parser.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from core.errors import BadRequest, RoomError, SlowConsumer
from core.hub import Hub
from core.model import Position
from core.subscription import Subscription
from transports.errors import http_response
from transports.protocols import LabHttpProtocol

# Only requests whose sole varying part is the value of `since` are recognised again.
_SINCE: Final = re.compile(rb"GET [^ \r\n]*?[?&]since=([^& \r\n]*)")

Poll = Callable[[list[Any], Position], Response]  # the ordinary answer: frames and the position before them


def raw_response(response: Response, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A whole HTTP/1.1 response, as uvicorn would write it."""
    lines = [STATUS_LINE[response.status_code]]
    lines += [b"%b: %b\r\n" % header for header in (*default_headers, *response.raw_headers)]
    return b"".join((*lines, b"\r\n", response.body))


class DirectPoll:
    """One connection that polls one room: between its protocol object and its subscription."""

    __slots__ = (
        "_hub",
        "_parked",
        "_poll",
        "_prefix",
        "_protocol",
        "_since",
        "_subscription",
        "_suffix",
        "_timer",
        "_wait_s",
    )

    def __init__(
        self, hub: Hub, protocol: LabHttpProtocol, subscription: Subscription, wait_s: float, poll: Poll
    ) -> None:
        self._hub = hub
        self._protocol = protocol
        self._subscription = subscription
        self._since = subscription.start.position
        self._wait_s = wait_s
        self._poll = poll
        self._parked = False
        self._timer: asyncio.TimerHandle | None = None
        match = _SINCE.match(protocol.request_bytes)
        self._prefix, self._suffix = b"", b""
        if match is not None:
            self._prefix, self._suffix = match.string[: match.start(1)], match.string[match.end(1) :]
            protocol.short_way = self

    def park(self) -> None:
        """Wait for something to tell; the endpoint returns without having sent anything."""
        if self._protocol.transport.is_closing():
            self.lost()
            return
        self._parked = True
        self._protocol.take_over(self)
        self._timer = self._protocol.loop.call_later(self._wait_s, self._give_up)
        self._subscription.connect(self)

    def take(self, data: bytes) -> bool:
        """Answer or park a follow-up poll that differs from the last only in its position."""
        prefix, suffix = self._prefix, self._suffix
        if not data.startswith(prefix) or not data.endswith(suffix) or len(data) <= len(prefix) + len(suffix):
            return False
        try:
            since = Position.parse(data[len(prefix) : len(data) - len(suffix)].decode("ascii").replace("%3A", ":"))
        except (BadRequest, UnicodeDecodeError):
            return False
        missed = self._hub.resume(self._subscription, since)
        if missed is None:
            return False
        self._since = since
        if missed:
            framing = self._subscription.framing
            frames = [framing(event.body, event.position) for event in missed]
            self._protocol.transport.write(self._raw(self._poll(frames, since)))
        else:
            self.park()
        return True

    def write(self, answer: bytes) -> None:
        """Give the answer that all who wait here get."""
        self._leave()
        self._hub.answered(self._subscription)
        self._answer(answer)

    def finish(self, reason: RoomError | None) -> None:
        """The subscription ends while the poll waits: say why."""
        self._leave()
        self._protocol.short_way = None
        # One that got more in a turn than an outbox holds reads it from history with its next poll.
        if reason is None or isinstance(reason, SlowConsumer):
            response = self._poll([], self._since)
        else:
            self._hub.stats.rejected[reason.code] += 1
            response = http_response(reason)
        self._answer(self._raw(response))
        self._protocol.spawn(self._hub.detach(self._subscription))

    def pause(self) -> None:
        """Its socket is full; a poll has asked for one answer, and gets it."""

    def resume(self) -> None:
        """Its socket takes bytes again."""

    def lost(self) -> None:
        """The client went while its poll waited. Nothing is consumed by that."""
        self._leave()
        self._subscription.disconnect()
        self._protocol.spawn(self._hub.detach(self._subscription))

    def _give_up(self) -> None:
        self._hub.answered(self._subscription)
        if self._parked:  # else what this turn brought has just been its answer
            self._leave()
            self._answer(self._raw(self._poll([], self._since)))

    def _leave(self) -> None:
        self._parked = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _answer(self, data: bytes) -> None:
        self._protocol.transport.write(data)
        self._protocol.give_back()

    def _raw(self, response: Response) -> bytes:
        return raw_response(response, self._protocol.server_state.default_headers)


class Parked(Response):
    """What an endpoint returns for a poll that waits: it sends nothing, the fan-out will."""

    def __init__(self, poll: DirectPoll) -> None:
        super().__init__()
        self._poll = poll

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._poll.park()
