"""What instances tell each other: a subscription per followed room, kept through every reconnect."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection

from core.backplane.redis_link import DEAD_S, LOST, Address, LinkLostError, write
from core.errors import Unavailable

_SUBSCRIBE_S: Final = 2.0
_PING_S: Final = 1.0
_CHUNK: Final = 500
_PAUSE_S: Final = (0.02, 0.5)

_log = logging.getLogger("rtlab.redis")


class Reader:
    """Pub/sub loses what is sent while a connection is down: `restored` is called after each reconnect, once every
    channel is subscribed again, so that the owner can look for what it missed.
    """

    def __init__(self, address: Address, receive: Callable[[bytes, bytes], None], restored: Callable[[], None]) -> None:
        self._address = address
        self._receive = receive
        self._restored = restored
        self._connection: AbstractConnection | None = None
        self._confirmed: dict[bytes, asyncio.Event] = {}  # channel -> set while Redis sends us its messages
        self._asked: Counter[bytes] = Counter()  # SUBSCRIBE commands on this connection that were not answered yet
        self._heard_s = 0.0
        self.available = False

    async def run(self) -> None:
        """Read messages, for ever."""
        pause_s = _PAUSE_S[0]
        while True:
            connection: AbstractConnection | None = None
            try:
                connection = await self._address.connect()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._watch(connection))
                    tasks.create_task(self._read(connection))
                    await self._subscribe_again(connection)
                    pause_s = _PAUSE_S[0]
            except* LOST as errors:
                _log.info("no messages from Redis: %s", errors.exceptions[0])
            finally:
                self._connection, self.available = None, False
                self._asked.clear()
                for confirmed in self._confirmed.values():
                    confirmed.clear()
                if connection is not None:
                    await connection.disconnect(nowait=True)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, _PAUSE_S[1])

    async def follow(self, channel: bytes) -> None:
        """Return once each later message of a channel will be received. Raises Unavailable."""
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            confirmed = self._confirmed[channel] = asyncio.Event()
            self._subscribe([channel])
        try:
            async with asyncio.timeout(_SUBSCRIBE_S):
                await confirmed.wait()
        except TimeoutError:
            raise Unavailable("the backplane is away: the room cannot be followed", retry_after_ms=1000) from None

    def unfollow(self, channel: bytes) -> None:
        """Receive no more messages of a channel."""
        if (confirmed := self._confirmed.pop(channel, None)) is not None:
            confirmed.set()  # who still waits for it waits in vain
            self._send("UNSUBSCRIBE", channel)

    def _subscribe(self, channels: list[bytes]) -> None:
        if self._connection is None:
            return  # _subscribe_again will
        self._asked.update(channels)
        self._send("SUBSCRIBE", *channels)

    def _send(self, *command: Any) -> None:
        if self._connection is not None:
            write(self._connection, command)

    async def _subscribe_again(self, connection: AbstractConnection) -> None:
        self._connection = connection
        channels = list(self._confirmed)
        for start in range(0, len(channels), _CHUNK):
            self._subscribe(channels[start : start + _CHUNK])
        for channel in channels:
            if (confirmed := self._confirmed.get(channel)) is not None:
                await confirmed.wait()
        self.available = True
        self._restored()

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            reply = await connection.read_response()
            self._heard_s = time.monotonic()
            kind, channel, data = reply if len(reply) == 3 else (reply[0], b"", b"")
            if kind == b"message":
                self._receive(channel, data)
            elif kind == b"subscribe":
                self._confirm(channel)

    def _confirm(self, channel: bytes) -> None:
        self._asked[channel] -= 1
        if self._asked[channel] <= 0:  # else this answers an earlier one, and an UNSUBSCRIBE is still on its way
            del self._asked[channel]
            if (confirmed := self._confirmed.get(channel)) is not None:
                confirmed.set()

    async def _watch(self, connection: AbstractConnection) -> None:
        self._heard_s = time.monotonic()
        while True:
            await asyncio.sleep(_PING_S)
            if time.monotonic() - self._heard_s > DEAD_S:
                raise LinkLostError(f"Redis has not answered for {DEAD_S:g} s")
            self._send("PING")
