"""Publishing by POST on one keep-alive connection: pipelined (RFC 9112 section 9.3.2), no answer is waited for."""

from __future__ import annotations

from collections import deque

import msgspec

from loadtests.load.clients.base import Access, Arrival, Client, Closed, Event, ProtocolError, read_answer
from loadtests.load.clients.http import Answer, AnswerParser, build_post


class PublishClient(Client):
    """Gives every answer out as an event: `ack` for a 202, `error` for anything else, always with its ref."""

    __slots__ = ("_answers", "_refs")

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._answers = AnswerParser()
        self._refs: deque[str] = deque()  # answers come in the order of the requests
        self.welcomed = True  # there is nothing to wait for before the first POST

    @property
    def unanswered(self) -> int:
        """POSTs on their way."""
        return len(self._refs)

    def opening(self) -> bytes:
        """Nothing: the first POST opens the conversation."""
        return b""

    def publish(self, content: str, ref: str) -> bytes:
        """Build one POST."""
        self._refs.append(ref)
        return build_post(self.access, "/messages", msgspec.json.encode({"content": content, "ref": ref}))

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return one `ack` or `error` per answer. Raises ProtocolError."""
        return [(self._read(answer), answer.wire_bytes) for answer in self._answers.feed(data)]

    def _read(self, answer: Answer) -> Event:
        if not self._refs:
            raise ProtocolError(f"an answer ({answer.head.status}) that nothing was asked for")
        ref = self._refs.popleft()
        if answer.head.closes:
            self.closed = Closed(answer.head.status, "connection closed after an answer")
        return self._said(answer, ref)

    def _said(self, answer: Answer, ref: str) -> Event:
        return read_answer(ref, answer.head.status, answer.body)
