"""The three ways to send a raw command: the same bytes as a WebSocket frame, a POST's body and an emitted event.

`RawSender.submit` returns the position that the command got, or the code with which it was refused (over HTTP also the
status, which `refusal` has compared with that code).
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
class Reply:
    """`code` is None when the command was taken."""

    code: str | None
    position: Position | None = None
    status: int | None = None


class RawSender(ABC):
    @abstractmethod
    async def submit(self, raw: bytes) -> Reply:
        """Send one whole frame or body."""


class FrameSender(RawSender):
    def __init__(self, client: WebSocketClient) -> None:
        self.client = client

    async def submit(self, raw: bytes) -> Reply:
        # `send` of a str makes a text frame; the bytes of every command of the table are UTF-8.
        await self.client.send(raw.decode("utf-8"))
        reply = await self.client.reply()
        return Reply(None, reply.id) if reply.type == "ack" else Reply(reply.text("code"))


class EventSender(RawSender):
    def __init__(self, client: SocketIoClient) -> None:
        self.client = client

    async def submit(self, raw: bytes) -> Reply:
        # The limit is the frame's: where a command's padding fills it, some gives way to what stands around.
        if len(raw) == FRAME_MAX_BYTES:
            raw = raw.replace(b" " * _AROUND_BYTES, b"", 1)
        reply = await self.client.answer(await self.client.emit(f'["chat",{raw.decode()}]'))
        return Reply(None, reply.id) if reply.type == "ack" else Reply(reply.text("code"))


class BodySender(RawSender):
    def __init__(self, client: HttpRoomClient) -> None:
        self.client = client

    async def submit(self, raw: bytes) -> Reply:
        response = await self.client.http.post(
            f"/rooms/{self.client.room}/messages", content=raw, headers={"Content-Type": "application/json"}
        )
        if response.status_code != httpx.codes.ACCEPTED:
            error = refusal(response)
            return Reply(error.code, None, error.status)
        return Reply(None, Position.parse(parse_object(response.content)["id"]), response.status_code)


SENDER_TARGETS = (
    Target("websocket", "websocket"),
    Target("sse", "sse"),
    Target("longpoll", "longpoll"),
    Target("shortpoll", "shortpoll"),
    Target("socketio", "socketio"),
    Target("all", "websocket"),
    Target("all", "sse"),
)


def sender_of(client: RoomClient) -> RawSender:
    if isinstance(client, WebSocketClient):
        return FrameSender(client)
    if isinstance(client, SocketIoClient):
        return EventSender(client)
    assert isinstance(client, HttpRoomClient)
    return BodySender(client)
