"""What the hub asks of the thing that instances share: storage, order, presence, limits.

Guarantees every backplane gives, and `tests/contracts` checks:

1. `publish`, `hold`, `release` and `expire` append their event and announce it as one atomic step that assigns the
   offset; an event that was answered by an error is never stored later.
2. After `subscribe` returned a head, each later event of the room is delivered to the listener, or
   `may_have_missed` is called. Deliveries may repeat or leave holes; the hub drops what it has seen and fills holes
   from `history`.
3. `history` continues a position without a hole, or says why not.
4. A room with no member whose history has aged out is freed; its next life has another epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from msgspec import Struct

from core.model import Draft, Event, Member, Position, Published, RoomId, Unrecoverable, UserId

Reason = Literal["auth", "acl", "readonly", "oom", "cluster", "unreachable"]
"""Why a backplane does not serve: codes that anybody may see, with no host, user or error text in them."""


class Lease(Struct, frozen=True, gc=False):
    """One connection's (or poller's) hold on a user's presence in a room; `name` is unique to its holder."""

    room: RoomId
    user_id: UserId
    name: str


class Listener(Protocol):
    """The hub, as a backplane sees it. Called from the event loop; must not block."""

    def deliver(self, room: RoomId, event: Event) -> None:
        """An event of a room that this instance subscribed to."""
        ...

    def may_have_missed(self, room: RoomId | None) -> None:
        """Deliveries of a room (None: of any) may have been missed; compare with `history`."""
        ...

    def dismiss(self, room: RoomId, token_key: str) -> None:
        """The holder of a token has left a room: what it holds there at this instance ends."""
        ...


class Backplane(Protocol):
    """Rooms shared by instances. Any method may raise Unavailable, and then has done nothing."""

    @property
    def available(self) -> bool:
        """Whether the last contact succeeded, and the last write."""
        ...

    @property
    def reason(self) -> Reason | None:
        """Why it is not available; None when it is."""
        ...

    @property
    def rooms(self) -> int:
        """Rooms held in this process (an instance's view; 0 where they live elsewhere)."""
        ...

    @property
    def appended(self) -> int:
        """Events that this process put into rooms, joins and leaves included."""
        ...

    def running(self, listener: Listener) -> AbstractAsyncContextManager[None]:
        """Keep deliveries flowing to `listener` while entered."""
        ...

    async def subscribe(self, room: RoomId) -> Position:
        """Begin deliveries of a room; returns its head."""
        ...

    async def unsubscribe(self, room: RoomId) -> None:
        """End deliveries of a room."""
        ...

    async def publish(self, room: RoomId, draft: Draft) -> Published:
        """Store and announce a message. Raises RateLimited when the user's bucket is empty. What stands before its
        second wait may run outside of a task: no `asyncio.timeout` there.

        A draft with the `retry_key` of a stored one is not stored again and takes no token.
        """
        ...

    async def history(self, room: RoomId, since: Position) -> Sequence[Event] | Unrecoverable:
        """The events after a position, oldest first."""
        ...

    async def hold(self, lease: Lease, ttl_s: float) -> None:
        """Take or renew a lease; a user's first one appends `user_joined`."""
        ...

    async def renew(self, leases: Sequence[Lease], ttl_s: float) -> None:
        """Renew many at once; a lease that ran out meanwhile is taken again."""
        ...

    async def prolong(self, leases: Sequence[Lease], ttl_s: float) -> None:
        """Extend those that are still held; one that was given back, or ran out, stays gone."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give a lease back; a user's last one appends `user_left`."""
        ...

    async def dismiss(self, room: RoomId, token_key: str) -> None:
        """Announce to all instances that follow a room, also here, that a token's holder has left. It may get lost."""
        ...

    async def members(self, room: RoomId) -> tuple[Position, Sequence[Member]]:
        """The head and the members."""
        ...

    async def sweep(self) -> None:
        """Once a second: expire leases, forget what is over its age, free empty rooms."""
        ...
