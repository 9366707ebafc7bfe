"""Rooms of WebSockets, which is all that the stand-ins have behind their protocols."""

from __future__ import annotations

from collections import defaultdict

from starlette.websockets import WebSocket


class Rooms:
    """Who is in which room."""

    def __init__(self) -> None:
        self._members: defaultdict[str, list[WebSocket]] = defaultdict(list)

    def join(self, room: str, member: WebSocket) -> None:
        """Let a member hear what is sent to the room."""
        self._members[room].append(member)

    def leave(self, member: WebSocket) -> None:
        """Take a member out of all rooms."""
        for members in self._members.values():
            if member in members:
                members.remove(member)

    async def send(self, room: str, text: str) -> None:
        """Send a text to all members."""
        for member in tuple(self._members[room]):
            await member.send_text(text)
