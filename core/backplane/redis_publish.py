"""Publishing to rooms in Redis: by the leanest script that will do."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from redis.exceptions import ResponseError

from core.backplane.redis_caller import BUDGET_S, Caller
from core.backplane.redis_faults import LinkLostError
from core.backplane.redis_keys import bucket_key, room_key
from core.backplane.redis_link import Link, NotSentError
from core.errors import RateLimited
from core.model import Draft, Position, Published, RoomId
from core.settings import Settings

_MOST_KNOWN: Final = 10_000  # rooms; to forget one costs one longer script


class _Known(NamedTuple):
    """What the last publish to a room said, which holds while its link does."""

    link: Link
    slip_ms: int  # Redis's clock has not been set since
    epoch: str
    fresh_until_s: float  # the room needs no upkeep until then


class Publisher:
    """Sends a message to `lean.lua` where that may be enough, and to `publish.lua` where it was not.

    A message without a retry key carries an own key before its payload, which begins with `"`: by it we ask what became
    of the message when a connection breaks. Nothing else reads it.
    """

    def __init__(self, caller: Caller, database: int, settings: Settings, new_epoch: Callable[[], str]) -> None:
        self._caller = caller
        self._database = database
        self._limited = bool(settings.rate_per_s)
        self._new_epoch = new_epoch
        self._own_keys = map("{}{:x}".format, itertools.repeat(secrets.token_urlsafe(6)), itertools.count())
        self._known: dict[RoomId, _Known] = {}

    async def publish(self, room: RoomId, draft: Draft) -> Published:
        """See `Backplane.publish`."""
        keys = [room_key(self._database, room)]
        if self._limited:
            keys.append(bucket_key(draft.user_id))
        known, began_s = self._known.get(room), time.monotonic()
        payload, tried_ms = draft.payload, None
        if draft.retry_key is None:
            payload = next(self._own_keys).encode() + payload
            if known is not None and self._is_fresh(known, began_s):
                deadline_ms = known.link.deadline_ms(began_s + BUDGET_S)
                try:
                    place = await self._lean(known, keys, deadline_ms, payload)
                except LinkLostError as error:
                    tried_ms = None if isinstance(error, NotSentError) else deadline_ms
                else:
                    if place is not None:
                        return Published(Position(known.epoch, place))
        answer = await self._caller.room(
            "publish",
            keys,
            self._new_epoch(),
            payload,
            retry=draft.retry_key or b"",
            repeats=draft.retry_key is not None,
            known="" if known is None else known.epoch,
            began_s=began_s,
            tried_ms=tried_ms,
        )
        return self._published(room, answer, began_s)

    def _is_fresh(self, known: _Known, now_s: float) -> bool:
        caller = self._caller
        return now_s < known.fresh_until_s and known.slip_ms == caller.clock.slip_ms and caller.is_ready(known.link)

    async def _lean(self, known: _Known, keys: list[str], deadline_ms: int, payload: bytes) -> int | None:
        """The offset of what `lean.lua` stored; None where it did nothing. Raises LinkLostError, Unavailable."""
        clock, link = self._caller.clock, known.link
        sent_s = clock.now_s()
        arguments = (deadline_ms * 1000, known.epoch, payload, clock.slip_ms * 1000)
        try:
            answer: bytes | None = await link.script("lean", keys, arguments)
        except ResponseError as error:
            raise self._caller.refused(link, error) from error
        if answer is None:
            return None
        place, _, redis_ms = answer.partition(b"-")
        link.learn_time(int(redis_ms))
        clock.note(int(redis_ms), sent_s)
        return int(place)

    def _published(self, room: RoomId, answer: list[Any], began_s: float) -> Published:
        if answer[0] == b"limited":
            raise RateLimited("too many messages", retry_after_ms=answer[4])
        epoch, link = answer[1].decode(), self._caller.link
        if answer[0] == b"ok" and link is not None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            # Counted from when the call began, so that a room's expiry is never renewed too late.
            self._known[room] = _Known(link, self._caller.clock.slip_ms, epoch, began_s + answer[4] / 1000)
        return Published(Position(epoch, int(answer[2])), repeated=answer[0] == b"known")
