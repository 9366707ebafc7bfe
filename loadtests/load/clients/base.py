"""What every client has in common: addresses, events, errors, and one connection's state without the connection.

Events are not decoded by `core.wire`: an instrument that used the server's own decoder would share its mistakes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple
from urllib.parse import SplitResult, urlsplit

import msgspec


class ClientError(Exception):
    """Root of everything a client raises."""


class AddressError(ClientError, ValueError):
    """The host given to the generator cannot be used."""


class ProtocolError(ClientError):
    """The peer broke the transport's protocol; the connection is worth nothing any more."""


class ConnectFailed(ClientError):
    """No welcome came out of a connection attempt; `retryable` says whether another attempt may help."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class NotPublished(ClientError):
    """A publication was answered by an error, or not at all in good time."""


class Closed(NamedTuple):
    """Why a connection ended: a WebSocket close code or an HTTP status, 0 where there was neither."""

    code: int
    reason: str

    @property
    def retryable(self) -> bool:
        """False where the same token and room would be refused again."""
        return self.code not in _FINAL_CODES

    def __str__(self) -> str:
        return f"{self.reason} ({self.code})" if self.code else self.reason


_FINAL_CODES = frozenset({400, 401, 403, 404, 405, 413, 4400, 4401, 4403, 4404, 4408})


class Endpoint(NamedTuple):
    """Where the server listens."""

    host: str
    port: int
    secure: bool = False  # TLS

    @property
    def url(self) -> str:
        """The address as `parse_endpoint` reads it."""
        return f"{'https' if self.secure else 'http'}://{self.authority}"

    @property
    def authority(self) -> str:
        """The `Host` header's value."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_endpoint(url: str) -> Endpoint:
    """Read `http://HOST[:PORT]`, or `https://`; raises AddressError that says what is allowed."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise AddressError(f"host {url!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or _beside_the_address(parts):
        raise AddressError(f"host {url!r} is not of the form http://HOST:PORT or https://HOST:PORT, without a path")
    return Endpoint(parts.hostname, port, parts.scheme == "https")


def _beside_the_address(parts: SplitResult) -> bool:
    return bool(parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None)


class Access(NamedTuple):
    """One user's way into one room."""

    endpoint: Endpoint
    room: str
    token: str


class Event(msgspec.Struct, gc=False):
    """Any event of the contract, an HTTP answer's body included; fields that a type does not have are empty."""

    type: str = ""
    id: str = ""
    content: str = ""
    ref: str = ""
    position: str = ""
    reason: str = ""
    code: str = ""
    message: str = ""
    recovered: bool = False
    retry_after_ms: int = msgspec.field(default=0, name="retryAfterMs")


class PollAnswer(msgspec.Struct):
    """A poll's 200 body."""

    events: list[Event]
    position: str


Arrival = tuple[Event, int]
"""An event and the bytes it took on the wire, framing included."""

MAX_LINE_BYTES = 1_048_576  # of a stream that has an event a line
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)  # msgspec leaves invalid UTF-8 to the latter
_EVENT = msgspec.json.Decoder(Event)
_ANSWER = msgspec.json.Decoder(PollAnswer)


def decode_event(raw: bytes | memoryview) -> Event:
    """Decode one event; raises ProtocolError with the offending bytes."""
    try:
        return _EVENT.decode(raw)
    except _UNREADABLE as error:
        raise ProtocolError(f"not an event: {bytes(raw[:200])!r} ({error})") from error


def decode_answer(raw: bytes) -> PollAnswer:
    """Decode a poll answer; raises ProtocolError with the offending bytes."""
    try:
        return _ANSWER.decode(raw)
    except _UNREADABLE as error:
        raise ProtocolError(f"not a poll answer: {raw[:200]!r} ({error})") from error


def split_lines(unfinished: bytes, data: bytes) -> tuple[list[bytes], bytes]:
    """Return the lines that `data` completes, without their line feeds, and the new unfinished one.

    Raises ProtocolError for an unfinished line of more than `MAX_LINE_BYTES`.
    """
    *lines, unfinished = (unfinished + data).split(b"\n")
    if len(unfinished) > MAX_LINE_BYTES:
        raise ProtocolError(f"a line of more than {MAX_LINE_BYTES} bytes")
    return lines, unfinished


def read_answer(ref: str, status: int, body: bytes) -> Event:
    """Read a POST's answer as the event that a duplex transport would send: `ack` for a 202, else `error`.

    A status of 0 says that the request was reset. Raises ProtocolError for a body that is no event.
    """
    if status == 202:
        return Event(type="ack", id=decode_event(body).id, ref=ref)
    code = decode_event(body).code if body[:1] == b"{" else ""
    return Event(type="error", code=code or str(status or "reset"), ref=ref)


def offset_of(position: str) -> int:
    """The offset in `epoch:offset`; raises ProtocolError where there is none."""
    try:
        return int(position[position.rindex(":") + 1 :])
    except ValueError as error:
        raise ProtocolError(f"not a position: {position[:100]!r}; expected 'epoch:offset'") from error


def batch_size(arrivals: Sequence[Arrival]) -> int:
    """Return how many arrivals of one read share its stamp, from the first delivery on.

    The stamp is that of the read's last segment. What came before the first delivery, such as the acknowledgement of
    what one published oneself, does not move it.
    """
    before = 0
    for event, _ in arrivals:
        if event.type == "chat":
            break
        before += 1
    return len(arrivals) - before


class Client:
    """One connection of one user: `opening` to send, `feed` what comes, `take_outgoing` to send on.

    After each `feed` the caller looks at `closed`. Events come in the order of the stream; nothing is sorted,
    deduplicated or mended here: what the server did is what is recorded.
    """

    __slots__ = ("access", "closed", "joined", "outgoing", "position", "retry_ms", "told_gaps", "welcomed")

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
        self.joined = ""  # the position after which its events begin, once welcome
        self.outgoing = b""

    def opening(self) -> bytes:
        """The bytes to send once the TCP connection stands."""
        raise NotImplementedError

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return the events completed by them. Raises ProtocolError."""
        raise NotImplementedError

    @property
    def lacks(self) -> str:
        """Say what it waits for before it is welcome, where it can."""
        return ""

    def finish(self) -> list[Arrival]:
        """Take note that the peer ended the connection; return the events that its end completed."""
        if self.closed is None:
            self.closed = Closed(0, "connection ended by the server")
        return []

    def take_outgoing(self) -> bytes:
        """Take what the client itself has to say (pong, next poll, close)."""
        outgoing, self.outgoing = self.outgoing, b""
        return outgoing

    def follow(self, event: Event) -> None:
        """Keep position, welcome and announced gaps in step with one event of the stream."""
        kind = event.type
        if kind == "chat" or kind == "user_joined" or kind == "user_left":
            self.position = event.id
        elif kind == "welcome":
            self.welcomed = True
            self.position = self.joined = event.position
        elif kind == "resync":
            self.told_gaps += 1
            self.position = event.position
        elif kind == "error":
            self.retry_ms = event.retry_after_ms
            self.told_gaps += event.code == "slow_consumer"
