"""Where polls wait that need no task to do so, and what they are told: each answer is built once for all it is for."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response

from core.hub import Hub
from core.model import FrameKind, Position
from core.subscription import Start, Subscription
from transports.direct import direct_http, raw
from transports.direct.epoll_reader import Crowd
from transports.direct.protocols import DirectHttpProtocol

if TYPE_CHECKING:
    from transports.direct.polls import DirectPoll

_TICK_S: Final = 0.1
_KNOWN_ROOMS: Final = 10_000
_KEPT_ANSWERS: Final = 64
_KEPT_BYTES: Final = 131_072  # of a larger one few are asked for twice
_PATIENCE_S: Final = 1.0  # of a server that drains, for those who have been answered to come back and be told

Frame = tuple[bytes, Position, FrameKind]
Respond = Callable[[bytes, Position, bool], Response]  # a poll's answer: bodies joined by commas, their last's position


class Parking:
    """The polls of one app; called, it is what answers those who wait together (`core.subscription.Answer`)."""

    tick_ends_s = 0.0  # by the event loop's clock: noted by all who park in this tick, instead of a time each

    def __init__(self, hub: Hub, respond: Respond) -> None:
        self._hub = hub
        self._respond = respond
        self._default_headers: Callable[[], list[tuple[bytes, bytes]]] = list
        self._polls: set[DirectPoll] = set()
        self._timer: asyncio.TimerHandle | None = None
        # By the last common answer in each room, by its epoch: the position, and that as its pollers will write it.
        self._told: dict[str, tuple[Position, bytes]] = {}
        self._last_head = b""
        self._drained_s: float | None = None  # when it was first seen that the server drains
        self._answers: dict[tuple[Position, Position], bytes] = {}  # by the first and last event in them
        self.crowd: Crowd[DirectPoll] = Crowd(self.hear)  # who may poll again with a request that is known

    def direct(self, request: Request) -> DirectHttpProtocol | None:
        """The protocol behind a poll that may be parked; not if CORS headers are due, which middleware adds."""
        if self._hub.settings.origins is not None and "origin" in request.headers:
            return None
        direct = direct_http(request.scope, self._hub.settings.fanout)
        if direct is not None:
            server_state = direct.server_state
            self._default_headers = lambda: server_state.default_headers
        return direct

    def hear(self, polls: list[DirectPoll], said: list[bytes]) -> None:
        """Many have said something at once: who polls again from where all were told last is let in with the others."""
        loop, told = asyncio.get_running_loop(), self._told
        again: defaultdict[str, dict[Subscription, DirectPoll]] = defaultdict(dict)  # by the epoch of their room
        for poll, data in zip(polls, said, strict=True):
            epoch = poll.since.epoch
            if epoch in told and data == poll.prefix + told[epoch][1] + poll.suffix:
                again[epoch][poll.subscription] = poll
            else:
                loop.call_soon(poll.hear, data)  # whatever goes wrong with one must not go wrong with the others
        for epoch, back in again.items():
            position, text = told[epoch]
            for subscription in self._hub.resume_all(list(back), position):
                poll = back.pop(subscription)
                loop.call_soon(poll.hear, poll.prefix + text + poll.suffix)
            for poll in back.values():
                poll.since, poll.parked_s = position, self.tick_ends_s

    def frame(self, body: bytes, position: Position | None, kind: FrameKind) -> Frame:
        """As every poll's frame; the fan-out of this framing answers them together."""
        return body, position or Position("", 0), kind

    def __call__(self, frames: list[Frame]) -> bytes:
        """The response for all who waited at the place before these frames."""
        _, position, kind = frames[-1]
        if kind == "resync":
            return self.raw(self._respond(_joined(frames), position, False))
        self._tell(position)
        return self.caught_up(frames)

    def rests(self, frames: list[Frame]) -> Callable[[int], bytes]:
        """The responses for those who waited at some place between these frames: slices of what is joined once."""
        position = frames[-1][1]
        self._tell(position)
        joined = _joined(frames)
        begins = list(accumulate((len(body) + 1 for body, _, _ in frames), initial=0))
        return lambda seen: self.raw(self._respond(joined[begins[seen] :], position, True))

    def nothing_yet(self, start: Start) -> bytes:
        """The response for one poller to whom there is nothing to tell."""
        return self.raw(self._respond(b"", start.position, start.recovered))

    def caught_up(self, frames: list[Frame]) -> bytes:
        """The response with these frames: built once for all who come from and to the same place."""
        since, position = frames[0][1], frames[-1][1]
        answer = self._answers.get((since, position))
        if answer is None:
            answer = self.raw(self._respond(_joined(frames), position, True))
            if len(answer) <= _KEPT_BYTES:
                if len(self._answers) >= _KEPT_ANSWERS:
                    self._answers.clear()
                self._answers[since, position] = answer
        return answer

    def raw(self, response: Response) -> bytes:
        """A whole HTTP/1.1 response, as uvicorn would write it."""
        return raw(response, self._default_headers())

    def add(self, poll: DirectPoll) -> None:
        """Watch over a poll: one timer for all, since one each would cost more than the poll itself."""
        self._polls.add(poll)
        if self._timer is None:
            self._begin_tick(asyncio.get_running_loop())

    def discard(self, poll: DirectPoll) -> None:
        """Stop watching; harmless for one that is not watched."""
        self._polls.discard(poll)

    def shared(self, head: bytes) -> bytes:
        """The same bytes as the last poll had, if it asked for the same: what thousands compare stays near."""
        if head != self._last_head:
            self._last_head = head
        return self._last_head

    def _tell(self, position: Position) -> None:
        """Note where those who are answered now will come back from."""
        if len(self._told) >= _KNOWN_ROOMS:
            self._told.clear()
        self._told[position.epoch] = position, str(position).encode()

    def _begin_tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.tick_ends_s = loop.time() + _TICK_S
        self._timer = loop.call_at(self.tick_ends_s, self._end_tick)

    def _end_tick(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for poll in [each for each in self._polls if each.parked_s + each.wait_s <= now_s]:
            poll.give_up(now_s)
        if self._hub.draining:
            self._drained_s = self._drained_s or now_s
            for poll in tuple(self._polls):
                poll.leave_if_idle(at_once=now_s >= self._drained_s + _PATIENCE_S)
        if self._polls:
            self._begin_tick(loop)
        else:
            self._timer = None


def _joined(frames: list[Frame]) -> bytes:
    return b",".join([body for body, _, _ in frames])
