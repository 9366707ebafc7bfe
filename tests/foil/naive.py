"""!!! THE FOIL. Do not copy, do not import, do not deploy. !!!

Our own rewrite, in Starlette, of what the guide's snippets do. Every fault is on purpose and has a test that fails
when it is mended: rooms are dicts keyed by a user id that anybody may claim, JSON is parsed without a check and relayed
as it came, a message is published to Redis *and* broadcast locally, liveness is a flag, and nothing can be resumed.

`python -m tests.foil.naive --port N [--redis URL]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

CHANNEL = "messages"
PING_S = 30.0


class NaiveServer:
    """All of it."""

    def __init__(self, redis_url: str | None) -> None:
        self.rooms: dict[str, dict[str, WebSocket]] = {}
        self.alive: dict[WebSocket, bool] = {}
        self.redis: Redis | None = Redis.from_url(redis_url) if redis_url else None

    async def endpoint(self, websocket: WebSocket) -> None:
        await websocket.accept()
        room, user = websocket.query_params["room"], websocket.query_params["user"]
        await self.join(room, user, websocket)
        try:
            while True:
                await self.receive(room, user, websocket, json.loads(await websocket.receive_text()))
        except WebSocketDisconnect:
            pass
        finally:
            await self.leave(room, user, websocket)

    async def join(self, room: str, user: str, websocket: WebSocket) -> None:
        members = self.rooms.setdefault(room, {})
        previous = members.get(user)
        members[user] = websocket
        self.alive[websocket] = True
        if previous is not None:
            await previous.close(1000, "connected from elsewhere")
        await self.broadcast(room, {"type": "user_joined", "userId": user})

    async def leave(self, room: str, user: str, websocket: WebSocket) -> None:
        self.alive.pop(websocket, None)
        if self.rooms[room].get(user) is websocket:
            del self.rooms[room][user]
            await self.broadcast(room, {"type": "user_left", "userId": user})

    async def receive(self, room: str, user: str, websocket: WebSocket, message: dict[str, Any]) -> None:
        if message["type"] == "pong":
            self.alive[websocket] = True
        elif message["type"] == "chat":
            event = {"type": "chat", "userId": user, "content": message["content"], "timestamp": time.time()}
            if self.redis is not None:
                await self.redis.publish(CHANNEL, json.dumps({"room": room, "event": event}))
            await self.broadcast(room, event)

    async def broadcast(self, room: str, event: dict[str, Any]) -> None:
        for websocket in list(self.rooms.get(room, {}).values()):
            await websocket.send_text(json.dumps(event))

    async def follow_redis(self, redis: Redis) -> None:
        async with redis.pubsub() as subscription:
            await subscription.subscribe(CHANNEL)
            async for message in subscription.listen():
                if message["type"] == "message":
                    news = json.loads(message["data"])
                    await self.broadcast(news["room"], news["event"])

    async def ping(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            for websocket, alive in list(self.alive.items()):
                if not alive:
                    await websocket.close()
                    continue
                self.alive[websocket] = False
                await websocket.send_text('{"type":"ping"}')

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.ping())]
        if self.redis is not None:
            tasks.append(asyncio.create_task(self.follow_redis(self.redis)))
        yield
        for task in tasks:
            task.cancel()

    async def health(self, request: Request) -> JSONResponse:
        """Not in the guide: says how many rooms there are, so that they can be counted."""
        return JSONResponse({"status": "ok", "rooms": len(self.rooms)})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.foil.naive", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis", help="publish there too")
    options = parser.parse_args()
    naive = NaiveServer(options.redis)
    routes = [Route("/health", naive.health), WebSocketRoute("/ws", naive.endpoint)]
    app = Starlette(routes=routes, lifespan=naive.lifespan)
    uvicorn.run(app, port=options.port, log_level="critical", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
