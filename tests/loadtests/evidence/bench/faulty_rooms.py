"""Rooms by WebSocket with one planted fault: `python faulty_rooms.py PORT none|lose|repeat|stray`."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict

from websockets.asyncio.server import ServerConnection, serve

_FAULTY_MESSAGE = 40  # the warm-up is over, or nearly

_rooms: defaultdict[str, list[ServerConnection]] = defaultdict(list)
_published = 0


async def _member(socket: ServerConnection) -> None:
    assert socket.request is not None
    members = _rooms[socket.request.path]
    members.append(socket)
    async for message in socket:
        await _publish(message, members)


async def _publish(message: str | bytes, members: list[ServerConnection]) -> None:
    global _published
    _published += 1
    fault = sys.argv[2] if _published == _FAULTY_MESSAGE else "none"
    for member in members[1:] if fault == "lose" else members:
        await member.send(message)
    if fault == "repeat":
        await members[0].send(message)
    if fault == "stray":
        await next(each for each in _rooms.values() if each is not members)[0].send(message)


async def _main() -> None:
    async with serve(_member, "127.0.0.1", int(sys.argv[1]), compression=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
