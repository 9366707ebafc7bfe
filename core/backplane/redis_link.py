"""One connection to Redis that answers many callers at once, and knows which server it talks to."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

from redis.exceptions import NoScriptError, ResponseError

from core.backplane.redis_clock import RedisClock
from core.backplane.redis_faults import LinkLostError, RefusedError, reason_of
from core.backplane.redis_keys import LIFE, probe_keys
from core.backplane.redis_scripts import Scripts
from core.backplane.redis_wire import Wire

STALL_S: Final = 1.0  # no answer for that long: new calls are refused
DEAD_S: Final = 3.0  # no answer for that long: the connection is given up
_PING_S: Final = 0.5


class NotSentError(LinkLostError):
    """The connection had ended already: the call was not carried out."""


class Link:
    """Calls go out with those of the same loop turn, and are answered in order, until the connection is lost."""

    def __init__(
        self,
        wire: Wire,
        opening: Sequence[tuple[Any, ...]],
        database: int,
        keep_ms: int,
        clock: RedisClock,
        scripts: Scripts,
    ) -> None:
        self.life = 0
        self.clock = clock
        self.server = b""  # the run id of the one at the other end
        self.evicts_by = ""  # the policy by which it takes keys away when its memory is full; "": it takes none
        self._wire = wire
        self._opening = opening
        self._scripts = scripts
        self._probe_keys = probe_keys(database)
        self._keep_ms = keep_ms
        self._retired = False
        self._durable = False
        self._since = b""
        self._lost = False
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._answered_s = -math.inf  # when the last answer came
        self._ahead_ms = 0.0  # at least how far Redis's clock is ahead of our monotonic one

    @property
    def lost(self) -> bool:
        """Whether it has ended."""
        return self._lost or self._retired or not self._wire.connected

    @property
    def stalled(self) -> bool:
        """Whether an answer is overdue: more calls would only wait behind it."""
        return bool(self._waiting) and self._silent_s > STALL_S

    @property
    def _silent_s(self) -> float:
        """How long Redis has owed an answer and given none. A long queue that moves is no silence."""
        return time.monotonic() - max(self._waiting[0][0], self._answered_s) if self._waiting else 0.0

    async def serve(self, opened: asyncio.Event) -> None:
        """Greet the server, set `opened`, then answer calls until the connection is lost.

        Raises RedisError, RefusedError, OSError, LinkLostError; every call that waits then gets LinkLostError.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._wire.serve(self._answered))
                async with asyncio.timeout(DEAD_S):
                    await self._greet()
                opened.set()
                await self._watch()
        finally:
            self._lost = True
            for _, answer in self._waiting:
                if not answer.done():
                    answer.set_exception(LinkLostError("the connection to Redis was lost"))

    def retire(self) -> None:
        """Take no more calls, and end when those that wait have been answered."""
        self._retired = True

    async def prove(self) -> None:
        """Use each command that the scripts use, on keys of no room.

        Raises RefusedError, ResponseError, LinkLostError.
        """
        _check(await self.script("probe", self._probe_keys, ()))

    async def script(self, name: str, keys: Iterable[str], arguments: Iterable[Any]) -> Any:
        """Run a script. Raises ResponseError, LinkLostError."""
        listed = tuple(keys)
        sent_to_run = (len(listed), *listed, *arguments)
        try:
            return await self._send(("EVALSHA", self._scripts.sha[name], *sent_to_run))
        except NoScriptError:  # somebody emptied the script cache: nothing was done
            pass
        return await self._send(("EVAL", self._scripts.text[name], *sent_to_run))

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
        sent_s, step_ms = self.clock.now_s(), self.clock.step_ms
        clock = (step_ms, self.clock.slip_ms, self.clock.expected_ms())
        arguments = (self.server, durable, self._keep_ms, self.life, *clock)
        now_ms, life, since, slip_ms = await self.script("life", (LIFE,), arguments)
        if self.clock.step_ms == step_ms:  # else another call has sent it meanwhile
            self.clock.step_ms = 0
        self.clock.slip_ms = int(slip_ms)
        self.clock.note(int(now_ms), sent_s)
        self.learn_time(int(now_ms))
        known, self._since, self.life = self._since, since, int(life)
        return known not in (b"", since)

    def _send(self, command: tuple[Any, ...]) -> asyncio.Future[Any]:
        if self.lost:
            raise NotSentError("the connection to Redis is lost")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((time.monotonic(), answer))
        self._wire.send(command)
        return answer

    async def _greet(self) -> None:
        """Two round trips, however much there is to say. Nothing that lasts is written before all is proven."""
        scripts = self._scripts
        flight = [
            *self._opening,
            ("INFO", "server"),
            ("INFO", "persistence"),
            ("INFO", "memory"),
            ("SCRIPT", "EXISTS", *scripts.sha.values()),
            ("EVAL", scripts.text["probe"], len(self._probe_keys), *self._probe_keys),
        ]
        answers: list[Any] = await asyncio.gather(*map(self._send, flight), return_exceptions=True)
        *_, server, persistence, memory, known, refused = answers
        if isinstance(server, bytes) and b"cluster" in (_field(server, b"redis_mode"), _field(server, b"server_mode")):
            raise RefusedError("cluster", "it is in cluster mode: a single server, or one with replicas, is allowed")
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        _check(refused)
        self.server = server_id(server)
        # With an append-only file a killed server comes back with all that it acknowledged; see docs/reliability.md.
        self._durable = _field(persistence, b"aof_enabled") == b"1"
        if _field(memory, b"maxmemory") != b"0":
            self.evicts_by = _field(memory, b"maxmemory_policy").decode().replace("noeviction", "")
        unknown = [name for name, there in zip(scripts.sha, known, strict=True) if not there]
        await asyncio.gather(
            *(self._send(("SCRIPT", "LOAD", scripts.text[name])) for name in unknown), self.learn_life()
        )

    def _answered(self, reply: Any) -> None:
        if not self._waiting:  # what a server says that takes no more clients
            raise reply if isinstance(reply, ResponseError) else LinkLostError("an answer that nobody asked for")
        _, answer = self._waiting.popleft()
        self._answered_s = time.monotonic()
        if answer.done():
            return  # its caller was cancelled
        if isinstance(reply, Exception):
            answer.set_exception(reply)
        else:
            answer.set_result(reply)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_PING_S)
            if not self._waiting:
                self._send(("PING",)).add_done_callback(_retrieve)
            elif self._silent_s > DEAD_S:
                raise LinkLostError(f"Redis has not answered for {DEAD_S:g} s")


def _retrieve(answer: asyncio.Future[Any]) -> None:
    if not answer.cancelled():
        answer.exception()


def server_id(info: bytes) -> bytes:
    """The run id in an answer to INFO; empty in any other answer."""
    return _field(info, b"run_id")


def _check(refused: Sequence[bytes]) -> None:
    """Raise RefusedError for what `probe.lua` answered, unless that is nothing."""
    if refused:
        names, words = b", ".join(refused[::2]).decode(), refused[1].decode(errors="replace")
        raise RefusedError(reason_of(ResponseError(words)) or "acl", f"it refuses {names}: {words}")


def _field(info: Any, name: bytes) -> bytes:
    assert isinstance(info, bytes)
    for line in info.splitlines():
        key, _, value = line.partition(b":")
        if key == name:
            return value
    return b""
