"""Hubs over one store, and what a client does with them."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from core.auth import sign
from core.hub import Hub
from core.model import FrameKind, Position, Principal, RoomId
from core.settings import Settings
from core.subscription import Subscription
from tests.core.network import Link, Store

ROOM, ATTIC = RoomId("lobby"), RoomId("attic")
SECRET = b"0123456789abcdef0123456789abcdef"
WALL_START_S = 1_700_000_000.0
FREE = Settings(rate_per_s=0.0)


def frame(body: bytes, position: Position | None = None, kind: FrameKind = "notice") -> bytes:
    """One line per frame, so that written bytes can be split again."""
    return body + b"\n"


def now_s() -> float:
    """The loop's clock, which is virtual."""
    return asyncio.get_running_loop().time()


def wall_s() -> float:
    return WALL_START_S + now_s()


class Instance:
    """A hub and its link to the store."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.link = Link(store)
        self.hub = Hub(
            self.link,
            settings,
            secret=SECRET,
            clock=now_s,
            wall_clock=wall_s,
            rng=random.Random(1),
        )

    def who(self, user: str = "alice", ttl_s: float = 3600.0, room: RoomId = ROOM) -> Principal:
        """A principal whose token runs out in `ttl_s`; equal arguments at one time give the same token."""
        return self.hub.admit(sign(SECRET, user, ["*"], wall_s() + ttl_s), room)

    async def join(
        self, user: str = "alice", since: Position | None = None, *, poller: bool = False, ttl_s: float = 3600.0
    ) -> Subscription:
        """Attach to the room."""
        return await self.hub.attach(self.who(user, ttl_s), ROOM, "test", frame, since=since, poller=poller)

    async def say(self, content: str, user: str = "speaker", ref: str | None = None) -> Position:
        """Post to the room."""
        body = {"content": content} | ({} if ref is None else {"ref": ref})
        answer = json.loads(await self.hub.post(self.who(user), ROOM, json.dumps(body).encode()))
        return Position.parse(answer["id"])


@asynccontextmanager
async def instances(count: int, settings: Settings = FREE) -> AsyncIterator[list[Instance]]:
    """Running instances over one store of their own."""
    store = Store(settings, now_s)
    started = [Instance(store, settings) for _ in range(count)]
    async with asyncio.TaskGroup() as tasks:
        stop, running = asyncio.Event(), asyncio.Semaphore(0)
        for instance in started:
            tasks.create_task(run(instance, running, stop))
        for _ in started:
            await running.acquire()
        try:
            yield started
        finally:
            stop.set()


@asynccontextmanager
async def instance(settings: Settings = FREE) -> AsyncIterator[Instance]:
    """One running instance."""
    async with instances(1, settings) as (only,):
        yield only


async def run(instance: Instance, running: asyncio.Semaphore, stop: asyncio.Event) -> None:
    """Run until asked to stop."""
    async with instance.hub.running():
        running.release()
        await stop.wait()


async def settled() -> None:
    """Let every task that can run do so; no timer fires."""
    for _ in range(20):
        await asyncio.sleep(0)


def decoded(frames: list[Any]) -> list[dict[str, Any]]:
    """The JSON objects of frames, or of what was written to a sink."""
    return [json.loads(line) for line in b"".join(frames).splitlines()]


def waiting(subscription: Subscription) -> list[dict[str, Any]]:
    """Take all that waits."""
    delivered: list[dict[str, Any]] = []
    while frames := subscription.take_now():
        delivered += decoded(frames)
    return delivered


def gist(delivered: list[dict[str, Any]]) -> list[str]:
    """What matters of events: a chat's content, else the type and whom it is about."""
    return [
        event["content"] if event["type"] == "chat" else f"{event['type']} {event.get('userId', '')}".strip()
        for event in delivered
    ]


class Follower:
    """A client that keeps its position, and checks that what it receives continues it or says that it does not."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.position = subscription.start.position
        self.resyncs = 0
        self.jumped_to: Position | None = None  # by the last resync
        self.ended = False

    def receive(self, delivered: list[dict[str, Any]]) -> None:
        """Check and follow events."""
        for event in delivered:
            if event["type"] == "resync":
                self.resyncs += 1
                self.position = self.jumped_to = Position.parse(event["position"])
            else:
                position = Position.parse(event["id"])
                assert position == Position(self.position.epoch, self.position.offset + 1), (self.position, event)
                self.position = position


async def present(one: Instance) -> dict[str, int]:
    """The connections of each member, as an instance counts them."""
    _, members = await one.hub.members(ROOM)
    return {member.user_id: member.connections for member in members}
