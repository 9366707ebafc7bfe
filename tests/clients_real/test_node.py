"""npm `ws` and `eventsource`: join, send or receive, resume by position, on one transport from another."""

from __future__ import annotations

import json
from pathlib import Path

from tests.clients_real.conftest import Start
from tests.clients_real.programs import Program
from tests.contracts.kit.link import CuttableLink
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import Connect, unique


async def node_client(
    start: Start, node: Path, script: str, base_url: str, room: str, user: str, since: object = None
) -> Program:
    url = f"{base_url}/rooms/{room}/" + ("events" if script == "eventsource.mjs" else "ws")
    url = url if script == "eventsource.mjs" else url.replace("http", "ws", 1)
    options = {"url": url, "token": sign(user)} | ({} if since is None else {"since": str(since)})
    return await start("node", str(node / script), json.dumps(options))


async def test_ws_joins_sends_and_receives(
    every: ServerProcess, connect: Connect, start: Start, node: Path, room: str
) -> None:
    bob, user = await connect("bob"), unique("node")
    client = await node_client(start, node, "ws.mjs", every.base_url, room, user)
    assert (await client.value())["type"] == "welcome"
    await client.say({"type": "chat", "content": "from ws", "ref": "n-1"})
    ack = await client.value_of_type("ack")
    event = await bob.next_chat()
    assert (event.text("content"), event.text("userId")) == ("from ws", user)
    assert (ack["ref"], ack["id"]) == ("n-1", str(event.id))
    await client.say({"type": "leave"})
    while "closed" not in (last := await client.value()):
        pass
    assert last == {"closed": 1000}


async def test_ws_resumes_where_server_sent_events_stopped(
    every: ServerProcess, connect: Connect, start: Start, node: Path, room: str
) -> None:
    bob, reader = await connect("bob"), await connect("reader", transport="sse")
    await bob.publish("seen")
    await reader.next_chat()
    since = reader.position
    await bob.publish("missed 1")
    await bob.publish("missed 2")
    client = await node_client(start, node, "ws.mjs", every.base_url, room, unique("node"), since)
    welcome = await client.value()
    assert (welcome["type"], welcome["recovered"], welcome["position"]) == ("welcome", True, str(since))
    assert [(await client.value_of_type("chat"))["content"] for _ in range(2)] == ["missed 1", "missed 2"]


async def test_ws_is_notified_of_a_position_that_cannot_be_honoured(
    every: ServerProcess, start: Start, node: Path, room: str
) -> None:
    client = await node_client(start, node, "ws.mjs", every.base_url, room, unique("node"), "Zz9Zz9Zz9Zz9:7")
    assert (await client.value())["recovered"] is False
    resync = await client.value()
    assert (resync["type"], resync["reason"]) == ("resync", "epoch_changed")


async def test_eventsource_receives_and_resumes_where_a_websocket_stopped(
    every: ServerProcess, connect: Connect, start: Start, node: Path, room: str
) -> None:
    bob = await connect("bob")
    since = await bob.publish("seen")
    await bob.publish("missed")
    client = await node_client(start, node, "eventsource.mjs", every.base_url, room, unique("node"), since)
    assert (await client.value())["recovered"] is True
    missed = await client.value_of_type("chat")
    assert (missed["content"], missed["lastEventId"]) == ("missed", missed["id"])


async def test_eventsource_reconnects_by_itself_and_misses_nothing(
    link: CuttableLink, connect: Connect, start: Start, node: Path, room: str
) -> None:
    """Its URL still says the first `since`: the header that its reconnect sends has to win."""
    bob = await connect("bob")
    since = await bob.publish("seen before")
    client = await node_client(start, node, "eventsource.mjs", link.base_url, room, unique("node"), since)
    assert (await client.value())["type"] == "welcome"
    for round_ in range(2):
        await bob.publish(f"live {round_}")
        assert (await client.value_of_type("chat"))["content"] == f"live {round_}"
        link.cut()
        await bob.publish(f"while it was away {round_}")
        assert (await client.value_of_type("chat"))["content"] == f"while it was away {round_}"
