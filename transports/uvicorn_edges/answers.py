"""Answers that are whole go out in one write. uvicorn writes a head, then a body, which are two system calls."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from uvicorn._types import ASGISendEvent, HTTPResponseBodyEvent, HTTPResponseStartEvent
from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

_SHORT_BYTES: Final = 64  # of fields that are the same in many answers


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
                self._send_whole(start, message)

    def _may_wait(self, start: HTTPResponseStartEvent) -> bool:
        names = [name.lower() for name, _ in start.get("headers", ())]
        plain = b"connection" not in names and b"transfer-encoding" not in names
        return plain and names.count(b"content-length") == 1 and self.scope["method"] != "HEAD" and not self.access_log

    def _send_whole(self, start: HTTPResponseStartEvent, message: HTTPResponseBodyEvent) -> None:
        body = message.get("body", b"")
        lines = [STATUS_LINE[start["status"]]]
        for name, value in (*self.default_headers, *start.get("headers", ())):
            lines.append(_line(name, value) if len(value) <= _SHORT_BYTES else _line.__wrapped__(name, value))
        if b"content-length: %d\r\n" % len(body) not in lines:
            raise RuntimeError(f"the body has {len(body)} bytes, and the head says otherwise")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"".join((*lines, b"\r\n", body)))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


@lru_cache(maxsize=1024)
def _line(name: bytes, value: bytes) -> bytes:
    """A field as it is written. Raises RuntimeError for what is none."""
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise RuntimeError(f"not a field of a head: {name!r}: {value!r}")
    return b"%b: %b\r\n" % (name.lower(), value)
