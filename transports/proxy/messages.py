"""HTTP/1.1 heads and bodies as a hop sees them (RFC 9112): read, changed, written. Nothing here knows a knob."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

MAX_HEAD_BYTES: Final = 65_536
_READ_BYTES: Final = 65_536
HOP_BY_HOP: Final = (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"te", b"upgrade")


class BadMessage(Exception):
    """A peer sent something that is no HTTP/1.1 message."""


@dataclass(frozen=True, slots=True)
class Head:
    """A start line, and fields as they came."""

    first: bytes
    fields: tuple[tuple[bytes, bytes], ...]

    def get(self, name: bytes) -> bytes:
        """A field's value, empty where there is none."""
        return next((value for key, value in self.fields if key.lower() == name), b"")

    def without(self, *names: bytes) -> Head:
        """The head without these fields; names in lower case."""
        return Head(self.first, tuple(field for field in self.fields if field[0].lower() not in names))

    def adding(self, name: bytes, value: bytes) -> Head:
        """The head with this field at its end, and no other of the name."""
        return Head(self.first, (*self.without(name.lower()).fields, (name, value)))

    def starting(self, first: bytes) -> Head:
        """The head with another start line."""
        return Head(first, self.fields)

    def encoded(self) -> bytes:
        """The bytes, blank line included."""
        return b"\r\n".join([self.first, *(b"%b: %b" % field for field in self.fields), b"", b""])

    @property
    def status(self) -> int:
        """An answer's status. Raises BadMessage."""
        code = self.first[9:12]
        if not self.first.startswith(b"HTTP/1.") or not code.isdigit():
            raise BadMessage(f"no status line: {self.first[:60]!r}")
        return int(code)

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return b"chunked" in self.get(b"transfer-encoding").lower()

    @property
    def upgrades(self) -> bool:
        """Whether a request asks for another protocol on this connection."""
        return b"upgrade" in self.get(b"connection").lower() and bool(self.get(b"upgrade"))


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next head; None where the peer has ended between two messages. Raises BadMessage."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise BadMessage("the connection ended within a head") from error
        return None
    except asyncio.LimitOverrunError as error:
        raise BadMessage(f"a head of more than {MAX_HEAD_BYTES} bytes") from error
    first, *lines = raw[:-4].split(b"\r\n")
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise BadMessage(f"no header line: {line[:60]!r}")
        fields.append((name, value.strip()))
    return Head(first, tuple(fields))


async def body(reader: asyncio.StreamReader, head: Head, *, to_the_end: bool) -> AsyncIterator[bytes]:
    """What comes of a message's body, as it comes, without chunk framing. Raises BadMessage.

    `to_the_end`: without a length and without chunks it ends with the connection, as answers' bodies do.
    """
    length = head.get(b"content-length")
    if head.chunked:
        async for data in _chunks(reader):
            yield data
    elif length or not to_the_end:
        if not (length or b"0").isdigit():
            raise BadMessage(f"Content-Length {length[:40]!r}")
        async for data in _exactly(reader, int(length or b"0")):
            yield data
    else:
        while data := await reader.read(_READ_BYTES):
            yield data


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        try:
            line = await reader.readuntil(b"\r\n")
            size = int(line.partition(b";")[0].strip(), 16)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise BadMessage(f"no chunk: {error}") from error
        if not size:
            while (await reader.readline()).strip():  # trailers, which nobody here sends
                pass
            return
        async for data in _exactly(reader, size):
            yield data
        await reader.readexactly(2)


async def _exactly(reader: asyncio.StreamReader, left: int) -> AsyncIterator[bytes]:
    while left:
        data = await reader.read(min(left, _READ_BYTES))
        if not data:
            raise BadMessage(f"the connection ended with {left} bytes to come")
        left -= len(data)
        yield data


def chunk(data: bytes) -> bytes:
    """One chunk; of nothing: the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)
