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
from core.model import Draft, Position, Published, RoomId, UserId
from core.settings import Settings

_MOST_KNOWN: Final = 10_000  # rooms, or users; to forget one costs one longer script
_REPEATS_S: Final = 1.0  # who repeated a message may repeat more


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
        self._spared_until_s: dict[UserId, float] = {}

    async def publish(self, room: RoomId, draft: Draft) -> Published:
        """See `Backplane.publish`."""
        keys = [room_key(self._database, room)]
        if self._limited:
            keys.append(bucket_key(draft.user_id))
        known, began_s = self._known.get(room), time.monotonic()
        payload, retry, tried_ms = draft.payload, draft.retry_key, None
        if retry is None:
            payload = next(self._own_keys).encode() + payload
        # What `lean` takes back takes room in the stream until that is trimmed: it is spared what it must refuse.
        spared = began_s < self._spared_until_s.get(draft.user_id, began_s)
        if known is not None and not spared and self._is_fresh(known, began_s):
            deadline_ms = known.link.deadline_ms(began_s + BUDGET_S)
            own: tuple[bytes | int, ...] = (retry or b"", known.slip_ms) if known.slip_ms else (retry,) if retry else ()
            try:
                place: int | None = await known.link.script("lean", keys, (deadline_ms, known.epoch, payload, *own))
            except LinkLostError as error:
                tried_ms = None if isinstance(error, NotSentError) else deadline_ms
            except ResponseError as error:
                raise self._caller.refused(known.link, error) from error
            else:
                if place is not None:
                    return Published(Position(known.epoch, place))
        answer = await self._caller.room(
            "publish",
            keys,
            self._new_epoch(),
            payload,
            retry=retry or b"",
            repeats=retry is not None,
            known="" if known is None else known.epoch,
            began_s=began_s,
            tried_ms=tried_ms,
        )
        return self._published(room, draft.user_id, answer, began_s)

    def _is_fresh(self, known: _Known, now_s: float) -> bool:
        caller = self._caller
        return now_s < known.fresh_until_s and known.slip_ms == caller.clock.slip_ms and caller.is_ready(known.link)

    def _spare(self, user: UserId, seconds: float) -> None:
        if len(self._spared_until_s) >= _MOST_KNOWN:
            self._spared_until_s.clear()
        self._spared_until_s[user] = time.monotonic() + seconds

    def _published(self, room: RoomId, user: UserId, answer: list[Any], began_s: float) -> Published:
        if answer[0] == b"limited":
            self._spare(user, answer[4] / 1000)
            raise RateLimited("too many messages", retry_after_ms=answer[4])
        if answer[0] == b"known":
            self._spare(user, _REPEATS_S)
        epoch, link = answer[1].decode(), self._caller.link
        if answer[0] == b"ok" and link is not None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            # Counted from when the call began, so that a room's expiry is never renewed too late.
            self._known[room] = _Known(link, self._caller.clock.slip_ms, epoch, began_s + answer[4] / 1000)
        return Published(Position(epoch, int(answer[2])), repeated=answer[0] == b"known")
