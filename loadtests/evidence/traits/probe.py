"""Two questions put to one transport: is its connection duplex, and does it pass a proxy while its events are news."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from loadtests.evidence.traits.wire_clients import Wire, WireClient
from loadtests.load.clients.base import Access, ClientError, Endpoint
from loadtests.load.clients.publish import PublishClient

PATIENCE_S = 2.0
"""What has not come by then is held back: on one machine an event takes milliseconds."""

_refs = itertools.count(1)


class Passage(StrEnum):
    """What became of a transport behind a proxy."""

    PASSES = "passes"
    HELD_BACK = "held back"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ProbedServer:
    """A server's port on this machine and a token for every room."""

    port: int
    token: str

    def access(self, room: str, port: int | None = None) -> Access:
        """The way into a room, by another port where one is given."""
        return Access(Endpoint("127.0.0.1", port or self.port), room, self.token)


def duplex(wire_client: WireClient, server: ProbedServer, patience_s: float = PATIENCE_S) -> bool:
    """Tell whether a message that is sent on a listening connection comes back on it while it stays open."""
    room, ref = f"duplex-{wire_client.transport}", f"t{next(_refs)}"
    client = wire_client.client(server.access(room))
    try:
        with Wire(client, server.port, wire_client.tls()) as wire:
            if not wire.joins(patience_s):
                return False
            wire.send(wire_client.publish(client, "on the same connection", ref))
            return wire.hears(lambda event: event.type == "chat" and event.ref == ref, patience_s)
    except (ClientError, OSError):
        return False


def passage(wire_client: WireClient, server: ProbedServer, proxy_port: int, patience_s: float = PATIENCE_S) -> Passage:
    """Join through a proxy, publish past it, and tell whether the event comes through while it is news."""
    room, ref = f"proxy-{wire_client.transport}-{proxy_port}", f"t{next(_refs)}"
    client = wire_client.client(server.access(room, proxy_port))
    try:
        with Wire(client, proxy_port) as wire:
            if not wire.joins(patience_s):
                return Passage.REFUSED if client.closed is not None else Passage.HELD_BACK
            _published(server, room, ref, patience_s)
            came = wire.hears(lambda event: event.type == "chat" and event.ref == ref, patience_s)
            return Passage.PASSES if came else Passage.HELD_BACK
    except (ClientError, OSError):
        return Passage.REFUSED


def _published(server: ProbedServer, room: str, ref: str, patience_s: float) -> None:
    publisher = PublishClient(server.access(room))
    with Wire(publisher, server.port) as wire:
        wire.send(publisher.publish("past the proxy", ref))
        wire.hears(_acknowledges(ref), patience_s)


def _acknowledges(ref: str) -> Callable[[object], bool]:
    return lambda event: getattr(event, "ref", "") == ref
