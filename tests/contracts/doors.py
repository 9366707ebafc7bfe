"""The ways in for a raw command: the same bytes as a WebSocket frame and as a POST's body.

`Door.submit` says what became of them: the position it got, or the code it was refused with (and, over
HTTP, a status that `refusal` has held against that code).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import httpx

from tests.contracts.kit.clients import HttpRoomClient, RoomClient, WebSocketClient
from tests.contracts.kit.clients.http import refusal
from tests.contracts.kit.events import Position, parse_object
from tests.contracts.targets import Target


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
    Target("all", "websocket"),
    Target("all", "sse"),
)


def door_of(client: RoomClient) -> Door:
    if isinstance(client, WebSocketClient):
        return FrameDoor(client)
    assert isinstance(client, HttpRoomClient)
    return BodyDoor(client)
