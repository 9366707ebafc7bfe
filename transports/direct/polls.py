"""The direct sink of long polling: a held poll is an entry in a fan-out, no task; and a connection that polls again
with the same request but for its position skips the parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core import wire
from core.errors import BadRequest, RoomError, SlowConsumer
from core.hub import Hub
from core.model import Position, Principal, RoomId, Start
from transports.base import Respond
from transports.direct.answers import PollAnswers
from transports.direct.epoll_reader import MANY
from transports.direct.held_polls import HeldPolls
from transports.direct.joining import Joining
from transports.direct.poll_batches import PollBatcher
from transports.direct.protocols import DirectHttpProtocol, StandIn, without_cors
from transports.direct.subscription import PollSubscription
from transports.errors import refused

# Only requests whose sole varying part is the value of `since` are recognised again.
_SINCE: Final = re.compile(rb"GET [^ \r\n]*?(?P<before>[?&])since=(?P<value>[^& \r\n]*)(?P<after>&?)")


class Polls:
    """The polls of one transport in an app."""

    def __init__(self, hub: Hub, joining: Joining, transport: str, respond: Respond) -> None:
        self._hub = hub
        self._joining = joining
        self._transport = transport
        self._respond = respond
        self._answers = PollAnswers(respond)
        self._held = HeldPolls(hub, self._answers)

    async def answer(
        self, request: Request, principal: Principal, room: RoomId, since: Position | None, wait_s: float
    ) -> Response | None:
        """See `transports.base.AnswerPoll`. One that cannot go on from its place is answered at once."""
        protocol = without_cors(self._hub, request)
        if protocol is None or protocol.flow.write_paused:  # one that reads no answers is to be waited for
            return None
        server_state = protocol.server_state
        self._answers.default_headers = lambda: server_state.default_headers
        subscription = await self._joining.attach_poller(
            principal, room, self._transport, self._answers.frame, since, self._answers
        )
        if not protocol.can_hand_over(request.scope):  # a request has come behind it meanwhile
            await self._hub.detach(subscription)
            return None
        start = subscription.start
        if start.resync is not None or subscription.ended:
            self._held.returns.withdraw(subscription)
            bodies = b"" if start.resync is None else wire.resync(start.resync, start.position)
            return self._respond(bodies, start.position, start.recovered)
        poll = DirectPoll(self._held, protocol, subscription, wait_s)
        return _HandedOver(poll.begin if since is None else poll.wait)


class DirectPoll(StandIn):
    """One connection that polls one room: between its transport and its subscription.

    While it is armed it stands in the place of uvicorn's protocol, also between two polls, so that an answer is one
    write and a follow-up poll one comparison. Whatever does not come by this short way makes it stand down, and uvicorn
    parses it.
    """

    __slots__ = (
        "_first",
        "_held",
        "_hub",
        "_read_as",
        "descriptor",
        "held_s",
        "prefix",
        "since",
        "subscription",
        "suffix",
        "wait_s",
        "write",
    )

    def __init__(
        self, held: HeldPolls, protocol: DirectHttpProtocol, subscription: PollSubscription, wait_s: float
    ) -> None:
        super().__init__(protocol)
        self._held = held
        self._hub = held.hub
        self.subscription = subscription
        self.since = subscription.start.position
        self.wait_s = wait_s
        self.held_s = 0.0  # since when; or when it was answered, if that was later
        self.prefix, self.suffix = b"", b""  # of its request, around the position
        self._first = b""  # its request, until it has come with a position
        self._read_as: int | None = None  # its descriptor, while the common reader reads it
        self.write: Callable[[bytes], object] = self._write_last
        self.descriptor: int | None = None

    @property
    def waits(self) -> bool:
        """Whether the client waits for an answer."""
        fanout = self.subscription.fanout
        return fanout is not None and self.subscription in fanout

    def wait(self) -> None:
        """Wait for an event, or answer with what has come; the endpoint returns without having sent anything."""
        if self._take_over(self._know):
            self.subscription.connect(self, self.write, self.descriptor)

    def begin(self) -> None:
        """Answer a poll that asked where to begin; what is expected next is the same request with a position."""
        if self._take_over(self._know_first):
            self._held.returns.withdraw(self.subscription)
            self.subscription.connect(self, self.write, self.descriptor)
            self.write(self._held.answers.nothing_yet(self.subscription.start))

    def _take_over(self, know: Callable[[bytes], bool]) -> bool:
        """Stand between the connection and the subscription, unless the client has gone; armed, if the next request
        can be known by this one.
        """
        protocol = self._protocol
        if protocol.cycle.disconnected:  # nobody says so a second time
            protocol.spawn(self._hub.detach(self.subscription))
            return False
        protocol.take_over(self)
        if protocol.transport.is_closing():
            return False
        if protocol.stands_alone and _is_head(protocol.request_bytes) and know(protocol.request_bytes):
            self.write = protocol.transport.write
            descriptor = protocol.write_through()
            # Else it would overtake what is left of the answer before: a client may have asked without reading that.
            self.descriptor = None if protocol.flow.write_paused else descriptor
            protocol.transport.set_protocol(self)
        self._held.add(self)
        self.held_s = self._held.tick_ends_s
        return True

    def _know_first(self, request: bytes) -> bool:
        self._first = request
        return True

    def _know(self, request: bytes) -> bool:
        match = _SINCE.match(request)
        if match is None:
            return False
        self.prefix = self._held.shared(request[: match.start("value")])
        self.suffix = request[match.end("value") :]
        return True

    def hear(self, data: bytes) -> None:
        """Answer or hold a follow-up poll that differs from the last only in its position; else let it be parsed."""
        if not data:
            self._read_alone()  # the transport will read the end, or why it can't
            return
        if self._protocol.transport.is_closing():
            return
        # For one that reads no answers the app waits.
        since = None if self._protocol.flow.write_paused else self._position_in(data)
        missed = None if since is None else self._held.returns.resume(self.subscription, since)
        if since is None or missed is None:
            self._stand_down(data)
            return
        self.since = since
        self.held_s = self._held.tick_ends_s
        if missed:
            self.write(self._held.answers.caught_up(missed))
        elif self._read_as is None and self.descriptor is not None:
            self._read_together(self.descriptor)

    data_received = hear  # from the transport

    def _position_in(self, data: bytes) -> Position | None:
        if self._first:
            if _without_since(data) != self._first or not self._know(data):
                return None
            self._first = b""
        prefix, suffix = self.prefix, self.suffix
        if not data.startswith(prefix) or not data.endswith(suffix):
            return None
        try:
            return Position.parse(data[len(prefix) : len(data) - len(suffix)].decode().replace("%3A", ":"))
        except (BadRequest, UnicodeDecodeError):
            return None

    def _stand_down(self, data: bytes) -> None:
        """Let uvicorn's protocol have the connection and what has come, behind the answer that is still due."""
        self._disarm()
        if self.waits:
            self.write, self.descriptor = self._write_last, None
            self.subscription.rewire(self.write)
            self._protocol.data_received(data)
            self._protocol.flow.resume_reading()  # a request behind it has paused that: it is to be seen who goes
        else:
            self._held.discard(self)
            self.subscription.disconnect()  # else they hold each other until a garbage collection
            self._protocol.go_on(data)

    def _disarm(self) -> None:
        self._protocol.transport.set_protocol(self._protocol)
        self._read_alone()

    def _read_together(self, descriptor: int) -> None:
        """Be read with the others from now on, if it was answered with many."""
        fanout = self.subscription.fanout
        many = isinstance(fanout, PollBatcher) and fanout.due_back >= MANY
        if many and self._held.reader.add(descriptor, self):
            self._read_as = descriptor
            self._protocol.transport.pause_reading()

    def _read_alone(self) -> None:
        if self._read_as is not None:
            self._held.reader.discard(self._read_as)
            self._read_as = None
            if not self._protocol.transport.is_closing():
                self._protocol.transport.resume_reading()

    def finish(self, reason: RoomError | None) -> None:
        """The subscription ends while the poll waits: say why."""
        # One that got more in a turn than an outbox holds reads it from history with its next poll.
        if reason is None or isinstance(reason, SlowConsumer):
            answer = self._held.answers.nothing_yet(Start(self.since, recovered=True))
        else:
            answer = self._held.answers.raw(refused(self._hub, reason))
        self._write_last(answer)
        self._protocol.spawn(self._hub.detach(self.subscription))

    def give_up(self, now_s: float) -> None:
        """Its time has run out: nothing happened, or the client has not come back for long."""
        if self.waits:
            if self._held.returns.withdraw(self.subscription):
                self.subscription.write(self._held.answers.nothing_yet(Start(self.since, recovered=True)))
        elif now_s - self.held_s - self.wait_s > self._protocol.timeout_keep_alive:
            self._protocol.transport.close()

    def leave_if_idle(self, at_once: bool) -> None:
        """The server drains: close, unless the client waits, or comes back soon and gets the reason."""
        if not self.waits and (at_once or self._first):
            self._protocol.transport.close()

    def pause(self) -> None:
        """Its socket is full; a poll has asked for one answer, and gets it, behind what waits."""
        self.subscription.rewire(self.write)

    def resume(self) -> None:
        """Its socket takes bytes again."""
        self.subscription.rewire(self.write, self.descriptor)

    def lost(self) -> None:
        """The client went. Nothing is consumed by that."""
        self._read_alone()
        self._held.discard(self)
        if self.waits:
            self._protocol.spawn(self._hub.detach(self.subscription))
        self.subscription.disconnect()

    def _write_last(self, answer: bytes) -> None:
        self._held.discard(self)
        self._disarm()
        self._protocol.respond(answer)


class _HandedOver(Response):
    """What an endpoint returns for a poll whose connection it hands over: it sends nothing itself."""

    def __init__(self, take_over: Callable[[], None]) -> None:
        self._take_over = take_over  # no head and no body: nothing of a response's own is needed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._take_over()


def _is_head(request: bytes) -> bool:
    return request.endswith(b"\r\n\r\n") and request.count(b"\r\n\r\n") == 1


def _without_since(request: bytes) -> bytes:
    """The same request without its position; b"" when it has none."""
    match = _SINCE.match(request)
    if match is None:
        return b""
    if match["before"] == b"?" and match["after"]:
        return request[: match.end("before")] + request[match.end("after") :]
    return request[: match.start("before")] + request[match.end("value") :]
