"""Calls that end with a known outcome: done, or not done and never to be done later."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from redis.exceptions import ResponseError

from core.backplane.base import Reason
from core.backplane.redis_address import Address
from core.backplane.redis_clock import RedisClock
from core.backplane.redis_faults import LOST, LinkLostError, Outage, RefusedError, cause, reason_of
from core.backplane.redis_link import STALL_S, Link, NotSentError
from core.backplane.redis_scripts import Scripts
from core.backplane.redis_wire import Wire
from core.errors import Unavailable

BUDGET_S: Final = 2.0  # a call not carried out by Redis within this never will be
_RECONNECT_S: Final = 0.5  # how long a new call waits for a connection that has just been lost
_OUTCOME_S: Final = 30.0  # how long a call whose connection broke under it waits to learn what became of it
_TRIES: Final = 5
_LOOK_S: Final = 0.01
_PAUSE_S: Final = (0.02, 0.5)  # between attempts to connect, growing
_AGAIN_S: Final = 1.0  # between attempts when Redis answers and refuses
_ATTEND_S: Final = 0.5
_WITNESS: Final = "calls"
# Who answers so will not serve on this connection again: another server may by now, at the same address.
_ENDING: Final[tuple[Reason, ...]] = ("readonly", "auth", "cluster")

_log = logging.getLogger("rtlab.redis")


class Caller:
    """Keeps one `Link` open and runs scripts over it.

    Every script that changes a room carries a deadline on Redis's own clock, made so that it never lies after the
    moment the caller gives up. A call whose connection broke is sent again as it was, old deadline and all: the
    scripts answer what is already done with its result, and what comes too late with `late`.
    """

    def __init__(
        self, address: Address, keep_ms: int, scripts: Scripts, outage: Outage, restored: Callable[[], None]
    ) -> None:
        self._address = address
        self._scripts = scripts
        self._outage = outage
        self._keep_ms = keep_ms
        self._restored = restored
        self._link: Link | None = None
        self._lost_s = time.monotonic()
        self.clock = RedisClock()
        self._opened = False
        self._warned_of = ""
        self.back_s = -math.inf  # when a connection that had been lost was there again

    @property
    def available(self) -> bool:
        """Whether Redis answers, and does what it is asked."""
        link = self._link
        return link is not None and not link.lost and not link.stalled and self._outage.reason is None

    @property
    def link(self) -> Link | None:
        """The open connection, if there is one."""
        return self._link

    def is_ready(self, link: Link) -> bool:
        """Whether this is the last connection still, and there is nothing to wait for or to say before a call."""
        return link is self._link and not link.stalled and not self.clock.step_ms

    @property
    def server(self) -> bytes:
        """The run id of the server that calls go to; empty without one."""
        return b"" if self._link is None else self._link.server

    async def keep_open(self) -> None:
        """Connect, and connect again whenever the connection is lost."""
        pause_s = _PAUSE_S[0]
        while True:
            wire: Wire | None = None
            least_s = 0.0
            try:
                wire = await self._address.connect()
                opening, database = self._address.opening(select=True), self._address.database
                link = Link(wire, opening, database, self._keep_ms, self.clock, self._scripts)
                async with asyncio.TaskGroup() as tasks:
                    opened = asyncio.Event()
                    tasks.create_task(link.serve(opened))
                    await opened.wait()
                    if self._opened:
                        self.back_s = time.monotonic()
                    self._opened = True
                    self._link, pause_s = link, _PAUSE_S[0]
                    _log.debug("connected to Redis at %s", self._address.name)
                    self._warn_of_evictions(link.evicts_by)
                    self._outage.ended(_WITNESS)
                    self._restored()
                    await self._attend(link)
            except* LOST as errors:
                least_s = self._lose(cause(errors))
            finally:
                if self._link is not None:
                    self._link, self._lost_s = None, time.monotonic()
                if wire is not None:
                    wire.close()
            await asyncio.sleep(max(least_s, pause_s * random.uniform(0.5, 1.0)))
            pause_s = min(2 * pause_s, _PAUSE_S[1])

    async def _attend(self, link: Link) -> None:
        """Notice that Redis does not answer; while anything is wrong, try all commands until all is well."""
        while not link.lost:
            await asyncio.sleep(_ATTEND_S)
            if link.stalled:
                self._outage.began(_WITNESS, "unreachable", f"no answer for {STALL_S:g} s")
            elif self._outage.noticed_by(_WITNESS):
                try:
                    await link.prove()
                except (ResponseError, RefusedError) as error:
                    self._note(link, error)
                else:
                    self._outage.ended(_WITNESS)

    def _warn_of_evictions(self, policy: str) -> None:
        """Say once by which policy Redis may take away what rooms need; "" when it takes nothing."""
        if policy and policy != self._warned_of:
            _log.warning(
                "Redis at %s may evict a part of any room: its maxmemory-policy is %s; noeviction keeps rooms whole",
                self._address.name,
                policy,
            )
        self._warned_of = policy

    def _lose(self, error: BaseException) -> float:
        """Take note of the end of a connection, or of an attempt. Returns how long to wait at least, s."""
        if self._link is not None:
            _log.debug("lost the connection to Redis at %s: %s", self._address.name, error)
            return 0.0  # an outage only when there is no other
        reason = reason_of(error) or "unreachable"
        self._outage.began(_WITNESS, reason, self._address.explain(error))
        return 0.0 if reason == "unreachable" else _AGAIN_S

    def _note(self, link: Link, error: ResponseError | RefusedError) -> None:
        """Take note of what Redis would not do."""
        reason = reason_of(error)
        if reason is None:
            self._outage.odd(str(error))
            return
        self._outage.began(_WITNESS, reason, str(error))
        if reason in _ENDING:
            link.retire()

    def refused(self, link: Link, error: ResponseError) -> Unavailable:
        """What to raise for a script that Redis refused: nothing was done."""
        self._note(link, error)
        return _away()

    async def check_life(self) -> None:
        """Notice that the database was emptied. Raises Unavailable."""
        link = await self._reach()
        try:
            if await link.learn_life():
                self._restored()
        except LinkLostError as error:
            raise _away() from error
        except ResponseError as error:
            raise self.refused(link, error) from error
        if self.clock.step_ms and not await self._report_step(link):
            raise _away()

    async def plain(self, script: str, keys: Iterable[str], arguments: Iterable[Any]) -> Any:
        """Run a script whose repetition or loss does no harm. Raises Unavailable."""
        link = await self._reach()
        try:
            return await link.script(script, keys, arguments)
        except LinkLostError as error:
            raise _away() from error
        except ResponseError as error:
            raise self.refused(link, error) from error

    async def room(
        self,
        script: str,
        keys: Sequence[str],
        epoch: str,
        *own: Any,
        retry: bytes = b"",
        repeats: bool = False,
        known: str = "",
        began_s: float | None = None,
        tried_ms: int | None = None,
    ) -> list[Any]:
        """Run a room's script, see `lua/room.lua`; `repeats` when an earlier call may have stored what has this key.

        `known` is the epoch that the room probably has. `tried_ms` is the deadline of an attempt, of a call that began
        at `began_s`, whose connection broke. Returns the answer after the time. Raises Unavailable: then it was not
        done, and never will be.
        """
        give_up_s = (time.monotonic() if began_s is None else began_s) + BUDGET_S
        deadline_ms = tried_ms  # once set, an attempt with it may be under way somewhere
        for _ in range(_TRIES):
            link = await self._reach(None if deadline_ms is None else give_up_s + _OUTCOME_S)
            if self.clock.step_ms and not await self._report_step(link):
                continue
            at_ms = link.deadline_ms(give_up_s) if deadline_ms is None else deadline_ms
            sent_s = self.clock.now_s()
            again = int(repeats or deadline_ms is not None)
            arguments = (at_ms, link.life, epoch, self.clock.slip_ms, again, retry, known, *own)
            try:
                answer: list[Any] = await link.script(script, keys, arguments)
            except NotSentError:
                continue
            except LinkLostError:
                deadline_ms = at_ms
                continue
            except ResponseError as error:
                raise self.refused(link, error) from error
            link.learn_time(int(answer[0]))
            self.clock.note(int(answer[0]), sent_s)
            if answer[1] != b"late":
                return answer[1:]
            if deadline_ms is not None or time.monotonic() >= give_up_s:
                break
            # Refused by a deadline made from a stale reading of Redis's clock: certain not to be done, so once more.
        raise _away()

    async def _report_step(self, link: Link) -> bool:
        """Have all instances know that Redis's clock was set, before it measures a lease; whether that was done."""
        try:
            if await link.learn_life():
                self._restored()
        except LinkLostError:
            return False
        except ResponseError as error:
            raise self.refused(link, error) from error
        return True

    async def _reach(self, until_s: float | None = None) -> Link:
        """The open link; waits for one until `until_s`, else no longer than a reconnect takes. Raises Unavailable."""
        while (link := self._link) is None or link.lost:
            if time.monotonic() >= (self._lost_s + _RECONNECT_S if until_s is None else until_s):
                raise _away() if until_s is None else _unknown()
            await asyncio.sleep(_LOOK_S)
        if link.stalled and until_s is None:
            raise _away()
        return link


def _away() -> Unavailable:
    return Unavailable("the backplane is away: nothing was stored; try again", retry_after_ms=1000)


def _unknown() -> Unavailable:
    return Unavailable(
        "the backplane went away and has not come back: send again with the same ref, which stores it once",
        retry_after_ms=1000,
    )
