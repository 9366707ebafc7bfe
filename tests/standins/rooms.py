"""Rooms of WebSockets, which is all that the stand-ins have behind their protocols."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

SILENT_S = 0.4  # of a client, before it is cut: 60 s in Phoenix, 30 s in SignalR


class Rooms:
    """Who is in which room."""

    def __init__(self) -> None:
        self._members: defaultdict[str, list[WebSocket]] = defaultdict(list)

    def join(self, room: str, member: WebSocket) -> bool:
        """Let a member hear what is sent to the room; return whether it did not before."""
        if member in self._members[room]:
            return False
        self._members[room].append(member)
        return True

    def leave(self, member: WebSocket) -> None:
        """Take a member out of all rooms."""
        for members in self._members.values():
            if member in members:
                members.remove(member)

    async def send(self, room: str, text: str) -> None:
        """Send a text to all members; one that has gone meanwhile gets none."""
        for member in tuple(self._members[room]):
            with suppress(WebSocketDisconnect, RuntimeError):
                await member.send_text(text)

    @asynccontextmanager
    async def admitted(self, socket: WebSocket) -> AsyncIterator[None]:
        """Accept a socket; when it has ended, or nothing is heard of it, take it out of its rooms."""
        await socket.accept()
        try:
            yield
        except WebSocketDisconnect:
            pass
        except TimeoutError:
            await socket.close(1001, "silent for too long")
        finally:
            self.leave(socket)


def compact(value: object) -> str:
    """Return JSON without a space."""
    return json.dumps(value, separators=(",", ":"))
