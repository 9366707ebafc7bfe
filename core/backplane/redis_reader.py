"""What instances announce to each other: a subscription per followed room, kept through every reconnect."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from redis.exceptions import RedisError

from core.backplane.redis_address import Address
from core.backplane.redis_faults import LOST, LinkLostError, Outage, cause, reason_of
from core.backplane.redis_keys import NO_ROOM, room_key
from core.backplane.redis_link import DEAD_S, server_id
from core.backplane.redis_wire import Wire
from core.errors import Unavailable

_SUBSCRIBE_S: Final = 2.0
_PING_S: Final = 1.0
_CHUNK: Final = 500
_PAUSE_S: Final = (0.02, 0.5)
_AGAIN_S: Final = 1.0  # between attempts when Redis answers and refuses
_WITNESS: Final = "messages"

_log = logging.getLogger("rtlab.redis")


class Reader:
    """Pub/sub loses what is sent while a connection is down: `restored` is called after each reconnect, once every
    channel is subscribed again, so that the owner can look for what it missed.
    """

    def __init__(
        self,
        address: Address,
        receive: Callable[[bytes, bytes], None],
        outage: Outage,
        restored: Callable[[], None],
    ) -> None:
        self._address = address
        self._outage = outage
        self._probe = room_key(address.database, NO_ROOM).encode()
        self._receive = receive
        self._restored = restored
        self._wire: Wire | None = None
        self._confirmed: dict[bytes, asyncio.Event] = {}  # channel -> set while Redis sends us its messages
        self._asked: Counter[bytes] = Counter()  # SUBSCRIBE commands on this connection that were not answered yet
        self._proven = asyncio.Event()  # channels may be followed and left
        self._elsewhere = False
        self._heard_s = 0.0
        self.available = False
        self.server = b""  # the run id of the one at the other end

    async def run(self) -> None:
        """Read messages, for ever."""
        pause_s = _PAUSE_S[0]
        while True:
            wire: Wire | None = None
            least_s = 0.0
            try:
                wire = await self._address.connect()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._watch())
                    tasks.create_task(wire.serve(self._received))
                    await self._subscribe_again(wire)
                    pause_s = _PAUSE_S[0]
            except* LOST as errors:
                least_s = self._lose(cause(errors))
            finally:
                self._wire, self.available, self.server = None, False, b""
                self._proven.clear()
                self._asked.clear()
                for confirmed in self._confirmed.values():
                    confirmed.clear()
                if wire is not None:
                    wire.close()
            await asyncio.sleep(max(least_s, pause_s * random.uniform(0.5, 1.0)))
            pause_s = min(2 * pause_s, _PAUSE_S[1])

    def look_again(self) -> None:
        """Give the connection up for one to the server that is at the address now."""
        self._elsewhere = True

    async def follow(self, channel: bytes) -> None:
        """Return once each later message of a channel will be received. Raises Unavailable."""
        if self._wire is None and self._outage.reason is not None:
            raise _away()
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            confirmed = self._confirmed[channel] = asyncio.Event()
            self._subscribe([channel])
        try:
            async with asyncio.timeout(_SUBSCRIBE_S):
                await confirmed.wait()
        except TimeoutError:
            raise _away() from None

    def unfollow(self, channel: bytes) -> None:
        """Receive no more messages of a channel."""
        if (confirmed := self._confirmed.pop(channel, None)) is not None:
            confirmed.set()  # who still waits for it waits in vain
            self._send("UNSUBSCRIBE", channel)

    def _subscribe(self, channels: list[bytes]) -> None:
        if self._wire is None:
            return  # _subscribe_again will
        self._asked.update(channels)
        self._send("SUBSCRIBE", *channels)

    def _send(self, *command: Any) -> None:
        if self._wire is not None:
            self._wire.send(command)

    async def _subscribe_again(self, wire: Wire) -> None:
        self._wire, self._elsewhere = wire, False
        for command in self._address.opening(select=False):
            self._send(*command)
        self._send("INFO", "server")
        self._send("SUBSCRIBE", self._probe)
        self._send("UNSUBSCRIBE", self._probe)
        channels = list(self._confirmed)
        for start in range(0, len(channels), _CHUNK):
            self._subscribe(channels[start : start + _CHUNK])
        for channel in channels:
            if (confirmed := self._confirmed.get(channel)) is not None:
                await confirmed.wait()
        await self._proven.wait()
        self.available = True
        _log.debug("messages come from Redis at %s", self._address.name)
        self._outage.ended(_WITNESS)
        self._restored()

    def _received(self, reply: Any) -> None:
        self._heard_s = time.monotonic()
        if isinstance(reply, list):
            kind, channel, data = reply if len(reply) == 3 else (reply[0], b"", b"")
            if kind == b"message":
                self._receive(channel, data)
            elif kind == b"subscribe":
                self._confirm(channel)
            elif channel == self._probe:
                self._proven.set()
        elif isinstance(reply, RedisError):
            raise reply
        else:
            self.server = server_id(reply) or self.server

    def _lose(self, error: BaseException) -> float:
        """Take note of the end of a connection, or of an attempt. Returns how long to wait at least, s."""
        if self.available:
            _log.debug("no more messages from Redis at %s: %s", self._address.name, error)
            return 0.0  # an outage only when there is no other connection
        reason = reason_of(error) or "unreachable"
        self._outage.began(_WITNESS, reason, self._address.explain(error))
        return 0.0 if reason == "unreachable" else _AGAIN_S

    def _confirm(self, channel: bytes) -> None:
        self._asked[channel] -= 1
        if self._asked[channel] <= 0:  # else this answers an earlier one, and an UNSUBSCRIBE is still on its way
            del self._asked[channel]
            if (confirmed := self._confirmed.get(channel)) is not None:
                confirmed.set()

    async def _watch(self) -> None:
        self._heard_s = time.monotonic()
        while True:
            await asyncio.sleep(_PING_S)
            if self._elsewhere:
                raise LinkLostError("given up for another server")
            if time.monotonic() - self._heard_s > DEAD_S:
                raise LinkLostError(f"Redis has not answered for {DEAD_S:g} s")
            self._send("PING")


def _away() -> Unavailable:
    return Unavailable("the backplane is away: the room cannot be followed", retry_after_ms=1000)
