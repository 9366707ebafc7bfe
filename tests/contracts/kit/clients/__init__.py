"""One room client per transport, on stock libraries, behind one Protocol."""

from __future__ import annotations

from tests.contracts.kit.clients.base import Client, DisconnectedError, Ending, Joined, RefusedError, RoomClient, ending
from tests.contracts.kit.clients.http import HttpRoomClient
from tests.contracts.kit.clients.poll import LongPollClient, PollClient, ShortPollClient
from tests.contracts.kit.clients.push import PushClient
from tests.contracts.kit.clients.socketio import SocketIoClient
from tests.contracts.kit.clients.sse import SseClient
from tests.contracts.kit.clients.stream import StreamClient
from tests.contracts.kit.clients.websocket import WebSocketClient

__all__ = [
    "Client",
    "DisconnectedError",
    "Ending",
    "HttpRoomClient",
    "Joined",
    "LongPollClient",
    "PollClient",
    "PushClient",
    "RefusedError",
    "RoomClient",
    "ShortPollClient",
    "SocketIoClient",
    "SseClient",
    "StreamClient",
    "WebSocketClient",
    "ending",
]
