"""`websockets` (its threaded client), `httpx-sse` and `websocket-client`, each used as its documentation shows."""

from __future__ import annotations

import asyncio
import json

import httpx
import websocket
from httpx_sse import aconnect_sse
from websockets.sync.client import connect as connect_sync

from tests.contracts.kit.limits import EVENT_S
from tests.contracts.kit.server import ServerProcess
from tests.contracts.kit.tokens import sign
from tests.contracts.targets import Connect, unique


def converse_by_websockets(url: str, token: str, since: str) -> list[dict[str, object]]:
    """Resume, publish once, and read up to the own chat."""
    with connect_sync(url, proxy=None) as socket:
        socket.send(json.dumps({"type": "hello", "token": token, "since": since}))
        seen = [json.loads(socket.recv(EVENT_S))]
        socket.send(json.dumps({"type": "chat", "content": "from a thread"}))
        while seen[-1].get("content") != "from a thread":
            seen.append(json.loads(socket.recv(EVENT_S)))
        return seen


def converse_by_websocket_client(url: str, token: str, since: str) -> list[dict[str, object]]:
    """The same on `websocket-client`."""
    socket = websocket.create_connection(url, timeout=EVENT_S)
    try:
        socket.send(json.dumps({"type": "hello", "token": token, "since": since}))
        seen = [json.loads(socket.recv())]
        socket.send(json.dumps({"type": "chat", "content": "from a thread"}))
        while seen[-1].get("content") != "from a thread":
            seen.append(json.loads(socket.recv()))
        return seen
    finally:
        socket.close()


async def test_websockets_resumes_and_publishes(every: ServerProcess, connect: Connect, room: str) -> None:
    bob = await connect("bob", transport="longpoll")
    since = await bob.publish("seen")
    await bob.publish("missed")
    url = f"{every.ws_base_url}/rooms/{room}/ws"
    for converse in (converse_by_websockets, converse_by_websocket_client):
        seen = await asyncio.to_thread(converse, url, sign(unique("thread")), str(since))
        assert (seen[0]["type"], seen[0]["recovered"]) == ("welcome", True)
        assert [event["content"] for event in seen if event["type"] == "chat"][:2][0] == "missed"
        assert (await bob.contents_until("from a thread"))[-1] == "from a thread"


async def test_httpx_sse_receives_and_resumes(every: ServerProcess, connect: Connect, room: str) -> None:
    bob = await connect("bob")
    since = await bob.publish("seen")
    await bob.publish("missed \u2028 with a line separator")
    headers = {"Authorization": f"Bearer {sign(unique('httpx'))}", "Last-Event-ID": str(since)}
    async with (
        httpx.AsyncClient(base_url=every.base_url, trust_env=False, timeout=EVENT_S) as http,
        aconnect_sse(http, "GET", f"/rooms/{room}/events", headers=headers) as source,
    ):
        stream = source.aiter_sse()
        first = await anext(stream)
        assert (first.json()["type"], first.id, first.event) == ("welcome", str(since), "message")
        assert first.retry is not None
        event = await anext(stream)
        while event.json()["type"] != "chat":
            event = await anext(stream)
        assert (event.json()["content"], event.id) == ("missed \u2028 with a line separator", event.json()["id"])
        await stream.aclose()
