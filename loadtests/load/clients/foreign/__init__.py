"""Clients of servers that are not ours: an adapter says what to send; the same parsers, no contract.

A foreign server has no `epoch:offset`. A message's place is made from the publisher's own count, which is the order of
the room as long as one publisher speaks there on one connection; acknowledgement and delivery give it the same id.
"""

from __future__ import annotations

from loadtests.load.clients.base import Access
from loadtests.load.clients.foreign.adapted import AdaptedClient
from loadtests.load.clients.foreign.contents import Companion, found, frames_in, message_id
from loadtests.load.clients.foreign.own import own_class
from loadtests.load.clients.foreign.polls import ForeignPollClient
from loadtests.load.clients.foreign.publish import ForeignPublishClient
from loadtests.load.clients.foreign.session import Script, Session
from loadtests.load.clients.foreign.streams import ForeignSseClient
from loadtests.load.clients.foreign.websocket import ForeignWebSocketClient
from loadtests.records.adapter import LONGPOLL, SSE, WEBSOCKET, Adapter

__all__ = (
    "AdaptedClient",
    "Companion",
    "ForeignPollClient",
    "ForeignPublishClient",
    "ForeignSseClient",
    "ForeignWebSocketClient",
    "Script",
    "Session",
    "client",
    "found",
    "frames_in",
    "message_id",
    "publish_client",
    "require_classes",
)

_CLASSES: dict[str, type[AdaptedClient]] = {
    WEBSOCKET: ForeignWebSocketClient,
    SSE: ForeignSseClient,
    LONGPOLL: ForeignPollClient,
}


def client(adapter: Adapter, access: Access, since: str = "", session: Session | None = None) -> AdaptedClient:
    """Make a client that listens by the adapter's protocol. Raises AdapterError for a class of one's own."""
    base = _CLASSES[adapter.protocol]
    named = adapter.subscribe.client
    return (own_class(named, base) if named else base)(adapter, access, since, session)


def publish_client(
    adapter: Adapter, access: Access, session: Session | None = None, script: Script | None = None
) -> ForeignPublishClient:
    """Make a client that publishes by requests. Raises AdapterError for a class of one's own."""
    named = adapter.publish.client
    return (own_class(named, ForeignPublishClient) if named else ForeignPublishClient)(adapter, access, session, script)


def require_classes(adapter: Adapter) -> None:
    """Raise AdapterError unless the adapter's own classes, where it names any, can be had."""
    if adapter.subscribe.client:
        own_class(adapter.subscribe.client, _CLASSES[adapter.protocol])
    if adapter.publish.client:
        own_class(adapter.publish.client, ForeignPublishClient)
