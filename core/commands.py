"""What a client of a duplex transport says besides chats."""

from __future__ import annotations

import math
from typing import Final

from core import wire
from core.errors import BadRequest, RateLimited
from core.model import Principal
from core.ratelimit import RateLimiter

_PINGS_PER_S: Final = 50  # a user's, on this instance: they are for a client's round-trip time, not for a load


class Commands:
    """Answers them, and bounds a user's pings."""

    __slots__ = ("pings",)

    def __init__(self) -> None:
        self.pings = RateLimiter(_PINGS_PER_S, 2 * _PINGS_PER_S)

    async def answer(self, principal: Principal, command: wire.Command, now_s: float) -> bytes | None:
        """Give the reply, None for `leave`. Raises RateLimited, BadRequest."""
        match command:
            case wire.Ping():
                if wait_s := self.pings.take(principal.user_id, now_s):
                    raise RateLimited("too many pings", retry_after_ms=math.ceil(wait_s * 1000))
                return wire.pong(wire.optional(command.ref))
            case wire.Leave():
                return None
            case _:
                raise BadRequest("hello has been said already")
