"""What can go wrong with a request to a room: one tree, a stable code each.

How a code looks on the wire (HTTP status, close code) is the transports' business, not known here.
"""

from __future__ import annotations

from typing import ClassVar, Final

NOT_ENTERED: Final = (
    "the server does not run this app's lifespan: start it with its lifespan on, "
    "or let the app that mounts this one enter it"
)


class RoomError(Exception):
    """A refusal, sent to the client.

    `message` is fit for the client's eyes: what was wrong and what is allowed, never an internal detail.
    `ref` is the client's own reference of the refused command; `retry_after_ms` a hint when it may work again.
    """

    code: ClassVar[str]

    def __init__(self, message: str, *, ref: str | None = None, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.ref = ref
        self.retry_after_ms = retry_after_ms


class BadRequest(RoomError):
    """The bytes or a value in them are outside what the contract allows."""

    code = "bad_request"


class Unauthorized(RoomError):
    """No token, or one that is forged, malformed or expired."""

    code = "unauthorized"


class HelloTimeout(Unauthorized):
    """The first message, which carries the token, did not come in time."""


class Forbidden(RoomError):
    """Known, but not allowed: a foreign origin, or a room outside the token."""

    code = "forbidden"


class NotFound(RoomError):
    """No such path, or a room name that no room can have."""

    code = "not_found"


class TooLarge(RoomError):
    """Over the size limit of a frame or a body."""

    code = "too_large"


class RateLimited(RoomError):
    """The user's token bucket is empty; `retry_after_ms` says when it holds a token again."""

    code = "rate_limited"


class SlowConsumer(RoomError):
    """The subscriber's outbox ran over its bound; it may resume from its last position."""

    code = "slow_consumer"


class ShuttingDown(RoomError):
    """The server drains; another instance, or this one after a restart, will serve."""

    code = "shutting_down"


class Unavailable(RoomError):
    """The backplane cannot be reached: nothing was stored."""

    code = "unavailable"
