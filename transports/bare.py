"""The least that a fan-out in Starlette can be: the bench's yardstick of what the stack alone costs.

No tokens, no limits, no history, no bounds, no resume. Speaks just enough of the contract for the load client, and is
reached by `python -m transports.bare PORT` only: it is in no registry.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import uvicorn
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

_KEPT: Final = 1000  # events that a poller can be behind

_sockets: set[WebSocket] = set()
_streams: set[asyncio.Queue[str]] = set()
_events: list[str] = []  # an event's position is its index
_polls: set[asyncio.Future[None]] = set()


def _event(content: str) -> str:
    return msgspec.json.encode({"type": "chat", "content": content, "id": f"bareroom:{len(_events) + 1}"}).decode()


async def _publish(content: str) -> None:
    event = _event(content)
    _events.append(event)
    for queue in _streams:
        queue.put_nowait(event)
    while _polls:
        _polls.pop().set_result(None)
    for socket in list(_sockets):
        await socket.send_text(event)


async def _websocket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_text()
    _sockets.add(websocket)
    try:
        while True:
            await _publish(msgspec.json.decode(await websocket.receive_text())["content"])
    except WebSocketDisconnect:
        pass
    finally:
        _sockets.discard(websocket)


async def _stream(request: Request) -> Response:
    queue: asyncio.Queue[str] = asyncio.Queue()

    async def events() -> AsyncIterator[dict[str, str]]:
        _streams.add(queue)
        try:
            while True:
                yield {"data": await queue.get()}
        finally:
            _streams.discard(queue)

    return EventSourceResponse(events())


async def _poll(request: Request) -> Response:
    since = request.query_params.get("since")
    seen = len(_events) if since is None else int(since.partition(":")[2])
    if since is not None and seen == len(_events):
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        _polls.add(waiting)
        try:
            await waiting
        finally:
            _polls.discard(waiting)
    missed = _events[max(seen, len(_events) - _KEPT) :]
    body = f'{{"events":[{",".join(missed)}],"position":"bareroom:{len(_events)}"}}'
    return Response(body, media_type="application/json")


async def _message(request: Request) -> Response:
    await _publish(msgspec.json.decode(await request.body())["content"])
    return Response(status_code=202)


app = Starlette(
    routes=[
        WebSocketRoute("/rooms/r/ws", _websocket),
        Route("/rooms/r/events", _stream),
        Route("/rooms/r/poll", _poll),
        Route("/rooms/r/messages", _message, methods=["POST"]),
    ]
)

if __name__ == "__main__":
    uvicorn.run(
        app, port=int(sys.argv[1]), log_level="error", access_log=False, ws_per_message_deflate=False,
        timeout_keep_alive=75,
    )  # fmt: skip
