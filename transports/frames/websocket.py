"""The direct sink of a WebSocket: RFC 6455 text frames, unmasked and uncompressed."""

from __future__ import annotations

from collections import deque
from typing import Final

from websockets.exceptions import InvalidState

from core.errors import RoomError
from core.hub import Hub
from core.model import Position
from core.subscription import Subscription
from transports.conversation import Conversation
from transports.errors import close_code, close_reason
from transports.protocols import LabWebSocketProtocol

CLOSE_S: Final = 5.0  # for the peer to answer a close frame, or to read what is left before it
_INBOX: Final = 32  # commands that wait behind the one being carried out, before reading stops


def frame(body: bytes, position: Position | None) -> bytes:
    """A whole text frame (section 5.2)."""
    size = len(body)
    if size < 126:
        return b"\x81%c%b" % (size, body)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), body)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), body)


class DirectWebSocket:
    """Between one protocol object and one subscription."""

    __slots__ = ("_conversation", "_hub", "_inbox", "_protocol", "_subscription", "descriptor", "write")

    def __init__(
        self, hub: Hub, protocol: LabWebSocketProtocol, conversation: Conversation, subscription: Subscription
    ) -> None:
        self._hub = hub
        self._protocol = protocol
        self._conversation = conversation
        self._subscription = subscription
        self._inbox: deque[str | None] | None = None  # while a task works on it: most subscribers never say anything
        self.write = protocol.transport.write
        self.descriptor = protocol.write_through()

    def start(self) -> None:
        """Take the connection over from the endpoint, which returns after this."""
        if self._protocol.transport.is_closing():  # the client went between its hello and now
            self.lost()
            return
        opening = b"".join(frame(body, None) for body in self._conversation.opening(self._subscription))
        waiting = self._protocol.take_over(self)
        self._subscription.connect(self, opening)
        for text in waiting:
            self.receive(text)

    def receive(self, text: str | None) -> None:
        """One message from the client; None for a binary one. Carried out in order, one at a time."""
        if self._inbox is not None:
            self._inbox.append(text)
            if len(self._inbox) >= _INBOX:
                self._protocol.transport.pause_reading()
        elif not self._subscription.ended:
            self._inbox = deque((text,))
            self._protocol.spawn(self._obey(self._inbox))

    def pause(self) -> None:
        """The transport's buffer is over its high-water mark."""
        self._subscription.pause()

    def resume(self) -> None:
        """The transport takes bytes again."""
        self._subscription.resume()

    def lost(self) -> None:
        """The connection is gone."""
        self._subscription.disconnect()
        self._protocol.spawn(self._hub.detach(self._subscription))

    def finish(self, reason: RoomError | None) -> None:
        """Send a close frame; a peer that does not answer it, or does not read so far, is cut off."""
        protocol = self._protocol
        if protocol.transport.is_closing():
            return
        try:
            if reason is None:
                protocol.conn.send_close(1000)
            else:
                protocol.conn.send_close(close_code(reason), close_reason(reason))
        except InvalidState:
            return  # the peer closed first
        protocol.close_soon(CLOSE_S)

    async def _obey(self, inbox: deque[str | None]) -> None:
        principal, subscription = self._subscription.principal, self._subscription
        try:
            while inbox and not subscription.ended:
                await self._conversation.command(principal, subscription, inbox.popleft())
                if len(inbox) == _INBOX - 1:
                    self._protocol.transport.resume_reading()
        finally:
            self._inbox = None
