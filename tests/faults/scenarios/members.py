"""Many subscribers in one process, cheap enough that the servers are what is loaded."""

from __future__ import annotations

import asyncio
import time

from loadtests.load.clients.base import Event, offset_of
from tests.faults.fleet import Fleet
from tests.faults.peer import Peer, connect, make_client
from tests.faults.waiting import until

_AT_ONCE = 50
_USERS = 20  # with many tabs each: every user's join is an event to everybody, and a thousand of them a load of its own
_WELCOME_S = 60.0


class Member:
    """One subscriber: how many chats it received, whether the offsets had a hole, and how late they came."""

    __slots__ = ("chats", "faults", "last", "latencies_s", "peer")

    def __init__(self) -> None:
        self.peer: Peer | None = None
        self.chats = 0
        self.faults = 0
        self.last = -1
        self.latencies_s: list[float] = []

    def take(self, event: Event) -> None:
        if event.type == "welcome":
            self.last = offset_of(event.position)
        elif event.id and event.type != "ack":
            offset = offset_of(event.id)
            if self.last >= 0 and offset != self.last + 1:
                self.faults += 1
            self.last = offset
            if event.type == "chat":
                self.chats += 1
                self.latencies_s.append(time.monotonic() - float(event.content.partition(" ")[0]))
        elif event.type in ("resync", "protocol_error", "error"):
            self.faults += 1


async def gather_members(running: Fleet, room: str, transport: str, count: int, name: str = "member") -> list[Member]:
    """Connect `count` subscribers, over all instances. Raises AssertionError when one is not welcomed."""
    members = [Member() for _ in range(count)]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def enter(number: int, member: Member) -> None:
        async with gate:
            access = running.access(number, room, f"{name}-{number % _USERS}", proxied=False)
            member.peer = await connect(make_client(transport, access), member.take, within_s=20.0)

    await asyncio.gather(*(enter(number, member) for number, member in enumerate(members)))
    peers = [member.peer for member in members]
    welcomed = await until(lambda: all(peer is not None and peer.client.welcomed for peer in peers), _WELCOME_S)
    assert welcomed, f"not all of {count} {transport} clients were welcomed"
    return members


def disperse(members: list[Member]) -> None:
    for member in members:
        if member.peer is not None:
            member.peer.abort()


def p99_ms(members: list[Member]) -> float:
    """Of all latencies of all members, from the moment of sending to the moment that this process read them."""
    latencies = sorted(each for member in members for each in member.latencies_s)
    return 1000 * latencies[int(0.99 * (len(latencies) - 1))] if latencies else 0.0
