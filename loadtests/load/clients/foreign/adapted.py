"""What all clients of foreign servers share: requests by the adapter, and the steps before a subscription stands."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from urllib.parse import quote

from loadtests.load.clients.base import Access, Arrival, Client, Closed, Event
from loadtests.load.clients.foreign import contents
from loadtests.load.clients.foreign.session import CAME, SENT, Script, Session
from loadtests.load.clients.http import Answer, AnswerParser
from loadtests.records.adapter import Adapter, Step

_BY_DESIGN = "connection closed after an answer"


class AdaptedClient(Client):
    """Mixed into a client of the contract: what it sends is what the adapter says.

    `decoded` and `encoded` are for a subclass of one's own. `successor` is the client of the next connection where the
    server ends a connection with an answer, as it announced.
    """

    def __init__(self, adapter: Adapter, access: Access, since: str = "", session: Session | None = None) -> None:
        self._adapter = adapter
        self.session = session or Session(adapter, access)
        self._script = self._steps()
        self._asked: AnswerParser | None = None  # None: no step's request is on its way
        self._ends_by_design = False
        super().__init__(access, since)

    def decoded(self, data: bytes) -> bytes:
        """Return one message, event or body as text in which the lab's stamps can be found."""
        return contents.decoded(self._adapter.subscribe.encoding, data)

    def encoded(self, content: str) -> bytes:
        """Return the body that publishes `content`."""
        publish = self._adapter.publish
        self.session.values["content"] = contents.encoded(publish.encoding, content)
        return self._bytes(self._fill(publish.body))

    @property
    def position(self) -> str:
        """What was captured along the way, and the headers that go with the next subscription."""
        return json.dumps(self.session.kept) if self.session.kept else ""

    @position.setter
    def position(self, since: str) -> None:
        if since:
            self.session.kept |= json.loads(since)
            self.session.values |= self.session.kept

    @property
    def successor(self) -> AdaptedClient | None:
        """The client that goes on where the server ended the connection with an answer."""
        if not self._ends_by_design:
            return None
        client = type(self)(self._adapter, self.access, session=self.session)
        client._script = self._script
        client.welcomed = self.welcomed
        return client

    @property
    def lacks(self) -> str:
        """Say what it waits for before it is welcome, and what came instead."""
        return self._script.lacks

    def opening(self) -> bytes:
        """The first step's request, or what opens the subscription."""
        return self._next_request()

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return the events completed by them. Raises ProtocolError."""
        if self._asked is None:
            return super().feed(data)
        self._take_answers(self._asked.feed(data))
        return []

    def finish(self) -> list[Arrival]:
        """Take note that the peer ended the connection; return what its end completed. Raises ProtocolError."""
        if self._asked is not None:
            self._take_answers(self._asked.finish())
        return super().finish()

    def _steps(self) -> Script:
        return Script(self._adapter.subscribe.script, self.session)

    def _subscription(self) -> bytes:
        """Build what follows the steps that are requests."""
        raise NotImplementedError

    def _next_request(self) -> bytes:
        step = self._script.step
        if step is None or not step.request:
            self._asked = None
            return self._subscription()
        self._asked = AnswerParser(to_end=True)
        return self._step_request(step)

    def _take_answers(self, answers: list[Answer]) -> None:
        for answer in answers:
            self._take_step(answer)
            if self.closed is None:
                self.outgoing += self._next_request()

    def _take_step(self, answer: Answer) -> None:
        """Take the answer to a step's request; one that is not as it should be closes the client."""
        status = answer.head.status
        self.session.show_answer(answer)
        if status >= 400:
            self.closed = Closed(status, f"{self._script.lacks.partition(':')[0]} refused")
        elif not self._script.came(answer.body, answer.head.raw):
            self.closed = Closed(0, self._script.lacks)
        elif answer.head.closes:
            self._ends_by_design = True
            self.closed = Closed(0, _BY_DESIGN)

    def _fill(self, template: str) -> str:
        return self.session.fill(template)

    def _bytes(self, text: str) -> bytes:
        return text.encode("latin-1", "replace") if self._adapter.subscribe.binary else text.encode()

    def _step_request(self, step: Step) -> bytes:
        method, _, path = step.request.partition(" ")
        self.session.count()
        return self._request(method, path, step.headers, self._bytes(self._fill(step.body)))

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", further: str = ""
    ) -> bytes:
        """Build a request; `further` are whole header lines, each ended by CRLF. JSON unless a header says."""
        target = quote(self._fill(path), safe=string.punctuation)
        lines = "".join(f"{name}: {self._fill(value)}\r\n" for name, value in headers.items())
        if body or method != "GET":
            typed = any(name.lower() == "content-type" for name in headers)
            lines += "" if typed else "Content-Type: application/json\r\n"
            further += f"Content-Length: {len(body)}\r\n"
        head = f"{method} {target} HTTP/1.1\r\nHost: {self.access.endpoint.authority}\r\n{lines}{further}\r\n"
        request = head.encode("latin-1", "replace") + body
        self.session.show(SENT, request)
        return request

    def _resuming(self) -> str:
        """Return the header lines that say where the subscription was."""
        return "".join(f"{name} {value}\r\n" for name, value in self.session.kept.items() if name.endswith(":"))

    def _subscribe_request(self, further: str = "") -> bytes:
        subscribe = self._adapter.subscribe
        self.session.count()
        body = self._bytes(self._fill(subscribe.body))
        return self._request(subscribe.method, subscribe.path, subscribe.headers, body, further + self._resuming())

    def _news(self, data: bytes) -> list[Event]:
        """Return the lab's messages in one message, event or body; take what else the adapter wants of it."""
        self.session.show(CAME, data)
        captures = self._adapter.subscribe.capture
        if captures:
            self.session.capture(captures, data, keep=True)
        return contents.found(self.decoded(data))
