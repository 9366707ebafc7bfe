"""The three ways to send a raw command: the same bytes as a WebSocket frame, a POST's body and an emitted event.

`Door.submit` says what became of them: the position it got, or the code it was refused with (and, over
HTTP, a status that `refusal` has held against that code).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import httpx

from tests.contracts.kit.clients import HttpRoomClient, RoomClient, SocketIoClient, WebSocketClient
from tests.contracts.kit.clients.http import refusal
from tests.contracts.kit.events import Position, parse_object
from tests.contracts.kit.limits import FRAME_MAX_BYTES
from tests.contracts.targets import Target

_AROUND_BYTES = len('421["chat",]')


@dataclass(frozen=True, slots=True)
class Verdict:
    """`code` is None when the command was taken."""

    code: str | None
    position: Position | None = None
    status: int | None = None


class Door(ABC):
    @abstractmethod
    async def submit(self, raw: bytes) -> Verdict:
        """Send one whole frame or body."""


class FrameDoor(Door):
    def __init__(self, client: WebSocketClient) -> None:
        self.client = client

    async def submit(self, raw: bytes) -> Verdict:
        # `send` of a str makes a text frame; the bytes of every command of the table are UTF-8.
        await self.client.send(raw.decode("utf-8"))
        reply = await self.client.reply()
        return Verdict(None, reply.id) if reply.type == "ack" else Verdict(reply.text("code"))


class EventDoor(Door):
    def __init__(self, client: SocketIoClient) -> None:
        self.client = client

    async def submit(self, raw: bytes) -> Verdict:
        # The limit is the frame's: where a command's padding fills it, some gives way to what stands around.
        if len(raw) == FRAME_MAX_BYTES:
            raw = raw.replace(b" " * _AROUND_BYTES, b"", 1)
        reply = await self.client.answer(await self.client.emit(f'["chat",{raw.decode()}]'))
        return Verdict(None, reply.id) if reply.type == "ack" else Verdict(reply.text("code"))


class BodyDoor(Door):
    def __init__(self, client: HttpRoomClient) -> None:
        self.client = client

    async def submit(self, raw: bytes) -> Verdict:
        response = await self.client.http.post(
            f"/rooms/{self.client.room}/messages", content=raw, headers={"Content-Type": "application/json"}
        )
        if response.status_code != httpx.codes.ACCEPTED:
            error = refusal(response)
            return Verdict(error.code, None, error.status)
        return Verdict(None, Position.parse(parse_object(response.content)["id"]), response.status_code)


DOOR_TARGETS = (
    Target("websocket", "websocket"),
    Target("sse", "sse"),
    Target("longpoll", "longpoll"),
    Target("shortpoll", "shortpoll"),
    Target("socketio", "socketio"),
    Target("all", "websocket"),
    Target("all", "sse"),
)


def door_of(client: RoomClient) -> Door:
    if isinstance(client, WebSocketClient):
        return FrameDoor(client)
    if isinstance(client, SocketIoClient):
        return EventDoor(client)
    assert isinstance(client, HttpRoomClient)
    return BodyDoor(client)
