"""The polls of one app that wait without a task: one timer for all of them, and one loop that reads them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final, Protocol

from core.hub import Hub
from core.model import Position
from transports.direct.answers import PollAnswers
from transports.direct.epoll_reader import EpollReader
from transports.direct.returns import Returns
from transports.direct.subscription import PollSubscription

_TICK_S: Final = 0.1
_PATIENCE_S: Final = 1.0  # of a server that drains, for pollers that were answered to come back and get the reason


class Held(Protocol):
    """One connection that polls."""

    prefix: bytes  # of its request, before the position
    suffix: bytes  # behind it
    since: Position
    held_s: float  # when it began to wait, or was answered, by the event loop's clock
    wait_s: float
    subscription: PollSubscription

    def hear(self, data: bytes) -> None:
        """Take what the client has sent; nothing: the connection has ended, or can't be read."""
        ...

    def give_up(self, now_s: float) -> None:
        """Its time has run out: nothing happened, or the client has not come back for long."""
        ...

    def leave_if_idle(self, at_once: bool) -> None:
        """The server drains: close, unless the client waits, or comes back soon and gets the reason."""
        ...


class HeldPolls:
    """Keeps polls until they are answered, and resumes at once all who poll again from the same position."""

    tick_ends_s = 0.0  # by the event loop's clock: noted by all who begin to wait in this tick, instead of a time each

    def __init__(self, hub: Hub, answers: PollAnswers) -> None:
        self.hub = hub
        self.answers = answers
        self.returns = Returns(hub)
        self.reader: EpollReader[Held] = EpollReader(self.hear)  # of those that may poll again with a known request
        self._polls: set[Held] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._last_head = b""
        self._drained_s: float | None = None  # when it was first seen that the server drains

    def hear(self, polls: list[Held], received: list[bytes]) -> None:
        """Many have sent something: who polls again from where all were answered last is resumed with the others."""
        loop, last = asyncio.get_running_loop(), self.answers.last
        again: defaultdict[str, dict[PollSubscription, Held]] = defaultdict(dict)  # by the epoch of their room
        for poll, data in zip(polls, received, strict=True):
            epoch, reads = poll.since.epoch, poll.subscription.descriptor is not None  # its answers, as they come
            if reads and epoch in last and data == poll.prefix + last[epoch][1] + poll.suffix:
                again[epoch][poll.subscription] = poll
            else:
                loop.call_soon(poll.hear, data)  # whatever goes wrong with one must not go wrong with the others
        for epoch, back in again.items():
            position, text = last[epoch]
            for subscription in self.returns.resume_all(list(back), position):
                poll = back.pop(subscription)
                loop.call_soon(poll.hear, poll.prefix + text + poll.suffix)
            for poll in back.values():
                poll.since, poll.held_s = position, self.tick_ends_s

    def add(self, poll: Held) -> None:
        """Watch over a poll: one timer for all, since one each would cost more than the poll itself."""
        self._polls.add(poll)
        if self._timer is None:
            self._begin_tick(asyncio.get_running_loop())

    def discard(self, poll: Held) -> None:
        """Stop watching; harmless for one that is not watched."""
        self._polls.discard(poll)

    def shared(self, head: bytes) -> bytes:
        """The same bytes as the last poll had, if it asked for the same: what thousands compare stays near."""
        if head != self._last_head:
            self._last_head = head
        return self._last_head

    def _begin_tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.tick_ends_s = loop.time() + _TICK_S
        self._timer = loop.call_at(self.tick_ends_s, self._end_tick)

    def _end_tick(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for poll in [each for each in self._polls if each.held_s + each.wait_s <= now_s]:
            poll.give_up(now_s)
        if self.hub.draining:
            self._drained_s = self._drained_s or now_s
            for poll in tuple(self._polls):
                poll.leave_if_idle(at_once=now_s >= self._drained_s + _PATIENCE_S)
        if self._polls:
            self._begin_tick(loop)
        else:
            self._timer = None
