"""HTTP/1.1 as the clients need it (RFC 9112): request builders, answers by Content-Length, chunked streams.

Every parser takes any split of the byte stream and gives the same result for all of them.
"""

from __future__ import annotations

from typing import NamedTuple

from loadtests.load.clients.base import Access, ProtocolError

MAX_HEAD_BYTES = 65_536
MAX_BODY_BYTES = 67_108_864  # a whole history in one poll answer: 1000 events of 16 KiB, and room to spare
_MAX_CHUNK_LINE_BYTES = 4096


def build_get(access: Access, tail: str, headers: str = "") -> bytes:
    """Build `GET /rooms/{room}{tail}`; `headers` are whole lines, each ended by CRLF."""
    return (
        f"GET /rooms/{access.room}{tail} HTTP/1.1\r\nHost: {access.endpoint.authority}\r\n"
        f"Authorization: Bearer {access.token}\r\n{headers}\r\n"
    ).encode("latin-1")


def build_post(access: Access, tail: str, body: bytes) -> bytes:
    """Build a JSON `POST /rooms/{room}{tail}`."""
    head = (
        f"POST /rooms/{access.room}{tail} HTTP/1.1\r\nHost: {access.endpoint.authority}\r\n"
        f"Authorization: Bearer {access.token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("latin-1") + body


class Head(NamedTuple):
    """A status line and its header fields, names in lower case; `size` counts the bytes, blank line included."""

    status: int
    headers: dict[bytes, bytes]
    size: int
    http10: bool = False
    raw: bytes = b""  # as it came, without the blank line

    @property
    def closes(self) -> bool:
        """Whether the server ends the connection after this answer, and takes nothing sent behind (RFC 9112 9.6)."""
        options = {option.strip() for option in self.headers.get(b"connection", b"").lower().split(b",")}
        return b"close" in options or (self.http10 and b"keep-alive" not in options) or self.unframed

    @property
    def unframed(self) -> bool:
        """Whether the body, if there is one, ends with the connection."""
        return not self.chunked and b"content-length" not in self.headers and self.status not in (204, 304)

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return self.headers.get(b"transfer-encoding", b"").lower() == b"chunked"

    @property
    def content_length(self) -> int | None:
        """The body's length, None where the head does not give it; raises ProtocolError for one that is no length."""
        raw = self.headers.get(b"content-length")
        if raw is None:
            return None
        if not raw.isdigit() or int(raw) > MAX_BODY_BYTES:
            raise ProtocolError(f"Content-Length {raw!r}; expected 0..{MAX_BODY_BYTES}")
        return int(raw)

    @property
    def retry_after_ms(self) -> int:
        """`Retry-After` in milliseconds, 0 where there is none or it is a date."""
        raw = self.headers.get(b"retry-after", b"")
        return int(raw) * 1000 if raw.isdigit() else 0


def split_head(data: bytes | bytearray) -> Head | None:
    """Parse the head at the start of `data`; None while its blank line has not come."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > MAX_HEAD_BYTES:
            raise ProtocolError(f"no end of the HTTP head within {MAX_HEAD_BYTES} bytes")
        return None
    raw = bytes(data[:end])
    status_line, *lines = raw.split(b"\r\n")
    if not status_line.startswith(b"HTTP/1.") or not status_line[9:12].isdigit():
        raise ProtocolError(f"not an HTTP/1.1 status line: {status_line[:100]!r}")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise ProtocolError(f"not an HTTP header line: {line[:100]!r}")
        headers[name.lower()] = value.strip()
    return Head(int(status_line[9:12]), headers, end + 4, status_line.startswith(b"HTTP/1.0"), raw)


class ChunkDecoder:
    """Chunked transfer coding: bytes in, (payload, overhead) out.

    `overhead` is the framing that came before the payload since the last one: a chunk's size line and the CRLF after
    the chunk before. It hangs on the first byte of the chunk, so that no split of the stream moves it.
    """

    __slots__ = ("_after_data", "_in_trailer", "_left", "_overhead", "_rest", "consumed", "done")

    def __init__(self) -> None:
        self._rest = b""
        self._left = 0
        self._overhead = 0
        self._after_data = False
        self._in_trailer = False
        self.consumed = 0
        self.done = False

    def feed(self, data: bytes) -> list[tuple[bytes, int]]:
        """Decode what has come; raises ProtocolError. Bytes after the last chunk stay in `take_rest`."""
        self.consumed += len(data)
        if self._rest:
            data = self._rest + data
        payloads: list[tuple[bytes, int]] = []
        position, end = 0, len(data)
        while position < end and not self.done:
            if self._left:
                payload = data[position : position + self._left]
                payloads.append((payload, self._overhead))
                self._overhead = 0
                self._left -= len(payload)
                self._after_data = not self._left
                position += len(payload)
                continue
            line_end = data.find(b"\r\n", position)
            if line_end < 0:
                if end - position > _MAX_CHUNK_LINE_BYTES:
                    raise ProtocolError(f"chunk line longer than {_MAX_CHUNK_LINE_BYTES} bytes")
                break
            self._overhead += line_end + 2 - position
            self._line(data[position:line_end])
            position = line_end + 2
        self._rest = data[position:]
        return payloads

    def take_rest(self) -> bytes:
        """Take back what came after the last chunk."""
        rest, self._rest = self._rest, b""
        self.consumed -= len(rest)
        return rest

    def _line(self, line: bytes) -> None:
        if self._after_data:
            if line:
                raise ProtocolError(f"chunk longer than its size: {line[:100]!r} where CRLF was due")
            self._after_data = False
        elif self._in_trailer:
            self.done = not line
        else:
            size = line.partition(b";")[0].strip()
            if not size or size.strip(b"0123456789abcdefABCDEF") or len(size) > 8:
                raise ProtocolError(f"not a chunk size: {line[:100]!r}")
            self._left = int(size, 16)
            self._in_trailer = not self._left


class Answer(NamedTuple):
    """One whole answer; `wire_bytes` counts head, framing and body."""

    head: Head
    body: bytes
    wire_bytes: int


class AnswerParser:
    """A connection's answers, one after the other; 1xx answers are passed over.

    `bodies` is False where they are not read: an answer whose body ends with its connection is then given out at its
    head, with an empty body. With `to_end` such an answer is given out by `finish`. Otherwise it is a ProtocolError.
    """

    __slots__ = ("_bodies", "_body", "_buffer", "_chunks", "_head", "_to_end")

    def __init__(self, *, bodies: bool = True, to_end: bool = False) -> None:
        self._bodies = bodies
        self._to_end = to_end
        self._buffer = bytearray()
        self._body = bytearray()
        self._head: Head | None = None
        self._chunks: ChunkDecoder | None = None

    def feed(self, data: bytes) -> list[Answer]:
        """Parse what has come; raises ProtocolError."""
        self._buffer += data
        answers: list[Answer] = []
        while self._head is not None or self._take_head():
            answer = self._take_body()
            if answer is None:
                break
            answers.append(answer)
        return answers

    def finish(self) -> list[Answer]:
        """Take note that the connection ended; return the answer whose body ended with it, if there is one."""
        if self._head is None or not self._to_end or not self._head.unframed:
            return []
        return [self._finish(bytes(self._buffer), self._head.size + len(self._buffer))]

    def _take_head(self) -> bool:
        head = split_head(self._buffer)
        while head is not None and 100 <= head.status < 200:
            del self._buffer[: head.size]
            head = split_head(self._buffer)
        if head is None:
            return False
        del self._buffer[: head.size]
        self._head = head
        self._chunks = ChunkDecoder() if head.chunked else None
        return True

    def _take_body(self) -> Answer | None:
        assert self._head is not None
        if self._chunks is not None:
            return self._take_chunks(self._head, self._chunks)
        length = 0 if self._head.status in (204, 304) else self._head.content_length
        if length is None and self._to_end:
            return None
        if length is None and self._bodies:
            raise ProtocolError("an answer with neither Content-Length nor chunked coding")
        if length is None:
            size = self._head.size + len(self._buffer)
            self._buffer.clear()
            return self._finish(b"", size)
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return self._finish(body, self._head.size + length)

    def _take_chunks(self, head: Head, chunks: ChunkDecoder) -> Answer | None:
        for payload, _ in chunks.feed(bytes(self._buffer)):
            self._body += payload
        self._buffer.clear()
        if len(self._body) > MAX_BODY_BYTES:
            raise ProtocolError(f"an answer's body is over {MAX_BODY_BYTES} bytes")
        if not chunks.done:
            return None
        self._buffer += chunks.take_rest()
        body = bytes(self._body)
        self._body.clear()
        return self._finish(body, head.size + chunks.consumed)

    def _finish(self, body: bytes, wire_bytes: int) -> Answer:
        assert self._head is not None
        answer = Answer(self._head, body, wire_bytes)
        self._head = self._chunks = None
        return answer
