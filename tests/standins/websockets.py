"""Phoenix channels, Centrifugo and SignalR over their WebSockets.

Phoenix: "Writing a Channels Client" of its guides, V2 JSON. Centrifugo: "Client protocol" and "Server API" of its
documentation, JSON. SignalR: HubProtocol.md and TransportProtocols.md of ASP.NET Core, JSON.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.standins.rooms import Rooms

SILENT_S = 0.4  # of a client, before it is cut: 60 s in Phoenix, 30 s in SignalR
PING_S = 0.2  # of Centrifugo: 25 s
API_KEY = "the-key"
_SEPARATOR = "\x1e"


async def phoenix(socket: WebSocket) -> None:
    """`[join_ref, ref, topic, event, payload]`, each answered by a phx_reply; cut where it falls silent."""
    if socket.query_params.get("vsn") != "2.0.0":
        await socket.close(4000)
        return
    async with _members(socket, phoenix_rooms):
        joined: dict[str, str] = {}
        while True:
            raw = await asyncio.wait_for(socket.receive_text(), SILENT_S)
            join_ref, ref, topic, event, payload = json.loads(raw)
            if topic == "phoenix" and event == "heartbeat":
                join_ref = None
            elif event == "phx_join":
                joined[topic] = join_ref
                phoenix_rooms.join(topic, socket)
            elif joined.get(topic) != join_ref:
                await socket.send_json([join_ref, ref, topic, "phx_reply", _phoenix("error", reason="unmatched topic")])
                continue
            else:
                await phoenix_rooms.send(topic, json.dumps([None, None, topic, event, payload]))
            await socket.send_json([join_ref, ref, topic, "phx_reply", _phoenix("ok")])


def _phoenix(status: str, **response: str) -> dict[str, Any]:
    return {"status": status, "response": response}


async def centrifugo(socket: WebSocket) -> None:
    """Commands with ids, connect first; pings are `{}`, and a client that does not answer one is cut (3012)."""
    async with _members(socket, centrifugo_rooms):
        command = json.loads(await socket.receive_text())
        if "connect" not in command:
            await socket.close(3501, "bad request")
            return
        connected = {"client": secrets.token_hex(8), "version": "0.0.0", "ping": 25, "pong": True}
        await socket.send_text(_compact({"id": command["id"], "connect": connected}))
        pinging = False
        while True:
            try:
                raw = await asyncio.wait_for(socket.receive_text(), PING_S)
            except TimeoutError:
                if pinging:
                    await socket.close(3012, "no pong")
                    return
                pinging = True
                await socket.send_text("{}")
                continue
            command = json.loads(raw)
            if not command:
                pinging = False
                continue
            centrifugo_rooms.join(command["subscribe"]["channel"], socket)
            await socket.send_text(_compact({"id": command["id"], "subscribe": {}}))


async def centrifugo_publish(request: Request) -> Response:
    """The server API: 401 for a wrong key, 200 for all else, errors included."""
    if request.headers.get("x-api-key") != API_KEY:
        return Response(status_code=401)
    asked = await request.json()
    if not asked.get("channel"):
        return JSONResponse({"error": {"code": 107, "message": "bad request"}})
    push = {"channel": asked["channel"], "pub": {"data": asked["data"]}}
    await centrifugo_rooms.send(asked["channel"], f"{_compact({'push': push})}\n{{}}")  # a ping in the same frame
    return JSONResponse({"result": {}})


async def signalr_negotiate(request: Request) -> Response:
    """Give the token that the WebSocket has to name."""
    token = secrets.token_urlsafe(16)
    _negotiated.add(token)
    offered = [{"transport": "WebSockets", "transferFormats": ["Text"]}]
    return JSONResponse(
        {"connectionToken": token, "connectionId": "c", "negotiateVersion": 1, "availableTransports": offered}
    )


async def signalr(socket: WebSocket) -> None:
    """The handshake first, then invocations and their completions; silent clients are cut."""
    if socket.query_params.get("id") not in _negotiated:
        await socket.close(4404)
        return
    async with _members(socket, signalr_rooms):
        if json.loads(_record(await socket.receive_text())) != {"protocol": "json", "version": 1}:
            await socket.send_text('{"error":"Requested protocol is not available."}' + _SEPARATOR)
            return
        await socket.send_text("{}" + _SEPARATOR)
        while True:
            call = json.loads(_record(await asyncio.wait_for(socket.receive_text(), SILENT_S)))
            if call["type"] == 6:
                continue
            room, *texts = call["arguments"]
            done: dict[str, object] = {"type": 3, "invocationId": call["invocationId"]}
            if call["target"] == "Join":
                signalr_rooms.join(room, socket)
            elif call["target"] == "Send":
                said = {"type": 1, "target": "Receive", "arguments": texts}
                await signalr_rooms.send(room, _compact(said) + _SEPARATOR)
            else:
                done["error"] = f"Method does not exist: {call['target']}"
            await socket.send_text(_compact(done) + _SEPARATOR + '{"type":6}' + _SEPARATOR)


def _record(text: str) -> str:
    assert text.endswith(_SEPARATOR)
    return text.removesuffix(_SEPARATOR)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


@asynccontextmanager
async def _members(socket: WebSocket, rooms: Rooms) -> AsyncIterator[None]:
    """Accept a socket; when it has ended, or nothing is heard of it, take it out of its rooms."""
    await socket.accept()
    try:
        yield
    except WebSocketDisconnect:
        pass
    except TimeoutError:
        await socket.close(1001, "silent for too long")
    finally:
        rooms.leave(socket)


phoenix_rooms, centrifugo_rooms, signalr_rooms = Rooms(), Rooms(), Rooms()
_negotiated: set[str] = set()
