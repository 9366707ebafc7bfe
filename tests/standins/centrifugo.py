"""Centrifugo's JSON over a WebSocket, and `publish` of its server API.

By `client.proto` of centrifugal/protocol, "Client protocol" and "Server API walkthrough" of its documentation, and
`client.go` of centrifugal/centrifuge for what ends a connection. It allows what its options may: anonymous clients,
and their subscriptions.
"""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from tests.standins.rooms import Rooms, compact

PING_S = 0.2  # of silence; 25 s in Centrifugo, whose clients have 8 s for the pong
PONG_S = 2.0
API_KEY = "the-key"
_BAD_REQUEST = 3501, "bad request"
_rooms = Rooms()


async def centrifugo(socket: WebSocket) -> None:
    """Commands with ids, connect first, one a line; a client that does not answer `{}` by `{}` is cut (3012)."""
    async with _rooms.admitted(socket):
        connected, pinged_s = False, math.inf
        while True:
            try:
                raw = await asyncio.wait_for(socket.receive_text(), PING_S)
            except TimeoutError:
                if time.monotonic() > pinged_s + PONG_S:
                    await socket.close(3012, "no pong")
                    return
                if connected and pinged_s == math.inf:
                    pinged_s = time.monotonic()
                    await socket.send_text("{}")
                continue
            for command in map(json.loads, filter(None, raw.split("\n"))):
                is_pong = not command.get("id")
                reply = None if is_pong else _reply(socket, command, connected=connected)
                if (pinged_s == math.inf) if is_pong else (reply is None):
                    await socket.close(*_BAD_REQUEST)
                    return
                pinged_s, connected = math.inf if is_pong else pinged_s, True
                if reply is not None:
                    await socket.send_text(compact({"id": command["id"], **reply}))


def _reply(socket: WebSocket, command: dict[str, Any], *, connected: bool) -> dict[str, Any] | None:
    """Return the reply to a command; None where it ends the connection."""
    if ("connect" in command) is connected:
        return None
    if not connected:
        return {"connect": {"client": secrets.token_hex(8), "version": "0.0.0", "ping": 25, "pong": True}}
    if "subscribe" not in command:
        return {"error": {"code": 108, "message": "method not available"}}
    if not _rooms.join(command["subscribe"]["channel"], socket):
        return {"error": {"code": 105, "message": "already subscribed"}}
    return {"subscribe": {}}


async def centrifugo_publish(request: Request) -> Response:
    """The server API: 401 for a wrong key, 200 for all else, errors included."""
    if request.headers.get("x-api-key") != API_KEY:
        return Response(status_code=401)
    asked = await request.json()
    if not asked.get("channel"):
        return JSONResponse({"error": {"code": 107, "message": "bad request"}})
    push = {"channel": asked["channel"], "pub": {"data": asked["data"]}}
    await _rooms.send(asked["channel"], compact({"push": push}))
    return JSONResponse({"result": {}})
