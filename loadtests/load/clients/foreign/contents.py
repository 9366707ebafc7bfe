"""The lab's messages in what a foreign server sends: found by their stamps, wherever they stand."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from loadtests.load.clients import base, stamp
from loadtests.load.clients.base import Arrival, Event
from loadtests.records.adapter_parts import BASE64, PLAIN

_STAMPED = re.compile(rb"T\d+\.\d+\.\d+\.\d+\.[0-9a-f]+\.x*")
_ESCAPE = re.compile(rb"\\u00([0-9A-Fa-f]{2})|\\x([0-9A-Fa-f]{2})|%([0-9A-Fa-f]{2})|&#x([0-9A-Fa-f]{2});|\\(/)")
_ENCODED = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def message_id(message: int) -> str:
    """The id of a publisher's message, counted from 0."""
    return f"foreign:{message + 1}"


class Companion(Event):
    """A message that came in one frame, event or answer with the message before it: one stamp is right for both."""


def found(data: bytes) -> list[Event]:
    """Return the lab's messages in one frame, event or answer, in their order, each once.

    A server may send the content twice, as text and as HTML perhaps, or cut one of the two: the longest is taken. What
    comes twice in different frames is a duplicate.
    """
    contents: dict[stamp.Stamp, str] = {}
    for match in _STAMPED.finditer(data):
        content = match[0].decode("ascii")
        stamped = stamp.read(content)
        if stamped is not None:
            contents[stamped] = max(content, contents.get(stamped, ""), key=len)
    return [
        (Companion if place else Event)(type="chat", id=message_id(stamped[1]), content=content)
        for place, (stamped, content) in enumerate(contents.items())
    ]


def frames_in(arrivals: Sequence[Arrival]) -> int:
    """Return in how many frames the arrivals of one read came, as `base.batch_size` counts events."""
    return base.batch_size([arrival for arrival in arrivals if not isinstance(arrival[0], Companion)])


def decoded(encoding: str, data: bytes) -> bytes:
    """Return data in which `found` sees what an adapter's `encoding` hides."""
    if encoding == PLAIN:
        return data
    unescaped = _ESCAPE.sub(
        lambda escape: escape[5] or bytes.fromhex((escape[1] or escape[2] or escape[3] or escape[4]).decode()), data
    )
    if encoding != BASE64:
        return unescaped
    # A padding that is left out is put back; what is no base64 after all is passed over.
    parts = [match[0].rstrip(b"=").translate(_TO_STANDARD) for match in _ENCODED.finditer(unescaped)]
    return b"\n".join(_from_base64(part) for part in parts)


def _from_base64(part: bytes) -> bytes:
    try:
        return base64.b64decode(part + b"=" * (-len(part) % 4))
    except binascii.Error:
        return b""


def encoded(encoding: str, content: str) -> str:
    """Return a message as an adapter's `publish.encoding` wants it."""
    return base64.b64encode(content.encode()).decode() if encoding == BASE64 else content
