"""Try an adapter out: one user joins, another publishes one message, and each step is told to a person.

It needs no Locust: the clients are those of a run, over sockets that wait.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

from loadtests.load.clients import foreign, stamp
from loadtests.load.clients.base import Access, Client, Closed, Event, ProtocolError, parse_endpoint
from loadtests.load.clients.foreign import AdaptedClient, ForeignPublishClient, ForeignWebSocketClient, Session
from loadtests.load.clients.foreign.session import CAME
from loadtests.records.adapter import SSE
from loadtests.run.foreign import Foreign
from loadtests.run.probe import advice
from loadtests.run.probe.advice import PUBLISH, SUBSCRIBE
from loadtests.run.probe.line import Line, listen

WAIT_S = 10.0
_AGAIN_S = 0.3  # what comes twice comes soon
_SETTLE_S = 0.3  # where nothing shows that a subscription stands
_SHOWN_CHARACTERS = 400
_PADDING = re.compile(r"x{20,}")  # of the lab's message


class Probe:
    """One try. `run` says what happens by `say`, line by line."""

    def __init__(self, server: Foreign, say: Callable[[str], None], wait_s: float = WAIT_S) -> None:
        self._server, self._adapter = server, server.adapter
        self._say, self._wait_s = say, wait_s
        self._access = Access(server.endpoint, f"probe-{secrets.token_hex(3)}", server.token)
        self._came: list[bytes] = []  # to the subscriber
        self._received: list[float] = []  # when the message came
        self._answers: list[Event] = []  # to the publication
        self._open = ExitStack()

    def run(self) -> bool:
        """Join, publish, receive; return whether the message came, once."""
        about = self._adapter
        self._say(f"{about.name}: {about.about} ({about.protocol}, {self._server.url})")
        with self._open:
            try:
                problem = self._try()
            except ProtocolError as error:
                problem = advice.of_closed(SUBSCRIBE, "the connection", Closed(1002, str(error)))
            except OSError as error:
                problem = f"can't connect: {error}. Does the server run there?"
        if problem:
            self._say(f"stopped: {problem}")
        return not problem

    def _try(self) -> str:
        """Return what is wrong; empty where nothing is."""
        self._say("1. subscribe")
        subscriber = self._line(self._client(0, self._heard("subscriber", self._came)))
        began_s = time.monotonic()
        if problem := self._joined(subscriber, self._came):
            return problem
        self._say(f"   subscribed after {_ms(began_s)}")
        self._say("2. publish")
        publisher = self._publisher()
        if isinstance(publisher, str):
            return publisher
        began_s = time.monotonic()
        self._came.clear()
        self._publish(publisher)
        if problem := self._published([subscriber, publisher], publisher):
            return problem
        self._say("3. receive")
        if not self._received and not listen([subscriber], self._take, self._wait_s):
            closed = subscriber.client.closed
            ended = f"the subscriber's connection ended: {closed}. " if closed is not None else ""
            return ended + advice.of_unheard(self._adapter, self._came, self._wait_s)
        self._say(f"   received {(self._received[0] - began_s) * 1000:.1f} ms after it was published")
        listen(
            [subscriber], lambda client, event: bool(self._take(client, event)) and len(self._received) > 1, _AGAIN_S
        )
        if len(self._received) > 1:
            return (
                "the message came again: a poll has to say where it is. Capture the cursor from the answer in "
                "[subscribe], and put it into path, body or headers; or set resume_headers"
            )
        return ""

    def _client(self, user: int, listener: Callable[[str, bytes], None]) -> AdaptedClient:
        session = Session(self._adapter, self._access, user)
        session.listener = listener
        return foreign.client(self._adapter, self._access, session=session)

    def _line(self, client: AdaptedClient) -> Line:
        return self._open.enter_context(closing(Line(client, self._adapter.tls_verify)))

    def _joined(self, line: Line, came: list[bytes]) -> str:
        if listen([line], lambda client, _: client.welcomed, self._wait_s):
            if self._adapter.protocol == SSE and self._adapter.subscribe.late_head:
                time.sleep(_SETTLE_S)
            return ""
        if (closed := line.client.closed) is not None:
            if not (closed.code or came or self._server.secure):
                return advice.OF_NOTHING
            return advice.of_closed(SUBSCRIBE, "the subscription", closed)
        return advice.of_silence(self._adapter, line.client.lacks, came, self._wait_s)

    def _publisher(self) -> Line | str:
        """Return the publisher's line, or what is wrong."""
        adapter, session = self._adapter, None
        if adapter.publisher_subscribes:
            came: list[bytes] = []
            line = self._line(self._client(1, self._heard("publisher", came)))
            if problem := self._joined(line, came):
                return f"the publisher's own subscription: {problem}"
            if adapter.publishes_over_socket:
                return line
            session = line.client.session
        if session is None:
            session = Session(adapter, self._access, user=1)
            session.listener = self._heard("publisher", [])
        target = adapter.publish.target
        access = self._access._replace(endpoint=parse_endpoint(target)) if target else self._access
        return self._line(foreign.publish_client(adapter, access, session))

    def _publish(self, line: Line) -> None:
        now_ns = time.monotonic_ns()
        content, ref = stamp.build(0, 0, now_ns, now_ns, 128), stamp.build_ref(0, 0)
        assert isinstance(line.client, ForeignWebSocketClient | ForeignPublishClient)
        line.send(line.client.publish(content, ref))

    def _published(self, lines: list[Line], publisher: Line) -> str:
        """Wait for the acknowledgement, where there is one; return what is wrong."""
        client = publisher.client
        if isinstance(client, ForeignWebSocketClient) and not client.acknowledges:
            self._say("   sent; nothing acknowledges it")
            return ""

        def answered(of: Client, event: Event | None) -> bool:
            self._take(of, event)
            return bool(self._answers)

        listen(lines, answered, self._wait_s)
        if not self._answers:
            if (closed := publisher.client.closed) is not None:
                return advice.of_closed(PUBLISH, "the publisher's connection", closed)
            lacks = publisher.client.lacks or "nothing acknowledged the publication"
            return f"{lacks} within {self._wait_s:g} s: set ack in [publish] to what does come, or leave it out"
        (answer, *_) = self._answers
        if answer.type == "ack":
            self._say("   acknowledged")
            return ""
        if answer.code.isdigit():
            return advice.of_closed(PUBLISH, "the publication", _closed(answer.code))
        return "the answer to the publication does not hold what ack in [publish] looks for"

    def _take(self, client: Client, event: Event | None) -> bool:
        """Take an event of any line; return whether the message has come."""
        if event is not None and event.type == "chat":
            if client.access.room == self._access.room and isinstance(client, AdaptedClient) and _user(client) == "0":
                self._received.append(time.monotonic())
        elif event is not None and event.ref:
            self._answers.append(event)
        return bool(self._received)

    def _heard(self, who: str, came: list[bytes]) -> Callable[[str, bytes], None]:
        """Return what shows a session's bytes, and keeps in `came` those that came."""

        def show(direction: str, data: bytes) -> None:
            if direction == CAME:
                came.append(data)
            self._say(f"   {who:<10} {direction} {readable(data)}")

        return show


def readable(data: bytes) -> str:
    """Return bytes as one line of text, cut where it gets long."""
    text = data.decode("utf-8", "backslashreplace").rstrip("\r\n").replace("\r\n\r\n", " | ").replace("\r\n", "; ")
    text = _PADDING.sub("xxx…", text)
    text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}… ({len(data)} bytes)"


def _user(client: AdaptedClient) -> str:
    return client.session.values["user"]


def _ms(since_s: float) -> str:
    return f"{(time.monotonic() - since_s) * 1000:.1f} ms"


def _closed(code: str) -> Closed:
    return Closed(int(code), "publication refused")
