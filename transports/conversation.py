"""What a duplex client may say, in order: a hello that can be honoured, then commands; and how often it may err."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final, TypeVar

from core import wire
from core.errors import BadRequest, HelloTimeout, RateLimited, RoomError, Unauthorized
from core.hub import Hub
from core.model import Position, Principal, RoomId
from core.subscription import Subscription

S = TypeVar("S", bound=Subscription)

BAD_REQUESTS_IN_A_ROW: Final = 3
REFUSALS_IN_A_ROW: Final = 20


class Conversation:
    """One client's talk with one room. Knows no socket: text in, replies through the subscription."""

    __slots__ = ("_bad_requests", "_hub", "_refusals", "room")

    def __init__(self, hub: Hub, room: RoomId) -> None:
        self._hub = hub
        self.room = room
        self._bad_requests = 0
        self._refusals = 0

    def greet(self, text: str | None) -> tuple[Principal, Position | None] | BadRequest:
        """Take what should be a hello: who and since when; or what was wrong, when another try is allowed.

        Raises the RoomError that the connection is to be closed with; it has been counted.
        """
        try:
            command = self._hub.ingress.command(_raw(text))
            if not isinstance(command, wire.Hello):
                raise Unauthorized("the first message must be a hello with a token")
            since = wire.optional(command.since)
            position = None if since is None else Position.parse(since)
            return self._hub.admit(wire.optional(command.token), self.room), position
        except RoomError as error:
            if self.is_last_straw(error) or not isinstance(error, BadRequest):
                raise
            return error

    async def attached(self, attaching: Awaitable[S]) -> S:
        """Wait for the subscription of whom `greet` has admitted. Raises as `greet` does."""
        try:
            return await attaching
        except RoomError as refusal:
            self._hub.stats.rejected[refusal.code] += 1
            raise

    def overdue(self) -> HelloTimeout:
        """Why a client that has not said hello in time has to go; it has been counted."""
        self._hub.stats.rejected[HelloTimeout.code] += 1
        return HelloTimeout(f"no hello within {self._hub.settings.hello_s:g} s")

    async def command(self, principal: Principal, subscription: Subscription, text: str | None) -> None:
        """Carry out one command; reply, or end the subscription when that was the last."""
        try:
            reply = await self._hub.ingest(principal, self.room, _raw(text))
        except RoomError as error:
            subscription.send_control(wire.error(error))
            if self.is_last_straw(error):
                subscription.end(error)
            return
        self.forgive()
        if reply is None:
            subscription.end()
        else:
            subscription.send_control(reply)

    def forgive(self) -> None:
        """Note that a command was carried out: refusals count in a row."""
        self._bad_requests = self._refusals = 0

    def is_last_straw(self, error: RoomError) -> bool:
        """Count a refusal. Returns whether the connection is to be ended for it."""
        self._hub.stats.rejected[error.code] += 1
        if isinstance(error, RateLimited):
            self._refusals += 1
            return self._refusals >= REFUSALS_IN_A_ROW
        if isinstance(error, BadRequest):
            self._bad_requests += 1
            return self._bad_requests >= BAD_REQUESTS_IN_A_ROW
        return error.code != "unavailable"  # away for now: the stream stays, the sender may try again


def _raw(text: str | None) -> bytes:
    if text is None:
        raise BadRequest("a binary frame: commands are text")
    return text.encode()
