"""The portable WebSocket sink at a server that tells who receives first when it is to close, as Granian does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from core.settings import Settings
from tests.transports.access import SECRET, token
from transports.app import create_app

SCOPE = {
    "type": "websocket", "scheme": "ws", "path": "/rooms/lobby/ws", "raw_path": b"/rooms/lobby/ws", "root_path": "",
    "headers": [], "query_string": b"", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "subprotocols": [],
    "extensions": {},
}  # fmt: skip


class Peer:
    """Says hello, then nothing."""

    def __init__(self) -> None:
        hello = json.dumps({"type": "hello", "token": token()})
        self._saying = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": hello}]
        self._closing = asyncio.Event()
        self.welcomed = asyncio.Event()
        self.closed_with: list[int] = []

    async def receive(self) -> dict[str, Any]:
        if not self._saying:
            await self._closing.wait()
            return {"type": "websocket.disconnect"}
        return self._saying.pop(0)

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.close":
            self._closing.set()
            await asyncio.sleep(0.05)  # Granian's own threads write it
            self.closed_with.append(message["code"])
        elif message["type"] == "websocket.send":
            self.welcomed.set()


async def test_who_receives_does_not_cancel_the_close_that_it_is_told_of() -> None:
    app, peer = create_app("websocket", Settings(secret=SECRET)), Peer()
    async with app.router.lifespan_context(app), asyncio.timeout(5.0):
        serving = asyncio.ensure_future(app(SCOPE, peer.receive, peer.send))
        await peer.welcomed.wait()
        app.state.drain()
        await serving
    assert peer.closed_with == [1012]
