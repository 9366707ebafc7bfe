"""The two questions, put to one transport."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from loadtests.evidence.traits.speakers import Speaker
from loadtests.evidence.traits.wire import Wire
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
class Door:
    """A server's port on this machine and a token for every room."""

    port: int
    token: str

    def access(self, room: str, port: int | None = None) -> Access:
        """The way into a room, by another port where one is given."""
        return Access(Endpoint("127.0.0.1", port or self.port), room, self.token)


def duplex(speaker: Speaker, door: Door, patience_s: float = PATIENCE_S) -> bool:
    """Tell whether a message that is sent on a listening connection comes back on it while it stays open."""
    room, ref = f"duplex-{speaker.transport}", f"t{next(_refs)}"
    client = speaker.client(door.access(room))
    try:
        with Wire(client, door.port, speaker.tls()) as wire:
            if not wire.joins(patience_s):
                return False
            wire.send(speaker.publish(client, "on the same connection", ref))
            return wire.hears(lambda event: event.type == "chat" and event.ref == ref, patience_s)
    except (ClientError, OSError):
        return False


def passage(speaker: Speaker, door: Door, proxy_port: int, patience_s: float = PATIENCE_S) -> Passage:
    """Join through a proxy, publish past it, and tell whether the event comes through while it is news."""
    room, ref = f"proxy-{speaker.transport}-{proxy_port}", f"t{next(_refs)}"
    client = speaker.client(door.access(room, proxy_port))
    try:
        with Wire(client, proxy_port) as wire:
            if not wire.joins(patience_s):
                return Passage.REFUSED if client.closed is not None else Passage.HELD_BACK
            _published(door, room, ref, patience_s)
            came = wire.hears(lambda event: event.type == "chat" and event.ref == ref, patience_s)
            return Passage.PASSES if came else Passage.HELD_BACK
    except (ClientError, OSError):
        return Passage.REFUSED


def _published(door: Door, room: str, ref: str, patience_s: float) -> None:
    publisher = PublishClient(door.access(room))
    with Wire(publisher, door.port) as wire:
        wire.send(publisher.publish("past the proxy", ref))
        wire.hears(_acknowledges(ref), patience_s)


def _acknowledges(ref: str) -> Callable[[object], bool]:
    return lambda event: getattr(event, "ref", "") == ref
