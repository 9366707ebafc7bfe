"""The least that a fan-out in Starlette can be: the bench's yardstick of what the stack alone costs.

No tokens, no limits, no history, no bounds, no resume. Speaks just enough of the contract for the load client, and is
reached by `python -m transports.bare PORT` only: it is in no registry.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import uvicorn
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

_KEPT: Final = 1000  # events that a poller can be behind

_sockets: defaultdict[str, set[WebSocket]] = defaultdict(set)  # this and what follows by room
_streams: defaultdict[str, set[asyncio.Queue[str]]] = defaultdict(set)
_events: defaultdict[str, list[str]] = defaultdict(list)  # an event's position is its index
_polls: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)


def _event(content: str, position: int) -> str:
    return msgspec.json.encode({"type": "chat", "content": content, "id": f"bareroom:{position}"}).decode()


async def _publish(room: str, content: str) -> None:
    events, polls = _events[room], _polls[room]
    event = _event(content, len(events) + 1)
    events.append(event)
    for queue in _streams[room]:
        queue.put_nowait(event)
    while polls:
        polls.pop().set_result(None)
    for socket in list(_sockets[room]):
        await socket.send_text(event)


async def _websocket(websocket: WebSocket) -> None:
    room, sockets = _room(websocket), _sockets[_room(websocket)]
    await websocket.accept()
    await websocket.receive_text()
    sockets.add(websocket)
    try:
        while True:
            await _publish(room, msgspec.json.decode(await websocket.receive_text())["content"])
    except WebSocketDisconnect:
        pass
    finally:
        sockets.discard(websocket)


async def _stream(request: Request) -> Response:
    queue: asyncio.Queue[str] = asyncio.Queue()
    streams = _streams[_room(request)]

    async def events() -> AsyncIterator[dict[str, str]]:
        streams.add(queue)
        try:
            while True:
                yield {"data": await queue.get()}
        finally:
            streams.discard(queue)

    return EventSourceResponse(events())


async def _poll(request: Request) -> Response:
    events, polls = _events[_room(request)], _polls[_room(request)]
    since = request.query_params.get("since")
    seen = len(events) if since is None else int(since.partition(":")[2])
    if since is not None and seen == len(events):
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        polls.add(waiting)
        try:
            await waiting
        finally:
            polls.discard(waiting)
    missed = events[max(seen, len(events) - _KEPT) :]
    body = f'{{"events":[{",".join(missed)}],"position":"bareroom:{len(events)}"}}'
    return Response(body, media_type="application/json")


async def _message(request: Request) -> Response:
    await _publish(_room(request), msgspec.json.decode(await request.body())["content"])
    return Response(status_code=202)


def _room(connection: HTTPConnection) -> str:
    room: str = connection.path_params["room"]
    return room


app = Starlette(
    routes=[
        WebSocketRoute("/rooms/{room}/ws", _websocket),
        Route("/rooms/{room}/events", _stream),
        Route("/rooms/{room}/poll", _poll),
        Route("/rooms/{room}/messages", _message, methods=["POST"]),
    ]
)

if __name__ == "__main__":
    uvicorn.run(
        app, port=int(sys.argv[1]), log_level="error", access_log=False, ws_per_message_deflate=False,
        timeout_keep_alive=75,
    )  # fmt: skip
