"""How each transport is spoken on one connection: its client, and the bytes that publish on that same connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from loadtests.clients.base import Client
from loadtests.clients.http import Access, build_post
from loadtests.clients.polls import LongPollClient
from loadtests.clients.socketio import SocketIoClient
from loadtests.clients.sse import SseClient
from loadtests.clients.websocket import WebSocketClient


@dataclass(frozen=True, slots=True)
class Speaker:
    """One transport on HTTP/1.1 or WebSocket. `publish(client, content, ref)` builds what is sent on its connection."""

    transport: str
    client: Callable[[Access], Client]
    publish: Callable[[Client, str, str], bytes]


def _frame(client: Client, content: str, ref: str) -> bytes:
    assert isinstance(client, WebSocketClient)
    return client.publish(content, ref)


def _post(client: Client, content: str, ref: str) -> bytes:
    return build_post(client.access, "/messages", msgspec.json.encode({"content": content, "ref": ref}))


SPEAKERS = (
    Speaker("websocket", WebSocketClient, _frame),
    Speaker("sse", SseClient, _post),
    Speaker("longpoll", LongPollClient, _post),
    Speaker("socketio", SocketIoClient, _frame),
)
"""Short polling is not among them: between two questions its connection waits for nothing."""
