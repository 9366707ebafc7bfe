"""The direct sink of a WebSocket: RFC 6455 text frames, unmasked and uncompressed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from websockets.exceptions import InvalidState

from core import wire
from core.errors import BadRequest, RoomError
from core.hub import Hub
from transports.conversation import Conversation
from transports.direct.joining import Joining
from transports.direct.protocols import DirectWebSocketProtocol
from transports.direct.subscription import DirectSubscription
from transports.errors import close_code, close_reason
from transports.stream import opening
from transports.uvicorn_edges.websocket import text_frame

CLOSE_S: Final = 5.0  # for the peer to answer a close frame, or to read what is left before it
_INBOX: Final = 32  # commands that wait behind the one being carried out, before reading stops


class DirectWebSocket:
    """Between one protocol object and, from the client's hello on, one subscription."""

    __slots__ = (
        "_conversation",
        "_hello_timer",
        "_hub",
        "_inbox",
        "_joining",
        "_protocol",
        "_subscription",
    )

    def __init__(
        self, hub: Hub, joining: Joining, protocol: DirectWebSocketProtocol, conversation: Conversation
    ) -> None:
        self._hub = hub
        self._joining = joining
        self._protocol = protocol
        self._conversation = conversation
        self._subscription: DirectSubscription | None = None
        self._hello_timer: asyncio.TimerHandle | None = None
        self._inbox: list[str | None] | None = None  # while a task works on it: most subscribers say hello, no more

    def start(self) -> None:
        """Take the connection over from the endpoint, which returns after this, and wait for the hello."""
        if self._protocol.transport.is_closing():
            return
        self._hello_timer = self._protocol.loop.call_later(self._hub.settings.hello_s, self._overdue)
        for text in self._protocol.take_over(self):
            self.receive(text)

    def receive(self, text: str | None) -> None:
        """One message from the client; None for a binary one. Carried out in order, one at a time."""
        if self._inbox is not None:
            self._inbox.append(text)
            if len(self._inbox) >= _INBOX:
                self._protocol.transport.pause_reading()
        else:
            self._inbox = [text]
            # A hello joins a room, which may need a task of its own; most commands are done without a wait.
            carry_out = self._protocol.spawn if self._subscription is None else self._protocol.run
            carry_out(self._obey(self._inbox))

    def pause(self) -> None:
        """The transport's buffer is over its high-water mark."""
        if self._subscription is not None:
            self._subscription.pause()

    def resume(self) -> None:
        """The transport takes bytes again."""
        if self._subscription is not None:
            self._subscription.resume()

    def lost(self) -> None:
        """The connection is gone."""
        self._stop_hello_timer()
        if self._subscription is not None:
            self._subscription.disconnect()
            self._protocol.spawn(self._hub.detach(self._subscription))

    def finish(self, reason: RoomError | None) -> None:
        """Send a close frame; a peer that does not answer it, or does not read so far, is cut off."""
        protocol = self._protocol
        if protocol.transport.is_closing():
            return
        code, why = (1000, "") if reason is None else (close_code(reason), close_reason(reason))
        with suppress(InvalidState):  # the peer closed first
            protocol.conn.send_close(code, why)
            protocol.close_soon(CLOSE_S)

    async def _obey(self, inbox: list[str | None]) -> None:
        try:
            while inbox:
                subscription, text = self._subscription, inbox.pop(0)
                if self._protocol.close_sent if subscription is None else subscription.ended:
                    return  # nothing that the client says counts any more
                if subscription is None:
                    await self._greet(text)
                else:
                    await self._conversation.command(subscription.principal, subscription, text)
                if len(inbox) == _INBOX - 1 and not self._protocol.transport.is_closing():
                    self._protocol.transport.resume_reading()
        except Exception:  # as where an endpoint fails: reported, and the client is not left to wait
            self._protocol.logger.exception("Exception in ASGI application\n")
            self._protocol.transport.close()
        finally:
            self._inbox = None

    async def _greet(self, text: str | None) -> None:
        """Attach who says a hello that can be honoured; others may try again, or get the reason and are closed."""
        try:
            greeting = self._conversation.greet(text)
            if isinstance(greeting, BadRequest):
                self._protocol.transport.write(text_frame(wire.error(greeting)))
                return
            self._stop_hello_timer()
            principal, since = greeting
            attaching = self._joining.attach(principal, self._conversation.room, "websocket", text_frame, since)
            subscription = await self._conversation.attached(attaching)
        except RoomError as refusal:
            self._refuse(refusal)
        else:
            await self._welcome(subscription)

    async def _welcome(self, subscription: DirectSubscription) -> None:
        protocol = self._protocol
        if protocol.holder is not self:  # the client went meanwhile
            await self._hub.detach(subscription)
            return
        self._subscription = subscription
        if protocol.transport.is_closing():
            return  # it goes: `lost` is next
        descriptor = protocol.write_through()
        if not protocol.writable.is_set():
            subscription.pause()
        subscription.connect(self, protocol.transport.write, descriptor, b"".join(opening(self._hub, subscription)))

    def _overdue(self) -> None:
        self._refuse(self._conversation.overdue())

    def _refuse(self, reason: RoomError) -> None:
        self._stop_hello_timer()
        if not self._protocol.transport.is_closing():
            self._protocol.transport.write(text_frame(wire.error(reason)))
            self.finish(reason)

    def _stop_hello_timer(self) -> None:
        if self._hello_timer is not None:
            self._hello_timer.cancel()
            self._hello_timer = None
