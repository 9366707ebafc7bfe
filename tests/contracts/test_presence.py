"""Guarantee 8: users are counted by their connections, over tabs and over transports."""

from __future__ import annotations

import asyncio
from functools import cache, partial

import pytest

from tests.contracts.kit.clients import PollClient, RoomClient, WebSocketClient, ending
from tests.contracts.kit.clients.http import http_client
from tests.contracts.kit.events import Position, parse_object
from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.pool import ServerPool
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import HTTP_TARGETS, TRANSPORTS, Connect, Target

QUICK = {"PRESENCE_TTL_SECONDS": "1", "HEARTBEAT_SECONDS": "0.3"}


async def go(client: RoomClient) -> None:
    """Leave as this transport leaves: a poller says so, a stream just ends."""
    if isinstance(client, PollClient):
        await client.leave()
    await client.close()


async def members(server: ServerProcess, room: str) -> dict[str, int]:
    """`GET /rooms/{room}` as {userId: connections}; its shape is checked."""
    async with http_client(server.base_url, sign("looker-on")) as http:
        response = await http.get(f"/rooms/{room}")
    assert response.status_code == 200
    answer = parse_object(response.content)
    assert answer.keys() == {"room", "position", "members"}
    assert answer["room"] == room
    Position.parse(answer["position"])
    listed = answer["members"]
    assert isinstance(listed, list)
    assert all(member.keys() == {"userId", "connections"} for member in listed)
    counts = {member["userId"]: member["connections"] for member in listed}
    assert len(counts) == len(listed)
    return counts


async def test_join_and_leave_are_seen_once(server: ServerProcess, connect: Connect) -> None:
    observer = await connect("observer")
    alice = await connect("alice")
    joined = await observer.presence_of(alice.user_id)
    assert (joined.type, joined.text("room")) == ("user_joined", alice.room)
    await go(alice)
    assert (await observer.presence_of(alice.user_id)).type == "user_left"
    again = await connect("alice")
    assert (await observer.presence_of(again.user_id)).type == "user_joined"


async def test_three_tabs_are_one_user(server: ServerProcess, connect: Connect) -> None:
    observer = await connect("observer")
    # One token for all: two signed in different seconds are two callers, and a poller's leave is its own caller's.
    one_token = cache(sign)
    tabs = [await connect("alice", token=one_token) for _ in range(3)]
    assert (await observer.presence_of(tabs[0].user_id)).type == "user_joined"
    for tab in tabs[:-1]:
        await tab.close()
    marker = await observer.publish("two tabs are gone")
    while (event := await observer.next_event()).id != marker:
        assert event.fields["userId"] != tabs[0].user_id, f"seen besides the one join: {event}"
    await go(tabs[-1])
    assert (await observer.presence_of(tabs[0].user_id)).type == "user_left"


async def test_one_user_on_every_transport_joins_and_leaves_once(every: ServerProcess, connect: Connect) -> None:
    observer = await connect("observer", transport="websocket")
    # A token is a caller: `leave` would end all that one token holds, so each client has a token of its own.
    clients = {
        name: await connect("alice", transport=name, token=partial(sign, lifetime_s=600 + 10 * count))
        for count, name in enumerate(TRANSPORTS)
    }
    alice = clients["sse"].user_id
    assert (await observer.presence_of(alice)).type == "user_joined"
    last = [clients.pop("sse"), clients.pop("shortpoll")]
    for client in clients.values():
        await (client.leave() if isinstance(client, PollClient) else client.close())
    marker = await observer.publish("the stream is still there")
    while (event := await observer.next_event()).id != marker:
        assert event.fields["userId"] != alice, f"seen besides the one join: {event}"
    await last[0].close()
    await last[1].leave()
    assert (await observer.presence_of(alice)).type == "user_left"


async def test_room_lists_its_members_and_their_connections(server: ServerProcess, connect: Connect) -> None:
    one_token = cache(sign)
    tabs = [await connect("alice", token=one_token) for _ in range(2)]
    bob = await connect("bob")
    counts = await members(server, bob.room)
    assert counts.keys() == {tabs[0].user_id, bob.user_id}
    if not isinstance(bob, PollClient):
        assert counts == {tabs[0].user_id: 2, bob.user_id: 1}


