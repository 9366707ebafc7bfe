"""Guarantee 3: a resume inside the window loses nothing and repeats nothing, also across transports."""

from __future__ import annotations

import asyncio
from itertools import permutations

import pytest

from tests.contracts.kit.clients import Joined, RoomClient, SseClient
from tests.contracts.kit.clients.sse import ResumeBy
from tests.contracts.kit.events import Position
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.targets import TRANSPORTS, Connect, unique

FOREIGN = "Zz9Zz9Zz9Zz9"


def head(client: RoomClient) -> Position:
    assert client.position is not None
    return client.position


async def rejoin(connect: Connect, user: str, since: object, **where: str) -> tuple[RoomClient, Joined]:
    client = await connect(user, join=False, **where)  # type: ignore[arg-type]
    return client, await client.connect(since)


async def test_resume_loses_and_repeats_nothing(server: ServerProcess, connect: Connect) -> None:
    alice, bob = await connect("alice"), await connect("bob")
    await alice.publish("seen")
    await bob.next_chat()
    since = head(bob)
    await bob.close()
    for count in range(5):
        await alice.publish(f"missed {count}")
    again, joined = await rejoin(connect, "bob", since)
    assert joined == Joined(since, True, None)
    await alice.publish("live")
    # The client itself fails on any hole or repetition between these.
    assert await again.contents_until("live") == [*(f"missed {count}" for count in range(5)), "live"]


async def test_resume_at_the_head_repeats_nothing(server: ServerProcess, connect: Connect) -> None:
    alice, watcher = await connect("alice"), await connect("watcher")
    since = await alice.publish("last")
    again, joined = await rejoin(connect, "watcher", since)
    assert joined == Joined(since, True, None)
    await alice.publish("next")
    assert await again.contents_until("next") == ["next"]
    await watcher.close()


async def test_sole_member_resumes_after_the_room_stood_empty(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    since = head(alice)
    await alice.publish("kept")
    await alice.leave()
    await alice.close()
    again, joined = await rejoin(connect, "alice", since)
    assert joined == Joined(since, True, None)
    assert (await again.next_chat()).text("content") == "kept"


async def test_resume_while_messages_keep_coming(server: ServerProcess, connect: Connect) -> None:
    alice, bob = await connect("alice"), await connect("bob")
    since = head(bob)
    await bob.close()

    async def keep_publishing() -> None:
        for count in range(30):
            await alice.publish(str(count))

    async with asyncio.TaskGroup() as group:
        group.create_task(keep_publishing())
        again, joined = await rejoin(connect, "bob", since)
        assert joined.recovered
        assert await again.contents_until("29") == [str(count) for count in range(30)]


@pytest.mark.parametrize(("left", "entered"), tuple(permutations(TRANSPORTS, 2)), ids="-to-".join)
async def test_position_of_one_transport_resumes_on_another(
    every: ServerProcess, connect: Connect, left: str, entered: str
) -> None:
    alice = await connect("alice", transport="websocket")
    bob = await connect("bob", transport=left)
    await alice.publish("seen")
    await bob.next_chat()
    since = head(bob)
    await bob.close()
    await alice.publish("missed")
    again, joined = await rejoin(connect, "bob", since, transport=entered)
    assert joined == Joined(since, True, None)
    assert await again.contents_until("missed") == ["missed"]


async def test_foreign_epoch_is_reported(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    known = await alice.publish("x")
    again, joined = await rejoin(connect, "alice", f"{FOREIGN}:{known.offset}")
    assert (joined.recovered, joined.resync_reason) == (False, "epoch_changed")
    assert joined.position.offset >= known.offset
    await alice.publish("after")
    assert await again.contents_until("after") == ["after"]


async def test_position_of_another_room_is_reported(server: ServerProcess, connect: Connect) -> None:
    elsewhere = await connect("alice", room=unique("other"))
    foreign = await elsewhere.publish("x")
    _, joined = await rejoin(connect, "alice", foreign)
    assert (joined.recovered, joined.resync_reason) == (False, "epoch_changed")


async def test_position_ahead_is_reported(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    known = await alice.publish("x")
    again, joined = await rejoin(connect, "alice", known.plus(1000))
    assert (joined.recovered, joined.resync_reason) == (False, "position_ahead")
    await alice.publish("after")
    assert await again.contents_until("after") == ["after"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_history_is_bounded_by_count(servers: ServerPool, connect: Connect, transport: str) -> None:
    server = servers.shared("all", {"HISTORY_EVENTS": "5"})
    alice = await connect("alice", transport="websocket", server=server)
    positions = [await alice.publish(str(count)) for count in range(12)]
    # Alice is a member already: her second tab adds no event that would push one out.
    kept = await connect("alice", transport=transport, server=server, join=False)
    assert await kept.connect(positions[-6]) == Joined(positions[-6], True, None)
    assert await kept.contents_until("11") == ["7", "8", "9", "10", "11"]
    evicted = await connect("alice", transport=transport, server=server, join=False)
    joined = await evicted.connect(positions[-7])
    assert joined == Joined(positions[-1], False, "history_evicted")
    await alice.publish("after")
    assert await evicted.contents_until("after") == ["after"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_history_is_bounded_by_age(servers: ServerPool, connect: Connect, transport: str) -> None:
    server = servers.shared("all", {"HISTORY_SECONDS": "0.5"})
    alice = await connect("alice", transport="websocket", server=server)
    since = head(alice)
    await alice.publish("ages")
    async with asyncio.timeout(10):
        while True:
            probe = await connect("alice", transport=transport, server=server, join=False)
            joined = await probe.connect(since)
            if not joined.recovered:
                break
            await probe.close()
    assert joined.resync_reason == "history_evicted"


@pytest.mark.parametrize("resume_by", ["header", "query"])
async def test_sse_resumes_by_header_and_by_query(every: ServerProcess, connect: Connect, resume_by: ResumeBy) -> None:
    alice = await connect("alice", transport="websocket")
    since = head(alice)
    await alice.publish("missed")
    reader = await connect("bob", transport="sse", join=False)
    assert isinstance(reader, SseClient)
    reader.resume_by = resume_by
    assert (await reader.connect(since)).recovered
    assert await reader.contents_until("missed") == ["missed"]


async def test_last_event_id_wins_over_since(every: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice", transport="websocket")
    old = await alice.publish("old")
    new = await alice.publish("new")
    await alice.publish("last")
    reader = await connect("bob", transport="sse", join=False)
    assert isinstance(reader, SseClient)
    joined = await reader.stream({"since": str(old)}, {"Last-Event-ID": str(new)}, new)
    assert joined == Joined(new, True, None)
    assert await reader.contents_until("last") == ["last"]
