"""A foreign server's WebSocket: steps once the handshake is over, then messages that hold any number of the lab's."""

from __future__ import annotations

import re

from loadtests.load.clients import stamp
from loadtests.load.clients.base import Access, Arrival, Event
from loadtests.load.clients.foreign.adapted import AdaptedClient
from loadtests.load.clients.foreign.contents import message_id
from loadtests.load.clients.foreign.session import CAME, SENT, Session, pattern
from loadtests.load.clients.http import split_head
from loadtests.load.clients.polls import shared
from loadtests.load.clients.websocket import BINARY, TEXT, WebSocketClient, build_frame
from loadtests.records.adapter import Adapter


class ForeignWebSocketClient(AdaptedClient, WebSocketClient):
    """Welcome once the handshake is over and all steps are taken; messages may be text or binary."""

    def __init__(self, adapter: Adapter, access: Access, since: str = "", session: Session | None = None) -> None:
        super().__init__(adapter, access, since, session)
        self._opcode = BINARY if adapter.subscribe.binary else TEXT
        self._answers = [
            (pattern(text), said) for text, said in adapter.subscribe.answer.items() if isinstance(said, str)
        ]
        self._ack = pattern(adapter.publish.ack) if adapter.publish.ack and not adapter.publish.path else None
        self._unacknowledged: dict[str, str] = {}  # the `{seq}` of a publication -> its ref, in their order

    @property
    def acknowledges(self) -> bool:
        """Whether the server answers each publication."""
        return self._ack is not None

    def publish(self, content: str, ref: str) -> bytes:
        """Build the frame of one message."""
        self.session.count()
        if self._ack is not None:
            self._unacknowledged[str(self.session.seq)] = ref
        return self._frame(self.encoded(content))

    def heartbeat(self) -> bytes:
        """Build the frame that the server wants to get from time to time."""
        beat = self._adapter.subscribe.heartbeat
        return self._message(beat.send) if beat is not None else b""

    def _subscription(self) -> bytes:
        return self._subscribe_request(
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {self._key.decode()}\r\n"
        )

    def _shake_hands(self, data: bytes) -> bytes:
        received = (self._handshake or b"") + data
        head = split_head(received) if self.session.listener is not None else None
        if head is not None:
            self.session.show(CAME, head.raw if head.status == 101 else received)
        return super()._shake_hands(data)

    def _message(self, template: str) -> bytes:
        self.session.count()
        return self._frame(self._bytes(self._fill(template)))

    def _frame(self, payload: bytes) -> bytes:
        self.session.show(SENT, payload)
        return build_frame(self._opcode, payload)

    def _send_hello(self) -> None:
        self._go_on()

    def _go_on(self) -> None:
        """Say what the steps say, up to the one that waits for an answer."""
        while (step := self._script.step) is not None:
            if step.send:
                self.outgoing += self._message(step.send)
            if step.expect:
                return
            self._script.sent()
        self.welcomed = True

    def feed(self, data: bytes) -> list[Arrival]:
        """Take received bytes; return the messages completed by them. Raises ProtocolError."""
        if self._asked is not None:
            return super().feed(data)
        if self._handshake is not None:
            data = self._shake_hands(data)
        arrivals: list[Arrival] = []
        for opcode, payload, wire_bytes in self._parser.feed(data) if self._handshake is None else ():
            if opcode in (TEXT, BINARY):
                arrivals += shared(self._take(payload), wire_bytes)
            else:
                self._control(opcode, payload)
            if self.closed is not None:
                break
        return arrivals

    def _take(self, payload: bytes) -> list[Event]:
        events = self._news(payload)
        for asked, said in self._answers:
            if asked.search(payload):
                self.outgoing += self._message(said)
        if not self.welcomed and self._script.came(payload):
            self._go_on()
        if self._ack is not None and self._unacknowledged:
            events += self._acknowledged(self._ack, payload)
        return events

    def _acknowledged(self, ack: re.Pattern[bytes], payload: bytes) -> list[Event]:
        """Return an `ack` for each publication that the message acknowledges: the one it names, or the oldest."""
        events = []
        for match in ack.finditer(payload):
            seq = match[1].decode("ascii", "replace") if ack.groups else next(iter(self._unacknowledged), "")
            ref = self._unacknowledged.pop(seq, "")
            sent = stamp.read_ref(ref)
            if sent is not None:
                events.append(Event(type="ack", id=message_id(sent[1]), ref=ref))
        return events
