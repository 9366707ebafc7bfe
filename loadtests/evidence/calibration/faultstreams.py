"""What the fault server's streams look like: a class for each, which the transport's record names."""

from __future__ import annotations

from functools import cache
from typing import ClassVar, Protocol

from core.catalogue import records, resolve
from loadtests.evidence.calibration.faults import EPOCH, Delivery


class StreamWire(Protocol):
    """How one transport's stream looks: the type of its response, the welcome, and an event."""

    media_type: ClassVar[str]

    def opening(self, welcome: bytes) -> bytes:
        """Return what comes first."""

    def event(self, delivery: Delivery) -> bytes:
        """Return the bytes of one event, which are a chunk."""


class EventStreamWire:
    """Server-sent events, with the line ends that our servers do not use."""

    media_type = "text/event-stream"

    def opening(self, welcome: bytes) -> bytes:
        """Return the welcome behind a hint of when to come back."""
        return b"retry: 50\r\ndata: %b\r\n\r\n" % welcome

    def event(self, delivery: Delivery) -> bytes:
        """Return an event with its id."""
        return b"id: %b:%d\r\ndata: %b\r\n\r\n" % (EPOCH.encode(), delivery.offset, delivery.body)


class NdjsonWire:
    """One event a line; a heartbeat before the welcome, which no client may take for an event."""

    media_type = "application/x-ndjson"

    def opening(self, welcome: bytes) -> bytes:
        """Return an empty line, and the welcome."""
        return b"\n%b\n" % welcome

    def event(self, delivery: Delivery) -> bytes:
        """Return a line."""
        return b"%b\n" % delivery.body


@cache
def streams() -> dict[str, StreamWire]:
    """Return the wires of the catalogue's streams by the last part of their paths."""
    return {
        record.server.endpoint.rpartition("/")[2]: resolve(record.proof.wire)()
        for record in records().values()
        if record.pushes and not record.duplex and record.proof.wire is not None
    }
