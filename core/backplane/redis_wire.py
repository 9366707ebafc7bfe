"""One connection to Redis as bytes: the commands of a loop turn leave in one write, replies are handed on as they come.

redis-py's own connection reads by a task and an asyncio stream, and writes each command: a wake-up and a write more for
each message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, NoReturn, cast

import hiredis
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse

_MORE: Final = object()


class Wire(asyncio.Protocol):
    """Made by `Address.connect`. Never connects again by itself: its owner has to know what was missed."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = hiredis.Reader(
            protocolError=InvalidResponse, replyError=BaseParser.parse_error, notEnoughData=_MORE
        )
        self._ended: asyncio.Future[NoReturn] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._replied: Callable[[Any], None] | None = None
        self._batch: list[bytes] = []
        self.connected = False  # whether it has begun, and has not ended

    def send(self, command: tuple[Any, ...]) -> None:
        """Send a command at the end of this loop turn, or nothing when the connection has ended."""
        if not self._batch:
            self._loop.call_soon(self._write)
        self._batch.append(hiredis.pack_command(command))

    async def serve(self, replied: Callable[[Any], None]) -> NoReturn:
        """Hand on each reply, errors too, until the connection ends. Raises RedisError, OSError, or
        what `replied` raises.
        """
        self._replied = replied
        self._hand_on()  # what came before
        await self._ended
        raise AssertionError

    def close(self) -> None:
        """End it."""
        self.connected = False
        if self._transport is not None:
            self._transport.close()
        self._ended.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self.connected = True

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._parser.feed(data)
        try:
            self._hand_on()
        except Exception as error:  # noqa: BLE001  it is raised where `serve` is awaited
            self._end(error)

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._end(error or RedisConnectionError("Connection closed by server."))

    def _end(self, error: Exception) -> None:
        self._replied, self.connected = None, False
        if not self._ended.done():
            self._ended.set_exception(error)
            self._ended.exception()  # the owner may be gone already
        if self._transport is not None:
            self._transport.close()

    def _hand_on(self) -> None:
        while self._replied is not None and (reply := self._parser.gets()) is not _MORE:
            if isinstance(reply, RedisConnectionError):
                raise reply
            self._replied(reply)

    def _write(self) -> None:
        batch, self._batch = self._batch, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(batch))
