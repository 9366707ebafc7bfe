"""The upstream half of the HTTP transports: POST a message, leave a room."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.hub import Hub
from transports.session import Door


def upstream_routes(hub: Hub, door: Door) -> list[Route]:
    """`POST /rooms/{room}/messages` and `POST /rooms/{room}/leave`, with `POST /session`."""

    async def messages(request: Request) -> Response:
        principal, room = door.enter(request)
        accepted = await hub.post(principal, room, await door.body(request))
        return Response(accepted, 202, {"Cache-Control": "no-store"}, "application/json")

    async def leave(request: Request) -> Response:
        principal, room = door.enter(request)
        await door.body(request)  # means nothing here, but has the same limit as everywhere
        await hub.leave(principal, room)
        return Response(status_code=204)

    return [
        *door.routes(),
        Route("/rooms/{room}/messages", messages, methods=["POST"]),
        Route("/rooms/{room}/leave", leave, methods=["POST"]),
    ]
