"""npm `socket.io-client` with its defaults: joins, upgrades, sends, gets an answer, receives, reconnects by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients_real.conftest import Start
from tests.clients_real.programs import Program
from tests.contracts.kit.link import CuttableLink
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import Connect, unique


async def socket_io_client(
    start: Start, node: Path, base_url: str, room: str, token: str | None = None, **options: object
) -> Program:
    given = {"url": base_url, "token": token or sign(unique("node")), "room": room} | options
    return await start("node", str(node / "socketio.mjs"), json.dumps(given))


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]], ids=lambda names: names[0])
async def test_joins_sends_and_receives(
    every: ServerProcess, connect: Connect, start: Start, node: Path, room: str, transports: list[str]
) -> None:
    bob = await connect("bob")
    client = await socket_io_client(start, node, every.base_url, room, transports=transports)
    assert (await client.value())["type"] == "welcome"
    await client.say({"content": "<b>from socket.io", "ref": "n-1"})
    received = await bob.next_chat()
    assert received.text("content") == "&lt;b&gt;from socket.io"
    values = [await client.value() for _ in range(3)]  # its own join, the message, the answer, in whatever order
    answer = next(value["answer"] for value in values if "answer" in value)
    assert answer == {"type": "ack", "id": str(received.id), "ref": "n-1"}
    await bob.publish("to socket.io")
    assert (await client.value_of_type("chat"))["content"] == "to socket.io"


async def test_upgrades_from_polling_as_it_does_by_default(
    every: ServerProcess, connect: Connect, start: Start, node: Path, room: str
) -> None:
    bob = await connect("bob")
    client = await socket_io_client(start, node, every.base_url, room)
    while (await client.value()) != {"upgraded": "websocket"}:
        pass
    positions = [str(await bob.publish(str(count))) for count in range(5)]
    assert [(await client.value_of_type("chat"))["id"] for _ in range(5)] == positions


async def test_comes_back_by_itself_and_misses_nothing(
    link: CuttableLink, connect: Connect, start: Start, node: Path, room: str
) -> None:
    bob = await connect("bob")
    client = await socket_io_client(start, node, link.base_url, room, transports=["websocket"])
    assert (await client.value())["type"] == "welcome"
    for round_ in range(2):
        await bob.publish(f"live {round_}")
        assert (await client.value_of_type("chat"))["content"] == f"live {round_}"
        link.cut()
        await bob.publish(f"while it was away {round_}")
        assert (await client.value_of_type("chat"))["content"] == f"while it was away {round_}"


async def test_refusal_reaches_connect_error(every: ServerProcess, start: Start, node: Path, room: str) -> None:
    client = await socket_io_client(start, node, every.base_url, room, token="forged", transports=["websocket"])
    refused = (await client.value())["refused"]
    assert isinstance(refused, dict)
    assert (refused["type"], refused["code"]) == ("error", "unauthorized")
