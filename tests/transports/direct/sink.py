"""A socket of a direct subscription, as a test holds it: it fills up when asked to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from core.errors import RoomError
from core.model import FrameKind, Position
from tests.core.instances import ROOM, Instance, frame
from transports.direct.joining import Joining
from transports.direct.subscription import DirectSubscription


class FakeSink:
    """Keeps what is written. After `room_for` more writes it is full, and says so from inside the write.

    A `raw` one can be sent to as well, by its descriptor: it takes half of the last one, and nothing when it is full;
    what is written then waits in its buffer.
    """

    _raw: ClassVar[WeakValueDictionary[int, FakeSink]] = WeakValueDictionary()
    _numbers: ClassVar = itertools.count(1_000_000)  # no descriptor of this process

    def __init__(self, subscription: DirectSubscription, room_for: int = 1_000_000, *, raw: bool = False) -> None:
        self.subscription = subscription
        self.room_for = room_for
        self.descriptor = next(self._numbers) if raw else None
        if self.descriptor is not None:
            self._raw[self.descriptor] = self
        self.dead = False  # though nobody has been notified
        self._waits = False  # a buffer that holds something
        self._filling = False  # it has just become full, and says so: what the turn brought may still come
        self.written: list[bytes] = []
        self.finished = False
        self.reason: RoomError | None = None

    def connect(self, opening: bytes = b"") -> None:
        self.subscription.connect(self, self.write, self.descriptor, opening)

    def write(self, data: bytes) -> object:
        assert not self.finished, "written to after the end"
        takes = self.room_for > 0 or self._filling or (self.descriptor and not self._waits)
        assert takes, "written to while full"
        self.written.append(data)
        self.room_for -= 1
        if self.room_for <= 0 and not self._waits:
            self._waits = self._filling = True
            self.subscription.pause()
            self._filling = False
        return None

    @classmethod
    def write_to_each(cls, descriptors: Sequence[int], data: bytes) -> list[int]:
        """See `batches.Write`."""
        return [cls._raw[each]._take(data) for each in descriptors]

    def _take(self, data: bytes) -> int:
        if self.dead:
            return 0
        assert not self.finished, "sent to after the end"
        assert not self._waits, "overtakes what waits in the buffer"
        if self.room_for <= 0:
            return 0
        self.room_for -= 1
        taken = data if self.room_for else data[: len(data) // 2]
        self.written.append(taken)
        return len(taken)

    def finish(self, reason: RoomError | None) -> None:
        assert not self.finished, "finished twice"
        self.finished, self.reason = True, reason

    def drain(self, room_for: int) -> None:
        """Let the socket take bytes again."""
        self.room_for, self._waits = room_for, False
        self.subscription.resume()

    def received(self) -> list[bytes]:
        """The frames written so far, forgetting them."""
        lines = b"".join(self.written).splitlines()
        self.written = []
        return lines


class Together:
    """Makes one write of frames, with a mark at its end."""

    def __init__(self, mark: bytes = b"") -> None:
        self._mark = mark

    def __call__(self, frames: list[Any]) -> bytes:
        return b"".join(frames) + self._mark

    def rests(self, frames: list[Any]) -> Callable[[int], bytes]:
        return lambda seen: self(frames[seen:])


def direct_frame(body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> bytes:
    """Of direct subscribers alone: who has the same framing shares a fan-out."""
    return frame(body, position, kind)


async def join_direct(one: Instance, user: str = "alice", since: Position | None = None) -> DirectSubscription:
    """Attach to the room, to be connected to a sink."""
    return await Joining(one.hub, FakeSink.write_to_each).attach(one.who(user), ROOM, "test", direct_frame, since)