async def test_looking_at_a_room_joins_nobody(server: ServerProcess, connect: Connect, room: str) -> None:
    assert await members(server, room) == {}


async def test_members_position_can_be_resumed_from(server: ServerProcess, connect: Connect) -> None:
    alice = await connect("alice")
    await alice.publish("before")
    async with http_client(server.base_url, sign("alice")) as http:
        position = parse_object((await http.get(f"/rooms/{alice.room}")).content)["position"]
    await alice.publish("after")
    reader = await connect("bob", join=False)
    assert (await reader.connect(position)).recovered
    assert (await reader.next_chat()).text("content") == "after"


@pytest.mark.parametrize("transport", ["longpoll", "shortpoll"])
async def test_poller_that_stops_leaves_when_its_lease_ends(
    servers: ServerPool, connect: Connect, transport: str
) -> None:
    server = servers.shared("all", QUICK)
    observer = await connect("observer", transport="websocket", server=server)
    alice = await connect("alice", transport=transport, server=server)
    assert (await observer.presence_of(alice.user_id)).type == "user_joined"
    await alice.close()
    assert (await observer.presence_of(alice.user_id)).type == "user_left"


async def test_held_poll_keeps_its_member(servers: ServerPool, connect: Connect) -> None:
    server = servers.shared("all", QUICK)
    observer = await connect("observer", transport="websocket", server=server)
    alice = await connect("alice", transport="longpoll", server=server)
    assert isinstance(alice, PollClient)
    assert (await observer.presence_of(alice.user_id)).type == "user_joined"
    since = alice.position
    while (answer := await alice.poll(since, 3)).events:
        since = answer.position
    assert alice.user_id in await members(server, alice.room)


@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_open_stream_keeps_its_member(servers: ServerPool, connect: Connect, transport: str) -> None:
    """The poller's lease starts after the stream's and ends: the stream's member outlives a whole lease."""
    server = servers.shared("all", QUICK)
    observer = await connect("observer", transport="websocket", server=server)
    alice = await connect("alice", transport=transport, server=server)
    clock = await connect("clock", transport="shortpoll", server=server)
    await clock.close()
    assert (await observer.presence_of(alice.user_id)).type == "user_joined"
    assert (await observer.presence_of(alice.user_id, clock.user_id)).text("userId") == clock.user_id
    left = await observer.presence_of(alice.user_id, clock.user_id)
    assert (left.type, left.text("userId")) == ("user_left", clock.user_id)
    assert alice.user_id in await members(server, alice.room)


@pytest.mark.parametrize("target", [Target("sse", "sse"), Target("all", "sse")], ids=str)
async def test_leave_ends_the_callers_stream(server: ServerProcess, connect: Connect) -> None:
    observer = await connect("observer")
    alice = await connect("alice")
    assert (await observer.presence_of(alice.user_id)).type == "user_joined"
    await alice.leave()
    assert (await observer.presence_of(alice.user_id)).type == "user_left"
    await ending(alice)


@pytest.mark.parametrize("target", HTTP_TARGETS, ids=str)
async def test_leave_of_a_stranger_is_harmless(server: ServerProcess, connect: Connect) -> None:
    observer = await connect("observer")
    async with http_client(server.base_url, sign("outside")) as http:
        response = await http.post(f"/rooms/{observer.room}/leave")
    assert response.status_code == 204
    marker = await observer.publish("marker")
    while (event := await observer.next_event()).id != marker:
        assert event.fields["userId"] == observer.user_id


async def test_aborted_socket_leaves(every: ServerProcess, connect: Connect) -> None:
    observer = await connect("observer", transport="websocket")
    alice = await connect("alice", transport="websocket")
    assert isinstance(alice, WebSocketClient)
    assert (await observer.presence_of(alice.user_id)).type == "user_joined"
    await alice.abort()
    async with asyncio.timeout(EVENT_S):
        assert (await observer.presence_of(alice.user_id)).type == "user_left"
