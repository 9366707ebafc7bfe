"""The direct sink of long polling: a parked poll is an entry in a fan-out, no task; all who wait at the same place get
the same bytes; and a connection that polls again with the same request but for its position skips the parser.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from core.errors import BadRequest, RoomError, SlowConsumer
from core.hub import Hub
from core.model import Position
from core.subscription import Start, Subscription
from transports.errors import http_response
from transports.frames import direct_http
from transports.protocols import LabHttpProtocol

# Only requests whose sole varying part is the value of `since` are recognised again.
_SINCE: Final = re.compile(rb"GET [^ \r\n]*?[?&]since=([^& \r\n]*)")
_RESYNC: Final = b'{"type":"resync"'
_TICK_S: Final = 0.1
_KEPT_ANSWERS: Final = 64

Frame = tuple[bytes, Position]
Respond = Callable[[Start, list[Frame]], Response]  # the ordinary answer of a poll


class Parking:
    """Where the polls of one app wait that need no task to do so, and what they are all told."""

    tick_ends_s = 0.0  # by the event loop's clock: noted by all who park in this tick, instead of a time each

    def __init__(self, hub: Hub, respond: Respond) -> None:
        self._hub = hub
        self._respond = respond
        self._default_headers: Callable[[], list[tuple[bytes, bytes]]] = list
        self._polls: set[DirectPoll] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.told = Position("", 0)  # by the last common answer, and as its pollers will write it
        self.told_text = b""
        self._last_head = b""
        self._answers: dict[tuple[Position, Position], bytes] = {}  # by the first and last event in them

    def direct(self, request: Request) -> LabHttpProtocol | None:
        """The protocol behind a poll that may be parked; not if CORS headers are due, which middleware adds."""
        if self._hub.settings.origins is not None and "origin" in request.headers:
            return None
        direct = direct_http(request.scope, self._hub.settings.fanout)
        if direct is not None:
            server_state = direct.server_state
            self._default_headers = lambda: server_state.default_headers
        return direct

    def frame(self, body: bytes, position: Position | None) -> Frame:
        """As every poll's frame; the fan-out of this framing answers them together."""
        return body, position or Position("", 0)

    def answer(self, frames: list[Frame]) -> bytes:
        """The response for all who waited at the place before these frames."""
        body, position = frames[-1]
        if body.startswith(_RESYNC):
            return self.raw(self._respond(Start(position, recovered=False), frames))
        self.told, self.told_text = position, str(position).encode()
        return self.caught_up(frames)

    def nothing_new(self, since: Position) -> bytes:
        """The response for one poller to whom there is nothing to tell."""
        return self.raw(self._respond(Start(since, recovered=True), []))

    def caught_up(self, frames: list[Frame]) -> bytes:
        """The response with these frames: built once for all who come from and to the same place."""
        since, position = frames[0][1], frames[-1][1]
        answer = self._answers.get((since, position))
        if answer is None:
            if len(self._answers) >= _KEPT_ANSWERS:
                self._answers.clear()
            answer = self.raw(self._respond(Start(since, recovered=True), frames))
            self._answers[since, position] = answer
        return answer

    def raw(self, response: Response) -> bytes:
        """A whole HTTP/1.1 response, as uvicorn would write it."""
        lines = [STATUS_LINE[response.status_code]]
        lines += [b"%b: %b\r\n" % header for header in (*self._default_headers(), *response.raw_headers)]
        return b"".join((*lines, b"\r\n", response.body))

    def add(self, poll: DirectPoll) -> None:
        """Watch over a poll: one timer for all, since one each would cost more than the poll itself."""
        self._polls.add(poll)
        if self._timer is None:
            self._begin_tick(asyncio.get_running_loop())

    def shared(self, head: bytes) -> bytes:
        """The same bytes as the last poll had, if it asked for the same: what thousands compare stays near."""
        if head != self._last_head:
            self._last_head = head
        return self._last_head

    def discard(self, poll: DirectPoll) -> None:
        """Stop watching; harmless for one that is not watched."""
        self._polls.discard(poll)

    def _begin_tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.tick_ends_s = loop.time() + _TICK_S
        self._timer = loop.call_at(self.tick_ends_s, self._end_tick)

    def _end_tick(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for poll in [each for each in self._polls if each.parked_s + each.wait_s <= now_s]:
            poll.give_up(now_s)
        if self._polls:
            self._begin_tick(loop)
        else:
            self._timer = None


class DirectPoll(asyncio.Protocol):
    """One connection that polls one room: between its transport and its subscription.

    While it is armed it stands in the place of uvicorn's protocol, also between two polls, so that an answer is one
    write and a follow-up poll one comparison. Whatever does not come by this short way makes it stand down, and uvicorn
    parses it.
    """

    __slots__ = (
        "_hub",
        "_parking",
        "_prefix",
        "_protocol",
        "_since",
        "_subscription",
        "_suffix",
        "descriptor",
        "parked_s",
        "wait_s",
        "write",
    )

    def __init__(
        self, hub: Hub, parking: Parking, protocol: LabHttpProtocol, subscription: Subscription, wait_s: float
    ) -> None:
        self._hub = hub
        self._parking = parking
        self._protocol = protocol
        self._subscription = subscription
        self._since = subscription.start.position
        self.wait_s = wait_s
        self.parked_s = 0.0  # or answered, if that was later
        self._prefix, self._suffix = b"", b""
        self.write: Callable[[bytes], object] = self._write_last
        self.descriptor: int | None = None
        match = _SINCE.match(protocol.request_bytes)
        if match is not None and not protocol.pipeline:
            self._prefix = parking.shared(match.string[: match.start(1)])
            self._suffix = match.string[match.end(1) :]
            self.write = protocol.transport.write
            self.descriptor = protocol.write_through()

    @property
    def waits(self) -> bool:
        """Whether the client waits for an answer."""
        fanout = self._subscription.fanout
        return fanout is not None and self._subscription in fanout

    def park(self) -> None:
        """Wait for something to tell, or tell it; the endpoint returns without having sent anything."""
        transport = self._protocol.transport
        if transport.is_closing():
            self._protocol.spawn(self._hub.detach(self._subscription))
            return
        self._protocol.take_over(self)
        if self._prefix:
            transport.set_protocol(self)
        self._parking.add(self)
        self.parked_s = self._parking.tick_ends_s
        self._subscription.connect(self)

    def data_received(self, data: bytes) -> None:
        """Answer or park a follow-up poll that differs from the last only in its position; else let it be parsed."""
        parking = self._parking
        since: Position | None = parking.told
        if data != self._prefix + parking.told_text + self._suffix:
            since = self._position_in(data)
        missed = None if since is None else self._hub.resume(self._subscription, since)
        if since is None or missed is None:
            self._stand_down()
            self._protocol.data_received(data)
            return
        self._since = since
        self.parked_s = parking.tick_ends_s
        if missed:
            self.write(parking.caught_up([(event.body, event.position) for event in missed]))

    def _position_in(self, data: bytes) -> Position | None:
        prefix, suffix = self._prefix, self._suffix
        if not data.startswith(prefix) or not data.endswith(suffix):
            return None
        try:
            return Position.parse(data[len(prefix) : len(data) - len(suffix)].decode().replace("%3A", ":"))
        except (BadRequest, UnicodeDecodeError):
            return None

    def _stand_down(self) -> None:
        """Let uvicorn's protocol have the connection, behind the answer that is still due."""
        protocol = self._protocol
        protocol.transport.set_protocol(protocol)
        if self.waits:
            self.write, self.descriptor = self._write_last, None
            self._subscription.rewire(self.write)
        else:
            self._parking.discard(self)
            protocol.give_back()

    def finish(self, reason: RoomError | None) -> None:
        """The subscription ends while the poll waits: say why."""
        # One that got more in a turn than an outbox holds reads it from history with its next poll.
        if reason is None or isinstance(reason, SlowConsumer):
            answer = self._parking.nothing_new(self._since)
        else:
            self._hub.stats.rejected[reason.code] += 1
            answer = self._parking.raw(http_response(reason))
        self._write_last(answer)
        self._protocol.spawn(self._hub.detach(self._subscription))

    def give_up(self, now_s: float) -> None:
        """Its time has run out: nothing happened, or the client has not come back for long."""
        if self.waits:
            if self._hub.withdraw(self._subscription):
                self._subscription.write(self._parking.nothing_new(self._since))
        elif now_s - self.parked_s - self.wait_s > self._protocol.timeout_keep_alive:
            self._protocol.transport.close()

    def pause(self) -> None:
        """Its socket is full; a poll has asked for one answer, and gets it, behind what waits."""
        self._subscription.rewire(self.write)

    def resume(self) -> None:
        """Its socket takes bytes again."""
        self._subscription.rewire(self.write, self.descriptor)

    def eof_received(self) -> None:
        """Tell uvicorn's protocol that the client has said its last."""
        self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Tell uvicorn's protocol; it tells its holder, which is this."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """As before."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """As before."""
        self._protocol.connection_lost(exc)

    def lost(self) -> None:
        """The client went. Nothing is consumed by that."""
        self._parking.discard(self)
        if self.waits:
            self._subscription.disconnect()
            self._protocol.spawn(self._hub.detach(self._subscription))

    def _write_last(self, answer: bytes) -> None:
        protocol = self._protocol
        self._parking.discard(self)
        protocol.transport.set_protocol(protocol)
        protocol.transport.write(answer)
        protocol.give_back()


class Parked(Response):
    """What an endpoint returns for a poll whose connection it hands over: it sends nothing itself."""

    def __init__(self, poll: DirectPoll) -> None:
        super().__init__()
        self._poll = poll

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._poll.park()
