"""Polls that differ from the last one on their connection in their query only: no task and no scope for each.

Portable polls are plain ASGI, on every server. Where uvicorn serves by our protocol class, and calls our app itself,
the first one on a connection leaves a poller there (`uvicorn_edges.again`). It joins its room in the step that reads a
poll, and answers at the end of the turn that brings news. Whatever has to be waited for, or is wrong, goes by ASGI.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from core.backplane.base import Lease
from core.errors import RoomError, SlowConsumer
from core.hub import Hub
from core.model import Framing, Position, Principal, RoomId, Start
from core.subscription import Subscription
from core.writer import Turns
from transports.errors import refused
from transports.guard import query_values, since_in
from transports.heartbeat import Heartbeat
from transports.lifespan import LabApp
from transports.uvicorn_edges.bounds import AGAIN, connection_of, kept_for_alike
from transports.uvicorn_edges.protocols import LabHttpProtocol

_NAMES: Final = frozenset(("since", "wait"))
_REMEMBERED: Final = 1024  # queries: those who were answered together ask for the same


class PollsAgain:
    """The polls of one app's transport that are answered so. `wait_in` reads a query's values; `answer` makes the
    response to who started there and got these frames; `alone` is how long one is held before it has its own timer.
    """

    def __init__(
        self,
        hub: Hub,
        transport: str,
        framing: Framing,
        wait_in: Callable[[Mapping[str, list[str]]], float],
        answer: Callable[[Start, list[Any]], Response],
        alone: Heartbeat,
    ) -> None:
        self.hub = hub
        self.transport = transport
        self.framing = framing
        self.answer = answer
        self.alone = alone
        self.turns = Turns()
        self._wait_in = wait_in
        self.asked = lru_cache(_REMEMBERED)(self._asked)

    def expect(self, request: Request, principal: Principal, room: RoomId) -> None:
        """Have the next ones of this connection answered so, unless somebody else has a say in them: middleware of
        others, one of ours that adds fields, or a log of accesses.
        """
        kept = kept_for_alike(request.scope)
        if kept is None:
            return
        protocol, before = connection_of(request.scope), kept.get(AGAIN)
        cors = self.hub.settings.origins is not None and "origin" in request.headers
        app = request.app
        if protocol.access_log or cors or not isinstance(app, LabApp) or not app.is_called_by(protocol.app):
            return
        if not isinstance(before, _Poller) or before.ended:
            kept[AGAIN] = _Poller(self, protocol, principal, self.hub.lease(principal, room, poller=True))

    def _asked(self, query: bytes) -> tuple[Position, float] | None:
        """The place and the seconds that a query says; None where that is for the app, as a mistake is."""
        values = query_values(query)
        try:
            since, wait_s = since_in(values), self._wait_in(values)
        except RoomError:
            return None
        return None if since is None or not wait_s or not _NAMES.issuperset(values) else (since, wait_s)


class _Poller(Subscription):
    """The polls of one connection, one after the other."""

    __slots__ = ("_due", "_ends_s", "_held", "_polls", "_protocol", "_seen", "_timer")

    def __init__(self, polls: PollsAgain, protocol: LabHttpProtocol, principal: Principal, lease: Lease) -> None:
        hub = polls.hub
        super().__init__(
            principal, lease, polls.transport, polls.framing, hub.settings.outbox_bytes, hub.stats, is_poller=True
        )
        self._polls = polls
        self._protocol = protocol
        self._held = False  # whether its client waits for an answer
        self._due = False  # whether this turn has brought something
        self._ends_s = 0.0  # when it is answered without news, by the event loop's clock
        self._seen = False  # whether `beat` comes
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, query: bytes) -> bool:
        """See `again.Again`."""
        polls = self._polls
        asked = polls.asked(query)
        if asked is None or self.ended or not polls.hub.rejoin(self, asked[0]):
            return False
        self._held = True
        if self._backlog is None:
            self._hold(asked[1])
        else:
            self._tell(polls.answer(self.start, self.take_now()))
        return True

    def lost(self) -> None:
        """See `again.Again`. Nothing is consumed by that."""
        self._let_go()

    def beat(self) -> None:
        """A poll of this connection, maybe not this one, began to be held some time ago: it gets a timer."""
        self._seen = False
        self._polls.alone.discard(self)
        if self._held and self._timer is None:
            self._timer = self._protocol.loop.call_at(self._ends_s, self._give_up)
            self._protocol.flow.resume_reading()  # a request behind it has paused that: it is to be seen who goes

    def _hold(self, wait_s: float) -> None:
        loop = self._protocol.loop
        self._ends_s = loop.time() + wait_s
        if wait_s <= self._polls.alone.interval_s:
            self._timer = loop.call_at(self._ends_s, self._give_up)
        elif not self._seen:
            self._seen = True
            self._polls.alone.add(self)

    def _give_up(self) -> None:
        self._tell(self._polls.answer(self.start, []))

    def _wake(self) -> None:
        if not self._due:
            self._due = True
            self._polls.turns.at_end(self._end_turn)

    def _end_turn(self) -> None:
        self._due = False
        if not self._held:  # its client has gone, or the time was over in the same turn
            return
        frames = self.take_now()
        if not frames and isinstance(self._end, RoomError) and not isinstance(self._end, SlowConsumer):
            self._tell(refused(self._polls.hub, self._end))
        elif frames or self.ended:  # after more than an outbox holds there are none: the next poll reads history
            self._tell(self._polls.answer(self.start, frames))

    def _let_go(self) -> None:
        self._held = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._backlog = None  # what did not fit into this answer is asked for with the next poll
        if self.outbox.waiting_bytes:  # its time was over in the turn that brings this
            self.outbox.clear()
        self._polls.hub.withdraw(self)

    def _tell(self, response: Response) -> None:
        self._let_go()
        self._protocol.answer_again(response.status_code, response.raw_headers, bytes(response.body))
