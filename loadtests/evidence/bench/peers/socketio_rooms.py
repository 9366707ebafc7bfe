"""Rooms on python-socketio, as its users write them: what a member emits as "chat" goes to its room as "event".

Nothing is checked. `python socketio_rooms.py PORT [REDIS_URL]`; the handshake's auth is {"room": NAME}. Instances that
are given the same Redis share rooms.
"""

from __future__ import annotations

import sys
from typing import Any

import socketio
import uvicorn

_shared = [socketio.AsyncRedisManager(url) for url in sys.argv[2:]]
_server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins=[], client_manager=next(iter(_shared), None))


@_server.on("connect")  # type: ignore[untyped-decorator]
async def _connect(sid: str, environ: dict[str, Any], auth: dict[str, str]) -> None:
    await _server.save_session(sid, auth)
    await _server.enter_room(sid, auth["room"])


@_server.on("chat")  # type: ignore[untyped-decorator]
async def _chat(sid: str, content: str) -> None:
    session: dict[str, str] = await _server.get_session(sid)
    await _server.emit("event", content, room=session["room"])


if __name__ == "__main__":
    uvicorn.run(
        socketio.ASGIApp(_server), port=int(sys.argv[1]), log_level="error", access_log=False,
        ws_per_message_deflate=False,
    )  # fmt: skip
