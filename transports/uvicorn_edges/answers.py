"""Answers that are whole go out in one write. uvicorn writes a head, then a body, which are two system calls."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from uvicorn._types import ASGISendEvent, HTTPResponseStartEvent
from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

_SHORT_BYTES: Final = 64  # of fields that are the same in many answers
# The last answer: what the app said, and its bytes. Those who wait for the same are mostly told the same.
_last: Final[list[tuple[tuple[Any, ...], bytes]]] = [((0, [], b"", [], True), b"")]


class WholeAnswers(RequestResponseCycle):
    """uvicorn's, but the head of an answer whose length it says waits for the body, as ASGI asks for."""

    _start: HTTPResponseStartEvent | None = None  # that waits

    async def send(self, message: ASGISendEvent) -> None:
        """As uvicorn's."""
        start, self._start = self._start, None
        if message["type"] == "http.response.start" and not self.response_started and self._may_wait(message):
            self._start = message  # in the place of one that waits: of the 500, for an app that has failed since
        elif start is None or message["type"] != "http.response.body":
            await super().send(message)
        elif message.get("more_body", False):
            await super().send(start)
            await super().send(message)
        else:
            if self.flow.write_paused and not self.disconnected:
                await self.flow.drain()
            if not self.disconnected:
                self.send_whole(start["status"], start.get("headers", ()), message.get("body", b""))

    def _may_wait(self, start: HTTPResponseStartEvent) -> bool:
        if self.scope["method"] == "HEAD" or self.access_log:
            return False
        if start.get("headers") == _last[0][0][1] != []:
            return True
        names = [name.lower() for name, _ in start.get("headers", ())]
        plain = b"connection" not in names and b"transfer-encoding" not in names
        return plain and names.count(b"content-length") == 1

    def send_whole(self, status: int, fields: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Write the response. Raises RuntimeError for fields that are none, or say another length."""
        asked, last = (status, fields, body, self.default_headers, self.keep_alive), _last[0]
        if asked != last[0]:
            whole = b"".join((*self._lines(status, fields, len(body)), b"\r\n", body))
            said = status, list(fields), bytes(body), list(self.default_headers), self.keep_alive
            last = _last[0] = said, whole
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(last[1])
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _lines(self, status: int, fields: Iterable[tuple[bytes, bytes]], size_bytes: int) -> list[bytes]:
        lines = [STATUS_LINE[status]]
        for name, value in (*self.default_headers, *fields):
            lines.append(_line(name, value) if len(value) <= _SHORT_BYTES else _line.__wrapped__(name, value))
        if b"content-length: %d\r\n" % size_bytes not in lines:
            raise RuntimeError(f"the body has {size_bytes} bytes, and the head says otherwise")
        return lines if self.keep_alive else [*lines, b"connection: close\r\n"]


@lru_cache(maxsize=1024)
def _line(name: bytes, value: bytes) -> bytes:
    """A field as it is written. Raises RuntimeError for what is none."""
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise RuntimeError(f"not a field of a head: {name!r}: {value!r}")
    return b"%b: %b\r\n" % (name.lower(), value)
