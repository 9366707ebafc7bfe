"""Server events as the instrument reads them: only the fields that are counted, followed or recorded.

Not `core.wire`: an instrument that decoded with the server's own code would share its mistakes.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from loadtests.load.clients.errors import ProtocolError


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
