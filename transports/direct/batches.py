"""One room's subscribers who get the same frames, written to their sockets.

The plain fan-out puts each frame into an outbox per subscriber and wakes a task for each. Here what comes in the same
turns of the event loop is one batch: its frames are joined once, and each socket gets it with one write. A subscriber
whose socket is full is queued for, as in the plain fan-out, until the socket takes bytes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import accumulate
from operator import attrgetter, itemgetter
from typing import Any, Final

from core.fanout import Fanout
from core.model import Event, Framing
from core.stats import Stats
from core.subscription import Subscription
from transports.direct.services import LoopServices, Timer
from transports.direct.subscription import DirectSubscription

_BATCH_EVENTS: Final = 256  # in one write at most: the first of them must not wait for ever
_PRESENCE_EVENTS: Final = 1024  # of joins and leaves alone, which wait by the clock
# A batch of joins and leaves alone waits so many times as long as the last batch took to write: writing news of who
# came then takes a seventeenth of the time at most. It never waits longer than the maximum.
_PRESENCE_HOLD: Final = 16.0
MAX_PRESENCE_HOLD_S: Final = 0.2
_descriptor: Final = attrgetter("descriptor")  # of a subscription, without a line of Python


class Batcher(Fanout):
    """The subscribers of one channel in one framing. Nobody misses what a turn brought, or gets it twice,
    by becoming direct or being queued for in the middle of it.

    Joins and leaves alone may wait for more of their kind: a thousand who come at once would else be a thousand writes
    to each of a thousand sockets.
    """

    __slots__ = (
        "_batch",
        "_begun_s",
        "_buffered",
        "_descriptors",
        "_direct",
        "_late",
        "_presence_only",
        "_replies",
        "_seen",
        "_services",
        "_stats",
        "_timer",
        "_transport",
        "_writing_s",
        "_written_s",
    )

    def __init__(self, framing: Framing, stats: Stats, services: LoopServices) -> None:
        super().__init__(framing)
        self._stats = stats
        self._services = services
        self._presence_only = True  # of the batch
        self._written_s = 0.0  # when the last write ended, and how long it took
        self._writing_s = 0.0
        self._timer: Timer | None = None  # runs while the batch is held
        self._direct: dict[DirectSubscription, None] = {}  # the late ones among them
        # The direct ones by how they are written to. None: to be sorted anew, before the next write at the latest. So a
        # descriptor is in the list only as long as its subscriber is direct.
        self._descriptors: list[int] | None = []
        self._buffered: list[DirectSubscription] = []
        self._batch: list[Any] = []
        self._begun_s = 0.0  # when the batch was, if it holds nothing but joins and leaves
        self._seen = 0  # events in the batch at the end of the last turn
        self._late: dict[DirectSubscription, int] = {}  # who know the first so many events of the batch
        self._replies: dict[DirectSubscription, list[bytes]] = {}  # for one alone, in one write with the batch

    def __iter__(self) -> Iterator[Subscription]:
        yield from self._queued
        yield from self._direct

    def __contains__(self, subscription: object) -> bool:
        return subscription in self._direct or subscription in self._queued

    def __len__(self) -> int:
        return len(self._queued) + len(self._direct)

    def add(self, subscription: Subscription) -> None:
        """Queue what comes from now on, until the subscriber is promoted."""
        assert isinstance(subscription, DirectSubscription)
        super().add(subscription)
        subscription.fanout = self
        self._transport = subscription.transport  # all have the same: their framing is what brought them together

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscriber, after what this turn brought; harmless when it is not there."""
        assert isinstance(subscription, DirectSubscription)
        self.demote(subscription)
        super().remove(subscription)

    def drop(self, subscription: DirectSubscription) -> None:
        """Forget a subscriber whose socket is gone: nothing can be written to it any more."""
        if self._direct.pop(subscription, self) is None:
            self._descriptors = None
        self._late.pop(subscription, None)
        self._queued.pop(subscription, None)
        self._replies.pop(subscription, None)

    def is_direct(self, subscription: object) -> bool:
        """Whether a subscriber's socket is written to straight away."""
        return subscription in self._direct

    def rewire(self) -> None:
        """Note that a direct subscriber is written to by other means from now on."""
        self._descriptors = None

    def promote(self, subscription: DirectSubscription) -> None:
        """Write straight to a subscriber's socket: nothing waits for it, and it takes bytes."""
        if self._queued.pop(subscription, self) is not None:
            return
        self._direct[subscription] = None
        self._descriptors = None
        if self._batch:
            # It got what the batch holds through its outbox. Flushing for each newcomer would undo the batch.
            self._late[subscription] = len(self._batch)

    def demote(self, subscription: DirectSubscription) -> None:
        """Queue for a subscriber again, after what this turn brought: its socket is full, or it ends."""
        if self._batch and self.is_direct(subscription):
            if subscription not in self._late:
                self._replies.setdefault(subscription, [])  # by its buffer: what filled the socket waits there
            self.flush()
        if self._direct.pop(subscription, self) is None:
            self._queued[subscription] = None
            self._descriptors = None

    def reply(self, subscription: DirectSubscription, body: bytes) -> bool:
        """Write to a direct subscriber before the batch, in one write, if that goes out at the end of this turn."""
        may_wait = self._presence_only or self._are_many or self._services.coalesce_s
        if may_wait or not self._batch or subscription not in self._direct or subscription in self._late:
            return False
        self._replies.setdefault(subscription, []).append(self._framing(body, None, "notice"))
        return True

    @property
    def _are_many(self) -> bool:
        """Whether there are many to write to. A batch that began with few stays one for few, as its answers expect."""
        return len(self._direct) - len(self._late) > self._services.few

    def push(self, event: Event) -> list[Subscription]:
        """Frame an event and hand it on. Returns those whose outbox is full: they are to be cut."""
        if self.watch is not None:
            self.watch.pushed(event.position)
        frame = self._framing(event.body, event.position, event.kind)
        size_bytes = len(event.body)
        # A copy: one whose socket takes bytes again may become direct while it is offered a frame.
        full = [each for each in tuple(self._queued) if not each.offer(frame, size_bytes, 1)] if self._queued else []
        if self._direct or self._awaits(event):
            self._put(event, frame)
        if self.watch is not None and not self._batch:
            self.watch.written()
        return full

    def _awaits(self, event: Event) -> bool:
        """Whether an event is kept although nobody is direct now."""
        return False

    @property
    def pending(self) -> int:
        """Events in the batch that is not written yet."""
        return len(self._batch)

    def _put(self, event: Event, frame: Any) -> None:
        batch = self._batch
        if not batch:
            self._begin(batch)
        batch.append(frame)
        if event.kind == "chat":
            self._presence_only = False
            if self._timer is not None:
                self._hold_no_longer()
        elif len(batch) == 1:
            self._begun_s = self._services.clock()
        if len(batch) >= (_PRESENCE_EVENTS if self._presence_only else _BATCH_EVENTS):
            self.flush()

    def _begin(self, batch: list[Any]) -> None:
        """Have the batch that begins now written in time."""
        if not self._services.coalesce_s:
            self._services.defer(self._flush_when_quiet)
        else:  # unless it was written before: then another batch's time is not over
            self._services.later(self._services.coalesce_s, lambda: self.flush() if self._batch is batch else None)

    def _flush_when_quiet(self) -> None:
        # Requests of one connection are handled a turn each. Waiting for a turn without news costs some microseconds;
        # not waiting costs a write per subscriber for each of them.
        may_wait = (
            self._services.clock() < self._begun_s + MAX_PRESENCE_HOLD_S  # in a storm of joins no turn is quiet
            if self._presence_only
            else self._are_many
        )
        if may_wait and len(self._batch) != self._seen:
            self._seen = len(self._batch)
            self._services.defer(self._flush_when_quiet)
        elif (left_s := self._left_s()) <= 0.0:
            self.flush()
        elif self._timer is None:
            self._timer = self._services.later(left_s, self.flush)

    def _left_s(self) -> float:
        """How long the batch may still wait, although a turn brought no news."""
        if not self._presence_only:
            return 0.0
        return self._written_s + min(_PRESENCE_HOLD * self._last_s(), MAX_PRESENCE_HOLD_S) - self._services.clock()

    def _last_s(self) -> float:
        """How long the last batch took, in all."""
        return self._writing_s

    def _hold_no_longer(self) -> None:
        """Have a batch that is held looked at again."""
        self._stop_timer()
        self._services.defer(self._flush_when_quiet)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def flush(self) -> None:
        """Write what this turn brought."""
        if self._timer is not None:
            self._stop_timer()
        if not self._batch:
            return
        if self.watch is not None:
            self.watch.writing()
        # Taken before the first write: a write may fill its socket, and that demotes, which flushes.
        batch, self._batch, self._seen, self._presence_only = self._batch, [], 0, True
        late, self._late = self._late, {}
        if self._direct:
            self._send(batch, late)
        if self.watch is not None:
            self.watch.written()

    def _data(self, batch: list[Any]) -> bytes:
        """The one write that a batch is."""
        return b"".join(batch)  # of one it is that one

    def _rests(self, batch: list[Any]) -> Callable[[int], bytes]:
        """What gives the write for those who know so many of a batch: in a storm of joins another one for each."""
        data = self._data(batch)
        ends = list(accumulate(map(len, batch), initial=0))
        return lambda seen: data[ends[seen] :]

    def _send(self, batch: list[Any], late: dict[DirectSubscription, int]) -> None:
        """Write a batch to every direct socket: to the late ones what they do not know of it."""
        data = self._data(batch)
        self._stats.deliveries[self._transport] += len(batch) * len(self._direct)
        began_s = self._services.clock()
        descriptors = self._sort() if self._descriptors is None else self._descriptors
        replies, self._replies = self._replies, {}
        alone = replies.keys() | late.keys()
        if alone:  # before any is written to: a poll whose socket that fills has no descriptor afterwards
            descriptors = list(set(descriptors).difference(map(_descriptor, alone)))
        for subscription, said in replies.items():
            _write_to(subscription, b"".join((*said, data)))
        if late:
            self._stats.deliveries[self._transport] -= sum(late.values())
            rest_after = lru_cache(1)(self._rests(batch))  # sorted: one is kept at a time
            for subscription, seen in sorted(late.items(), key=itemgetter(1)):
                if seen < len(batch):
                    _write_to(subscription, rest_after(seen))
        taken_bytes, size_bytes = self._services.write(descriptors, data) if descriptors else (), len(data)
        if taken_bytes.count(size_bytes) < len(descriptors):
            taken = zip(descriptors, taken_bytes, strict=True)
            self._write_rests({each: data[size:] for each, size in taken if size < size_bytes})
        for subscription in self._buffered:
            if subscription not in alone:
                _write_to(subscription, data)
        self._written_s = self._services.clock()
        self._writing_s = self._written_s - began_s

    def _sort(self) -> list[int]:
        """Find out anew how each is written to. Returns the descriptors of those who have one."""
        self._buffered = [each for each in self._direct if each.descriptor is None]
        self._descriptors = [each.descriptor for each in self._direct if each.descriptor is not None]
        return self._descriptors

    def _write_rests(self, rests: dict[int, bytes]) -> None:
        """Leave what sockets did not take to the buffers before them."""
        for subscription in tuple(self._direct):
            if subscription.descriptor in rests:
                _write_to(subscription, rests[subscription.descriptor])


def _write_to(subscription: DirectSubscription, data: bytes) -> None:
    """Write by way of the buffer; when that fills by it the subscription is demoted, before this returns."""
    try:  # noqa: SIM105 - to enter `suppress` takes as long as the rest
        subscription.write(data)
    except (OSError, RuntimeError):  # it has died, and that has not been reported yet
        pass
