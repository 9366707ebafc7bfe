"""A socket of a direct subscription, as a test holds it: it fills up when told to."""

from __future__ import annotations

from core.errors import RoomError
from core.subscription import Subscription


class FakeSink:
    """Keeps what is written. After `room_for` more writes it is full, and says so from inside the write."""

    def __init__(self, subscription: Subscription, room_for: int = 1_000_000) -> None:
        self.subscription = subscription
        self.room_for = room_for
        self.written: list[bytes] = []
        self.finished = False
        self.reason: RoomError | None = None

    def write(self, data: bytes) -> object:
        assert not self.finished, "written to after the end"
        assert self.room_for > 0, "written to while full"
        self.written.append(data)
        self.room_for -= 1
        if self.room_for == 0:
            self.subscription.pause()
        return None

    def finish(self, reason: RoomError | None) -> None:
        assert not self.finished, "finished twice"
        self.finished, self.reason = True, reason

    def drain(self, room_for: int) -> None:
        """Let the socket take bytes again."""
        self.room_for = room_for
        self.subscription.resume()

    def heard(self) -> list[bytes]:
        """The frames written so far, forgetting them."""
        lines = b"".join(self.written).splitlines()
        self.written = []
        return lines
