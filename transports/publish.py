"""The upstream half of the HTTP transports: POST a message, leave a room."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.hub import Hub
from core.model import RoomId
from transports.base import FastPath
from transports.caching import UNSTORED
from transports.guard import RequestGuard


def upstream_routes(hub: Hub, guard: RequestGuard, fast: FastPath | None) -> list[Route]:
    """`POST /rooms/{room}/messages` and `POST /rooms/{room}/leave`, with `POST /session`."""

    async def messages(request: Request) -> Response:
        room, token = guard.room(request), guard.token(request)
        hub.admit(token, room)  # before the body; and again behind it, which may come late

        async def publish(room: RoomId, body: bytes) -> bytes:
            return await hub.post(hub.admit(token, room), room, body)

        response = _accepted(await publish(room, await guard.body(request)))
        response.background = None if fast is None else fast.expect_posts(request, publish, _accepted)
        return response

    async def leave(request: Request) -> Response:
        principal, room = guard.enter(request)
        await guard.body(request)  # ignored, but its size is limited as any request's
        await hub.leave(principal, room)
        return Response(status_code=204, headers=UNSTORED)

    return [
        *guard.routes(),
        Route("/rooms/{room}/messages", messages, methods=["POST"]),
        Route("/rooms/{room}/leave", leave, methods=["POST"]),
    ]


def _accepted(body: bytes) -> Response:
    return Response(body, 202, UNSTORED, "application/json")
