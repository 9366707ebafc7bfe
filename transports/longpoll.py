"""Downstream a held GET (RFC 6202, section 2), upstream POST. A client's position is all that a poll consumes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from core import wire
from core.errors import BadRequest, SlowConsumer
from core.hub import Hub
from core.model import FrameKind, Position, Start
from core.subscription import Subscription
from transports.app import create_app
from transports.base import FastPath
from transports.caching import UNTOUCHED_FIELD
from transports.guard import RequestGuard, get_route, query_values, since_in
from transports.heartbeat import Heartbeat
from transports.lifespan import LazyApp
from transports.polls_again import PollsAgain
from transports.publish import upstream_routes

MAX_WAIT_S: Final = 55.0
DEFAULT_WAIT_S: Final = 25.0

_ALONE_S: Final = 0.5  # that a poll is held before anything of its own waits beside it

_Frame = tuple[bytes, Position | None]


def frame(body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> _Frame:
    """A poll answers with bodies, and the position of the last."""
    return body, position


class LongPollTransport:
    """Long polling: the answer waits until there is something to say."""

    name = "longpoll"
    holds = True

    def routes(self, hub: Hub, fast: FastPath | None = None) -> Sequence[BaseRoute]:
        """The poll, and the upstream half."""
        guard, answers, alone = RequestGuard(hub), Answers(), Heartbeat(_ALONE_S)
        again = PollsAgain(hub, self.name, frame, wait_in, answers.to, alone)
        direct = None if fast is None else fast.polls(self.name, LongPollAnswer)

        async def answer(request: Request) -> Response:
            principal, room = guard.enter(request)
            values = query_values(request.scope["query_string"])
            given_s, since = wait_in(values), since_in(values)
            wait_s = given_s if self.holds else 0.0
            held = await direct(request, principal, room, since, wait_s) if direct is not None and wait_s else None
            if held is not None:
                return held
            subscription = await hub.attach(principal, room, self.name, frame, since=since, poller=True)
            try:
                answered = since is None or subscription.start.resync is not None
                frames = [] if answered else await _frames(subscription, request, wait_s, alone)
            finally:
                await hub.detach(subscription)
            if direct is None and wait_s:
                again.expect(request, principal, room)
            return answers.to(subscription.start, frames)

        return [get_route("/rooms/{room}/poll", answer), *upstream_routes(hub, guard, fast)]


async def _frames(subscription: Subscription, request: Request, wait_s: float, alone: Heartbeat) -> list[_Frame]:
    """What has come, within `wait_s`; nothing when that ran out or the client is gone."""
    patience = _Patience(subscription, request, wait_s, alone)
    try:
        return await subscription.take()
    except SlowConsumer:
        return []  # more came in one burst than an outbox holds: the next poll reads it from history
    finally:
        patience.stop()


class _Patience:
    """Ends a held poll in time, or when its client goes. What waits for that begins only when the poll has been held
    for a while, for which all polls share a timer: in a busy room there is an answer before.
    """

    __slots__ = ("_alone", "_leaving", "_request", "_rest_s", "_subscription", "_timer")

    def __init__(self, subscription: Subscription, request: Request, wait_s: float, alone: Heartbeat) -> None:
        self._subscription = subscription
        self._request = request
        self._rest_s = wait_s - _ALONE_S
        self._alone = alone
        self._timer: asyncio.TimerHandle | None = None
        self._leaving: asyncio.Task[None] | None = None
        if self._rest_s > 0.0:
            alone.add(self)
        else:
            self._timer = asyncio.get_running_loop().call_later(wait_s, subscription.end)

    def stop(self) -> None:
        self._alone.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._leaving is not None:
            self._leaving.cancel()

    def beat(self) -> None:
        """It has been held for a while."""
        self._alone.discard(self)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._rest_s, self._subscription.end)
        self._leaving = loop.create_task(self._end_when_gone())

    async def _end_when_gone(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._subscription.end()


class Answers:
    """Makes the answers of polls; those who have waited at the same place for the same get the same one."""

    def __init__(self) -> None:
        self._last: tuple[Start, list[_Frame]] | None = None
        self._answer = Response()

    def to(self, start: Start, frames: list[_Frame]) -> Response:
        """The answer to who started there and got these."""
        if self._last != (start, frames):
            self._last, self._answer = (start, frames), _answer(start, frames)
        return self._answer


def _answer(start: Start, frames: list[_Frame]) -> Response:
    if start.resync is not None:
        return LongPollAnswer(wire.resync(start.resync, start.position), start.position, start.recovered)
    position = frames[-1][1] if frames else None
    return LongPollAnswer(b",".join([body for body, _ in frames]), position or start.position, start.recovered)


class LongPollAnswer(Response):
    """JSON that nobody stores. Its fields are not composed anew for each."""

    def __init__(self, bodies: bytes, position: Position, recovered: bool) -> None:
        resumed = b"true" if recovered else b"false"
        super().__init__(b'{"events":[%b],"position":"%b","recovered":%b}' % (bodies, str(position).encode(), resumed))

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """All but the length are the same for all."""
        self.raw_headers = [
            UNTOUCHED_FIELD,
            (b"content-length", b"%d" % len(self.body)),
            (b"content-type", b"application/json"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As Starlette's; but the fields are each message's own, since it answers many, and middleware may add some."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": list(self.raw_headers)})
        await send({"type": "http.response.body", "body": self.body})


def wait_in(values: Mapping[str, list[str]]) -> float:
    """The seconds of `?wait=`, of a query's values. Raises BadRequest."""
    given = values.get("wait", [])
    if not given:
        return DEFAULT_WAIT_S
    if len(given) > 1 or not given[0].isascii() or not given[0].replace(".", "", 1).isdigit():
        raise BadRequest(f"wait is a number of seconds from 0 to {MAX_WAIT_S:g}")
    wait_s = float(given[0])
    if wait_s > MAX_WAIT_S:
        raise BadRequest(f"wait={given[0]}: at most {MAX_WAIT_S:g} seconds are allowed")
    return wait_s


app = LazyApp(lambda: create_app("longpoll"))
