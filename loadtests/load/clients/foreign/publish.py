"""Publishing on a foreign server by requests of one's own, pipelined on one connection; any 2xx acknowledges."""

from __future__ import annotations

from collections import deque

from loadtests.load.clients import stamp
from loadtests.load.clients.base import Access, Arrival, Event
from loadtests.load.clients.foreign.adapted import AdaptedClient
from loadtests.load.clients.foreign.contents import message_id
from loadtests.load.clients.foreign.session import Script, Session, pattern
from loadtests.load.clients.http import Answer, AnswerParser
from loadtests.load.clients.publish import PublishClient
from loadtests.records.adapter import Adapter


class ForeignPublishClient(AdaptedClient, PublishClient):
    """Takes the publisher's steps first; what is to be published meanwhile is sent behind them.

    `script` goes from one connection to the next of a publisher: steps are taken once.
    """

    def __init__(
        self, adapter: Adapter, access: Access, session: Session | None = None, script: Script | None = None
    ) -> None:
        super().__init__(adapter, access, session=session)
        self._script = script or Script(adapter.publish.steps, self.session)
        self._ack = pattern(adapter.publish.ack) if adapter.publish.ack else None
        self._answers = AnswerParser(bodies=self._ack is not None, to_end=self._ack is not None)
        self._contents: deque[str] = deque()  # of POSTs on their way
        self._held = b""  # POSTs that wait for the steps
        self._announced = False  # the end of the connection, by an answer
        self.answered = 0
        self.welcomed = self._script.step is None

    def take_back(self) -> list[tuple[str, str]]:
        """Return content and ref of the POSTs that the server has announced not to take, and forget them.

        Behind an answer that closes its connection a server processes nothing (RFC 9112 section 9.6). Of a connection
        that ended unannounced it is unknown what was taken: those POSTs stay unanswered.
        """
        if not (self._announced or self._ends_by_design or self._held):
            return []
        untaken = list(zip(self._contents, self._refs, strict=True))
        self._contents.clear()
        self._refs.clear()
        return untaken

    def opening(self) -> bytes:
        """The first step's request; nothing where there is none."""
        return b"" if self.welcomed else self._next_request()

    def publish(self, content: str, ref: str) -> bytes:
        """Build one POST."""
        self._refs.append(ref)
        self._contents.append(content)
        self.session.count()
        publish, body = self._adapter.publish, self.encoded(content)
        request = self._request(publish.method, publish.path, publish.headers, body)
        if self.welcomed:
            return request
        self._held += request
        return b""

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return one `ack` or `error` per answer, none behind one that closes."""
        if self._asked is not None:
            return super().feed(data)
        return self._take_all(self._answers.feed(data))

    def finish(self) -> list[Arrival]:
        """Take note that the peer ended the connection; return what its end completed. Raises ProtocolError."""
        arrivals = self._take_all(self._answers.finish())
        super().finish()
        return arrivals

    def _take_all(self, answers: list[Answer]) -> list[Arrival]:
        arrivals: list[Arrival] = []
        for answer in answers:
            arrivals.append((self._read(answer), answer.wire_bytes))
            self._announced = self.closed is not None
            if self._announced:
                break
        return arrivals

    def _subscription(self) -> bytes:
        self.welcomed = True
        held, self._held = self._held, b""
        return held

    def _said(self, answer: Answer, ref: str) -> Event:
        self.session.show_answer(answer)
        self.answered += 1
        self._contents.popleft()
        sent = stamp.read_ref(ref)
        if 200 <= answer.head.status < 300 and sent is not None:
            if self._ack is None or self._ack.search(answer.body):
                return Event(type="ack", id=message_id(sent[1]), ref=ref)
            return Event(type="error", code="no acknowledgement", ref=ref)
        return Event(type="error", code=str(answer.head.status), ref=ref)
