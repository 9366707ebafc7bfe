"""Guarantees 1 and 2: one order for all, nothing missing, what was acknowledged arrives."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.contracts.kit.clients import RoomClient
from tests.contracts.kit.server import ServerProcess
from tests.contracts.targets import TRANSPORTS, Connect, unique


async def test_chat_reaches_sender_and_others_with_all_its_fields(server: ServerProcess, connect: Connect) -> None:
    alice, bob = await connect("alice"), await connect("bob")
    position = await alice.publish("hello", "r-1")
    for client in (alice, bob):
        event = await client.next_chat()
        assert event.id == position
        assert event.text("room") == client.room
        assert event.text("userId") == alice.user_id
        assert event.text("content") == "hello"
        assert event.ref == "r-1"


async def test_timestamp_is_unix_milliseconds(server: ServerProcess, connect: Connect) -> None:
    alice = await connect()
    before_ms = time.time_ns() // 1_000_000
    await alice.publish("now")
    after_ms = time.time_ns() // 1_000_000 + 1
    assert before_ms <= (await alice.next_chat()).number("timestamp") <= after_ms


async def test_offsets_run_without_holes(server: ServerProcess, connect: Connect) -> None:
    alice, bob = await connect("alice"), await connect("bob")
    positions = [await alice.publish(str(count)) for count in range(20)]
    for client in (alice, bob):
        events = await client.next_chats(20)
        assert [event.id for event in events] == positions
        assert [event.text("content") for event in events] == [str(count) for count in range(20)]


async def test_first_event_of_a_room_has_offset_one(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    assert alice.position is not None
    position = await alice.publish("x")
    # The only other event there can be is alice's own join.
    assert position.offset == 2


async def test_concurrent_publishers_are_seen_in_one_order(server: ServerProcess, connect: Connect) -> None:
    users = [await connect(name) for name in ("a", "b", "c")]

    async def publish_ten(client: RoomClient, name: str) -> None:
        for count in range(10):
            await client.publish(f"{name}{count}")

    await asyncio.gather(*(publish_ten(client, name) for client, name in zip(users, "abc", strict=True)))
    seen = [[event.text("content") for event in await client.next_chats(30)] for client in users]
    assert seen[0] == seen[1] == seen[2]
    for name in "abc":
        assert [content for content in seen[0] if content.startswith(name)] == [f"{name}{n}" for n in range(10)]


async def test_rooms_do_not_mix(server: ServerProcess, connect: Connect) -> None:
    here, there = await connect("alice"), await connect("alice", room=unique("other"))
    await there.publish("elsewhere")
    await here.publish("here")
    assert (await here.next_chat()).text("content") == "here"
    assert here.position is not None
    assert there.position is not None
    assert here.position.epoch != there.position.epoch


async def test_all_transports_share_the_room(every: ServerProcess, connect: Connect) -> None:
    members = {name: await connect(name, transport=name) for name in TRANSPORTS}
    for name, member in members.items():
        await member.publish(f"from {name}")
    for member in members.values():
        contents = [event.text("content") for event in await member.next_chats(len(TRANSPORTS))]
        assert contents == [f"from {name}" for name in TRANSPORTS]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_joining_again_starts_at_the_head(every: ServerProcess, connect: Connect, transport: str) -> None:
    alice = await connect("alice", transport=transport)
    await alice.publish("old")
    late = await connect("bob", transport=transport)
    await alice.publish("new")
    assert (await late.next_chat()).text("content") == "new"


async def test_ref_is_absent_when_the_sender_gave_none(every: ServerProcess, connect: Connect) -> None:
    reader = await connect("bob", transport="websocket")
    alice = await connect("alice", transport="longpoll")
    await alice.publish("no ref")
    assert "ref" not in (await reader.next_chat()).fields
