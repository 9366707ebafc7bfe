"""One room as this instance follows it: who listens here, and which events they have been sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from core import wire
from core.backplane.base import Backplane
from core.errors import Unavailable
from core.fanout import Fanout, NewFanout
from core.model import Event, Framing, Position, ResyncReason, RoomId, Start, Unrecoverable
from core.settings import Settings
from core.stream import merge
from core.subscription import Subscription

# What is kept here for pollers that come back. Both within the bounds of the history, so that a position which must be
# refused is never honoured from here. Wide enough for many pollers that a stall has thrown behind: if each of them had
# to ask the history, the next ones would come later still, and the room would never recover.
_RECENT_EVENTS: Final = 256
_RECENT_S: Final = 30.0
_TRIES: Final = 3  # of a read that the room has run away from meanwhile


class Channel:
    """Puts deliveries in order, drops repeats, fills holes from history, and fans out: one frame per event and framing.

    `ask_for_repair` is called when a hole is seen; the owner then runs `repair` in a task of its own.
    """

    __slots__ = (
        "_ask_for_repair",
        "_backplane",
        "_clock",
        "_groups",
        "_joining",
        "_outlived",
        "_pending",
        "_recent",
        "_recent_s",
        "closed",
        "head",
        "idle_since_s",
        "opening",
        "room",
    )

    def __init__(
        self,
        room: RoomId,
        backplane: Backplane,
        settings: Settings,
        clock: Callable[[], float],
        ask_for_repair: Callable[[], None],
    ) -> None:
        self.room = room
        self.head: Position | None = None  # the last event fanned out; None until open
        self.opening = asyncio.Lock()
        self.closed = False  # for want of subscribers: the next one gets another channel of this room
        self.idle_since_s = clock()
        self._backplane = backplane
        self._clock = clock
        self._ask_for_repair = ask_for_repair
        self._groups: dict[Framing, Fanout] = {}
        self._joining: dict[Subscription, list[Event]] = {}
        self._recent: deque[tuple[float, Event]] = deque(maxlen=min(_RECENT_EVENTS, settings.history_events))
        self._recent_s = min(_RECENT_S, settings.history_s)
        self._pending: deque[Event] = deque()  # came before the head was known, or after a hole
        self._outlived = ""  # the epoch of the life that ended while it was followed here

    def __iter__(self) -> Iterator[Subscription]:
        for group in self._groups.values():
            yield from group

    @property
    def idle(self) -> bool:
        """Whether nobody listens."""
        return not any(map(len, self._groups.values())) and not self._joining and not self.opening.locked()

    async def open(self) -> None:
        """Begin to follow the room. Raises Unavailable."""
        self.head = await self._backplane.subscribe(self.room)
        self._replay_pending()

    async def add(self, subscription: Subscription, since: Position | None, new_fanout: NewFanout) -> None:
        """Let a subscriber in, from `since` when that can be honoured, else from the head. Raises Unavailable.

        The first one in its framing brings the fan-out for all who follow.
        """
        if subscription.framing not in self._groups:
            self._groups[subscription.framing] = new_fanout(subscription.framing)
        if since is None or since == self.head:
            self._register(subscription, Start(self._known_head(), recovered=since is not None))
            return
        # Attach before reading history: the reverse order loses what is published in between. And before any wait: a
        # channel that nobody joins or listens to is closed.
        live = self._joining[subscription] = []
        try:
            head = self._known_head()
            if head.epoch == since.epoch and head.offset < since.offset:  # it got more elsewhere than has come here
                await self.repair()
            if recent := self.missed(since):  # most who come back know everything up to a moment ago
                subscription.replay(recent)
                self._register(subscription, Start(since, recovered=True))
                return
            missed = await self._read(since, live)
        finally:
            del self._joining[subscription]
        if isinstance(missed, Unrecoverable):
            position = missed.begin if self._was_between_polls(subscription, since) else self._known_head()
            self._register(subscription, Start(position, recovered=False, resync=missed.reason))
        else:
            subscription.replay(missed)
            self._register(subscription, Start(since, recovered=True))

    def rejoin(self, subscription: Subscription, since: Position) -> bool:
        """As `add`, for one who has been here, from a place that nobody has to be asked about. False: it is none."""
        missed = self.missed(since)
        if missed is None or subscription.framing not in self._groups:
            return False
        if missed:
            subscription.replay(missed)
        self._register(subscription, Start(since, recovered=True))
        return True

    async def _read(self, since: Position, live: Sequence[Event]) -> Sequence[Event] | Unrecoverable:
        """What one that joins has missed, up to the head; `live` grows meanwhile by what it must not miss."""
        for _ in range(_TRIES):
            history = await self._backplane.history(self.room, since)
            if isinstance(history, Unrecoverable):
                return history
            if since.epoch != self._known_head().epoch:  # here the room's new life has not been noticed yet
                await self.repair()
            missed = merge(since, history, live, self._known_head())
            if missed is not None:
                return missed
            # The room began another life, or jumped, while its history was read.
        return Unrecoverable("epoch_changed", self._known_head(), self._known_head())

    def _was_between_polls(self, subscription: Subscription, since: Position) -> bool:
        """Whether a poller was on its way back when its life of the room ended: then it is a live subscriber."""
        return subscription.is_poller and since.epoch == self._outlived

    def missed(self, since: Position, but_last: int = 0) -> Sequence[Event] | None:
        """The events after a position, without the last ones, when this instance knows them all."""
        head = self.head
        if head is None or since.epoch != head.epoch:
            return None
        behind = head.offset - since.offset
        if behind == 0:
            return ()
        recent = self._recent
        if not 0 < behind <= len(recent) or self._clock() - recent[-behind][0] > self._recent_s:
            return None
        return [recent[-back][1] for back in range(behind, but_last, -1)]

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscriber; harmless when it is not there."""
        self.idle_since_s = self._clock()
        group = self._groups.get(subscription.framing)
        if group is not None:
            group.remove(subscription)

    def receive(self, event: Event) -> None:
        """Take a delivery from the backplane: possibly repeated, possibly after a hole, possibly of another epoch."""
        head = self.head
        if head is None:
            self._pending.append(event)
        elif event.position.epoch != head.epoch or event.position.offset > head.offset + 1:
            self._pending.append(event)
            self._ask_for_repair()
        elif event.position.offset == head.offset + 1:
            self._fan_out(event)

    async def repair(self) -> None:
        """Catch up with the room's history. When that is no longer possible: send everybody to where what is
        left of it begins, and hand that on. Raises Unavailable.
        """
        asked = self.head
        if asked is None:
            return
        self._pending.clear()  # whatever came so far is in the history that is read now
        gap, rest = await self._what_follows(asked)
        head = self._known_head()
        if head.epoch != asked.epoch or (gap and head != asked):
            # The answer is about a place that was left meanwhile; what was pending is still to be had.
            self._ask_for_repair()
        else:
            if gap:
                self._jump(gap.reason, gap.begin)
            for event in rest:
                if event.position.offset == self._known_head().offset + 1:
                    self._fan_out(event)
        self._replay_pending()

    async def _what_follows(self, position: Position) -> tuple[Unrecoverable | None, Sequence[Event]]:
        """The events after a position; where they cannot be had, why not, and all that is left after its `begin`."""
        gap: Unrecoverable | None = None
        for _ in range(_TRIES):
            history = await self._backplane.history(self.room, gap.begin if gap else position)
            if not isinstance(history, Unrecoverable):
                return gap, history
            gap = history
            if gap.begin == gap.head:
                return gap, ()
        # The room forgets faster than it can be read. What came after this head was delivered meanwhile.
        return (gap and Unrecoverable(gap.reason, gap.head, gap.head)), ()

    def _known_head(self) -> Position:
        if self.head is None:
            raise Unavailable("the room is not open yet")
        return self.head

    def _register(self, subscription: Subscription, start: Start) -> None:
        subscription.start = start
        subscription.channel = self
        self._groups[subscription.framing].add(subscription)

    def _fan_out(self, event: Event) -> None:
        self.head = event.position
        slow: list[Subscription] = []
        for group in self._groups.values():
            slow += group.push(event)
        self._recent.append((self._clock(), event))
        for live in self._joining.values():
            live.append(event)
        for subscription in slow:
            self.remove(subscription)
            subscription.cut()

    def _jump(self, reason: ResyncReason, to: Position) -> None:
        self._recent.clear()
        for group in self._groups.values():
            group.flush()  # what came before the jump goes out before it
        left = self._known_head()
        if to.epoch != left.epoch:
            self._outlived = left.epoch
        self.head = to
        body = wire.resync(_live_reason(reason), to)
        for subscription in list(self):
            subscription.send_control(body, to)

    def _replay_pending(self) -> None:
        pending, self._pending = self._pending, deque()
        for event in pending:
            # What is still of another epoch, or beyond another hole, asks for the next repair.
            self.receive(event)


def _live_reason(reason: ResyncReason) -> ResyncReason:
    # A store that went back behind what was already sent has lost its history: to a live client that is a new life.
    return "epoch_changed" if reason == "position_ahead" else reason
