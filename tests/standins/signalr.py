"""ASP.NET Core SignalR over its WebSockets, JSON: a hub with `Join(room)` and `Send(room, text)`.

By HubProtocol.md and TransportProtocols.md of dotnet/aspnetcore. What those call a protocol error ends the connection.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from tests.standins.rooms import SILENT_S, Rooms, compact

_SEPARATOR = "\x1e"
_INVOCATION, _COMPLETION, _PING, _CLOSE = 1, 3, 6, 7
_FIELDS = frozenset({"type", "headers", "invocationId", "target", "arguments", "streamIds"})
_rooms = Rooms()
_negotiated: set[str] = set()
_attached: set[str] = set()


async def negotiate(request: Request) -> Response:
    """Give the token that the WebSocket has to name; before version 1 it is the connection's id."""
    token = secrets.token_urlsafe(16)
    _negotiated.add(token)
    version = min(int(request.query_params.get("negotiateVersion", "0")), 1)
    named = {"connectionToken": token, "connectionId": "c"} if version else {"connectionId": token}
    offered = [{"transport": "WebSockets", "transferFormats": ["Text", "Binary"]}]
    return JSONResponse({"negotiateVersion": version, **named, "availableTransports": offered})


async def signalr(socket: WebSocket) -> None:
    """The handshake first, then invocations and their completions; silent clients are cut."""
    token = socket.query_params.get("id")  # without one a new connection is made
    if token is not None and (token in _attached or token not in _negotiated):
        await socket.send_denial_response(Response(status_code=409 if token in _attached else 404))
        return
    if token is not None:
        _attached.add(token)
    async with _rooms.admitted(socket):
        records, used = _records(socket), set[str]()
        if await anext(records) != {"protocol": "json", "version": 1}:
            await _say(socket, {"error": "Requested protocol is not available."})
            await socket.close()
            return
        await _say(socket, {})
        async for said in records:
            if said == {"type": _PING}:
                continue
            if said["type"] != _INVOCATION or not _FIELDS.issuperset(said) or said.get("invocationId") in used:
                await _say(socket, {"type": _CLOSE, "error": "Connection closed with an error."})
                await socket.close()
                return
            await _invoke(socket, said)
            used.update(filter(None, [said.get("invocationId")]))


async def _records(socket: WebSocket) -> AsyncIterator[dict[str, Any]]:
    rest = ""
    while True:
        *whole, rest = (rest + await asyncio.wait_for(socket.receive_text(), SILENT_S)).split(_SEPARATOR)
        for record in whole:
            yield json.loads(record)


async def _invoke(socket: WebSocket, call: dict[str, Any]) -> None:
    """Call a method, and complete the invocation unless it is non-blocking; a ping may come at any time."""
    done: dict[str, object] = {"type": _COMPLETION, "invocationId": call.get("invocationId")}
    match call["target"], call["arguments"]:
        case "Join", [room]:
            _rooms.join(room, socket)
        case "Send", [room, text]:
            said = {"type": _INVOCATION, "target": "Receive", "arguments": [text]}
            await _rooms.send(room, compact(said) + _SEPARATOR)
            done["result"] = None
        case target, _:
            done["error"] = f"Failed to invoke '{target}' due to an error on the server."
    if call.get("invocationId"):
        await _say(socket, done, {"type": _PING})


async def _say(socket: WebSocket, *records: dict[str, Any]) -> None:
    await socket.send_text("".join(compact(record) + _SEPARATOR for record in records))
