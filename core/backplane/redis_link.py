"""One connection to Redis that answers many callers at once, and knows which server it talks to."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.exceptions import NoScriptError, RedisError, ResponseError

from core.backplane.redis_keys import LIFE

CONNECT_S: Final = 1.0
STALL_S: Final = 1.0  # no answer for that long: new calls are refused
DEAD_S: Final = 3.0  # no answer for that long: the connection is given up
_PING_S: Final = 0.5

_LUA = files("core.backplane").joinpath("lua")
_ROOM_SCRIPTS: Final = ("publish", "find", "history", "head", "hold", "release", "expire", "members")
_OTHER_SCRIPTS: Final = ("limit", "life", "due", "claim", "settle", "tell")


class LinkLostError(Exception):
    """The connection ended before the answer came: the call may have been carried out or not."""


class NotSentError(LinkLostError):
    """The connection had ended already: the call was not carried out."""


def read_scripts() -> dict[str, str]:
    """The Lua source of every script by name."""
    room = _LUA.joinpath("room.lua").read_text()
    scripts = {name: room + _LUA.joinpath(f"{name}.lua").read_text() for name in _ROOM_SCRIPTS}
    return scripts | {name: _LUA.joinpath(f"{name}.lua").read_text() for name in _OTHER_SCRIPTS}


SCRIPTS: Final = read_scripts()


class Address:
    """Where Redis is, by URL: `redis://`, `rediss://` or `unix://`. Raises ValueError when the URL is none of them."""

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = dict(parse_url(url))
        self._class: type[AbstractConnection] = options.pop("connection_class", Connection)
        # RESP2: a connection that subscribed then carries nothing but messages and pongs, on every version.
        self._options = options | {"protocol": 2, "socket_timeout": None, "socket_connect_timeout": CONNECT_S}
        self.database: int = options.get("db", 0)
        try:
            self._class(**self._options)
        except TypeError as error:
            raise ValueError(f"an option in the Redis URL is not known: {error}") from error

    async def connect(self) -> AbstractConnection:
        """Open a connection. Raises RedisError, OSError, TimeoutError."""
        connection = self._class(**self._options)
        try:
            async with asyncio.timeout(2 * CONNECT_S):
                await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection


def write(connection: AbstractConnection, command: tuple[Any, ...]) -> None:
    """Send a command on a connection, or nothing when that has ended: its own way to send would connect again,
    unseen by those who have to know that messages were missed and answers lost.
    """
    if connection._writer is not None:
        connection._writer.writelines(connection.pack_command(*command))


class Link:
    """Calls go out as they come and are answered in order. `serve` reads until the connection is lost."""

    def __init__(self, connection: AbstractConnection, keep_ms: int) -> None:
        self.life = 0
        self._connection = connection
        self._keep_ms = keep_ms
        self._run_id = b""
        self._durable = False
        self._since = b""
        self._lost = False
        self._shas: dict[str, bytes] = {}
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._ahead_ms = 0.0  # at least how far Redis's clock is ahead of our monotonic one

    @property
    def lost(self) -> bool:
        """Whether it has ended."""
        return self._lost or not self._connection.is_connected

    @property
    def stalled(self) -> bool:
        """Whether an answer is overdue: more calls would only wait behind it."""
        return bool(self._waiting) and time.monotonic() - self._waiting[0][0] > STALL_S

    async def serve(self, opened: asyncio.Event) -> None:
        """Greet the server, set `opened`, then answer calls until the connection is lost.

        Raises RedisError, OSError, LinkLostError; every call that waits then gets LinkLostError.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read())
                async with asyncio.timeout(DEAD_S):
                    await self._greet()
                opened.set()
                await self._watch()
        finally:
            self._lost = True
            for _, answer in self._waiting:
                if not answer.done():
                    answer.set_exception(LinkLostError("the connection to Redis was lost"))

    async def call(self, *command: Any) -> Any:
        """Send a command and wait for its answer. Raises ResponseError, LinkLostError."""
        return await self._send(command)

    async def script(self, name: str, keys: Iterable[str], arguments: Iterable[Any]) -> Any:
        """Run a script. Raises ResponseError, LinkLostError."""
        listed = tuple(keys)
        sent_to_run = (len(listed), *listed, *arguments)
        try:
            return await self._send(("EVALSHA", self._shas[name], *sent_to_run))
        except NoScriptError:  # somebody emptied the script cache: nothing was done
            pass
        return await self._send(("EVAL", SCRIPTS[name], *sent_to_run))

    def deadline_ms(self, at_s: float) -> int:
        """The moment `at_s` of the monotonic clock on Redis's clock, never later than it really is."""
        return int(at_s * 1000 + self._ahead_ms)

    def learn_time(self, redis_ms: int) -> None:
        """Take note of the Redis time in an answer that has just come."""
        # It was read before now: so much at least Redis's clock is ahead, and a deadline made from it errs early.
        self._ahead_ms = redis_ms - time.monotonic() * 1000

    async def learn_life(self) -> bool:
        """Ask for the database's life; whether it was emptied since the last time.

        Raises ResponseError, LinkLostError.
        """
        durable = b"1" if self._durable else b"0"
        now_ms, life, since = await self.script("life", (LIFE,), (self._run_id, durable, self._keep_ms, self.life))
        self.learn_time(int(now_ms))
        known, self._since, self.life = self._since, since, int(life)
        return known not in (b"", since)

    def _send(self, command: tuple[Any, ...]) -> asyncio.Future[Any]:
        if self.lost:
            raise NotSentError("the connection to Redis is lost")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((time.monotonic(), answer))
        write(self._connection, command)
        return answer

    async def _greet(self) -> None:
        server, persistence = await self.call("INFO", "server"), await self.call("INFO", "persistence")
        self._run_id = _field(server, b"run_id")
        # With an append-only file a killed server comes back with all that it acknowledged; see docs/reliability.md.
        self._durable = _field(persistence, b"aof_enabled") == b"1"
        for name, source in SCRIPTS.items():
            self._shas[name] = await self.call("SCRIPT", "LOAD", source)
        await self.learn_life()

    async def _read(self) -> None:
        while True:
            try:
                reply = await self._connection.read_response()
            except ResponseError as error:
                reply = error
            _, answer = self._waiting.popleft()
            if answer.done():
                continue  # its caller was cancelled
            if isinstance(reply, Exception):
                answer.set_exception(reply)
            else:
                answer.set_result(reply)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_PING_S)
            if not self._waiting:
                self._send(("PING",)).add_done_callback(_retrieve)
            elif time.monotonic() - self._waiting[0][0] > DEAD_S:
                raise LinkLostError(f"Redis has not answered for {DEAD_S:g} s")


def _retrieve(answer: asyncio.Future[Any]) -> None:
    if not answer.cancelled():
        answer.exception()


def _field(info: bytes | dict[str, Any], name: bytes) -> bytes:
    assert isinstance(info, bytes)
    for line in info.splitlines():
        key, _, value = line.partition(b":")
        if key == name:
            return value
    return b""


LOST: Final = (LinkLostError, RedisError, OSError, TimeoutError)
"""What the end of a connection looks like."""
