"""The polling clients: held GETs (RFC 6202) one after the other, or GETs that never wait, on the caller's grid."""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.load.clients.base import Access, Arrival, Client, Closed, Event, ProtocolError, decode_answer
from loadtests.load.clients.http import Answer, AnswerParser, build_get


def shared(events: Sequence[Event], wire_bytes: int) -> list[Arrival]:
    """Share bytes out evenly over the events that came in them; the first takes what does not divide."""
    if not events:
        return []
    share, remainder = divmod(wire_bytes, len(events))
    return [(events[0], share + remainder), *((event, share) for event in events[1:])]


class PollClient(Client):
    """One keep-alive connection, one GET on the way at most."""

    __slots__ = ("_answers", "waiting")

    def __init__(self, access: Access, since: str = "") -> None:
        super().__init__(access, since)
        self._answers = AnswerParser()
        self.waiting = False  # for an answer

    def opening(self) -> bytes:
        """The first GET; it answers at once, also on a resume (`wait=0`), and so proves the connection."""
        return self._poll(wait_s=0)

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return the events completed by them. Raises ProtocolError."""
        arrivals: list[Arrival] = []
        for answer in self._answers.feed(data):
            if not self.waiting:
                raise ProtocolError(f"an answer ({answer.head.status}) that nothing was asked for")
            self.waiting = False
            arrivals += self._take(answer)
            if self.closed is not None:
                break
            self._answered()
        return arrivals

    def _take(self, answer: Answer) -> list[Arrival]:
        """Take one answer; one that refuses closes the client. Raises ProtocolError."""
        if answer.head.status == 200:
            return self._read(answer)
        self.retry_ms = answer.head.retry_after_ms
        self.closed = Closed(answer.head.status, "poll refused")
        return []

    def _read(self, answer: Answer) -> list[Arrival]:
        body = decode_answer(answer.body)
        if not self.welcomed:
            self.welcomed, self.joined = True, self.position or body.position
        for event in body.events:
            self.follow(event)
        self.position = body.position
        return shared(body.events, answer.wire_bytes)

    def _poll(self, wait_s: float) -> bytes:
        self.waiting = True
        since = f"since={self.position}&" if self.position else ""
        return build_get(self.access, f"/poll?{since}wait={wait_s:g}")

    def _answered(self) -> None:
        raise NotImplementedError


class LongPollClient(PollClient):
    """Asks again as soon as it is answered, before anybody looks at the events."""

    __slots__ = ("_wait_s",)

    def __init__(self, access: Access, since: str = "", wait_s: float = 25.0) -> None:
        super().__init__(access, since)
        self._wait_s = wait_s

    def _answered(self) -> None:
        self.outgoing += self._poll(self._wait_s)


class ShortPollClient(PollClient):
    """Asks when the caller says so, by `poll`."""

    __slots__ = ()

    def poll(self) -> bytes:
        """Build the next GET; empty while the last one is unanswered: a grid never piles up requests."""
        return b"" if self.waiting or not self.welcomed else self._poll(wait_s=0)

    def _answered(self) -> None:
        """Wait for the grid."""
