"""What all clients have in common: one connection's life, without the connection."""

from __future__ import annotations

from typing import ClassVar

from loadtests.load.clients.errors import Closed
from loadtests.load.clients.events import Arrival, Event
from loadtests.load.clients.http import Access


class Client:
    """One connection of one user: `opening` to send, `feed` what comes, `take_outgoing` to send on.

    After each `feed` the caller looks at `closed`. Events come in the order of the stream; nothing is sorted,
    deduplicated or mended here: what the server did is what is recorded.
    """

    __slots__ = ("access", "closed", "outgoing", "position", "retry_ms", "told_gaps", "welcomed")

    label: ClassVar[str]
    """What Locust's tables call this transport."""

    alpn: ClassVar[str] = "http/1.1"
    """What it speaks inside TLS (RFC 7301)."""

    def __init__(self, access: Access, since: str = "") -> None:
        """Prepare to enter `access.room`, resuming after position `since` where it is not empty."""
        self.access = access
        self.position = since
        self.closed: Closed | None = None
        self.retry_ms = 0  # the server's hint for the next attempt
        self.told_gaps = 0  # resync events and slow_consumer cuts
        self.welcomed = False
        self.outgoing = b""

    def opening(self) -> bytes:
        """The bytes to send once the TCP connection stands."""
        raise NotImplementedError

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return the events completed by them. Raises ProtocolError."""
        raise NotImplementedError

    def finish(self) -> None:
        """Take note that the peer ended the connection."""
        if self.closed is None:
            self.closed = Closed(0, "connection ended by the server")

    def take_outgoing(self) -> bytes:
        """Take what the client itself has to say (pong, next poll, close)."""
        outgoing, self.outgoing = self.outgoing, b""
        return outgoing

    def follow(self, event: Event) -> None:
        """Keep position, welcome and told gaps in step with one event of the stream."""
        kind = event.type
        if kind == "chat" or kind == "user_joined" or kind == "user_left":
            self.position = event.id
        elif kind == "welcome":
            self.welcomed = True
            self.position = event.position
        elif kind == "resync":
            self.told_gaps += 1
            self.position = event.position
        elif kind == "error":
            self.retry_ms = event.retry_after_ms
            self.told_gaps += event.code == "slow_consumer"
