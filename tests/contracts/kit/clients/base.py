"""What every room client of the suite shares: the Protocol, the refusals, and the check for holes.

A client holds guarantee 1 at every event it sees: the next offset is the last one plus one, in the same
epoch, or a `resync` announced the jump. No test has to ask for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from tests.contracts.kit.events import ROOM_EVENTS, ContractViolationError, Event, Position, parse_event
from tests.contracts.kit.limits import EVENT_S


class RefusedError(Exception):
    """The server answered with an `error`: its code, and the HTTP status where there was one."""

    def __init__(self, error: Event, status: int | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{error.fields} (status {status})")
        self.error = error
        self.code = error.text("code")
        self.status = status
        self.headers = headers or {}

    @property
    def retry_after_ms(self) -> int | None:
        return self.error.number("retryAfterMs") if "retryAfterMs" in self.error.fields else None


class DisconnectedError(Exception):
    """The stream ended. `close_code` is the WebSocket's (1006 when there was no Close frame), else None."""

    def __init__(self, close_code: int | None = None) -> None:
        super().__init__(f"close code {close_code}")
        self.close_code = close_code


@dataclass(frozen=True, slots=True)
class Joined:
    """The answer to connecting: the `welcome`, and the reason of the `resync` that followed it, if any."""

    position: Position
    recovered: bool
    resync_reason: str | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a stream ended: the codes of the error events that came first, and the WebSocket close code."""

    codes: tuple[str, ...]
    close_code: int | None


class Client(Protocol):
    """A member of a room over some transport."""

    user_id: str
    room: str
    position: Position | None

    async def connect(self, since: object = None) -> Joined: ...
    async def next_event(self, timeout_s: float = EVENT_S) -> Event: ...
    async def publish(self, content: str, ref: str | None = None) -> Position: ...
    async def leave(self) -> None: ...
    async def close(self) -> None: ...


class RoomClient(ABC):
    """State and checks shared by the four implementations of `Client`."""

    def __init__(self, base_url: str, room: str, user_id: str, token: str) -> None:
        self.base_url = base_url
        self.room = room
        self.user_id = user_id
        self.token = token
        self.position: Position | None = None
        self._ahead: deque[Event] = deque()

    @abstractmethod
    async def connect(self, since: object = None) -> Joined:
        """Join the room. Raises RefusedError, or DisconnectedError with the close code."""

    @abstractmethod
    async def publish(self, content: str, ref: str | None = None) -> Position:
        """Send one chat and return the position it was acknowledged with. Raises RefusedError."""

    @abstractmethod
    async def leave(self) -> None:
        """End the membership as the transport says it: a command or a POST."""

    @abstractmethod
    async def close(self) -> None:
        """Drop the connection without leaving; idempotent."""

    @abstractmethod
    async def _receive(self, timeout_s: float) -> Event:
        """The next event off the wire that belongs to the room; checked, not yet tracked."""

    async def next_event(self, timeout_s: float = EVENT_S) -> Event:
        """The next `chat`, `user_joined`, `user_left` or `resync`, in order and without a hole.

        Raises TimeoutError, RefusedError on an `error` event, DisconnectedError at the end of the stream.
        """
        event = self._ahead.popleft() if self._ahead else await self._receive(timeout_s)
        self._track(event)
        return event

    async def next_chat(self, timeout_s: float = EVENT_S) -> Event:
        """The next `chat`; joins and leaves are passed over, anything else is a violation."""
        while (event := await self.next_event(timeout_s)).type != "chat":
            if event.type == "resync":
                raise ContractViolationError(f"unexpected {event}")
        return event

    async def next_chats(self, count: int, timeout_s: float = EVENT_S) -> list[Event]:
        return [await self.next_chat(timeout_s) for _ in range(count)]

    async def contents_until(self, last: str, timeout_s: float = EVENT_S) -> list[str]:
        """The contents of all chats up to and including the first that reads `last`."""
        contents: list[str] = []
        while not contents or contents[-1] != last:
            contents.append((await self.next_chat(timeout_s)).text("content"))
        return contents

    async def caught_up(self) -> Position:
        """Publish a marker and read up to it: the head, behind which nothing waits."""
        marker = await self.publish("settle")
        while self.position != marker:
            await self.next_event()
        return marker

    async def presence_of(self, *user_ids: str, timeout_s: float = EVENT_S) -> Event:
        """The next join or leave of one of these users."""
        while True:
            event = await self.next_event(timeout_s)
            if event.type in {"user_joined", "user_left"} and event.text("userId") in user_ids:
                return event

    async def _take_welcome(self, welcome: Event, since: object) -> Joined:
        """Start where the first event of a stream says, and take the resync behind it where there has to be one."""
        if welcome.type != "welcome" or welcome.fields["userId"] != self.user_id:
            raise ContractViolationError(f"expected the welcome of {self.user_id}, got {welcome}")
        recovered = welcome.fields["recovered"] is True
        self._start_from(Position.parse(welcome.fields["position"]), since, recovered)
        assert self.position is not None
        if since is None or recovered:
            return Joined(self.position, recovered, None)
        resync = await self.next_event()
        if resync.type != "resync" or resync.fields["position"] != welcome.fields["position"]:
            raise ContractViolationError(f"expected a resync to {welcome.fields['position']}, got {resync}")
        return Joined(self.position, False, resync.text("reason"))

    def _decode(self, data: str | bytes) -> Event:
        event = parse_event(data)
        room = event.fields.get("room", self.room)
        if room != self.room:
            raise ContractViolationError(f"an event of room {room!r} reached a member of {self.room!r}")
        return event

    def _start_from(self, position: Position, since: object, recovered: bool) -> None:
        if recovered and str(position) != str(since):
            raise ContractViolationError(f"recovered from {since!r}, but the stream starts at {position}")
        if recovered and since is None:
            raise ContractViolationError("recovered without a since")
        self.position = position

    def _track(self, event: Event) -> None:
        if event.type == "resync":
            self.position = Position.parse(event.fields["position"])
        elif event.type in ROOM_EVENTS:
            if self.position is None or event.id != self.position.plus(1):
                raise ContractViolationError(f"{self.user_id} at {self.position} got {event.type} {event.id}")
            self.position = event.id
        else:
            raise ContractViolationError(f"{event} does not belong here")


async def ending(client: RoomClient, timeout_s: float = EVENT_S) -> Ending:
    """Read to the end of the stream (events on the way are still checked for holes)."""
    codes: list[str] = []
    while True:
        try:
            await client.next_event(timeout_s)
        except RefusedError as error:
            codes.append(error.code)
        except DisconnectedError as error:
            return Ending(tuple(codes), error.close_code)
