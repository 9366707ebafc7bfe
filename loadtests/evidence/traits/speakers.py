"""How each transport is spoken on one connection: its client, and the bytes that publish on that same connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from loadtests.evidence.traits.multiplexed import DuplexPushClient, DuplexSseClient, Upstream
from loadtests.load.clients.base import Access, Client
from loadtests.load.clients.http import build_post
from loadtests.load.clients.polls import LongPollClient
from loadtests.load.clients.socketio import SocketIoClient
from loadtests.load.clients.sse import SseClient
from loadtests.load.clients.tls import TlsPipe, client_context
from loadtests.load.clients.websocket import WebSocketClient
from loadtests.run.servers import HOST


@dataclass(frozen=True, slots=True)
class Speaker:
    """One transport. `publish(client, content, ref)` builds what is sent on its connection."""

    transport: str
    client: Callable[[Access], Client]
    publish: Callable[[Client, str, str], bytes]
    alpn: str = ""  # what it speaks over TLS; empty: no TLS

    def tls(self) -> TlsPipe | None:
        """TLS for a new connection to this machine, where the transport needs it."""
        return TlsPipe(client_context(HOST, self.alpn), HOST, self.alpn) if self.alpn else None


def _own(client: Client, content: str, ref: str) -> bytes:
    assert isinstance(client, WebSocketClient | Upstream)
    return client.publish(content, ref)


def _post(client: Client, content: str, ref: str) -> bytes:
    return build_post(client.access, "/messages", msgspec.json.encode({"content": content, "ref": ref}))


SPEAKERS = (
    Speaker("websocket", WebSocketClient, _own),
    Speaker("sse", SseClient, _post),
    Speaker("longpoll", LongPollClient, _post),
    Speaker("socketio", SocketIoClient, _own),
)
"""What `all` serves. Short polling is not among them: between two questions its connection waits for nothing."""

MULTIPLEXED = (
    Speaker("h2push", DuplexPushClient, _own, alpn=DuplexPushClient.alpn),
    Speaker("sse-h2", DuplexSseClient, _own, alpn=DuplexSseClient.alpn),
)
"""On HTTP/2, each with a server of its own."""
